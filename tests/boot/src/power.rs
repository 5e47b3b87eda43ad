//! The mains go, at a random moment while votes are signed, and come back.

use std::fmt;
use std::thread;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use lab::wait;
use signer_api::client::ClientError;

use crate::disk::Kept;
use crate::home::Home;
use crate::machine::Clock;
use crate::usb::Which;
use crate::votes::{AGAIN, ask};

/// What a power cut cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cut {
    /// The last level that the Ledger signed before it.
    pub last: u32,
    /// Levels after it that were never signed and are refused.
    pub given_up: u32,
    /// Sectors that the machine had written and not flushed.
    pub unflushed: usize,
    /// From power-on until `/readyz` says that a vote can be signed.
    pub ready: Duration,
}

/// When the power is cut, while votes are signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// Whenever it happens.
    Any,
    /// In the middle of a flush: something is written, and not flushed.
    Flushing,
}

/// Of the bytes that are asked for afterwards, which are others than the baker's.
const OTHER_BYTES: u8 = 2;
/// Levels before the last one, that are asked for again.
const TEMPTED: u32 = 3;
/// A signer that gives up more is wrong, however many they are.
const MOST: u32 = 50;
/// The longest time under load before a cut.
const LOAD_MILLIS: u16 = 3000;
/// For something to be written that is not flushed: a level comes three times a second.
const WRITE_LIMIT: Duration = Duration::from_secs(60);

impl Home {
    /// Cuts the power under load, switches on again, and asks for other bytes at the last levels, and then upwards until
    /// one is signed.
    ///
    /// # Errors
    /// When it does not come back, or signs two votes at one mark.
    pub fn cut_under_load(
        &mut self,
        moment: Moment,
        kept: Kept,
        clock: Clock,
    ) -> anyhow::Result<Cut> {
        self.cut_and(moment, kept, clock, |_| Ok(()))
    }

    /// The same, and before it is switched on again the image is written over the disk anew.
    ///
    /// # Errors
    /// Those of [`Home::cut_under_load`].
    pub fn cut_and_write_image_anew(&mut self) -> anyhow::Result<Cut> {
        self.cut_and(Moment::Any, Kept::Some, Clock::Right, |home| home.disk.write_image_anew())
    }

    fn cut_and(
        &mut self,
        moment: Moment,
        kept: Kept,
        clock: Clock,
        while_off: impl FnOnce(&Home) -> anyhow::Result<()>,
    ) -> anyhow::Result<Cut> {
        let baker = self.baker()?;
        baker.wait_for_signatures(2, AGAIN)?;
        // The course of the scenario: any moment may be the last.
        thread::sleep(random_moment()?);
        if moment == Moment::Flushing {
            let is_writing = || Ok((self.disk.unflushed() > 0).then_some(()));
            wait::until("a write that is not flushed", WRITE_LIMIT, is_writing)?;
        }
        let unflushed = self.disk.lose_power(kept)?;
        self.take_machine()?.cut()?;
        Which::ALL.iter().for_each(|which| self.ledger(*which).lose_power());
        self.finish(baker)?;
        while_off(self)?;
        let last = self.ledger(Which::Baking).witness().last().context("nothing was signed")?;
        self.power_on(clock)?;
        let ready = self.wait_until_ready()? - self.machine()?.powered();
        self.tempt(last)?;
        let given_up = self.first_signed_above(last)? - last - 1;
        self.check_witness()?;
        Ok(Cut { last, given_up, unflushed, ready })
    }

    /// Other bytes at levels that were signed: they must be refused, and the Ledger not even asked.
    fn tempt(&self, last: u32) -> anyhow::Result<()> {
        let url = self.url()?;
        for level in last.saturating_sub(TEMPTED)..=last {
            let answer = ask(&url, level, OTHER_BYTES)?;
            ensure!(
                matches!(answer, Err(ClientError::Answer { .. })),
                "other bytes at level {level} are answered with {answer:?}"
            );
        }
        Ok(())
    }

    fn first_signed_above(&mut self, last: u32) -> anyhow::Result<u32> {
        let url = self.url()?;
        for level in last + 1..=last + MOST {
            match ask(&url, level, OTHER_BYTES)? {
                Ok(()) => {
                    self.next_level = self.next_level.max(level + 1);
                    return Ok(level);
                }
                Err(ClientError::Answer { .. }) => {}
                Err(error) => bail!("level {level}: {error}"),
            }
        }
        bail!("{MOST} levels above {last} are refused")
    }
}

fn random_moment() -> anyhow::Result<Duration> {
    let mut random = [0; 2];
    getrandom::fill(&mut random)?;
    Ok(Duration::from_millis((u16::from_be_bytes(random) % LOAD_MILLIS).into()))
}

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Cut { last, given_up, unflushed, ready } = self;
        let seconds = ready.as_secs_f64();
        write!(
            f,
            "after level {last}: {given_up} levels given up, {unflushed} sectors were not flushed, ready {seconds:.1} s \
             after power-on"
        )
    }
}
