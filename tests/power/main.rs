//! The power fails: at any moment of a server's life, whatever part of what it had not synced is lost, what is left
//! opens, and holds all that was answered. The server is the real binary; strace tells what it asks of its files.
//!
//! `ATLAS_POWER_IMAGES` says how many such losses each test makes.
#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test says by panicking what is wrong"
)]

mod disk;
#[path = "../crash/planted.rs"]
mod planted;
#[path = "../binary/process.rs"]
#[expect(dead_code, reason = "shared with the tests of the binary")]
mod process;
mod promises;
mod sweeps;
mod trace;

use std::hash::{BuildHasher, RandomState};
use std::path::{Path, PathBuf};

use disk::{Disk, Loss, Moment};
use process::{Answer, Atlas, Client, has_tool, text};
use promises::Promises;
use trace::Event;

/// Losses a test makes, unless more are asked for.
const IMAGES: usize = 24;
/// On one of so many of what they leave, the server itself starts.
const SERVED: usize = 7;
const WRITERS: usize = 4;
const UNLIMITED: &[&str] = &["--per-minute", "1000000", "--per-day", "1000000"];

/// A number below `end`; the moments are to differ from run to run.
fn random(end: u64) -> u64 {
    RandomState::new().hash_one(0) % end
}

/// A machine whose power fails again and again, while its server lives on.
struct Machine {
    _temporary: tempfile::TempDir,
    root: PathBuf,
    /// The data directory, below the root.
    data: &'static str,
    disk: Disk,
    now: Moment,
    promises: Promises,
    /// Of an API key that was shown in a life before.
    secret: Option<String>,
    images: usize,
    /// Of each loss, the records that had expired and were still there.
    left_to_sweep: Vec<usize>,
}

impl Machine {
    fn new(data: &'static str) -> Self {
        let temporary = tempfile::tempdir().expect("a directory");
        let root = temporary
            .path()
            .canonicalize()
            .expect("a path")
            .join("disk");
        std::fs::create_dir(&root).expect("a directory");
        Self {
            disk: Disk::of(&root),
            root,
            _temporary: temporary,
            data,
            now: 1,
            promises: Promises::default(),
            secret: None,
            images: 0,
            left_to_sweep: Vec::new(),
        }
    }

    /// The machine that comes up after the power has failed now.
    fn lost(&self, loss: Loss) -> Self {
        let mut next = Self::new(self.data);
        self.disk.lose_power(loss, &self.root, &next.root);
        next.disk = Disk::of(&next.root);
        next.promises = self.promises.clone();
        next.secret.clone_from(&self.secret);
        next
    }

    /// That enough was promised for all this to mean something.
    fn tell(&self, promised: usize) {
        let (images, calls) = (self.images, self.now);
        eprintln!("{images} power losses at {calls} calls: all of {promised} answers are there");
        assert_eq!(self.promises.len(), promised, "every answer was read");
    }

    /// A server lives here from its start to its end, as `live` has it. Meanwhile the power fails so many times.
    fn live(&mut self, times: usize, live: impl FnOnce(Atlas)) {
        let directory = self.root.join(self.data);
        let trace = self.root.with_extension("trace");
        let server = trace::serve(&directory, &self.root, &trace, UNLIMITED);
        let pid = server.pid();
        live(server);
        trace::wait_for_end(&trace, pid);
        let events = trace::read(&trace, &self.root, self.now);
        let mut fails_at = draw(&events, times);
        for (number, event) in events.iter().enumerate() {
            if let Event::Answered(answer) = event {
                self.promises.add(answer);
            }
            // Before a sync the most can be lost.
            while fails_at.pop_if(|at| *at == number).is_some() {
                self.fail();
            }
            event.apply(&mut self.disk, self.now);
            self.now += 1;
        }
    }

    fn fail(&mut self) {
        let loss = Loss::ALL[self.images % Loss::ALL.len()];
        let image = tempfile::tempdir().expect("a directory");
        self.disk.lose_power(loss, &self.root, image.path());
        let directory = image.path().join(self.data);
        if self.images.is_multiple_of(SERVED) {
            self.serve_again(&directory, &image.path().join("served"));
        }
        self.images += 1;
        match self.promises.check(&directory) {
            Ok(left) => self.left_to_sweep.push(left),
            Err(why) => {
                let (kept, at) = (image.keep(), self.now);
                panic!(
                    "the power failed at call {at}, {loss:?} was lost: {why}; what is left is in {}",
                    kept.display()
                );
            }
        }
    }

