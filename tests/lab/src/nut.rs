//! A UPS that is none, behind the real NUT server.
//!
//! `dummy-ups`, a driver of NUT's own, shows what is in a file; `upsd` serves it. Neither has to be root.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, ensure};
use daemon::free_port;
use rustix::process::geteuid;
use tempfile::TempDir;

use crate::net::Namespace;
use crate::process::Daemon;
use crate::{lone_root, programs, wait};

/// A UPS with its driver and server, which end when it is dropped.
#[derive(Debug)]
pub struct Ups {
    place: Namespace,
    address: SocketAddr,
    server: Daemon,
    driver: Daemon,
    folder: TempDir,
}

/// What the UPS is called.
const NAME: &str = "ups";
/// What the driver shows.
const SHOWN: &str = "ups.dev";
const START_LIMIT: Duration = Duration::from_secs(10);

/// Read again each second; a driver that says nothing for 3 s is stale.
const UPS_CONF: &str = "pollinterval = 1\n[ups]\ndriver = dummy-ups\nmode = dummy-loop\n";
const MAX_AGE: &str = "MAXAGE 3\n";

impl Ups {
    /// Starts a UPS that is on mains and full, with a server on a free port of the loopback of `place`.
    ///
    /// # Errors
    /// When NUT is not here, or does not start.
    pub fn start(place: Namespace) -> anyhow::Result<Ups> {
        let folder = tempfile::tempdir()?;
        let address =
            SocketAddr::from((Ipv4Addr::LOCALHOST, place.on_thread(|| Ok(free_port::choose()?))?));
        configure(folder.path(), address)?;
        show(folder.path(), "OL", 100)?;
        let driver = start_driver(place, folder.path())?;
        let server = start_server(place, folder.path(), address)?;
        Ok(Ups { place, address, server, driver, folder })
    }

    /// As `source` under `[power]` names it.
    #[must_use]
    pub fn url(&self) -> String {
        format!("nut://{NAME}@{}", self.address)
    }

    /// Where its server listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Sets `ups.status` and `battery.charge`, in percent. The server says so within 2 s.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn set(&self, status: &str, charge: u8) -> anyhow::Result<()> {
        show(self.folder.path(), status, charge)
    }

    /// The driver: without it the server says `DRIVER-NOT-CONNECTED`, while it is stopped `DATA-STALE` after 3 s.
    pub fn driver(&mut self) -> &mut Daemon {
        &mut self.driver
    }

    /// Ends the server and starts it anew, on the same port.
    ///
    /// # Errors
    /// When it does not start.
    pub fn restart_server(&mut self) -> anyhow::Result<()> {
        self.server.kill()?;
        self.server = start_server(self.place, self.folder.path(), self.address)?;
        Ok(())
    }
}

fn configure(folder: &Path, address: SocketAddr) -> anyhow::Result<()> {
    let shown = folder.join(SHOWN);
    fs::write(folder.join("ups.conf"), format!("{UPS_CONF}port = {}\n", shown.display()))?;
    let listen = format!("LISTEN {} {}\n{MAX_AGE}", address.ip(), address.port());
    fs::write(folder.join("upsd.conf"), listen)?;
    Ok(fs::write(folder.join("upsd.users"), "")?)
}

/// In one step: the driver never reads half of it.
fn show(folder: &Path, status: &str, charge: u8) -> anyhow::Result<()> {
    let new = folder.join("new");
    fs::write(&new, format!("ups.status: {status}\nbattery.charge: {charge}\n"))?;
    fs::rename(new, folder.join(SHOWN)).context("what the UPS shows")
}

/// A program of NUT in the foreground, whose files are all in `folder`.
fn nut(place: Namespace, program: &str, folder: &Path) -> anyhow::Result<Command> {
    let (program, is_lone_root) = (programs::path(program)?, lone_root::is_here()?);
    let mut command =
        if is_lone_root { lone_root::command(place, program)? } else { place.command(program)? };
    for variable in ["NUT_CONFPATH", "NUT_STATEPATH", "NUT_ALTPIDPATH"] {
        command.env(variable, folder);
    }
    command.arg("-F");
    if geteuid().is_root() && !is_lone_root {
        // Else it becomes a user that cannot read the folder.
        command.args(["-u", "root"]);
    }
    Ok(command)
}

/// Waits for its socket: a server that does not find it at its start looks for it a while later.
fn start_driver(place: Namespace, folder: &Path) -> anyhow::Result<Daemon> {
    let mut command = nut(place, "dummy-ups", folder)?;
    command.args(["-a", NAME]);
    let mut driver = Daemon::start("dummy-ups", command)?;
    let socket = folder.join(format!("dummy-ups-{NAME}"));
    let is_there = || {
        ensure!(driver.is_running()?, "dummy-ups has ended: {}", driver.log()?);
        Ok(socket.exists().then_some(()))
    };
    wait::until("the socket of dummy-ups", START_LIMIT, is_there)?;
    Ok(driver)
}

/// Waits until it knows the UPS: at first it says WAIT.
fn start_server(place: Namespace, folder: &Path, address: SocketAddr) -> anyhow::Result<Daemon> {
    let mut server = Daemon::start("upsd", nut(place, "upsd", folder)?)?;
    server.wait_until_log_says("Connected to UPS [ups]", START_LIMIT)?;
    let knows = || Ok((!status(address)?.contains("WAIT")).then_some(()));
    place.on_thread(|| wait::until("the state of the UPS", START_LIMIT, knows))?;
    Ok(server)
}

/// What the server says of `ups.status`.
fn status(address: SocketAddr) -> anyhow::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(START_LIMIT))?;
    stream.write_all(format!("GET VAR {NAME} ups.status\n").as_bytes())?;
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line)?;
    Ok(line)
}
