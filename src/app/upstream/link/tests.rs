//! A link against upstreams that answer, fail, hang up and fall silent: what comes of a request, and what of it is known.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;

use futures_util::FutureExt;

use super::*;
use crate::app::upstream::Cut;
use crate::app::upstream::peer_tests::{OK, ending_with, gone, run, saying, upstream};
use crate::config::Authorities;
use crate::domain::time::Timestamp;

const SECOND: Duration = Duration::from_secs(1);
const SOON: Duration = Duration::from_millis(30);

fn link_by(url: &str, configure: impl FnOnce(&mut UpstreamSettings)) -> (Arc<Link>, Clock) {
    let mut settings = UpstreamSettings::at(url.parse().expect("a URL"));
    configure(&mut settings);
    let clock = Clock::hand(Timestamp::from_millis(1_000_000));
    let link = Link::new(&settings, clock.clone()).expect("a link");
    (Arc::new(link), clock)
}

fn link(address: SocketAddr) -> Arc<Link> {
    link_by(&format!("http://{address}/v1"), |_| ()).0
}

fn asked(link: &Link, method: &str) -> Request {
    let aim = link.aim(method, "/functions/v1/a", "b=c");
    let body = Bytes::from_static(b"{}");
    link.request(&aim.expect("an aim"), &Fields::default(), body)
}

/// Enters without waiting in line; who would wait is told so.
fn enter(link: &Arc<Link>) -> Result<Passage, Busy> {
    let waits = Err(Busy {
        retry_after: policy::RETRY_SOON,
        why: "it waits",
    });
    link.enter().now_or_never().unwrap_or(waits)
}

async fn ask(link: &Arc<Link>, again: Again) -> Result<Answer, Fault> {
    let passage = enter(link).expect("a place");
    passage
        .send(&asked(link, "POST"), again, Stopwatch::start())
        .await
}

/// The whole body.
async fn read(mut body: Body) -> Result<String, Cut> {
    let mut whole = Vec::new();
    while let Some(piece) = body.next().await {
        whole.extend_from_slice(&piece?);
    }
    Ok(String::from_utf8(whole).expect("UTF-8"))
}

fn is_unknown(outcome: Result<Answer, Fault>) -> bool {
    matches!(outcome, Err(Fault::OutcomeUnknown(_)))
}

fn nothing_sent(outcome: Result<Answer, Fault>) -> String {
    match outcome {
        Err(Fault::NothingSent(why)) => why,
        other => unreachable!("{other:?}"),
    }
}

#[test]
fn a_request_goes_up_whole_and_its_answer_comes_down() {
    let (heard, hearing) = mpsc::channel();
    let address = upstream(1, move |_, peer| {
        heard.send(peer.hear()).expect("heard");
        peer.say("HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\nHTTP/1.1 302 Found\r\nLocation: /a\r\n\
                  X-Request-Id: up_1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\nX-Trailer: 1\r\n\r\n");
    });
    let (link, _) = link_by(&format!("http://{address}/v1/"), |settings| {
        settings.authorization = Some(Authorization::parse("Bearer sk_live_x").expect("a value"));
    });
    let answer = run(async {
        let answer = ask(&link, Again::Never).await.expect("an answer");
        let told = (answer.status, answer.headers.clone(), answer.body.length());
        (told, read(answer.body).await.expect("a body"))
    });
    let ((status, headers, length), body) = answer;
    assert_eq!((status, body.as_str(), length), (302, "abcde", None));
    let headers: Vec<(&str, &[u8])> = headers.iter().collect();
    assert_eq!(
        headers,
        [("location", &b"/a"[..]), ("x-upstream-request-id", b"up_1")]
    );
    let heard = hearing.recv().expect("heard").expect("a request");
    let mut lines: Vec<&str> = heard.split("\r\n").collect();
    assert_eq!(lines.remove(0), "POST /v1/a?b=c HTTP/1.1");
    lines.sort_unstable();
    let host = format!("host: {address}");
    assert_eq!(
        lines,
        [
            "",
            "authorization: Bearer sk_live_x",
            "content-length: 2",
            &host,
            "{}"
        ]
    );
}

#[test]
fn an_answer_without_a_body_has_none() {
    for (method, answer) in [
        ("HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"),
        ("POST", "HTTP/1.1 204 No Content\r\n\r\n"),
        (
            "GET",
            "HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n",
        ),
    ] {
        let link = link(saying(answer));
        let body = run(async {
            let passage = enter(&link).expect("a place");
            let answer = passage
                .send(&asked(&link, method), Again::Never, Stopwatch::start())
                .await;
            read(answer.expect("an answer").body).await
        });
        assert_eq!(body, Ok(String::new()), "{method}");
    }
}

