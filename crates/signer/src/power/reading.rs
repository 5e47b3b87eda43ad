//! What is known of the power now, for every reader.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::{Answer, Limits};

/// What the computer runs on, and its battery.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Reading {
    pub(crate) supply: Supply,
    /// Of all batteries together, 0 to 1; none if it is not known, or there is no battery.
    pub(crate) charge: Option<f64>,
    /// The charge is below `low_at_charge`, or the source itself calls the battery low.
    pub(crate) is_low: bool,
}

/// What the computer runs on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Supply {
    Mains,
    Battery,
    /// Why it is not known, and the cure; without an address of the home.
    Unknown(String),
}

/// The reading as it is now. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Power(Arc<watch::Sender<Known>>);

#[derive(Debug)]
struct Known {
    reading: Reading,
    at: Instant,
}

/// Five times the longest pause between two questions, and all the time that an answer may take.
const STALE_AFTER: Duration = Duration::from_secs(10);

impl Power {
    /// Not known until the source has answered.
    pub(crate) fn new() -> Power {
        let reading = Reading::unknown("the source under [power] was not read yet".to_owned());
        Power(Arc::new(watch::Sender::new(Known { reading, at: Instant::now() })))
    }

    /// What was learnt last. After 10 s it is not known any more.
    pub(crate) fn reading(&self) -> Reading {
        let known = self.0.borrow();
        if known.at.elapsed() < STALE_AFTER {
            return known.reading.clone();
        }
        let why = "the source under [power] has not answered for 10 s: a driver of the kernel hangs; \
                   look for it in \"dmesg\", and restart this computer if it stays";
        Reading::unknown(why.to_owned())
    }

    pub(super) fn set(&self, reading: Reading) {
        self.0.send_replace(Known { reading, at: Instant::now() });
    }

    /// Returns the first reading from now on that is as wanted; the present one counts.
    #[cfg(test)]
    pub(super) async fn wait_for(&self, wanted: impl Fn(&Reading) -> bool) -> Reading {
        let mut readings = self.0.subscribe();
        let found = readings.wait_for(|known| wanted(&known.reading)).await;
        found.unwrap().reading.clone()
    }
}

impl Limits {
    /// The charge and the limit, when it is on battery and down to that.
    pub(super) fn empty(&self, reading: &Reading) -> Option<(f64, f64)> {
        let limit = self.stop_at.filter(|_| reading.supply == Supply::Battery);
        reading.charge.zip(limit).filter(|(charge, limit)| charge <= limit)
    }
}

impl Reading {
    pub(super) fn new(answer: Answer, limits: &Limits) -> Reading {
        Reading {
            supply: if answer.is_on_mains { Supply::Mains } else { Supply::Battery },
            charge: answer.charge,
            is_low: answer.is_low || answer.charge.is_some_and(|charge| charge < limits.low_at),
        }
    }

    pub(super) fn unknown(why: String) -> Reading {
        Reading { supply: Supply::Unknown(why), charge: None, is_low: false }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { low_at: 0.3, stop_at: None };
    const ON_MAINS: Answer = Answer { is_on_mains: true, charge: Some(0.8), is_low: false };

    #[test]
    fn a_battery_is_low_below_the_limit_or_when_the_source_says_so() {
        let is_low = |charge, says_low| {
            let answer = Answer { is_on_mains: false, charge, is_low: says_low };
            Reading::new(answer, &LIMITS).is_low
        };
        assert!(is_low(Some(0.29), false));
        assert!(!is_low(Some(0.3), false));
        assert!(is_low(Some(0.9), true));
        assert!(is_low(None, true));
        assert!(!is_low(None, false));
    }

    #[tokio::test(start_paused = true)]
    async fn a_reading_is_known_for_ten_seconds() {
        let power = Power::new();
        power.set(Reading::new(ON_MAINS, &LIMITS));
        tokio::time::advance(STALE_AFTER - Duration::from_millis(1)).await;
        let known = Reading { supply: Supply::Mains, charge: Some(0.8), is_low: false };
        assert_eq!(power.reading(), known);
        tokio::time::advance(Duration::from_millis(1)).await;
        let Reading { supply: Supply::Unknown(why), charge: None, is_low: false } = power.reading()
        else {
            panic!("{:?}", power.reading());
        };
        assert!(why.contains("hangs") && why.contains("dmesg"), "{why}");
    }

    #[tokio::test]
    async fn nothing_is_known_before_the_first_answer() {
        let Supply::Unknown(why) = Power::new().reading().supply else { panic!() };
        assert!(why.contains("not read yet"), "{why}");
    }
}
