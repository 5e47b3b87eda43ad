//! A computer: QEMU, what can be done to its hardware, and a shell in it.

mod arguments;
mod board;
mod credentials;

use std::fs;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context;
use lab::process::Daemon;
use lab::{programs, wait};
use tempfile::TempDir;

use crate::qmp::Qmp;
use crate::shell::Shell;
use crate::usb::Which;

pub use board::Board;

/// A computer that is switched on. Dropping it is a power cut.
#[derive(Debug)]
pub struct Machine {
    qemu: Daemon,
    qmp: Qmp,
    shell: Shell,
    /// When it was switched on.
    powered: Instant,
    folder: TempDir,
}

/// What a computer is made of, but for what is in it.
#[derive(Debug, Clone)]
pub struct Hardware {
    /// What kind of computer it is.
    pub board: Board,
    /// How it starts.
    pub firmware: Firmware,
    /// The socket of its disk.
    pub disk: PathBuf,
    /// An archive that it can read, as a second disk.
    pub files: Option<PathBuf>,
    /// What its clock shows.
    pub clock: Clock,
}

/// What starts the system.
#[derive(Debug, Clone)]
pub enum Firmware {
    /// The board's own: it starts what is on the disk.
    Efi,
    /// QEMU itself starts this kernel.
    Kernel {
        /// The kernel.
        kernel: PathBuf,
        /// Its first root file system.
        initrd: PathBuf,
        /// How its system is found.
        command_line: String,
    },
}

/// What the clock of the hardware shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clock {
    /// The time.
    Right,
    /// The time with something added, as `date --date` reads it: "-1 year".
    Off(&'static str),
}

/// A network interface of the computer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Line {
    /// At `10.0.2.0/24`.
    First,
    /// At `10.0.3.0/24`.
    Second,
}

/// From QEMU's start to its sockets.
const SOCKET_LIMIT: Duration = Duration::from_secs(30);
/// From power-on to a shell: TCG is some ten times slower than a processor.
const BOOT_LIMIT: Duration = Duration::from_secs(900);
/// Lines of the console that a failure shows.
const TAIL: usize = 60;

impl Machine {
    /// Switches it on. It is booting then: [`Machine::wait_for_shell`] waits.
    ///
    /// # Errors
    /// When QEMU does not start.
    pub fn power_on(hardware: &Hardware) -> anyhow::Result<Machine> {
        let folder = tempfile::tempdir()?;
        let mut command = std::process::Command::new(programs::path(hardware.board.program())?);
        command.args(arguments::of(hardware, folder.path())?);
        let powered = Instant::now();
        let qemu = Daemon::start("QEMU", command)?;
        let control = || {
            let qmp = Qmp::new(connect(&folder.path().join("qmp"))?)?;
            anyhow::Ok((qmp, Shell::new(connect(&folder.path().join("shell"))?)))
        };
        let (qmp, shell) = control().with_context(|| qemu.log().unwrap_or_default())?;
        Ok(Machine { qemu, qmp, shell, powered, folder })
    }

    /// Waits until it has booted as far as a shell.
    ///
    /// # Errors
    /// When it does not, with the end of its console.
    pub fn wait_for_shell(&mut self) -> anyhow::Result<()> {
        let ready = self.shell.run_within(BOOT_LIMIT, "true");
        ready.map(drop).with_context(|| format!("no shell\n{}", self.console_end()))
    }

    /// The root shell in it.
    pub fn shell(&mut self) -> &mut Shell {
        &mut self.shell
    }

    /// The port of one of its Ledgers, outside.
    ///
    /// # Errors
    /// When there is no such port.
    pub fn ledger_port(&self, which: Which) -> anyhow::Result<UnixStream> {
        connect(&self.folder.path().join(format!("ledger{}", which.number())))
    }

    /// When it was switched on.
    #[must_use]
    pub fn powered(&self) -> Instant {
        self.powered
    }

    /// Plugs a network cable in, or takes it out.
    ///
    /// # Errors
    /// When QEMU refuses.
    pub fn set_link(&mut self, line: Line, up: bool) -> anyhow::Result<()> {
        self.qmp.set_link(line.device(), up)
    }

    /// The mains go; of its disk, [`Disk::lose_power`](crate::disk::Disk::lose_power) says what is lost.
    ///
    /// # Errors
    /// When QEMU does not end.
    pub fn cut(mut self) -> anyhow::Result<()> {
        self.qemu.kill()
    }

    /// What its serial console shows.
    #[must_use]
    pub fn console(&self) -> String {
        let bytes = fs::read(self.folder.path().join("console")).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// What its console showed last.
    #[must_use]
    pub fn console_end(&self) -> String {
        let console = self.console();
        let lines: Vec<&str> = console.lines().collect();
        let from = lines.len().saturating_sub(TAIL);
        lines.get(from..).unwrap_or_default().join("\n")
    }
}

impl Line {
    /// Both.
    pub const ALL: [Line; 2] = [Line::First, Line::Second];

    /// As QEMU calls it.
    fn device(self) -> &'static str {
        match self {
            Line::First => "first",
            Line::Second => "second",
        }
    }

    fn net(self) -> &'static str {
        match self {
            Line::First => "10.0.2.0/24",
            Line::Second => "10.0.3.0/24",
        }
    }

    /// The address of its hardware.
    #[must_use]
    pub fn mac(self) -> &'static str {
        match self {
            Line::First => "52:54:00:12:34:01",
            Line::Second => "52:54:00:12:34:02",
        }
    }
}

fn connect(socket: &Path) -> anyhow::Result<UnixStream> {
    wait::until("QEMU's sockets", SOCKET_LIMIT, || Ok(UnixStream::connect(socket).ok()))
}
