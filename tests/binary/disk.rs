//! What a disk can do to us: damage, another format, another server, no space, no right to write. A clear line, an exit
//! status or a 503, and nothing lost.

use std::path::Path;
use std::process::Command;

use atlas::app::App;
use atlas::clock::Clock;
use atlas::config::{Given, Place, Purpose, Settings};
use atlas::domain::time::Timestamp;

use crate::process::{Answer, Atlas, BINARY, Client, create_key, json_of, read_log, run, text};

fn order(server: &Atlas, secret: &str, key: &str) -> Answer {
    let body = r#"{"amount":4990,"currency":"USD"}"#;
    Client::connect(server.address)
        .expect("a connection")
        .create(secret, key, body)
        .expect("an answer")
}

/// The one line with which `atlas serve` refuses to start here.
fn refusal(directory: &Path) -> String {
    let output = run(&["serve", "--listen", "127.0.0.1:0"], directory);
    let message = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{message}");
    assert!(
        !message.contains("panicked") && !message.contains("RUST_BACKTRACE"),
        "{message}"
    );
    let line = message.lines().find(|line| line.starts_with("error: "));
    line.unwrap_or_else(|| panic!("no clear line in {message}"))
        .to_owned()
}

/// A directory with one answered order, its server stopped.
fn used_directory(directory: &Path) -> (String, Answer) {
    let server = Atlas::serve(directory, &[]);
    let secret = server.key(&[]);
    let answer = order(&server, &secret, "order_1");
    assert!(server.terminate().success());
    (secret, answer)
}

#[test]
fn a_second_server_on_the_same_directory_is_refused() {
    let temporary = tempfile::tempdir().expect("a directory");
    let directory = temporary.path().join("data");
    let server = Atlas::serve(&directory, &[]);
    assert!(refusal(&directory).contains("another process uses"));
    let secret = server.key(&[]);
    assert_eq!(
        order(&server, &secret, "order_1").status,
        201,
        "the first goes on, its socket too"
    );
}

#[test]
fn leftovers_of_a_kill_while_a_snapshot_is_written_do_no_harm() {
    let temporary = tempfile::tempdir().expect("a directory");
    let directory = temporary.path().join("data");
    let (secret, first) = used_directory(&directory);
    std::fs::write(
        directory.join("store/snap.00000000000000FF.generating"),
        b"half",
    )
    .expect("planted");
    std::fs::write(directory.join("store/snap.00000000000000FF"), b"").expect("planted");
    let server = Atlas::serve(&directory, &[]);
    let again = order(&server, &secret, "order_1");
    assert_eq!((again.replayed, again.body), (true, first.body));
}

/// sled writes it in two parts and never syncs it.
#[test]
fn a_conf_that_a_crash_left_half_written_is_made_anew() {
    let temporary = tempfile::tempdir().expect("a directory");
    let directory = temporary.path().join("data");
    let (secret, first) = used_directory(&directory);
    let conf = directory.join("store/conf");
    let whole = std::fs::read(&conf).expect("read");
    for half in [
        &b"not what it was"[..],
        &whole[..whole.len() - 4],
        &[],
        &vec![0; whole.len()],
    ] {
        std::fs::write(&conf, half).expect("damaged");
        let server = Atlas::serve(&directory, &[]);
        assert_eq!(order(&server, &secret, "order_1").body, first.body);
        assert!(server.terminate().success());
    }
}

/// What happens to the bytes of a file.
type Damage<'a> = dyn Fn(&mut Vec<u8>) + 'a;

