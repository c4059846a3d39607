//! HTTP/2: hyper speaks it, within bounds, and the gate answers as it does over HTTP/1.1. Here the one is turned into the
//! other.

mod down;

use std::cell::Cell;
use std::error::Error;
use std::fmt;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use actix_http::{BoxedPayloadStream, HttpMessage, Payload, Request, Uri};
use actix_web::HttpResponse;
use actix_web::body::{BodySize, MessageBody};
use actix_web::dev::{Service, ServiceResponse};
use actix_web::error::PayloadError;
use actix_web::http::header::{
    CONNECTION, CONTENT_LENGTH, HOST, HeaderName, HeaderValue, TRANSFER_ENCODING, UPGRADE,
};
use actix_web::http::{Method, StatusCode};
use actix_web::web::Bytes;
use futures_util::{Stream, ready};
use hyper::body::{Body, Frame, Incoming};
use hyper::rt::Executor;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;

use self::down::Down;
use super::activity::{Activity, Running, TooLate};
use super::stream;
use super::warden::once;
use crate::http::sending::Extent;
use crate::policy;

/// Requests and their answers run on the thread that serves the connection.
#[derive(Clone, Copy)]
struct Here;

impl<F: Future<Output = ()> + 'static> Executor<F> for Here {
    fn execute(&self, work: F) {
        drop(tokio::task::spawn_local(work));
    }
}

/// Serves a connection until its client or we have had enough; once the server is stopping, no longer than its requests
/// run.
pub(super) async fn serve<S, B>(
    stream: stream::Stream,
    peer: Option<SocketAddr>,
    service: Rc<S>,
    stopping: impl Future<Output = ()>,
) where
    S: Service<Request, Response = ServiceResponse<B>, Error = actix_web::Error> + 'static,
    B: MessageBody + 'static,
{
    let activity = Rc::clone(&stream.activity);
    let of_requests = Rc::clone(&activity);
    let is_over = Rc::new(Cell::new(false));
    let has_ended = Rc::clone(&is_over);
    let answer = service_fn(move |asked: hyper::Request<Incoming>| {
        let running = of_requests.begins();
        let (service, activity) = (Rc::clone(&service), Rc::clone(&of_requests));
        let is_head = asked.method() == hyper::Method::HEAD;
        let is_late = has_ended.get();
        async move {
            let request = request_of(asked, peer).ok_or(Withheld)?;
            if is_late {
                request.extensions_mut().insert(TooLate);
            }
            let response = match service.call(request).await {
                Ok(answered) => answered.into_parts().1.map_into_boxed_body(),
                Err(error) => error.error_response(),
            };
            response_of(response, is_head, &activity, running)
        }
    });
    let connection = http2::Builder::new(Here)
        .max_concurrent_streams(policy::H2_STREAMS)
        .max_header_list_size(policy::H2_HEADERS)
        .initial_stream_window_size(policy::H2_STREAM_WINDOW)
        .initial_connection_window_size(policy::H2_WINDOW)
        .serve_connection(TokioIo::new(stream), answer);
    let mut connection = std::pin::pin!(connection);
    tokio::select! {
        ended = connection.as_mut() => return note(ended),
        () = once(|| activity.leaves()) => {
            connection.as_mut().graceful_shutdown();
            // Whoever does not take it goes without.
            if let Ok(ended) = tokio::time::timeout(policy::FAREWELL, connection).await {
                note(ended);
            }
            return;
        }
        () = stopping => (),
    }
    connection.as_mut().graceful_shutdown();
    let last = async {
        if let Ok(ended) = tokio::time::timeout(policy::FAREWELL, connection.as_mut()).await {
            return ended;
        }
        // hyper takes more until its client has answered a ping.
        is_over.set(true);
        connection.await
    };
    tokio::select! {
        ended = last => note(ended),
        () = once(|| activity.leaves()) => (),
    }
}

fn note(ended: hyper::Result<()>) {
    if let Err(e) = ended {
        log::debug!("an HTTP/2 connection broke off: {e}");
    }
}

