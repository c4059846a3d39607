//! A disk that fails under load: it errs, gets full, or can only be read any more. The server refuses or stops cleanly, and
//! what it has answered is there when the disk is well again.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::disk::{SmallDisk, fill};
use crate::process::{Answer, Atlas, BINARY, Client, create_key, has_tool, read_log, text};

const WRITERS: usize = 8;
/// Orders of a writer at most: many more than any disk here takes before it fails.
const ORDERS: usize = 5_000;
/// After so many answers the disk may fail.
const HEALTHY: usize = 100;
const UNLIMITED: &[&str] = &["--per-minute", "1000000", "--per-day", "1000000"];

/// An idempotency key and the answer to it, if it came as a whole.
type Outcome = (String, Option<Answer>);

fn body(key: &str) -> String {
    let note = "n".repeat(400);
    format!(r#"{{"amount":4990,"currency":"USD","external_id":"{key}","description":"{note}"}}"#)
}

/// Orders until one is refused or cut off, or so many are made.
fn write(
    server: SocketAddr,
    secret: &str,
    (writer, orders): (usize, usize),
    answered: &AtomicUsize,
) -> Vec<Outcome> {
    let mut outcomes: Vec<Outcome> = Vec::new();
    let mut client = Client::connect(server).expect("a connection");
    for number in 0..orders {
        let key = format!("order-{writer}-{number}");
        let answer = client.create(secret, &key, &body(&key));
        answered.fetch_add(1, Ordering::Relaxed);
        let status = answer.as_ref().map(|answer| answer.status);
        outcomes.push((key, answer));
        if status != Some(201) {
            break;
        }
    }
    outcomes
}

/// Some writers at once; in the midst of that the disk `fails`.
fn load(server: SocketAddr, secret: &str, orders: usize, fails: impl FnOnce()) -> Vec<Outcome> {
    let answered = &AtomicUsize::new(0);
    std::thread::scope(|scope| {
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| scope.spawn(move || write(server, secret, (writer, orders), answered)))
            .collect();
        while answered.load(Ordering::Relaxed) < HEALTHY
            && !writers.iter().all(|writer| writer.is_finished())
        {
            std::thread::yield_now();
        }
        fails();
        let outcomes = writers.into_iter().map(|writer| writer.join());
        outcomes.flat_map(|each| each.expect("no panic")).collect()
    })
}

/// All that was answered is answered again, and the rest can be ordered: it was done or not, and is not stuck.
fn assert_kept(server: SocketAddr, secret: &str, outcomes: &[Outcome]) {
    let mut client = Client::connect(server).expect("a connection");
    for (key, answer) in outcomes {
        let again = client.create(secret, key, &body(key)).expect("an answer");
        assert_eq!(again.status, 201, "{key}: {}", text(&again.body));
        match answer {
            Some(first) if first.status == 201 => {
                assert!(again.replayed, "{key} was answered and is forgotten");
                assert_eq!(text(&again.body), text(&first.body), "{key}");
            }
            Some(refused) => {
                let refused = text(&refused.body);
                assert!(refused.contains("storage_unavailable"), "{key}: {refused}");
            }
            None => (),
        }
    }
}

fn answered(outcomes: &[Outcome]) -> usize {
    let is_made = |answer: &Answer| answer.status == 201;
    let made = outcomes
        .iter()
        .filter(|(_, answer)| answer.as_ref().is_some_and(is_made));
    made.count()
}

/// One call of each thread of the server fails, the `when`th: strace answers in the kernel's place.
fn injected(directory: &Path, fault: &str) -> Result<Atlas, String> {
    let mut command = Command::new("strace");
    let (call, _) = fault.split_once(':').expect("a call and its fault");
    command
        .args(["-D", "-f", "-q", "-o", "/dev/null", "-e"])
        .arg(format!("trace={call}"))
        .args(["-e", &format!("inject={fault}"), BINARY])
        .args(["serve", "--listen", "127.0.0.1:0", "--data-dir"])
        .arg(directory)
        .args(UNLIMITED);
    Atlas::try_start(command, directory)
}

