//! What helps to test a shop: the test cards.

use std::sync::Arc;

use actix_web::{HttpRequest, HttpResponse};
use schemars::JsonSchema;
use serde::Serialize;

use super::{call_of, fresh, respond};
use crate::app::Who;
use crate::domain::idempotency::Reply;
use crate::domain::key::Mode;
use crate::domain::refusal::Refusal;
use crate::http::body;
use crate::http::gate::{Asker, Visit};
use crate::simulator::cards::{CARDS, Category, TestCard};

/// A list of test cards.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "TestCardList")]
pub(in crate::http) struct CardList {
    object: &'static str,
    data: Vec<CardObject>,
}

/// A card that does as it is told.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "TestCard")]
struct CardObject {
    number: &'static str,
    brand: &'static str,
    category: &'static str,
    outcome: &'static str,
    decline_code: Option<&'static str>,
    token: Option<&'static str>,
    description: &'static str,
}

/// Only a test key goes on.
fn in_test_mode(visit: &Visit) -> Result<Asker, Refusal> {
    let asker = visit.merchant()?;
    match &asker.who {
        Who::Merchant(entry) if entry.key.mode == Mode::Live => Err(Refusal::TestModeOnly),
        Who::Merchant(_) | Who::Buyer(_) | Who::Page(_) => Ok(asker),
    }
}

/// `GET /functions/v1/test-cards`
pub(super) async fn cards(request: HttpRequest) -> Result<HttpResponse, Refusal> {
    let visit = Visit::of(&request)?;
    in_test_mode(&visit)?;
    let wanted = category(request.query_string())?;
    let data = CARDS
        .iter()
        .filter(|card| wanted.is_none_or(|wanted| wanted == card.category))
        .map(card_object)
        .collect();
    Ok(fresh(Reply::json(
        200,
        &CardList {
            object: "list",
            data,
        },
    )))
}

/// `POST /functions/v1/test-webhooks`
pub(super) async fn webhooks(request: HttpRequest) -> Result<HttpResponse, Refusal> {
    let visit = Visit::of(&request)?;
    let call = call_of(&request, &visit, in_test_mode(&visit)?)?;
    let app = Arc::clone(&visit.app);
    let body = body::json(&request, visit.body)?;
    Ok(respond(app.rehearse(call, &body).await?))
}

fn category(query: &str) -> Result<Option<Category>, Refusal> {
    let given = url::form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "category");
    let Some((_, word)) = given else {
        return Ok(None);
    };
    Category::parse(&word).map(Some).ok_or_else(|| {
        Refusal::invalid(
            "category",
            format!("must be one of {}.", Category::WORDS.join(", ")),
        )
    })
}

fn card_object(card: &TestCard) -> CardObject {
    CardObject {
        number: card.number,
        brand: card.brand.as_str(),
        category: card.category.as_str(),
        outcome: card.outcome(),
        decline_code: card.decline_code().map(|code| code.as_str()),
        token: card.token,
        description: card.description,
    }
}
