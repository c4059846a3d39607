//! What stands under an idempotency key, and the sessions.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};

use super::form::{Fields, sent};
use super::pages::claims::{ClaimRow, OpenClaims};
use super::pages::fields::Field;
use super::pages::idempotency::{Found, Kept, Lookup, RecordState, StoredAnswer, lookup};
use super::pages::links;
use super::pages::session::{SessionPage, session_page};
use super::pages::sessions::{SessionList, SessionRow, list};
use super::requests::row;
use super::{Desk, html, ok, see};
use crate::app::Standing;
use crate::app::claims::{ClaimAnswer, ClaimCommand};
use crate::domain::claim::{OpenClaim, Settlement};
use crate::domain::id::{ClaimId, SessionId};
use crate::domain::idempotency::{self, IdempotencyKey, Record, Reply};
use crate::domain::key::{Account, Mode};
use crate::domain::masking::masked;
use crate::domain::refusal::Refusal;
use crate::policy;

/// Requests that are shown under an idempotency key.
const LATEST: usize = 20;

/// `GET /dashboard/idempotency`
pub(super) async fn idempotency(request: HttpRequest) -> Result<HttpResponse, Refusal> {
    let mut desk = Desk::of(&request)?;
    let query = Fields::of_query(request.query_string());
    desk.frame.notice = match query.text("settled") {
        "done" => Some("Settled as done. Whoever repeats the request is told so."),
        "free" => Some("Settled as free. The idempotency key can be used again."),
        _ => None,
    };
    let view = view(&desk, &query)?;
    Ok(ok(lookup(&desk.frame, &view)))
}

/// `POST /dashboard/idempotency/claims/{id}/{end}`
pub(super) async fn settle(
    request: HttpRequest,
    path: web::Path<(String, String)>,
) -> Result<HttpResponse, Refusal> {
    let (desk, _) = sent(&request)?;
    let (id, end) = path.into_inner();
    let asked = ClaimId::parse(&id).zip(Settlement::parse(&end));
    let (id, settlement) = asked.ok_or(Refusal::ClaimNotFound)?;
    let command = ClaimCommand::Settle { id, settlement };
    match desk.app.manage_claims(command).await {
        ClaimAnswer::Settled(_) | ClaimAnswer::Claims(_) => {
            let done = [("settled", settlement.as_str())];
            Ok(see(&links::with_query(links::IDEMPOTENCY, done)))
        }
        ClaimAnswer::Failed(why) => {
            let mut view = view(&desk, &Fields::of_query(""))?;
            view.problem = Some(format!("Nothing was changed: {why}."));
            let page = lookup(&desk.frame, &view);
            Ok(html(StatusCode::BAD_REQUEST, page))
        }
    }
}

fn view(desk: &Desk, query: &Fields) -> Result<Lookup, Refusal> {
    let mode = query.text("mode").parse().unwrap_or(Mode::Test);
    let mut view = Lookup {
        account: Field::of(match query.text("account") {
            "" => "default",
            account => account,
        }),
        mode,
        key: Field::of(query.text("key")),
        found: None,
        claims: claims(desk),
        problem: None,
        now: desk.now,
    };
    if !query.text("key").is_empty() {
        let key = IdempotencyKey::parse(query.text("key").as_bytes());
        let account = view.account.value.parse::<Account>();
        if let Err(must) = &account {
            view.account.error = Some(format!("This {must}."));
        }
        if let Err(Refusal::IdempotencyKeyInvalid { why }) = &key {
            view.key.error = Some((*why).to_owned());
        }
        if let (Ok(account), Ok(key)) = (account, key) {
            view.found = Some(found(desk, &account, mode, &key)?);
        }
    }
    Ok(view)
}

