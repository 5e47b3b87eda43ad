//! A gateway and a signer that know each other: what each `init` prints, run where it says, on free ports.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use daemon::free_port;

use crate::peel::{done, said};

/// `cloud/gateway.toml` and `home/signer.toml`.
pub(crate) struct Pasted {
    /// The signer's, at the gateway.
    pub(crate) port: u16,
    /// As it stands in `signer.toml`.
    pub(crate) host_key: String,
}

impl Pasted {
    /// Makes both folders in this one. `more` is typed after the gateway's line, instead of its Ledger and level.
    pub(crate) fn new(at: &Path, more: &str) -> Pasted {
        let [ssh, http, monitor, signer_monitor] = [(); 4].map(|()| free_port::choose().unwrap());
        let port = free_port::choose().unwrap();
        let in_cloud = done(at, &format!("gateway init cloud --address 127.0.0.1:{ssh}"));
        let line = command(&in_cloud, "peel signer init ").split(" --ledger ").next().unwrap();
        let at_home = pasted(at, &format!("{line} --port {port} {more}"));
        let gateway = fs::read_to_string(at.join("cloud/gateway.toml")).unwrap();
        let gateway = gateway
            .replace("0.0.0.0:58255", &format!("127.0.0.1:{ssh}"))
            .replace("127.0.0.1:6732", &format!("127.0.0.1:{http}"))
            .replace("127.0.0.1:9583", &format!("127.0.0.1:{monitor}"));
        fs::write(at.join("cloud/gateway.toml"), gateway).unwrap();
        pasted(
            at,
            &format!("{} --config cloud/gateway.toml", command(&at_home, "peel gateway add ")),
        );
        let signer = fs::read_to_string(at.join("home/signer.toml")).unwrap();
        let host_key =
            signer.lines().find(|line| line.starts_with("host_key = ")).unwrap().to_owned();
        let signer = signer.replace("127.0.0.1:9584", &format!("127.0.0.1:{signer_monitor}"));
        fs::write(at.join("home/signer.toml"), signer).unwrap();
        Pasted { port, host_key }
    }
}

/// The line that begins so: it is run as it is.
pub(crate) fn command<'a>(said: &'a str, beginning: &str) -> &'a str {
    said.lines()
        .find(|line| line.starts_with(beginning))
        .unwrap_or_else(|| panic!("{beginning}: {said}"))
}

/// Runs a line in a shell, as a person pastes it, and has to succeed; gives what it wrote.
pub(crate) fn pasted(at: &Path, line: &str) -> String {
    let output = shell(at, line);
    assert!(output.status.success(), "{line}: {}", said(&output));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Runs a line in a shell, where `peel` is this one.
pub(crate) fn shell(at: &Path, line: &str) -> Output {
    let binary = Path::new(env!("CARGO_BIN_EXE_peel"));
    let path = std::env::var("PATH").unwrap();
    let path = format!("{}:{path}", binary.parent().unwrap().display());
    Command::new("sh").args(["-c", line]).env("PATH", path).current_dir(at).output().unwrap()
}
