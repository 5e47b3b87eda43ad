//! The computer at home with its Ledgers, and the gateway: one for all tests.

use anyhow::{Context, bail, ensure};
use parking_lot::Mutex;
use signer_api::client::SignerUrl;
use tezos::PublicKeyHash;

use crate::card::Card;
use crate::disk::Disk;
use crate::gateway::Gateway;
use crate::ledger::{Ledger, OTHER_SEED};
use crate::machine::{Clock, Firmware, Hardware, Machine};
use crate::made::Made;
use crate::setup;
use crate::shell::Shell;
use crate::usb::Which;

/// All of it.
#[derive(Debug)]
pub struct Home {
    made: Made,
    system: System,
    /// What starts it, after the first time.
    firmware: Firmware,
    card: Card,
    /// What outlives a power cut.
    pub disk: Disk,
    /// Set up for baking, and plugged in.
    baking: Ledger,
    /// With another seed, and not plugged in.
    other: Ledger,
    /// Outside.
    pub gateway: Gateway,
    machine: Option<Machine>,
    key: PublicKeyHash,
    /// No vote was asked for at or above it.
    pub(crate) next_level: u32,
}

/// No vote is asked for at or below it, and the marks begin here.
pub const FLOOR: u32 = 999;
/// Of the seed that the simulated Ledger has when it is given none, at `secp256k1/0h/0h`.
const KEY: &str = "tz2Q3U8EbGayZzK2Vwap5JQJFmJEbwURe77o";
/// The card is larger than what is written on it.
const DISK_SIZE: u64 = 4 << 30;

/// The signer's log, and the kernel's, which has what happened on USB.
const LOG: &str = "journalctl --boot --no-pager --lines=80 _SYSTEMD_UNIT=peel-signer.service + \
                   UNIT=peel-signer.service + _SYSTEMD_UNIT=peel-test.service + _TRANSPORT=kernel";

/// What is on the computer's disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum System {
    /// A small Debian, with the package installed.
    Package,
    /// The image for the computer at home.
    Image,
}

static HOME: Mutex<Option<Home>> = Mutex::new(None);

/// Runs the body of a test with a computer that is on, set up and signing, with the package in a small Debian. When the test
/// fails, the computer's log is printed, and the next test begins with a boot.
///
/// # Errors
/// Those of `body`; when the computer does not come up, or two votes were signed at one mark.
pub fn at_home(body: impl FnOnce(&mut Home) -> anyhow::Result<()>) -> anyhow::Result<()> {
    at_home_with(System::Package, body)
}

/// The same with another system.
///
/// # Errors
/// Those of [`at_home`].
pub fn at_home_with(
    system: System,
    body: impl FnOnce(&mut Home) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let mut present = HOME.lock();
    // There is one address for a gateway.
    present.take_if(|home| home.system != system);
    let home = match &mut *present {
        Some(home) => home,
        none => none.insert(Home::set_up(system)?),
    };
    let outcome = home.prepare().and_then(|()| body(home)).and_then(|()| home.check_witness());
    if outcome.is_err() {
        home.explain();
        home.machine = None;
    }
    outcome
}

impl Home {
    fn set_up(system: System) -> anyhow::Result<Home> {
        let made = Made::from_environment()?;
        let card = Card::new(&made.image)?;
        let package = made.package.as_ref().filter(|_| system == System::Package);
        let (disk, firmware) = match (system, package) {
            (System::Image, _) if made.board.shows_credentials_to_a_kernel() => {
                (&made.image, card.kernel()?)
            }
            (System::Image, _) => (&made.image, Firmware::Efi),
            (System::Package, Some(package)) => (&package.debian, package.kernel()),
            (System::Package, None) => bail!("the package is tested on a PC only: name \"image\""),
        };
        let mut home = Home {
            system,
            firmware,
            card,
            disk: Disk::new(disk, DISK_SIZE)?,
            baking: Ledger::new(None)?,
            other: Ledger::new(Some(OTHER_SEED))?,
            gateway: Gateway::new(&made.peel)?,
            machine: None,
            key: KEY.parse()?,
            next_level: FLOOR + 1,
            made,
        };
        let outcome = match system {
            System::Package => setup::of_package(&mut home),
            System::Image => setup::of_card(&mut home),
        };
        if outcome.is_err() {
            home.explain();
        }
        outcome.map(|()| home)
    }

