//! A link under load, when it is full, and when its upstream is left alone.

use std::collections::HashMap;

use super::*;

fn busy(link: &Arc<Link>) -> Duration {
    enter(link).expect_err("busy").retry_after
}

#[test]
fn a_place_is_taken_until_the_body_has_ended() {
    let address = saying(OK);
    let (link, _) = link_by(&format!("http://{address}"), |settings| {
        settings.connections = 2
    });
    run(async {
        let one = ask(&link, Again::Never).await.expect("an answer");
        let mut other = ask(&link, Again::Never).await.expect("an answer");
        assert_eq!(busy(&link), SECOND);
        drop(one);
        let passage = enter(&link).expect("a place");
        assert_eq!(busy(&link), SECOND);
        while other.body.next().await.is_some() {}
        let another = enter(&link).expect("a place, though the body is not dropped");
        assert_eq!(busy(&link), SECOND);
        drop((passage, another));
        assert!(enter(&link).is_ok());
    });
}

#[test]
fn a_place_comes_back_from_whoever_does_not_use_it() {
    let (link, _) = link_by(&format!("http://{}", saying(OK)), |settings| {
        settings.connections = 1
    });
    run(async {
        let context = &mut std::task::Context::from_waker(std::task::Waker::noop());
        let taken = enter(&link).expect("a place");
        let (mut early, mut late) = (Box::pin(link.enter()), Box::pin(link.enter()));
        assert!(early.as_mut().poll(context).is_pending());
        assert!(late.as_mut().poll(context).is_pending());
        drop(late);
        // Now it is the other one's, who does not come for it.
        drop(taken);
        assert_eq!(link.connections_in_use(), 1);
        drop(early);
        assert_eq!(link.connections_in_use(), 0);
    });
    let (link, _) = left_alone(upstream(usize::MAX, |_, _| ()));
    assert!(busy(&link) > Duration::ZERO);
    assert_eq!(link.connections_in_use(), 0);
}

#[test]
fn a_request_that_nobody_waits_for_is_cut() {
    let (said, mut hearing) = tokio::sync::mpsc::unbounded_channel();
    let link = link(upstream(1, move |_, peer| {
        said.send(peer.hear().is_some()).expect("heard");
        said.send(peer.hear().is_some()).expect("heard");
    }));
    run(async {
        let passage = enter(&link).expect("a place");
        let request = asked(&link, "GET");
        tokio::select! {
            _ = passage.send(&request, Again::Once, Stopwatch::start()) => unreachable!("it never answers"),
            heard = hearing.recv() => assert_eq!(heard, Some(true)),
        }
        assert_eq!(hearing.recv().await, Some(false));
    });
}

/// A link whose upstream is left alone, since each way to fail counts.
fn left_alone(address: SocketAddr) -> (Arc<Link>, Clock) {
    let (link, clock) = link_by(&format!("http://{address}"), |_| ());
    run(async {
        for _ in 0..policy::CIRCUIT_FAILURES {
            if let Ok(answer) = ask(&link, Again::Never).await {
                // Those that fail by their body fail at its end.
                let _ = read(answer.body).await;
            }
        }
    });
    assert_eq!(busy(&link), SECOND);
    (link, clock)
}

#[test]
fn an_upstream_that_fails_five_times_in_a_row_is_left_alone() {
    left_alone(saying(
        "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n",
    ));
    left_alone(saying(
        "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n",
    ));
    left_alone(saying(
        "HTTP/1.1 504 Gateway Timeout\r\nContent-Length: 0\r\n\r\n",
    ));
    left_alone(ending_with(""));
    left_alone(ending_with(
        "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc",
    ));
    left_alone(gone());
}

#[test]
fn other_answers_are_successes() {
    for answer in [
        "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 429 Too Many Requests\r\nContent-Length: 0\r\n\r\n",
        OK,
    ] {
        let link = link(saying(answer));
        run(async {
            for _ in 0..2 * policy::CIRCUIT_FAILURES {
                let answer = ask(&link, Again::Never).await.expect("an answer");
                read(answer.body).await.expect("a body");
            }
        });
        assert!(enter(&link).is_ok());
    }
}

/// An upstream that fails its first five requests, and then answers all but the body's end.
fn recovering() -> SocketAddr {
    upstream(usize::MAX, |number, peer| {
        while peer.hear().is_some() {
            if number < policy::CIRCUIT_FAILURES as usize {
                return;
            }
            peer.say("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc");
        }
    })
}

#[test]
fn one_probe_at_a_time_finds_out_whether_it_is_back_and_the_head_of_an_answer_is_enough() {
    let (link, clock) = left_alone(recovering());
    clock.advance(SECOND);
    let probe = enter(&link).expect("a probe");
    assert_eq!(busy(&link), SECOND);
    run(async {
        let answer = probe
            .send(&asked(&link, "GET"), Again::Never, Stopwatch::start())
            .await;
        let _held = answer.expect("an answer").body;
        assert!(enter(&link).is_ok());
    });
    assert!(enter(&link).is_ok());
}

