//! The body of an upstream's answer, as it comes. While it comes, its connection is taken.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use futures_util::Stream;
use tokio::sync::mpsc;

use super::pool::Connection;
use super::turn::Turn;
use crate::clock::within;
use crate::policy;

/// The body of an answer. Dropped before its end, it closes the connection.
pub struct Body {
    length: Option<u64>,
    has_end: bool,
    /// How long the next piece may take.
    pause: Duration,
    /// None after the end.
    flow: Option<Flow>,
}

/// What is given back at the end.
struct Flow {
    connection: Connection,
    turn: Turn,
}

/// The body broke off: nobody knows its rest, and so nobody knows what came of the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cut(
    /// Why, for the log.
    pub String,
);

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the upstream's answer broke off: {}", self.0)
    }
}

impl std::error::Error for Cut {}

impl Body {
    pub(super) fn new(
        length: Option<u64>,
        connection: Connection,
        has_end: bool,
        pause: Duration,
        turn: Turn,
    ) -> Self {
        Self {
            length,
            has_end: has_end || length.is_some(),
            pause,
            flow: Some(Flow { connection, turn }),
        }
    }

    /// Its whole length in bytes, if the upstream has told it.
    pub const fn length(&self) -> Option<u64> {
        self.length
    }

    /// Whether its end looks otherwise than a connection that is lost: by its length, its chunks or a farewell of TLS.
    pub const fn has_end(&self) -> bool {
        self.has_end
    }

    /// How long its next piece may take.
    pub const fn pause(&self) -> Duration {
        self.pause
    }

    /// The next piece; None at the end, and after a [`Cut`].
    pub async fn next(&mut self) -> Option<Result<Bytes, Cut>> {
        let flow = self.flow.as_mut()?;
        let why = match within(self.pause, flow.connection.piece()).await {
            Ok(Some(Ok(piece))) => return Some(Ok(piece)),
            Ok(Some(Err(why))) => why.into_owned(),
            Ok(None) => {
                flow.turn.note(true);
                if let Some(flow) = self.flow.take() {
                    flow.connection.give_back(flow.turn.link().pool());
                }
                return None;
            }
            Err(_) => {
                let pause = humantime::format_duration(self.pause);
                format!("nothing came within {pause}")
            }
        };
        flow.turn.note(false);
        self.flow = None;
        Some(Err(Cut(why)))
    }

    /// Its pieces from here on; a [`Cut`] is the last. They are fetched from now on, whether anybody reads them or not:
    /// whoever takes none for too long loses the rest, since the connection is there for others too.
    pub fn into_stream(mut self) -> impl Stream<Item = Result<Bytes, Cut>> + Send + use<> {
        let (sender, receiver) = mpsc::channel(1);
        tokio::spawn(async move {
            let patience = self.pause * policy::UPSTREAM_UNREAD;
            loop {
                let piece = tokio::select! {
                    piece = self.next() => piece,
                    () = sender.closed() => return,
                };
                let is_last = !matches!(piece, Some(Ok(_)));
                let taken = tokio::time::timeout(patience, sender.send(piece)).await;
                if is_last || !matches!(taken, Ok(Ok(()))) {
                    return;
                }
            }
        });
        futures_util::stream::unfold(Some(receiver), |receiver| async move {
            let mut receiver = receiver?;
            match receiver.recv().await {
                Some(Some(Ok(piece))) => Some((Ok(piece), Some(receiver))),
                Some(Some(Err(cut))) => Some((Err(cut), None)),
                Some(None) => None,
                None => {
                    let why = "nobody has read it for too long".to_owned();
                    Some((Err(Cut(why)), None))
                }
            }
        })
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Body")
            .field("length", &self.length)
            .finish_non_exhaustive()
    }
}
