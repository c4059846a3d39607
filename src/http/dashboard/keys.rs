//! The list of keys, and the form that makes one.

use std::cmp::Reverse;
use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse};

use super::form::{Fields, own_limit, seconds, sent};
use super::pages::fields::Field;
use super::pages::key_forms::{CreateForm, LimitFields, create_page as page_of};
use super::pages::keys::{KeyFilter, KeyList, KeyRow, KeySort, first_run, list as list_of};
use super::pages::listing::Paging;
use super::pages::secret::{NewSecret, Origin, secret_page};
use super::{Desk, HOME, html, ok, see};
use crate::app::KeyEntry;
use crate::app::keys::{KeyAnswer, KeyCommand, NewKey};
use crate::domain::key::{Account, KeyName, KeyState, Mode, OwnLimits};
use crate::domain::limit::Limits;
use crate::domain::refusal::Refusal;
use crate::domain::time::Timestamp;
use crate::{entropy, policy};

/// `GET /dashboard/keys`
pub(super) async fn list(request: HttpRequest) -> Result<HttpResponse, Refusal> {
    let mut desk = Desk::of(&request)?;
    let query = Fields::of_query(request.query_string());
    desk.frame.notice = (query.text("done") == "made-once").then_some(
        "This form was sent twice; the key was made once. If you did not see its secret, roll it.",
    );
    let all = desk.app.keys();
    if all.is_empty() {
        let mut form = empty_form(&desk)?;
        form.name = Field::of("First key");
        return Ok(ok(first_run(&desk.frame, &form)));
    }
    let filter = KeyFilter {
        mode: query.text("mode").parse().ok(),
        account: query.text("account").to_owned(),
        state: state(query.text("state")),
        text: query.text("text").to_owned(),
    };
    let sort = KeySort::parse(query.text("sort")).unwrap_or(KeySort::Created);
    let mut picked: Vec<_> = all
        .iter()
        .filter(|entry| picks(&filter, entry, desk.now))
        .collect();
    sort_by(&mut picked, sort, desk.now);
    let paging = paging(query.page(), picked.len());
    let rows = picked
        .into_iter()
        .skip((paging.page - 1) * policy::PAGE_ROWS)
        .take(policy::PAGE_ROWS)
        .map(|entry| row(entry, desk.now))
        .collect();
    let view = KeyList {
        filter,
        sort,
        rows,
        paging,
        now: desk.now,
    };
    Ok(ok(list_of(&desk.frame, &view)))
}

/// Where in a list of so many a page stands.
pub(super) fn paging(page: usize, total: usize) -> Paging {
    let last = total.div_ceil(policy::PAGE_ROWS).max(1);
    Paging {
        page: page.min(last),
        last,
        total,
    }
}

fn state(text: &str) -> Option<KeyState> {
    [KeyState::Active, KeyState::Expired, KeyState::Revoked]
        .into_iter()
        .find(|state| state.as_str() == text)
}

fn picks(filter: &KeyFilter, entry: &KeyEntry, now: Timestamp) -> bool {
    let key = &entry.key;
    let text = filter.text.to_lowercase();
    filter.mode.is_none_or(|mode| mode == key.mode)
        && (filter.account.is_empty() || filter.account == key.account.as_str())
        && filter.state.is_none_or(|state| state == key.state(now))
        && (text.is_empty()
            || key.name.as_str().to_lowercase().contains(&text)
            || key.mask.to_lowercase().contains(&text)
            || key.id.to_string().to_lowercase().contains(&text))
}

fn sort_by(keys: &mut [&Arc<KeyEntry>], sort: KeySort, now: Timestamp) {
    match sort {
        KeySort::Created => keys.sort_by_key(|entry| Reverse(entry.key.id)),
        KeySort::Name => keys.sort_by_cached_key(|entry| entry.key.name.as_str().to_lowercase()),
        KeySort::Used => keys.sort_by_key(|entry| Reverse(entry.used_at())),
        KeySort::Today => keys.sort_by_cached_key(|entry| Reverse(today(entry, now))),
    }
}

fn today(entry: &KeyEntry, now: Timestamp) -> u32 {
    let (day, used) = entry.limiter.day_count();
    if day == now.day() { used } else { 0 }
}

fn row(entry: &KeyEntry, now: Timestamp) -> KeyRow {
    let key = &entry.key;
    KeyRow {
        id: key.id,
        name: key.name.clone(),
        mask: key.mask.clone(),
        mode: key.mode,
        account: key.account.clone(),
        state: key.state(now),
        created_at: key.created_at,
        last_used_at: entry.used_at(),
        today: today(entry, now),
        per_day: entry.limiter.standing(now).day.limit,
    }
}

/// What is wrong with a form that came without its [`once`]. Done, it could be done again.
pub(super) const UNNUMBERED: &str = "This form came without the number that keeps it from being done twice, so nothing was done. \
                                     Send it from here.";

/// What makes a form safe to send twice.
pub(super) fn once() -> Result<String, Refusal> {
    let random: [u8; 16] = entropy::base62()?;
    Ok(random.iter().map(|byte| char::from(*byte)).collect())
}

