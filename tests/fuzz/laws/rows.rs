//! Stored rows and journal entries: what can be read is written and read again as the same, and half of it is nothing.

use atlas::store::{OTHERS, rewritten, tables};

/// Tables whose rows say it by their key, or are a text of any length to their end.
const OPEN_ENDED: [&str; 4] = ["operator", "expiries", "outbox", "events"];

/// The first byte says which table, the second how long the key is that follows; the rest is the value.
pub fn holds(bytes: &[u8]) {
    let [table, length, rest @ ..] = bytes else {
        return;
    };
    let names: Vec<_> = tables().chain(OTHERS).collect();
    let table = names[usize::from(*table) % names.len()];
    let (key, value) = rest.split_at(usize::from(*length).min(rest.len()));
    let Some(written) = rewritten(table, key, value) else {
        return;
    };
    let again = rewritten(table, key, &written);
    if matches!(table, "expiries" | "outbox") {
        assert_eq!(written, key, "the key of {table} is another");
        return;
    }
    assert_eq!(
        again.as_ref(),
        Some(&written),
        "{table} is read otherwise than written"
    );
    if let Some((_, half)) = written.split_last()
        && !OPEN_ENDED.contains(&table)
    {
        for other in [half, &[&written[..], b"\0"].concat()] {
            let read = rewritten(table, key, other);
            assert_eq!(read, None, "{table} is read with another end");
        }
    }
}
