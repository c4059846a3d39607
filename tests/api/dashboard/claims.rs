//! Open claims on the page about idempotency, and what a request's page says of the upstream.

use super::html::Html;
use super::operator::{Operator, asking, form, goes_to, page_of};
use crate::forwarding::{charge, world_of};
use crate::webhooks::receiver::{Answer, Receiver};
use crate::world::{HOUR, MILLISECOND, World};

const PAGE: &str = "/dashboard/idempotency";

fn listed(operator: &Operator<'_>) -> Vec<Html> {
    operator.rows(PAGE, "claims")
}

fn record(operator: &Operator<'_>, key: &str) -> Html {
    let query = [("account", "default"), ("mode", "live"), ("key", key)];
    operator.page(&asking(PAGE, &query)).id("record")
}

/// The address of the form that settles this claim so.
fn address(row: &Html, end: &str) -> String {
    let forms = row.all("form").into_iter();
    let mut addresses = forms.filter_map(|form| form.attribute("action").map(str::to_owned));
    addresses
        .find(|address| address.ends_with(&format!("/{end}")))
        .expect("a form")
}

#[test]
fn nothing_is_said_of_claims_where_nothing_goes_upstream() {
    let world = World::new();
    let operator = Operator::of(&world);
    assert!(!operator.page(PAGE).text().contains("claims"));
    let upstream = Receiver::new();
    let (world, _) = world_of(&upstream, true);
    let operator = Operator::of(&world);
    assert!(operator.page(PAGE).text().contains("Open claims"));
    assert!(listed(&operator).is_empty());
}

#[test]
fn an_open_claim_is_listed_and_settled_by_its_buttons() {
    let upstream = Receiver::new();
    let (world, key) = world_of(&upstream, false);
    let operator = Operator::of(&world);
    upstream.answer(Answer::Close);
    for name in ["order_1", "order_2"] {
        charge(&world, &key, name)
            .send()
            .expect(504, "upstream_outcome_unknown");
        world.advance(MILLISECOND);
    }
    world.advance(HOUR);
    let rows = listed(&operator);
    assert_eq!(rows.len(), 2);
    for part in [
        "order_1",
        "clm_",
        "POST /functions/v1/charges",
        "default",
        "Live",
        "1 h",
    ] {
        assert!(
            rows[0].text().contains(part),
            "{part} in {}",
            rows[0].text()
        );
    }
    assert!(record(&operator, "order_1").says("open"));

    let answer = operator.post(&address(&rows[0], "done"), &[]);
    assert_eq!(goes_to(&answer), "/dashboard/idempotency?settled=done");
    assert!(
        operator
            .page("/dashboard/idempotency?settled=done")
            .text()
            .contains("Settled as done")
    );
    charge(&world, &key, "order_1")
        .send()
        .expect(409, "answer_not_kept");
    let done = record(&operator, "order_1");
    assert!(
        done.says("done") && done.text().contains("Not known"),
        "{}",
        done.text()
    );

    let answer = operator.post(&address(&rows[1], "free"), &[]);
    assert_eq!(goes_to(&answer), "/dashboard/idempotency?settled=free");
    upstream.answer(Answer::Status(201));
    assert_eq!(charge(&world, &key, "order_2").send().status, 201);
    assert!(listed(&operator).is_empty());
    upstream.wait_for(3);
}

#[test]
fn what_is_settled_or_unknown_stays_and_the_page_says_so() {
    let upstream = Receiver::new();
    let (world, key) = world_of(&upstream, false);
    let operator = Operator::of(&world);
    upstream.answer(Answer::Close);
    charge(&world, &key, "order_1").send();
    let row = listed(&operator).remove(0);
    assert_eq!(operator.post(&address(&row, "done"), &[]).status, 303);
    let late = page_of(&operator.post(&address(&row, "free"), &[]), 400);
    assert!(
        late.text().contains("there is no open claim clm_"),
        "{}",
        late.text()
    );
    charge(&world, &key, "order_1")
        .send()
        .expect(409, "answer_not_kept");
    for path in ["clm_1/done", "clm_00000000000000000000/charged"] {
        let answer = operator.post(&format!("{PAGE}/claims/{path}"), &[]);
        assert_eq!(answer.status, 404, "{path}");
    }
}

#[test]
fn nobody_else_settles_a_claim() {
    let upstream = Receiver::new();
    let (world, key) = world_of(&upstream, false);
    let operator = Operator::of(&world);
    upstream.answer(Answer::Close);
    charge(&world, &key, "order_1").send();
    let row = listed(&operator).remove(0);
    let path = address(&row, "free");
    let stranger = form(&world, &path, &[]).send();
    assert_eq!(stranger.status, 401);
    let forged = form(&world, &path, &[("csrf", "0000")]).header("Cookie", operator.cookie());
    assert_eq!(forged.send().status, 403);
    assert_eq!(listed(&operator).len(), 1);
}

#[test]
fn a_request_that_waits_for_the_upstream_can_t_be_settled() {
    let upstream = Receiver::new();
    let (world, key) = world_of(&upstream, true);
    let operator = Operator::of(&world);
    upstream.answer(Answer::Silence);
    let held = charge(&world, &key, "order_1").start();
    upstream.wait_for(1);
    let row = listed(&operator).remove(0);
    assert!(
        row.text().contains("Waits for the upstream"),
        "{}",
        row.text()
    );
    assert!(row.all("form").is_empty());
    let id = row.attribute("id").expect("an id");
    let early = page_of(
        &operator.post(&format!("{PAGE}/claims/{id}/free"), &[]),
        400,
    );
    assert!(early.text().contains("runs right now"), "{}", early.text());
    assert!(record(&operator, "order_1").says("running"));
    drop(held);
}

#[test]
fn a_requests_page_says_what_the_upstream_answered_and_in_which_time() {
    let upstream = Receiver::new();
    let (world, key) = world_of(&upstream, true);
    let operator = Operator::of(&world);
    upstream.answer(Answer::Status(201));
    charge(&world, &key, "order_1").send();
    let page = operator.detail_of("order_1").text();
    assert!(page.contains("Upstream 201 in "), "{page}");
    upstream.answer(Answer::Close);
    charge(&world, &key, "order_2").send();
    let page = operator.detail_of("order_2").text();
    assert!(page.contains("Upstream No answer in "), "{page}");
    world.order(&world.key()).idempotent("order_3").send();
    assert!(!operator.detail_of("order_3").text().contains("Upstream"));
}

#[test]
fn of_many_claims_the_oldest_are_shown_and_all_are_counted() {
    let upstream = Receiver::new();
    let (world, key) = world_of(&upstream, true);
    let operator = Operator::of(&world);
    upstream.answer(Answer::Close);
    for number in 0..53 {
        charge(&world, &key, &format!("order_{number}"))
            .send()
            .expect(504, "upstream_outcome_unknown");
        // An upstream that fails again and again is left alone.
        world.advance(HOUR / 60);
    }
    let rows = listed(&operator);
    assert_eq!(rows.len(), 50);
    assert!(rows[0].text().contains("order_0"), "{}", rows[0].text());
    assert!(operator.page(PAGE).text().contains("The oldest 50 of 53"));
}
