//! What bad input gets: a clear error, and nothing lost.

use std::fs::{self, Permissions};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use daemon::Shutdown;
use signer::Signer;

use crate::harness::{
    self, Daemon, Home, TZ1, TZ1_SECRET, attestation, exchange, get, preattestation, sign,
};

fn home() -> Home {
    Home::new().with_key("baker", TZ1_SECRET).with_mark(TZ1, Some(99))
}

/// The store is where it was: level 100 can still be signed.
fn nothing_was_lost(daemon: &Daemon) {
    daemon.sign(TZ1, &attestation(100, 1)).signature().unwrap();
}

#[test]
fn every_malformed_payload_is_refused_before_the_watermark_is_touched() {
    let tz4 = "BLsk1hKAHyGqY9qRbgoSVnjiSmDWpKGjFF3WNQ7BaiaMUA6RMA6Pfq";
    let tz4_hash = tezos::SecretKey::from_base58(tz4).unwrap().hash().to_string();
    let home = home().with_key("tz4", tz4).with_mark(&tz4_hash, Some(0));
    let daemon = home.start();
    let mut refused = 0;
    for case in harness::vectors("malformed.json") {
        let payload = hex::decode(case["payload"].as_str().unwrap()).unwrap();
        let keys: &[&str] = match case["key"].as_str().unwrap() {
            "tz4" => &[&tz4_hash],
            "not-tz4" => &[TZ1],
            _ => &[TZ1, &tz4_hash],
        };
        for key in keys {
            let answer = daemon.sign(key, &payload);
            // A body too large for any baker is turned away before it is read.
            assert!(matches!(answer.status, 500 | 413), "{}: {}", case["id"], answer.text());
            refused += 1;
        }
    }
    println!("{refused} refused");
    nothing_was_lost(&daemon);
    daemon.stop().unwrap();
    let records = harness::open_records(&home.path("watermark.db"));
    let tz4_entry = records.entries().iter().find(|entry| entry.key.to_string() == tz4_hash);
    assert!(tezos::Kind::ALL.iter().all(|kind| tz4_entry.unwrap().last(*kind).is_none()));
}

#[test]
fn each_refusal_says_what_it_is() {
    let daemon = home().with("allow = [\"attestation\"]").start();
    let refusal = |payload: &[u8]| daemon.sign(TZ1, payload).signature().unwrap_err();
    let mut other_chain = attestation(100, 1);
    other_chain.splice(1..5, [0xaf, 0x18, 0x64, 0xd9]);
    assert!(refusal(&other_chain).contains("chain NetXnHfVqm9iesp"), "{}", refusal(&other_chain));
    assert!(refusal(&preattestation(100, 1)).contains("kind preattestation is not one that"));
    assert!(refusal(&[0x03, 1, 2]).contains("magic byte 0x03 not allowed"));
    assert!(refusal(&attestation(99, 1)).contains("below high watermark 99"));
    let unknown = "tz1ddb9NMYHZi5UzPdzTZMYQQZoMub195zgv";
    let answer = daemon.sign(unknown, &attestation(100, 1));
    assert_eq!((answer.status, get(daemon.http, &format!("/keys/{unknown}")).status), (500, 404));
    nothing_was_lost(&daemon);
    assert!(refusal(&attestation(100, 2)).contains("already signed with different data"));
}

#[test]
fn a_key_without_a_watermark_signs_nothing() {
    let home = Home::new().with_key("baker", TZ1_SECRET);
    harness::open_records(&home.path("watermark.db"));
    let refusal = home.start().sign(TZ1, &attestation(100, 1)).signature().unwrap_err();
    assert!(refusal.contains("peel watermark init"), "{refusal}");
}

