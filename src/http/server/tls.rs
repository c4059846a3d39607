//! TLS: the handshake, and the certificate that is shown in it, which changes when its files do.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::RwLock;
use rustls::ServerConfig;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::clock::Clock;
use crate::config::{Certificate, CertificateFiles, Validity};
use crate::domain::time::Timestamp;
use crate::policy;

/// HTTP/2, by its name in a handshake (RFC 7301).
pub(super) const H2: &[u8] = b"h2";
const HTTP_1_1: &[u8] = b"http/1.1";

/// The certificate in force.
#[derive(Debug)]
pub struct Certificates {
    files: CertificateFiles,
    state: RwLock<State>,
}

#[derive(Debug)]
struct State {
    current: Certificate,
    /// What is wrong with the files has been logged.
    is_wrong: bool,
    /// What has been logged of how long the current one is good.
    said: Validity,
}

impl State {
    /// What is to be logged when the current one is good for less long than was said.
    fn warning(&mut self, files: &CertificateFiles, now: Timestamp) -> Option<String> {
        let validity = self.current.validity(now);
        let is_worse = validity > std::mem::replace(&mut self.said, validity);
        let end = self.current.expires_at.spelled();
        let fate = match validity {
            Validity::Good => return None,
            Validity::EndsSoon => format!("expires on {end}"),
            Validity::Expired => format!("expired on {end}, so clients refuse it"),
        };
        is_worse.then(|| {
            format!(
                "tls_cert = {}: the certificate {fate}; put a renewed one there and its key at tls_key = {}, and it is \
                 in force at the next look at them",
                files.certificate.display(),
                files.key.display(),
            )
        })
    }
}

impl Certificates {
    /// Reads them for the first time.
    ///
    /// # Errors
    /// One line that names the setting and its file.
    pub fn read(files: CertificateFiles) -> Result<Arc<Self>, String> {
        let current = files.read()?;
        let state = RwLock::new(State {
            current,
            is_wrong: false,
            said: Validity::Good,
        });
        let read = Self { files, state };
        read.warn(&mut read.state.write());
        Ok(Arc::new(read))
    }

    /// When the one in force expires.
    pub fn expires_at(&self) -> Timestamp {
        self.state.read().current.expires_at
    }

    /// Looks whether the files have changed, because somebody wants to know how they stand.
    pub fn look_again(&self) {
        self.state.write().said = Validity::Good;
        self.look();
    }

    /// Looks whether the files have changed. What can't be used leaves the old ones in force, and is logged once until it
    /// is right again; so is a certificate that is not good for long.
    fn look(&self) {
        let known = self.state.read().current.digest;
        let read = self.files.read_if_new(&known);
        let mut state = self.state.write();
        match read {
            Ok(new) => {
                if let Some(new) = new {
                    state.current = new;
                    state.said = Validity::Good;
                    log::info!(
                        "a new certificate is in force, from {}",
                        self.files.certificate.display()
                    );
                } else if state.is_wrong {
                    log::info!("the certificate's files are right again, and as they were");
                }
                state.is_wrong = false;
            }
            Err(why) if !std::mem::replace(&mut state.is_wrong, true) => {
                log::warn!("the certificate is not read anew, the old one stays in force: {why}");
            }
            Err(_) => (),
        }
        self.warn(&mut state);
    }

    fn warn(&self, state: &mut State) {
        // Clients go by the time that everybody has.
        if let Some(line) = state.warning(&self.files, Clock::system_now()) {
            log::warn!("{line}");
        }
    }

    /// Looks from time to time, for ever.
    pub async fn watch(self: Arc<Self>, pace: Duration) {
        let mut looks = tokio::time::interval(pace);
        loop {
            looks.tick().await;
            self.look();
        }
    }

    /// What makes connections over TLS.
    ///
    /// # Errors
    /// That there is no TLS.
    pub(super) fn acceptor(self: &Arc<Self>) -> Result<TlsAcceptor, String> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|e| format!("There is no TLS here: {e}"))?
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(self) as Arc<dyn ResolvesServerCert>);
        config.alpn_protocols = vec![H2.to_vec(), HTTP_1_1.to_vec()];
        Ok(TlsAcceptor::from(Arc::new(config)))
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.state.read().current.shown))
    }
}

