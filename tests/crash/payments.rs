//! Payments in the midst of which the server is killed: whoever goes on by repeating ends up with every step done once.

use std::net::SocketAddr;
use std::sync::mpsc::{Sender, channel};

use serde_json::Value;

use crate::process::{Answer, Atlas, Client, text};
use crate::{SETTINGS, random, rounds};

/// Kills, unless more are asked for.
const ROUNDS: usize = 10;
const BUYERS: usize = 20;
/// A round is cut after some number of answers below this one.
const ANSWERS_MAX: u64 = 600;
/// Make, confirm, then so many captures and as many refunds.
const PARTS: u32 = 5;
const CAPTURE: u32 = 100;
const REFUND: u32 = 40;

/// How far a payment came: its name, and the answers to its steps.
struct Life {
    name: String,
    answers: Vec<Answer>,
}

#[test]
fn every_step_of_a_payment_is_done_once_whenever_the_server_is_killed() {
    let temporary = tempfile::tempdir().expect("a directory");
    let directory = temporary.path().join("data");
    let mut secret = None;
    let (mut replayed, mut went_on) = (0, 0);
    let rounds = rounds(ROUNDS);
    for round in 0..rounds {
        let server = Atlas::serve(&directory, SETTINGS);
        let secret = secret.get_or_insert_with(|| server.key(&[]));
        let lives = live_until_killed(server, secret, round);

        let server = Atlas::serve(&directory, SETTINGS);
        let mut client = Client::connect(server.address).expect("a connection");
        for life in &lives {
            let mut again = Life {
                name: life.name.clone(),
                answers: Vec::new(),
            };
            while let Some(answer) = step(&mut client, secret, &again) {
                let place = again.answers.len();
                if let Some(first) = life.answers.get(place) {
                    assert!(answer.replayed, "{} {place} is forgotten", life.name);
                    assert_eq!(text(&answer.body), text(&first.body));
                    replayed += 1;
                } else {
                    went_on += 1;
                }
                assert_sums(&answer, place);
                again.answers.push(answer);
            }
            assert_eq!(
                again.answers.len(),
                steps(),
                "{} went on to its end",
                life.name
            );
        }
        server.kill();
    }
    eprintln!(
        "{rounds} kills: {replayed} steps answered and all there, {went_on} done afterwards, each once"
    );
    assert!(
        replayed > rounds * BUYERS,
        "the rounds did too little to mean anything"
    );
}

const fn steps() -> usize {
    2 + 2 * PARTS as usize
}

/// What is captured and refunded by now is what the steps so far add up to.
fn assert_sums(answer: &Answer, place: usize) {
    let body = answer.json();
    assert!(matches!(answer.status, 200 | 201), "{place}: {body}");
    let Some(parts) = u32::try_from(place).expect("few").checked_sub(2) else {
        return;
    };
    if parts < PARTS {
        assert_eq!(body["captured_amount"], (parts + 1) * CAPTURE, "{body}");
        assert_eq!(body["refunded_amount"], 0, "{body}");
    } else {
        assert_eq!(body["amount"], REFUND, "{body}");
    }
}

fn live_until_killed(server: Atlas, secret: &str, round: usize) -> Vec<Life> {
    let (sender, receiver) = channel();
    std::thread::scope(|scope| {
        let buyers: Vec<_> = (0..BUYERS)
            .map(|buyer| {
                let (sender, address) = (sender.clone(), server.address);
                scope.spawn(move || live(address, secret, &format!("{round}-{buyer}"), &sender))
            })
            .collect();
        drop(sender);
        let answers = usize::try_from(random(ANSWERS_MAX)).expect("few");
        receiver.iter().take(answers).count();
        server.kill();
        let lives = buyers
            .into_iter()
            .flat_map(|buyer| buyer.join().expect("no panic"));
        lives.collect()
    })
}

/// One payment after the other until the server is gone.
fn live(address: SocketAddr, secret: &str, name: &str, answered: &Sender<()>) -> Vec<Life> {
    let mut lives = Vec::new();
    let Some(mut client) = Client::connect(address) else {
        return lives;
    };
    for number in 0.. {
        lives.push(Life {
            name: format!("{name}-{number}"),
            answers: Vec::new(),
        });
        let life = lives.last_mut().expect("just pushed");
        while life.answers.len() < steps() {
            let Some(answer) = step(&mut client, secret, life) else {
                return lives;
            };
            life.answers.push(answer);
            // Nobody counts any more once the server is killed.
            let _ = answered.send(());
        }
    }
    lives
}

/// The next step of a payment; none when it is over or the server is gone.
fn step(client: &mut Client, secret: &str, life: &Life) -> Option<Answer> {
    let place = life.answers.len();
    let member = |name: &str| -> String {
        let made: Value = life.answers[0].json();
        made[name].as_str().expect("text").to_owned()
    };
    let payment = || member("id").replacen("sess_", "pay_", 1);
    let captures = 2 + PARTS as usize;
    let (path, credential, body) = match place {
        0 => {
            let body = r#"{"amount":1000,"currency":"USD","capture_method":"manual"}"#;
            (
                "create-session".to_owned(),
                secret.to_owned(),
                body.to_owned(),
            )
        }
        1 => {
            let path = format!("confirm-payment/{}", member("id"));
            (
                path,
                member("client_secret"),
                r#"{"token_id":"tok_visa"}"#.to_owned(),
            )
        }
        place if place < captures => {
            let path = format!("capture-payment/{}", payment());
            (
                path,
                secret.to_owned(),
                format!(r#"{{"amount":{CAPTURE}}}"#),
            )
        }
        place if place < steps() => {
            let path = format!("refund-payment/{}", payment());
            (path, secret.to_owned(), format!(r#"{{"amount":{REFUND}}}"#))
        }
        _ => return None,
    };
    let (key, length) = (format!("{}-{place}", life.name), body.len());
    client.send(&format!(
        "POST /functions/v1/{path} HTTP/1.1\r\nHost: atlas\r\nAuthorization: Bearer {credential}\r\n\
         Content-Type: application/json\r\nIdempotency-Key: {key}\r\nContent-Length: {length}\r\n\r\n{body}"
    ))
}
