//! The socket that the API is served on: the one that the service manager passes (`sd_listen_fds(3)`), else our own.
//! A passed one outlives us: who connects while no server runs waits in it for the next.

use std::net::{SocketAddr, TcpListener};

use listenfd::ListenFd;

use crate::config::Settings;
use crate::policy;

/// `FileDescriptorName=` of the socket in `systemd/atlas.socket`.
const NAME: &str = "api";
/// What a descriptor is called by a manager that gives no names.
const NAMELESS: &str = "unknown";

/// Takes the socket that the service manager passed, if it passed one. A second call finds none.
///
/// # Errors
/// One line when what is passed can't be served on.
pub fn passed() -> Result<Option<TcpListener>, String> {
    let passed = sd_notify::listen_fds_with_names().map_err(|e| {
        format!("the service manager passes sockets, but not as sd_listen_fds(3) says: {e}")
    })?;
    let names: Vec<String> = passed.map(|(_, name)| name).collect();
    match names.as_slice() {
        [] => return Ok(None),
        [name] if is_ours(name) => (),
        [name] => {
            return Err(format!(
                "the service manager passes a socket named {name:?}, and atlas serves on {NAME:?} only: \
                 set FileDescriptorName={NAME} in the socket unit"
            ));
        }
        more => {
            return Err(format!(
                "the service manager passes {} sockets ({}), and atlas serves on one: leave one ListenStream= in the \
                 socket unit",
                more.len(),
                more.join(", ")
            ));
        }
    }
    let not_tcp = |why: &str| {
        format!(
            "the service manager passes something to serve on that is not a listening TCP socket ({why}): \
             the socket unit needs ListenStream= with address and port, and no Accept=yes"
        )
    };
    let socket = ListenFd::from_env()
        .take_tcp_listener(0)
        .map_err(|e| not_tcp(&e.to_string()))?;
    match socket.as_ref().map(rustix::net::sockopt::socket_acceptconn) {
        Some(Ok(true)) | None => Ok(socket),
        Some(Ok(false)) => Err(not_tcp("it does not listen")),
        Some(Err(e)) => Err(not_tcp(&e.to_string())),
    }
}

/// Whether a socket of this name is for the API. Without `FileDescriptorName=` the name is the unit's.
fn is_ours(name: &str) -> bool {
    name == NAME || name == NAMELESS || name.ends_with(".socket")
}

/// The socket to serve on, and its address.
pub(super) fn open(
    passed: Option<TcpListener>,
    settings: &Settings,
) -> Result<(TcpListener, SocketAddr), String> {
    let listen = settings.listen;
    let listener = match passed {
        Some(socket) => socket,
        None => bind(listen)?,
    };
    let address = listener
        .local_addr()
        .map_err(|e| format!("can't listen on {listen}: {e}"))?;
    Ok((listener, address))
}

/// A socket of our own.
pub(super) fn bind(listen: SocketAddr) -> Result<TcpListener, String> {
    let bound = TcpListener::bind(listen).and_then(|socket| {
        // The standard library lets 128 wait.
        rustix::net::listen(&socket, policy::BACKLOG)?;
        Ok(socket)
    });
    bound.map_err(|e| {
        let advice = if e.kind() == std::io::ErrorKind::AddrInUse {
            "; another server is there, an atlas perhaps: stop it, or choose another port (0 takes a free one)"
        } else {
            ""
        };
        format!("can't listen on {listen}: {e}{advice}")
    })
}

/// Says that the socket is a passed one, and that the setting is not gone by.
pub(super) fn note_passed(settings: &Settings, address: SocketAddr) {
    let listen = settings.listen;
    if settings.listen_is_default || listen == address {
        log::info!(
            "{address} is the service manager's socket: it stays open when this server ends"
        );
    } else {
        log::warn!(
            "listen = {listen} is not gone by: the service manager passes a socket on {address}, which is set by \
             ListenStream= in the socket unit"
        );
    }
}
