//! The certificate and the key that the server shows, in two files that somebody renews while it runs.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::sign::CertifiedKey;
use rustls::{CertificateError, RootCertStore};
use zeroize::Zeroizing;

use super::secret_file;
use super::upstream::Variable;
use crate::domain::time::Timestamp;
use crate::policy;

/// Where the two are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateFiles {
    /// The certificate, and those between it and the authority.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// A certificate and the key that belongs to it, checked.
#[derive(Clone)]
pub struct Certificate {
    /// What a handshake needs.
    pub shown: Arc<CertifiedKey>,
    /// Tells two contents of the files apart.
    pub digest: [u8; 32],
    /// When clients begin to refuse it.
    pub expires_at: Timestamp,
}

/// How long a certificate is good; the later, the worse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Validity {
    /// For [`policy::TLS_RENEWAL`] at least.
    Good,
    /// Not for so long.
    EndsSoon,
    /// Not any more.
    Expired,
}

impl Certificate {
    /// How long it is good from now.
    pub fn validity(&self, now: Timestamp) -> Validity {
        if self.expires_at <= now {
            Validity::Expired
        } else if self.expires_at.since(now) < policy::TLS_RENEWAL {
            Validity::EndsSoon
        } else {
            Validity::Good
        }
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Certificate(..)")
    }
}

/// What stands in the two files.
struct Content {
    certificate: Vec<u8>,
    key: Zeroizing<Vec<u8>>,
}

impl CertificateFiles {
    /// The files that the settings name, or `tls_cert` and `tls_key` in the directory of credentials that systemd gives.
    ///
    /// # Errors
    /// One line: of two settings that belong together one is missing, or both ways are used.
    pub(super) fn find(
        certificate: Option<PathBuf>,
        key: Option<PathBuf>,
        variable: Variable<'_>,
    ) -> Result<Option<Self>, String> {
        let credential = |name: &str| {
            let path = Path::new(&variable("CREDENTIALS_DIRECTORY")?).join(name);
            // What can't be looked at is not passed over.
            (!matches!(path.try_exists(), Ok(false))).then_some(path)
        };
        let given = (credential("tls_cert"), credential("tls_key"));
        let (certificate, key, place) = match ((certificate, key), given) {
            ((None, None), (certificate, key)) => (certificate, key, " in $CREDENTIALS_DIRECTORY"),
            ((certificate, key), (None, None)) => (certificate, key, ""),
            (_, (_, _)) => {
                return Err(
                    "tls_cert and tls_key are given twice, by settings and in $CREDENTIALS_DIRECTORY: only one of \
                     them can count"
                        .to_owned(),
                );
            }
        };
        let alone = |there, missing| {
            Err(format!(
                "{there}{place} is set, but {missing} is not: TLS takes a certificate and its key"
            ))
        };
        match (certificate, key) {
            (None, None) => Ok(None),
            (Some(certificate), Some(key)) => Ok(Some(Self { certificate, key })),
            (Some(_), None) => alone("tls_cert", "tls_key"),
            (None, Some(_)) => alone("tls_key", "tls_cert"),
        }
    }

    /// Reads and checks both.
    ///
    /// # Errors
    /// One line that names the setting and its file.
    pub fn read(&self) -> Result<Certificate, String> {
        let content = self.content()?;
        self.check(&content)
    }

    /// The same; None when nothing has changed since they read as this digest.
    ///
    /// # Errors
    /// One line that names the setting and its file.
    pub fn read_if_new(&self, known: &[u8; 32]) -> Result<Option<Certificate>, String> {
        let content = self.content()?;
        if content.digest() == *known {
            return Ok(None);
        }
        self.check(&content).map(Some)
    }

    fn content(&self) -> Result<Content, String> {
        let read = |name: &str, path: &Path, is_secret: bool| {
            content_of(path, is_secret).map_err(|why| format!("{name} = {}: {why}", path.display()))
        };
        Ok(Content {
            certificate: read("tls_cert", &self.certificate, false)?.to_vec(),
            key: read("tls_key", &self.key, true)?,
        })
    }

