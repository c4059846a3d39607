//! Paths of bytes that are no UTF-8: the system takes them, so nothing of ours ends by one.

use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::ffi::OsStrExt;
use std::process::{Command, Stdio};

use crate::process::{BINARY, text};

#[test]
fn every_command_takes_a_path_that_is_no_utf_8() {
    let temporary = tempfile::tempdir().expect("a directory");
    let odd = |name: &[u8]| temporary.path().join(OsStr::from_bytes(name));
    let directory = odd(b"data\xff");
    for form in [&["--json"][..], &[]] {
        let mut server = Command::new(BINARY)
            .args(["serve", "--port", "0", "--data-dir"])
            .arg(&directory)
            .args(form)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("atlas starts");
        let mut line = String::new();
        BufReader::new(server.stdout.take().expect("standard output"))
            .read_line(&mut line)
            .expect("a line");
        if let Ok(ready) = serde_json::from_str::<serde_json::Value>(&line) {
            let shown = directory.to_string_lossy();
            assert_eq!(ready["data_dir"].as_str(), Some(&*shown));
        } else {
            assert!(line.starts_with("listening on "), "{line}");
        }
        let pid = server.id().to_string();
        let told = Command::new("kill").arg(pid).status();
        assert!(told.expect("kill runs").success());
        assert_eq!(server.wait().expect("ended").code(), Some(0));
    }
    let backups = odd(b"to\xff");
    fs::create_dir(&backups).expect("made");
    for name in ["atlas-20200101T000000Z", "atlas-29990101T000000Z"] {
        fs::write(backups.join(format!("{name}.atlas-backup")), b"a backup").expect("written");
    }
    let file = odd(b"a\xff.atlas-backup");
    let steps: &[(&[&str], Option<&OsStr>)] = &[
        (&["keys", "create", "--name", "x"], None),
        (&["keys", "list"], None),
        (&["claims", "list"], None),
        (&["webhooks", "list"], None),
        (&["verify"], None),
        (&["check-config", "--tls-cert"], None),
        (&["backup", "--keep", "1"], Some(backups.as_os_str())),
        (&["backup"], Some(file.as_os_str())),
        (&["dashboard"], None),
    ];
    for (arguments, last) in steps {
        for form in [&[][..], &["--json"]] {
            let mut command = Command::new(BINARY);
            command.args(*arguments);
            if arguments.contains(&"--tls-cert") {
                command.arg(odd(b"none\xff"));
            }
            command.args(last.as_slice()).args(form);
            let output = command.arg("--data-dir").arg(&directory).output();
            let output = output.expect("atlas runs");
            let said = text(&output.stderr);
            let is_refused = matches!(arguments[0], "dashboard" | "check-config");
            assert_eq!(
                output.status.success(),
                !is_refused,
                "{arguments:?}: {said}"
            );
            assert!(!said.contains("panicked"), "{arguments:?}: {said}");
        }
    }
    let output = Command::new(BINARY)
        .args(["restore", "--json"])
        .arg(&file)
        .arg("--data-dir")
        .arg(odd(b"restored\xff"))
        .output()
        .expect("atlas runs");
    assert!(output.status.success(), "{}", text(&output.stderr));
}
