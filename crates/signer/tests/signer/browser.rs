//! What a page in a real browser can have signed: nothing.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::process::Command;
use std::thread;

use crate::harness::{Home, TZ1, TZ1_SECRET, attestation, finish};

/// What Chromium shows of a page.
///
/// # Panics
/// When it is not installed: a test that was skipped would prove nothing.
fn page(url: &str) -> String {
    let profile = tempfile::tempdir().unwrap();
    let mut chromium = Command::new("chromium");
    chromium
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"])
        .args(["--disable-background-networking", "--disable-component-update", "--disable-sync"])
        // Whoever owns a name can let it point here.
        .arg("--host-resolver-rules=MAP evil.example 127.0.0.1")
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .args(["--virtual-time-budget=20000", "--dump-dom", url]);
    String::from_utf8_lossy(&finish(&mut chromium).stdout).into_owned()
}

/// Serves one page until the test ends.
fn serve(page: String) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { continue };
            let _ = stream.read(&mut [0; 4096]);
            let head = "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\nconnection: close";
            let _ = write!(stream, "{head}\r\ncontent-length: {}\r\n\r\n{page}", page.len());
        }
    });
    address
}

/// Asks in every way in which a page may ask another origin without being asked back (a "simple request").
const SCRIPT: &str = r#"<body><script>
    const bytes = new TextEncoder().encode(BODY);
    const bodies = [BODY, bytes, new Blob([bytes]), new Blob([bytes], {type: "text/plain"})];
    (async () => {
        const sent = [];
        for (const body of bodies) {
            await fetch(TARGET, {method: "POST", mode: "no-cors", body})
                .then(() => sent.push("sent"), error => sent.push(error));
        }
        document.body.innerText = sent.join(" ");
    })();
</script></body>"#;

#[test]
fn a_page_that_is_open_on_this_computer_has_nothing_signed() {
    let home = Home::new().with_key("baker", TZ1_SECRET).with_mark(TZ1, Some(99));
    let daemon = home.start();
    let payload = hex::encode(attestation(100, 1));
    let target = format!("\"http://{}/keys/{TZ1}?version=3\"", daemon.http);
    let script = SCRIPT.replace("BODY", &format!("'\"{payload}\"'")).replace("TARGET", &target);
    let port = serve(script).port();
    for name in ["127.0.0.1", "evil.example"] {
        let shown = page(&format!("http://{name}:{port}/"));
        assert!(shown.contains("sent sent sent sent"), "{shown}");
    }
    // Had one of them been signed, this would be the double signature.
    daemon.sign(TZ1, &attestation(100, 2)).signature().unwrap();
}

/// The page's own name leads here: it is of the same origin, and may read what it gets.
#[test]
fn a_name_that_leads_here_is_not_answered() {
    let home = Home::new().with_key("baker", TZ1_SECRET).with_mark(TZ1, Some(99));
    let daemon = home.start();
    let shown = page(&format!("http://evil.example:{}/authorized_keys", daemon.http.port()));
    assert!(shown.contains("is not asked here"), "{shown}");
}