#[test]
fn a_probe_that_is_dropped_makes_room_for_another() {
    let (link, clock) = left_alone(recovering());
    clock.advance(SECOND);
    drop(enter(&link).expect("a probe"));
    let probe = enter(&link).expect("another probe");
    let panicked = std::thread::spawn(move || {
        let _probe = probe;
        std::panic::resume_unwind(Box::new("a fault of ours"));
    });
    assert!(panicked.join().is_err());
    let probe = enter(&link).expect("another probe");
    run(async {
        let request = asked(&link, "GET");
        let mut sending = Box::pin(probe.send(&request, Again::Never, Stopwatch::start()));
        let waker = std::task::Waker::noop();
        let polled = sending
            .as_mut()
            .poll(&mut std::task::Context::from_waker(waker));
        assert!(polled.is_pending());
        assert_eq!(busy(&link), SECOND);
        drop(sending);
        let probe = enter(&link).expect("another probe");
        assert!(
            probe
                .send(&asked(&link, "GET"), Again::Never, Stopwatch::start())
                .await
                .is_ok()
        );
        assert!(enter(&link).is_ok());
    });
}

#[test]
fn a_probe_that_fails_doubles_the_rest() {
    let (link, clock) = left_alone(ending_with(""));
    clock.advance(SECOND);
    assert!(is_unknown(run(ask(&link, Again::Never))));
    assert_eq!(busy(&link), 2 * SECOND);
}

enum Told {
    Answered,
    Unsent,
    Unknown,
}

/// Sends request after request, and tells of each what came of it.
async fn send_many(
    link: &Arc<Link>,
    clock: &Clock,
    thread: usize,
    again: Again,
) -> Vec<(String, Told)> {
    let mut all = Vec::new();
    for number in 0..150 {
        let id = format!("{thread}_{number}");
        let aim = link.aim("POST", "/functions/v1/a", "").expect("an aim");
        let mut fields = Fields::default();
        fields.push("x-id", id.as_bytes());
        let request = link.request(&aim, &fields, Bytes::new());
        let passage = loop {
            match enter(link) {
                Ok(passage) => break passage,
                Err(busy) => clock.advance(busy.retry_after),
            }
        };
        let told = match passage.send(&request, again, Stopwatch::start()).await {
            Ok(mut answer) => {
                while answer.body.next().await.is_some() {}
                Told::Answered
            }
            Err(Fault::NothingSent(_)) => Told::Unsent,
            Err(Fault::OutcomeUnknown(_)) => Told::Unknown,
        };
        all.push((id, told));
    }
    all
}

/// Four threads send as workers do, to an upstream that closes each connection behind its answer without a word of it;
/// what is told of each request is held against what the upstream has heard.
#[test]
fn whatever_races_what_is_said_to_be_unsent_was_never_heard_and_nothing_is_heard_too_often() {
    for again in [Again::Never, Again::Once] {
        let heard = Arc::new(parking_lot::Mutex::new(HashMap::<String, usize>::new()));
        let hearing = Arc::clone(&heard);
        let address = upstream(usize::MAX, move |_, peer| {
            if let Some(request) = peer.hear() {
                let id = request
                    .split("x-id: ")
                    .nth(1)
                    .and_then(|rest| rest.split('\r').next());
                *hearing
                    .lock()
                    .entry(id.expect("an id").to_owned())
                    .or_default() += 1;
                peer.say(OK);
            }
        });
        let (link, clock) = link_by(&format!("http://{address}"), |_| ());
        let threads: Vec<_> = (0..4)
            .map(|thread| {
                let (link, clock) = (Arc::clone(&link), clock.clone());
                std::thread::spawn(move || run(send_many(&link, &clock, thread, again)))
            })
            .collect();
        for (id, told) in threads
            .into_iter()
            .flat_map(|thread| thread.join().expect("sent"))
        {
            let times = heard.lock().get(&id).copied().unwrap_or(0);
            let most = if again == Again::Once { 2 } else { 1 };
            match told {
                Told::Answered => assert!((1..=most).contains(&times), "{id}: {times}"),
                Told::Unsent => assert_eq!(times, 0, "{id}"),
                Told::Unknown => assert!(times <= most, "{id}: {times}"),
            }
        }
    }
}

