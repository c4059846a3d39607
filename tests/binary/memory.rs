//! What the real process holds of memory.

use std::path::Path;

use crate::process::Atlas;

/// Kilobytes of memory that is the process's own, when it is ready.
fn own(server: &Atlas) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid())).ok()?;
    let line = status.lines().find(|line| line.starts_with("RssAnon"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

/// Starts, and stops again; tells what it held in between.
fn held(directory: &Path) -> Option<u64> {
    let server = Atlas::serve(directory, &[]);
    let own = own(&server);
    assert!(server.terminate().success());
    own
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
            "{again} kB instead of {at_first}: see .cargo/config.toml"
        );
    }
}
