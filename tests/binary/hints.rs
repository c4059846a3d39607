//! What a message says to do next works as it stands, wherever the store is.

use std::path::Path;
use std::process::Command;

use crate::process::{BINARY, create_key, json_of, run, text};

/// The commands between backticks.
fn commands_in(said: &str) -> Vec<String> {
    let parts = said.split('`').skip(1).step_by(2);
    parts.map(str::to_owned).collect()
}

/// Runs a command as somebody would who copies it, elsewhere than where the store is.
fn paste(command: &str, elsewhere: &Path) -> String {
    let command = command.replacen("atlas", BINARY, 1);
    let shell = Command::new("sh")
        .args(["-c", &command])
        .current_dir(elsewhere)
        .output()
        .expect("sh runs");
    assert!(shell.status.success(), "{command}: {}", text(&shell.stderr));
    text(&shell.stdout)
}

#[test]
fn a_hint_names_the_store_that_it_is_about() {
    let temporary = tempfile::tempdir().expect("a directory");
    let elsewhere = temporary.path().join("elsewhere");
    std::fs::create_dir(&elsewhere).expect("made");
    let directory = temporary.path().join("it's here");
    let id = create_key(&directory, &[])["id"].clone();
    let id = id.as_str().expect("an id");
    let unknown = "key_00000000000000000000";
    for arguments in [
        &["keys", "revoke", unknown][..],
        &["keys", "revoke", "nonsense"],
        &["webhooks", "list"],
        &["webhooks", "roll", "nonsense"],
        &["settle", "nonsense", "--as", "done"],
    ] {
        let said = text(&run(arguments, &directory).stderr);
        let commands = commands_in(&said);
        assert!(!commands.is_empty(), "{arguments:?}: {said}");
        for command in commands {
            let command = command.replace("URL", "https://shop.example/hooks");
            paste(&command, &elsewhere);
        }
    }
    let endpoints = json_of(&["webhooks", "list"], &directory);
    assert_eq!(endpoints[0]["url"], "https://shop.example/hooks");
    assert_eq!(json_of(&["keys", "list"], &directory)[0]["id"], id);

    // As it is when the service has run and nobody has made a key yet.
    let empty = temporary.path().join("empty");
    json_of(&["webhooks", "list"], &directory);
    std::fs::create_dir(&empty).expect("made");
    std::fs::create_dir(empty.join("store")).expect("made");
    let said = text(&run(&["keys", "list"], &empty).stderr);
    let command = commands_in(&said).pop().expect("a command");
    let secret = paste(&command, &elsewhere);
    let listed = json_of(&["keys", "list"], &empty);
    let masked = format!("sk_test_...{}", &secret.trim()[40..]);
    assert_eq!(listed[0]["masked"], masked.as_str());
    let made: Vec<_> = std::fs::read_dir(&elsewhere).expect("a list").collect();
    assert!(made.is_empty(), "{made:?}");
    let nowhere = temporary.path().join("no where");
    let said = text(&run(&["keys", "list"], &nowhere).stderr);
    assert!(
        said.contains(&format!("`atlas serve --data-dir '{}'`", nowhere.display())),
        "{said}"
    );
}