/// An upstream that has read enough answers and closes; what it has not read makes of that a reset, which may be seen by a
/// write before the answer is seen by a read.
#[test]
fn an_answer_to_a_request_that_is_not_all_read_is_heard() {
    let config = tls_of_localhost();
    let address = upstream(usize::MAX, move |_, peer| {
        // Or the answer itself would wait, and be lost with the connection.
        peer.0.set_nodelay(true).expect("no delay");
        let connection = rustls::ServerConnection::new(Arc::clone(&config)).expect("TLS");
        let mut stream = rustls::StreamOwned::new(connection, &peer.0);
        let (mut heard, mut byte) = (Vec::new(), [0]);
        while !heard.ends_with(b"\r\n\r\n") && stream.read_exact(&mut byte).is_ok() {
            heard.push(byte[0]);
        }
        let _ = stream.write_all(b"HTTP/1.1 413 Large\r\nContent-Length: 2\r\n\r\nno");
    });
    let link = over_tls(address, |settings| {
        settings.authorities = vouched_by("authority.pem")
    });
    let aim = link.aim("POST", "/functions/v1/a", "").expect("an aim");
    let request = link.request(&aim, &Fields::default(), vec![b'x'; 1 << 20].into());
    run(async {
        for round in 0..40 {
            let passage = enter(&link).expect("a place");
            let answer = passage
                .send(&request, Again::Never, Stopwatch::start())
                .await;
            let answer = answer.unwrap_or_else(|fault| unreachable!("{round}: {fault:?}"));
            assert_eq!(answer.status, 413);
        }
    });
}

/// Whoever reads over TLS is told that nothing more comes, and need not take the end for a cut.
#[test]
fn a_connection_for_a_single_request_takes_leave() {
    let config = tls_of_localhost();
    let (ended, mut ending) = tokio::sync::mpsc::unbounded_channel();
    let address = upstream(1, move |_, peer| {
        let connection = rustls::ServerConnection::new(Arc::clone(&config)).expect("TLS");
        let mut stream = rustls::StreamOwned::new(connection, &peer.0);
        let (mut heard, mut byte) = (Vec::new(), [0]);
        while !heard.ends_with(b"{}") && stream.read_exact(&mut byte).is_ok() {
            heard.push(byte[0]);
        }
        stream.write_all(OK.as_bytes()).expect("answered");
        let end = stream.read(&mut byte).map_err(|e| e.kind());
        ended.send(end).expect("heard");
    });
    let link = over_tls(address, |settings| {
        settings.authorities = vouched_by("authority.pem")
    });
    run(async {
        let answer = ask(&link, Again::Never).await.expect("an answer");
        assert_eq!(read(answer.body).await.as_deref(), Ok("ok"));
        assert_eq!(ending.recv().await, Some(Ok(0)));
    });
}

#[test]
fn what_could_open_a_tunnel_or_echo_our_secret_does_not_go_up() {
    let (link, _) = link_by("http://localhost:1", |_| ());
    let request = |method: &str, body: &'static str| {
        let aim = link.aim(method, "/functions/v1/a", "")?;
        Ok(link.request(&aim, &Fields::default(), Bytes::from(body)))
    };
    for method in ["CONNECT", "TRACE", "connect", "Trace", "", "A B"] {
        let refused = request(method, "");
        assert!(
            matches!(refused, Err(Refusal::MethodNotAllowed { .. })),
            "{method}"
        );
    }
    for (method, body, length) in [
        ("GET", "", None),
        ("DELETE", "", None),
        ("POST", "", Some("0")),
        ("PUT", "", Some("0")),
        ("PATCH", "", Some("0")),
        ("POST", "ab", Some("2")),
        ("GET", "ab", Some("2")),
        ("PURGE", "ab", Some("2")),
    ] {
        let request = request(method, body).expect("a request");
        let head = request.head();
        let told = head
            .split("\r\n")
            .filter_map(|line| line.strip_prefix("content-length: "))
            .next();
        assert_eq!(told, length, "{method} {body}");
    }
    let (link, _) = link_by("http://localhost:1", |settings| {
        settings.authorization = Some(Authorization::parse("Bearer hidden").expect("a value"));
    });
    let printed = format!("{:?}", asked(&link, "GET"));
    assert!(!printed.contains("hidden"), "{printed}");
}

#[test]
fn a_request_goes_up_again_by_itself_only_where_nobody_else_repeats_it_and_it_does_no_harm() {
    for is_idempotent in [true, false] {
        let (link, _) = link_by("http://localhost:1", |settings| {
            settings.is_idempotent = is_idempotent
        });
        for (method, is_harmless) in [
            ("GET", true),
            ("HEAD", true),
            ("PUT", true),
            ("DELETE", true),
            ("OPTIONS", true),
            ("POST", false),
            ("PATCH", false),
        ] {
            let expected = if is_harmless || is_idempotent {
                Again::Once
            } else {
                Again::Never
            };
            assert_eq!(link.again(method), expected, "{method}");
        }
    }
}
