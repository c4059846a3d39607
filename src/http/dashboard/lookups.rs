//! What stands under an idempotency key, and the sessions.

use actix_web::{HttpRequest, HttpResponse, web};

use super::form::Fields;
use super::pages::fields::Field;
use super::pages::idempotency::{Found, Kept, Lookup, RecordState, lookup};
use super::pages::session::{SessionPage, session_page};
use super::pages::sessions::{SessionList, SessionRow, list};
use super::requests::row;
use super::{Desk, ok};
use crate::app::Standing;
use crate::domain::id::SessionId;
use crate::domain::idempotency::{IdempotencyKey, Record};
use crate::domain::key::{Account, Mode};
use crate::domain::masking::masked;
use crate::domain::refusal::Refusal;

/// Requests that are shown under an idempotency key.
const LATEST: usize = 20;

/// `GET /dashboard/idempotency`
pub(super) async fn idempotency(request: HttpRequest) -> Result<HttpResponse, Refusal> {
    let desk = Desk::of(&request)?;
    let query = Fields::of_query(request.query_string());
    let mode = query.text("mode").parse().unwrap_or(Mode::Test);
    let mut view = Lookup {
        account: Field::of(match query.text("account") {
            "" => "default",
            account => account,
        }),
        mode,
        key: Field::of(query.text("key")),
        found: None,
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
            view.found = Some(found(&desk, &account, mode, &key)?);
        }
    }
    Ok(ok(lookup(&desk.frame, &view)))
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
    Kept {
        first_at: record.first_at,
        expires_at: record.expires_at,
        fingerprint: fingerprint
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect(),
        status: record.reply.status,
        content_type: record.reply.content_type.clone().into_owned(),
        body: masked(&String::from_utf8_lossy(&record.reply.body)).into_owned(),
        replays: u64::from(replays),
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
