//! The body of an upstream's answer, as it comes. While it comes, its connection is taken.

use std::fmt;
use std::time::Duration;

use futures_util::Stream;
use http_body_util::BodyExt;
use hyper::body::{Body as _, Bytes, Incoming};
use tokio::sync::OwnedSemaphorePermit;

use super::link::Turn;
use crate::app::outbound::first_cause;

/// The body of an answer. Dropped before its end, it closes the connection.
pub struct Body {
    length: Option<u64>,
    /// How long the next piece may take.
    pause: Duration,
    /// None after the end.
    flow: Option<Flow>,
}

/// What is given back at the end.
struct Flow {
    incoming: Incoming,
    turn: Turn,
    _place: OwnedSemaphorePermit,
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
        incoming: Incoming,
        pause: Duration,
        turn: Turn,
        place: OwnedSemaphorePermit,
    ) -> Self {
        Self {
            length: incoming.size_hint().exact(),
            pause,
            flow: Some(Flow {
                incoming,
                turn,
                _place: place,
            }),
        }
    }

    /// Its whole length in bytes, if the upstream has told it.
    pub const fn length(&self) -> Option<u64> {
        self.length
    }

    /// The next piece; None at the end, and after a [`Cut`].
    pub async fn next(&mut self) -> Option<Result<Bytes, Cut>> {
        let flow = self.flow.as_mut()?;
        let why = loop {
            match tokio::time::timeout(self.pause, flow.incoming.frame()).await {
                Ok(Some(Ok(frame))) => match frame.into_data() {
                    Ok(piece) => return Some(Ok(piece)),
                    // Trailers are for us alone.
                    Err(_) => continue,
                },
                Ok(Some(Err(error))) => break first_cause(&error),
                Ok(None) => {
                    flow.turn.note(true);
                    self.flow = None;
                    return None;
                }
                Err(_) => {
                    let pause = humantime::format_duration(self.pause);
                    break format!("nothing came within {pause}");
                }
            }
        };
        flow.turn.note(false);
        self.flow = None;
        Some(Err(Cut(why)))
    }

    /// Its pieces from here on; a [`Cut`] is the last.
    pub fn into_stream(self) -> impl Stream<Item = Result<Bytes, Cut>> + Send {
        futures_util::stream::unfold(self, |mut body| async move {
            let piece = body.next().await?;
            Some((piece, body))
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
