//! A store that was not closed, as the next server tells of it.

use std::process::Command;

use crate::metrics::{samples, scrape};
use crate::process::{Atlas, BINARY, read_log};

#[test]
fn a_store_that_was_not_closed_is_told_of_by_the_next_server_and_by_none_after_it() {
    let temporary = tempfile::tempdir().expect("a directory");
    let directory = temporary.path().join("data");
    let unclean = || samples(&scrape(&directory))["atlas_store_unclean_start"];
    let server = Atlas::serve(&directory, &[]);
    assert_eq!(unclean(), 0.0, "nobody had it before");
    server.kill();
    let server = Atlas::serve(&directory, &[]);
    assert_eq!(unclean(), 1.0);
    assert!(server.terminate().success());
    let server = Atlas::serve(&directory, &[]);
    assert_eq!(unclean(), 0.0);
    assert!(server.terminate().success());
    // A start that comes to nothing after the store was opened is no such end.
    let in_the_way = directory.join("atlas.sock/in/the/way");
    std::fs::create_dir_all(&in_the_way).expect("made");
    let mut command = Command::new(BINARY);
    command.args(["serve", "--listen", "127.0.0.1:0", "--data-dir"]);
    command.arg(&directory);
    assert!(Atlas::try_start(command, &directory).is_err());
    std::fs::remove_dir_all(directory.join("atlas.sock")).expect("removed");
    let server = Atlas::serve(&directory, &[]);
    assert_eq!(unclean(), 0.0);
    assert!(server.terminate().success());
    let log = read_log(&directory);
    assert!(log.contains("can't listen on"), "{log}");
    assert_eq!(
        log.matches("was killed, or its store failed").count(),
        1,
        "{log}"
    );
}
