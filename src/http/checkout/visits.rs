//! What happens at the buyer's page: its requests are read here, and become verbs of the app or pages.

use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_SECURITY_POLICY, HeaderValue, LOCATION};
use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse};
use maud::Markup;

use super::form::{Choice, Entry, Proof, agreed, choice, proof};
use super::pages::frame::{Means, Order};
use super::pages::open::{CardGroup, OpenPage, TestCard as Button, open_page};
use super::pages::outcome::{Outcome, OutcomePage, outcome_page};
use super::pages::three_d_secure::{Step, three_d_secure_page};
use super::policy_for;
use crate::app::{App, Call, Who};
use crate::domain::id::SessionId;
use crate::domain::new_session::PaymentMethod;
use crate::domain::payment::{Attempt, Brand, Payment, PaymentStatus};
use crate::domain::refusal::Refusal;
use crate::domain::session::{CancellationReason, Session, SessionStatus};
use crate::domain::time::Timestamp;
use crate::http::body;
use crate::http::gate::Visit;
use crate::http::payments::kept_refusal;
use crate::simulator::cards::{CARDS, Category, TestCard};
use crate::simulator::confirmation::{by_card_until, by_paypal};

/// Somebody at the page of a session.
struct Buyer {
    app: Arc<App>,
    id: SessionId,
    call: Call,
    body: Result<Bytes, Refusal>,
}

impl Buyer {
    fn of(request: &HttpRequest) -> Result<Self, Refusal> {
        let visit = Visit::of(request)?;
        let Who::Buyer(id) = visit.buyer().map_err(|_| Refusal::SessionNotFound)?.who else {
            return Err(Refusal::SessionNotFound);
        };
        let call = Call {
            who: Who::Page(id),
            permit: None,
            request_id: visit.request_id(),
            refused: kept_refusal,
            now: visit.now,
            method: request.method().to_string(),
            path: request.path().to_owned(),
            query: String::new(),
            idempotency_key: None,
        };
        Ok(Self {
            app: Arc::clone(&visit.app),
            id,
            call,
            body: visit.body,
        })
    }

    fn session(&self) -> Result<Session, Refusal> {
        self.app
            .session(&self.call.who, &self.id.to_string(), self.call.now)
    }
}

/// `GET /pay/{name}`
pub(super) async fn page(request: HttpRequest) -> Result<HttpResponse, Refusal> {
    let buyer = Buyer::of(&request)?;
    let session = buyer.session()?;
    match session.status {
        SessionStatus::RequiresPaymentMethod => {
            Ok(open(&session, Entry::default(), StatusCode::OK))
        }
        SessionStatus::RequiresAction => Ok(see(&step_of(&buyer.app, &session))),
        SessionStatus::Processing
        | SessionStatus::Succeeded
        | SessionStatus::Failed
        | SessionStatus::Canceled => Ok(outcome(&session, StatusCode::OK)),
    }
}

/// `POST /pay/{name}`
pub(super) async fn pay(request: HttpRequest) -> Result<HttpResponse, Refusal> {
    let buyer = Buyer::of(&request)?;
    let body = body::form(request.headers(), &buyer.body)?;
    let before = buyer.session()?;
    let (app, id, now) = (Arc::clone(&buyer.app), buyer.id, buyer.call.now);
    let chosen = choice(&body, |number| TestCard::by_number(number).is_some(), now);
    let after = match chosen.and_then(|choice| wanted(choice, now)) {
        Err(entry) => return Ok(open(&before, *entry, StatusCode::BAD_REQUEST)),
        Ok(Wanted::Cancel) => app.cancel_by_page(buyer.call, id).await,
        Ok(Wanted::Pay(attempt)) => {
            let agreed = agreed(&body);
            app.pay_by_page(buyer.call, id, *attempt, agreed).await
        }
    };
    if after == Err(Refusal::AmountChanged) {
        let session = app.session(&Who::Page(id), &id.to_string(), now)?;
        return Ok(open(
            &session,
            Entry::of_changed_amount(),
            StatusCode::CONFLICT,
        ));
    }
    went_on(&app, &before, after)
}

