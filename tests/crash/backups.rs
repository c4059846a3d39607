//! Kills in the midst of a backup, of the server that gives it and of the command that writes it: nothing acknowledged is
//! lost, and whatever has the name of a backup is a whole one.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::time::{Duration, Instant};

use crate::planted::{now, plant};
use crate::process::{Answer, Atlas, BINARY, Client, json_of, run, text};
use crate::{SETTINGS, goes_on, random, rounds};

/// Kills, unless more are asked for.
const ROUNDS: usize = 8;
const WRITERS: usize = 4;
/// Records that are there beforehand, so that a backup has something to read, and bytes of each.
const FILLED: usize = 16;
const RECORD: usize = 50_000;
const ORDER: &str = r#"{"amount":4990,"currency":"USD"}"#;
/// A backup begins after some number of answers below this one.
const ANSWERS_MAX: u64 = 60;
const PARTIAL: &str = ".partial";

/// An idempotency key and the answer to it, if one came.
type Outcome = (String, Option<Answer>);

/// A store under load, and a room for its backups.
struct World {
    _temporary: tempfile::TempDir,
    directory: PathBuf,
    room: PathBuf,
    secret: String,
    /// What was answered in all rounds.
    orders: Vec<(String, Answer)>,
    /// How long a backup takes that nobody cuts short.
    whole: Duration,
    /// Backups that were made although their command or server was killed, and those that were not.
    survived: usize,
    cut: usize,
}

impl World {
    fn new() -> (Self, Atlas) {
        let temporary = tempfile::tempdir().expect("a directory");
        let root = temporary.path();
        let (directory, room) = (root.join("data"), root.join("room"));
        std::fs::create_dir(&room).expect("made");
        let filled = (0..FILLED).map(|number| {
            let (key, mut body) = (format!("filled-{number}"), vec![0; RECORD]);
            // It can't be packed.
            let mut noise = blake3::Hasher::new();
            noise.update(key.as_bytes()).finalize_xof().fill(&mut body);
            (key, body)
        });
        plant(&directory, now(), filled);
        let server = Atlas::serve(&directory, SETTINGS);
        let mut world = Self {
            secret: server.key(&[]),
            _temporary: temporary,
            directory,
            room,
            orders: Vec::new(),
            whole: Duration::ZERO,
            survived: 0,
            cut: 0,
        };
        let begun = Instant::now();
        world.made(&[]);
        world.whole = begun.elapsed();
        (world, server)
    }

    /// `atlas backup`, to a file or to a directory of which some are kept.
    fn begin(&self, arguments: &[&str]) -> Child {
        let to = if arguments.is_empty() {
            self.room.join("shop.atlas-backup")
        } else {
            self.room.clone()
        };
        Command::new(BINARY)
            .arg("backup")
            .arg(to)
            .args(arguments)
            .arg("--data-dir")
            .arg(&self.directory)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("atlas starts")
    }

    /// A backup that nobody cuts short. What a killed one had of the server is given back when that notices.
    fn made(&self, arguments: &[&str]) {
        loop {
            let output = self.begin(arguments).wait_with_output().expect("ended");
            let said = text(&output.stderr);
            if output.status.success() {
                return;
            }
            assert!(said.contains("another backup is being made"), "{said}");
        }
    }

    /// Any moment of a backup, and some after it.
    fn wait_a_moment(&self) {
        let most = u64::try_from(self.whole.as_micros()).expect("short") * 5 / 4;
        std::thread::sleep(Duration::from_micros(random(most)));
    }

    /// What is in the room, by name.
    fn files(&self) -> BTreeMap<String, blake3::Hash> {
        let list = std::fs::read_dir(&self.room).expect("a list");
        list.map(|entry| {
            let entry = entry.expect("an entry");
            let name = entry.file_name().into_string().expect("text");
            let bytes = std::fs::read(entry.path()).expect("read");
            (name, blake3::hash(&bytes))
        })
        .collect()
    }

