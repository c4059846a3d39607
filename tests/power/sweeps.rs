//! The power fails while records that have expired are removed, others are written, and some of the old idempotency keys
//! are taken anew.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;

use crate::disk::Disk;
use crate::planted::{DAY, now, plant};
use crate::process::{Atlas, eventually, has_tool};
use crate::{Machine, WRITERS, images, order_all};

/// Records of each writer that have expired: with those of the others, some steps of the sweeper.
const EXPIRED: usize = 2_000;
/// Of each writer's, so many are taken anew.
const ANEW: usize = 15;

/// How many records the server has removed, by its metrics.
fn swept(server: &Atlas) -> usize {
    let mut socket = UnixStream::connect(server.directory.join("atlas.sock")).expect("a server");
    let request = b"GET /metrics HTTP/1.1\r\nHost: atlas\r\nConnection: close\r\n\r\n";
    socket.write_all(request).expect("sent");
    let mut answer = String::new();
    socket.read_to_string(&mut answer).expect("text");
    let mut lines = answer.lines();
    let count = lines.find_map(|line| line.strip_prefix("atlas_store_swept_records_total "));
    count.expect("it is counted").parse().expect("a number")
}

/// A sweep that a clean end interrupts: what is there then is on disk, and half of it is removed. The more there is to
/// remove, the surer it is to be met in the midst of that.
fn interrupt_a_sweep(machine: &mut Machine) {
    for each in (0..).map(|times| EXPIRED << times) {
        let expired = (0..WRITERS * each).map(|number| {
            let key = format!("expired-{}-{}", number % WRITERS, number / WRITERS);
            (key, vec![b'x'; 300])
        });
        let directory = machine.root.join(machine.data);
        plant(&directory, now().minus(3 * DAY), expired);
        machine.disk = Disk::of(&machine.root);
        machine.live(images() / 2, |server| {
            eventually("records are removed", || swept(&server) > 0);
            assert!(server.terminate().success());
        });
        machine.fail();
        let left = machine.left_to_sweep.last().copied();
        if left.is_some_and(|left| (1..WRITERS * each).contains(&left)) {
            return;
        }
    }
}

#[test]
fn a_sweep_survives_a_power_loss_at_any_call() {
    if !has_tool("strace", &["-V"]) {
        return;
    }
    let mut machine = Machine::new("data");
    let mut secret = None;
    machine.live(0, |server| {
        secret = Some(server.key(&[]));
        assert!(server.terminate().success());
    });
    machine.secret.clone_from(&secret);
    interrupt_a_sweep(&mut machine);
    let left_by_the_first = machine.left_to_sweep.len();
    let mut rounds = 0;
    machine.live(images(), |server| {
        let secret = secret.as_ref().expect("made");
        order_all(&server, secret, "expired", ANEW);
        // The sweep may begin late and must be under way.
        while swept(&server) == 0 {
            order_all(&server, secret, &format!("new-{rounds}"), ANEW);
            rounds += 1;
        }
        order_all(&server, secret, "last", ANEW);
        server.kill();
    });
    // Before its first sync the sweep that it begins with is half done. How soon the rest of it is on disk is up to the
    // machine: at the next checkpoint, or when sled writes by itself.
    let left = &machine.left_to_sweep[left_by_the_first..];
    let half = left.iter().filter(|left| **left > 0).count();
    assert!(half > 0, "none of {} met half a sweep", left.len());
    eprintln!("{half} losses met a sweep that was half done, and the next finished it");
    machine.tell(1 + (2 + rounds) * WRITERS * ANEW);
}
