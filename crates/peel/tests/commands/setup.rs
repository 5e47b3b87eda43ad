//! `peel signer setup`, with the real binary and the simulated Ledger.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::Output;
use std::thread;

use ledger_sim::{Config, Device};

use crate::pasted::command;
use crate::peel::{done, fails, peel, peel_reads, said};

const KEY: &str = "tz2Q3U8EbGayZzK2Vwap5JQJFmJEbwURe77o";
const HOST_KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKDaG38dVRCQLCJu87kWMNuq59QRGIZr4+rXgHjLXCTR";

/// A Ledger that approves, with no key authorised.
fn device() -> (Device, String) {
    let device = Device::start("127.0.0.1:0".parse().unwrap(), &Config::default()).unwrap();
    let transport = format!("tcp://{}", device.address());
    (device, transport)
}

/// All that is needed, as a file of answers.
fn answers(at: &Path, transport: &str, more: &str) {
    let text = format!(
        "name = \"garage\"\nport = 9000\ngateway = \"127.0.0.1:1\"\nhost_key = \"{HOST_KEY}\"\n\
         ledger = \"secp256k1/0h/0h\"\ntransport = \"{transport}\"\n{more}"
    );
    fs::write(at.join("peel.toml"), text).unwrap();
}

const SETUP: &str = "signer setup --directory home --answers peel.toml --yes";

fn file(at: &Path) -> String {
    fs::read_to_string(at.join("home/signer.toml")).unwrap()
}

/// Everything below a folder, and what is in it.
fn tree(at: &Path) -> Vec<(String, Vec<u8>)> {
    let mut all = Vec::new();
    for entry in fs::read_dir(at).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            all.extend(tree(&path));
        } else {
            all.push((path.display().to_string(), fs::read(&path).unwrap()));
        }
    }
    all.sort();
    all
}

#[test]
fn one_file_of_answers_makes_a_signer_that_can_sign() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let (device, transport) = device();
    answers(at, &transport, "level = 100\nuplink = \"lo\"");
    let said = done(at, SETUP);
    let line = command(&said, "peel gateway add garage ");
    assert!(line.ends_with(&format!("--port 9000 --keys {KEY}")), "{line}");
    assert!(said.contains(&format!("public_key_hash = \"{KEY}\"")), "{said}");
    let list = done(at, &format!("ledger list --transport {transport}"));
    assert!(list.contains("secp256k1/0h/0h authorised, mark of mainnet level 100"), "{list}");
    let marks = done(at, "watermark show --config home/signer.toml");
    assert!(marks.contains(KEY) && marks.contains("100"), "{marks}");
    // The gateway is not there; nothing else is wrong.
    let (code, complaint) = fails(at, "signer check --config home/signer.toml");
    assert_eq!((code, complaint.lines().count()), (Some(1), 1), "{complaint}");
    assert!(complaint.contains("127.0.0.1:1 is not reached"), "{complaint}");
    drop(device);
}

#[test]
fn a_setup_that_is_run_again_changes_only_what_is_asked() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let (device, transport) = device();
    answers(at, &transport, "level = 100");
    done(at, SETUP);
    // The device is not needed any more: key and marks are known.
    drop(device);
    let before = tree(&at.join("home"));
    let again = done(at, SETUP);
    assert!(again.contains("kept as it is"), "{again}");
    assert_eq!(tree(&at.join("home")), before);
    let text = file(at);
    let lower = done(at, &format!("{SETUP} --level 50 --power sysfs"));
    assert!(lower.contains("marks          kept as they are"), "{lower}");
    assert!(lower.contains("+ source = \"sysfs\""), "{lower}");
    assert_eq!(file(at).replace("\n[power]\nsource = \"sysfs\"\n", ""), text);
    let higher = done(at, &format!("{SETUP} --level 200"));
    assert!(higher.contains("nothing at or below level 200 will be signed"), "{higher}");
    assert!(done(at, "watermark show --config home/signer.toml").contains("200"));
}

#[test]
fn a_new_box_never_starts_from_zero_or_below_the_devices_mark() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let (_device, transport) = device();
    answers(at, &transport, "");
    let (code, complaint) = fails(at, SETUP);
    assert_eq!(code, Some(1));
    assert!(complaint.contains("never starts from zero"), "{complaint}");
    done(at, &format!("ledger setup secp256k1/0h/0h --level 500 --transport {transport}"));
    assert!(fails(at, SETUP).1.contains("high watermark is 500"));
    answers(at, &transport, "level = 499");
    assert!(fails(at, SETUP).1.contains("below the Ledger's own high watermark"));
    assert!(!at.join("home").exists(), "nothing was written");
}

