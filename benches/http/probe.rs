//! Single requests: their bytes, and an answer looked at closely before the load begins.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use crate::Outcome;
use crate::load::Requests;

/// A session as a shop makes one: 186 bytes.
pub const ORDER: &str = r#"{"amount":4990,"currency":"USD","capture_method":"automatic","external_id":"order-2026-11-25-000017","description":"Two concert tickets, row 7","metadata":{"cart":"c_81f0","shop":"main"}}"#;

/// An answer as a client sees it.
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// Status line and headers.
    pub head: String,
    /// The rest.
    pub body: Vec<u8>,
}

/// A request that reads a session.
pub fn read_session(secret: &str, id: &str) -> Vec<u8> {
    format!(
        "GET /functions/v1/sessions/{id} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {secret}\r\n\r\n"
    )
    .into_bytes()
}

/// A request that makes a session under an idempotency key.
pub fn create_session(secret: &str, idempotency_key: &str) -> Vec<u8> {
    format!(
        "POST /functions/v1/create-session HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {secret}\r\n\
         Idempotency-Key: {idempotency_key}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{ORDER}",
        ORDER.len()
    )
    .into_bytes()
}

/// A charge without an idempotency key.
pub fn charge(secret: &str) -> Vec<u8> {
    format!(
        "POST /functions/v1/charges HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {secret}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{ORDER}",
        ORDER.len()
    )
    .into_bytes()
}

/// Requests that make a session each, under keys that were not used before.
pub fn create_sessions(secret: &str, series: &str, count: u64) -> Outcome<Requests> {
    let key = format!("{series}-{}", Requests::PLACE);
    Requests::numbered(create_session(secret, &key), count)
}

/// Sends one request and reads its answer, which must be a 2xx.
pub fn ask(address: SocketAddr, request: &[u8]) -> Outcome<Answer> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    stream.write_all(request)?;
    // Nothing more will come: the server answers and closes.
    stream.shutdown(std::net::Shutdown::Write)?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes)?;
    let end = bytes
        .windows(4)
        .position(|window| window == b"\r\n\r\n")
        .ok_or("an answer without an end of its head")?;
    let body = bytes.split_off(end + 4);
    let head = String::from_utf8(bytes)?;
    let status: u16 = head
        .split(' ')
        .nth(1)
        .ok_or("an answer without a status")?
        .parse()?;
    if !(200..300).contains(&status) {
        return Err(format!("answered {head}{}", String::from_utf8_lossy(&body)).into());
    }
    Ok(Answer { status, head, body })
}