#[test]
fn whatever_call_a_disk_fails_nothing_that_was_answered_is_lost() {
    if !has_tool("strace", &["-V"]) {
        return;
    }
    let temporary = tempfile::tempdir().expect("a directory");
    let (mut refused_to_start, mut stopped) = (0, 0);
    for fault in [
        "fdatasync:error=EIO:when=1",
        "fdatasync:error=EIO:when=3",
        "fdatasync:error=EIO:when=4",
        "fdatasync:error=EIO:when=40",
        "fsync:error=EIO:when=1",
        "fsync:error=EIO:when=4",
        "pwrite64:error=ENOSPC:when=1",
        "pwrite64:error=ENOSPC:when=6",
        "pwrite64:error=ENOSPC:when=61",
        "pwrite64:error=EIO:when=60",
    ] {
        let directory = temporary.path().join(fault.replace([':', '='], "-"));
        let made = create_key(&directory, &[]);
        let secret = made["secret"].as_str().expect("a secret");
        let mut has_failed = false;
        let outcomes = match injected(&directory, fault) {
            Ok(server) => {
                let outcomes = load(server.address, secret, 100, || ());
                stopped += usize::from(answered(&outcomes) < 100 * WRITERS);
                let status = server.terminate();
                assert!(status.code().is_some(), "{fault}: it ended with {status}");
                has_failed = status.code() != Some(0);
                outcomes
            }
            Err(_) => {
                refused_to_start += 1;
                let log = read_log(&directory);
                assert!(log.contains("error: "), "{fault}: {log}");
                Vec::new()
            }
        };
        let log = read_log(&directory);
        assert!(!log.contains("panicked"), "{fault}: {log}");
        let server = Atlas::serve(&directory, UNLIMITED);
        assert_kept(server.address, secret, &outcomes);
        // All of its log is written then.
        server.terminate();
        let is_told = read_log(&directory).contains("was killed, or its store failed");
        assert_eq!(is_told, has_failed, "{fault}");
    }
    assert!(
        refused_to_start >= 2 && stopped >= 4,
        "the faults came to nothing: {refused_to_start} starts, {stopped} servers"
    );
}

/// Leaves so many bytes of the space there is.
fn fill_but(ballast: &Path, left: u64) {
    let disk = rustix::fs::statvfs(ballast.parent().expect("a directory")).expect("its space");
    let free = disk.f_bavail * disk.f_frsize;
    let file = std::fs::File::create(ballast).expect("a file");
    let mut zeros = std::io::Read::take(std::io::repeat(0), free.saturating_sub(left));
    std::io::copy(&mut zeros, &mut &file).expect("filled");
}

#[test]
fn a_disk_that_gets_full_under_load_costs_nothing_and_the_server_goes_on_when_it_has_space() {
    let temporary = tempfile::tempdir().expect("a directory");
    let Some(disk) = SmallDisk::mount(temporary.path()) else {
        return;
    };
    let directory = temporary.path().join("disk/data");
    let ballast = temporary.path().join("disk/ballast");
    let flags = [UNLIMITED, &["--min-free-disk", "6MiB"]].concat();
    let server = Atlas::serve(&directory, &flags);
    let secret = server.key(&[]);
    let outcomes = load(server.address, &secret, ORDERS, || {
        fill_but(&ballast, 4 << 20)
    });
    assert!(answered(&outcomes) >= HEALTHY - WRITERS);
    let refusals = outcomes.iter().filter_map(|(_, answer)| answer.as_ref());
    let refusals: Vec<u16> = refusals
        .map(|answer| answer.status)
        .filter(|status| *status != 201)
        .collect();
    assert_eq!(refusals, [503; WRITERS], "each writer was told");
    std::fs::remove_file(&ballast).expect("space again");
    assert_kept(server.address, &secret, &outcomes);
    server.kill();
    let server = Atlas::serve(&directory, &flags);
    assert_kept(server.address, &secret, &outcomes);
    drop((server, disk));
}

