//! Sessions and their payments against a model that only adds and subtracts.

use atlas::domain::id::{RefundId, SessionId};
use atlas::domain::json::Json;
use atlas::domain::key::{Account, Mode};
use atlas::domain::new_session::NewSession;
use atlas::domain::payment::{Attempt, PaymentStatus};
use atlas::domain::session::{CancellationReason, ClientSecret, Session, SessionStatus};
use atlas::domain::session_change::SessionChange;
use atlas::domain::time::Timestamp;
use atlas::simulator::cards::CARDS;
use atlas::simulator::confirmation::by_card;
use proptest::collection::vec;
use proptest::prelude::*;

use crate::START;

#[derive(Clone, Debug)]
enum Step {
    Wait(u64),
    Update(u32),
    Cancel,
    Confirm(usize),
    Act(bool),
    Capture(Option<u32>),
    Refund(Option<u32>),
    Tell(PaymentStatus),
}

fn step() -> impl Strategy<Value = Step> {
    let part = || prop::option::of(1_u32..1_500);
    let told = prop::sample::select(vec![
        PaymentStatus::Authorized,
        PaymentStatus::Captured,
        PaymentStatus::Failed,
        PaymentStatus::Canceled,
    ]);
    prop_oneof![
        1 => (0_u64..40_000_000).prop_map(Step::Wait),
        1 => (1_u32..2_000).prop_map(Step::Update),
        1 => Just(Step::Cancel),
        4 => (0..CARDS.len()).prop_map(Step::Confirm),
        2 => any::<bool>().prop_map(Step::Act),
        4 => part().prop_map(Step::Capture),
        4 => part().prop_map(Step::Refund),
        1 => told.prop_map(Step::Tell),
    ]
}

fn made(is_manual: bool) -> Session {
    let method = if is_manual { "manual" } else { "automatic" };
    let body = format!(r#"{{"amount":1000,"currency":"USD","capture_method":"{method}"}}"#);
    let body = Json::parse(body.as_bytes()).expect("JSON");
    let now = Timestamp::from_millis(START);
    let asked = NewSession::parse(&body, now).expect("a session");
    let id = SessionId::new(now, [b'a'; 24]);
    let owner = (Account::default(), Mode::Test);
    Session::new(asked, id, ClientSecret::new(&id, [b's'; 24]), owner, now)
}

fn attempt(card: usize, now: Timestamp) -> Attempt {
    by_card(&CARDS[card % CARDS.len()], now)
}

/// The session after a step, or as it was when the step is refused.
fn after(before: &Session, step: &Step, now: Timestamp) -> Session {
    let session = before.clone();
    let changed = match step {
        Step::Wait(_) => Ok(session),
        Step::Update(amount) => {
            let body = Json::parse(format!(r#"{{"amount":{amount}}}"#).as_bytes()).expect("JSON");
            session.update(SessionChange::parse(&body).expect("a change"), now)
        }
        Step::Cancel => session.cancel(CancellationReason::Duplicate, now),
        Step::Confirm(card) => session.confirm(attempt(*card, now), now),
        Step::Act(passed) => session.acted(*passed, now),
        Step::Capture(amount) => session.capture(*amount, now),
        Step::Refund(amount) => {
            let refunded = session.refund(*amount, None, RefundId::new(now, [b'r'; 24]), now);
            refunded.map(|(session, _)| session)
        }
        Step::Tell(status) => session.told(*status, attempt(0, now), now),
    };
    changed.unwrap_or_else(|_| before.clone())
}

const fn is_over(status: SessionStatus) -> bool {
    matches!(
        status,
        SessionStatus::Succeeded | SessionStatus::Failed | SessionStatus::Canceled
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn whatever_is_done_the_sums_hold_and_what_is_over_stays_over(is_manual in any::<bool>(), steps in vec(step(), 1..24)) {
        let mut session = made(is_manual);
        let mut now = Timestamp::from_millis(START);
        for step in &steps {
            if let Step::Wait(millis) = step {
                now = now.plus(std::time::Duration::from_millis(*millis));
            }
            let before = session.clone().at(now);
            session = after(&before, step, now);
            prop_assert_eq!(session.clone().at(now), session.clone(), "it stands as it stands");
            if is_over(before.status) {
                prop_assert_eq!(session.status, before.status, "{:?}", step);
                prop_assert_eq!(&session.cancellation, &before.cancellation);
            }
            prop_assert_eq!(session.status == SessionStatus::Canceled, session.cancellation.is_some());
            let Some(payment) = &session.payment else {
                prop_assert!(!matches!(session.status, SessionStatus::Succeeded | SessionStatus::Failed));
                continue;
            };
            prop_assert!(payment.refunded <= payment.captured && payment.captured <= payment.amount);
            prop_assert_eq!(payment.amount, session.asked.money.amount, "what is paid is what is asked");
            let old = before.payment.as_ref();
            prop_assert!(payment.captured >= old.map_or(0, |old| old.captured));
            prop_assert!(payment.refunded >= old.map_or(0, |old| old.refunded));
            prop_assert!(session.status != SessionStatus::Succeeded || payment.captured == payment.amount);
            prop_assert!(session.status != SessionStatus::Failed || payment.captured == 0);
            prop_assert!(session.status != SessionStatus::Canceled || payment.captured == 0);
            prop_assert_eq!(payment.awaits.is_some(), session.status == SessionStatus::RequiresAction);
        }
    }

    #[test]
    fn captures_and_refunds_add_up(parts in vec((any::<bool>(), 1_u32..600), 1..20)) {
        let now = Timestamp::from_millis(START);
        let mut session = made(true).confirm(attempt(0, now), now).expect("authorized");
        let (mut captured, mut refunded) = (0_u32, 0_u32);
        for (is_capture, part) in parts {
            let step = if is_capture { Step::Capture(Some(part)) } else { Step::Refund(Some(part)) };
            session = after(&session, &step, now);
            if is_capture && captured < 1_000 && part <= 1_000 - captured {
                captured += part;
            } else if !is_capture && part <= captured - refunded {
                refunded += part;
            }
            let payment = session.payment.as_ref().expect("a payment");
            prop_assert_eq!((payment.captured, payment.refunded), (captured, refunded));
            prop_assert_eq!(payment.status == PaymentStatus::Refunded, refunded == 1_000);
        }
    }
}
