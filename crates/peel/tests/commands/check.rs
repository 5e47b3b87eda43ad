//! "peel signer check" and "peel gateway check": each thing broken once. "All is well" is a promise.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use daemon::free_port;
use lab::net::Namespace;
use lab::nut::Ups;
use lab::wait;
use ledger_sim::{Config, Curve, Device, Path as KeyPath, Setup};
use tempfile::TempDir;

use crate::pasted::Pasted;
use crate::peel::{done, fails, peel, run, said};

/// The first and the second secp256k1 key of the simulated Ledger.
const KEY: &str = "tz2Q3U8EbGayZzK2Vwap5JQJFmJEbwURe77o";
const LIMIT: Duration = Duration::from_secs(20);

/// The check fails with exit code 1, says this, and does not say that all is well.
fn complains(folder: &Path, words: &str) {
    let output = peel(folder, "signer check");
    let said = said(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains(words), "{words:?} is not in {said}");
    assert!(!said.contains("All is well"), "{said}");
}

fn is_well(folder: &Path) {
    let output = peel(folder, "signer check");
    assert!(output.status.success() && said(&output).contains("All is well"), "{}", said(&output));
}

fn device(level: u32) -> Device {
    let chain_id = [0x7a, 6, 0xa7, 0x70];
    let setup = Setup { curve: Curve::Secp256k1, path: KeyPath::FIRST, chain_id, level };
    let config = Config { setup: Some(setup), ..Config::default() };
    Device::start("127.0.0.1:0".parse().unwrap(), &config).unwrap()
}

/// A configuration for a key on that device; `more` goes under the key.
fn home(device: &Device, more: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let text = format!(
        "chains = [\"mainnet\"]\n[state]\ndirectory = \"state\"\n[http]\nlisten = \"localhost:{}\"\n\
         [monitor]\nlisten = \"localhost:{}\"\n[ledger]\ntransport = \"tcp://{}\"\n\
         [[key]]\nname = \"baker\"\nledger = \"secp256k1/0h/0h\"\n{more}\n",
        free_port::choose().unwrap(),
        free_port::choose().unwrap(),
        device.address()
    );
    fs::write(folder.path().join("signer.toml"), text).unwrap();
    folder
}

fn change(folder: &Path, from: &str, to: &str) {
    let file = folder.join("signer.toml");
    let text = fs::read_to_string(&file).unwrap();
    assert!(text.contains(from));
    fs::write(file, text.replace(from, to)).unwrap();
}

#[test]
fn each_thing_that_is_wrong_with_the_ledger_is_named() {
    let device = device(100);
    let folder = home(&device, &format!("public_key_hash = \"{KEY}\""));
    let at = folder.path();
    assert!(peel(at, "watermark init --level 100").status.success());
    is_well(at);

    device.unplug();
    complains(at, "the Ledger does not answer");
    device.plug();
    // Another key than the authorised one.
    change(at, "secp256k1/0h/0h", "secp256k1/0h/1h");
    complains(at, "it is another Ledger, or another seed");
    change(at, &format!("public_key_hash = \"{KEY}\""), "");
    complains(at, "not authorised for secp256k1/0h/1h (secp256k1/0h/0h is)");
    complains(at, "no watermark for tz2");
    change(at, "secp256k1/0h/1h", "ledger://tz1Ke2h7sDdakHJQh8WX4Z372du1KChsksyU/secp256k1/0h/0h");
    complains(at, "it is another seed");
}

#[test]
fn a_ledger_that_signs_nothing_yet_is_named() {
    let fresh = Device::start("127.0.0.1:0".parse().unwrap(), &Config::default()).unwrap();
    let folder = home(&fresh, &format!("public_key_hash = \"{KEY}\""));
    assert!(peel(folder.path(), "watermark init --level 100").status.success());
    complains(folder.path(), "(no key is); run");

    let ahead = device(200);
    let folder = home(&ahead, &format!("public_key_hash = \"{KEY}\""));
    assert!(peel(folder.path(), "watermark init --level 149").status.success());
    complains(folder.path(), "high watermark for NetXdQprcVkpaWU is 200, above the store's 149");
}

/// Root has copied it to another disk.
#[test]
fn a_store_that_the_service_cannot_open_is_named() {
    let device = device(100);
    let folder = home(&device, "");
    assert!(peel(folder.path(), "watermark init --level 100").status.success());
    is_well(folder.path());
    // Only root can make it so, and only root is told that all is well.
    if chown(folder.path().join("signer.toml"), None, Some(1234)).is_ok() {
        complains(folder.path(), "chown -R peel:peel");
    }
}