    fn check(&self, content: &Content) -> Result<Certificate, String> {
        let of_certificate =
            |why: String| format!("tls_cert = {}: {why}", self.certificate.display());
        let of_key = |why: String| format!("tls_key = {}: {why}", self.key.display());
        let chain: Vec<_> = CertificateDer::pem_slice_iter(&content.certificate)
            .collect::<Result<_, _>>()
            .map_err(|e| of_certificate(format!("must be PEM: {e}")))?;
        if chain.is_empty() {
            return Err(of_certificate(
                "must hold certificates in PEM, the server's own first".to_owned(),
            ));
        }
        check_chain(&chain).map_err(of_certificate)?;
        let key = PrivateKeyDer::from_pem_slice(&content.key).map_err(|_| {
            of_key("must hold a private key in PEM, without a passphrase".to_owned())
        })?;
        let provider = rustls::crypto::ring::default_provider();
        let key = provider
            .key_provider
            .load_private_key(key)
            .map_err(|e| of_key(format!("is no key that can be used: {e}")))?;
        let shown = CertifiedKey::new(chain, key);
        let unusable = |e| of_certificate(format!("its first certificate can't be used: {e}"));
        match shown.keys_match() {
            Ok(()) => (),
            Err(rustls::Error::InconsistentKeys(_)) => {
                return Err(of_key(format!(
                    "is not the key of tls_cert = {}",
                    self.certificate.display()
                )));
            }
            Err(e) => return Err(unusable(e)),
        }
        let own = shown.end_entity_cert().map_err(unusable)?;
        let expires_at = expiry_of(own, &provider).map_err(unusable)?;
        Ok(Certificate {
            shown: Arc::new(shown),
            digest: content.digest(),
            expires_at,
        })
    }
}

/// Whether each can be read, since a client that meets one that can't ends the handshake. What else may be odd about
/// those behind the first (an old version, a critical extension) is the client's to judge.
fn check_chain(chain: &[CertificateDer<'_>]) -> Result<(), String> {
    let broken = chain.iter().position(|certificate| {
        let bad = rustls::Error::InvalidCertificate(CertificateError::BadEncoding);
        ParsedCertificate::try_from(certificate).is_err_and(|e| e == bad)
    });
    broken.map_or(Ok(()), |at| {
        Err(format!(
            "certificate {} of the {} in it can't be read: it is damaged, or cut short",
            at + 1,
            chain.len()
        ))
    })
}

/// When a certificate expires. rustls tells that only of one that has, so it is judged at the end of time.
fn expiry_of(
    certificate: &CertificateDer<'_>,
    provider: &CryptoProvider,
) -> Result<Timestamp, rustls::Error> {
    let judged = verify_server_cert_signed_by_trust_anchor(
        &ParsedCertificate::try_from(certificate)?,
        &RootCertStore::empty(),
        &[],
        UnixTime::since_unix_epoch(Duration::MAX),
        provider.signature_verification_algorithms.all,
    );
    match judged {
        Err(rustls::Error::InvalidCertificate(CertificateError::ExpiredContext {
            not_after,
            ..
        })) => Ok(Timestamp::from_millis(
            not_after.as_secs().saturating_mul(1_000),
        )),
        Err(e) => Err(e),
        Ok(()) => Err(rustls::Error::General("it has no end".to_owned())),
    }
}

impl Content {
    fn digest(&self) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new();
        hasher.update(blake3::hash(&self.certificate).as_bytes());
        hasher.update(blake3::hash(&self.key).as_bytes());
        hasher.finalize().into()
    }
}

fn content_of(path: &Path, is_secret: bool) -> Result<Zeroizing<Vec<u8>>, String> {
    let unreadable = |e: std::io::Error| format!("can't be read: {e}");
    let file = if is_secret {
        secret_file::open(path)?
    } else {
        File::open(path).map_err(unreadable)?
    };
    // Room for all of it, so that no copy is left behind by growing.
    let most = policy::TLS_FILE_MAX;
    let mut content = Zeroizing::new(Vec::with_capacity(most + 1));
    file.take(most as u64 + 1)
        .read_to_end(&mut content)
        .map_err(unreadable)?;
    if content.len() > most {
        return Err(format!("must not be larger than {} KiB", most / 1024));
    }
    Ok(content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_is_good_until_its_renewal_is_late_and_no_longer_than_it_says() {
        let tls = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tls");
        let key = tempfile::NamedTempFile::new().expect("a file");
        std::fs::copy(tls.join("localhost.key.pem"), key.path()).expect("copied");
        std::process::Command::new("chmod")
            .arg("600")
            .arg(key.path())
            .status()
            .expect("chmod runs");
        let read = |name: &str| {
            let files = CertificateFiles {
                certificate: tls.join(name),
                key: key.path().to_owned(),
            };
            files.read().expect("a certificate")
        };
        for (name, end) in [
            ("localhost.pem", "2120-01-01T00:00:00Z"),
            ("expired.pem", "2020-02-01T00:00:00Z"),
        ] {
            let certificate = read(name);
            let end = Timestamp::parse(end).expect("a time");
            assert_eq!(certificate.expires_at, end);
            let late = end.minus(policy::TLS_RENEWAL);
            let blink = Duration::from_millis(1);
            for (now, validity) in [
                (Timestamp::default(), Validity::Good),
                (late, Validity::Good),
                (late.plus(blink), Validity::EndsSoon),
                (end.minus(blink), Validity::EndsSoon),
                (end, Validity::Expired),
                (end.plus(blink), Validity::Expired),
            ] {
                assert_eq!(certificate.validity(now), validity, "{name} {now:?}");
            }
        }
    }
}
