//! The verbs of the buyer's page: as those of the API, but nobody repeats them by an idempotency key.

use std::sync::Arc;

use super::once::Claim;
use super::payments::Held;
use super::{App, Call};
use crate::domain::id::SessionId;
use crate::domain::idempotency::Reply;
use crate::domain::money::Money;
use crate::domain::payment::Attempt;
use crate::domain::refusal::Refusal;
use crate::domain::session::{CancellationReason, Session};
use crate::domain::time::Timestamp;
use crate::simulator::confirmation;

impl App {
    /// The buyer's page pays: as [`App::confirm`], of what a form said, and no other sum than the page showed.
    ///
    /// # Errors
    /// As [`App::confirm`]; [`Refusal::AmountChanged`] also where the form says no sum.
    pub async fn pay_by_page(
        self: &Arc<Self>,
        call: Call,
        id: SessionId,
        attempt: Attempt,
        agreed: Option<Money>,
    ) -> Result<Session, Refusal> {
        self.change_by_page(call, id, |before, now| {
            before.check_confirmable()?;
            if agreed != Some(before.asked.money) {
                return Err(Refusal::AmountChanged);
            }
            confirmation::check_taken(attempt.method, &before.asked)?;
            before.confirm(attempt, now)
        })
        .await
    }

    /// The buyer has done what their bank asked for, or has not.
    ///
    /// # Errors
    /// [`Refusal::SessionStateInvalid`] when nothing was asked.
    pub async fn act_by_page(
        self: &Arc<Self>,
        call: Call,
        id: SessionId,
        passed: bool,
    ) -> Result<Session, Refusal> {
        self.change_by_page(call, id, |before, now| before.acted(passed, now))
            .await
    }

    /// The buyer goes away.
    ///
    /// # Errors
    /// [`Refusal::SessionNotCancelable`]
    pub async fn cancel_by_page(
        self: &Arc<Self>,
        call: Call,
        id: SessionId,
    ) -> Result<Session, Refusal> {
        self.change_by_page(call, id, |before, now| {
            before.cancel(CancellationReason::Abandoned, now)
        })
        .await
    }

    async fn change_by_page(
        self: &Arc<Self>,
        call: Call,
        id: SessionId,
        decide: impl FnOnce(Session, Timestamp) -> Result<Session, Refusal>,
    ) -> Result<Session, Refusal> {
        let held = self.hold(&call.who, &id.to_string(), call.now).await?;
        let Held { session, turn, at } = held;
        let call = Call { now: at, ..call };
        let after = decide((*session).clone(), call.now)?;
        let effect = self.effect(Some(&session), after.clone(), None, call.cause(), call.now)?;
        let reply = Reply::json(200, &());
        self.finish(call, Claim::of_nothing(), effect, reply, Some(turn))
            .await?;
        Ok(after)
    }
}
