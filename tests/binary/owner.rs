//! Root at a data directory of another user: what it does there with no server running leaves nothing behind that would
//! keep the service from starting.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::process::{Atlas, BINARY, Client, create_key, run, text};

/// A user without a name, as those of systemd that come and go.
const USER: u32 = 64_901;

/// A service's directory as systemd makes it for a user that comes and goes: `lib/atlas` is a link into `lib/private`,
/// which is open to root alone.
struct Service {
    temporary: tempfile::TempDir,
}

impl Service {
    /// None where this is not root.
    fn new() -> Option<Self> {
        if !is_root() {
            return None;
        }
        let temporary = tempfile::tempdir().expect("a directory");
        let service = Self { temporary };
        mode(service.temporary.path(), 0o755);
        fs::create_dir_all(service.inner()).expect("made");
        chown(service.inner(), Some(USER), Some(USER)).expect("given");
        symlink("private/atlas", service.dir()).expect("linked");
        mode(&service.path("lib/private"), 0o700);
        // By another process: what this one has open to write, its children have open too, and can't be run meanwhile.
        let copied = Command::new("cp")
            .arg(BINARY)
            .arg(service.path("atlas"))
            .status();
        assert!(copied.expect("cp runs").success());
        Some(service)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.temporary.path().join(name)
    }

    /// As commands name it.
    fn dir(&self) -> PathBuf {
        self.path("lib/atlas")
    }

    fn inner(&self) -> PathBuf {
        self.path("lib/private/atlas")
    }

    /// Starts it as its user, to whom systemd shows the directory.
    fn serve(&self) -> Atlas {
        mode(&self.path("lib/private"), 0o755);
        let mut command = Command::new(self.path("atlas"));
        command
            .uid(USER)
            .gid(USER)
            .args(["serve", "--listen", "127.0.0.1:0", "--data-dir"])
            .arg(self.dir());
        Atlas::start(command, &self.dir())
    }

    fn stop(&self, server: Atlas) {
        assert_eq!(server.terminate().code(), Some(0));
        mode(&self.path("lib/private"), 0o700);
    }

    /// Fails where anything in the directory is somebody else's than its user's.
    fn is_its_users(&self, after: &str) {
        let mut folders = vec![self.inner()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(&folder).expect("a list") {
                let path = entry.expect("an entry").path();
                let owner = fs::symlink_metadata(&path).expect("there").uid();
                assert_eq!(owner, USER, "{} after {after}", path.display());
                if path.is_dir() {
                    folders.push(path);
                }
            }
        }
    }
}

/// What needs root is passed over by others.
pub fn is_root() -> bool {
    let is_root = rustix::process::geteuid().is_root();
    assert!(
        is_root || std::env::var_os("ALL_CHECKS").is_none(),
        "this is to be run by root"
    );
    if !is_root {
        eprintln!("skipped: this is not root");
    }
    is_root
}

fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).expect("set");
}

