//! Which connection a request gets, and when one is closed.

use std::net::SocketAddr;
use std::sync::mpsc;

use hyper_util::client::legacy::connect::HttpConnector;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::*;
use crate::app::outbound::{https, no_roots};
use crate::app::upstream::peer_tests::{OK, run, upstream};

const MINUTE: Duration = Duration::from_secs(60);

fn pool(address: SocketAddr, most: usize, span: Duration) -> Arc<Pool> {
    let https = https(HttpConnector::new(), no_roots()).expect("a connector");
    let to = format!("http://{address}").parse().expect("a URL");
    Pool::new(Dialler::new(https, to, MINUTE), most, span)
}

/// An upstream that says by its number which connection a request came on, and tells when one is closed.
fn numbered() -> (SocketAddr, UnboundedReceiver<usize>) {
    let (closed, closing) = unbounded_channel();
    let address = upstream(usize::MAX, move |number, peer| {
        while peer.hear().is_some() {
            let length = number.to_string().len();
            peer.say(&format!(
                "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{number}"
            ));
        }
        // Nobody may want to know.
        let _ = closed.send(number);
    });
    (address, closing)
}

async fn connection(pool: &Arc<Pool>) -> Connection {
    pool.connection(Stopwatch::start())
        .await
        .ok()
        .expect("a connection")
}

fn request() -> Request {
    Request::new("GET", b"GET / HTTP/1.1\r\n".to_vec(), Bytes::new())
}

/// Asks on this connection, and reads all of the answer; tells its number.
async fn ask(connection: &mut Connection) -> String {
    assert!(connection.send(&request(), MINUTE).await.is_ok());
    let mut body = Vec::new();
    while let Some(piece) = connection.piece().await {
        body.extend_from_slice(&piece.expect("a piece"));
    }
    String::from_utf8(body).expect("a number")
}

#[test]
fn a_request_goes_on_the_connection_that_was_used_last() {
    let (address, _closing) = numbered();
    run(async {
        let pool = pool(address, 2, MINUTE);
        let (mut one, mut other) = (connection(&pool).await, connection(&pool).await);
        let (first, second) = (ask(&mut one).await, ask(&mut other).await);
        assert_ne!(first, second);
        one.give_back(&pool);
        other.give_back(&pool);
        let mut latest = connection(&pool).await;
        assert_eq!(ask(&mut latest).await, second);
        assert_eq!(ask(&mut connection(&pool).await).await, first);
    });
}

#[test]
fn no_more_are_kept_than_are_wanted_and_none_that_is_for_a_single_request() {
    let (address, mut closing) = numbered();
    run(async {
        let pool = pool(address, 1, MINUTE);
        let mut connections = [
            pool.single().await.ok().expect("a connection"),
            connection(&pool).await,
            connection(&pool).await,
        ];
        let mut numbers = Vec::new();
        for connection in &mut connections {
            numbers.push(ask(connection).await);
        }
        let given = connections.into_iter();
        given.for_each(|connection| connection.give_back(&pool));
        let mut closed = [closing.recv().await, closing.recv().await];
        closed.sort_unstable();
        let closed = closed.map(|number| number.expect("closed").to_string());
        let (kept, mut gone) = (numbers.remove(1), numbers);
        gone.sort_unstable();
        assert_eq!(gone, closed);
        assert_eq!(ask(&mut connection(&pool).await).await, kept);
    });
}

#[test]
fn a_connection_that_nobody_uses_is_closed() {
    let (address, mut closing) = numbered();
    run(async {
        let pool = pool(address, 1, Duration::from_millis(20));
        let mut unused = connection(&pool).await;
        let number = ask(&mut unused).await;
        unused.give_back(&pool);
        let closed = tokio::time::timeout(MINUTE, closing.recv()).await;
        let closed = closed.expect("closed in time").expect("closed");
        assert_eq!(closed.to_string(), number);
    });
}

#[test]
fn an_old_connection_gets_no_request_and_nor_do_those_before_it() {
    let (address, _closing) = numbered();
    run(async {
        let pool = pool(address, 2, Duration::from_nanos(2));
        let mut connections = [connection(&pool).await, connection(&pool).await];
        for connection in &mut connections {
            ask(connection).await;
        }
        let given = connections.into_iter();
        given.for_each(|connection| connection.give_back(&pool));
        assert!(
            pool.take(std::thread::current().id(), Stopwatch::start())
                .is_none()
        );
        assert!(
            pool.shelves
                .lock()
                .iter()
                .all(|shelf| shelf.kept.is_empty())
        );
    });
}

#[test]
fn a_connection_that_is_not_at_rest_is_closed_and_nobody_else_gets_it() {
    for said in [
        // Not all of it is read.
        "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n",
        // Something follows that nobody asked for.
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\nx",
        // It is the last one by what is said.
        "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
        "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
    ] {
        let (closed, mut closing) = unbounded_channel();
        let address = upstream(1, move |_, peer| {
            peer.hear();
            peer.say(said);
            assert_eq!(peer.hear(), None);
            closed.send(()).expect("heard");
        });
        run(async {
            let pool = pool(address, 2, MINUTE);
            let mut busy = connection(&pool).await;
            assert!(busy.send(&request(), MINUTE).await.is_ok(), "{said}");
            let piece = busy.piece().await.expect("a piece").expect("a piece");
            assert_eq!(piece, "ok");
            busy.give_back(&pool);
            assert_eq!(closing.recv().await, Some(()), "{said}");
            assert!(
                pool.take(std::thread::current().id(), Stopwatch::start())
                    .is_none()
            );
        });
    }
}

#[test]
fn what_comes_on_a_connection_at_rest_ends_it() {
    for said in ["", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nno"] {
        let (go_on, told) = mpsc::channel();
        let told = Mutex::new(told);
        let (said_it, mut heard) = unbounded_channel();
        let address = upstream(1, move |_, peer| {
            peer.hear();
            peer.say(OK);
            told.lock().recv().expect("told");
            peer.say(said);
            if said.is_empty() {
                peer.0.shutdown(std::net::Shutdown::Write).expect("closed");
            }
            said_it.send(()).expect("heard");
            assert_eq!(peer.hear(), None);
        });
        run(async {
            let pool = pool(address, 2, MINUTE);
            let mut kept = connection(&pool).await;
            assert_eq!(ask(&mut kept).await, "ok");
            kept.give_back(&pool);
            go_on.send(()).expect("told");
            assert_eq!(heard.recv().await, Some(()));
            // The runtime looks at its connections now and then.
            let thread = std::thread::current().id();
            while let Some(wire) = pool.take(thread, Stopwatch::start()) {
                pool.put(thread, wire);
                tokio::task::yield_now().await;
            }
        });
    }
}
