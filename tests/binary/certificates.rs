//! The certificate: which can be served with, and how it is renewed while the server runs.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::metrics::{samples, scrape};
use crate::process::{Atlas, BINARY, eventually, has_tool, read_log, run, text};
use crate::tls::{Files, certificates, chmod};

/// Makes a certificate for localhost that vouches for itself, and its key.
fn make(files: &Files, name: &str) {
    let made = Command::new("openssl")
        .args(
            "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2".split(' '),
        )
        .args([
            "-subj",
            &format!("/CN={name}"),
            "-addext",
            "subjectAltName=DNS:localhost",
        ])
        .args([
            "-keyout",
            &files.path(&format!("{name}.key")),
            "-out",
            &files.path(&format!("{name}.pem")),
        ])
        .output()
        .expect("openssl runs");
    assert!(made.status.success(), "{}", text(&made.stderr));
}

/// The subject of the certificate that is shown in a handshake.
fn shown(atlas: &Atlas) -> String {
    let client = Command::new("openssl")
        .args([
            "s_client",
            "-connect",
            &atlas.address.to_string(),
            "-servername",
            "localhost",
        ])
        .stdin(Stdio::null())
        .output()
        .expect("openssl runs");
    let said = text(&client.stdout);
    let subject = said.lines().find(|line| line.starts_with("subject="));
    subject
        .unwrap_or_else(|| panic!("no certificate: {said}"))
        .to_owned()
}

/// SIGHUP, as `systemctl reload` sends it.
fn tell_to_look_again(atlas: &Atlas) {
    let pid = atlas.pid().to_string();
    let told = Command::new("kill").args(["-s", "HUP", &pid]).status();
    assert!(told.expect("kill runs").success());
}

#[test]
fn a_renewed_certificate_is_in_force_when_the_server_is_told_and_half_of_one_is_not() {
    if !has_tool("openssl", &["version"]) {
        return;
    }
    let files = Files::new();
    let atlas = files.serve("serve");
    assert!(shown(&atlas).contains("localhost"));
    make(&files, "renewed");
    let hang_up = |log: &str, times: usize| {
        tell_to_look_again(&atlas);
        eventually(log, || {
            read_log(&files.data()).matches(log).count() == times
        });
    };
    files.put("cert.pem", Path::new(&files.path("renewed.pem")));
    hang_up("is not the key of tls_cert", 1);
    assert!(shown(&atlas).contains("localhost"), "the old one serves on");
    files.put("key.pem", Path::new(&files.path("renewed.key")));
    hang_up("a new certificate is in force", 1);
    assert!(shown(&atlas).contains("renewed"));
    chmod("604", Path::new(&files.path("key.pem")));
    hang_up("everybody on this machine may use it", 1);
    std::fs::remove_file(files.path("cert.pem")).expect("removed");
    assert!(shown(&atlas).contains("renewed"));
    files.put("cert.pem", Path::new(&files.path("renewed.pem")));
    chmod("600", Path::new(&files.path("key.pem")));
    hang_up("are right again", 1);
    assert_eq!(
        read_log(&files.data())
            .matches("the old one stays in force")
            .count(),
        2
    );
    assert_eq!(atlas.terminate().code(), Some(0));
}

#[test]
fn a_chain_with_a_certificate_that_can_t_be_read_is_refused_and_leaves_the_old_one_in_force() {
    if !has_tool("openssl", &["version"]) {
        return;
    }
    let files = Files::new();
    let atlas = files.serve("serve");
    make(&files, "other");
    let own = std::fs::read_to_string(files.path("cert.pem")).expect("read");
    let other = std::fs::read_to_string(files.path("other.pem")).expect("read");
    let block = |inner: &str| {
        format!("{own}-----BEGIN CERTIFICATE-----\n{inner}\n-----END CERTIFICATE-----\n")
    };
    let half: String = other.lines().skip(1).take(4).collect();
    for (at, broken) in [block("AAAA"), block(&half)].iter().enumerate() {
        std::fs::write(files.path("cert.pem"), broken).expect("written");
        let arguments = ["check-config", "--tls-cert", &files.path("cert.pem")];
        let key = files.path("key.pem");
        let arguments = [&arguments[..], &["--tls-key", &key]].concat();
        let output = run(&arguments, &files.data());
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(
            said.contains("tls_cert = ") && said.contains("certificate 2 of the 2"),
            "{said}"
        );
        tell_to_look_again(&atlas);
        // A fault is logged once until the files are right again.
        eventually("it is told", || {
            read_log(&files.data())
                .matches("certificate 2 of the 2")
                .count()
                == at + 1
        });
        assert!(shown(&atlas).contains("localhost"));
        std::fs::write(files.path("cert.pem"), format!("{own}{other}")).expect("written");
        tell_to_look_again(&atlas);
        eventually("it is right again", || {
            let log = read_log(&files.data());
            let right = ["are right again", "a new certificate is in force"];
            right
                .iter()
                .map(|line| log.matches(line).count())
                .sum::<usize>()
                > at
        });
        assert!(shown(&atlas).contains("localhost"));
    }
}

/// What the metrics say of the end of the certificate, in days since 1970.
fn told_end(files: &Files) -> Option<f64> {
    let name = "atlas_tls_certificate_expiry_timestamp_seconds";
    let seconds = *samples(&scrape(&files.data())).get(name)?;
    Some(seconds / 86_400.0)
}

