//! An upstream of the tests' own: notes every request and answers as it is told.

use std::collections::{HashMap, VecDeque};
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::exchange::{Arrival, Hit, read};
use crate::port::Port;
use crate::process::text;
use crate::script::{Answer, Charge, Charges, Step};

/// The path of the upstream's URL.
pub const PREFIX: &str = "/base/v1";

/// Stopped by drop.
pub struct Upstream {
    port: Port,
    state: Arc<State>,
    listener: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Default)]
struct State {
    tls: Option<Arc<ServerConfig>>,
    hits: Mutex<Vec<Hit>>,
    strays: Mutex<Vec<Vec<u8>>>,
    next: Mutex<VecDeque<Answer>>,
    always: Mutex<Option<Answer>>,
    charges: Mutex<Charges>,
    connections: AtomicUsize,
    busy: AtomicUsize,
    busiest: AtomicUsize,
    open: Mutex<HashMap<usize, TcpStream>>,
    stopped: AtomicBool,
    released: Mutex<bool>,
    release: Condvar,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Upstream {
    pub fn new() -> Self {
        Self::with(State::default())
    }

    pub fn over_tls(config: ServerConfig) -> Self {
        Self::with(State {
            tls: Some(Arc::new(config)),
            ..State::default()
        })
    }

    fn with(state: State) -> Self {
        let upstream = Self {
            port: Port::reserve(),
            state: Arc::new(state),
            listener: Mutex::new(None),
        };
        upstream.start();
        upstream
    }

    /// Listens, again or for the first time.
    pub fn start(&self) {
        self.state.stopped.store(false, Ordering::SeqCst);
        let listener = TcpListener::bind(self.port.address).expect("our port");
        let state = Arc::clone(&self.state);
        let thread = std::thread::spawn(move || accept(&listener, &state));
        *lock(&self.listener) = Some(thread);
    }

    /// Cuts every connection and takes no new one.
    pub fn stop(&self) {
        self.state.stopped.store(true, Ordering::SeqCst);
        drop(TcpStream::connect(self.port.address));
        drop(lock(&self.listener).take().map(JoinHandle::join));
        for (_, stream) in lock(&self.state.open).drain() {
            drop(stream.shutdown(Shutdown::Both));
        }
        let _waiting = lock(&self.state.released);
        self.state.release.notify_all();
    }

    pub fn address(&self) -> SocketAddr {
        self.port.address
    }

    pub fn url(&self) -> String {
        let scheme = if self.state.tls.is_some() {
            "https"
        } else {
            "http"
        };
        format!("{scheme}://{}{PREFIX}", self.address())
    }

    /// The answer to the next request that nothing is meant for yet.
    pub fn then(&self, answer: Answer) {
        lock(&self.state.next).push_back(answer);
    }

    /// The answer to all other requests; `Step::Work` at first.
    pub fn always(&self, answer: Answer) {
        *lock(&self.state.always) = Some(answer);
    }

    /// Ends every `Step::Wait`, until `hold`.
    pub fn release(&self) {
        *lock(&self.state.released) = true;
        self.state.release.notify_all();
    }

    pub fn hold(&self) {
        *lock(&self.state.released) = false;
    }

    /// From now on a repeated key makes another charge.
    pub fn forget(&self) {
        lock(&self.state.charges).forgetful = true;
    }

    /// What has arrived, in the order of arrival. Fails if anything came that is no well-formed request.
    #[track_caller]
    pub fn hits(&self) -> Vec<Hit> {
        let strays: Vec<String> = lock(&self.state.strays).iter().map(|s| text(s)).collect();
        assert!(strays.is_empty(), "no requests: {strays:#?}");
        lock(&self.state.hits).clone()
    }

    /// The one request that has arrived.
    #[track_caller]
    pub fn hit(&self) -> Hit {
        let mut hits = self.hits();
        assert_eq!(hits.len(), 1, "{hits:#?}");
        hits.remove(0)
    }

    /// Returns once so many requests have arrived; more than that is a failure.
    #[track_caller]
    pub fn wait_for(&self, count: usize) -> Vec<Hit> {
        eventually("enough arrives", || self.hits().len() >= count);
        let hits = self.hits();
        assert_eq!(hits.len(), count, "not more than that");
        hits
    }

    /// How many connections it has taken.
    pub fn connections(&self) -> usize {
        self.state.connections.load(Ordering::SeqCst)
    }

    /// How many requests it has that it has not begun to answer.
    pub fn busy(&self) -> usize {
        self.state.busy.load(Ordering::SeqCst)
    }

    /// The most of them that there ever were at once.
    pub fn busiest(&self) -> usize {
        self.state.busiest.load(Ordering::SeqCst)
    }

    pub fn charges(&self) -> Vec<Charge> {
        lock(&self.state.charges).made.clone()
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Looks again and again; the limit only ends a test that fails.
#[track_caller]
pub fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < Duration::from_secs(60), "never: {what}");
        std::thread::yield_now();
    }
}

