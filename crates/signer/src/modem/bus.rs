//! A message bus of its own for a test, with ModemManager on it: the real one, or one that has a modem.

use std::process::Stdio;
use std::time::Duration;

use lab::programs;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::modem::mmcli::{Mmcli, NoReading};
use crate::modem::reading::ModemReading;

/// More than anything here takes.
pub(super) const LIMIT: Duration = Duration::from_secs(30);
/// Debian's Python: another one does not find Debian's modules.
const PYTHON: &str = "/usr/bin/python3";
const DBUSMOCK: &str = "/usr/lib/python3/dist-packages/dbusmock";
const MODEM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/modem/modem_manager.py");

/// A bus. It ends when it is dropped, and so do the programs on it.
pub(super) struct Bus {
    address: String,
    _daemon: Child,
}

impl Bus {
    pub(super) async fn start() -> Bus {
        let mut daemon = command("dbus-daemon");
        daemon.args(["--session", "--nofork", "--print-address=1"]).stdout(Stdio::piped());
        let mut daemon = daemon.spawn().unwrap();
        let mut address = String::new();
        let mut lines = BufReader::new(daemon.stdout.take().unwrap());
        timeout(LIMIT, lines.read_line(&mut address)).await.unwrap().unwrap();
        Bus { address: address.trim().to_owned(), _daemon: daemon }
    }

    /// The real one. It looks for no modem: this computer may have one.
    pub(super) fn modem_manager(&self) -> Child {
        let mut manager = command("ModemManager");
        manager.args(["--no-auto-scan", "--test-no-udev", "--test-no-suspend-resume"]);
        self.run(manager)
    }

    /// One that has a modem, with these properties.
    pub(super) fn modem_manager_with_a_modem(&self, properties: &str) -> Child {
        assert!(std::fs::exists(DBUSMOCK).unwrap(), "apt-get install python3-dbusmock");
        let mut manager = command(PYTHON);
        manager.args(["-B", "-m", "dbusmock", "--template", MODEM, "--parameters", properties]);
        self.run(manager)
    }

    fn run(&self, mut program: Command) -> Child {
        program.env("DBUS_SYSTEM_BUS_ADDRESS", &self.address).stdout(Stdio::null());
        program.spawn().unwrap()
    }

    /// The real mmcli on this bus.
    pub(super) fn mmcli(&self) -> Mmcli {
        mmcli_on(&self.address)
    }

    /// What it answers, once there is a ModemManager on the bus.
    pub(super) async fn answer(&self) -> Result<ModemReading, NoReading> {
        let asking = async {
            loop {
                match self.mmcli().ask().await {
                    Err(NoReading::NoManager) => {
                        tokio::time::sleep(Duration::from_millis(20)).await
                    }
                    answer => return answer,
                }
            }
        };
        timeout(LIMIT, asking).await.expect("no ModemManager comes")
    }
}

/// The real mmcli, as it is asked in earnest, on another bus.
pub(super) fn mmcli_on(address: &str) -> Mmcli {
    programs::path("mmcli").unwrap();
    Mmcli::installed().on_bus(address).within(LIMIT)
}

/// A program that ends with what this gives.
fn command(program: &str) -> Command {
    let mut command = Command::new(programs::path(program).unwrap());
    command.stdin(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    command
}
