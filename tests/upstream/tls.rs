//! TLS to the upstream: only who proves to be the host of the URL is spoken to.

use std::path::{Path, PathBuf};
use std::process::Command;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::caller::Call;
use crate::process::{has_tool, text};
use crate::upstream::Upstream;
use crate::world::World;

/// Files of a certificate for `name`, as `DNS:...` or `IP:...`, in a directory of its own.
struct Certificate {
    directory: tempfile::TempDir,
    /// The file that vouches for it.
    authority: PathBuf,
}

fn openssl(directory: &Path, arguments: &str) {
    let output = Command::new("openssl")
        .args(arguments.split(' '))
        .current_dir(directory)
        .output()
        .expect("openssl runs");
    assert!(
        output.status.success(),
        "{arguments}: {}",
        text(&output.stderr)
    );
}

const NEW_KEY: &str = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";

impl Certificate {
    /// A certificate that vouches for itself.
    fn of_its_own(name: &str) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        openssl(
            directory.path(),
            &format!(
                "req -x509 {NEW_KEY} -days 2 -subj /CN=upstream -keyout key.pem -out cert.pem \
                 -addext basicConstraints=critical,CA:FALSE -addext subjectAltName={name}"
            ),
        );
        let authority = directory.path().join("cert.pem");
        Self {
            directory,
            authority,
        }
    }

    /// A certificate of an authority of the house.
    fn of_an_authority(name: &str, days: &str) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let run = |arguments: &str| openssl(directory.path(), arguments);
        run(&format!(
            "req -x509 {NEW_KEY} -days 2 -subj /CN=house -keyout ca.key -out ca.pem"
        ));
        run(&format!(
            "req {NEW_KEY} -subj /CN=upstream -keyout key.pem -out request.pem"
        ));
        let extensions = format!("basicConstraints=critical,CA:FALSE\nsubjectAltName={name}\n");
        std::fs::write(directory.path().join("extensions"), extensions).expect("written");
        run(&format!(
            "x509 -req -in request.pem -CA ca.pem -CAkey ca.key -CAcreateserial -days {days} \
             -extfile extensions -out cert.pem"
        ));
        let authority = directory.path().join("ca.pem");
        Self {
            directory,
            authority,
        }
    }

    /// A world whose upstream shows this certificate, and whose server trusts those.
    fn world(&self, host: &str, trusts: Option<&Path>) -> World {
        let certificate = CertificateDer::from_pem_file(self.directory.path().join("cert.pem"));
        let key = PrivateKeyDer::from_pem_file(self.directory.path().join("key.pem"));
        let config = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.expect("PEM")], key.expect("PEM"));
        let upstream = Upstream::over_tls(config.expect("a certificate and its key"));
        let url = format!("https://{host}:{}/base/v1", upstream.address().port());
        let mut flags = Vec::new();
        if let Some(path) = trusts {
            flags.extend(["--live-ca-file", path.to_str().expect("UTF-8")]);
        }
        World::to(upstream, &url, &flags)
    }
}

fn has_openssl() -> bool {
    has_tool("openssl", &["version"])
}

#[track_caller]
fn assert_refused(world: &World) {
    for call in [Call::keyed("order_1"), Call::get("/functions/v1/a")] {
        world.send(&call).expect(502, "upstream_unreachable");
    }
    assert!(
        world.upstream.hits().is_empty(),
        "nothing is said to a stranger"
    );
    assert_eq!(world.claims().len(), 0);
}

#[test]
fn a_certificate_that_nobody_vouches_for_is_refused() {
    if !has_openssl() {
        return;
    }
    for certificate in [
        Certificate::of_its_own("IP:127.0.0.1"),
        Certificate::of_an_authority("IP:127.0.0.1", "2"),
    ] {
        assert_refused(&certificate.world("127.0.0.1", None));
        let other = Certificate::of_an_authority("IP:127.0.0.1", "2");
        assert_refused(&certificate.world("127.0.0.1", Some(&other.authority)));
    }
}

#[test]
fn a_certificate_that_the_file_vouches_for_is_accepted() {
    if !has_openssl() {
        return;
    }
    for (host, certificate) in [
        ("127.0.0.1", Certificate::of_its_own("IP:127.0.0.1")),
        (
            "127.0.0.1",
            Certificate::of_an_authority("IP:127.0.0.1", "2"),
        ),
        ("localhost", Certificate::of_its_own("DNS:localhost")),
        (
            "localhost",
            Certificate::of_an_authority("DNS:localhost", "2"),
        ),
    ] {
        let world = certificate.world(host, Some(&certificate.authority));
        let reply = world.send(&Call::keyed("order_1"));
        assert_eq!(reply.expect_status(201).header("x-charge"), "ch_1");
        assert!(world.send(&Call::keyed("order_1")).replayed());
        let hit = world.upstream.hit();
        let port = world.upstream.address().port();
        assert_eq!(hit.header("host"), format!("{host}:{port}"));
        assert_eq!(hit.target, "/base/v1/charges");
        let mut caller = world.caller();
        for _ in 0..20 {
            let reply = caller.send(&Call::get("/functions/v1/a"), &world.secret);
            reply.expect("an answer").expect_status(200);
        }
        assert!(world.upstream.connections() < 20, "a session is used again");
    }
}

#[test]
fn a_certificate_of_another_host_is_refused() {
    if !has_openssl() {
        return;
    }
    for (host, name) in [
        ("127.0.0.1", "DNS:elsewhere.example"),
        ("127.0.0.1", "IP:127.0.0.2"),
        ("localhost", "DNS:localhost.example"),
        ("localhost", "IP:127.0.0.1"),
        ("127.0.0.1", "DNS:localhost"),
    ] {
        for certificate in [
            Certificate::of_its_own(name),
            Certificate::of_an_authority(name, "2"),
        ] {
            assert_refused(&certificate.world(host, Some(&certificate.authority)));
        }
    }
}

#[test]
fn a_certificate_whose_time_is_over_is_refused() {
    if !has_openssl() {
        return;
    }
    let certificate = Certificate::of_an_authority("IP:127.0.0.1", "-1");
    assert_refused(&certificate.world("127.0.0.1", Some(&certificate.authority)));
}

#[test]
fn an_answer_over_tls_that_is_cut_is_not_made_whole() {
    if !has_openssl() {
        return;
    }
    let certificate = Certificate::of_an_authority("IP:127.0.0.1", "2");
    let world = certificate.world("127.0.0.1", Some(&certificate.authority));
    for said in [
        "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nsome",
        // Without a length the end of the connection is the end; without a farewell it is none.
        "HTTP/1.1 200 OK\r\n\r\nsome",
    ] {
        world.upstream.then(crate::script::cut(said));
        let call = Call::keyed(&format!("order_{}", said.len()));
        world.send(&call).expect(504, "upstream_outcome_unknown");
        world.send(&call).expect_status(201);
    }
}
