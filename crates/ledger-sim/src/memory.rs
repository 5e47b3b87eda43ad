//! What the app remembers, in RAM and in flash.

use crate::marks::Mark;
use crate::path::KeyName;

/// One copy of all that the app keeps.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kept {
    /// 0: every chain is the main chain.
    pub(crate) main_chain_id: u32,
    pub(crate) main: Mark,
    pub(crate) test: Mark,
    pub(crate) baking_key: KeyName,
    /// The setting "High Watermark".
    pub(crate) high_watermark: bool,
}

impl Kept {
    fn new(high_watermark: bool) -> Self {
        let (main, test) = (Mark::default(), Mark::default());
        Self { main_chain_id: 0, main, test, baking_key: KeyName::NONE, high_watermark }
    }

    /// The mark for a chain.
    pub(crate) fn mark(&mut self, chain_id: u32) -> &mut Mark {
        if self.main_chain_id == 0 || chain_id == self.main_chain_id {
            &mut self.main
        } else {
            &mut self.test
        }
    }
}

/// RAM, which the app works on, and flash, which outlives a power cut.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Memory {
    pub(crate) ram: Kept,
    flash: Kept,
}

impl Memory {
    pub(crate) fn new(high_watermark: bool) -> Self {
        let kept = Kept::new(high_watermark);
        Self { ram: kept, flash: kept }
    }

    /// Writes the marks to flash, unless the setting spares it.
    pub(crate) fn keep_marks(&mut self) {
        if self.flash.high_watermark {
            (self.flash.main, self.flash.test) = (self.ram.main, self.ram.test);
        }
    }

    /// Writes the authorised key to flash, unless the setting spares it.
    pub(crate) fn keep_key(&mut self) {
        if self.flash.high_watermark {
            self.flash.baking_key = self.ram.baking_key;
        }
    }

    /// Writes everything to flash, whatever the setting.
    pub(crate) fn keep_all(&mut self) {
        self.flash = self.ram;
    }

    /// What a power cut does: RAM is what flash held.
    pub(crate) fn restart(&mut self) {
        self.ram = self.flash;
    }
}
