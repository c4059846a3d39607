//! The link to one upstream: connections that are kept, a bound on how many are used at once, a circuit breaker around
//! them; and of a request that failed, whether anything of it can have arrived.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hyper::Uri;
use hyper_util::client::legacy::connect::HttpConnector;
use tokio::sync::Semaphore;

use super::aim::Aim;
use super::body::Body;
use super::breaker::Breaker;
use super::dial::Dialler;
use super::fields::Fields;
use super::headers::goes_under_key;
use super::http1::{Head, Request};
use super::pool::{Connection, Lost, Pool};
use super::turn::Turn;
use crate::app::outbound::{https, no_roots, system_roots};
use crate::clock::{Clock, Stopwatch};
use crate::config::{Authorization, UpstreamSettings, UpstreamUrl};
use crate::domain::refusal::Refusal;
use crate::policy;

/// Bytes that the head of a request takes, and a short body, as a rule.
const USUAL_HEAD: usize = 1024;

/// The way to one upstream.
pub struct Link {
    pub(super) url: UpstreamUrl,
    authorization: Option<Authorization>,
    connect_timeout: Duration,
    answer_timeout: Duration,
    is_idempotent: bool,
    /// What it calls its host, as `Host` says it.
    host: String,
    pool: Arc<Pool>,
    pub(super) connections: usize,
    pub(super) places: Semaphore,
    pub(super) breaker: Breaker,
    pub(super) clock: Clock,
}

/// Why nothing can be sent now. Nothing was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Busy {
    /// How long to wait before asking again; never nothing.
    pub retry_after: Duration,
    /// For the log.
    pub why: &'static str,
}

impl Busy {
    const fn left_alone(retry_after: Duration) -> Self {
        Self {
            retry_after,
            why: "it has failed and is left alone",
        }
    }
}

/// Why there is no answer, in words for the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// No byte of the request has reached the upstream.
    NothingSent(String),
    /// The request may have been done.
    OutcomeUnknown(String),
}

/// What an upstream has answered.
#[derive(Debug)]
pub struct Answer {
    /// HTTP status, 200 to 999.
    pub status: u16,
    /// What of its headers the client gets.
    pub headers: Fields,
    /// What `Content-Length` says: of an answer to HEAD, or of 304, the length of a body that does not come.
    pub told_length: Option<u64>,
    /// Something of the request may have gone up before the one that this answers.
    pub is_of_repetition: bool,
    /// Its body, as it comes.
    pub body: Body,
}

/// Whether a request may go up a second time by itself, when a connection that was kept turns out to be closed before a
/// byte of the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Again {
    /// It may not, so it is sent on a connection of its own, which nobody is about to close.
    Never,
    /// It may: done twice is like done once.
    Once,
}

/// The right to send one request, on a connection of its own. Dropped, it is given back.
pub struct Passage(Turn);

impl Link {
    /// Makes ready to connect; nothing is connected yet.
    ///
    /// # Errors
    /// Why nobody can be reached.
    pub fn new(settings: &UpstreamSettings, clock: Clock) -> Result<Self, String> {
        let roots = match &settings.authorities {
            Some(authorities) => authorities.roots(),
            None if !settings.url.is_https() => no_roots(),
            None => {
                let (roots, errors) = system_roots();
                if roots.is_empty() {
                    return Err(format!("the system has no root certificates: {errors}"));
                }
                roots
            }
        };
        let mut http = HttpConnector::new();
        // Shared between the addresses of a name, so that one that is silent leaves time for the next.
        http.set_connect_timeout(Some(settings.connect_timeout));
        let to: Uri = settings.url.as_str().parse().map_err(|e| format!("{e}"))?;
        let host = host(&to).ok_or("it has no host")?;
        let dialler = Dialler::new(https(http, roots)?, to, settings.connect_timeout);
        Ok(Self {
            url: settings.url.clone(),
            authorization: settings.authorization.clone(),
            connect_timeout: settings.connect_timeout,
            answer_timeout: settings.answer_timeout,
            is_idempotent: settings.is_idempotent,
            host,
            pool: Pool::new(dialler, settings.connections, policy::UPSTREAM_KEEP_ALIVE),
            connections: settings.connections,
            places: Semaphore::new(settings.connections),
            breaker: Breaker::default(),
            clock,
        })
    }

    /// Where it is.
    pub const fn url(&self) -> &UpstreamUrl {
        &self.url
    }

    pub(super) const fn pool(&self) -> &Arc<Pool> {
        &self.pool
    }

    /// Whether a repetition under the same `Idempotency-Key` is done once.
    pub const fn is_idempotent(&self) -> bool {
        self.is_idempotent
    }

    /// Whether a request may go up again by itself, under the same `Idempotency-Key` if it has one. Of a method that nobody
    /// here knows, nobody knows what it does twice (RFC 9110, 9.2.2).
    pub fn again(&self, method: &str) -> Again {
        let harmless = matches!(method, "GET" | "HEAD" | "PUT" | "DELETE" | "OPTIONS");
        if harmless || (self.is_idempotent && goes_under_key(method)) {
            Again::Once
        } else {
            Again::Never
        }
    }

