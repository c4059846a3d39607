//! One key: what it is, how it is used, and what can be done to it.

use std::sync::Arc;
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};

use super::form::{Fields, expiry, sent};
use super::keys::{UNNUMBERED, checked, checked_limits, limit_fields, once};
use super::pages::fields::Field;
use super::pages::key::{KeyFacts, KeyForms, KeyPage, key_page};
use super::pages::key_forms::{RevokeForm, RollForm, UpdateForm};
use super::pages::limits::LimitsNow;
use super::pages::secret::{NewSecret, Origin, secret_page};
use super::requests::row;
use super::{Desk, html, ok, see};
use crate::app::KeyEntry;
use crate::app::keys::{Change, KeyAnswer, KeyChange, KeyCommand};
use crate::config::Span;
use crate::domain::id::KeyId;
use crate::domain::key::{KeyName, KeyState, Mode};
use crate::domain::refusal::Refusal;
use crate::domain::time::{Timestamp, seconds_up};

/// Requests that the page of a key shows.
const LATEST: usize = 20;
const DEFAULT_GRACE: &str = "24h";

fn find(desk: &Desk, id: &str) -> Result<Arc<KeyEntry>, Refusal> {
    let id = KeyId::parse(id).ok_or(Refusal::KeyNotFound)?;
    desk.app.key(&id).ok_or(Refusal::KeyNotFound)
}

fn path_of(id: &KeyId, done: &str) -> String {
    format!("/dashboard/keys/{id}?done={done}")
}

/// `GET /dashboard/keys/{id}`
pub(super) async fn page(
    request: HttpRequest,
    id: web::Path<String>,
) -> Result<HttpResponse, Refusal> {
    let mut desk = Desk::of(&request)?;
    let entry = find(&desk, &id)?;
    let done = match Fields::of_query(request.query_string()).text("done") {
        "saved" => Some("Saved. It is in force for every request from now on."),
        "revoked" => Some("Revoked. Every request with this key is refused from now on."),
        "rolled-once" => Some(
            "This form was sent twice; the secret was made once. If you did not see it, roll the key again.",
        ),
        _ => None,
    };
    desk.frame.notice = done;
    Ok(ok(key_page(&desk.frame, &view(&desk, &entry)?)))
}

fn view(desk: &Desk, entry: &Arc<KeyEntry>) -> Result<KeyPage, Refusal> {
    let (key, now) = (&entry.key, desk.now);
    let of_key = |exchange: &crate::app::request_log::Exchange| {
        exchange.key.as_ref().is_some_and(|by| by.key.id == key.id)
    };
    let seen = desk.app.requests.last();
    let (latest, _) = desk.app.requests.latest(of_key, 0, LATEST);
    let state = key.state(now);
    Ok(KeyPage {
        facts: KeyFacts {
            id: key.id,
            name: key.name.clone(),
            account: key.account.clone(),
            mode: key.mode,
            mask: key.mask.clone(),
            state,
            created_at: key.created_at,
            last_used_at: entry.used_at(),
            expires_at: key.expires_at,
            revoked_at: key.revoked_at,
            retiring: key.old_secrets_end(now).collect(),
        },
        limits: limits_now(entry, now),
        days: desk.app.last_days(entry, now)?,
        hour: entry.traffic.last_hour(now),
        latest: latest
            .iter()
            .map(|exchange| row(&desk.app, exchange))
            .collect(),
        seen,
        problem: None,
        forms: if state == KeyState::Revoked {
            None
        } else {
            Some(forms(desk, entry)?)
        },
        now,
    })
}

/// What a key's limits stand at.
pub(super) fn limits_now(entry: &KeyEntry, now: Timestamp) -> LimitsNow {
    let standing = entry.limiter.standing(now);
    LimitsNow {
        minute: standing.minute,
        day: standing.day,
        running: entry.limiter.running(),
        concurrent: standing.concurrent,
        now,
    }
}

fn forms(desk: &Desk, entry: &KeyEntry) -> Result<KeyForms, Refusal> {
    let key = &entry.key;
    Ok(KeyForms {
        update: UpdateForm {
            id: key.id,
            name: Field::of(key.name.as_str()),
            expires: Field::of(""),
            expires_at: key.expires_at,
            limits: limit_fields(key.limits, desk.app.settings.limits),
            problem: None,
        },
        roll: RollForm {
            id: key.id,
            once: once()?,
            grace: DEFAULT_GRACE.to_owned(),
            problem: None,
        },
        revoke: RevokeForm {
            id: key.id,
            name: key.name.clone(),
            typed: Field::of(""),
        },
    })
}

