//! `atlas claims` and `atlas settle`.

use clap::{Args, Subcommand};

use super::{Failure, at, note, placed, remote, say, settings_of_store, to_json};
use crate::app::claims::{ClaimAnswer, ClaimCommand, ClaimReport};
use crate::config::Place;
use crate::domain::claim::Settlement;
use crate::domain::id::ClaimId;

/// What can be done about open claims
#[derive(Subcommand)]
pub(super) enum Claims {
    /// Show every open claim, oldest first
    List,
}

/// Which claim, and how it ended
#[derive(Args)]
pub(super) struct Settle {
    /// The claim, as clm_...
    id: String,
    /// What the upstream's books say: done (it was charged; repeats are told so) or free (it was not; the idempotency
    /// key can be used again)
    #[arg(long = "as", value_name = "done|free", value_parser = settlement)]
    settlement: Settlement,
}

fn settlement(text: &str) -> Result<Settlement, String> {
    let refuse = || format!("must be one of {}", Settlement::WORDS.join(", "));
    Settlement::parse(text).ok_or_else(refuse)
}

/// Shows open claims.
pub(super) fn list(place: &Place, json: bool) -> Result<(), Failure> {
    manage(place, ClaimCommand::List, json)
}

/// Ends an open claim.
pub(super) fn settle(place: &Place, settle: &Settle, json: bool) -> Result<(), Failure> {
    // Read here and not by clap, which would repeat a secret that was pasted by mistake.
    let id = ClaimId::parse(&settle.id).ok_or_else(|| {
        let how = "the claim is named by its id, as `atlas claims list` shows it (clm_...)";
        Failure::Usage(how.to_owned())
    })?;
    let settlement = settle.settlement;
    manage(place, ClaimCommand::Settle { id, settlement }, json)
}

/// Carries a command out and prints what came of it.
fn manage(place: &Place, command: ClaimCommand, json: bool) -> Result<(), Failure> {
    let settings = settings_of_store(place)?;
    let at = at(&settings);
    let answer = actix_web::rt::System::new()
        .block_on(remote::manage_claims(settings, command))
        .map_err(Failure::Failed)?;
    match answer {
        ClaimAnswer::Failed(line) => return Err(Failure::Failed(line)),
        ClaimAnswer::Claims(claims) if json => say(&to_json(&claims)?)?,
        ClaimAnswer::Claims(claims) if claims.is_empty() => {
            note("No open claims: it is known what became of every request that went upstream.");
        }
        ClaimAnswer::Claims(claims) => {
            claims.iter().try_for_each(|claim| say(&describe(claim)))?;
            let how = "Look into the upstream's books, then `atlas settle ID --as done` (it was charged) or `--as free` (it was not).";
            note(&placed(how, &at));
        }
        ClaimAnswer::Settled(claim) if json => say(&to_json(&claim)?)?,
        ClaimAnswer::Settled(claim) => say(&settled(&claim))?,
    }
    Ok(())
}

fn describe(claim: &ClaimReport) -> String {
    let ClaimReport {
        id,
        state,
        since,
        upstream,
        ..
    } = claim;
    format!(
        "{id} {state} since {since}: {} to {upstream}",
        request(claim)
    )
}

fn settled(claim: &ClaimReport) -> String {
    let ends = match claim.state.as_str() {
        "done" => "done: whoever repeats it is told so, and it is not sent again",
        _ => "free: its Idempotency-Key can be used again",
    };
    format!(
        "{} is settled as {ends}. It was {}",
        claim.id,
        request(claim)
    )
}

fn request(claim: &ClaimReport) -> String {
    let ClaimReport {
        account,
        mode,
        idempotency_key,
        method,
        path,
        ..
    } = claim;
    format!("{method} {path} ({mode}, account {account}, Idempotency-Key {idempotency_key})")
}