fn accept(listener: &TcpListener, state: &Arc<State>) {
    for stream in listener.incoming() {
        if state.stopped.load(Ordering::SeqCst) {
            return;
        }
        let stream = stream.expect("a connection");
        let number = state.connections.fetch_add(1, Ordering::SeqCst) + 1;
        let handle = stream.try_clone().expect("a handle");
        lock(&state.open).insert(number, handle);
        let state = Arc::clone(state);
        std::thread::spawn(move || {
            let _ = stream.set_nodelay(true);
            match &state.tls {
                None => converse(stream, number, &state),
                Some(config) => {
                    let session = ServerConnection::new(Arc::clone(config)).expect("TLS");
                    converse(StreamOwned::new(session, stream), number, &state);
                }
            }
            if let Some(stream) = lock(&state.open).remove(&number) {
                drop(stream.shutdown(Shutdown::Both));
            }
        });
    }
}

/// Answers one request of a connection after the other.
fn converse(mut stream: impl Read + Write, connection: usize, state: &State) {
    let mut bytes = Vec::new();
    for turn in 1.. {
        let mut hit = match read(&mut stream, &mut bytes) {
            Arrival::Request(hit) => hit,
            Arrival::Stray(bytes) => return lock(&state.strays).push(bytes),
            Arrival::End => return,
        };
        (hit.connection, hit.turn) = (connection, turn);
        let told = lock(&state.next).pop_front();
        let told = told.or_else(|| lock(&state.always).clone());
        lock(&state.hits).push((*hit).clone());
        let busy = state.busy.fetch_add(1, Ordering::SeqCst) + 1;
        state.busiest.fetch_max(busy, Ordering::SeqCst);
        let told = told.unwrap_or_else(|| vec![Step::Work]);
        let waits = told.iter().take_while(|step| matches!(step, Step::Wait));
        let waited: Option<()> = waits.map(|_| wait(state)).collect();
        state.busy.fetch_sub(1, Ordering::SeqCst);
        let says = told.iter().skip_while(|step| matches!(step, Step::Wait));
        let said: Option<()> = says
            .map(|step| take(step, &hit, &mut stream, state))
            .collect();
        if waited.and(said).is_none() {
            return;
        }
    }
}

/// None when the connection is over.
fn take(step: &Step, hit: &Hit, stream: &mut impl Write, state: &State) -> Option<()> {
    let work = || lock(&state.charges).answer(hit);
    match step {
        Step::Work => stream.write_all(&work()).ok()?,
        Step::WorkCutAt(length) => stream.write_all(&work()[..*length]).ok()?,
        Step::Say(bytes) => stream.write_all(bytes).ok()?,
        Step::Repeat(bytes, times) => {
            for _ in 0..*times {
                stream.write_all(bytes).ok()?;
            }
        }
        Step::Drip(bytes) => loop {
            stream.write_all(bytes).and_then(|()| stream.flush()).ok()?;
            std::thread::sleep(Duration::from_millis(100));
        },
        Step::Wait => wait(state)?,
        Step::CloseIfKept if hit.turn == 1 => {}
        Step::Close | Step::CloseIfKept => return None,
    }
    stream.flush().ok()
}

fn wait(state: &State) -> Option<()> {
    let mut released = lock(&state.released);
    while !*released {
        if state.stopped.load(Ordering::SeqCst) {
            return None;
        }
        let waited = state.release.wait(released);
        released = waited.unwrap_or_else(PoisonError::into_inner);
    }
    Some(())
}
