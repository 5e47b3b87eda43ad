//! HTTPS, asked by curl and openssl: programs of another make.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::harness::{Daemon, Home, TZ1, TZ1_SECRET, attestation, run};

/// A home whose certificate is for `localhost`.
fn home() -> Home {
    let home = Home::new()
        .with("tls = { certificate = \"cert.pem\", private_key = \"key.pem\" }")
        .with_key("baker", TZ1_SECRET)
        .with_mark(TZ1, Some(99));
    certify(&home, "cert.pem", "key.pem", "ec");
    home
}

/// A certificate that vouches for itself, and its key, readable for us alone.
fn certify(home: &Home, certificate: &str, key: &str, kind: &str) {
    let (new_certificate, new_key) = (home.path("new.cert"), home.path("new.key"));
    let (at, key_at) = (new_certificate.to_str().unwrap(), new_key.to_str().unwrap());
    let mut words =
        vec!["req", "-x509", "-nodes", "-days", "2", "-subj", "/CN=localhost", "-out", at];
    words.extend(["-addext", "subjectAltName=DNS:localhost", "-keyout", key_at, "-newkey"]);
    let of_kind: &[&str] = match kind {
        "rsa" => &["rsa:2048"],
        _ => &["ec", "-pkeyopt", "ec_paramgen_curve:P-256"],
    };
    words.extend(of_kind);
    let ran = run("openssl", &words);
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    home.write_secret("new.key", &fs::read_to_string(&new_key).unwrap());
    fs::rename(new_key, home.path(key)).unwrap();
    fs::rename(new_certificate, home.path(certificate)).unwrap();
}

