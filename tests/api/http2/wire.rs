//! A client that speaks HTTP/2 over TLS frame by frame, and says whatever it is told to.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use atlas::config::{CertificateFiles, Settings};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::world::PATIENCE;

// Kinds of frames (RFC 9113, 6).
pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PING: u8 = 6;
pub const GOAWAY: u8 = 7;
pub const WINDOW_UPDATE: u8 = 8;

// Flags of frames.
pub const END_STREAM: u8 = 1;
pub const END_HEADERS: u8 = 4;
pub const ACK: u8 = 1;

// Settings (RFC 9113, 6.5.2).
pub const MAX_CONCURRENT_STREAMS: u16 = 3;
pub const INITIAL_WINDOW_SIZE: u16 = 4;
pub const MAX_HEADER_LIST_SIZE: u16 = 6;

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/tls")
        .join(name)
}

/// Lets a server speak TLS as localhost. The key is copied to where nobody else may read it.
pub fn over_tls(settings: &mut Settings) {
    let key = settings.data_dir.with_extension("key");
    std::fs::copy(file("localhost.key.pem"), &key).expect("copied");
    std::fs::set_permissions(&key, PermissionsExt::from_mode(0o600)).expect("set");
    settings.tls = Some(CertificateFiles {
        certificate: file("localhost.pem"),
        key,
    });
}

/// A frame as it came.
#[derive(Debug)]
pub struct Frame {
    pub kind: u8,
    pub stream: u32,
    pub payload: Vec<u8>,
}

impl Frame {
    /// The number in a frame that ends a stream or the connection.
    pub fn reason(&self) -> u32 {
        let at = if self.kind == GOAWAY { 4 } else { 0 };
        number(&self.payload[at..at + 4])
    }
}

fn number(bytes: &[u8]) -> u32 {
    u32::from_be_bytes(bytes.try_into().expect("four bytes"))
}

pub struct Client(StreamOwned<ClientConnection, TcpStream>);

impl Client {
    /// Agrees on TLS and HTTP/2, and says these settings.
    pub fn to(address: SocketAddr, settings: &[(u16, u32)]) -> Self {
        let mut roots = RootCertStore::empty();
        let authority = CertificateDer::from_pem_file(file("authority.pem")).expect("PEM");
        roots.add(authority).expect("an authority");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("TLS")
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"h2".to_vec()];
        let name = ServerName::try_from("localhost").expect("a name");
        let tls = ClientConnection::new(Arc::new(config), name).expect("a client");
        let stream = TcpStream::connect(address).expect("a connection");
        let patience = Some(PATIENCE);
        stream.set_read_timeout(patience).expect("a time-out");
        stream.set_write_timeout(patience).expect("a time-out");
        let mut client = Self(StreamOwned::new(tls, stream));
        client.write(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
        let mut said = Vec::new();
        for (name, value) in settings {
            said.extend_from_slice(&name.to_be_bytes());
            said.extend_from_slice(&value.to_be_bytes());
        }
        client.say(SETTINGS, 0, 0, &said);
        assert_eq!(client.0.conn.alpn_protocol(), Some(&b"h2"[..]));
        client
    }

    /// Writes what the server takes.
    fn write(&mut self, bytes: &[u8]) -> bool {
        self.0
            .write_all(bytes)
            .and_then(|()| self.0.flush())
            .is_ok()
    }

    /// Sends a frame; whether it went.
    pub fn say(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) -> bool {
        self.write(&frame(kind, flags, stream, payload))
    }

    /// Sends all of these frames at once; whether they went.
    pub fn say_all(&mut self, frames: &[Vec<u8>]) -> bool {
        self.write(&frames.concat())
    }

    /// Begins a request.
    pub fn ask(&mut self, stream: u32, flags: u8, headers: &[(&str, &str)]) -> bool {
        self.say(HEADERS, flags | END_HEADERS, stream, &block(headers))
    }