    /// Every order that was answered since there were so many is there, and all is well with every row.
    fn assert_nothing_lost(&self, server: &Atlas, since: usize) {
        self.assert_all_there(server, &self.orders[since..]);
        let found = json_of(&["verify"], &self.directory);
        assert_eq!(found["faults"], serde_json::json!([]), "{found}");
    }

    /// Orders come in while `work` is done; says what became of them, and how many were answered before it began.
    fn under_load<T>(
        &self,
        address: SocketAddr,
        round: &str,
        work: impl FnOnce() -> T,
    ) -> (Vec<Outcome>, usize, T) {
        let (sender, receiver) = channel();
        let is_over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            for writer in 0..WRITERS {
                let (sender, is_over) = (sender.clone(), &is_over);
                let name = format!("{round}-{writer}");
                scope.spawn(move || write(address, &self.secret, &name, is_over, &sender));
            }
            drop(sender);
            let answers = usize::try_from(random(ANSWERS_MAX)).expect("few");
            let mut outcomes: Vec<Outcome> = receiver.iter().take(answers).collect();
            let before = outcomes.len();
            let done = work();
            is_over.store(true, Ordering::Relaxed);
            outcomes.extend(receiver.iter());
            (outcomes, before, done)
        })
    }

    /// What was answered is kept in mind; says how much of it was answered before the backup.
    fn remember(&mut self, outcomes: Vec<Outcome>, before: usize) -> usize {
        let answered = |(key, answer): Outcome| answer.map(|answer| (key, answer));
        let known = self.orders.len() + before;
        self.orders
            .extend(outcomes.into_iter().filter_map(answered));
        known
    }

    /// Every order that was answered is there, as it was answered.
    fn assert_all_there(&self, server: &Atlas, orders: &[(String, Answer)]) {
        let mut client = Client::connect(server.address).expect("a connection");
        for (key, first) in orders {
            let again = client.create(&self.secret, key, ORDER).expect("an answer");
            assert!(again.replayed, "{key} was answered and is forgotten");
            assert_eq!(text(&again.body), text(&first.body), "{key}");
        }
    }

    /// Under the name of a backup is what was there before, or a whole one that holds the first `known` orders.
    fn assert_whole_or_absent(
        &self,
        before: &BTreeMap<String, blake3::Hash>,
        known: usize,
    ) -> usize {
        let mut new = 0;
        for (name, content) in self.files() {
            let is_old = before.get(&name) == Some(&content);
            if name.ends_with(PARTIAL) || is_old {
                continue;
            }
            self.assert_restores(&name, known);
            new += 1;
        }
        new
    }

    fn assert_restores(&self, name: &str, known: usize) {
        let temporary = tempfile::tempdir().expect("a directory");
        let (place, file) = (temporary.path().join("place"), self.room.join(name));
        let output = run(&["restore", file.to_str().expect("text")], &place);
        assert!(output.status.success(), "{name}: {}", text(&output.stderr));
        let server = Atlas::serve(&place, SETTINGS);
        let (before, meanwhile) = self.orders.split_at(known);
        self.assert_all_there(&server, before);
        let mut client = Client::connect(server.address).expect("a connection");
        // Some came to be in it and some did not, but no session is another there.
        for (_, first) in meanwhile {
            let path = format!("/functions/v1/sessions/{}", first.session());
            let shown = client.get(&self.secret, &path).expect("an answer");
            assert!(shown.status == 404 || shown.body == first.body, "{path}");
        }
    }

    /// How many rounds there were, and that they meant something.
    fn tell(&self, rounds: usize, killed: &str) {
        let (cut, survived, orders) = (self.cut, self.survived, self.orders.len());
        eprintln!(
            "{rounds} kills of {killed}: {cut} backups cut, {survived} made all the same and restored; \
             all of {orders} answers are there"
        );
        assert!(cut > 0, "no kill came in time");
        assert!(orders > rounds * WRITERS, "too little was ordered");
    }
}

