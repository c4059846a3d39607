//! Certificates that vouch for an upstream, read once, at the start.

use std::path::{Path, PathBuf};

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

/// Who vouches for an upstream.
#[derive(Clone, Debug)]
pub struct Authorities {
    file: PathBuf,
    roots: RootCertStore,
}

impl Authorities {
    /// Reads a PEM file.
    ///
    /// # Errors
    /// What is wrong with it, without its name.
    pub fn read(file: &Path) -> Result<Self, String> {
        let pem = std::fs::read(file).map_err(|e| format!("can't be read: {e}"))?;
        let mut roots = RootCertStore::empty();
        for (number, certificate) in (1..).zip(CertificateDer::pem_slice_iter(&pem)) {
            let certificate = certificate.map_err(|e| format!("must be PEM: {e}"))?;
            roots
                .add(certificate)
                .map_err(|e| format!("its certificate {number} can't vouch for anybody: {e}"))?;
        }
        if roots.is_empty() {
            return Err(
                "must hold certificates in PEM, each from -----BEGIN CERTIFICATE----- on"
                    .to_owned(),
            );
        }
        let file = file.to_owned();
        Ok(Self { file, roots })
    }

    /// Where they were read.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// The certificates.
    pub fn roots(&self) -> RootCertStore {
        self.roots.clone()
    }
}