    /// The real binary starts on what is left, answers as before, and goes on.
    fn serve_again(&self, directory: &Path, logs: &Path) {
        let Some(secret) = &self.secret else { return };
        let server = trace::untraced(directory, logs, UNLIMITED);
        let mut client = Client::connect(server.address).expect("a connection");
        for (key, first) in self.promises.orders.iter().take(20) {
            let again = order(&mut client, secret, key).expect("an answer");
            assert!(again.replayed && again.body.starts_with(first), "{key}");
        }
        if !self.promises.orders.is_empty() {
            let after = order(&mut client, secret, "after").expect("an answer");
            assert_eq!(after.status, 201, "{}", text(&after.body));
        }
        assert!(server.terminate().success());
    }
}

/// Of what happened, the calls at which the power fails, the last one first: syncs, before which the most can be lost,
/// and answers, after which nothing of them may be. The first of all is among them.
fn draw(events: &[Event], times: usize) -> Vec<usize> {
    let tells = |event: &Event| matches!(event, Event::Synced { .. } | Event::Answered(_));
    let telling: Vec<usize> = (0..events.len()).filter(|at| tells(&events[*at])).collect();
    let mut drawn: Vec<usize> = (0..times)
        .map(|_| telling[usize::try_from(random(telling.len() as u64)).expect("few")])
        .collect();
    if let Some(one) = drawn.first_mut() {
        *one = telling[0];
    }
    drawn.sort_unstable_by(|one, other| other.cmp(one));
    drawn
}

fn images() -> usize {
    let asked = std::env::var("ATLAS_POWER_IMAGES");
    asked.map_or(IMAGES, |asked| asked.parse().expect("a number"))
}

/// What is ordered under a key; those of a big name fill the journal fast.
fn order(client: &mut Client, secret: &str, key: &str) -> Option<Answer> {
    let members = if key.starts_with("big") { 49 } else { 1 };
    let note = key.repeat(500 / key.len());
    let metadata: Vec<String> = (0..members)
        .map(|member| format!(r#""member-{member}":"{note}""#))
        .collect();
    let metadata = metadata.join(",");
    client.create(
        secret,
        key,
        &format!(
            r#"{{"amount":4990,"currency":"USD","external_id":"{key}","metadata":{{{metadata}}}}}"#
        ),
    )
}

/// Some writers order at once, each so often.
fn order_all(server: &Atlas, secret: &str, name: &str, each: usize) {
    std::thread::scope(|scope| {
        for writer in 0..WRITERS {
            scope.spawn(move || {
                let mut client = Client::connect(server.address).expect("a connection");
                for number in 0..each {
                    let key = format!("{name}-{writer}-{number}");
                    let answer = order(&mut client, secret, &key).expect("an answer");
                    assert_eq!(answer.status, 201, "{}", text(&answer.body));
                }
            });
        }
    });
}

#[test]
fn a_first_start_and_a_clean_end_survive_a_power_loss_at_any_call() {
    if !has_tool("strace", &["-V"]) {
        return;
    }
    let mut machine = Machine::new("var/lib/atlas");
    let mut secret = None;
    machine.live(images(), |server| {
        let secret = secret.insert(server.key(&[]));
        order_all(&server, secret, "small", 4);
        assert!(server.terminate().success());
    });
    machine.secret = secret.clone();
    machine.live(images() / 2, |server| {
        order_all(&server, secret.as_ref().expect("made"), "again", 2);
        assert!(server.terminate().success());
    });
    machine.tell(1 + WRITERS * 6);
}

#[test]
fn a_journal_that_begins_anew_survives_a_power_loss_at_any_call() {
    if !has_tool("strace", &["-V"]) {
        return;
    }
    let mut machine = Machine::new("data");
    let mut secret = None;
    // Half of it is enough to see both ends of the journal; what a kill leaves in memory is then lost later.
    machine.live(2, |server| {
        let secret = secret.insert(server.key(&[]));
        order_all(&server, secret, "big", 10);
        server.kill();
    });
    machine.secret = secret.clone();
    machine.live(images(), |server| {
        order_all(&server, secret.as_ref().expect("made"), "bigger", 45);
        server.kill();
    });
    machine.tell(1 + WRITERS * 55);
}

#[test]
fn a_start_after_a_power_loss_survives_another_one_at_any_call() {
    if !has_tool("strace", &["-V"]) {
        return;
    }
    let mut machine = Machine::new("data");
    let mut secret = None;
    machine.live(0, |server| {
        order_all(&server, secret.insert(server.key(&[])), "small", 4);
        server.kill();
    });
    machine.secret.clone_from(&secret);
    for loss in [Loss::All, Loss::Sectors] {
        let mut next = machine.lost(loss);
        next.live(images() / 2, |server| {
            order_all(&server, secret.as_ref().expect("made"), "again", 2);
            server.kill();
        });
        next.tell(1 + WRITERS * 6);
    }
}
