//! What happens to a Ledger on its way to the computer.

use crate::home::Home;

/// The product id while the app runs, and while the dashboard does (a Nano S Plus).
const APP: &str = "0x5011";
const DASHBOARD: &str = "0x5000";

/// A Ledger of the computer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// The one that is set up for baking.
    Baking,
    /// One with another seed.
    Other,
}

impl Which {
    /// Both.
    pub const ALL: [Which; 2] = [Which::Baking, Which::Other];

    pub(crate) fn number(self) -> usize {
        match self {
            Which::Baking => 0,
            Which::Other => 1,
        }
    }
}

impl Home {
    /// Puts a Ledger's plug in, unlocked and with the app open.
    ///
    /// # Errors
    /// When the machine cannot be told.
    pub fn plug(&mut self, which: Which) -> anyhow::Result<()> {
        self.ledger(which).open_app();
        self.gadget(which, "plug")
    }

    /// Takes it out: the Ledger is off.
    ///
    /// # Errors
    /// When the machine cannot be told.
    pub fn unplug(&mut self, which: Which) -> anyhow::Result<()> {
        self.gadget(which, "unplug")?;
        self.ledger(which).lose_power();
        Ok(())
    }

    /// The app is left on the device, which then comes back to USB as another product.
    ///
    /// # Errors
    /// When the machine cannot be told.
    pub fn quit_app(&mut self, which: Which) -> anyhow::Result<()> {
        self.gadget(which, "unplug")?;
        self.ledger(which).quit_app();
        self.product(which, DASHBOARD)?;
        self.gadget(which, "plug")
    }

    /// The opposite of [`Home::quit_app`].
    ///
    /// # Errors
    /// When the machine cannot be told.
    pub fn open_app(&mut self, which: Which) -> anyhow::Result<()> {
        self.gadget(which, "unplug")?;
        self.ledger(which).open_app();
        self.product(which, APP)?;
        self.gadget(which, "plug")
    }

    /// The hub that the Ledger is behind is gone for a moment, and everything behind it.
    ///
    /// # Errors
    /// When the machine cannot be told.
    pub fn reset_hub(&mut self, which: Which) -> anyhow::Result<()> {
        self.gadget(which, "reset_hub")
    }

    fn product(&mut self, which: Which, id: &str) -> anyhow::Result<()> {
        let line = format!("product {} {id}", which.number());
        self.shell()?.run(&line).map(drop)
    }

    fn gadget(&mut self, which: Which, what: &str) -> anyhow::Result<()> {
        let line = format!("{what} {}", which.number());
        self.shell()?.run(&line).map(drop)
    }
}
