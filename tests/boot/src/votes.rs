//! A baker that asks while something happens.

use std::time::{Duration, Instant};

use anyhow::Context;
use lab::baker::{Baker, Plan, Record};
use signer_api::client::{ClientError, SignerUrl};
use tezos::{Kind, sample_payload};

use crate::home::Home;

/// Three votes a second, as fast as a Nano S Plus signs them.
const PERIOD: Duration = Duration::from_millis(300);
/// For votes to come again.
pub const AGAIN: Duration = Duration::from_secs(240);
/// For one answer.
const ANSWER: Duration = Duration::from_secs(15);
/// Votes before, and after.
const SOME: usize = 3;

impl Home {
    /// A baker asks for votes all the while: three before `event`, and three after it.
    ///
    /// # Errors
    /// Those of `event`; when there are no votes before or after it.
    pub fn votes_during(
        &mut self,
        event: impl FnOnce(&mut Home) -> anyhow::Result<()>,
    ) -> anyhow::Result<Record> {
        let baker = self.baker()?;
        baker.wait_for_signatures(SOME, AGAIN)?;
        let outcome = event(self);
        let after = outcome.and_then(|()| baker.wait_for_signatures(SOME, AGAIN));
        let record = self.finish(baker)?;
        after?;
        println!("    {record}");
        Ok(record)
    }

    /// A baker that asks from the next level on.
    ///
    /// # Errors
    /// When there is no key to be had.
    pub fn baker(&self) -> anyhow::Result<Baker> {
        let first_level = self.next_level;
        let plan = Plan { period: PERIOD, first_level, ..Plan::new(self.url()?) };
        Baker::start(plan, AGAIN)
    }

    /// A preattestation and an attestation of a level.
    ///
    /// # Errors
    /// When they are not signed.
    pub fn vote_at_next_level(&mut self) -> anyhow::Result<()> {
        let (url, level) = (self.url()?, self.next_level);
        self.next_level += 1;
        for kind in [Kind::Preattestation, Kind::Attestation] {
            ask_for(&url, kind, level, 1)?.with_context(|| format!("{kind} at level {level}"))?;
        }
        Ok(())
    }

    /// Ends a baker; the next one begins above its last level.
    ///
    /// # Errors
    /// When its thread panicked.
    pub fn finish(&mut self, baker: Baker) -> anyhow::Result<Record> {
        let record = baker.finish()?;
        let last = record.requests().last().map(|request| request.level);
        self.next_level = last.map_or(self.next_level, |level| level + 1);
        self.check_witness()?;
        Ok(record)
    }
}

/// An attestation of this level and variant, or what is said instead.
pub(crate) fn ask(
    url: &SignerUrl,
    level: u32,
    variant: u8,
) -> anyhow::Result<Result<(), ClientError>> {
    ask_for(url, Kind::Attestation, level, variant)
}

fn ask_for(
    url: &SignerUrl,
    kind: Kind,
    level: u32,
    variant: u8,
) -> anyhow::Result<Result<(), ClientError>> {
    let payload = sample_payload(kind, level, 0, variant);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.context("no runtime")?;
    Ok(runtime.block_on(url.sign(&payload, ANSWER)).map(drop))
}

/// From the last vote before `moment` to the first one after it.
#[must_use]
pub fn outage(record: &Record, moment: Instant) -> Option<Duration> {
    let signed = || record.requests().iter().filter(|request| request.outcome.is_signed());
    let before = signed().rev().find(|request| request.ended() <= moment)?;
    let after = signed().find(|request| request.ended() > moment)?;
    Some(after.ended() - before.ended())
}
