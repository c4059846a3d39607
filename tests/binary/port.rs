//! A port for who can't be asked which one it took.

use std::net::{Ipv4Addr, SocketAddr};

use socket2::{Domain, Socket, Type};

/// A port that stays ours while nobody listens on it.
pub struct Port {
    _held: Socket,
    pub address: SocketAddr,
}

impl Port {
    pub fn reserve() -> Self {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        socket
            .set_reuse_address(true)
            .expect("shared with its listener");
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        socket.bind(&any.into()).expect("a port");
        let address = socket.local_addr().expect("an address");
        Self {
            address: address.as_socket().expect("IPv4"),
            _held: socket,
        }
    }
}