/// The marks of a store that is there, and of a device that has signed further, for another key.
#[test]
fn no_mark_goes_down_when_a_key_is_authorised() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let (first, transport) = device();
    answers(at, &transport, "level = 100");
    done(at, SETUP);
    drop(first);
    let (_second, transport) = device();
    done(at, &format!("ledger setup P-256/0h/0h --level 500 --transport {transport}"));
    answers(at, &transport, "level = 200");
    // As if the key had never been seen.
    let text = file(at).replace("public_key_hash", "# public_key_hash");
    fs::write(at.join("home/signer.toml"), text).unwrap();
    let told = done(at, SETUP);
    assert!(told.contains("in place of P-256/0h/0h"), "{told}");
    let list = done(at, &format!("ledger list --transport {transport}"));
    assert!(list.contains("secp256k1/0h/0h authorised, mark of mainnet level 500"), "{list}");
    assert!(done(at, "watermark show --config home/signer.toml").contains("200"));
}

#[test]
fn without_a_ledger_nothing_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    answers(at, "tcp://127.0.0.1:1", "level = 100");
    let (code, complaint) = fails(at, SETUP);
    assert_eq!(code, Some(1));
    assert!(complaint.contains("127.0.0.1:1"), "{complaint}");
    answers(at, "usb", "level = 100\npower = \"nuts\"");
    assert!(fails(at, SETUP).1.contains("\"nuts\" is not known"));
    answers(at, "usb", "level = 100\nuplink = [\"a/b\"]");
    assert!(fails(at, SETUP).1.contains("is no name of a network interface"));
    assert!(!at.join("home").exists(), "nothing was written");
}

#[test]
fn a_level_is_asked_of_the_node_that_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let node = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", node.local_addr().unwrap());
    let answering = thread::spawn(move || {
        let (mut stream, _) = node.accept().unwrap();
        let _ = stream.read(&mut [0; 1024]).unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 14\r\n\r\n{\"level\":4321}").unwrap();
    });
    done(at, "key generate --curve secp256k1 --unencrypted --output key");
    let key = format!("--secret-key-file {}", at.join("key").display());
    let flags = format!("{key} --gateway 127.0.0.1:1 --node {url}");
    let output = peel_words(at, &flags);
    assert!(output.status.success(), "{}", said(&output));
    assert!(said(&output).contains("level          4321, as http://"), "{}", said(&output));
    answering.join().unwrap();
    assert!(done(at, "watermark show --config home/signer.toml").contains("4321"));
}

/// With the host key, which has blanks in it.
fn peel_words(at: &Path, flags: &str) -> Output {
    fs::write(at.join("peel.toml"), format!("host_key = \"{HOST_KEY}\"")).unwrap();
    peel(at, &format!("{SETUP} {flags}"))
}

/// Every question in its order, and Enter for what is found.
#[test]
fn a_person_is_asked_and_nothing_is_written_before_the_last_yes() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let (_device, transport) = device();
    let line = format!("signer setup --directory home --transport {transport}");
    let pasted = format!(
        "peel signer init home --gateway 127.0.0.1:1 --host-key '{HOST_KEY}' --ledger x --level y"
    );
    let up_to_yes = format!("\nsoon\n100\n{pasted}\nlo\nwwan7\nnone\nnone\n\n9000\n");
    let refused = peel_reads(at, &line, &format!("{up_to_yes}no\n"));
    assert!(!refused.status.success());
    assert!(said(&refused).contains("nothing was written"), "{}", said(&refused));
    assert!(!at.join("home").exists());
    let output = peel_reads(at, &line, &format!("{up_to_yes}yes\n"));
    let told = said(&output);
    assert!(output.status.success(), "{told}");
    assert!(
        told.contains("wwan7 is none of these") && told.contains("own high watermark is 0"),
        "{told}"
    );
    assert!(command(&told, "peel gateway add home ").ends_with(KEY), "{told}");
    let table: toml::Table = file(at).parse().unwrap();
    assert_eq!(table["tunnel"]["gateway"][0]["address"].as_str(), Some("127.0.0.1:1"));
    assert_eq!(table["tunnel"]["uplink"][0]["interface"].as_str(), Some("lo"));
    let cut_short = peel_reads(at, &line, "\n");
    assert!(said(&cut_short).contains("--yes"), "{}", said(&cut_short));
}

#[test]
fn only_the_identity_is_made_when_nothing_else_is_asked() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let said = done(at, "signer setup --directory home --only-identity --name garage --port 9000");
    assert!(
        said.lines()
            .last()
            .unwrap()
            .starts_with("peel gateway add garage --ssh-public-key 'ssh-ed25519 ")
    );
    assert_eq!(fs::read_dir(at.join("home")).unwrap().count(), 1);
}
