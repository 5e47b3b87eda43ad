//! `[tunnel]`: what is understood, and what is said about the rest.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use tunnel::SignerPort;

use signer::Config;
use tunnel::Identity;

use crate::harness::{Home, TZ1, TZ1_SECRET, get};

/// A home without a local port, and what stands under `[tunnel]`.
pub(crate) fn home(tunnel: &str) -> Home {
    let home = Home::new();
    let text = home.text.replace("[http]\nlisten = \"127.0.0.1:0\"\n", "");
    let home = Home { text, ..home }.with_key("baker", TZ1_SECRET);
    home.write_secret("identity", &Identity::generate("home").unwrap().to_openssh().unwrap());
    home.with(tunnel)
}

const TUNNEL: &str = "[tunnel]\nidentity = \"identity\"\nport = 8443\nssh = \"127.0.0.1:22\"";

pub(crate) fn gateway(address: &str) -> String {
    let host_key = Identity::generate("gateway").unwrap().public();
    format!("[[tunnel.gateway]]\naddress = \"{address}\"\nhost_key = \"{host_key} at gateway\"")
}

pub(crate) fn full() -> String {
    format!("{TUNNEL}\n{}", gateway("gateway.example.com:58255"))
}

fn config(tunnel: &str) -> Config {
    home(tunnel).config().unwrap()
}

fn complaint(tunnel: &str) -> String {
    home(tunnel).config().unwrap_err().to_string()
}

#[test]
fn a_tunnel_is_way_enough() {
    let tunnel = config(&full()).tunnel.unwrap();
    assert_eq!(
        (tunnel.port, tunnel.shell),
        (SignerPort::new(8443).unwrap(), Some("127.0.0.1:22".parse().unwrap()))
    );
    assert_eq!(tunnel.gateways[0].address, "gateway.example.com:58255");
    assert_eq!(tunnel.gateways[0].user, "signer");
    assert!(tunnel.uplinks.is_empty());
}

#[test]
fn every_field_of_a_tunnel_is_understood() {
    let text = format!(
        "{TUNNEL}\n{}\nuser = \"root\"\n{}\n[[tunnel.uplink]]\ninterface = \"eth0\"\n\
         [[tunnel.uplink]]\ninterface = \"wwan0\"\nmetered = true",
        gateway("[2001:db8::1]:22"),
        gateway("192.0.2.1:58255")
    );
    let tunnel = config(&text).tunnel.unwrap();
    assert_eq!(tunnel.gateways.len(), 2);
    assert_eq!(tunnel.gateways[0].user, "root");
    let uplinks: Vec<_> =
        tunnel.uplinks.iter().map(|uplink| (uplink.interface.as_str(), uplink.metered)).collect();
    assert_eq!(uplinks, [("eth0", None), ("wwan0", Some(true))]);
}

#[test]
fn a_tunnel_says_what_is_wrong_with_it() {
    let says = |tunnel: &str, words: &str| {
        let complaint = complaint(tunnel);
        assert!(complaint.contains(words), "{words:?} is not in {complaint:?}");
    };
    says("", "no [http], no [socket] and no [tunnel]");
    says(TUNNEL, "there is no [[tunnel.gateway]]");
    says(&full().replace("8443", "0"), "use 1 to 64535");
    says(&full().replace("8443", "64536"), "use 1 to 64535");
    says(&full().replace("ssh =", "shell ="), "unknown field `shell`");
    for address in ["gateway", "gateway:", ":58255", "gateway:0", "gateway:70000"] {
        says(&format!("{TUNNEL}\n{}", gateway(address)), "HOST:PORT");
    }
    for address in ["2001:db8::1:22", "[gateway]:22", "ssh://gateway:22", "signer@gateway:22"] {
        says(&format!("{TUNNEL}\n{}", gateway(address)), "HOST:PORT");
    }
    says(&format!("{}\n{}", full(), gateway("Gateway.example.com:58255")), "there twice");
    says(&full().replace("ssh-ed25519 ", "ssh-ed25519"), "\"peel gateway init\" prints it");
    let uplinks = |names: [&str; 2]| {
        let [first, second] =
            names.map(|name| format!("[[tunnel.uplink]]\ninterface = \"{name}\""));
        format!("{}\n{first}\n{second}", full())
    };
    says(&uplinks(["eth0", "eth0"]), "there twice");
    for name in ["", "..", "../eth0", "eth 0", "a-name-too-long-"] {
        says(&uplinks(["eth0", name]), "ip link");
    }
}

#[test]
fn an_identity_that_cannot_be_used_is_named_with_its_cure() {
    let home = home(&full());
    let says = |words: &str| {
        let complaint = home.config().unwrap_err().to_string();
        assert!(complaint.contains(words), "{words:?} is not in {complaint:?}");
        assert!(!complaint.contains("PRIVATE"), "a secret in a message");
    };
    home.write_secret("identity", include_str!("identities/encrypted"));
    says("has a passphrase");
    home.write_secret("identity", include_str!("identities/rsa"));
    says("ed25519 or ecdsa is");
    home.write_secret("identity", "hello");
    says("ssh-keygen");
    fs::set_permissions(home.path("identity"), Permissions::from_mode(0o644)).unwrap();
    says("chmod 600");
    fs::remove_file(home.path("identity")).unwrap();
    says("\"peel signer init\" makes one");
}

/// Port 1 has no listener, so no link ever comes up.
#[test]
fn a_signer_without_a_link_runs_and_is_not_ready() {
    let text = format!("{TUNNEL}\n{}\n[monitor]\nlisten = \"127.0.0.1:0\"", gateway("127.0.0.1:1"));
    let daemon = home(&text).with_mark(TZ1, Some(99)).start();
    let monitor = daemon.monitor.unwrap();
    let ready = get(monitor, "/readyz");
    assert_eq!(ready.status, 503);
    assert!(ready.text().contains("[-] tunnel: no gateway is connected"), "{}", ready.text());
    assert_eq!(get(monitor, "/livez").status, 200);
    assert!(get(monitor, "/metrics").text().contains("\nwired_network 1\n"));
    daemon.stop().unwrap();
}

#[test]
fn a_local_port_beside_a_tunnel_is_as_without_one() {
    let text = format!("{TUNNEL}\n{}\n[http]\nlisten = \"127.0.0.1:0\"", gateway("127.0.0.1:1"));
    let daemon = home(&text).with_mark(TZ1, Some(99)).start();
    assert_eq!(get(daemon.http, "/known_keys").status, 500);
    assert_eq!(get(daemon.http, &format!("/statusz/{TZ1}")).status, 200);
    daemon.stop().unwrap();
}

#[test]
fn the_wired_network_is_a_matter_of_the_tunnel_only() {
    let daemon = Home::new().with_key("baker", TZ1_SECRET).with_mark(TZ1, Some(99)).start();
    assert!(!get(daemon.http, "/healthz").text().contains("wired_network"));
}