/// As octez-signer has, which was here before.
#[test]
fn a_port_that_another_program_has_is_named() {
    let device = device(100);
    let folder = home(&device, "");
    assert!(peel(folder.path(), "watermark init --level 100").status.success());
    is_well(folder.path());
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let (text, port) = (
        fs::read_to_string(folder.path().join("signer.toml")).unwrap(),
        other.local_addr().unwrap(),
    );
    let line = text.lines().find(|line| line.starts_with("listen")).unwrap();
    change(folder.path(), line, &format!("listen = \"{port}\""));
    complains(folder.path(), &format!("cannot listen on {port}"));
    complains(folder.path(), "still running there");
}

/// A signer that waits for mains holds no lock, so the check cannot ask it.
#[test]
fn mains_that_are_lost_and_a_ups_that_is_silent_are_named() {
    let (device, ups) = (device(100), Ups::start(Namespace::here()).unwrap());
    let power = format!("[power]\nsource = \"{}\"\nstop_at_charge = 10", ups.url());
    let folder = home(&device, &power);
    let at = folder.path();
    assert!(peel(at, "watermark init --level 100").status.success());
    is_well(at);
    for (charge, words) in [(80, "look at the plug"), (9, "does not start before")] {
        ups.set("OB DISCHRG", charge).unwrap();
        let told = || Ok(said(&peel(at, "signer check")).contains(words).then_some(()));
        wait::until("the UPS says so", LIMIT, told).unwrap();
        complains(at, "[power]: mains are lost");
    }
    drop(ups);
    complains(at, "[power]: the NUT server cannot be reached");
}

#[test]
fn an_upstream_signer_that_is_off_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let text = format!(
        "chains = [\"mainnet\"]\n[state]\ndirectory = \".\"\n[http]\nlisten = \"127.0.0.1:0\"\n\
         [[key]]\nname = \"elsewhere\"\nupstream = \"http://127.0.0.1:1/{KEY}\"\n"
    );
    fs::write(folder.path().join("signer.toml"), text).unwrap();
    assert!(peel(folder.path(), "watermark init --level 100").status.success());
    complains(folder.path(), "cannot be reached");
}

/// It has the store and the device: it is asked, instead of "stop it first".
#[test]
fn beside_a_signer_that_runs_that_one_is_asked() {
    let device = device(100);
    let folder = home(&device, &format!("public_key_hash = \"{KEY}\""));
    let at = folder.path();
    assert!(peel(at, "watermark init --level 100").status.success());
    let _signer = run(at, "signer run");
    let end = Instant::now() + LIMIT;
    let good = loop {
        let output = peel(at, "signer check");
        let text = said(&output);
        if output.status.success() && text.contains("[+] key_baker: ok") {
            break text;
        }
        assert!(Instant::now() < end, "{text}");
    };
    assert!(good.contains("the signer is running"), "{good}");
    device.unplug();
    let end = Instant::now() + LIMIT;
    while !said(&peel(at, "signer check")).contains("[-] key_baker") {
        assert!(Instant::now() < end, "it does not say that the Ledger is gone");
    }
    assert_eq!(peel(at, "signer check").status.code(), Some(1));
}

/// The whole way, with both daemons: each side's mistake is named at home.
#[test]
fn a_gateway_that_does_not_let_the_signer_in_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let Pasted { port, host_key } = Pasted::new(at, "");
    let key = peel(at, "key generate --curve secp256k1 --unencrypted --output home/key");
    assert!(key.status.success());
    let home = at.join("home");
    change(&home, "ledger = \"secp256k1/0h/0h\"", "secret_key_file = \"key\"");
    assert!(peel(&home, "watermark init --level 100").status.success());
    complains(&home, "is not reached");

    let _gateway = run(&at.join("cloud"), "gateway run");
    let end = Instant::now() + LIMIT;
    while !peel(&home, "signer check").status.success() {
        assert!(Instant::now() < end, "{}", said(&peel(&home, "signer check")));
    }
    assert!(said(&peel(&home, "signer check")).contains("lets this signer in, with its port"));
    let beside = peel(&at.join("cloud"), "gateway check");
    assert_eq!(beside.status.code(), Some(1), "no signer is there");
    assert!(said(&beside).contains("[-] signer_home: not connected"), "{}", said(&beside));

    change(&home, &format!("port = {port}"), &format!("port = {}", port + 1));
    complains(&home, &format!("gateway.toml says port = {port}"));
    change(&home, &format!("port = {}", port + 1), &format!("port = {port}"));
    change(
        &home,
        &host_key,
        "host_key = \"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKDaG38dVRCQLCJu87kWMNuq59QRGIZr4+rXgHjLXCTR\"",
    );
    complains(&home, "WRONG HOST KEY");
}

