//! octez-signer's binary protocol over tcp and unix sockets.

use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use tezos::{BlsScheme, Curve, SecretKey, Signature};

use crate::harness::{self, Daemon, Home, TZ1, TZ1_SECRET, attestation, get};
use crate::octez;

const LIMIT: Option<Duration> = Some(Duration::from_secs(30));

fn with_sockets(home: Home) -> Home {
    home.with("[socket]\ntcp = \"127.0.0.1:0\"\nunix = \"signer.sock\"")
}

fn home() -> Home {
    with_sockets(Home::new()).with_key("baker", TZ1_SECRET).with_mark(TZ1, Some(99))
}

/// Sends bytes and no more, and reads until the other side closes.
fn exchange(mut stream: impl Read + Write, request: &[u8], end: impl FnOnce()) -> Vec<u8> {
    stream.write_all(request).unwrap();
    end();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    answer
}

fn over_tcp(daemon: &Daemon, request: &[u8]) -> Vec<u8> {
    let stream = TcpStream::connect(daemon.tcp_socket.unwrap()).unwrap();
    stream.set_read_timeout(LIMIT).unwrap();
    exchange(&stream, request, || stream.shutdown(Shutdown::Write).unwrap())
}

fn over_unix(home: &Home, request: &[u8]) -> Vec<u8> {
    let stream = UnixStream::connect(home.path("signer.sock")).unwrap();
    stream.set_read_timeout(LIMIT).unwrap();
    exchange(&stream, request, || stream.shutdown(Shutdown::Write).unwrap())
}

/// Where the data of a signing request begins: behind frame, tag, key and its own length.
const DATA: usize = 2 + 1 + 21 + 4;

fn framed(message: &[u8]) -> Vec<u8> {
    [&u16::try_from(message.len()).unwrap().to_be_bytes(), message].concat()
}

/// A signing request; tz4 keys with signature version 3.
fn signing(key: &str, data: &[u8], proof: &[u8]) -> Vec<u8> {
    question(0, key, data, proof)
}

fn question(tag: u8, key: &str, data: &[u8], proof: &[u8]) -> Vec<u8> {
    let key: tezos::PublicKeyHash = key.parse().unwrap();
    let mut message = vec![tag];
    let has_version = tag == 0 && key.curve() == Curve::Bls;
    message.extend(has_version.then_some(3));
    message.extend(key.tagged_bytes());
    message.extend(has_version.then_some(3));
    message.extend(u32::try_from(data.len()).unwrap().to_be_bytes());
    message.extend(data);
    message.extend(proof);
    framed(&message)
}

fn is_error(answer: &[u8]) -> bool {
    answer.get(2) == Some(&1)
}

fn hex_of(case: &Value, name: &str) -> Option<Vec<u8>> {
    case[name].as_str().map(|text| hex::decode(text).unwrap())
}

fn check(case: &Value, request: &[u8], answer: &[u8]) -> Result<(), String> {
    let expected = hex_of(case, "response_hex").unwrap_or_default();
    let sorted = |answer: &[u8]| {
        let mut keys: Vec<_> = answer.get(7..).unwrap_or_default().chunks(21).collect();
        keys.sort_unstable();
        keys.concat()
    };
    let is_good = match case["compare"].as_str().unwrap() {
        "exact" => answer == expected,
        "set" => answer[..7] == expected[..7] && sorted(answer) == sorted(&expected),
        "error" | "closed" => is_error(answer),
        "signature" => verifies(case, request, answer),
        other => return Err(format!("what is {other:?}?")),
    };
    let shown = || format!("{} is not {}", hex::encode(answer), hex::encode(&expected));
    if is_good { Ok(()) } else { Err(shown()) }
}

/// P-256 is drawn at random by octez.
fn verifies(case: &Value, request: &[u8], answer: &[u8]) -> bool {
    let keys = case["server"]["keys"].as_array().unwrap();
    let mut keys = keys.iter().map(|key| SecretKey::from_base58(key.as_str().unwrap()).unwrap());
    let key = keys.find(|key| key.hash().tagged_bytes() == request[3..24]).unwrap();
    let made = Signature::new(key.public_key().curve(), &answer[3..]).unwrap();
    key.public_key().verifies(&request[28..], &made, BlsScheme::default())
}

