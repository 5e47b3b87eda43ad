use std::fs;
use std::os::unix::fs::PermissionsExt;

use tempfile::TempDir;

use super::*;

const KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKDaG38dVRCQLCJu87kWMNuq59QRGIZr4+rXgHjLXCTR";
const OTHER: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIqEazfSreWLsC5WEPZdLYCtzr5JzdHupqEyMQMBksp2";
const HEAD: &str = "[ssh]\nlisten = \"127.0.0.1:58255\"\nhost_key = \"host_key\"\n";

fn read(text: &str) -> Result<Config, String> {
    let folder = TempDir::new().unwrap();
    let host_key = folder.path().join("host_key");
    fs::write(&host_key, Identity::generate("host").unwrap().to_openssh().unwrap()).unwrap();
    fs::set_permissions(&host_key, fs::Permissions::from_mode(0o600)).unwrap();
    let path = folder.path().join("gateway.toml");
    fs::write(&path, text).unwrap();
    Config::read(&path).map_err(|error| error.to_string())
}

fn signer(name: &str, key: &str, port: u16, more: &str) -> String {
    format!("[[signer]]\nname = \"{name}\"\nssh_public_key = \"{key}\"\nport = {port}\n{more}\n")
}

#[test]
fn a_whole_configuration_is_understood() {
    let http = "[http]\nlisten = \"10.0.0.1:6732\"\nanswer_limit_seconds = 5\n";
    let keys = "keys = [\"tz1YPSCGWXwBdTncK2aCctSZAXWvGsGwVJqU\"]";
    let all =
        [HEAD, http, &signer("home", KEY, 8443, keys), &signer("b", OTHER, 8444, "")].concat();
    let config = read(&all).unwrap();
    assert_eq!(config.http_address(), IpAddr::from([10, 0, 0, 1]));
    assert_eq!(config.answer_limit, Duration::from_secs(5));
    assert_eq!(config.signers[0].keys.as_ref().map(Vec::len), Some(1));
    assert_eq!(config.without_keys(), ["b"]);
}

#[test]
fn every_mistake_is_named_with_its_cure() {
    let home = signer("home", KEY, 8443, "");
    let cases = [
        (String::new(), "there is no [[signer]]"),
        (format!("{home}colour = \"red\""), "unknown field"),
        (signer("home", "ssh-ed25519 nonsense", 8443, ""), "is no OpenSSH public key"),
        (signer("home", KEY, 0, ""), "port 0 is out of range"),
        (signer("home", KEY, 64_600, ""), "port 64600 is out of range"),
        (signer("ho me", KEY, 8443, ""), "a name has letters"),
        (signer("home", KEY, 8443, "keys = []"), "keys is empty"),
        (signer("home", KEY, 8443, "keys = [\"tz9\"]"), "keys:"),
        (signer("home", KEY, 58_255, ""), "is taken by [ssh]"),
        (signer("home", KEY, 57_255, ""), "is taken by [ssh]"),
        (format!("{home}{}", signer("home", OTHER, 8444, "")), "two signers have the name"),
        (format!("{home}{}", signer("b", KEY, 8444, "")), "the same ssh_public_key"),
        (format!("{home}{}", signer("b", OTHER, 8443, "")), "is taken by signer \"home\""),
        (format!("{home}{}", signer("b", OTHER, 9443, "")), "is taken by signer \"home\""),
        (
            format!("[http]\nlisten = \"127.0.0.1:1\"\nanswer_limit_seconds = 0\n{home}"),
            "at least 1",
        ),
    ];
    for (text, word) in cases {
        let error = read(&format!("{HEAD}{text}")).unwrap_err();
        assert!(error.contains(word), "{text}\n{error}");
    }
}

#[test]
fn a_host_key_that_others_can_read_is_refused() {
    let folder = TempDir::new().unwrap();
    let host_key = folder.path().join("host_key");
    fs::write(&host_key, Identity::generate("host").unwrap().to_openssh().unwrap()).unwrap();
    fs::set_permissions(&host_key, fs::Permissions::from_mode(0o640)).unwrap();
    let path = folder.path().join("gateway.toml");
    fs::write(&path, format!("{HEAD}{}", signer("home", KEY, 8443, ""))).unwrap();
    let error = Config::read(&path).unwrap_err();
    assert!(error.to_string().contains("chmod 600"), "{error}");
}
