//! A running server: the store, the sockets, the upkeep and the deliverer, started and stopped in the right order.

mod listener;

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::ServerHandle;

use crate::app::webhooks::Deliverer;
use crate::app::{App, Connections, Upkeep};
use crate::clock::{Clock, Stopwatch};
use crate::config::Settings;
use crate::http::{self, Certificates};
use crate::policy;
use crate::store::{in_use, is_in_use};

pub use listener::passed;

/// The admin socket's name in the data directory.
const SOCKET: &str = "atlas.sock";
/// Bytes that the path of a Unix socket may have, its end included (Linux, `unix(7)`).
const SOCKET_PATH_MAX: usize = 108;

/// A server that answers.
pub struct Running {
    /// Where it listens.
    pub address: SocketAddr,
    /// The service behind it.
    pub app: Arc<App>,
    api: ServerHandle,
    admin: ServerHandle,
    /// The metrics' own server, if there is one.
    pub metrics: Option<Metrics>,
    upkeep: Upkeep,
    deliverer: Deliverer,
    socket: PathBuf,
    /// On a socket that was passed, whose next server gets whoever has not been accepted yet.
    handed_on: Option<Connections>,
    certificates: Option<Arc<Certificates>>,
}

/// The server of the metrics on an address of its own.
pub struct Metrics {
    /// Where it listens.
    pub address: SocketAddr,
    handle: ServerHandle,
}

impl Metrics {
    fn serve(app: &Arc<App>, listener: TcpListener) -> Result<Self, String> {
        let fault = |e| format!("metrics can't be served: {e}");
        let address = listener.local_addr().map_err(fault)?;
        let server = http::serve_metrics(app, listener).map_err(fault)?;
        let handle = server.handle();
        actix_web::rt::spawn(server);
        Ok(Self { address, handle })
    }
}

/// The sockets of a server that has not begun: who connects waits in them.
pub struct Sockets {
    api: TcpListener,
    address: SocketAddr,
    metrics: Option<TcpListener>,
    is_passed: bool,
}

impl Sockets {
    /// Opens them; that of the API is the one that was [`passed`], if one was.
    ///
    /// # Errors
    /// One line that says what is wrong and what to do.
    pub fn open(passed: Option<TcpListener>, settings: &Settings) -> Result<Self, String> {
        let is_passed = passed.is_some();
        let (api, address) = listener::open(passed, settings)?;
        let metrics = settings.metrics_listen.map(listener::bind).transpose()?;
        if is_passed {
            listener::note_passed(settings, address);
        }
        Ok(Self {
            api,
            address,
            metrics,
            is_passed,
        })
    }
}

/// Waits a little for another process to let go of the data directory, as at a restart.
///
/// # Errors
/// One line when it does not.
pub async fn until_free(dir: &Path) -> Result<(), String> {
    let mut looks = tokio::time::interval(policy::LOCK_RETRY);
    let free = async {
        while is_in_use(dir) {
            looks.tick().await;
        }
    };
    let waited = tokio::time::timeout(policy::LOCK_PATIENCE, free).await;
    waited.map_err(|_| in_use(dir))
}

/// Opens the data directory and serves it. The server answers when this returns.
///
/// # Errors
/// One line that says what is wrong and what to do.
pub fn start(settings: Settings, clock: Clock) -> Result<Running, String> {
    let sockets = Sockets::open(None, &settings)?;
    start_on(sockets, settings, clock)
}

