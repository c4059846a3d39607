//! What the real process holds of memory.

use std::path::Path;

use crate::process::Atlas;

/// Starts, and stops again; tells what it held in between of memory that is its own, in KiB.
fn held(directory: &Path) -> Option<u64> {
    let server = Atlas::serve(directory, &[]);
    let held = server.memory("RssAnon");
    assert!(server.terminate().success());
    held
}

#[test]
fn a_store_that_is_opened_again_takes_no_more_memory_than_a_new_one() {
    let temporary = tempfile::tempdir().expect("a directory");
    let Some(at_first) = held(temporary.path()) else {
        eprintln!("this system does not say what a process holds");
        return;
    };
    // sled reads segments of 8 MiB when it opens a store, and makes buffers as large that it hardly touches.
    let most = at_first + (4 << 10);
    for _ in 0..3 {
        let again = held(temporary.path()).expect("told once");
        assert!(
            again < most,
            "{again} KiB instead of {at_first}: see .cargo/config.toml"
        );
    }
}

/// Each takes 2 MiB for the first byte that is used of it.
#[test]
fn no_memory_comes_in_huge_pages() {
    let temporary = tempfile::tempdir().expect("a directory");
    let server = Atlas::serve(temporary.path(), &[]);
    match server.memory("THP_enabled") {
        Some(enabled) => assert_eq!(enabled, 0, "see .cargo/config.toml"),
        None => eprintln!("this system does not say whether a process takes huge pages"),
    }
    assert!(server.terminate().success());
}