#[test]
fn root_at_a_stopped_services_store_leaves_nothing_that_is_roots() {
    let Some(service) = Service::new() else {
        return;
    };
    let server = service.serve();
    let first = server.key(&[]);
    service.stop(server);
    // Where root alone may write.
    let (room, file) = (service.path("room"), service.path("room/a.backup"));
    fs::create_dir(&room).expect("made");
    mode(&room, 0o700);
    let (file_text, room_text) = (file.to_str().expect("text"), room.to_str().expect("text"));
    let commands: [&[&str]; 6] = [
        &["verify"],
        &["keys", "list"],
        &["claims", "list"],
        &["webhooks", "list"],
        &["backup", file_text],
        &["backup", "--keep", "1", room_text],
    ];
    for command in commands {
        let output = run(command, &service.dir());
        let said = text(&output.stderr);
        assert!(output.status.success(), "{command:?}: {said}");
        service.is_its_users(&format!("{command:?}"));
    }
    let made = fs::read_dir(&room).expect("a list").count();
    assert_eq!(made, 2, "a file, and one that is named by the time");
    assert_eq!(fs::metadata(&file).expect("there").uid(), 0);
    let second = create_key(&service.dir(), &[]);
    let second = second["secret"].as_str().expect("a secret").to_owned();
    service.is_its_users("keys create");
    let server = service.serve();
    for secret in [first, second] {
        let mut client = Client::connect(server.address).expect("a connection");
        let answer = client.create(&secret, "order_1", r#"{"amount":1,"currency":"USD"}"#);
        assert_eq!(answer.expect("an answer").status, 201);
    }
}

#[test]
fn the_first_key_may_be_made_before_the_service_has_ever_run() {
    let Some(service) = Service::new() else {
        return;
    };
    create_key(&service.dir(), &[]);
    service.is_its_users("keys create");
    service.stop(service.serve());
}

#[test]
fn what_root_restores_into_a_users_empty_directory_is_that_users() {
    let Some(service) = Service::new() else {
        return;
    };
    create_key(&service.dir(), &[]);
    let file = service.path("a.backup");
    let file = file.to_str().expect("text");
    assert!(run(&["backup", file], &service.dir()).status.success());
    fs::remove_dir_all(service.inner()).expect("removed");
    fs::create_dir(service.inner()).expect("made");
    chown(service.inner(), Some(USER), Some(USER)).expect("given");
    let output = run(&["restore", file], &service.dir());
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(fs::metadata(service.inner()).expect("there").uid(), USER);
    service.is_its_users("restore");
    service.stop(service.serve());
}

#[test]
fn a_backup_that_root_can_t_make_leaves_nothing_and_says_which_file() {
    let Some(service) = Service::new() else {
        return;
    };
    create_key(&service.dir(), &[]);
    let lock = service.inner().join("lock");
    chown(&lock, Some(0), Some(0)).expect("taken");
    let room = service.path("room");
    fs::create_dir(&room).expect("made");
    mode(&room, 0o700);
    let file = room.join("a.backup");
    let output = run(&["backup", file.to_str().expect("text")], &service.dir());
    assert_eq!(output.status.code(), Some(1));
    let (dir, said) = (service.dir(), text(&output.stderr));
    assert!(said.contains(&format!("{}/lock", dir.display())), "{said}");
    assert_eq!(fs::read_dir(&room).expect("a list").count(), 0, "{said}");
}

#[test]
fn a_store_of_roots_in_a_directory_of_another_stays_roots() {
    let Some(service) = Service::new() else {
        return;
    };
    // So containers have it whose directory was made outside.
    chown(service.inner(), Some(0), Some(0)).expect("taken");
    create_key(&service.dir(), &[]);
    chown(service.inner(), Some(USER), Some(USER)).expect("given");
    create_key(&service.dir(), &[]);
    let store = fs::metadata(service.inner().join("store/db")).expect("there");
    assert_eq!(store.uid(), 0);
}

#[test]
fn a_file_that_another_user_has_left_is_named_with_what_to_do() {
    let Some(service) = Service::new() else {
        return;
    };
    service.stop(service.serve());
    let file = service.inner().join("store/db");
    chown(&file, Some(0), Some(0)).expect("taken");
    let output = run(&["verify"], &service.dir());
    let (dir, said) = (service.dir(), text(&output.stderr));
    let (dir, by) = (dir.display(), format!("this runs as user {USER}"));
    assert!(
        said.contains(&format!("{dir}/store/db belongs to user 0, and {by}")),
        "{said}"
    );
    assert!(
        said.contains(&format!("`chown -R --reference={dir}/. {dir}/.`")),
        "{said}"
    );
    let advice = format!("chown -R --reference={dir}/. {dir}/.");
    let mended = Command::new("sh").args(["-c", &advice]).status();
    assert!(mended.expect("sh runs").success());
    let output = run(&["verify"], &service.dir());
    assert!(output.status.success(), "{}", text(&output.stderr));
    service.is_its_users("all of it");
}

#[test]
fn a_user_to_whom_a_directory_is_not_open_is_told_whose_it_is() {
    let Some(service) = Service::new() else {
        return;
    };
    service.stop(service.serve());
    mode(&service.path("lib/private"), 0o755);
    let output = Command::new(service.path("atlas"))
        .uid(USER + 1)
        .gid(USER + 1)
        .args(["keys", "list", "--data-dir"])
        .arg(service.dir())
        .output()
        .expect("atlas runs");
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(
        said.contains(&format!("run this as user {USER}, or as root")),
        "{said}"
    );
}

#[test]
fn a_store_that_can_t_be_looked_at_is_not_told_to_be_missing() {
    let Some(service) = Service::new() else {
        return;
    };
    service.stop(service.serve());
    mode(&service.path("lib/private"), 0o755);
    mode(&service.inner(), 0o700);
    for arguments in [
        &["keys", "create", "--name", "x"][..],
        &["keys", "list"],
        &["claims", "list"],
        &["webhooks", "list"],
        &["verify"],
        &["backup", "-"],
        &["dashboard"],
    ] {
        let output = Command::new(service.path("atlas"))
            .uid(USER + 1)
            .gid(USER + 1)
            .args(arguments)
            .arg("--data-dir")
            .arg(service.dir())
            .output()
            .expect("atlas runs");
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {said}");
        assert!(said.contains("run this as"), "{arguments:?}: {said}");
        assert!(!said.contains("there is no store"), "{arguments:?}: {said}");
    }
}