#[test]
fn bodies_that_are_no_requests() {
    let daemon = home().start();
    let post = |body: &str| {
        let head = format!(
            "POST /keys/{TZ1} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        exchange(daemon.http, (head + body).as_bytes()).status
    };
    for body in ["", "nothing", "\"13", "{}", "[]", "\"xyz\"", "\"123\"", "\u{0}"] {
        assert_eq!(post(body), 400, "{body:?}");
    }
    assert_eq!(post(&format!("\"{}\"", "00".repeat(40_000))), 413);
    nothing_was_lost(&daemon);
}

/// Whatever is sent, something comes back or the connection is closed, and others are served.
#[test]
fn what_is_not_even_http() {
    let daemon = home().start();
    let long_header = format!("GET / HTTP/1.1\r\nx: {}\r\n\r\n", "y".repeat(100_000));
    let huge_chunk = format!(
        "POST /keys/{TZ1} HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n\
         ffffffffffffffff\r\n"
    );
    let both = format!(
        "POST /keys/{TZ1} HTTP/1.1\r\nhost: localhost\r\ncontent-length: 3\r\n\
         transfer-encoding: chunked\r\n\r\nzz\r\n"
    );
    for bytes in ["\u{16}\u{3}\u{1}", "GET\r\n\r\n", &long_header, &huge_chunk, &both] {
        let mut stream = TcpStream::connect(daemon.http).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        // The other side may close before it has read it all.
        let _ = stream.write_all(bytes.as_bytes());
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        assert!(!answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer));
    }
    nothing_was_lost(&daemon);
}

#[test]
fn a_slow_body_is_given_up_and_holds_nobody_up() {
    let daemon = home().start();
    let mut slow = TcpStream::connect(daemon.http).unwrap();
    let head =
        format!("POST /keys/{TZ1} HTTP/1.1\r\nhost: localhost\r\ncontent-length: 100\r\n\r\n\"13");
    slow.write_all(head.as_bytes()).unwrap();
    nothing_was_lost(&daemon);
    slow.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let mut answer = [0; 12];
    slow.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 408");
}

#[test]
fn silent_connections_do_not_keep_a_baker_out() {
    let daemon = home().start();
    let silent: Vec<_> = (0..600).filter_map(|_| TcpStream::connect(daemon.http).ok()).collect();
    nothing_was_lost(&daemon); // at the latest when the silent ones are closed
    drop(silent);
}

fn complaint(home: &Home) -> String {
    home.config().unwrap_err().to_string()
}

#[test]
fn a_configuration_says_what_is_wrong_with_it() {
    let says = |home: Home, words: &str| {
        let complaint = complaint(&home);
        assert!(complaint.contains(words), "{words:?} is not in {complaint:?}");
        assert!(!complaint.contains(TZ1_SECRET), "a secret in a message");
    };
    says(home().with("alow = []"), "unknown field `alow`");
    says(home().with_key("baker", TZ1_SECRET), "two keys have the name");
    says(home().with_key("again", TZ1_SECRET), "are the same key");
    says(Home::new(), "there is no [[key]]");
    says(Home::new().with("[[key]]\nname = \"a\""), "only one");
    says(Home::new().with("[[key]]\nname = \"a\"\nsecret_key_file = \"gone\""), "cannot be read");
    says(Home::new().with("[[key]]\nname = \"a\"\nledger = \"tz1/0h\""), "secp256k1/0h/0h");
    says(Home::new().with("[[key]]\nname = \"a\"\nledger = \"bls12-381/0h\""), "tz4");
    says(Home::new().with("[[key]]\nname = \"a\"\nupstream = \"ftp://x\""), "http://");
    says(home().with("allow = [\"transfer\"]"), "write of block, preattestation, attestation");
    says(home().with("allow = []"), "could sign nothing");
    says(
        home().with(&format!("public_key_hash = \"{}\"", "tz1ddb9NMYHZi5UzPdzTZMYQQZoMub195zgv")),
        "correct one of them",
    );
    says(
        home().with("password_file = \"baker\""),
        "it is not encrypted: take its password_file out",
    );
    let chains = |text: &str| Home { text: home().text.replace("\"mainnet\"", text), ..home() };
    says(chains(""), "no chain is named");
    says(chains("\"moonnet\""), "is no chain");
    let elsewhere = "[host]\nnode_exporter = \"http://192.168.1.7:9100/metrics\"";
    says(
        home().with(elsewhere),
        "[host] node_exporter: \"http://192.168.1.7:9100/metrics\" is not on",
    );
}

#[test]
fn a_secret_that_others_can_read_is_refused() {
    let home = home();
    fs::set_permissions(home.path("baker"), Permissions::from_mode(0o640)).unwrap();
    assert!(complaint(&home).contains("chmod 600"), "{}", complaint(&home));
}

