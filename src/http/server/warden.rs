//! Whoever looks after the connections of a thread: sees which keep others waiting, and tells all of them when the server
//! stops. None of them has a timer for that or waits for a signal by itself, which would be asked at every step of it.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::rc::{Rc, Weak};
use std::task::Poll;

use tokio::time::MissedTickBehavior;

use super::activity::Activity;
use crate::config::Patience;
use crate::policy;

/// Looks after the connections of its thread.
#[derive(Default)]
pub(super) struct Warden {
    connections: RefCell<Vec<Weak<Activity>>>,
    is_stopping: Cell<bool>,
}

impl Warden {
    /// Begins to; `stopping` comes to an end when the server stops.
    pub(super) fn begin(
        self: &Rc<Self>,
        patience: Patience,
        stopping: impl Future<Output = ()> + 'static,
    ) {
        let this = Rc::downgrade(self);
        tokio::task::spawn_local(async move {
            stopping.await;
            if let Some(this) = this.upgrade() {
                this.is_stopping.set(true);
                this.each(|activity| activity.wakes_up());
            }
        });
        let this = Rc::downgrade(self);
        let pause = patience.idle.min(patience.send) / policy::CONNECTION_LOOKS;
        tokio::task::spawn_local(async move {
            let mut looks = tokio::time::interval(pause);
            // Between two looks a connection has the time to take its leave.
            looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                looks.tick().await;
                let Some(this) = this.upgrade() else { return };
                this.each(|activity| activity.is_looked_at(patience));
            }
        });
    }

    /// Looks after one more.
    pub(super) fn takes(&self, activity: &Rc<Activity>) {
        let mut connections = self.connections.borrow_mut();
        if connections.len() == connections.capacity() {
            // Those that have ended hold some memory until they are left out, however fast others come.
            connections.retain(|activity| activity.strong_count() > 0);
            let room = connections.len() + 1;
            connections.reserve(room);
        }
        connections.push(Rc::downgrade(activity));
    }

    /// Comes to an end when the server stops; to be asked by a connection that is looked after.
    pub(super) fn stopping(self: &Rc<Self>) -> impl Future<Output = ()> + use<> {
        let this = Rc::clone(self);
        once(move || this.is_stopping.get())
    }

    /// Shows those that there still are.
    fn each(&self, look: impl Fn(&Activity)) {
        self.connections.borrow_mut().retain(|activity| {
            let activity = activity.upgrade();
            activity.inspect(|activity| look(activity)).is_some()
        });
    }
}

/// Comes to an end when this is so; whoever makes it so wakes the task that waits.
pub(super) fn once(is_so: impl Fn() -> bool) -> impl Future<Output = ()> {
    poll_fn(move |_| {
        if is_so() {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
}