    /// The next frame; None when the server has ended the connection.
    pub fn next(&mut self) -> Option<Frame> {
        let mut head = [0; 9];
        self.read(&mut head)?;
        let length = number(&[0, head[0], head[1], head[2]]);
        let mut payload = vec![0; usize::try_from(length).expect("a length")];
        self.read(&mut payload)?;
        Some(Frame {
            kind: head[3],
            stream: number(&head[5..]),
            payload,
        })
    }

    fn read(&mut self, bytes: &mut [u8]) -> Option<()> {
        match self.0.read_exact(bytes) {
            Ok(()) => Some(()),
            Err(e) => {
                let is_late = e.kind() == std::io::ErrorKind::WouldBlock;
                assert!(!is_late, "nothing came in time");
                None
            }
        }
    }

    /// The next frame of this stream, or the one that ends the connection.
    pub fn next_of(&mut self, stream: u32) -> Option<Frame> {
        loop {
            let frame = self.next()?;
            if frame.stream == stream || frame.kind == GOAWAY {
                return Some(frame);
            }
        }
    }

    /// The status that this stream is answered with; or how it ended instead.
    pub fn status_of(&mut self, stream: u32) -> Result<u16, Option<u32>> {
        let frame = self.next_of(stream).ok_or(None)?;
        match frame.kind {
            HEADERS => Ok(status(&frame.payload)),
            RST_STREAM | GOAWAY => Err(Some(frame.reason())),
            kind => panic!("a frame of the kind {kind}"),
        }
    }
}

pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("short").to_be_bytes();
    let mut frame = vec![length[1], length[2], length[3], kind, flags];
    frame.extend_from_slice(&stream.to_be_bytes());
    frame.extend_from_slice(payload);
    frame
}

/// Headers, each spelled out (RFC 7541, 6.2.2).
pub fn block(headers: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in headers {
        block.push(0);
        for text in [name, value] {
            push_length(&mut block, text.len());
            block.extend_from_slice(text.as_bytes());
        }
    }
    block
}

/// An integer with a prefix of seven bits (RFC 7541, 5.1).
fn push_length(block: &mut Vec<u8>, length: usize) {
    let byte = |number: usize| u8::try_from(number).expect("a byte");
    let Some(mut rest) = length.checked_sub(127) else {
        return block.push(byte(length));
    };
    block.push(127);
    while rest >= 128 {
        block.push(byte(rest % 128 + 128));
        rest /= 128;
    }
    block.push(byte(rest));
}

/// The status, which comes first: from the static table, or with its digits plain or in Huffman's code, in which 0 to 9
/// that are needed here have five and six bits (RFC 7541, A and B).
fn status(block: &[u8]) -> u16 {
    match block[0] {
        0x88 => 200,
        0x89 => 204,
        0x8c => 400,
        0x8d => 404,
        0x8e => 500,
        0x48 | 0x08 if block[1] & 0x80 == 0 => {
            let digits = std::str::from_utf8(&block[2..5]).expect("digits");
            digits.parse().expect("a status")
        }
        0x48 | 0x08 => {
            let coded = &block[2..2 + usize::from(block[1] & 0x7f)];
            let bits: String = coded.iter().map(|byte| format!("{byte:08b}")).collect();
            let mut rest = bits.as_str();
            let mut digits = String::new();
            while digits.len() < 3 {
                let (length, digit) = match &rest[..5] {
                    "00000" => (5, '0'),
                    "00001" => (5, '1'),
                    "00010" => (5, '2'),
                    _ => {
                        let code = u32::from_str_radix(&rest[..6], 2).expect("bits");
                        let digit = char::from_digit(code - 0b01_1001 + 3, 10);
                        (6, digit.expect("a digit"))
                    }
                };
                digits.push(digit);
                rest = &rest[length..];
            }
            digits.parse().expect("a status")
        }
        other => panic!("no status begins with {other:#x}"),
    }
}
