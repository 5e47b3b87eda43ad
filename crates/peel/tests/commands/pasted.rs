//! A gateway and a signer that know each other: what each `init` prints, pasted where it says, on free ports.

use std::fs;
use std::path::Path;

use crate::peel::{done, free_port};

/// `cloud/gateway.toml` and `home/signer.toml`.
pub(crate) struct Pasted {
    /// The signer's, at the gateway.
    pub(crate) port: u16,
    /// The line that the gateway printed.
    pub(crate) host_key: String,
}

impl Pasted {
    /// Makes both folders in this one.
    pub(crate) fn new(at: &Path) -> Pasted {
        let [ssh, http, monitor, signer_monitor] = [(); 4].map(|()| free_port());
        // The shell's is 1000 above.
        let port = free_port() % 20_000 + 10_000;
        let in_cloud = done(at, "gateway init cloud");
        let at_home = done(at, &format!("signer init home --port {port}"));
        let host_key = in_cloud.lines().find(|line| line.starts_with("host_key = ")).unwrap();
        let gateway = fs::read_to_string(at.join("cloud/gateway.toml")).unwrap();
        let gateway = gateway
            .replace("0.0.0.0:58255", &format!("127.0.0.1:{ssh}"))
            .replace("127.0.0.1:6732", &format!("127.0.0.1:{http}"))
            .replace("127.0.0.1:9583", &format!("127.0.0.1:{monitor}"));
        fs::write(at.join("cloud/gateway.toml"), gateway + block(&at_home)).unwrap();
        let signer = fs::read_to_string(at.join("home/signer.toml")).unwrap();
        let signer = signer.replace("127.0.0.1:9584", &format!("127.0.0.1:{signer_monitor}"));
        let gateway = format!("\n[[tunnel.gateway]]\naddress = \"127.0.0.1:{ssh}\"\n{host_key}\n");
        fs::write(at.join("home/signer.toml"), signer + &gateway).unwrap();
        Pasted { port, host_key: host_key.to_owned() }
    }
}

/// What "signer init" says is to be pasted: from its first line to the empty one.
pub(crate) fn block(said: &str) -> &str {
    let from = said.find("[[signer]]").unwrap();
    said.get(from..).unwrap().split_once("\n\n").unwrap().0
}