/// The same, on sockets that are open.
///
/// # Errors
/// One line that says what is wrong and what to do.
pub fn start_on(sockets: Sockets, settings: Settings, clock: Clock) -> Result<Running, String> {
    let Sockets {
        api: listener,
        address,
        metrics: metrics_listener,
        is_passed,
    } = sockets;
    let app = App::open(settings, clock)?;
    app.listens_on(address);
    app.runs_on(tokio::runtime::Handle::current());
    let socket = app.settings.data_dir.join(SOCKET);
    let admin = serve_admin(&app, &socket)
        .map_err(|e| format!("can't listen on {}: {e}", socket.display()))?;
    let metrics = metrics_listener
        .map(|listener| Metrics::serve(&app, listener))
        .transpose()?;
    let files = app.settings.tls.clone();
    let certificates = files.map(Certificates::read).transpose()?;
    if let Some(certificates) = &certificates {
        let shown = Arc::clone(certificates);
        app.shows_certificate(move || shown.expires_at());
    }
    let connections = app.connections.clone();
    let api = http::serve(&app, listener, certificates.as_ref(), &connections)
        .map_err(|e| format!("can't listen on {address}: {e}"))?;
    let upkeep = app.start_upkeep()?;
    let running = Running {
        address,
        deliverer: app.start_deliveries(),
        app,
        api: api.handle(),
        admin: admin.handle(),
        metrics,
        upkeep,
        socket,
        handed_on: is_passed.then_some(connections),
        certificates,
    };
    if let Some(certificates) = &running.certificates {
        actix_web::rt::spawn(Arc::clone(certificates).watch(running.app.settings.certificate_look));
    }
    actix_web::rt::spawn(api);
    actix_web::rt::spawn(admin);
    Ok(running)
}

impl Running {
    /// Reads anew what may change while the server runs: the certificate.
    pub fn look_again(&self) {
        match &self.certificates {
            Some(certificates) => certificates.look_again(),
            None => {
                log::info!("told to read its files anew, but without TLS there is nothing to read")
            }
        }
    }

    /// Lets running requests finish, then writes everything down and lets go of the data directory.
    ///
    /// # Errors
    /// One line for the operator when the last writes did not reach the disk.
    pub async fn stop(self) -> Result<(), String> {
        // Whoever watches would keep the server from ending; and no delivery is begun any more.
        self.app.stopping.send_replace(true);
        let (watch, limit) = (Stopwatch::start(), self.app.settings.shutdown_timeout);
        if let Some(connections) = &self.handed_on {
            self.hand_on(connections, limit).await;
        }
        // Keys can be revoked until the last request has ended.
        self.api.stop(true).await;
        // What is upstream goes on without its client.
        let left = limit.saturating_sub(watch.elapsed());
        self.app.unattended_ended(left).await;
        self.admin.stop(true).await;
        if let Some(metrics) = &self.metrics {
            metrics.handle.stop(true).await;
        }
        drop(std::fs::remove_file(&self.socket));
        drop(self.upkeep);
        self.deliverer.ended().await;
        self.app.close()
    }
}

impl Running {
    /// Leaves new connections in the socket, for the next server, and lets those that were accepted say what they want:
    /// actix closes them unheard when it stops. Each answer says by now that its connection ends.
    async fn hand_on(&self, connections: &Connections, limit: Duration) {
        self.api.pause().await;
        let most = limit.min(policy::HAND_ON);
        // The acceptor may have connections in hand that are not counted yet.
        let settled = std::future::pending::<()>();
        let settled = tokio::time::timeout(policy::HAND_ON_LEAST.min(most), settled);
        drop(
            tokio::time::timeout(most, async {
                tokio::join!(settled, connections.none_open())
            })
            .await,
        );
    }
}

fn serve_admin(app: &Arc<App>, socket: &Path) -> std::io::Result<actix_web::dev::Server> {
    use std::os::unix::fs::PermissionsExt;
    let (path, _directory) = reachable(socket)?;
    let server = http::serve_admin(app, &path)?;
    std::fs::set_permissions(socket, std::fs::Permissions::from_mode(0o600))?;
    Ok(server)
}

/// A path to the socket that is short enough, and what has to stay open for it.
///
/// # Errors
/// When the socket's directory can't be opened.
pub fn reachable(socket: &Path) -> std::io::Result<(PathBuf, Option<std::fs::File>)> {
    use std::os::fd::AsRawFd;
    if socket.as_os_str().len() < SOCKET_PATH_MAX {
        return Ok((socket.to_owned(), None));
    }
    let directory = std::fs::File::open(socket.parent().unwrap_or(Path::new(".")))?;
    let path = PathBuf::from(format!("/proc/self/fd/{}", directory.as_raw_fd())).join(SOCKET);
    Ok((path, Some(directory)))
}

/// The admin socket of a data directory.
pub fn socket_of(data_dir: &Path) -> PathBuf {
    data_dir.join(SOCKET)
}