#[test]
fn an_encrypted_key_wants_its_password() {
    let key = tezos::SecretKey::from_base58(TZ1_SECRET).unwrap();
    let sealed = tezos::EncryptedKey::seal(&key, b"right", [3; 8]).unwrap();
    let home = Home::new();
    home.write_secret("sealed", &format!("encrypted:{sealed}\n"));
    let home = home.with("[[key]]\nname = \"baker\"\nsecret_key_file = \"sealed\"");
    assert!(complaint(&home).contains("password_file"));
    let home = home.with("password_file = \"password\"");
    home.write_secret("password", "wrong\n");
    assert!(complaint(&home).contains("does not open"));
    home.write_secret("password", "right\n");
    nothing_was_lost(&home.with_mark(TZ1, Some(99)).start());
}

/// It is waited for a minute before.
#[tokio::test(start_paused = true)]
async fn a_port_that_is_taken_is_named() {
    let holder = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = holder.local_addr().unwrap().to_string();
    let home = home();
    let home = Home { text: home.text.replace("127.0.0.1:0", &taken), ..home };
    let error = Signer::start(home.config().unwrap(), Shutdown::new()).await.unwrap_err();
    assert!(error.to_string().contains("another program"), "{error}");
}

#[test]
fn a_store_that_is_missing_is_named() {
    let error = Daemon::start(Home::new().with_key("baker", TZ1_SECRET).config().unwrap());
    assert!(error.err().unwrap().to_string().contains("no watermark store"));
}

#[test]
fn a_hundred_identical_requests_get_one_answer() {
    let daemon = home().start();
    let answers: Vec<String> = std::thread::scope(|scope| {
        let ask = || sign(daemon.http, TZ1, &attestation(100, 1)).signature().unwrap();
        let asking: Vec<_> = (0..100).map(|_| scope.spawn(ask)).collect();
        asking.into_iter().map(|one| one.join().unwrap()).collect()
    });
    assert!(answers.iter().all(|answer| Some(answer) == answers.first()));
}

#[test]
fn a_stop_finishes_what_was_begun_and_takes_nothing_new() {
    let home = home();
    let daemon = home.start();
    let at = daemon.http;
    nothing_was_lost(&daemon);
    let started = Instant::now();
    daemon.stop().unwrap();
    assert!(started.elapsed() < Duration::from_secs(10));
    assert!(TcpStream::connect(at).is_err());
    let again = home.start().sign(TZ1, &attestation(100, 2)).signature().unwrap_err();
    assert!(again.contains("already signed"), "{again}");
}

#[test]
fn monitoring_shows_facts_and_metrics_and_no_secret() {
    let daemon = home().with("[monitor]\nlisten = \"127.0.0.1:0\"").start();
    nothing_was_lost(&daemon);
    let monitor = daemon.monitor.unwrap();
    assert_eq!(get(monitor, "/livez").status, 200);
    assert_eq!(get(monitor, "/readyz").status, 200);
    let metrics = get(monitor, "/metrics").text();
    let signed = "peel_signer_requests_total{key=\"baker\",kind=\"attestation\",result=\"signed\"";
    assert!(metrics.contains(signed), "{metrics}");
    assert!(metrics.contains("peel_signer_key_ready{key=\"baker\"} 1"), "{metrics}");
    assert!(metrics.contains("# TYPE peel_signer_requests_total counter\n"), "{metrics}");
    assert!(!metrics.contains("EOF") && !metrics.contains(TZ1_SECRET), "{metrics}");
    // The figures of the process and the computer differ from one moment to the next.
    let own = |text: String| -> Vec<String> {
        text.lines().filter(|line| line.contains("peel_")).map(str::to_owned).collect()
    };
    assert_eq!(own(get(daemon.http, "/healthz").text()), own(get(monitor, "/metrics").text()));
}

/// Its device and its marks are well: the mark was set a digit too long, for instance, or another one asks than may.
#[test]
fn a_signer_that_refuses_every_vote_does_not_say_that_all_is_well() {
    let daemon = home().with("[monitor]\nlisten = \"127.0.0.1:0\"").start();
    let says = |line: &str| {
        let facts = get(daemon.monitor.unwrap(), "/readyz").text();
        assert!(facts.lines().any(|own| own.starts_with(line)), "{line} is not in\n{facts}");
    };
    for level in [50, 51] {
        assert_eq!(daemon.sign(TZ1, &attestation(level, 1)).status, 500);
        says("[+] answers_baker: ok");
    }
    assert_eq!(daemon.sign(TZ1, &attestation(52, 1)).status, 500);
    says(
        "[-] answers_baker: its last 3 answers were no signatures: attestation level 52 below high watermark 99",
    );
    nothing_was_lost(&daemon);
    says("[+] answers_baker: ok");
}