#[test]
fn a_connection_is_kept_for_the_next_request() {
    let connections = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&connections);
    let link = link(upstream(usize::MAX, move |_, peer| {
        counted.fetch_add(1, Ordering::Relaxed);
        while peer.hear().is_some() {
            peer.say(OK);
        }
    }));
    run(async {
        for _ in 0..3 {
            let answer = ask(&link, Again::Once).await.expect("an answer");
            assert_eq!(answer.body.length(), Some(2));
            assert_eq!(read(answer.body).await.as_deref(), Ok("ok"));
        }
    });
    assert_eq!(connections.load(Ordering::Relaxed), 1);
}

#[test]
fn without_a_connection_nothing_was_sent() {
    nothing_sent(run(ask(&link(gone()), Again::Once)));
    let (link, _) = link_by("http://no-such-name.invalid", |_| ());
    nothing_sent(run(ask(&link, Again::Once)));
}

/// One that takes connections and says nothing, but begins TLS with whoever is not in a hurry.
fn over_tls(address: SocketAddr, configure: impl FnOnce(&mut UpstreamSettings)) -> Arc<Link> {
    link_by(&format!("https://localhost:{}", address.port()), configure).0
}

fn vouched_by(file: &str) -> Option<Authorities> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tls");
    Some(Authorities::read(&folder.join(file)).expect("authorities"))
}

#[test]
fn a_connection_has_its_time_and_tls_is_part_of_it() {
    let silent = upstream(usize::MAX, |_, peer| drop(peer.hear()));
    let link = over_tls(silent, |settings| {
        settings.authorities = vouched_by("authority.pem");
        settings.connect_timeout = SOON;
    });
    let why = nothing_sent(run(ask(&link, Again::Once)));
    assert!(why.contains("within 30ms"), "{why}");
}

/// What localhost shows to whoever begins TLS.
fn tls_of_localhost() -> Arc<rustls::ServerConfig> {
    use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
    let certificate =
        CertificateDer::from_pem_slice(include_bytes!("../../../../tests/tls/localhost.pem"));
    let key =
        PrivateKeyDer::from_pem_slice(include_bytes!("../../../../tests/tls/localhost.key.pem"));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("TLS")
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.expect("a certificate")],
            key.expect("a key"),
        );
    Arc::new(config.expect("a certificate that goes with the key"))
}

#[test]
fn over_tls_only_an_upstream_that_is_vouched_for_is_sent_anything() {
    let config = tls_of_localhost();
    let address = upstream(usize::MAX, move |_, peer| {
        let connection = rustls::ServerConnection::new(Arc::clone(&config)).expect("TLS");
        let mut stream = rustls::StreamOwned::new(connection, &peer.0);
        let mut heard = Vec::new();
        let mut byte = [0];
        while !heard.ends_with(b"{}") && stream.read_exact(&mut byte).is_ok() {
            heard.push(byte[0]);
        }
        let _ = stream.write_all(OK.as_bytes());
    });
    let link = over_tls(address, |settings| {
        settings.authorities = vouched_by("authority.pem")
    });
    let answer = run(ask(&link, Again::Never)).expect("an answer");
    assert_eq!(answer.status, 200);
    let link = over_tls(address, |settings| {
        settings.authorities = vouched_by("localhost.pem")
    });
    let why = nothing_sent(run(ask(&link, Again::Once)));
    assert!(why.contains("certificate"), "{why}");
}

#[test]
fn once_something_was_sent_and_no_whole_answer_came_nobody_knows_what_came_of_it() {
    for answer in [
        "",
        "HTTP/1.1 200 OK\r\nContent-Le",
        "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        "SSH-2.0-OpenSSH_9.2\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
    ] {
        assert!(
            is_unknown(run(ask(&link(ending_with(answer)), Again::Once))),
            "{answer}"
        );
    }
    let silent = upstream(usize::MAX, |_, peer| while peer.hear().is_some() {});
    let (link, _) = link_by(&format!("http://{silent}"), |settings| {
        settings.answer_timeout = SOON
    });
    assert!(is_unknown(run(ask(&link, Again::Once))));
}