/// One order after the other until it is over, or the server is gone.
fn write(
    address: SocketAddr,
    secret: &str,
    name: &str,
    is_over: &AtomicBool,
    outcomes: &Sender<Outcome>,
) {
    let Some(mut client) = Client::connect(address) else {
        return;
    };
    for number in 0.. {
        let key = format!("{name}-{number}");
        let answer = client.create(secret, &key, ORDER);
        let is_gone = answer.is_none();
        outcomes.send((key, answer)).expect("somebody listens");
        if is_gone || is_over.load(Ordering::Relaxed) {
            return;
        }
    }
}

/// A command that was not done has said so, and has left nothing.
fn was_made(output: &Output) -> bool {
    let said = text(&output.stderr);
    match output.status.code() {
        Some(0) => true,
        Some(1) if said.contains("no backup was made") => false,
        code => panic!("it ended with {code:?}: {said}"),
    }
}

#[test]
fn a_server_killed_in_a_backup_loses_nothing_and_leaves_no_half_one() {
    let (mut world, server) = World::new();
    let mut server = Some(server);
    let (rounds, mut round) = (rounds(ROUNDS), 0);
    while goes_on(round, rounds, world.cut > 0) {
        let mut killed = server.take().expect("it serves");
        let (before, since) = (world.files(), world.orders.len());
        let (outcomes, answered, output) =
            world.under_load(killed.address, &format!("round-{round}"), || {
                let command = world.begin(&[]);
                world.wait_a_moment();
                killed.kill_here();
                command.wait_with_output().expect("ended")
            });
        let known = world.remember(outcomes, answered);
        let new = world.assert_whole_or_absent(&before, known);
        let is_made = was_made(&output);
        assert_eq!(new, usize::from(is_made), "{}", text(&output.stderr));
        assert_eq!(world.files().len(), 1, "nothing is left of one that failed");
        world.survived += new;
        world.cut += 1 - new;
        let again = Atlas::serve(&world.directory, SETTINGS);
        world.assert_nothing_lost(&again, since);
        server = Some(again);
        round += 1;
    }
    world.assert_nothing_lost(&server.expect("it serves"), 0);
    world.tell(round, "a server");
}

#[test]
fn a_backup_that_is_killed_leaves_a_whole_one_or_none_and_the_next_cleans_up() {
    let (mut world, server) = World::new();
    let (rounds, mut round, mut left) = (rounds(ROUNDS), 0, 0);
    while goes_on(round, rounds, world.cut > 0 && left > 0) {
        // To a file, and to a directory.
        let arguments: &[&str] = [&[][..], &["--keep", "2"]][round % 2];
        let (before, since) = (world.files(), world.orders.len());
        let (outcomes, answered, output) =
            world.under_load(server.address, &format!("round-{round}"), || {
                let mut command = world.begin(arguments);
                world.wait_a_moment();
                command.kill().expect("killed");
                command.wait_with_output().expect("ended")
            });
        let known = world.remember(outcomes, answered);
        let new = world.assert_whole_or_absent(&before, known);
        world.survived += new;
        world.cut += usize::from(!output.status.success() && new == 0);
        world.assert_nothing_lost(&server, since);

        let before = world.files();
        left += before.keys().filter(|name| name.ends_with(PARTIAL)).count();
        world.made(arguments);
        assert_eq!(world.assert_whole_or_absent(&before, world.orders.len()), 1);
        let files = world.files();
        assert!(
            !files.keys().any(|name| name.ends_with(PARTIAL)),
            "{files:?}"
        );
        assert!(files.len() <= 3, "one by its name, two kept: {files:?}");
        round += 1;
    }
    assert!(left > 0, "no kill left anything to clean up");
    world.assert_nothing_lost(&server, 0);
    world.tell(round, "a command");
}