/// sled cuts its file at the first byte it can't read and calls that a recovery.
#[test]
fn a_store_that_lost_its_end_is_mended_from_the_journal_or_refused() {
    let temporary = tempfile::tempdir().expect("a directory");
    let whole = temporary.path().join("whole");
    let (secret, first) = used_directory(&whole);
    let tables = std::fs::read(whole.join("store/db")).expect("read");
    let end = tables
        .iter()
        .rposition(|byte| *byte != 0)
        .expect("something was written");
    let damages: [&Damage<'_>; 5] = [
        &|tables| tables.truncate(end / 2),
        &|tables| tables.truncate(end - 20),
        &|tables| tables.clear(),
        &|tables| tables[end - 40] ^= 1,
        &|tables| tables[end / 2] ^= 1,
    ];
    for (number, damage) in damages.iter().enumerate() {
        for lose_journal in [false, true] {
            let directory = temporary.path().join(format!("{number}-{lose_journal}"));
            assert!(
                Command::new("cp")
                    .arg("-r")
                    .args([&whole, &directory])
                    .status()
                    .expect("cp runs")
                    .success()
            );
            let mut damaged = tables.clone();
            damage(&mut damaged);
            std::fs::write(directory.join("store/db"), damaged).expect("damaged");
            if lose_journal {
                std::fs::write(directory.join("store/journal"), [0; 1 << 16]).expect("damaged");
            }
            let mut command = Command::new(BINARY);
            command
                .args(["serve", "--listen", "127.0.0.1:0", "--data-dir"])
                .arg(&directory);
            match Atlas::try_start(command, &directory) {
                Ok(server) => {
                    let again = order(&server, &secret, "order_1");
                    assert_eq!(
                        (again.replayed, &again.body),
                        (true, &first.body),
                        "damage {number}"
                    );
                }
                Err(_) => {
                    let log = read_log(&directory);
                    assert!(
                        log.contains("restore a backup") && !log.contains("panicked"),
                        "damage {number}: {log}"
                    );
                }
            }
        }
    }
    std::fs::remove_file(whole.join("store/db")).expect("removed");
    assert!(refusal(&whole).contains("lost its store"));
}

#[test]
fn a_clock_far_behind_the_store_is_refused_until_somebody_says_it_is_right() {
    let temporary = tempfile::tempdir().expect("a directory");
    let directory = temporary.path().join("data");
    let place = Place {
        data_dir: Some(directory.clone()),
        config: None,
    };
    let settings = Settings::resolve(&place, Given::default(), Purpose::Serve).expect("settings");
    let in_2096 = Clock::hand(Timestamp::from_millis(4_000_000_000_000));
    App::open(settings, in_2096)
        .expect("the app")
        .close()
        .expect("closed");
    assert!(refusal(&directory).contains("--trust-clock"));
    assert!(
        Atlas::serve(&directory, &["--trust-clock"])
            .terminate()
            .success()
    );
    assert!(
        Atlas::serve(&directory, &[]).terminate().success(),
        "once is enough"
    );
}

#[test]
fn a_store_of_a_format_before_is_taken_over_with_all_that_is_in_it() {
    let temporary = tempfile::tempdir().expect("a directory");
    let directory = temporary.path().join("data");
    used_directory(&directory);
    let keys = json_of(&["keys", "list"], &directory);
    let format = || {
        let store = sled::Config::new()
            .path(directory.join("store"))
            .segment_size(8 << 20);
        let meta = store.open().expect("opens").open_tree("meta");
        meta.expect("a tree")
    };
    for before in 1_u32..=5 {
        format()
            .insert("format", &before.to_be_bytes())
            .expect("written");
        assert_eq!(json_of(&["keys", "list"], &directory), keys);
        let now = format().get("format").expect("read").expect("a format");
        assert_eq!(&*now, 6_u32.to_be_bytes(), "from {before}");
    }
}

#[test]
fn a_store_of_another_format_or_another_program_is_refused() {
    let temporary = tempfile::tempdir().expect("a directory");
    let newer = temporary.path().join("newer");
    used_directory(&newer);
    let open = |directory: &Path| {
        sled::Config::new()
            .path(directory.join("store"))
            .segment_size(8 << 20)
            .open()
            .expect("opens")
    };
    open(&newer)
        .open_tree("meta")
        .expect("a tree")
        .insert("format", &7_u32.to_be_bytes())
        .expect("written");
    assert!(refusal(&newer).contains("has format 7"));

    let foreign = temporary.path().join("foreign");
    std::fs::create_dir_all(&foreign).expect("a directory");
    open(&foreign)
        .open_tree("meta")
        .expect("a tree")
        .insert("somebody", "else")
        .expect("written");
    assert!(refusal(&foreign).contains("not one of atlas"));

    let unmarked = temporary.path().join("unmarked");
    std::fs::create_dir_all(&unmarked).expect("a directory");
    open(&unmarked)
        .open_tree("orders")
        .expect("a tree")
        .insert("one", "precious")
        .expect("written");
    assert!(refusal(&unmarked).contains("not one of atlas"));
    assert!(
        !open(&unmarked)
            .tree_names()
            .iter()
            .any(|name| name == b"meta"),
        "nothing was put into it"
    );
}

#[test]
fn a_store_without_its_pepper_is_refused() {
    let temporary = tempfile::tempdir().expect("a directory");
    let directory = temporary.path().join("data");
    used_directory(&directory);
    let pepper = directory.join("pepper");
    let right = std::fs::read(&pepper).expect("read");
    std::fs::remove_file(&pepper).expect("removed");
    assert!(refusal(&directory).contains("pepper is missing"));
    std::fs::write(&pepper, [7; 32]).expect("another");
    assert!(refusal(&directory).contains("not the pepper"));
    std::fs::write(&pepper, right).expect("back");
    assert!(Atlas::serve(&directory, &[]).terminate().success());
}