    /// A test before may have left it without power.
    fn prepare(&mut self) -> anyhow::Result<()> {
        if self.machine.is_none() {
            self.power_on(Clock::Right)?;
        }
        self.wait_until_ready().map(drop)
    }

    /// Switches the computer on, with everything plugged in; returns when it has a shell.
    ///
    /// # Errors
    /// When it does not boot.
    pub fn power_on(&mut self, clock: Clock) -> anyhow::Result<()> {
        self.power_on_with(self.firmware.clone(), clock)
    }

    pub(crate) fn power_on_with(&mut self, firmware: Firmware, clock: Clock) -> anyhow::Result<()> {
        ensure!(self.machine.is_none(), "it is on");
        let hardware = Hardware {
            board: self.made.board,
            firmware,
            disk: self.disk.socket(),
            files: self.made.package.as_ref().map(|package| package.archive.clone()),
            clock,
        };
        let machine = Machine::power_on(&hardware)?;
        for which in Which::ALL {
            let ledger = self.ledger(which);
            ledger.open_app();
            ledger.connect(machine.ledger_port(which)?)?;
        }
        let machine = self.machine.insert(machine);
        machine.wait_for_shell()?;
        println!("    a shell {:.1} s after power-on", machine.powered().elapsed().as_secs_f64());
        Ok(())
    }

    /// Edits a file of the card, on another computer.
    pub(crate) fn edit_card(&self, name: &str, text: &str) -> anyhow::Result<()> {
        self.card.edit(&self.disk, name, text)
    }

    /// The computer.
    ///
    /// # Errors
    /// When it is off.
    pub fn machine(&mut self) -> anyhow::Result<&mut Machine> {
        self.machine.as_mut().context("the computer is off")
    }

    /// Takes the computer away, for a power cut.
    pub(crate) fn take_machine(&mut self) -> anyhow::Result<Machine> {
        self.machine.take().context("the computer is off")
    }

    /// How long it has been on.
    ///
    /// # Errors
    /// When it is off.
    pub fn seconds_since_power_on(&mut self) -> anyhow::Result<f64> {
        Ok(self.machine()?.powered().elapsed().as_secs_f64())
    }

    /// The root shell in it.
    ///
    /// # Errors
    /// When it is off.
    pub fn shell(&mut self) -> anyhow::Result<&mut Shell> {
        Ok(self.machine()?.shell())
    }

    /// One of its Ledgers.
    #[must_use]
    pub fn ledger(&self, which: Which) -> &Ledger {
        match which {
            Which::Baking => &self.baking,
            Which::Other => &self.other,
        }
    }

    /// The key that it signs with.
    #[must_use]
    pub fn key(&self) -> PublicKeyHash {
        self.key
    }

    /// Where a baker asks.
    ///
    /// # Errors
    /// When that is no URL.
    pub fn url(&self) -> anyhow::Result<SignerUrl> {
        self.gateway.url(self.key)
    }

    /// Whatever else happens, this must not.
    pub(crate) fn check_witness(&self) -> anyhow::Result<()> {
        let conflict = Which::ALL.iter().find_map(|which| self.ledger(*which).witness().conflict());
        ensure!(conflict.is_none(), "the Ledger signed twice at one mark: {conflict:?}");
        Ok(())
    }

    fn explain(&mut self) {
        match self.shell().and_then(|shell| shell.run(LOG)) {
            Ok(log) => println!("---- the computer's log\n{log}"),
            Err(error) => println!("---- no log of the computer: {error:#}"),
        }
        if let Some(machine) = &self.machine {
            println!("---- its console\n{}", machine.console_end());
        }
    }
}