/// Claims that are open. Of a server that sends nothing upstream, and has none left, nothing is said.
fn claims(desk: &Desk) -> Option<OpenClaims> {
    let open = desk.app.open_claims(desk.now);
    let says = desk.app.upstreams.any() || !open.is_empty();
    let row = |(claim, runs): (OpenClaim, bool)| ClaimRow {
        id: claim.id(),
        account: claim.account.as_str().to_owned(),
        mode: claim.mode,
        key: masked(&claim.idempotency_key).into_owned(),
        method: claim.method,
        path: masked(&claim.path).into_owned(),
        since: claim.first_at,
        until: claim.expires_at,
        runs,
    };
    let count = open.len();
    let rows = open.into_iter().take(policy::PAGE_ROWS).map(row);
    says.then(|| OpenClaims {
        rows: rows.collect(),
        count,
    })
}

fn found(
    desk: &Desk,
    account: &Account,
    mode: Mode,
    key: &IdempotencyKey,
) -> Result<Found, Refusal> {
    let record = match desk.app.standing_of(account, mode, key, desk.now)? {
        Standing::Unknown => RecordState::Unknown,
        Standing::Running => RecordState::Running,
        Standing::Open(_) => RecordState::Open,
        Standing::Kept(record, replays) => RecordState::Kept(kept(&record, replays)),
        Standing::Expired(record, replays) => RecordState::Expired(kept(&record, replays)),
    };
    let under = |exchange: &crate::app::request_log::Exchange| {
        exchange.idempotency_key.as_deref() == Some(key.as_str())
            && exchange
                .key
                .as_ref()
                .is_some_and(|entry| entry.key.account == *account && entry.key.mode == mode)
    };
    let (latest, _) = desk.app.requests.latest(under, 0, LATEST);
    Ok(Found {
        record,
        latest: latest
            .iter()
            .map(|exchange| row(&desk.app, exchange))
            .collect(),
    })
}

fn kept(record: &Record, replays: u32) -> Kept {
    let fingerprint = record.fingerprint.as_bytes();
    let (status, answer) = match &record.kept {
        idempotency::Kept::Answer(reply) => (Some(reply.status), Some(stored(reply))),
        idempotency::Kept::Done(status) => (*status, None),
    };
    Kept {
        first_at: record.first_at,
        expires_at: record.expires_at,
        fingerprint: fingerprint
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect(),
        status,
        answer,
        replays: u64::from(replays),
    }
}

fn stored(reply: &Reply) -> StoredAnswer {
    StoredAnswer {
        content_type: reply.content_type.clone().into_owned(),
        body: masked(&String::from_utf8_lossy(&reply.body)).into_owned(),
    }
}

/// `GET /dashboard/sessions`
pub(super) async fn sessions(request: HttpRequest) -> Result<HttpResponse, Refusal> {
    let desk = Desk::of(&request)?;
    let query = Fields::of_query(request.query_string());
    let mode: Option<Mode> = query.text("mode").parse().ok();
    let account = query.text("account").to_owned();
    let before = SessionId::parse(query.text("before"));
    let (found, next) = desk.app.sessions(before, |session| {
        mode.is_none_or(|mode| mode == session.mode)
            && (account.is_empty() || account == session.account.as_str())
    })?;
    let rows = found.into_iter().map(|session| session.at(desk.now));
    let rows = rows.map(|session| SessionRow {
        id: session.id,
        mode: session.mode,
        account: session.account,
        money: session.asked.money,
        status: session.status,
        external_id: session.asked.external_id.map(|id| masked(&id).into_owned()),
        created_at: session.created_at,
    });
    let view = SessionList {
        mode,
        account: account.clone(),
        rows: rows.collect(),
        is_later_page: before.is_some(),
        next,
        now: desk.now,
    };
    Ok(ok(list(&desk.frame, &view)))
}

/// `GET /dashboard/sessions/{id}`
pub(super) async fn session(
    request: HttpRequest,
    id: web::Path<String>,
) -> Result<HttpResponse, Refusal> {
    let desk = Desk::of(&request)?;
    let id = SessionId::parse(&id).ok_or(Refusal::SessionNotFound)?;
    let session = desk.app.any_session(&id)?.ok_or(Refusal::SessionNotFound)?;
    let refunds = desk.app.refunds(&id)?;
    let view = SessionPage {
        session: &session.at(desk.now),
        refunds: &refunds,
        now: desk.now,
    };
    Ok(ok(session_page(&desk.frame, &view)))
}