/// What curl says of a path, if it trusts the certificate in this file.
fn curl(home: &Home, daemon: &Daemon, trusted: &str, words: &[&str]) -> Result<String, String> {
    let (trusted, port) = (home.path(trusted), daemon.http.port());
    let mut all = vec!["--silent", "--show-error", "--max-time", "20", "--noproxy", "*"];
    all.extend(["--cacert", trusted.to_str().unwrap()]);
    let resolved = format!("https://localhost:{port}");
    let words: Vec<String> = words.iter().map(|word| word.replace("URL", &resolved)).collect();
    all.extend(words.iter().map(String::as_str));
    let ran = run("curl", &all);
    let (out, error) = (String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    if ran.status.success() { Ok(out.into_owned()) } else { Err(error.into_owned()) }
}

fn is_answered(home: &Home, daemon: &Daemon, trusted: &str) -> bool {
    curl(home, daemon, trusted, &["URL/authorized_keys"]).is_ok_and(|answer| answer == "{}\n")
}

fn signs(home: &Home, daemon: &Daemon, level: u32) {
    let body = format!("\"{}\"", hex::encode(attestation(level, 1)));
    let url = format!("URL/keys/{TZ1}?version=3");
    let words = [
        "--data-binary",
        &body,
        "-H",
        "content-type: application/json",
        "-H",
        "transfer-encoding: chunked",
        &url,
    ];
    let answer = curl(home, daemon, "cert.pem", &words).unwrap();
    assert!(answer.contains("\"signature\":\"edsig"), "{answer}");
}

#[test]
fn a_baker_is_answered_over_https() {
    for kind in ["ec", "rsa"] {
        let home = home();
        certify(&home, "cert.pem", "key.pem", kind);
        let daemon = home.start();
        signs(&home, &daemon, 100);
        for version in ["--tlsv1.3", "--tls-max=1.2"] {
            let words: Vec<&str> = version.split('=').chain(["URL/authorized_keys"]).collect();
            assert_eq!(curl(&home, &daemon, "cert.pem", &words).unwrap(), "{}\n", "{version}");
        }
    }
}

#[test]
fn a_certificate_is_read_anew_when_it_changes_and_a_bad_one_is_not_used() {
    let home = home();
    let daemon = home.start();
    assert!(is_answered(&home, &daemon, "cert.pem"));
    fs::copy(home.path("cert.pem"), home.path("old.pem")).unwrap();

    // Half of a renewal: a certificate whose key is another. Two looks later the old one is still shown.
    fs::copy(home.path("key.pem"), home.path("kept.pem")).unwrap();
    certify(&home, "cert.pem", "other-key.pem", "ec");
    let end = Instant::now() + Duration::from_millis(2500);
    while Instant::now() < end {
        assert!(is_answered(&home, &daemon, "old.pem"));
    }
    fs::write(home.path("cert.pem"), "no certificate").unwrap();
    assert!(is_answered(&home, &daemon, "old.pem"));

    // The new key can be read by others at first, as the log says; then its mode is set right, and nothing else.
    certify(&home, "cert.pem", "key.pem", "ec");
    let mode = |mode| {
        let mode = std::os::unix::fs::PermissionsExt::from_mode(mode);
        fs::set_permissions(home.path("key.pem"), mode).unwrap();
    };
    mode(0o640);
    let end = Instant::now() + Duration::from_millis(1500);
    while Instant::now() < end {
        // It may have been read before its mode was changed.
        assert!(is_answered(&home, &daemon, "old.pem") || is_answered(&home, &daemon, "cert.pem"));
    }
    mode(0o600);
    await_new(&home, &daemon);

    certify(&home, "cert.pem", "key.pem", "ec");
    await_new(&home, &daemon);
    assert!(!is_answered(&home, &daemon, "old.pem"));
}

fn await_new(home: &Home, daemon: &Daemon) {
    let end = Instant::now() + Duration::from_secs(20);
    while !is_answered(home, daemon, "cert.pem") {
        assert!(Instant::now() < end, "the new certificate is not shown");
    }
}

#[test]
fn old_versions_and_weak_ciphers_are_refused() {
    let home = home();
    let daemon = home.start();
    let at = daemon.http.to_string();
    let shakes_hands = |words: &[&str]| {
        let all = [&["s_client", "-connect", &at, "-brief"], words].concat();
        run("openssl", &all).status.success()
    };
    assert!(shakes_hands(&["-tls1_2"]));
    assert!(shakes_hands(&["-tls1_3", "-groups", "X25519"]));
    for weak in [
        &["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"][..],
        &["-tls1", "-cipher", "ALL:@SECLEVEL=0"],
        // No forward secrecy; a block cipher with its checksum inside.
        &["-tls1_2", "-cipher", "AES128-GCM-SHA256:AES256-GCM-SHA384"],
        &["-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-SHA256:ECDHE-ECDSA-AES256-SHA384"],
        &["-tls1_3", "-groups", "P-521"],
    ] {
        assert!(!shakes_hands(weak), "{weak:?}");
    }
    assert!(is_answered(&home, &daemon, "cert.pem"));
}

#[test]
fn what_speaks_no_tls_is_closed_and_harms_nobody() {
    let home = home();
    let daemon = home.start();
    let say = |bytes: &[u8]| {
        let mut stream = TcpStream::connect(daemon.http).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream.write_all(bytes).unwrap();
        stream
    };
    for garbage in
        [&b"GET /authorized_keys HTTP/1.1\r\nhost: localhost\r\n\r\n"[..], &[0x16; 4096], &[0; 64]]
    {
        let mut answer = Vec::new();
        // An alert of TLS, or nothing.
        let _ = say(garbage).read_to_end(&mut answer);
        assert!(!answer.starts_with(b"HTTP"), "{answer:?}");
    }
    // The first record of a handshake never comes whole: a crowd of these does not keep the baker out.
    let crowd: Vec<TcpStream> = (0..600).map(|_| say(&[0x16, 3, 1, 2, 0, 1])).collect();
    signs(&home, &daemon, 100);
    drop(crowd);
    daemon.stop().unwrap();
}

#[test]
fn files_that_give_no_tls_are_told_at_the_start() {
    let home = home();
    let error = |home: &Home| home.config().unwrap_err().to_string();
    fs::copy(home.path("cert.pem"), home.path("good.pem")).unwrap();
    certify(&home, "cert.pem", "other.pem", "ec");
    assert!(error(&home).contains("[http] tls: the private key does not go with the certificate"));
    fs::write(home.path("cert.pem"), "").unwrap();
    assert!(error(&home).contains("holds no certificate"), "{}", error(&home));
    fs::remove_file(home.path("cert.pem")).unwrap();
    assert!(error(&home).contains("cert.pem: No such file"), "{}", error(&home));
    fs::rename(home.path("good.pem"), home.path("cert.pem")).unwrap();
    home.config().unwrap();
    home.write_secret("key.pem", "no key");
    assert!(error(&home).contains("holds no private key"), "{}", error(&home));
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    fs::set_permissions(home.path("key.pem"), open).unwrap();
    assert!(error(&home).contains("can be read by others"), "{}", error(&home));
}