/// `GET /pay/{name}/3ds`
pub(super) async fn step_page(request: HttpRequest) -> Result<HttpResponse, Refusal> {
    let buyer = Buyer::of(&request)?;
    let session = buyer.session()?;
    Ok(
        step(&session, false, StatusCode::OK)
            .unwrap_or_else(|| see(&buyer.app.page_path(&session))),
    )
}

/// `POST /pay/{name}/3ds`
pub(super) async fn act(request: HttpRequest) -> Result<HttpResponse, Refusal> {
    let buyer = Buyer::of(&request)?;
    let body = body::form(request.headers(), &buyer.body)?;
    let before = buyer.session()?;
    let (app, id) = (Arc::clone(&buyer.app), buyer.id);
    let Some(proof) = proof(&body) else {
        let unclear = step(&before, true, StatusCode::BAD_REQUEST);
        return Ok(unclear.unwrap_or_else(|| see(&app.page_path(&before))));
    };
    let after = app
        .act_by_page(buyer.call, id, proof == Proof::Authenticated)
        .await;
    went_on(&app, &before, after)
}

enum Wanted {
    Pay(Box<Attempt>),
    Cancel,
}

fn wanted(choice: Choice, now: Timestamp) -> Result<Wanted, Box<Entry>> {
    let card = |number: &str, expiry| {
        let card = TestCard::by_number(number).ok_or_else(Box::<Entry>::default)?;
        Ok(Wanted::Pay(Box::new(by_card_until(card, expiry, now))))
    };
    match choice {
        Choice::Pay(entry) => card(
            entry.number.expose(),
            Some((entry.exp_month, entry.exp_year)),
        ),
        Choice::TestCard(number) => card(number.expose(), None),
        Choice::Paypal => Ok(Wanted::Pay(Box::new(by_paypal()))),
        Choice::Cancel => Ok(Wanted::Cancel),
    }
}

/// Where the buyer goes after doing something.
fn went_on(
    app: &App,
    before: &Session,
    after: Result<Session, Refusal>,
) -> Result<HttpResponse, Refusal> {
    let session = match after {
        Ok(session) => session,
        // Sent twice, or from a page that is old: what stands is shown.
        Err(
            Refusal::SessionCompleted
            | Refusal::SessionProcessing
            | Refusal::SessionStateInvalid
            | Refusal::SessionNotCancelable,
        ) => return Ok(see(&app.page_path(before))),
        Err(refusal) => return Err(refusal),
    };
    let shop = match session.status {
        SessionStatus::Failed => return Ok(outcome(&session, StatusCode::PAYMENT_REQUIRED)),
        SessionStatus::RequiresAction => return Ok(see(&step_of(app, &session))),
        SessionStatus::Succeeded | SessionStatus::Processing => way_back(&session),
        SessionStatus::RequiresPaymentMethod | SessionStatus::Canceled => {
            session.asked.cancel_url.as_deref().and_then(sendable)
        }
    };
    Ok(see(&shop.unwrap_or_else(|| app.page_path(&session))))
}

/// A URL of the shop's as a header can say it: in ASCII.
fn sendable(url: &str) -> Option<String> {
    url::Url::parse(url).ok().map(String::from)
}

/// The success URL, which is told of which session it is.
fn way_back(session: &Session) -> Option<String> {
    let mut url = url::Url::parse(session.asked.success_url.as_deref()?).ok()?;
    url.query_pairs_mut()
        .append_pair("session_id", &session.id.to_string());
    Some(url.into())
}

fn step_of(app: &App, session: &Session) -> String {
    format!("{}/3ds", app.page_path(session))
}

fn see(url: &str) -> HttpResponse {
    HttpResponse::SeeOther()
        .insert_header((LOCATION, url))
        .finish()
}

