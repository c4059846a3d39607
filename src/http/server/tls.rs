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

use crate::config::{Certificate, CertificateFiles};
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
        });
        Ok(Arc::new(Self { files, state }))
    }

    /// Looks whether the files have changed. What can't be used leaves the old ones in force, and is logged once until it
    /// is right again.
    pub fn look(&self) {
        let known = self.state.read().current.digest;
        let read = self.files.read_if_new(&known);
        let mut state = self.state.write();
        match read {
            Ok(new) => {
                if let Some(new) = new {
                    state.current = new;
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

    #[test]
    fn who_watches_the_files_sees_that_they_have_changed() {
        let temporary = tempfile::tempdir().expect("a directory");
        let files = CertificateFiles {
            certificate: temporary.path().join("cert.pem"),
            key: temporary.path().join("key.pem"),
        };
        let of = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tls");
        std::fs::copy(of.join("localhost.pem"), &files.certificate).expect("copied");
        std::fs::copy(of.join("localhost.key.pem"), &files.key).expect("copied");
        std::fs::set_permissions(&files.key, PermissionsExt::from_mode(0o600)).expect("set");
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
                seen = tokio::time::timeout(Duration::from_secs(20), changed) => seen.expect("it is seen"),
            }
        });
    }
}