/// It would not start.
#[test]
fn a_state_that_the_gateway_could_not_use_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    Pasted::new(at, "");
    let (cloud, state) = (at.join("cloud"), at.join("cloud/state"));
    assert!(done(&cloud, "gateway check").contains("not there yet"));
    assert!(!state.exists());
    fs::write(&state, "").unwrap();
    let is_named = |words: &str| {
        let (code, said) = fails(&cloud, "gateway check");
        assert!(code == Some(1) && said.contains(words), "{said}");
    };
    is_named("check the owner and the disk");
    fs::remove_file(&state).unwrap();
    fs::create_dir(&state).unwrap();
    fs::write(state.join("answered.json"), "[{").unwrap();
    is_named("move the file away");
    fs::remove_file(state.join("answered.json")).unwrap();
    assert!(done(&cloud, "gateway check").contains("good, keys: 0"));
    // Only root can make it so, and only root is told that all is well.
    if chown(cloud.join("gateway.toml"), None, Some(1234)).is_ok() {
        is_named("chown -R peel:peel");
    }
}

/// A typed-in key comes back in no message.
#[test]
fn a_secret_in_the_wrong_field_is_not_shown() {
    const SECRET: &str = "edsk3gUfUPyBSfrS9CCgmCiQsTCHGkviBDusMxDJstFtojtc1zcpsh";
    let wrong = [
        format!("secret_key_file = \"unencrypted:{SECRET}\""),
        format!("ledger = \"{SECRET}\""),
        format!("upstream = \"{SECRET}\""),
        format!("public_key_hash = \"{SECRET}\"\nledger = \"secp256k1/0h/0h\""),
        format!("allow = [\"{SECRET}\"]\nledger = \"secp256k1/0h/0h\""),
        format!("ledger = {SECRET}"),
        format!("{SECRET} = 1"),
    ];
    for line in wrong {
        let folder = tempfile::tempdir().unwrap();
        let text = format!(
            "chains = [\"mainnet\"]\n[http]\nlisten = \"127.0.0.1:0\"\n[[key]]\nname = \"baker\"\n{line}\n"
        );
        fs::write(folder.path().join("signer.toml"), text).unwrap();
        for command in ["signer check", "signer run", "watermark show"] {
            let output = peel(folder.path(), command);
            assert_eq!(output.status.code(), Some(2), "{line}");
            assert!(!said(&output).contains("gUfUPyBSfrS9"), "{}", said(&output));
        }
    }
}

/// A backup that trusts an empty file.
#[test]
fn a_command_whose_output_is_lost_fails() {
    let device = device(100);
    let folder = home(&device, &format!("public_key_hash = \"{KEY}\""));
    let at = folder.path();
    assert!(peel(at, "watermark init --level 100").status.success());
    let full = fs::File::options().write(true).open("/dev/full").unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_peel"))
        .args(["watermark", "export"])
        .current_dir(at)
        .stdout(full)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert!(said(&output).contains("cannot be written"));
    assert!(peel(at, "watermark export").status.success());
}

#[test]
fn a_level_that_the_ledger_never_signs_is_refused_before_the_prompt() {
    let device = device(100);
    let folder = tempfile::tempdir().unwrap();
    let before = device.apdus();
    for line in [
        "ledger setup secp256k1/0h/0h --level 1073741824",
        "ledger mark --set 1073741824",
        "ledger setup bls12-381/0h/0h --level 100",
    ] {
        let output = peel(folder.path(), &format!("{line} --transport tcp://{}", device.address()));
        assert_eq!(output.status.code(), Some(1), "{}", said(&output));
        assert_eq!(device.apdus(), before, "{line}");
    }
    let runs = |line: &str| {
        said(&peel(folder.path(), &format!("ledger {line} --transport tcp://{}", device.address())))
    };
    let told = runs("setup secp256k1/0h/0h --level 107");
    for line in [format!("Address         {KEY}"), "Main Chain HWM  107".to_owned()] {
        assert!(told.contains(&line), "{told}");
    }
    assert!(!told.contains("LOWERS"), "{told}");
    for (line, before) in [("setup secp256k1/0h/0h --level 7", 107), ("mark --set 6", 7)] {
        let told = runs(line);
        let lowers = format!("LOWERS the device's mark, which is at level {before}");
        assert!(told.contains(&lowers), "{told}");
    }
}

#[test]
fn a_new_store_is_entered_by_nobody_else() {
    let device = device(100);
    let folder = home(&device, &format!("public_key_hash = \"{KEY}\""));
    assert!(peel(folder.path(), "watermark init --level 100").status.success());
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let state = folder.path().join("state");
    assert_eq!((mode(&state), mode(&state.join("watermark.db"))), (0o700, 0o600));
}
