//! Socket activation: the test is the service manager, holds the listening socket, and starts, stops and kills servers on
//! it. Who connects meanwhile is never refused.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use crate::process::{Atlas, BINARY, Client, PATIENCE, eventually, read_log, text};

const ORDER: &str = r#"{"amount":4990,"currency":"USD"}"#;
/// Clients that make one connection after another.
const CLIENTS: usize = 8;
/// Answers between two ends of a server.
const ANSWERS: usize = 200;

/// A command that has this as its descriptor 3, and is told so in these words.
fn with_descriptor(descriptor: OwnedFd, told: &str) -> Command {
    let mut command = Command::new("sh");
    let script = format!("exec 3<&0 </dev/null; {told} exec \"$0\" \"$@\"");
    command
        .args(["-c", &script, BINARY])
        .stdin(Stdio::from(descriptor));
    command
}

/// A service manager's socket, and the directory that its servers share.
struct Manager {
    socket: TcpListener,
    address: SocketAddr,
    directory: PathBuf,
    _temporary: tempfile::TempDir,
}

impl Manager {
    fn new() -> Self {
        let temporary = tempfile::tempdir().expect("a directory");
        let socket = TcpListener::bind("127.0.0.1:0").expect("a socket");
        Self {
            address: socket.local_addr().expect("an address"),
            socket,
            directory: temporary.path().join("data"),
            _temporary: temporary,
        }
    }

    fn start(&self, arguments: &[&str]) -> Atlas {
        let socket = self.socket.try_clone().expect("a descriptor");
        let told = "LISTEN_FDS=1 LISTEN_FDNAMES=api LISTEN_PID=$$";
        let mut command = with_descriptor(socket.into(), told);
        command
            .args([
                "serve",
                "--per-minute",
                "1000000",
                "--per-day",
                "1000000",
                "--concurrent",
                "1000",
            ])
            .args(arguments)
            .arg("--data-dir")
            .arg(&self.directory);
        let server = Atlas::start(command, &self.directory);
        assert_eq!(server.address, self.address);
        server
    }
}

/// Clients that make one connection after another until they are dropped, and what became of them.
struct Clients {
    done: Arc<AtomicBool>,
    answered: Arc<AtomicUsize>,
    cut: Arc<AtomicUsize>,
    wrong: Arc<Mutex<Vec<String>>>,
    threads: Vec<std::thread::JoinHandle<()>>,
}

impl Clients {
    fn of(address: SocketAddr, secret: &str) -> Self {
        let mut clients = Self {
            done: Arc::default(),
            answered: Arc::default(),
            cut: Arc::default(),
            wrong: Arc::default(),
            threads: Vec::new(),
        };
        for _ in 0..CLIENTS {
            let (done, answered) = (Arc::clone(&clients.done), Arc::clone(&clients.answered));
            let (cut, wrong) = (Arc::clone(&clients.cut), Arc::clone(&clients.wrong));
            let secret = secret.to_owned();
            clients.threads.push(std::thread::spawn(move || {
                while !done.load(Ordering::Relaxed) {
                    match ask_once(address, &secret) {
                        Ok(true) => answered.fetch_add(1, Ordering::Relaxed),
                        Ok(false) => cut.fetch_add(1, Ordering::Relaxed),
                        Err(what) => {
                            wrong.lock().expect("not poisoned").push(what);
                            return;
                        }
                    };
                }
            }));
        }
        clients
    }

    /// Waits for so many more answers. Nothing else may have happened till then.
    fn go_on(&self) {
        let until = self.answered.load(Ordering::Relaxed) + ANSWERS;
        eventually("they are answered", || {
            self.assert_none_wrong();
            self.answered.load(Ordering::Relaxed) >= until
        });
    }

    fn assert_none_wrong(&self) {
        let wrong = self.wrong.lock().expect("not poisoned");
        assert!(wrong.is_empty(), "{wrong:?}");
    }

    /// Ends them; how many connections were cut.
    fn end(mut self) -> usize {
        self.done.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            thread.join().expect("ended");
        }
        self.assert_none_wrong();
        self.cut.load(Ordering::Relaxed)
    }
}

/// Whether a payment on a new connection was answered; what else became of it is wrong.
fn ask_once(address: SocketAddr, secret: &str) -> Result<bool, String> {
    let mut client = Client::connect(address).ok_or("refused")?;
    match client.create(secret, "", ORDER) {
        Some(answer) if answer.status == 201 => Ok(true),
        Some(answer) => Err(format!("{}: {}", answer.status, text(&answer.body))),
        None => Ok(false),
    }
}

/// How many connections are cut while servers follow one another; none is refused.
fn cut_by_restarts() -> usize {
    let manager = Manager::new();
    let mut server = manager.start(&[]);
    let clients = Clients::of(manager.address, &server.key(&[]));
    for _ in 0..3 {
        clients.go_on();
        assert_eq!(
            server.terminate().code(),
            Some(0),
            "{}",
            read_log(&manager.directory)
        );
        server = manager.start(&[]);
    }
    clients.go_on();
    clients.end()
}

#[test]
fn restarts_refuse_no_connection_and_cut_none() {
    // A client that stands still for a second before its first word is not waited for.
    assert!(
        (0..5).any(|_| cut_by_restarts() == 0),
        "some are always cut"
    );
}

