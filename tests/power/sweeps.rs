//! The power fails while records that have expired are removed, others are written, and some of the old idempotency keys
//! are taken anew.

use crate::disk::Disk;
use crate::planted::{DAY, now, plant};
use crate::process::has_tool;
use crate::{Machine, WRITERS, images, order_all};

/// Records of each writer that have expired: with those of the others, some steps of the sweeper.
const EXPIRED: usize = 2_000;
/// Of each writer's, so many are taken anew.
const ANEW: usize = 15;

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
    let expired = (0..WRITERS * EXPIRED).map(|number| {
        let key = format!("expired-{}-{}", number % WRITERS, number / WRITERS);
        (key, vec![b'x'; 300])
    });
    plant(
        &machine.root.join(machine.data),
        now().minus(3 * DAY),
        expired,
    );
    machine.disk = Disk::of(&machine.root);
    machine.live(images(), |server| {
        let secret = secret.as_ref().expect("made");
        order_all(&server, secret, "expired", ANEW);
        order_all(&server, secret, "new", ANEW);
        server.kill();
    });
    let left = machine.left_to_sweep.iter();
    let half = left.filter(|left| (1..WRITERS * EXPIRED).contains(*left));
    let half = half.count();
    eprintln!("{half} of the losses left a sweep half done, which the next finished");
    assert!(half > 0, "{:?}", machine.left_to_sweep);
    machine.tell(1 + 2 * WRITERS * ANEW);
}