#[test]
fn a_body_that_breaks_off_or_falls_silent_is_cut() {
    for answer in [
        "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
    ] {
        let pieces = run(async {
            let answer = ask(&link(ending_with(answer)), Again::Never)
                .await
                .expect("an answer");
            pieces(answer.body).await
        });
        assert!(
            matches!(&pieces[..], [Ok(abc), Err(_)] if abc == "abc"),
            "{pieces:?}"
        );
    }
    let silent = saying("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc");
    let (link, _) = link_by(&format!("http://{silent}"), |settings| {
        settings.answer_timeout = SOON
    });
    let pieces =
        run(async { pieces(ask(&link, Again::Never).await.expect("an answer").body).await });
    assert!(
        matches!(&pieces[..], [Ok(_), Err(Cut(why))] if why.contains("within 30ms")),
        "{pieces:?}"
    );
}

async fn pieces(body: Body) -> Vec<Result<Bytes, Cut>> {
    use futures_util::StreamExt;
    let mut stream = std::pin::pin!(body.into_stream());
    let mut pieces = Vec::new();
    while let Some(piece) = stream.next().await {
        pieces.push(piece);
    }
    pieces
}

/// What comes of a second request, sent after the upstream has closed the connection of the first; the upstream takes so
/// many connections.
fn after_a_hang_up(connections: usize, again: Again) -> Result<Answer, Fault> {
    let ((hang_up, told), (done, hung_up)) = (mpsc::channel(), mpsc::channel());
    let told = parking_lot::Mutex::new(told);
    let link = link(upstream(connections, move |number, peer| {
        while peer.hear().is_some() {
            peer.say(OK);
            if number == 0 {
                told.lock().recv().expect("told");
                peer.0.shutdown(Shutdown::Both).expect("closed");
                done.send(()).expect("heard");
                return;
            }
        }
    }));
    run(async {
        let first = ask(&link, Again::Once).await.expect("an answer");
        read(first.body).await.expect("a body");
        // The runtime stands still meanwhile, so the link can't have noticed.
        hang_up.send(()).expect("told");
        hung_up.recv().expect("hung up");
        ask(&link, again).await
    })
}

#[test]
fn a_kept_connection_that_turns_out_closed_is_tried_once_more_where_that_is_harmless() {
    assert!(after_a_hang_up(2, Again::Once).is_ok());
    // What may not go up twice never depends on a connection that may be closed.
    assert!(after_a_hang_up(2, Again::Never).is_ok());
    // The first try may have arrived, whatever became of the second.
    assert!(is_unknown(after_a_hang_up(1, Again::Once)));
}

#[test]
fn a_kept_connection_that_ends_amid_an_answer_is_not_tried_again() {
    let link = link(upstream(1, |_, peer| {
        peer.hear();
        peer.say(OK);
        peer.hear();
        peer.say("HTTP/1.1 2");
    }));
    run(async {
        let first = ask(&link, Again::Once).await.expect("an answer");
        read(first.body).await.expect("a body");
        assert!(is_unknown(ask(&link, Again::Once).await));
    });
}

/// Of a large request, how many bytes come to an upstream that says this before it reads the body, and reads when the
/// link is done with it.
fn heard_late(says: &'static str) -> (usize, usize) {
    const LARGE: usize = 32 << 20;
    let ((go_on, told), (heard, hearing)) = (mpsc::channel(), mpsc::channel());
    let told = parking_lot::Mutex::new(told);
    let address = upstream(1, move |_, peer| {
        peer.say(says);
        told.lock().recv().expect("told");
        let mut buffer = vec![0; 64 * 1024];
        let mut bytes = 0;
        while let Ok(more @ 1..) = peer.0.read(&mut buffer) {
            bytes += more;
        }
        heard.send(bytes).expect("heard");
    });
    let (link, _) = link_by(&format!("http://{address}"), |settings| {
        settings.answer_timeout = SOON
    });
    let bytes = run(async {
        let aim = link.aim("POST", "/functions/v1/a", "").expect("an aim");
        let request = link.request(&aim, &Fields::default(), vec![b'x'; LARGE].into());
        let passage = enter(&link).expect("a place");
        if let Ok(answer) = passage
            .send(&request, Again::Never, Stopwatch::start())
            .await
        {
            read(answer.body).await.expect("a body");
        }
        go_on.send(()).expect("told");
        let end = tokio::task::spawn_blocking(move || hearing.recv());
        end.await.expect("an end").expect("heard")
    });
    (bytes, LARGE)
}

#[test]
fn nothing_more_goes_up_of_a_request_that_nobody_waits_for() {
    for says in ["", OK] {
        let (bytes, all) = heard_late(says);
        assert!(bytes < all, "{says:?}: {bytes} of {all}");
    }
}

mod harder_tests;