#[test]
fn a_disk_that_is_full_to_the_last_byte_under_load_costs_nothing() {
    let temporary = tempfile::tempdir().expect("a directory");
    let Some(disk) = SmallDisk::mount(temporary.path()) else {
        return;
    };
    let directory = temporary.path().join("disk/data");
    let ballast = temporary.path().join("disk/ballast");
    let flags = [UNLIMITED, &["--min-free-disk", "0B"]].concat();
    let server = Atlas::serve(&directory, &flags);
    let secret = server.key(&[]);
    let outcomes = load(server.address, &secret, ORDERS, || fill(&ballast));
    assert!(answered(&outcomes) >= HEALTHY - WRITERS);
    assert!(answered(&outcomes) < ORDERS * WRITERS, "it never got full");
    let status = server.terminate();
    assert!(status.code().is_some(), "it ended with {status}");
    std::fs::remove_file(&ballast).expect("space again");
    let server = Atlas::serve(&directory, &flags);
    assert_kept(server.address, &secret, &outcomes);
    drop((server, disk));
}

/// A file system of its own on a file.
struct LoopDisk {
    image: PathBuf,
    place: PathBuf,
}

impl LoopDisk {
    fn make(parent: &Path) -> Option<Self> {
        if !has_tool("mkfs.ext4", &["-V"]) {
            return None;
        }
        let (image, place) = (parent.join("image"), parent.join("disk"));
        std::fs::create_dir(&place).expect("a directory");
        let file = std::fs::File::create(&image).expect("a file");
        file.set_len(128 << 20).expect("sized");
        let made = Command::new("mkfs.ext4")
            .args(["-q", "-F"])
            .arg(&image)
            .status();
        assert!(made.expect("mkfs runs").success());
        let disk = Self { image, place };
        let mounted = disk.mount();
        assert!(
            mounted || std::env::var_os("ALL_CHECKS").is_none(),
            "a file can't be mounted as a disk"
        );
        if !mounted {
            eprintln!("skipped: no right to mount a file as a disk");
        }
        mounted.then_some(disk)
    }

    fn mount(&self) -> bool {
        let mut command = Command::new("mount");
        command.args(["-o", "loop,errors=remount-ro"]);
        let mounted = command.args([&self.image, &self.place]).output();
        mounted.is_ok_and(|output| output.status.success())
    }

    /// As after an error of its own: it can only be read from now on.
    fn fail(&self) {
        let mounts = std::fs::read_to_string("/proc/mounts").expect("the mounts");
        let place = format!(" {} ", self.place.display());
        let line = mounts
            .lines()
            .find(|line| line.contains(&place))
            .expect("mounted");
        let device = line
            .split(' ')
            .next()
            .unwrap_or_default()
            .replace("/dev/", "");
        std::fs::write(format!("/sys/fs/ext4/{device}/trigger_fs_error"), "1").expect("failed");
    }

    fn unmount(&self) {
        let unmounted = Command::new("umount").arg(&self.place).status();
        assert!(unmounted.expect("umount runs").success());
    }
}

impl Drop for LoopDisk {
    fn drop(&mut self) {
        drop(Command::new("umount").arg("-l").arg(&self.place).output());
    }
}

#[test]
fn a_disk_that_can_only_be_read_any_more_costs_nothing() {
    let temporary = tempfile::tempdir().expect("a directory");
    let Some(disk) = LoopDisk::make(temporary.path()) else {
        return;
    };
    let directory = disk.place.join("data");
    let server = Atlas::serve(&directory, UNLIMITED);
    let secret = server.key(&[]);
    let outcomes = load(server.address, &secret, ORDERS, || disk.fail());
    assert!(answered(&outcomes) >= HEALTHY - WRITERS);
    assert!(answered(&outcomes) < ORDERS * WRITERS, "it never failed");
    let status = server.terminate();
    assert!(status.code().is_some(), "it ended with {status}");
    disk.unmount();
    assert!(disk.mount(), "the disk is well again");
    let server = Atlas::serve(&directory, UNLIMITED);
    assert_kept(server.address, &secret, &outcomes);
}
