//! What a library calls an error and is none of ours: its level is that of what only a developer wants to know.

use log::{Level, Log, Metadata, Record};

/// Speaks of errors when a client sends what is no HTTP, or when an answer is cut on purpose. Whoever connects could
/// fill the log with that.
const DISPATCHER: &str = "actix_http::h1::dispatcher";

/// A log that is told of those as of debugging.
pub(super) struct Quiet<L>(pub(super) L);

impl<L: Log> Log for Quiet<L> {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        self.0.enabled(metadata)
    }

    fn log(&self, record: &Record<'_>) {
        if record.target() == DISPATCHER && record.level() == Level::Error {
            self.0.log(&record.to_builder().level(Level::Debug).build());
        } else {
            self.0.log(record);
        }
    }

    fn flush(&self) {
        self.0.flush();
    }
}
