//! Which uplinks are metered, as NetworkManager has it: only of those of which the configuration does not say.
//!
//! It is optional: on a computer without it no uplink is metered that is not named so.

use std::collections::BTreeSet;
use std::time::Duration;

use daemon::Shutdown;
use tokio::time::sleep;
use tunnel::home::MeteredInterfaces;

use crate::config::Config;
use crate::program::{Program, ProgramError};

/// Asks NetworkManager, and tells the links.
pub(crate) struct NetworkManager {
    nmcli: Program,
    metered: MeteredInterfaces,
}

/// From one answer to the next question.
const PAUSE: Duration = Duration::from_secs(5);
const FIELDS: &str = "GENERAL.IP-IFACE,GENERAL.METERED";

impl NetworkManager {
    /// None when the configuration says it of every uplink, or there is none.
    pub(crate) fn of(
        config: &Config,
        metered: Option<MeteredInterfaces>,
    ) -> Option<NetworkManager> {
        let mut uplinks = config.tunnel.iter().flat_map(|tunnel| &tunnel.uplinks);
        let is_open = uplinks.any(|uplink| uplink.metered.is_none());
        let nmcli = Program::new("nmcli", &["--terse", "--fields", FIELDS, "device", "show"]);
        metered.filter(|_| is_open).map(|metered| NetworkManager { nmcli, metered })
    }

    /// Asks again and again until shutdown; a computer without nmcli is asked once.
    pub(crate) async fn watch(self, shutdown: Shutdown) {
        let asking = async {
            while let Ok(interfaces) = self.ask().await {
                if let Some(interfaces) = interfaces {
                    self.metered.replace(interfaces);
                }
                sleep(PAUSE).await;
            }
        };
        tokio::select! {
            () = asking => {}
            () = shutdown.requested() => {}
        }
    }

    /// The interfaces that are metered; none while NetworkManager does not say.
    async fn ask(&self) -> Result<Option<BTreeSet<String>>, NotInstalled> {
        match self.nmcli.run().await {
            Ok(output) if output.status.success() => Ok(Some(metered(&output.stdout))),
            Ok(_) | Err(ProgramError::Late | ProgramError::Failed(_)) => Ok(None),
            Err(ProgramError::NotInstalled) => Err(NotInstalled),
        }
    }
}

struct NotInstalled;

/// The interfaces that are metered in nmcli's terse words: a field a line, an empty line between devices. A modem's
/// device is its port, and its interface another one.
fn metered(answer: &[u8]) -> BTreeSet<String> {
    let answer = String::from_utf8_lossy(answer);
    let devices = answer.split("\n\n").filter(|device| {
        // "yes", and what it guesses: "yes (guessed)".
        field(device, "GENERAL.METERED").is_some_and(|metered| metered.starts_with("yes"))
    });
    devices.filter_map(|device| field(device, "GENERAL.IP-IFACE")).map(str::to_owned).collect()
}

fn field<'a>(device: &'a str, name: &str) -> Option<&'a str> {
    device.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::process::Stdio;

    use lab::programs;
    use tokio::io::AsyncWriteExt;
    use tokio::process::{Child, Command};
    use tokio::time::timeout;
    use tunnel::home::{self, Home};
    use tunnel::{Identity, SignerPort};

    use super::*;

    /// More than anything here takes.
    const LIMIT: Duration = Duration::from_secs(60);
    const START: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/network_manager/start.sh");

    /// The real one, in namespaces of its own.
    fn start(folder: &Path) -> Child {
        for program in ["NetworkManager", "nmcli", "dbus-daemon", "ip"] {
            programs::path(program).unwrap();
        }
        let mut command = Command::new(programs::path("unshare").unwrap());
        command.args(["--map-root-user", "--mount", "--net", "--pid", "--fork", "--kill-child"]);
        command.args(["--mount-proc", "--propagation", "private", "sh", START]).arg(folder);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        command.kill_on_drop(true).spawn().unwrap()
    }

    fn on_bus(folder: &Path, words: &[&str]) -> Program {
        let address = format!("unix:path={}/bus", folder.display());
        Program::new("nmcli", words).on_bus(&address).within(LIMIT)
    }

    /// It says of its devices how they are while it still reads its connections.
    async fn until_started(folder: &Path) {
        let nmcli = on_bus(folder, &["--terse", "--fields", "STARTUP,STATE", "general"]);
        let asking = async {
            while !nmcli.run().await.unwrap().stdout.starts_with(b"started:connected") {
                sleep(Duration::from_millis(20)).await;
            }
        };
        timeout(LIMIT, asking).await.expect("it does not start");
    }

    fn home(metered: &[Option<bool>]) -> Home {
        let uplink = |metered: &Option<bool>| home::Uplink {
            interface: "eth0".to_owned(),
            metered: *metered,
        };
        let config = home::Config {
            identity: Identity::generate("home").unwrap(),
            port: SignerPort::new(8443).unwrap(),
            shell: None,
            gateways: Vec::new(),
            uplinks: metered.iter().map(uplink).collect(),
        };
        Home::new(config).0
    }

    async fn until_metered(manager: &NetworkManager, expected: &[&str]) {
        let asking = async {
            loop {
                let Ok(found) = manager.ask().await else { panic!("nmcli is not installed") };
                if found.as_ref().is_some_and(|found| found.iter().eq(expected)) {
                    return;
                }
                sleep(Duration::from_millis(20)).await;
            }
        };
        timeout(LIMIT, asking).await.unwrap_or_else(|_| panic!("{expected:?} are not metered"));
    }

    #[tokio::test]
    async fn what_is_metered_is_what_the_real_network_manager_says() {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path();
        let nmcli = on_bus(at, &["--terse", "--fields", FIELDS, "device", "show"]);
        let manager = NetworkManager { nmcli, metered: home(&[]).metered_interfaces() };
        assert!(matches!(manager.ask().await, Ok(None)), "there is no bus yet");
        let mut running = start(at);
        until_metered(&manager, &["wwan0"]).await;
        until_started(at).await;
        for (name, metered) in [("eth0", "yes"), ("wwan0", "no")] {
            let modify = format!("connection modify {name} connection.metered {metered}\n");
            let words = format!("{modify}device reapply {name}\n");
            running.stdin.as_mut().unwrap().write_all(words.as_bytes()).await.unwrap();
        }
        until_metered(&manager, &["eth0"]).await;
    }

    #[test]
    fn a_modem_is_known_by_its_interface_and_a_guess_counts() {
        let answer = "GENERAL.IP-IFACE:eth0\nGENERAL.METERED:no (guessed)\n\nGENERAL.IP-IFACE:wwan0\n\
                      GENERAL.METERED:yes (guessed)\n\nGENERAL.IP-IFACE:\nGENERAL.METERED:unknown\n";
        assert!(metered(answer.as_bytes()).iter().eq(["wwan0"]));
        for nonsense in ["", "\n\n", "GENERAL.METERED:yes", "yes"] {
            assert!(metered(nonsense.as_bytes()).is_empty(), "{nonsense}");
        }
    }

    #[tokio::test]
    async fn a_computer_without_it_is_asked_once() {
        let nmcli = Program::new("/nowhere/nmcli", &[]);
        let manager = NetworkManager { nmcli, metered: home(&[None]).metered_interfaces() };
        timeout(LIMIT, manager.watch(Shutdown::new())).await.unwrap();
    }
}
