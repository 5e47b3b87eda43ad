//! The quick start of the README, command by command, with the real binary.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use daemon::free_port;

use crate::pasted::Pasted;
use crate::peel::{Running, done, peel, run};

const README: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../README.md");
const KEY: &str = "tz2Q3U8EbGayZzK2Vwap5JQJFmJEbwURe77o";

/// Starts the simulated Ledger on a free port; gives its transport.
fn simulate() -> (Running, String) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_peel"))
        .args(["ledger", "simulate", "--approve", "--listen", "127.0.0.1:0"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let from = line.find("tcp://").unwrap();
    let transport = line.get(from..).unwrap().split_once(". ").unwrap().0.to_owned();
    (Running(child), transport)
}

fn ask(port: u16, request: &str) -> Option<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    Some(answer)
}

fn await_ready(port: u16) {
    let request =
        format!("GET /statusz/{KEY} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    let end = Instant::now() + Duration::from_secs(20);
    while !ask(port, &request).is_some_and(|answer| answer.contains("can sign")) {
        assert!(Instant::now() < end, "the signer did not come up");
        std::thread::yield_now();
    }
}

/// As `curl --json` sends it.
fn sign(port: u16, data: &str) -> String {
    let body = format!("\"{data}\"");
    let request = format!(
        "POST /keys/{KEY}?version=3 HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\
         content-type: application/json\r\naccept: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    ask(port, &request).unwrap()
}

/// A block of the README's code, by a word in it.
fn readme_value(name: &str) -> String {
    let readme = fs::read_to_string(README).unwrap();
    readme.lines().find_map(|line| line.strip_prefix(name)).unwrap().to_owned()
}

#[test]
fn a_newcomer_signs_an_attestation_with_the_simulated_ledger() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let (_ledger, transport) = simulate();
    let port = free_port::choose().unwrap();
    let setup = "ledger setup secp256k1/0h/0h --chain mainnet --level 100 --transport";
    assert!(done(at, &format!("{setup} {transport}")).contains(KEY));

    let readme = fs::read_to_string(README).unwrap();
    let config = readme.split_once("cat > signer.toml <<'END'\n").unwrap().1;
    let config = config.split_once("END\n").unwrap().0;
    let config = config
        .replace("tcp://127.0.0.1:9999", &transport)
        .replace("127.0.0.1:6732", &format!("127.0.0.1:{port}"));
    fs::write(at.join("signer.toml"), config).unwrap();

    done(at, "watermark init --config signer.toml --level 100");
    assert!(done(at, "signer check --config signer.toml").contains("All is well"));
    let signer = run(at, "signer run --config signer.toml");
    await_ready(port);

    let data = readme_value("DATA=");
    let promised = readme_value("{\"signature\":\"");
    let signed = sign(port, &data);
    assert!(signed.contains(&promised), "{signed}");
    assert!(sign(port, &data).contains(&promised), "the same again, at once");
    let other = format!("{}0", data.get(..data.len() - 1).unwrap());
    let refused = sign(port, &other);
    assert!(refused.contains("already signed with different data"), "{refused}");

    // While it runs, the store has an owner; the device is asked by others at one's own risk.
    assert_eq!(peel(at, "watermark show --config signer.toml").status.code(), Some(1));
    drop(signer);
    let shown = done(at, "watermark show --config signer.toml");
    assert!(shown.contains(KEY), "{shown}");
}

/// "From home to the cloud", on one machine: a command and a paste each way. The vote is the next level's, as the README
/// changes it.
#[test]
fn a_newcomer_signs_an_attestation_through_the_tunnel() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let (_ledger, transport) = simulate();
    let more = format!("--ledger secp256k1/0h/0h --level 101 --transport {transport}");
    let Pasted { port, .. } = Pasted::new(at, &more);

    let _gateway = run(at, "gateway run --config cloud/gateway.toml");
    let _signer = run(at, "signer run --config home/signer.toml");
    await_ready(port);
    let readme = fs::read_to_string(README).unwrap();
    assert!(readme.contains("DATA=$(echo $DATA | sed s/00000065/00000066/)"));
    let signed = sign(port, &readme_value("DATA=").replace("00000065", "00000066"));
    assert!(signed.contains("{\"signature\":\"spsig1"), "{signed}");
}

#[test]
fn the_ledger_commands_say_what_is_on_the_device() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let (_ledger, transport) = simulate();
    let on = |line: &str| done(at, &format!("ledger {line} --transport {transport}"));
    assert!(on("list").contains("no key authorised"));
    assert!(on("key secp256k1/0h/0h --confirm").contains(KEY));
    on("setup secp256k1/0h/0h --level 42");
    assert!(on("list").contains("secp256k1/0h/0h authorised, mark of mainnet level 42"));
    assert!(on("mark --set 77").contains("level 77"));
    let json: serde_json::Value = serde_json::from_str(&on("mark --json")).unwrap();
    assert_eq!(json.pointer("/main/level"), Some(&77.into()));
    let json: serde_json::Value = serde_json::from_str(&on("key P-256/0h/0h --json")).unwrap();
    let hash = json.get("public_key_hash").and_then(|hash| hash.as_str());
    assert_eq!(hash, Some("tz3Y2TkhTYG6MfPsijGfHFqBYrLCfwYb6HRB"));
    let nobody = peel(at, "ledger list --transport tcp://127.0.0.1:1");
    assert!(String::from_utf8_lossy(&nobody.stdout).contains("no Ledger found"), "{nobody:?}");
}
