//! Where a backup is put: what is in the way there, what others have put there, and which of the earlier ones go.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, lchown, symlink};
use std::path::Path;
use std::process::Command;

use crate::owner::is_root;
use crate::process::{Atlas, json_of, run, text};
use crate::verify::served;

/// Some user that is not root.
const STRANGER: u32 = 64_902;

/// A store that nobody serves, in a directory of its own.
fn store(temporary: &Path) -> std::path::PathBuf {
    let directory = temporary.join("data");
    let server = Atlas::serve(&directory, &[]);
    assert_eq!(server.terminate().code(), Some(0));
    directory
}

#[test]
fn backups_of_a_time_to_come_are_told_of_and_neither_counted_nor_removed() {
    let temporary = tempfile::tempdir().expect("a directory");
    let (directory, to) = (store(temporary.path()), temporary.path().join("to"));
    fs::create_dir(&to).expect("made");
    let earlier = ["atlas-20200101T000000Z", "atlas-20200102T000000Z"];
    let later = ["atlas-29990101T000000Z", "atlas-29990102T000000Z"];
    let path = |name: &str| to.join(format!("{name}.atlas-backup"));
    for name in earlier.iter().chain(&later) {
        fs::write(path(name), b"a backup").expect("written");
    }
    let text_of = |path: &Path| path.to_str().expect("text").to_owned();
    let told = json_of(&["backup", "--keep", "2", &text_of(&to)], &directory);
    let made = told["file"].as_str().expect("a file");
    assert!(Path::new(made).exists(), "{told}");
    assert!(!path(earlier[0]).exists() && path(earlier[1]).exists());
    assert!(later.iter().all(|name| path(name).exists()));
    assert_eq!(told["removed"], serde_json::json!([path(earlier[0])]));
    let expected = later.map(|name| text_of(&path(name)));
    assert_eq!(told["later"], serde_json::json!(expected));
    let said = text(&run(&["backup", "--keep", "1", &text_of(&to)], &directory).stderr);
    assert!(
        said.contains(&format!("{} is named for a time to come", expected[0])),
        "{said}"
    );
}

#[test]
fn a_link_that_a_stranger_has_put_there_is_not_followed() {
    if !is_root() {
        return;
    }
    let temporary = tempfile::tempdir().expect("a directory");
    let directory = store(temporary.path());
    let (shared, target) = (
        temporary.path().join("tmp"),
        temporary.path().join("shadow"),
    );
    fs::create_dir(&shared).expect("made");
    fs::set_permissions(&shared, Permissions::from_mode(0o1777)).expect("set");
    fs::write(&target, b"root's").expect("written");
    let link = shared.join("today.bak");
    symlink(&target, &link).expect("linked");
    lchown(&link, Some(STRANGER), Some(STRANGER)).expect("given");
    let link_text = link.to_str().expect("text");
    let output = run(&["backup", link_text], &directory);
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(
        said.contains(&format!(
            "{link_text} is a link that user {STRANGER} has put there"
        )),
        "{said}"
    );
    assert_eq!(fs::read(&target).expect("read"), b"root's");
    // One's own is, and stays.
    lchown(&link, Some(0), Some(0)).expect("taken");
    let output = run(&["backup", link_text], &directory);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(fs::read(&target).expect("read").len() > 100);
    assert_eq!(fs::read_link(&link).expect("a link"), target);
}

#[test]
fn a_backup_and_its_restore_tell_of_as_many_rows() {
    let temporary = tempfile::tempdir().expect("a directory");
    let directory = temporary.path().join("data");
    let server = served(&directory);
    let file = temporary.path().join("backup");
    let file = file.to_str().expect("text");
    let rows = |arguments: &[&str], directory: &Path| {
        let output = run(arguments, directory);
        let said = text(&output.stderr);
        assert!(output.status.success(), "{said}");
        let (before, _) = said.split_once(" rows").expect("how many");
        let number = before.split(' ').next_back().expect("a number");
        number.parse::<u64>().expect("a number")
    };
    let copied = rows(&["backup", file], &directory);
    drop(server);
    let restored = temporary.path().join("restored");
    assert_eq!(rows(&["restore", file], &restored), copied);
}

#[test]
fn behind_a_link_is_written_what_it_leads_to_also_where_nothing_is_yet() {
    let temporary = tempfile::tempdir().expect("a directory");
    let directory = store(temporary.path());
    let elsewhere = temporary.path().join("elsewhere");
    fs::create_dir(&elsewhere).expect("made");
    let (link, first) = (
        temporary.path().join("link"),
        temporary.path().join("first"),
    );
    symlink("elsewhere/new", &link).expect("linked");
    symlink("link", &first).expect("linked");
    for times in 1..=2 {
        let output = run(&["backup", first.to_str().expect("text")], &directory);
        assert!(output.status.success(), "{}", text(&output.stderr));
        assert!(
            fs::read(elsewhere.join("new")).expect("read").len() > 100,
            "{times}"
        );
        assert_eq!(
            fs::read_link(&link).expect("a link"),
            Path::new("elsewhere/new")
        );
        assert_eq!(fs::read_link(&first).expect("a link"), Path::new("link"));
    }
    fs::remove_file(&link).expect("removed");
    symlink("first", &link).expect("linked");
    let output = run(&["backup", first.to_str().expect("text")], &directory);
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("leads in circles"), "{said}");
}

#[test]
fn a_backup_never_replaces_a_file_of_its_own_store() {
    let temporary = tempfile::tempdir().expect("a directory");
    let directory = store(temporary.path());
    let sub_directory = directory.join("backups");
    fs::create_dir(&sub_directory).expect("made");
    let link = temporary.path().join("link");
    symlink(directory.join("pepper"), &link).expect("linked");
    let way = temporary.path().join("way");
    symlink(&directory, &way).expect("linked");
    let files = ["pepper", "store/journal", "store/db"].map(|name| directory.join(name));
    let before = files.clone().map(|file| fs::read(file).expect("read"));
    let check = || {
        let named = [
            directory.join("new"),
            link.clone(),
            way.join("new"),
            sub_directory.clone(),
        ];
        for place in files.iter().chain(&named).chain([&directory]) {
            let output = run(&["backup", place.to_str().expect("text")], &directory);
            let said = text(&output.stderr);
            assert_eq!(output.status.code(), Some(1), "{place:?}: {said}");
            assert!(
                said.contains("name a place outside of"),
                "{place:?}: {said}"
            );
        }
        assert_eq!(fs::read_dir(&sub_directory).expect("a list").count(), 0);
        assert!(!directory.join("new").exists());
    };
    check();
    assert_eq!(
        files.clone().map(|file| fs::read(file).expect("read")),
        before
    );
    let _server = Atlas::serve(&directory, &[]);
    check();
}

#[test]
fn what_is_no_file_where_a_backup_is_written_is_named_and_not_waited_for() {
    let temporary = tempfile::tempdir().expect("a directory");
    let directory = store(temporary.path());
    let file = temporary.path().join("a.backup");
    let partial = temporary.path().join("a.backup.partial");
    let made = Command::new("mkfifo").arg(&partial).status();
    assert!(made.expect("mkfifo runs").success());
    let output = run(&["backup", file.to_str().expect("text")], &directory);
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(
        said.contains(&format!(
            "{} can't be removed: it is no file",
            partial.display()
        )),
        "{said}"
    );
}
