//! What a baker lived through.

use std::fmt;
use std::time::{Duration, Instant};

use tezos::Signature;

/// How a request ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// With the key's signature.
    Signed(Signature),
    /// The signer said no, or that it cannot, and not that one should ask again.
    Refused(String),
    /// No answer, or nonsense; or "ask again", ten times.
    Failed(String),
}

/// A request with all its attempts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// What for.
    pub level: u32,
    /// When.
    pub started: Instant,
    /// Until its end, with every attempt and every pause between them.
    pub took: Duration,
    /// How often it was asked again after a 502.
    pub asked_again: u32,
    /// How it ended.
    pub outcome: Outcome,
    /// Other bytes at the same mark were signed too: what must never happen.
    pub also_signed: bool,
}

/// All requests, in the order they were made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Record(Vec<Request>);

impl Outcome {
    /// Whether there is a signature.
    #[must_use]
    pub fn is_signed(&self) -> bool {
        matches!(self, Outcome::Signed(_))
    }
}

impl Request {
    /// When it ended.
    #[must_use]
    pub fn ended(&self) -> Instant {
        self.started + self.took
    }
}

impl Record {
    pub(super) fn of(requests: Vec<Request>) -> Record {
        Record(requests)
    }

    /// All of them.
    #[must_use]
    pub fn requests(&self) -> &[Request] {
        &self.0
    }

    /// Only those that began at `moment` or later.
    #[must_use]
    pub fn since(&self, moment: Instant) -> Record {
        Record(self.0.iter().filter(|request| request.started >= moment).cloned().collect())
    }

    /// How many signatures there are.
    #[must_use]
    pub fn signatures(&self) -> usize {
        self.signed().count()
    }

    /// Those that ended without a signature.
    #[must_use]
    pub fn failures(&self) -> Vec<&Request> {
        self.0.iter().filter(|request| !request.outcome.is_signed()).collect()
    }

    /// The signature that took longest; none if there is none.
    #[must_use]
    pub fn slowest(&self) -> Option<Duration> {
        self.signed().map(|request| request.took).max()
    }

    /// Half of the signatures took no longer; none if there is none.
    #[must_use]
    pub fn median(&self) -> Option<Duration> {
        self.quantile(50)
    }

    /// 99 of 100 signatures took no longer; none if there is none.
    #[must_use]
    pub fn p99(&self) -> Option<Duration> {
        self.quantile(99)
    }

    /// Between one signature and the next: what an outage is to a baker, from the last before it to
    /// the first after it. None with fewer than two.
    #[must_use]
    pub fn longest_gap(&self) -> Option<Duration> {
        let ends: Vec<Instant> = self.signed().map(Request::ended).collect();
        ends.windows(2).filter_map(|pair| Some(*pair.last()? - *pair.first()?)).max()
    }

    /// A level at which two different payloads were signed.
    #[must_use]
    pub fn signed_twice(&self) -> Option<u32> {
        self.0.iter().find(|request| request.also_signed).map(|request| request.level)
    }

    fn signed(&self) -> impl Iterator<Item = &Request> {
        self.0.iter().filter(|request| request.outcome.is_signed())
    }

    /// The smallest time that so many of a hundred do not exceed.
    fn quantile(&self, percent: usize) -> Option<Duration> {
        let mut times: Vec<Duration> = self.signed().map(|request| request.took).collect();
        times.sort_unstable();
        let rank = (times.len() * percent).div_ceil(100);
        times.get(rank.saturating_sub(1)).copied()
    }
}

impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} signatures, {} without", self.signatures(), self.failures().len())?;
        let figures = [
            ("median", self.median()),
            ("p99", self.p99()),
            ("slowest", self.slowest()),
            ("longest gap", self.longest_gap()),
        ];
        for (name, time) in figures {
            if let Some(time) = time {
                write!(f, ", {name} {:.1} ms", time.as_secs_f64() * 1000.0)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use tezos::{BlsScheme, SecretKey};

    use super::*;

    const SECRET: &str = "edsk3gUfUPyBSfrS9CCgmCiQsTCHGkviBDusMxDJstFtojtc1zcpsh";

    /// One request a second, that took so many milliseconds; none: it failed.
    fn record(times: &[Option<u64>]) -> Record {
        let key = SecretKey::from_base58(SECRET).unwrap();
        let signature = key.sign(b"vote", BlsScheme::default()).unwrap();
        let start = Instant::now();
        let request = |(at, time): (u64, &Option<u64>)| Request {
            level: 1,
            started: start + Duration::from_secs(at),
            took: Duration::from_millis(time.unwrap_or(1)),
            asked_again: 0,
            outcome: match time {
                Some(_) => Outcome::Signed(signature.clone()),
                None => Outcome::Failed("no".into()),
            },
            also_signed: false,
        };
        Record::of((0..).zip(times).map(request).collect())
    }

    #[test]
    fn figures_are_of_signatures_alone() {
        let some = record(&[Some(3), Some(1), None, Some(2), Some(500)]);
        let ms = |time: Option<Duration>| time.unwrap().as_millis();
        assert_eq!((some.signatures(), some.failures().len()), (4, 1));
        assert_eq!((ms(some.median()), ms(some.p99()), ms(some.slowest())), (2, 500, 500));
        assert_eq!(ms(some.longest_gap()), 2001);
        let later = some.since(some.requests()[3].started);
        assert_eq!((later.requests().len(), ms(later.longest_gap())), (2, 1498));
    }

    #[test]
    fn nothing_has_no_figures() {
        let none = record(&[None]);
        assert_eq!((none.median(), none.slowest(), none.longest_gap()), (None, None, None));
        assert_eq!(record(&[Some(1)]).longest_gap(), None);
    }

    #[test]
    fn two_signatures_at_one_mark_are_seen() {
        let mut record = record(&[Some(1), Some(1)]);
        assert_eq!(record.signed_twice(), None);
        record.0[1].also_signed = true;
        assert_eq!(record.signed_twice(), Some(1));
    }
}