/// The key's page again, with what is wrong in one of its forms.
fn again(
    desk: &Desk,
    entry: &Arc<KeyEntry>,
    wrong: impl FnOnce(&mut KeyForms),
) -> Result<HttpResponse, Refusal> {
    let mut view = view(desk, entry)?;
    match &mut view.forms {
        Some(forms) => wrong(forms),
        None => view.problem = Some("This key is revoked for good, so nothing was changed."),
    }
    Ok(html(StatusCode::BAD_REQUEST, key_page(&desk.frame, &view)))
}

/// `POST /dashboard/keys/{id}/update`
pub(super) async fn update(
    request: HttpRequest,
    id: web::Path<String>,
) -> Result<HttpResponse, Refusal> {
    let (desk, fields) = sent(&request)?;
    let entry = find(&desk, &id)?;
    let (name, named) = checked(&fields, "name", str::parse::<KeyName>);
    let (expires, until) = checked(&fields, "expires", expiry);
    let (limits, own) = checked_limits(&fields, desk.app.settings.limits);
    let outcome = match (named, until, own) {
        (Some(name), Some(expires), Some(own)) => {
            let to = |limit: Option<u32>| Some(limit.map_or(Change::Unset, Change::To));
            let change = KeyChange {
                name: Some(name),
                expires,
                per_minute: to(own.per_minute),
                per_day: to(own.per_day),
                concurrent: to(own.concurrent),
                end_old_secrets: false,
            };
            let command = KeyCommand::Update {
                id: entry.key.id,
                change,
            };
            match desk.app.manage_keys(command).await {
                KeyAnswer::Failed(why) => Err(Some(why)),
                KeyAnswer::Key(_) | KeyAnswer::Secret(_) | KeyAnswer::Keys(_) => Ok(()),
            }
        }
        _ => Err(None),
    };
    match outcome {
        Ok(()) => Ok(see(&path_of(&entry.key.id, "saved"))),
        Err(problem) => again(&desk, &entry, |forms| {
            let form = &mut forms.update;
            (form.name, form.expires) = (name, expires);
            (form.limits, form.problem) = (limits, problem);
        }),
    }
}

/// `POST /dashboard/keys/{id}/roll`
pub(super) async fn roll(
    request: HttpRequest,
    id: web::Path<String>,
) -> Result<HttpResponse, Refusal> {
    let (desk, fields) = sent(&request)?;
    let entry = find(&desk, &id)?;
    let Ok(grace) = fields.text("grace").parse::<Span>() else {
        let must = "must be a length of time, as 24h".to_owned();
        return again(&desk, &entry, |forms| {
            forms.roll.problem = Some(format!("The grace {must}."))
        });
    };
    let form = fields.text("once");
    if form.is_empty() {
        let why = UNNUMBERED.to_owned();
        return again(&desk, &entry, |forms| forms.roll.problem = Some(why));
    }
    if !desk.app.operators.is_first(&desk.operator, form) {
        return Ok(see(&path_of(&entry.key.id, "rolled-once")));
    }
    let seen = desk.app.requests.last();
    let command = KeyCommand::Roll {
        id: entry.key.id,
        grace_seconds: seconds_up(grace.0),
    };
    match desk.app.manage_keys(command).await {
        KeyAnswer::Secret(made) => {
            let grace = Duration::from_secs(seconds_up(grace.0));
            let view = NewSecret {
                id: made.id,
                name: &made.name,
                mode: made.mode,
                secret: &made.secret,
                origin: Origin::Rolled {
                    old_works_until: desk.now.plus(grace),
                },
                seen,
                is_served: made.mode == Mode::Test || desk.app.settings.live.is_some(),
                server: &desk.app.base_url(),
            };
            Ok(ok(secret_page(&desk.frame, &view)))
        }
        KeyAnswer::Failed(why) => again(&desk, &entry, |forms| forms.roll.problem = Some(why)),
        KeyAnswer::Key(_) | KeyAnswer::Keys(_) => Err(Refusal::Internal),
    }
}

/// `POST /dashboard/keys/{id}/revoke`
pub(super) async fn revoke(
    request: HttpRequest,
    id: web::Path<String>,
) -> Result<HttpResponse, Refusal> {
    let (desk, fields) = sent(&request)?;
    let entry = find(&desk, &id)?;
    if fields.text("name") != entry.key.name.as_str().trim() {
        let mut typed = Field::of(fields.text("name"));
        typed.error = Some("This is not the key's name, so nothing was done.".to_owned());
        return again(&desk, &entry, |forms| forms.revoke.typed = typed);
    }
    match desk
        .app
        .manage_keys(KeyCommand::Revoke { id: entry.key.id })
        .await
    {
        KeyAnswer::Failed(why) => {
            again(&desk, &entry, |forms| forms.revoke.typed.error = Some(why))
        }
        KeyAnswer::Key(_) | KeyAnswer::Secret(_) | KeyAnswer::Keys(_) => {
            Ok(see(&path_of(&entry.key.id, "revoked")))
        }
    }
}
