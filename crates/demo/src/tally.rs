//! What the demo remembers of its requests, for the summary.

use std::time::{Duration, Instant};

use crate::baker::Asked;

/// What was going on when something was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Event {
    Calm,
    SilentLine,
    NewCloud,
    Crash,
}

/// All requests of the chain, and whatever was not as promised.
pub(crate) struct Tally {
    /// How many times slower than a usual computer this one is.
    slowness: u32,
    requests: Vec<Request>,
    surprises: Vec<String>,
}

struct Request {
    event: Event,
    asked: Instant,
    ended: Instant,
    is_signed: bool,
}

impl Tally {
    pub(crate) fn new(slowness: u32) -> Tally {
        Tally { slowness, requests: Vec::new(), surprises: Vec::new() }
    }

    /// What is promised of a usual computer, on this one.
    pub(crate) fn promised(&self, time: Duration) -> Duration {
        time * self.slowness
    }

    /// Notes a request that has just ended.
    pub(crate) fn note(&mut self, event: Event, asked: Instant, ended: Instant, what: &Asked) {
        let is_signed = what.signed().is_some();
        self.requests.push(Request { event, asked, ended, is_signed });
    }

    /// The slowest answer; what was asked before `since` counts from then.
    pub(crate) fn slowest(&self, event: Event, since: Option<Instant>) -> Option<Duration> {
        let signed = self.of(event).filter(|request| request.is_signed);
        let from = |asked: Instant| since.map_or(asked, |since| asked.max(since));
        signed.map(|request| request.ended.saturating_duration_since(from(request.asked))).max()
    }

    /// From `since` to the first signature after it.
    pub(crate) fn first_signature(&self, event: Event, since: Instant) -> Option<Duration> {
        let signed = self.of(event).filter(|request| request.is_signed);
        signed.filter_map(|request| request.ended.checked_duration_since(since)).min()
    }

    /// How many requests had no signature in time.
    pub(crate) fn lost(&self, event: Event) -> usize {
        self.of(event).filter(|request| !request.is_signed).count()
    }

    /// How many of them were still waiting at that moment, or were asked later.
    pub(crate) fn lost_after(&self, event: Event, moment: Instant) -> usize {
        self.of(event).filter(|request| !request.is_signed && request.ended > moment).count()
    }

    /// Says what was not as promised, and remembers it.
    pub(crate) fn surprise(&mut self, what: String) {
        daemon::say!("     NOT AS PROMISED: {what}");
        self.surprises.push(what);
    }

    pub(crate) fn surprises(&self) -> &[String] {
        &self.surprises
    }

    fn of(&self, event: Event) -> impl Iterator<Item = &Request> {
        self.requests.iter().filter(move |request| request.event == event)
    }
}