#[test]
fn a_directory_that_can_t_be_made_is_refused() {
    let temporary = tempfile::tempdir().expect("a directory");
    let file = temporary.path().join("file");
    std::fs::write(&file, b"").expect("written");
    assert!(refusal(&file.join("data")).contains("can't be made"));
}

#[test]
fn short_of_space_payments_get_503_and_keys_still_can_be_revoked() {
    let temporary = tempfile::tempdir().expect("a directory");
    let directory = temporary.path().join("data");
    let made = create_key(&directory, &[]);
    let secret = made["secret"].as_str().expect("a secret");
    let server = Atlas::serve(&directory, &["--min-free-disk", "1EiB"]);
    let refused = order(&server, secret, "order_1");
    assert_eq!(refused.status, 503, "{}", text(&refused.body));
    assert!(text(&refused.body).contains("storage_unavailable"));
    let ready = Client::connect(server.address)
        .and_then(|mut client| client.get("", "/readyz"))
        .expect("an answer");
    assert_eq!(ready.status, 503);
    let id = made["id"].as_str().expect("an id");
    let revoked = run(&["keys", "revoke", id], &directory);
    assert!(revoked.status.success());
    assert_eq!(order(&server, secret, "order_1").status, 401);
    // All of its log is written then.
    server.terminate();
    assert!(read_log(&directory).contains("nearly full"));
}

/// A file system of its own that is really full. Needs the right to mount.
#[test]
fn on_a_full_disk_nothing_answered_is_lost_and_the_server_comes_back() {
    let temporary = tempfile::tempdir().expect("a directory");
    let Some(disk) = SmallDisk::mount(temporary.path()) else {
        return;
    };
    let directory = temporary.path().join("disk/data");
    let server = Atlas::serve(
        &directory,
        &[
            "--min-free-disk",
            "0B",
            "--per-minute",
            "1000000",
            "--per-day",
            "1000000",
        ],
    );
    let secret = server.key(&[]);
    let ballast = temporary.path().join("disk/ballast");
    let note = "n".repeat(400);
    let mut kept = Vec::new();
    let mut client = Client::connect(server.address).expect("a connection");
    let body = |key: &str| {
        format!(
            r#"{{"amount":4990,"currency":"USD","external_id":"{key}","description":"{note}"}}"#
        )
    };
    fill(&ballast);
    for number in 0..200_000 {
        let key = format!("order_{number}");
        match client.create(&secret, &key, &body(&key)) {
            Some(answer) if answer.status == 201 => kept.push((key, answer)),
            Some(answer) => {
                assert_eq!(answer.status, 503, "{}", text(&answer.body));
                break;
            }
            None => break,
        }
    }
    drop(client);
    std::fs::remove_file(&ballast).expect("space again");
    drop(server);
    let server = Atlas::serve(
        &directory,
        &[
            "--min-free-disk",
            "0B",
            "--per-minute",
            "1000000",
            "--per-day",
            "1000000",
        ],
    );
    let mut client = Client::connect(server.address).expect("a connection");
    for (key, first) in &kept {
        let again = client.create(&secret, key, &body(key)).expect("an answer");
        assert_eq!((again.replayed, &again.body), (true, &first.body), "{key}");
    }
    assert_eq!(order(&server, &secret, "after").status, 201);
    drop((server, disk));
}

/// Takes all the space there is.
pub fn fill(ballast: &Path) {
    let mut file = std::fs::File::create(ballast).expect("a file");
    while std::io::Write::write_all(&mut file, &[0; 64 * 1024]).is_ok() {}
}

pub struct SmallDisk(std::path::PathBuf);

impl SmallDisk {
    pub fn mount(parent: &Path) -> Option<Self> {
        let place = parent.join("disk");
        std::fs::create_dir(&place).expect("a directory");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=48m", "atlas-test"])
            .arg(&place)
            .output();
        let mounted = mounted.is_ok_and(|output| output.status.success());
        assert!(
            mounted || std::env::var_os("ALL_CHECKS").is_none(),
            "a small file system can't be mounted"
        );
        if !mounted {
            eprintln!("skipped: no right to mount a small file system");
        }
        mounted.then_some(Self(place))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        drop(Command::new("umount").arg("-l").arg(&self.0).status());
    }
}