#[test]
fn a_certificate_that_clients_refuse_or_soon_will_is_warned_of_at_the_start_and_at_each_reload() {
    if !has_tool("openssl", &["version"]) {
        return;
    }
    let files = Files::new();
    files.put("cert.pem", &certificates().join("expired.pem"));
    let atlas = files.serve("serve");
    let warned = |end: &str| {
        let log = read_log(&files.data());
        let place = format!(
            "tls_cert = {}: the certificate {end}",
            files.path("cert.pem")
        );
        let lines = log.lines().filter(|line| line.contains("WARN"));
        lines.filter(|line| line.contains(&place)).count()
    };
    let expired =
        "expired on 1 Feb 2020, 00:00:00 UTC, so clients refuse it; put a renewed one there";
    eventually("it is said at the start", || warned(expired) == 1);
    assert_eq!(told_end(&files), Some(18_293.0));
    tell_to_look_again(&atlas);
    eventually("it is said again", || warned(expired) == 2);

    // In the order in which nothing fits together for a moment.
    make(&files, "soon");
    files.put("key.pem", Path::new(&files.path("soon.key")));
    files.put("cert.pem", Path::new(&files.path("soon.pem")));
    tell_to_look_again(&atlas);
    eventually("the new one is warned of", || warned("expires on ") > 0);
    assert!(told_end(&files) > Some(20_000.0));

    let good = Files::new();
    files.put("key.pem", Path::new(&good.path("key.pem")));
    files.put("cert.pem", Path::new(&good.path("cert.pem")));
    tell_to_look_again(&atlas);
    eventually("the good one is in force", || {
        told_end(&files) == Some(54_786.0)
    });
    tell_to_look_again(&atlas);
    assert_eq!(atlas.terminate().code(), Some(0));
    assert_eq!((warned(expired), warned("expires on ")), (2, 1));
}

#[test]
fn a_service_without_tls_is_not_ended_by_a_reload() {
    let temporary = tempfile::tempdir().expect("a directory");
    let directory = temporary.path().join("data");
    let atlas = Atlas::serve(&directory, &[]);
    tell_to_look_again(&atlas);
    eventually("it is logged", || {
        read_log(&directory).contains("nothing to read")
    });
    assert!(!scrape(&directory).contains("atlas_tls_"));
    assert_eq!(atlas.terminate().code(), Some(0));
}

#[test]
fn what_can_t_be_served_with_ends_the_start_and_says_why() {
    let files = Files::new();
    files.put("other.pem", &certificates().join("authority.pem"));
    files.put("open.key", &certificates().join("localhost.key.pem"));
    chmod("644", Path::new(&files.path("open.key")));
    std::fs::write(files.path("not.pem"), "nothing").expect("written");
    let (cert, key) = (files.path("cert.pem"), files.path("key.pem"));
    let of = |name: &str| files.path(name);
    for (given, says) in [
        (
            vec!["--tls-cert", &cert],
            vec!["tls_cert is set, but tls_key is not"],
        ),
        (
            vec!["--tls-key", &key],
            vec!["tls_key is set, but tls_cert is not"],
        ),
        (
            vec!["--tls-cert", &cert, "--tls-key", "/nowhere"],
            vec!["tls_key = /nowhere: can't be read"],
        ),
        (
            vec!["--tls-cert", &cert, "--tls-key", &of("open.key")],
            vec!["tls_key = ", "chmod o="],
        ),
        (
            vec!["--tls-cert", &of("not.pem"), "--tls-key", &key],
            vec!["tls_cert = ", "must hold certificates in PEM"],
        ),
        (
            vec!["--tls-cert", &cert, "--tls-key", &cert],
            vec!["tls_key = ", "must hold a private key in PEM"],
        ),
        (
            vec!["--tls-cert", &of("other.pem"), "--tls-key", &key],
            vec!["tls_key = ", "is not the key of tls_cert = "],
        ),
        (
            vec!["--tls-cert", "/dev/zero", "--tls-key", &key],
            vec!["tls_cert = /dev/zero", "256 KiB"],
        ),
    ] {
        for command in ["serve", "check-config"] {
            let output = run(&[&[command], &given[..]].concat(), &files.data());
            let message = text(&output.stderr);
            assert_eq!(output.status.code(), Some(2), "{given:?}: {message}");
            for word in &says {
                assert!(message.contains(word), "{given:?}: {message} has no {word}");
            }
        }
    }
}

#[test]
fn a_service_may_get_both_as_credentials() {
    let files = Files::new();
    let credentials = files.0.path().join("credentials");
    std::fs::create_dir(&credentials).expect("made");
    std::fs::rename(files.path("cert.pem"), credentials.join("tls_cert")).expect("moved");
    std::fs::rename(files.path("key.pem"), credentials.join("tls_key")).expect("moved");
    let check = |arguments: &[&str]| {
        let mut command = Command::new(BINARY);
        command
            .arg("check-config")
            .args(arguments)
            .env("CREDENTIALS_DIRECTORY", &credentials);
        command.output().expect("atlas runs")
    };
    let told = text(&check(&[]).stdout);
    assert!(
        told.contains(&format!(
            "tls_cert = {}",
            credentials.join("tls_cert").display()
        )),
        "{told}"
    );
    let twice = check(&["--tls-cert", "a", "--tls-key", "b"]);
    assert!(
        text(&twice.stderr).contains("given twice"),
        "{}",
        text(&twice.stderr)
    );
    std::fs::remove_file(credentials.join("tls_key")).expect("removed");
    let half = text(&check(&[]).stderr);
    assert!(
        half.contains("tls_cert in $CREDENTIALS_DIRECTORY is set, but tls_key is not"),
        "{half}"
    );
}
