//! What the line of a request says, member by member, for a log that machines read. Their names are a promise.

use log::kv::{Error, Key, Source, ToValue, Value, VisitSource};

use super::millis;
use crate::app::forward::Reached;
use crate::app::request_log::Exchange;

pub(super) struct Members<'a> {
    pub(super) exchange: &'a Exchange,
    /// As it may be logged.
    pub(super) path: &'a str,
}

impl Source for Members<'_> {
    fn visit<'kvs>(&'kvs self, visitor: &mut dyn VisitSource<'kvs>) -> Result<(), Error> {
        let mut tell = |name, value| visitor.visit_pair(Key::from_str(name), value);
        let exchange = self.exchange;
        tell("message", "request".into())?;
        tell("request_id", exchange.request_id.as_str().into())?;
        tell("method", exchange.method.as_str().into())?;
        tell("path", self.path.into())?;
        tell("status", exchange.status.to_value())?;
        tell("duration_ms", millis(exchange.took).into())?;
        match &exchange.key {
            Some(entry) => tell("key", Value::from_dyn_display(&entry.key.id))?,
            None => tell("key", Value::null())?,
        }
        tell("replayed", exchange.replayed.into())?;
        if let Some(scope) = exchange.refused_by {
            tell("refused_by", scope.as_str().into())?;
        }
        if exchange.status.is_none() {
            tell("ended", super::unanswered(exchange).into())?;
        }
        if let Some(fault) = &exchange.fault {
            tell("fault", Value::from_dyn_display(fault))?;
        }
        if let Some(Reached { status, took }) = &exchange.reached {
            tell("upstream_status", status.to_value())?;
            tell("upstream_ms", millis(*took).into())?;
        }
        Ok(())
    }
}