fn empty_form(desk: &Desk) -> Result<CreateForm, Refusal> {
    Ok(CreateForm {
        once: once()?,
        name: Field::of(""),
        mode: Mode::Test,
        account: Field::of(Account::default().as_str()),
        expires: Field::of(""),
        limits: limit_fields(OwnLimits::default(), desk.app.settings.limits),
        problem: None,
    })
}

/// The fields of a key's own limits as they are.
pub(super) fn limit_fields(own: OwnLimits, defaults: Limits) -> LimitFields {
    let text = |limit: Option<u32>| Field::of(limit.map_or(String::new(), |n| n.to_string()));
    LimitFields {
        per_minute: text(own.per_minute),
        per_day: text(own.per_day),
        concurrent: text(own.concurrent),
        defaults,
    }
}

/// A field as it was typed, with what is wrong with it, and what it says.
pub(super) fn checked<T>(
    fields: &Fields,
    name: &str,
    read: impl FnOnce(&str) -> Result<T, String>,
) -> (Field, Option<T>) {
    let mut field = Field::of(fields.text(name));
    match read(fields.text(name)) {
        Ok(value) => (field, Some(value)),
        Err(must) => {
            field.error = Some(format!("This {must}."));
            (field, None)
        }
    }
}

/// The limits of a form.
pub(super) fn checked_limits(
    fields: &Fields,
    defaults: Limits,
) -> (LimitFields, Option<OwnLimits>) {
    let (per_minute, minute) = checked(fields, "per_minute", own_limit);
    let (per_day, day) = checked(fields, "per_day", own_limit);
    let (concurrent, at_once) = checked(fields, "concurrent", own_limit);
    let own = minute
        .zip(day)
        .zip(at_once)
        .map(|((minute, day), at_once)| OwnLimits {
            per_minute: minute,
            per_day: day,
            concurrent: at_once,
        });
    let fields = LimitFields {
        per_minute,
        per_day,
        concurrent,
        defaults,
    };
    (fields, own)
}

/// `GET /dashboard/keys/new`
pub(super) async fn create_page(request: HttpRequest) -> Result<HttpResponse, Refusal> {
    let desk = Desk::of(&request)?;
    let form = empty_form(&desk)?;
    Ok(ok(page_of(&desk.frame, &form)))
}

/// `POST /dashboard/keys/new`
pub(super) async fn create(request: HttpRequest) -> Result<HttpResponse, Refusal> {
    let (desk, fields) = sent(&request)?;
    let (mut form, new) = read(&desk, &fields);
    if form.once.is_empty() {
        form.once = once()?;
        form.problem = Some(UNNUMBERED.to_owned());
        return Ok(html(StatusCode::BAD_REQUEST, page_of(&desk.frame, &form)));
    }
    let Some(new) = new else {
        return Ok(html(StatusCode::BAD_REQUEST, page_of(&desk.frame, &form)));
    };
    if !desk.app.operators.is_first(&desk.operator, &form.once) {
        return Ok(see(&format!("{HOME}?done=made-once")));
    }
    let seen = desk.app.requests.last();
    match desk.app.manage_keys(KeyCommand::Create(new)).await {
        KeyAnswer::Secret(made) => {
            let view = NewSecret {
                id: made.id,
                name: &made.name,
                mode: made.mode,
                secret: &made.secret,
                origin: Origin::Created,
                seen,
                is_served: made.mode == Mode::Test || desk.app.settings.live.is_some(),
                server: &desk.app.base_url(),
            };
            Ok(ok(secret_page(&desk.frame, &view)))
        }
        KeyAnswer::Failed(why) => {
            form.problem = Some(why);
            form.once = once()?;
            Ok(html(StatusCode::BAD_REQUEST, page_of(&desk.frame, &form)))
        }
        KeyAnswer::Key(_) | KeyAnswer::Keys(_) => Err(Refusal::Internal),
    }
}

/// The form as it was typed, and the key it asks for when nothing is wrong with it.
fn read(desk: &Desk, fields: &Fields) -> (CreateForm, Option<NewKey>) {
    let account_or_default = |text: &str| match text {
        "" => Ok(Account::default()),
        _ => text.parse(),
    };
    let (name, named) = checked(fields, "name", str::parse::<KeyName>);
    let (account, owner) = checked(fields, "account", account_or_default);
    let (expires, expiry) = checked(fields, "expires", seconds);
    let (limits, own) = checked_limits(fields, desk.app.settings.limits);
    let mode = fields.text("mode").parse();
    let problem = mode
        .is_err()
        .then(|| "Choose a mode: test or live.".to_owned());
    let new = match (named, owner, expiry, own, &mode) {
        (Some(name), Some(account), Some(expires_in_seconds), Some(limits), Ok(mode)) => {
            Some(NewKey {
                name,
                mode: *mode,
                account,
                expires_in_seconds,
                limits,
            })
        }
        _ => None,
    };
    let form = CreateForm {
        once: fields.text("once").to_owned(),
        name,
        mode: mode.unwrap_or(Mode::Test),
        account,
        expires,
        limits,
        problem,
    };
    (form, new)
}
