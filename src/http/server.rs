//! The server of the API: takes connections, in clear or over TLS, and holds each to its bounds. What is asked over it
//! goes through the gate.

mod activity;
mod framing;
mod h2;
mod pipeline;
mod stream;
mod tls;
mod warden;

use std::net::{SocketAddr, TcpListener};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix_http::{HttpService, KeepAlive, Protocol, Request};
use actix_service::map_config;
use actix_web::body::MessageBody;
use actix_web::dev::{
    AppConfig, Extensions, Server, Service, ServiceFactory, ServiceResponse, fn_factory, fn_service,
};
use actix_web::middleware::from_fn;
use actix_web::{App as Routes, Error};
use rustix::net::sockopt::{set_tcp_nodelay, set_tcp_user_timeout};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

pub(super) use self::activity::{Activity, Running, TooLate};
use self::stream::Stream;
pub use self::tls::Certificates;
use self::warden::{Warden, once};
use super::gate::Gate;
use super::request_id::RequestIds;
use crate::app::{App, Connections};
use crate::config::{Patience, Settings};
use crate::policy;

/// The server of the API on this socket. Runs once awaited; its handle stops it.
///
/// # Errors
/// When the socket can't be listened on.
pub fn serve(
    app: &Arc<App>,
    listener: TcpListener,
    certificates: Option<&Arc<Certificates>>,
    open: &Connections,
) -> std::io::Result<Server> {
    let open = open.clone();
    let settings = app.settings.clone();
    let acceptor = certificates
        .map(|certificates| certificates.acceptor())
        .transpose()
        .map_err(std::io::Error::other)?;
    // Every connection has these from its listener.
    set_tcp_nodelay(&listener, true)?;
    set_tcp_user_timeout(&listener, millis(settings.patience.send))?;
    let server = Server::build()
        .workers(settings.workers)
        .max_concurrent_connections(settings.max_connections / settings.workers)
        .shutdown_timeout(crate::domain::time::seconds_up(settings.shutdown_timeout))
        .disable_signals();
    let stop = server.graceful_shutdown_signal();
    let (app, request_ids) = (Arc::clone(app), Arc::new(RequestIds::new()));
    let server = server.listen("atlas", listener, move || {
        let stop = stop.clone();
        let stopping = move || {
            let stop = stop.clone();
            async move { stop.notified().await }
        };
        connections(
            &settings,
            Gate::new(Arc::clone(&app), Arc::clone(&request_ids)),
            acceptor.clone(),
            stopping,
            open.clone(),
        )
    })?;
    Ok(server.run())
}

fn millis(span: Duration) -> u32 {
    u32::try_from(span.as_millis()).unwrap_or(u32::MAX)
}

/// What a thread does with the connections that are given to it.
fn connections<T, F>(
    settings: &Settings,
    gate: Gate,
    acceptor: Option<TlsAcceptor>,
    stopping: T,
    open: Connections,
) -> impl ServiceFactory<TcpStream, Config = (), Response = (), Error = (), InitError = ()> + use<T, F>
where
    T: Fn() -> F + Clone + 'static,
    F: Future<Output = ()> + 'static,
{
    let (patience, is_mock, gate) = (settings.patience, settings.mock, Rc::new(gate));
    fn_factory(move || {
        let routes = || {
            let gate = Rc::clone(&gate);
            let routes = Routes::new()
                .wrap(from_fn(move |request, next| {
                    Rc::clone(&gate).pass(request, next)
                }))
                .configure(|config| super::routes(config, is_mock));
            map_config(routes, |()| AppConfig::default())
        };
        let warden = Rc::new(Warden::default());
        let of_http1 = Rc::clone(&warden);
        let http1 = HttpService::build()
            // The warden ends those on which nothing is asked.
            .keep_alive(KeepAlive::Os)
            .client_request_timeout(patience.head)
            .client_disconnect_timeout(policy::LINGER)
            .graceful_shutdown_signal(move || of_http1.stopping())
            .on_connect_ext(|stream: &Stream, data: &mut Extensions| {
                data.insert(Rc::clone(&stream.activity));
            })
            .finish(routes())
            .new_service(());
        // HTTP/2 is agreed on over TLS only.
        let secure = acceptor
            .clone()
            .map(|acceptor| (acceptor, routes().new_service(())));
        let (stopping, open) = (stopping(), open.clone());
        async move {
            warden.begin(patience, stopping);
            let secure = match secure {
                None => None,
                Some((acceptor, http2)) => Some(Secure {
                    acceptor,
                    http2: Rc::new(http2.await?),
                }),
            };
            let http = Rc::new(Http {
                http1: http1.await?,
                secure,
                patience,
                warden,
                open,
            });
            Ok(fn_service(move |stream: TcpStream| {
                let http = Rc::clone(&http);
                // In a box, since actix has room for two of what it gets.
                Box::pin(async move {
                    http.serve(stream).await;
                    Ok(())
                })
            }))
        }
    })
}

/// What serves the connections of a thread.
struct Http<H1, H2> {
    http1: H1,
    /// None where connections are in clear.
    secure: Option<Secure<H2>>,
    patience: Patience,
    warden: Rc<Warden>,
    /// Counts them.
    open: Connections,
}

/// What serves connections over TLS besides.
struct Secure<H2> {
    acceptor: TlsAcceptor,
    http2: Rc<H2>,
}

impl<H1, H2, B> Http<H1, H2>
where
    H1: Service<(Stream, Protocol, Option<SocketAddr>), Response = ()>,
    H1::Error: std::fmt::Debug,
    H2: Service<Request, Response = ServiceResponse<B>, Error = Error> + 'static,
    B: MessageBody + 'static,
{
    /// Serves a connection to its end.
    async fn serve(&self, stream: TcpStream) {
        let _open = self.open.open();
        let peer = stream.peer_addr().ok();
        let (stream, http2) = match &self.secure {
            None => (Stream::clear(stream), None),
            Some(Secure { acceptor, http2 }) => {
                let accepting = tls::accept(acceptor, stream, self.patience.handshake);
                // In a box, as below: what a connection needs for a while only takes no room for its whole life.
                match Box::pin(accepting).await {
                    Some(stream) => {
                        let is_h2 = stream.get_ref().1.alpn_protocol() == Some(tls::H2);
                        (Stream::tls(stream, is_h2), is_h2.then_some(http2))
                    }
                    None => return,
                }
            }
        };
        let activity = Rc::clone(&stream.activity);
        activity.is_served_here().await;
        self.warden.takes(&activity);
        if let Some(http2) = http2 {
            let (service, stopping) = (Rc::clone(http2), self.warden.stopping());
            return Box::pin(h2::serve(stream, peer, service, stopping)).await;
        }
        tokio::select! {
            biased;
            ended = self.http1.call((stream, Protocol::Http1, peer)) => {
                if let Err(e) = ended {
                    log::debug!("a connection broke off: {e:?}");
                }
            }
            () = once(|| activity.is_overdue()) => (),
        }
    }
}
