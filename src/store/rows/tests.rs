//! Every row reads back as it was written, also as an earlier version wrote it, and damaged bytes are never a panic.

use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;

use super::*;
use crate::domain::key::{Account, KeyName, Mode, OwnLimits, RetiredSecret};
use crate::domain::money::{Currency, Money};
use crate::domain::new_session::{
    Address, Browser, CallbackUrls, CaptureMethod, Customer, NewSession, PaymentMethod,
};
use crate::domain::secret::{Pepper, SecretHash};
use crate::domain::session::{Session, SessionStatus};
use crate::store::answers::record::{self as records};
use crate::store::payments::{UnpaidSession, decode_session, encode_session};
use crate::store::tests::{at, plain_order, record, session};

fn any_time() -> impl Strategy<Value = Timestamp> {
    any::<u64>().prop_map(Timestamp::from_millis)
}

fn any_key_id() -> impl Strategy<Value = KeyId> {
    "[0-9A-Za-z]{20}".prop_filter_map("an id", |text| KeyId::from_bytes(text.as_bytes()))
}

fn any_hash() -> impl Strategy<Value = SecretHash> {
    any::<[u8; 32]>().prop_map(|bytes| Pepper::new(bytes).hash(b"secret"))
}

prop_compose! {
    fn any_limits()(per_minute in any::<Option<u32>>(), per_day in any::<Option<u32>>(), concurrent in any::<Option<u32>>()) -> OwnLimits {
        OwnLimits { per_minute, per_day, concurrent }
    }
}

prop_compose! {
    fn any_key()(
        id in any_key_id(),
        account in "[A-Za-z0-9._-]{1,64}",
        live in any::<bool>(),
        name in "[a-zA-Z<>'é]{1,100}",
        mask in ".{0,20}",
        secret in any_hash(),
        retired in vec((any_hash(), any_time()), 0..4),
        created_at in any_time(),
        (expires_at, revoked_at) in (option::of(any_time()), option::of(any_time())),
        limits in any_limits(),
    ) -> ApiKey {
        let retired = retired.into_iter().map(|(hash, works_until)| RetiredSecret { hash, works_until }).collect();
        let account = Account::try_from(account).expect("an account");
        let name = KeyName::try_from(name).expect("a name");
        let mode = if live { Mode::Live } else { Mode::Test };
        ApiKey { id, account, mode, name, mask, secret, retired, created_at, expires_at, revoked_at, limits }
    }
}

fn text() -> impl Strategy<Value = Option<String>> {
    option::of(".{0,40}")
}

prop_compose! {
    fn any_asked()(
        amount in 1_u32..,
        currency in prop::sample::select(vec!["USD", "JPY", "KWD", "EUR"]),
        (external_id, merchant_reference, statement_descriptor, description) in (text(), text(), text(), text()),
        (success_url, cancel_url, approved, declined, cancelled) in (text(), text(), text(), text(), text()),
        (email, name, phone, ip_address, user_agent) in (text(), text(), text(), text(), text()),
        (street, city, state, postal_code, country, recipient_name) in (text(), text(), text(), text(), text(), text()),
        metadata in btree_map(".{1,10}", ".{0,40}", 0..5),
        expires_at in any_time(),
        manual in any::<bool>(),
    ) -> NewSession {
        let address = Address { street, city, state, postal_code, country, recipient_name };
        NewSession {
            money: Money { amount, currency: Currency::parse(currency).expect("a currency") },
            capture_method: if manual { CaptureMethod::Manual } else { CaptureMethod::Automatic },
            payment_method_types: vec![PaymentMethod::Paypal, PaymentMethod::Card],
            customer: Some(Customer { email, name, phone }),
            billing_address: Some(address.clone()),
            shipping_address: manual.then_some(address),
            browser: Some(Browser { ip_address, user_agent }),
            callback_urls: Some(CallbackUrls { approved, declined, cancelled }),
            external_id, merchant_reference, statement_descriptor, description, success_url, cancel_url, metadata, expires_at,
        }
    }
}

/// The row of a session as the first version wrote it.
fn encode_unpaid(session: &Session) -> Vec<u8> {
    let row = UnpaidSession {
        id: session.id,
        account: session.account.clone(),
        mode: session.mode,
        client_secret: session.client_secret.clone(),
        status: session.status,
        created_at: session.created_at,
        asked: session.asked.clone(),
    };
    let config = bincode::config::standard();
    let row = bincode::serde::encode_to_vec(&row, config).expect("a row");
    [&[1], row.as_slice()].concat()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn a_key_reads_back_as_it_was_written(key in any_key()) {
        prop_assert_eq!(decode_key(&encode_key(&key)), Ok(key));
    }

    #[test]
    fn a_session_reads_back_as_it_was_written(asked in any_asked(), number in 0_u64..1 << 40) {
        let session = session(asked, number);
        prop_assert_eq!(session.status, SessionStatus::RequiresPaymentMethod);
        prop_assert_eq!(decode_session(&encode_session(&session)), Ok(session));
    }

    #[test]
    fn a_session_of_the_first_version_reads_as_one_that_nobody_has_paid(asked in any_asked(), number in 0_u64..1 << 40) {
        let session = session(asked, number);
        prop_assert_eq!(decode_session(&encode_unpaid(&session)), Ok(session));
    }

    #[test]
    fn a_record_reads_back_as_it_was_written(expires_at in any::<u64>(), body in vec(any::<u8>(), 0..70_000)) {
        let record = record(expires_at, body);
        let bytes = records::encode(&record);
        prop_assert_eq!(records::decode(&bytes, record.expires_at), Ok(record));
    }

    #[test]
    fn a_record_of_the_first_version_reads_as_one_that_does_not_say_what_was_asked(expires_at in any::<u64>(), body in vec(any::<u8>(), 0..200)) {
        let record = record(expires_at, body);
        let mut bytes = records::encode(&record);
        // It ended before the byte that says that nothing follows.
        prop_assert_eq!(bytes.pop(), Some(0));
        bytes[0] = 1;
        prop_assert_eq!(records::decode(&bytes, record.expires_at), Ok(record));
    }

    #[test]
    fn damaged_bytes_are_unreadable_and_never_a_panic(bytes in vec(any::<u8>(), 0..200)) {
        let _ = (decode_key(&bytes), decode_session(&bytes), records::decode(&bytes, at(0)), records::decode_key(&bytes), decode_rows(&bytes), decode_day_key(&bytes));
    }

    #[test]
    fn journal_rows_read_back_as_they_were_written(rows in vec((vec(any::<u8>(), 0..40), vec(any::<u8>(), 0..300), any::<u32>()), 0..20)) {
        let rows: Vec<Row> = rows.into_iter().flat_map(|(key, value, to)| {
            [Row::Put { table: Table::Replies, key: key.clone(), value }, Row::Raise { table: Table::Days, key, to }, Row::Clear { table: Table::Sessions }]
        }).collect();
        let mut bytes = Vec::new();
        encode_rows(&rows, &mut bytes);
        prop_assert_eq!(decode_rows(&bytes), Ok(rows));
    }
}

#[test]
fn a_row_of_another_version_is_unreadable() {
    let mut bytes = encode_session(&session(plain_order(), 1));
    bytes[0] += 1;
    assert_eq!(decode_session(&bytes), Err(Unreadable));
    bytes[0] -= 1;
    bytes.push(0);
    assert_eq!(
        decode_session(&bytes),
        Err(Unreadable),
        "and one with something behind it"
    );
}
