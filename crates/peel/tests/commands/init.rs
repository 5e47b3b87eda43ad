//! `peel signer init`, and what `peel signer check` says of what it makes, with the real binary.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use tunnel::Identity;

use crate::pasted::{Pasted, command, pasted, shell};
use crate::peel::{done, fails, said};

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

/// What is said of the signer to the gateway.
fn line(said: &str) -> String {
    command(said, "peel gateway add ").to_owned()
}

#[test]
fn what_is_printed_names_the_identity_that_was_made() {
    let folder = tempfile::tempdir().unwrap();
    let said = done(folder.path(), "signer init new/home --name garage --port 9000");
    let at = folder.path().join("new/home");
    assert_eq!((mode(&at), mode(&at.join("identity"))), (0o700, 0o600));
    let text = fs::read_to_string(at.join("identity")).unwrap();
    let identity = Identity::parse(&text).unwrap().public();
    assert_eq!(
        line(&said),
        format!("peel gateway add garage --ssh-public-key '{identity}' --port 9000")
    );
    let starter: toml::Table = fs::read_to_string(at.join("signer.toml")).unwrap().parse().unwrap();
    assert_eq!(starter["tunnel"]["port"].as_integer(), Some(9000));
}

#[test]
fn nothing_is_ever_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let first = done(at, "signer init . --port 9000");
    let files = ["identity", "signer.toml"];
    let before = files.map(|file| fs::read(at.join(file)).unwrap());
    let again = done(at, "signer init .");
    assert_eq!(files.map(|file| fs::read(at.join(file)).unwrap()), before);
    assert_eq!(line(&again), line(&first), "the port is that of the file");
    assert_eq!(again.matches("kept as it is").count(), 2, "{again}");
    let (_, complaint) = fails(at, "signer init . --port 9001");
    assert!(complaint.contains("+ port = 9001"), "{complaint}");
    assert!(complaint.contains("peel signer setup --directory ."), "{complaint}");
    assert_eq!(files.map(|file| fs::read(at.join(file)).unwrap()), before);
    assert_eq!(fs::read_dir(at).unwrap().count(), 2, "nothing else is left behind");
}

#[test]
fn what_cannot_be_pasted_is_bad_usage() {
    let folder = tempfile::tempdir().unwrap();
    for words in ["--name a\"b", "--name é", "--port 0", "--port 64536"] {
        assert_eq!(fails(folder.path(), &format!("signer init . {words}")).0, Some(2), "{words}");
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

/// The starter as it is made, but for a key in a file instead of one on a Ledger.
fn starter(at: &Path) -> String {
    done(at, "signer init .");
    done(at, "key generate --curve secp256k1 --unencrypted --output key");
    let text = fs::read_to_string(at.join("signer.toml")).unwrap();
    text.replace("ledger = \"secp256k1/0h/0h\"", "secret_key_file = \"key\"")
}

/// Fills in a blank as a person does.
fn fill_in(text: &str, address: &str) -> String {
    let host_key = Identity::generate("gateway").unwrap().public();
    text.replace("# [[tunnel.gateway]]", "[[tunnel.gateway]]")
        .replace("# address = \"gateway.example.com:58255\"", &format!("address = \"{address}\""))
        .replace("# host_key = \"ssh-ed25519 AAAA…\"", &format!("host_key = \"{host_key}\""))
}

#[test]
fn a_starter_is_good_when_its_blanks_are_filled_in() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let blank = starter(at);
    let (code, complaint) = fails(at, "signer check --config signer.toml");
    assert_eq!(code, Some(2));
    assert!(complaint.contains("[[tunnel.gateway]]"), "{complaint}");

    // Something listens there, and is no gateway.
    let gateway = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = gateway.local_addr().unwrap().to_string();
    let filled = fill_in(&blank, &address);
    let with_uplink = filled
        .replacen("# [[tunnel.uplink]]", "[[tunnel.uplink]]", 1)
        .replace("# interface = \"eth0\"", "interface = \"lo\"");
    fs::write(at.join("signer.toml"), &with_uplink).unwrap();
    done(at, "watermark init --level 100");
    let answering = std::thread::spawn(move || drop(gateway.accept()));
    let (code, complaint) = fails(at, "signer check");
    assert_eq!(code, Some(1));
    assert!(complaint.contains(&format!("no ssh with {address}")), "{complaint}");
    answering.join().unwrap();

    let gone = with_uplink.replace("\"lo\"", "\"nowhere0\"").replace(&address, "127.0.0.1:1");
    fs::write(at.join("signer.toml"), gone).unwrap();
    let (code, complaint) = fails(at, "signer check --config signer.toml");
    assert_eq!(code, Some(1));
    assert!(complaint.contains("uplink nowhere0: there is no such interface"), "{complaint}");
    assert!(complaint.contains("127.0.0.1:1 is not reached"), "{complaint}");
}

/// Both `init`, each line run where it says.
#[test]
fn what_one_side_prints_is_what_the_other_side_takes() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let Pasted { host_key, .. } = Pasted::new(at, "");
    assert_eq!(mode(&at.join("cloud/host_key")), 0o600);
    let said = done(at, "gateway check --config cloud/gateway.toml");
    assert!(said.contains("All is well"), "{said}");
    assert!(said.contains(&host_key), "check shows the line, too: {said}");
    let (code, said) = fails(at, "signer check --config home/signer.toml");
    assert_eq!(code, Some(1), "no store yet, but nothing is wrong with the configuration: {said}");
}

#[test]
fn a_bad_gateway_configuration_is_exit_2_with_the_cure() {
    let folder = tempfile::tempdir().unwrap();
    done(folder.path(), "gateway init cloud");
    let (code, said) = fails(folder.path(), "gateway check --config cloud/gateway.toml");
    assert_eq!(code, Some(2));
    assert!(said.contains("there is no [[signer]]"), "{said}");
    done(folder.path(), "gateway init cloud");
}

#[test]
fn a_stand_in_that_the_configuration_does_not_name_is_exit_2_with_the_cure() {
    let folder = tempfile::tempdir().unwrap();
    Pasted::new(folder.path(), "");
    let (code, said) = fails(folder.path(), "gateway stand-in --config cloud/gateway.toml");
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("[http] stand_in is not true"), "{said}");
}

#[test]
fn a_signer_that_would_make_the_file_useless_is_not_written() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    Pasted::new(at, "");
    let file = at.join("cloud/gateway.toml");
    let before = fs::read_to_string(&file).unwrap();
    let other = done(at, "signer init other --name other --port 58255");
    let add = format!("{} --config cloud/gateway.toml", line(&other));
    let port = before.lines().find_map(|line| line.strip_prefix("listen = \"127.0.0.1:")).unwrap();
    let port = port.split('"').next().unwrap();
    let add = add.replace("58255", port);
    let output = shell(at, &add);
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    assert!(said(&output).contains("is taken by"), "{}", said(&output));
    assert_eq!(fs::read_to_string(&file).unwrap(), before);
    let twice = add.replace(port, "9100");
    pasted(at, &twice);
    let once = fs::read_to_string(&file).unwrap();
    assert!(pasted(at, &twice).contains("it is there already"));
    assert_eq!(fs::read_to_string(&file).unwrap(), once);
}