    /// Where a request goes up to.
    ///
    /// # Errors
    /// As [`Aim::new`].
    pub fn aim<'a>(&self, method: &'a str, path: &str, query: &str) -> Result<Aim<'a>, Refusal> {
        Aim::new(&self.url, method, path, query)
    }

    /// A request as it goes up: `fields` are those of [`super::headers::up`], and what is said of the upstream and of the
    /// body joins them.
    pub fn request(&self, aim: &Aim<'_>, fields: &Fields, body: Bytes) -> Request {
        let (method, target) = (aim.method, &*aim.target);
        let mut head = Vec::with_capacity(USUAL_HEAD);
        let mut say = |parts: &[&str]| {
            parts
                .iter()
                .for_each(|part| head.extend_from_slice(part.as_bytes()));
        };
        say(&[
            method,
            " ",
            target,
            " HTTP/1.1\r\nhost: ",
            &self.host,
            "\r\n",
        ]);
        if let Some(value) = &self.authorization {
            say(&["authorization: ", value.expose(), "\r\n"]);
        }
        if !body.is_empty() || ["POST", "PUT", "PATCH"].contains(&method) {
            let mut number = itoa::Buffer::new();
            say(&["content-length: ", number.format(body.len()), "\r\n"]);
        }
        head.extend_from_slice(fields.as_bytes());
        Request::new(method, head, body)
    }

    /// Takes a connection's place for one request. Where all are taken it waits for one, as long as a connection may take;
    /// but not while the upstream is left alone.
    ///
    /// # Errors
    /// [`Busy`] when no place was free in that time, or when the upstream is left alone because it has failed.
    pub async fn enter(self: &Arc<Self>) -> Result<Passage, Busy> {
        let place = match self.places.try_acquire() {
            Ok(place) => place,
            Err(_) => {
                let rest = self.breaker.rest(&self.clock);
                rest.map_or(Ok(()), |rest| Err(Busy::left_alone(rest)))?;
                let waiting = tokio::time::timeout(self.connect_timeout, self.places.acquire());
                let place = waiting.await.ok().and_then(Result::ok);
                place.ok_or(Busy {
                    retry_after: policy::RETRY_SOON,
                    why: "all connections are busy",
                })?
            }
        };
        let pass = self.breaker.ask(&self.clock).map_err(Busy::left_alone)?;
        // The turn gives it back.
        place.forget();
        Ok(Passage(Turn::new(Arc::clone(self), pass)))
    }

    /// Sends a request and waits for the head of its answer. Connecting has a time of its own.
    async fn exchange(
        &self,
        mut connection: Connection,
        request: &Request,
    ) -> Result<(Head, Connection), Lost> {
        let head = connection.send(request, self.answer_timeout).await?;
        Ok((head, connection))
    }

    /// The same on a connection of its own.
    async fn exchange_alone(&self, request: &Request) -> Result<(Head, Connection), Lost> {
        self.exchange(self.pool.single().await?, request).await
    }
}

impl Passage {
    /// Sends the request `now`. Redirects are answers like any other. Dropped on the way, it closes the connection, and
    /// nobody learns what came of it.
    ///
    /// # Errors
    /// A [`Fault`] that says whether anything of the request can have arrived.
    pub async fn send(
        self,
        request: &Request,
        again: Again,
        now: Stopwatch,
    ) -> Result<Answer, Fault> {
        let link = self.0.link();
        // In boxes is what few requests need.
        let first = match again {
            Again::Once => match link.pool.connection(now).await {
                Ok(connection) => link.exchange(connection, request).await,
                Err(lost) => Err(lost),
            },
            // A connection that was kept may be closed at this very moment, and then nobody would know.
            Again::Never => Box::pin(link.exchange_alone(request)).await,
        };
        // Whether something of the request may be up already when it is sent again.
        let is_up = match first {
            Ok(response) => return self.answer(response, false),
            Err(Lost::Unsent(_)) => false,
            Err(Lost::Stale(_)) if again == Again::Once => true,
            Err(Lost::Unconnected(why)) => return self.fail(Fault::NothingSent(why)),
            Err(Lost::Stale(why) | Lost::Unknown(why)) => {
                return self.fail(Fault::OutcomeUnknown(why.into_owned()));
            }
        };
        match Box::pin(self.0.link().exchange_alone(request)).await {
            Ok(answer) => self.answer(answer, is_up),
            Err(Lost::Unconnected(why)) if !is_up => self.fail(Fault::NothingSent(why)),
            Err(Lost::Unsent(why)) if !is_up => self.fail(Fault::NothingSent(why.into_owned())),
            Err(Lost::Unconnected(why)) => self.fail(Fault::OutcomeUnknown(why)),
            Err(Lost::Unsent(why) | Lost::Stale(why) | Lost::Unknown(why)) => {
                self.fail(Fault::OutcomeUnknown(why.into_owned()))
            }
        }
    }

    fn answer(
        mut self,
        (head, connection): (Head, Connection),
        is_of_repetition: bool,
    ) -> Result<Answer, Fault> {
        match head.status {
            101 => {
                let why = "it switched protocols, though nobody asked it to".to_owned();
                return self.fail(Fault::OutcomeUnknown(why));
            }
            502..=504 => self.0.note(false),
            _ => self.0.answered(),
        }
        let link = self.0.link();
        let (is_https, pause) = (link.url.is_https(), link.answer_timeout);
        Ok(Answer {
            status: head.status,
            told_length: head.told_length,
            is_of_repetition,
            body: Body::new(
                head.length,
                connection,
                head.is_chunked || is_https,
                pause,
                self.0,
            ),
            headers: head.fields,
        })
    }

    fn fail(mut self, fault: Fault) -> Result<Answer, Fault> {
        self.0.note(false);
        Err(fault)
    }
}

impl fmt::Debug for Passage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Passage").finish_non_exhaustive()
    }
}

/// The host and port of a URL as `Host` says them: the usual port is not told.
fn host(url: &Uri) -> Option<String> {
    let usual = match url.scheme_str() {
        Some("https") => 443,
        _ => 80,
    };
    let host = url.host()?;
    Some(match url.port_u16().filter(|port| *port != usual) {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    })
}

#[cfg(test)]
mod tests;
