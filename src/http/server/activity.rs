//! What goes on on a connection: how many of its requests run, since when none does, and which answers wait for a client
//! that takes nothing of them. By this a connection is closed that keeps others waiting.

use std::cell::{Cell, OnceCell, RefCell};
use std::future::poll_fn;
use std::rc::{Rc, Weak};
use std::task::{Poll, Waker};
use std::time::Duration;

use crate::clock::Stopwatch;
use crate::config::Patience;

/// Said with a request that came when its connection should have ended.
pub(in crate::http) struct TooLate;

/// What goes on on one connection. It belongs to the thread that serves it.
pub(in crate::http) struct Activity {
    running: Cell<u64>,
    /// How many have begun to.
    begun: Cell<u64>,
    /// Whoever waits for the end of one.
    waiting: Cell<Option<Waker>>,
    /// How many had begun, and how many ran, at the latest look at which one of these was news.
    seen: Cell<(u64, u64)>,
    /// When that was.
    since: Cell<Stopwatch>,
    answers: RefCell<Vec<Weak<Answer>>>,
    /// What it is answered just now is its last answer.
    ends: Cell<bool>,
    /// Nothing more is read of it.
    is_deaf: Cell<bool>,
    /// It keeps others waiting, and is to take its leave.
    leaves: Cell<bool>,
    /// It has not done so in good time.
    is_overdue: Cell<bool>,
    /// What serves it.
    task: OnceCell<Waker>,
}

/// A request that runs, until its answer is handed over.
pub(in crate::http) struct Running(Rc<Activity>);

/// An answer on its way.
pub(super) struct Answer {
    /// Pieces that are there for the client to take.
    pieces: Cell<usize>,
    /// Since when it has taken nothing of them.
    waiting: Cell<Option<Stopwatch>>,
}

impl Activity {
    pub(super) fn new() -> Rc<Self> {
        Rc::new(Self {
            running: Cell::new(0),
            begun: Cell::new(0),
            waiting: Cell::new(None),
            seen: Cell::new((0, 0)),
            since: Cell::new(Stopwatch::start()),
            answers: RefCell::default(),
            ends: Cell::new(false),
            is_deaf: Cell::new(false),
            leaves: Cell::new(false),
            is_overdue: Cell::new(false),
            task: OnceCell::new(),
        })
    }

    /// One more request runs.
    pub(in crate::http) fn begins(self: &Rc<Self>) -> Running {
        self.running.set(self.running.get() + 1);
        self.begun.set(self.begun.get() + 1);
        // Whoever asks just in time is answered, but not who takes nothing of an earlier answer.
        if self.leaves.get() && !self.is_stuck(Duration::ZERO) {
            self.leaves.set(false);
        }
        Running(Rc::clone(self))
    }

    /// How many requests have begun to run.
    pub(super) fn begun(&self) -> u64 {
        self.begun.get()
    }

    /// How many have been answered, or given up.
    pub(super) fn ended(&self) -> u64 {
        self.begun.get() - self.running.get()
    }

    /// Who is to be woken when the next one has.
    pub(super) fn wakes(&self, waiting: &Waker) {
        self.waiting.set(Some(waiting.clone()));
    }

    pub(super) fn ends(&self) {
        self.ends.set(true);
    }

    pub(super) fn has_ended(&self) -> bool {
        self.ends.get()
    }

    /// Whoever is answered now has nothing more to say, and actix would listen on.
    pub(in crate::http) fn hear_no_more(&self) {
        self.is_deaf.set(true);
    }

    pub(super) fn is_deaf(&self) -> bool {
        self.is_deaf.get()
    }

    /// One more answer is on its way.
    pub(super) fn answers(&self) -> Rc<Answer> {
        let answer = Rc::new(Answer {
            pieces: Cell::new(0),
            waiting: Cell::new(None),
        });
        let mut answers = self.answers.borrow_mut();
        answers.retain(|other| other.strong_count() > 0);
        answers.push(Rc::downgrade(&answer));
        answer
    }

    /// Says which task serves it: always the same.
    pub(super) async fn is_served_here(&self) {
        let here = poll_fn(|cx| Poll::Ready(cx.waker().clone()));
        let task = here.await;
        self.task.get_or_init(|| task);
    }

    /// Whether this is who serves it, as far as that was said.
    pub(super) fn is_served_by(&self, task: &Waker) -> bool {
        let here = self.task.get();
        here.is_none_or(|here| here.will_wake(task))
    }

    /// Lets the task that serves it look round.
    pub(super) fn wakes_up(&self) {
        self.task.get().into_iter().for_each(Waker::wake_by_ref);
    }

    /// Looks whether nothing has been asked for too long, or an answer was not taken for too long. Then it is to leave, and
    /// by the next look it is overdue. One that works looks round by itself, should nobody have told it of something.
    pub(super) fn is_looked_at(&self, patience: Patience) {
        let is_to_leave = self.is_idle(patience.idle) || self.is_stuck(patience.send);
        if is_to_leave {
            self.is_overdue.set(self.leaves.replace(true));
        }
        if is_to_leave || self.running.get() > 0 {
            self.wakes_up();
        }
    }

    /// Whether it is to take its leave.
    pub(super) fn leaves(&self) -> bool {
        self.leaves.get()
    }

    /// Whether it has not done so in good time, and is to be dropped.
    pub(super) fn is_overdue(&self) -> bool {
        self.is_overdue.get()
    }

    /// Whether nothing has happened for so long, as far as looks tell: the time is read at looks, not at requests.
    fn is_idle(&self, most: Duration) -> bool {
        let now = (self.begun.get(), self.running.get());
        if self.seen.replace(now) != now {
            self.since.set(Stopwatch::start());
        }
        self.running.get() == 0 && self.since.get().elapsed() >= most
    }

    fn is_stuck(&self, most: Duration) -> bool {
        let answers = self.answers.borrow();
        let mut waits = answers
            .iter()
            .filter_map(|answer| answer.upgrade()?.waiting.get());
        waits.any(|wait| wait.elapsed() >= most)
    }
}

impl Running {
    /// Its answer says that nothing comes behind it, so nothing is done that does (RFC 9112, 9.6).
    pub(in crate::http) fn ends(&self) {
        self.0.ends();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let left = self.0.running.get().saturating_sub(1);
        self.0.running.set(left);
        if let Some(waiting) = self.0.waiting.take() {
            waiting.wake();
        }
    }
}

impl Answer {
    /// One more piece is there for the client to take.
    pub(super) fn offers(&self) {
        if self.pieces.replace(self.pieces.get() + 1) == 0 {
            self.moves();
        }
    }

    /// Something of it has been taken.
    pub(super) fn moves(&self) {
        self.waiting.set(Some(Stopwatch::start()));
    }

    /// One piece has gone.
    pub(super) fn is_taken(&self) {
        let left = self.pieces.get().saturating_sub(1);
        self.pieces.set(left);
        if left == 0 {
            self.waiting.set(None);
        }
    }
}