/// A request as it would have come over HTTP/1.1: its target without the origin, which is in `Host`.
fn request_of(asked: hyper::Request<Incoming>, peer: Option<SocketAddr>) -> Option<Request> {
    let (asked, body) = asked.into_parts();
    let payload = if body.is_end_stream() {
        Payload::None
    } else {
        Payload::Stream {
            payload: Box::pin(Coming(Some(body))) as BoxedPayloadStream,
        }
    };
    let mut request = Request::with_payload(payload);
    let head = request.head_mut();
    head.method = Method::from_bytes(asked.method.as_str().as_bytes()).ok()?;
    let target = asked.uri.path_and_query();
    let target = target.map_or("/", |target| target.as_str());
    head.uri = Uri::try_from(target).ok()?;
    head.version = actix_web::http::Version::HTTP_2;
    head.peer_addr = peer;
    for (name, value) in &asked.headers {
        let name = HeaderName::from_bytes(name.as_str().as_bytes()).ok()?;
        let value = HeaderValue::from_bytes(value.as_bytes()).ok()?;
        head.headers.append(name, value);
    }
    // It counts, whatever `Host` says (RFC 9113, 8.3.1).
    if let Some(authority) = asked.uri.authority() {
        let host = HeaderValue::from_str(authority.as_str()).ok()?;
        head.headers.insert(HOST, host);
    }
    Some(request)
}

/// The body of a request, piece by piece.
struct Coming(Option<Incoming>);

impl Stream for Coming {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            let Some(body) = &mut self.0 else {
                return Poll::Ready(None);
            };
            match ready!(Pin::new(body).poll_frame(cx)).map(|next| next.map(Frame::into_data)) {
                Some(Ok(Ok(piece))) => return Poll::Ready(Some(Ok(piece))),
                // Trailers say nothing to us.
                Some(Ok(Err(_))) => (),
                Some(Err(e)) => {
                    let why = std::io::Error::other(e);
                    return Poll::Ready(Some(Err(PayloadError::Incomplete(Some(why)))));
                }
                None => self.0 = None,
            }
        }
    }
}

impl Drop for Coming {
    /// Were the rest of a body given up at once, its client might hear of that before it hears the answer.
    fn drop(&mut self) {
        let Some(mut body) = self.0.take().filter(|body| !body.is_end_stream()) else {
            return;
        };
        // At the end of its thread what still runs is dropped where no time passes any more.
        if tokio::runtime::Handle::try_current().is_err() {
            return;
        }
        let passing = async move {
            while let Some(Ok(_)) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {}
        };
        let passing = tokio::time::timeout(policy::FAREWELL, passing);
        drop(tokio::task::spawn_local(passing));
    }
}

/// An answer as hyper sends it. What is not to be sent at all is an error, at which hyper resets the stream.
fn response_of(
    response: HttpResponse,
    is_head: bool,
    activity: &Activity,
    running: Running,
) -> Result<hyper::Response<Down>, Withheld> {
    let (response, body) = response.into_parts();
    if response.extensions().get() == Some(&Extent::Nothing) {
        return Err(Withheld);
    }
    let status = response.status();
    let mut answer = hyper::Response::new(());
    *answer.status_mut() = hyper::StatusCode::from_u16(status.as_u16()).map_err(|_| Withheld)?;
    let is_told = !matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    let length = match body.size() {
        BodySize::Sized(length) if is_told => Some(length),
        BodySize::Sized(_) | BodySize::None | BodySize::Stream => None,
    };
    let headers = answer.headers_mut();
    for (name, value) in response.headers() {
        // What belongs to one connection of HTTP/1.1 does not come along, and the length is said by the body.
        if [CONNECTION, TRANSFER_ENCODING, UPGRADE].contains(name)
            || (*name == CONTENT_LENGTH && is_told)
        {
            continue;
        }
        let name = hyper::header::HeaderName::from_bytes(name.as_str().as_bytes());
        let value = hyper::header::HeaderValue::from_bytes(value.as_bytes());
        if let (Ok(name), Ok(value)) = (name, value) {
            headers.append(name, value);
        }
    }
    if let Some(length) = length {
        headers.insert(hyper::header::CONTENT_LENGTH, length.into());
    }
    let is_empty =
        is_head || !is_told || matches!(body.size(), BodySize::None | BodySize::Sized(0));
    let down = if is_empty {
        Down::empty(length)
    } else {
        Down::new(body, length, activity.answers(), running)
    };
    Ok(answer.map(|()| down))
}

/// Nothing is answered: the stream is reset.
#[derive(Debug)]
struct Withheld;

impl fmt::Display for Withheld {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("nothing is answered")
    }
}

impl Error for Withheld {}