fn html(session: &Session, status: StatusCode, page: Markup) -> HttpResponse {
    let asked = &session.asked;
    let shop = [asked.success_url.as_deref(), asked.cancel_url.as_deref()];
    let mut answer = HttpResponse::build(status)
        .content_type("text/html; charset=utf-8")
        .body(page.into_string());
    if let Ok(policy) = HeaderValue::try_from(policy_for(shop.into_iter().flatten())) {
        answer.headers_mut().insert(CONTENT_SECURITY_POLICY, policy);
    }
    answer
}

fn order(session: &Session) -> Order<'_> {
    Order {
        money: session.asked.money,
        description: session.asked.description.as_deref(),
    }
}

fn open(session: &Session, entry: Entry, status: StatusCode) -> HttpResponse {
    let takes = |method| session.asked.payment_method_types.contains(&method);
    let cards = takes(PaymentMethod::Card).then(card_groups);
    let view = OpenPage {
        order: order(session),
        cards: cards.as_deref(),
        has_paypal: takes(PaymentMethod::Paypal),
        expires_at: session.asked.expires_at,
        entry,
    };
    html(session, status, open_page(&view))
}

fn card_groups() -> Vec<CardGroup<'static>> {
    let group = |(category, title)| {
        let cards = CARDS
            .iter()
            .filter(|card| card.category == category)
            .map(|card| Button {
                number: card.number,
                brand: brand_name(card.brand),
                outcome: card.description,
            });
        CardGroup {
            title,
            cards: cards.collect(),
        }
    };
    [
        (Category::Success, "Succeeds"),
        (Category::Decline, "Declined"),
        (Category::ThreeDSecure, "3D Secure"),
        (Category::Risk, "Risk"),
        (Category::Dispute, "Disputed afterwards"),
    ]
    .map(group)
    .into()
}

fn step(session: &Session, is_unclear: bool, status: StatusCode) -> Option<HttpResponse> {
    let payment = session
        .payment
        .as_ref()
        .filter(|payment| payment.status == PaymentStatus::RequiresAction)?;
    let view = Step {
        order: order(session),
        means: means(payment),
        is_unclear,
    };
    Some(html(session, status, three_d_secure_page(&view)))
}

fn outcome(session: &Session, status: StatusCode) -> HttpResponse {
    let payment = session.payment.as_ref();
    let back = way_back(session);
    let cancel = session.asked.cancel_url.as_deref();
    let (outcome, way_back) = match session.status {
        SessionStatus::Succeeded => (Outcome::Paid, back.as_deref()),
        SessionStatus::Failed => {
            let code = payment.and_then(|payment| payment.failure);
            (
                Outcome::Declined {
                    decline_code: code.map_or("generic_decline", |code| code.as_str()),
                },
                cancel,
            )
        }
        SessionStatus::Canceled => match session.cancellation {
            Some(canceled) if canceled.reason == CancellationReason::Expired => {
                (Outcome::Expired { at: canceled.at }, cancel)
            }
            _ => (Outcome::Cancelled, cancel),
        },
        SessionStatus::Processing
        | SessionStatus::RequiresAction
        | SessionStatus::RequiresPaymentMethod => (Outcome::Authorized, back.as_deref()),
    };
    let view = OutcomePage {
        order: order(session),
        means: payment.map(means),
        outcome,
        way_back,
    };
    html(session, status, outcome_page(&view))
}

fn means(payment: &Payment) -> Means<'_> {
    match (&payment.card, payment.method) {
        (Some(card), _) => Means::Card {
            brand: brand_name(card.brand),
            last4: &card.last4,
        },
        (None, PaymentMethod::ApplePay) => Means::Wallet { name: "Apple Pay" },
        (None, PaymentMethod::GooglePay) => Means::Wallet { name: "Google Pay" },
        (None, PaymentMethod::Paypal | PaymentMethod::Card | PaymentMethod::BankAccount) => {
            Means::Paypal
        }
    }
}

const fn brand_name(brand: Brand) -> &'static str {
    match brand {
        Brand::Visa => "Visa",
        Brand::Mastercard => "Mastercard",
        Brand::Amex => "American Express",
        Brand::Discover => "Discover",
        Brand::Diners => "Diners Club",
        Brand::Jcb => "JCB",
        Brand::Unionpay => "UnionPay",
    }
}