/// Peel signs nothing else than blocks and votes, so what octez signs beyond them is an error.
const OTHERWISE: [&str; 1] = ["socket-sign-tz1-transfer"];

#[test]
fn it_answers_over_sockets_as_octez_signer_does() {
    let (mut compared, mut wrong) = (0, Vec::new());
    let cases = harness::vectors("http.json");
    let cases = cases.iter().filter(|case| case["transport"] == "socket");
    for case in cases.filter(|case| case["compare"] != "info") {
        let (id, request) = (case["id"].as_str().unwrap(), hex_of(case, "request_hex").unwrap());
        // The flags of [http] hold here, too.
        let home = with_sockets(octez::home(case));
        let daemon = home.start();
        for answer in [over_tcp(&daemon, &request), over_unix(&home, &request)] {
            if OTHERWISE.contains(&id) {
                assert!(is_error(&answer), "{id}");
                continue;
            }
            compared += 1;
            wrong.extend(check(case, &request, &answer).err().map(|why| format!("{id}: {why}")));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    assert!(compared >= 80, "{compared}");
}

#[test]
fn one_connection_serves_many_requests() {
    let cases = harness::vectors("http.json");
    let case = cases.iter().find(|case| case["transport"] == "socket-session").unwrap();
    let daemon = with_sockets(octez::home(case)).start();
    let mut stream = TcpStream::connect(daemon.tcp_socket.unwrap()).unwrap();
    stream.set_read_timeout(LIMIT).unwrap();
    for exchange in case["exchanges"].as_array().unwrap() {
        let [request, expected] =
            [0, 1].map(|at| hex::decode(exchange[at].as_str().unwrap()).unwrap());
        stream.write_all(&request).unwrap();
        let mut answer = vec![0; expected.len()];
        stream.read_exact(&mut answer).unwrap();
        assert_eq!(answer, expected);
    }
}

/// The keys that octez's exchanges are made with.
fn keys_of_octez() -> Home {
    let cases = harness::vectors("http.json");
    let case = cases.iter().find(|case| case["id"] == "socket-sign-tz1-attestation").unwrap();
    with_sockets(octez::home(case))
}

/// Whether a proof that a client may ask was taken.
fn is_let_in(answer: &[u8]) -> bool {
    !String::from_utf8_lossy(answer).contains("authentication signature")
}

#[test]
fn a_client_that_proves_that_it_may_ask_is_answered_and_no_other() {
    for case in harness::vectors("auth.json") {
        let (id, key) = (case["id"].as_str().unwrap(), case["signing_pkh"].as_str().unwrap());
        let (data, proof) =
            (hex_of(&case, "data").unwrap(), case["authentication"].as_str().unwrap());
        // No key of tz5 can be one of a signer.
        if key.starts_with("tz5") {
            continue;
        }
        let authorized = format!("[authentication]\nauthorized_keys = {}", case["authorized_keys"]);
        let home = keys_of_octez().with(&authorized);
        let daemon = home.start();
        let tag = match case["request"].as_str().unwrap() {
            "sign" => 0,
            "deterministic_nonce" => 3,
            _ => 4,
        };
        let bytes = proof.parse::<Signature>().unwrap();
        let over_socket = over_tcp(&daemon, &question(tag, key, &data, bytes.bytes()));
        // Over a socket a signature has no prefix that could be wrong.
        let accepted = case["accepted"] == true || id == "bad-wrong-prefix";
        assert_eq!(is_let_in(&over_socket), accepted, "{id}: {}", hex::encode(&over_socket));
        if tag == 0 {
            let path = format!("{key}?authentication={proof}&version=3");
            let over_http = harness::sign_at(daemon.http, &path, &data);
            let text = over_http.text();
            assert_eq!(is_let_in(text.as_bytes()), case["accepted"] == true, "{id}: {text}");
        }
    }
}

#[test]
fn nonces_and_their_hashes_are_those_of_octez() {
    let mut compared = 0;
    for case in harness::vectors("nonce.json") {
        let (id, secret) = (&case["id"], case["secret_key"].as_str().unwrap());
        // No key of tz5 can be one of a signer.
        if secret.starts_with("mdsk") {
            continue;
        }
        let key = case["public_key_hash"].as_str().unwrap();
        let home = with_sockets(Home::new()).with_key("baker", secret).with_mark(key, None);
        let daemon = home.start();
        let data = hex_of(&case, "data").unwrap();
        for (tag, field) in [(3, "deterministic_nonce"), (4, "deterministic_nonce_hash")] {
            let answer = over_tcp(&daemon, &question(tag, key, &data, &[]));
            let nonce = hex_of(&case, field).unwrap();
            assert_eq!(
                answer,
                framed(&[&[0, 0, 0, 0, 32], nonce.as_slice()].concat()),
                "{id} {field}"
            );
            compared += 1;
        }
    }
    assert!(compared >= 34, "{compared}");
}

/// The store is where it was: level 100 can still be signed, over each way with one answer.
fn nothing_was_lost(home: &Home, daemon: &Daemon) {
    let asked = signing(TZ1, &attestation(100, 1), &[]);
    let (tcp, unix) = (over_tcp(daemon, &asked), over_unix(home, &asked));
    assert_eq!(tcp[..3], [0, 65, 0]);
    assert_eq!(tcp, unix);
    let over_http = daemon.sign(TZ1, &attestation(100, 1)).signature().unwrap();
    assert_eq!(over_http.parse::<Signature>().unwrap().bytes(), &tcp[3..]);
}

#[test]
fn what_is_cut_or_lies_about_its_length_signs_nothing() {
    let home = home();
    let daemon = home.start();
    let mut bystander = TcpStream::connect(daemon.tcp_socket.unwrap()).unwrap();
    bystander.set_read_timeout(LIMIT).unwrap();
    let whole = signing(TZ1, &attestation(100, 1), &[]);
    for end in 0..whole.len() {
        // The frame is cut: no answer. The message in it is cut: an error.
        assert!(over_tcp(&daemon, &whole[..end]).is_empty(), "{end}");
        let cut = framed(&whole[2..end.max(2)]);
        assert!(is_error(&over_tcp(&daemon, &cut)), "{end}");
    }
    // Length, tag, key and the length of the data, each byte of them something else.
    for at in 0..DATA {
        let mut changed = whole.clone();
        changed[at] ^= 0xff;
        let answer = over_unix(&home, &changed);
        assert!(answer.is_empty() || is_error(&answer), "{at}: {}", hex::encode(&answer));
    }
    bystander.write_all(&[0, 1, 2]).unwrap();
    let mut answer = [0; 4];
    bystander.read_exact(&mut answer).unwrap();
    assert_eq!(answer, [0, 2, 0, 0], "another connection is not touched by it");
    nothing_was_lost(&home, &daemon);
}

#[test]
fn garbage_signs_nothing_and_stops_nobody() {
    let home = home();
    let daemon = home.start();
    for seed in 0_u8..64 {
        let garbage: Vec<u8> = (0..200_u8)
            .map(|at| at.wrapping_mul(151).wrapping_add(seed.wrapping_mul(89)) ^ (at >> 3))
            .collect();
        let answer = over_tcp(&daemon, &framed(&garbage));
        assert!(is_error(&answer), "{seed}: {}", hex::encode(&answer));
        over_unix(&home, &garbage);
    }
    // HTTP spoken to the wrong port: its first two bytes are a length that never comes.
    assert!(over_tcp(&daemon, b"GET /authorized_keys HTTP/1.1\r\n\r\n").is_empty());
    nothing_was_lost(&home, &daemon);
}

#[test]
fn every_malformed_payload_is_refused_over_a_socket_too() {
    let home = home();
    let daemon = home.start();
    for case in harness::vectors("malformed.json").iter().filter(|case| case["key"] != "tz4") {
        let payload = hex_of(case, "payload").unwrap();
        let Ok(length) = u16::try_from(payload.len() + 26) else { continue };
        assert!(length > 0);
        let answer = over_tcp(&daemon, &signing(TZ1, &payload, &[]));
        assert!(is_error(&answer), "{}", case["id"]);
    }
    nothing_was_lost(&home, &daemon);
}

#[test]
fn a_signer_without_http_is_asked_over_its_socket() {
    let folder = Home::new().with_key("baker", TZ1_SECRET).with_mark(TZ1, Some(99));
    let text = folder.text.replace("[http]\nlisten = \"127.0.0.1:0\"\n", "");
    let home = Home { text, ..folder }.with("[socket]\nunix = \"signer.sock\"");
    let _daemon = home.start();
    assert_eq!(over_unix(&home, &[0, 1, 2]), [0, 2, 0, 0]);
}

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().mode() & 0o777
}

#[test]
fn the_unix_socket_is_private_unless_said_otherwise_and_gone_afterwards() {
    let home = home();
    let path = home.path("signer.sock");
    let daemon = home.start();
    assert_eq!(mode(&path), 0o600);
    daemon.stop().unwrap();
    assert!(!path.exists());

    let text = home.text.replace("[socket]\n", "[socket]\nunix_mode = \"0620\"\n");
    let home = Home { text, ..home };
    let _daemon = home.start();
    assert_eq!(mode(&path), 0o620);
    let left: Vec<_> =
        fs::read_dir(home.folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(
        left.iter().all(|name| !name.to_string_lossy().contains(&std::process::id().to_string())),
        "{left:?}"
    );
}

#[test]
fn a_socket_that_was_left_behind_is_replaced_and_one_in_use_is_not() {
    let home = home();
    let path = home.path("signer.sock");
    // As a process leaves it that was killed.
    drop(UnixListener::bind(&path).unwrap());
    assert!(path.exists());
    home.start().stop().unwrap();

    let other = UnixListener::bind(&path).unwrap();
    let error = Daemon::start(home.config().unwrap()).err().unwrap().to_string();
    assert!(error.contains("another program listens there"), "{error}");
    drop(other);
    fs::remove_file(&path).unwrap();

    fs::write(&path, "precious").unwrap();
    let error = Daemon::start(home.config().unwrap()).err().unwrap().to_string();
    assert!(error.contains("something else lies there"), "{error}");
    assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
    fs::remove_file(&path).unwrap();

    let nowhere =
        Home { text: home.text.replace("signer.sock", "no/such/folder.sock"), folder: home.folder };
    let error = Daemon::start(nowhere.config().unwrap()).err().unwrap().to_string();
    assert!(error.contains("its folder is not there"), "{error}");
}

/// Another program that took the path over keeps its socket.
#[test]
fn a_socket_of_another_program_is_not_removed_at_the_end() {
    let home = home();
    let path = home.path("signer.sock");
    let daemon = home.start();
    fs::remove_file(&path).unwrap();
    let _other = UnixListener::bind(&path).unwrap();
    daemon.stop().unwrap();
    assert!(path.exists());
}

/// A request that was sent before the stop is answered.
#[test]
fn a_stop_answers_what_has_come() {
    let home = home();
    let daemon = home.start();
    let asked = signing(TZ1, &attestation(100, 1), &[]);
    let mut stream = UnixStream::connect(home.path("signer.sock")).unwrap();
    stream.set_read_timeout(LIMIT).unwrap();
    stream.write_all(&asked).unwrap();
    daemon.stop().unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    assert_eq!(answer[..3], [0, 65, 0]);
}

#[test]
fn readiness_and_refusals_are_the_same_over_every_way() {
    let home = home();
    let daemon = home.start();
    assert!(is_error(&over_tcp(&daemon, &signing(TZ1, &attestation(99, 1), &[]))));
    nothing_was_lost(&home, &daemon);
    let twice = over_unix(&home, &signing(TZ1, &attestation(100, 2), &[]));
    assert!(String::from_utf8_lossy(&twice).contains("already signed with different data"));
    assert_eq!(get(daemon.http, &format!("/statusz/{TZ1}")).status, 200);
}
