//! A configuration that changes while the signer runs.

use std::fs;
use std::time::{Duration, Instant};

use crate::harness::{Daemon, Home, TZ1, attestation, get};
use crate::tunnel::{full, gateway, home};

/// With a tunnel that reaches no gateway, a local port and monitoring.
fn reloading() -> Home {
    let text = format!(
        "{}\n[http]\nlisten = \"127.0.0.1:0\"\n[monitor]\nlisten = \"127.0.0.1:0\"",
        full()
    );
    home(&text.replace("gateway.example.com:58255", "127.0.0.1:1")).with_mark(TZ1, Some(99))
}

fn facts(daemon: &Daemon) -> String {
    get(daemon.monitor.unwrap(), "/readyz").text()
}

fn until(daemon: &Daemon, what: &str) -> String {
    let end = Instant::now() + Duration::from_secs(20);
    loop {
        let facts = facts(daemon);
        if facts.contains(what) {
            return facts;
        }
        assert!(Instant::now() < end, "never {what:?}: {facts}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Writes the file of a daemon that runs.
fn write(home: &Home, text: &str) {
    fs::write(home.path("new"), text).unwrap();
    fs::rename(home.path("new"), home.path("signer.toml")).unwrap();
}

#[test]
fn a_gateway_is_added_and_removed_while_the_signer_signs() {
    let home = reloading();
    let daemon = home.start();
    daemon.sign(TZ1, &attestation(100, 0)).signature().unwrap();
    write(&home, &format!("{}\n{}", home.text, gateway("127.0.0.1:2")));
    until(&daemon, "link_127.0.0.1:2_any_signing");
    let moved = home.text.replace("127.0.0.1:1", "127.0.0.1:3");
    write(&home, &moved);
    let facts = until(&daemon, "link_127.0.0.1:3_any_signing");
    assert!(
        !facts.contains("link_127.0.0.1:1_") && !facts.contains("link_127.0.0.1:2_"),
        "{facts}"
    );
    assert!(facts.contains("[+] configuration: ok"), "{facts}");
    daemon.sign(TZ1, &attestation(101, 0)).signature().unwrap();
    daemon.stop().unwrap();
}

#[test]
fn a_wrong_file_is_refused_and_the_signer_goes_on() {
    let home = reloading();
    let daemon = home.start();
    write(&home, &home.text.replace("port = 8443", "prot = 8443"));
    let facts = until(&daemon, "[-] configuration: the file is wrong");
    assert!(facts.contains("prot"), "{facts}");
    let metrics = get(daemon.monitor.unwrap(), "/metrics").text();
    assert!(metrics.contains("\npeel_signer_config_last_reload_successful 0\n"), "{metrics}");
    daemon.sign(TZ1, &attestation(100, 0)).signature().unwrap();
    write(&home, &home.text);
    until(&daemon, "[+] configuration: ok");
    daemon.stop().unwrap();
}

#[test]
fn what_a_restart_is_needed_for_is_named() {
    let home = reloading();
    let daemon = home.start();
    let text = home.text.replace("chains = [", "chains = [\"ghostnet\", ");
    write(&home, &text.replace("port = 8443", "port = 8444"));
    until(&daemon, "chains, [tunnel] port changed in the file since the start");
    // The rule of before holds.
    daemon.sign(TZ1, &attestation(100, 0)).signature().unwrap();
    daemon.stop().unwrap();
}