/// What somebody is told who speaks HTTP in clear here.
const WRONG_SCHEME: &[u8] = b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nConnection: close\r\nContent-Length: 47\r\n\r\n\
    This port speaks TLS only: begin with https://\n";
/// The first byte of a handshake (RFC 8446, 5.1).
const HANDSHAKE: u8 = 22;

/// Agrees with a client on TLS; None when that does not come about.
pub(super) async fn accept(
    acceptor: &TlsAcceptor,
    stream: TcpStream,
    most: Duration,
) -> Option<TlsStream<TcpStream>> {
    let agreeing = async {
        let mut first = [0];
        let speaks_tls = stream.peek(&mut first).await? == 0 || first == [HANDSHAKE];
        if !speaks_tls {
            refuse(stream).await?;
            return Ok(None);
        }
        acceptor.accept(stream).await.map(Some)
    };
    let agreed = tokio::time::timeout(most, agreeing).await;
    match agreed {
        Ok(Ok(stream)) => stream,
        Ok(Err(e)) => {
            log::debug!("no TLS was agreed on: {e}");
            None
        }
        Err(_) => {
            log::debug!("no TLS was agreed on in time");
            None
        }
    }
}

async fn refuse(mut stream: TcpStream) -> std::io::Result<()> {
    stream.write_all(WRONG_SCHEME).await?;
    stream.shutdown().await?;
    // Closed with something unread, the connection would be reset, and the client might not read what it is told.
    let mut rest = [0; 1024];
    let reading = async {
        while stream.read(&mut rest).await? > 0 {}
        std::io::Result::Ok(())
    };
    tokio::time::timeout(policy::FAREWELL, reading)
        .await
        .unwrap_or(Ok(()))
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;

    use super::*;

    /// A certificate that is good until 2120, and its key.
    fn copied(folder: &Path) -> CertificateFiles {
        let files = CertificateFiles {
            certificate: folder.join("cert.pem"),
            key: folder.join("key.pem"),
        };
        let of = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tls");
        std::fs::copy(of.join("localhost.pem"), &files.certificate).expect("copied");
        std::fs::copy(of.join("localhost.key.pem"), &files.key).expect("copied");
        std::fs::set_permissions(&files.key, PermissionsExt::from_mode(0o600)).expect("set");
        files
    }

    #[test]
    fn a_certificate_that_grows_old_is_spoken_of_once_a_step() {
        let temporary = tempfile::tempdir().expect("a directory");
        let files = copied(temporary.path());
        let certificates = Certificates::read(files.clone()).expect("a certificate");
        let mut state = certificates.state.write();
        let end = state.current.expires_at;
        let day = Duration::from_secs(24 * 60 * 60);
        for (now, says) in [
            (end.minus(15 * day), None),
            (end.minus(13 * day), Some("expires on 1 Jan 2120")),
            (end.minus(day), None),
            (end, Some("expired on 1 Jan 2120")),
            (end.plus(day), None),
        ] {
            let line = state.warning(&files, now);
            assert_eq!(line.is_some(), says.is_some(), "{line:?}");
            let line = line.unwrap_or_default();
            assert!(line.contains(says.unwrap_or_default()), "{line}");
        }
    }

    #[test]
    fn who_watches_the_files_sees_that_they_have_changed() {
        let temporary = tempfile::tempdir().expect("a directory");
        let files = copied(temporary.path());
        let certificates = Certificates::read(files.clone()).expect("a certificate");
        let digest = || certificates.state.read().current.digest;
        let before = digest();
        let mut file = std::fs::File::options()
            .append(true)
            .open(&files.certificate)
            .expect("opened");
        file.write_all(b"\nrenewed\n").expect("written");
        let watching = Arc::clone(&certificates).watch(Duration::from_millis(1));
        let changed = async {
            while digest() == before {
                tokio::task::yield_now().await;
            }
        };
        actix_web::rt::System::new().block_on(async {
            tokio::select! {
                () = watching => (),
                seen = tokio::time::timeout(Duration::from_secs(60), changed) => seen.expect("it is seen"),
            }
        });
    }
}