/// Its own figures are shown instead, and that they are.
#[test]
fn a_node_exporter_that_never_answers_hides_nothing() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap();
    let sections = format!(
        "[monitor]\nlisten = \"127.0.0.1:0\"\n[host]\nnode_exporter = \"http://{address}/metrics\""
    );
    let daemon = home().with(&sections).start();
    let metrics = get(daemon.monitor.unwrap(), "/metrics").text();
    for line in ["peel_signer_node_exporter_up 0", "# TYPE node_load1 gauge", "peel_signer_ready 1"]
    {
        assert!(metrics.lines().any(|own| own == line), "{line} is not in\n{metrics}");
    }
}

/// A client that sends requests and never reads does not keep its slot for ever.
#[test]
fn a_client_that_never_reads_loses_its_connection() {
    let daemon = home().with("[monitor]\nlisten = \"127.0.0.1:0\"").start();
    let mut deaf = TcpStream::connect(daemon.monitor.unwrap()).unwrap();
    deaf.set_write_timeout(Some(Duration::from_secs(30))).unwrap();
    let asked = b"GET /metrics HTTP/1.1\r\nhost: localhost\r\n\r\n".repeat(1000);
    let ended = loop {
        // It goes through for as long as buffers take it, then hangs, then is cut off.
        if let Err(error) = deaf.write_all(&asked) {
            break error.kind();
        }
    };
    let cut_off = [std::io::ErrorKind::ConnectionReset, std::io::ErrorKind::BrokenPipe];
    assert!(cut_off.contains(&ended), "it is still connected: {ended}");
    nothing_was_lost(&daemon);
}

#[test]
fn a_body_that_breaks_off_is_a_bad_request() {
    let daemon = home().start();
    let head = format!("POST /keys/{TZ1} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n");
    let broken = format!("{head}transfer-encoding: chunked\r\n\r\nzz\r\n");
    assert_eq!(exchange(daemon.http, broken.as_bytes()).status, 400);
    nothing_was_lost(&daemon);
}

/// A client may close its half after the request; the answer comes all the same.
#[test]
fn a_half_closed_client_gets_its_answer() {
    let daemon = home().start();
    let body = format!("\"{}\"", hex::encode(attestation(100, 1)));
    let request = format!(
        "POST /keys/{TZ1} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut stream = TcpStream::connect(daemon.http).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("edsig"), "{answer}");
}

#[test]
fn a_broken_store_is_not_ready() {
    let home = home();
    let daemon = home.start();
    nothing_was_lost(&daemon);
    fs::remove_file(home.path("watermark.db")).unwrap();
    let refused = daemon.sign(TZ1, &attestation(500, 1));
    assert_eq!(refused.status, 500, "{}", refused.text());
    let status = get(daemon.http, &format!("/statusz/{TZ1}"));
    assert_eq!(status.status, 503);
    assert!(status.text().contains("moved or replaced"), "{}", status.text());
}

/// Each of these would be within the margin of the one before.
#[test]
fn a_level_far_ahead_is_not_reached_in_many_steps_either() {
    let home = home();
    let daemon = home.start();
    let signed = daemon.sign(TZ1, &attestation(99 + 600, 1));
    assert_eq!(signed.status, 200, "{}", signed.text());
    for level in [699 + 600, 699 + 60] {
        let refused = daemon.sign(TZ1, &attestation(level, 1));
        assert_eq!(refused.status, 500, "{}", refused.text());
        let why = refused.signature().unwrap_err();
        assert!(why.contains("block_time_seconds"), "{why}");
    }
}

/// Every client that reaches the port can ask for any level. One that the chain cannot have reached is refused, and closes
/// nothing.
#[test]
fn a_level_far_ahead_does_not_end_a_key() {
    let home = home();
    let daemon = home.start();
    for level in [99 + 700, 5_000_000, i32::MAX.unsigned_abs()] {
        let refused = daemon.sign(TZ1, &attestation(level, 1));
        assert_eq!(refused.status, 500);
        let why = refused.signature().unwrap_err();
        assert!(why.contains("peel watermark set --level"), "{why}");
    }
    nothing_was_lost(&daemon);
    let metrics = get(daemon.http, "/healthz").text();
    assert!(metrics.contains("reason=\"too_far\""), "{metrics}");
}
