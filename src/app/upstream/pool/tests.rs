//! Which connection a request gets, and when one is closed.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;

use http_body_util::BodyExt;
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
    pool.connection().await.ok().expect("a connection")
}

/// Asks on this connection, and lets it come to rest; tells its number.
async fn ask(connection: &mut Connection) -> String {
    let sent = connection.send(Request::new(Full::default())).await;
    let answer = sent.ok().expect("an answer").into_body();
    let body = answer.collect().await.expect("a body").to_bytes();
    while !connection.line.sender.is_ready() {
        tokio::task::yield_now().await;
    }
    String::from_utf8(body.to_vec()).expect("a number")
}

#[test]
fn a_request_goes_on_the_connection_that_was_used_last() {
    let (address, _closing) = numbered();
    run(async {
        let pool = pool(address, 2, MINUTE);
        let (mut one, mut other) = (connection(&pool).await, connection(&pool).await);
        let (first, second) = (ask(&mut one).await, ask(&mut other).await);
        assert_ne!(first, second);
        one.give_back();
        other.give_back();
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
        connections.into_iter().for_each(Connection::give_back);
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
        unused.give_back();
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
        connections.into_iter().for_each(Connection::give_back);
        assert!(pool.take(std::thread::current().id()).is_none());
        assert!(pool.kept.lock().values().all(Vec::is_empty));
    });
}

#[test]
fn a_connection_that_is_not_at_rest_is_passed_over_until_it_is() {
    let (go_on, told) = mpsc::channel();
    let told = Mutex::new(told);
    let connections = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&connections);
    let address = upstream(usize::MAX, move |number, peer| {
        counted.fetch_add(1, Ordering::Relaxed);
        while peer.hear().is_some() {
            if number == 0 {
                peer.say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\no");
                told.lock().recv().expect("told");
                peer.say("k");
            } else {
                peer.say(OK);
            }
        }
    });
    run(async {
        let pool = pool(address, 2, MINUTE);
        let mut busy = connection(&pool).await;
        let sent = busy.send(Request::new(Full::default())).await;
        let mut body = sent.ok().expect("an answer").into_body();
        assert!(body.frame().await.is_some());
        busy.give_back();
        assert_eq!(ask(&mut connection(&pool).await).await, "ok");
        go_on.send(()).expect("told");
        assert!(body.frame().await.is_some());
        assert!(body.frame().await.is_none());
        drop(body);
        let thread = std::thread::current().id();
        while pool.kept.lock()[&thread]
            .iter()
            .any(|kept| !kept.line.sender.is_ready())
        {
            tokio::task::yield_now().await;
        }
        let rested = connection(&pool).await;
        assert_eq!(connections.load(Ordering::Relaxed), 2);
        drop(rested);
    });
}
