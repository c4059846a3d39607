//! Where people reach the server, and the pages of buyers on it.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::App;
use crate::domain::id::SessionId;
use crate::domain::key::Mode;
use crate::domain::session::Session;

/// Below which the pages of buyers are.
const PAGES: &str = "/pay/";

impl App {
    /// Says where the server listens; the first word counts.
    pub fn listens_on(&self, address: SocketAddr) {
        // A second word would be about the same server.
        let _ = self.address.set(address);
    }

    /// Where the server listens: the setting, until it is known better.
    pub fn address(&self) -> SocketAddr {
        *self.address.get().unwrap_or(&self.settings.listen)
    }

    /// Where people reach the server, without a slash at the end.
    pub fn base_url(&self) -> Cow<'_, str> {
        if let Some(url) = &self.settings.public_url {
            return url.as_str().into();
        }
        match self.address.get() {
            Some(address) => self.base_url.get_or_init(|| self.url_of(*address)).into(),
            None => self.url_of(self.settings.listen).into(),
        }
    }

    fn url_of(&self, address: SocketAddr) -> String {
        format!("{}://{}", self.scheme(), reachable(address))
    }

    /// Where the server listens, as a URL.
    pub fn own_url(&self) -> String {
        format!("{}://{}", self.scheme(), self.address())
    }

    /// Whether people reach the server over TLS.
    pub fn is_https(&self) -> bool {
        match &self.settings.public_url {
            Some(url) => url.is_https(),
            None => self.settings.tls.is_some(),
        }
    }

    fn scheme(&self) -> &'static str {
        if self.settings.tls.is_some() {
            "https"
        } else {
            "http"
        }
    }

    /// The buyer's page of a session; only test mode has one.
    pub fn page_url(&self, session: &Session) -> Option<String> {
        let url = || [&self.base_url(), self.page_path(session).as_str()].concat();
        (session.mode == Mode::Test).then(url)
    }

    /// The same, without the server's name.
    pub fn page_path(&self, session: &Session) -> String {
        let (id, tag) = (session.id.as_bytes(), self.pages.tag(session.id.as_bytes()));
        let mut path = String::with_capacity(PAGES.len() + id.len() + tag.len());
        path.push_str(PAGES);
        path.extend(id.iter().chain(&tag).map(|byte| char::from(*byte)));
        path
    }

    /// The session whose buyer's page has this name, if we gave it out.
    pub fn session_of_page(&self, name: &str) -> Option<SessionId> {
        let (id, tag) = name.as_bytes().split_at_checked(SessionId::LENGTH)?;
        self.pages
            .holds(id, tag)
            .then(|| SessionId::from_bytes(id))
            .flatten()
    }
}

/// Where people on this machine reach a server that listens there.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
        IpAddr::V4(_) | IpAddr::V6(_) => (),
    }
    address
}