#[test]
fn a_kill_refuses_no_connection() {
    let manager = Manager::new();
    let mut server = manager.start(&[]);
    let clients = Clients::of(manager.address, &server.key(&[]));
    for _ in 0..3 {
        clients.go_on();
        server.kill();
        server = manager.start(&[]);
    }
    clients.go_on();
    // Those that ran are cut: what a client does then is repeat them, with its idempotency key.
    let cut = clients.end();
    assert!(cut <= 3 * CLIENTS, "{cut}");
}

#[test]
fn a_connection_that_is_kept_is_told_that_it_ends() {
    let manager = Manager::new();
    // A machine that stands still for a second in the wrong moment makes it miss its time.
    let was_told = (0..5).any(|_| {
        let server = manager.start(&[]);
        let stream = TcpStream::connect(manager.address).expect("a connection");
        stream.set_read_timeout(Some(PATIENCE)).expect("set");
        let mut client = BufReader::new(stream);
        let first = head_of_answer(&mut client).expect("an answer");
        assert!(!first.contains("connection: close"), "{first}");
        let before = read_log(&manager.directory).matches("stopping:").count();
        let last = std::thread::scope(|scope| {
            let ending = scope.spawn(|| server.terminate());
            eventually("the log says that it is stopping", || {
                read_log(&manager.directory).matches("stopping:").count() > before
            });
            let last = head_of_answer(&mut client);
            assert_eq!(ending.join().expect("ended").code(), Some(0));
            last
        });
        last.is_some_and(|last| last.contains("connection: close"))
    });
    assert!(was_told, "{}", read_log(&manager.directory));
}

/// Asks on this connection; the head of the answer in small letters.
fn head_of_answer(client: &mut BufReader<TcpStream>) -> Option<String> {
    let request = "HEAD /healthz HTTP/1.1\r\nHost: atlas\r\n\r\n";
    client.get_mut().write_all(request.as_bytes()).ok()?;
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        client.read_line(&mut head).ok().filter(|read| *read > 0)?;
    }
    Some(head.to_ascii_lowercase())
}

#[test]
fn the_setting_gives_way_to_the_passed_socket_and_the_log_says_so() {
    let manager = Manager::new();
    let server = manager.start(&["--listen", "127.0.0.1:1"]);
    assert_eq!(server.terminate().code(), Some(0));
    let log = read_log(&manager.directory);
    let line = format!(
        "listen = 127.0.0.1:1 is not gone by: the service manager passes a socket on {}",
        manager.address
    );
    assert!(log.contains(&line), "{log}");
    drop(manager.start(&[]));
    let log = read_log(&manager.directory);
    assert_eq!(log.matches("is not gone by").count(), 1, "{log}");
}

/// How a server ends that is passed this.
fn serve_on(descriptor: OwnedFd, told: &str, directory: &Path) -> Output {
    let mut command = with_descriptor(descriptor, told);
    command
        .args(["serve", "--listen", "127.0.0.1:0", "--data-dir"])
        .arg(directory);
    command.output().expect("it ends")
}

#[test]
fn what_can_not_be_served_on_is_refused_by_name() {
    let temporary = tempfile::tempdir().expect("a directory");
    let tcp = || TcpListener::bind("127.0.0.1:0").expect("a socket");
    let listening = tcp();
    let connected = TcpStream::connect(listening.local_addr().expect("an address")).expect("one");
    let unix = UnixListener::bind(temporary.path().join("s")).expect("a socket");
    let udp = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    let one = "LISTEN_PID=$$ LISTEN_FDS=1";
    let not_tcp = "is not a listening TCP socket";
    let cases: Vec<(OwnedFd, String, &str)> = vec![
        (unix.into(), one.to_owned(), not_tcp),
        (udp.into(), one.to_owned(), not_tcp),
        (connected.into(), one.to_owned(), not_tcp),
        (
            tcp().into(),
            format!("{one} LISTEN_FDNAMES=metrics"),
            "set FileDescriptorName=api",
        ),
        (
            tcp().into(),
            "exec 4<&3; LISTEN_PID=$$ LISTEN_FDS=2 LISTEN_FDNAMES=api:more".to_owned(),
            "passes 2 sockets (api, more), and atlas serves on one",
        ),
        (
            tcp().into(),
            "LISTEN_PID=$$ LISTEN_FDS=many".to_owned(),
            "invalid LISTEN_FDS",
        ),
        (tcp().into(), format!("exec 3<&-; {one}"), not_tcp),
    ];
    for (descriptor, told, why) in cases {
        let ended = serve_on(descriptor, &told, &temporary.path().join("data"));
        let said = text(&ended.stderr);
        assert_eq!(ended.status.code(), Some(1), "{told}: {said}");
        assert!(said.contains(why), "{told}: {said}");
        let errors = said.lines().filter(|line| line.starts_with("error: "));
        assert_eq!(errors.count(), 1, "{told}: {said}");
    }
}

#[test]
fn sockets_that_are_passed_to_another_process_are_left_alone() {
    let manager = Manager::new();
    let socket = manager.socket.try_clone().expect("a descriptor");
    let mut command = with_descriptor(socket.into(), "LISTEN_PID=1 LISTEN_FDS=1");
    command
        .args(["serve", "--listen", "127.0.0.1:0", "--data-dir"])
        .arg(&manager.directory);
    let server = Atlas::start(command, &manager.directory);
    assert_ne!(server.address, manager.address);
}
