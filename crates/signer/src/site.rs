//! What the signer stands on at home, as facts and metrics: its lines and modem, mains and battery, and the clock.
//! Nothing of it is asked in front of a signature; each is read by a task of its own, within limits of its own.

use std::fmt;

use daemon::{Fact, Shutdown, Verdict, scrape};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet};
use tokio::task::JoinSet;
use tunnel::home::Uplink;

use crate::clock::{Clock, ClockWatch};
use crate::config::Config;
use crate::lines::{LineReading, LineState, Lines};
use crate::links::Links;
use crate::modem::{Modem, ModemReading};
use crate::power::{self, Power, Reading, Supply};

/// All of it. Clones share it.
#[derive(Clone)]
pub(crate) struct Site {
    /// None without a tunnel.
    uplinks: Option<(Lines, Modem)>,
    power: Option<Power>,
    clock: ClockWatch,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct UplinkLabels {
    uplink: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StateLabels {
    uplink: String,
    state: &'static str,
}

impl Site {
    /// What these parts know. `links`: those of the tunnel over these uplinks, if there is one.
    pub(crate) fn new(
        links: Option<(Links, Vec<Uplink>)>,
        has_power: bool,
        clock: ClockWatch,
    ) -> Site {
        let uplinks = links.map(|(links, uplinks)| {
            let modem = Modem::new(&uplinks);
            (Lines::new(uplinks, links), modem)
        });
        Site { uplinks, power: has_power.then(Power::new), clock }
    }

    /// Reads all of it until shutdown, each part in a task of its own.
    pub(crate) fn watch(
        &self,
        power: Option<power::Config>,
        tasks: &mut JoinSet<()>,
        shutdown: &Shutdown,
    ) {
        if let Some((lines, modem)) = self.uplinks.clone() {
            let stop = shutdown.clone();
            tasks.spawn(async move { lines.watch(stop).await });
            let stop = shutdown.clone();
            tasks.spawn(async move { modem.watch(stop).await });
        }
        if let (Some(config), Some(power)) = (power, self.power.clone()) {
            tasks.spawn(power::watch(config, power, shutdown.clone()));
        }
        let (clock, stop) = (self.clock.clone(), shutdown.clone());
        tasks.spawn(async move { clock.watch(&stop).await });
    }

    pub(crate) fn facts(&self) -> Vec<Fact> {
        let mut facts = Vec::new();
        if let Some((lines, modem)) = &self.uplinks {
            let lines = lines.readings();
            facts.extend(lines.iter().map(|line| of_line(line, &lines)));
            facts.extend(of_modem(modem.reading(), modem.complaint()));
        }
        facts.extend(self.power.as_ref().map(|power| of_power(&power.reading())));
        facts.push(of_clock(&self.clock.state()));
        facts
    }
}

/// A line without a link is a part of the work: another one may have one.
fn of_line(line: &LineReading, all: &[LineReading]) -> Fact {
    let is_up = |line: &LineReading| line.state == LineState::Up;
    let verdict = if is_up(line) { Verdict::Good } else { Verdict::Degraded };
    let is_relieved = all.iter().any(|other| !other.metered && is_up(other));
    let in_use = is_up(line) && (!line.metered || !is_relieved);
    Fact::new("uplink", line.state.word(), verdict, line.sentence.clone())
        .about(line.interface.name.clone())
        .with("metered", u8::from(line.metered).into())
        .with("in_use", u8::from(in_use).into())
}

/// None without a modem, unless an uplink is a modem's.
fn of_modem(reading: Option<ModemReading>, complaint: Option<String>) -> Option<Fact> {
    let state = reading.map_or("absent", |reading| reading.state.word());
    let fact = match (complaint, reading) {
        (Some(complaint), _) => Fact::new("modem", state, Verdict::Degraded, complaint),
        (None, None) => return None,
        (None, Some(reading)) => {
            let technology = reading.technology.unwrap_or("unknown technology");
            let line = format!("{}, {technology}", reading.registration.word());
            Fact::new("modem", state, Verdict::Good, line)
        }
    };
    match reading.and_then(|reading| reading.signal) {
        Some(signal) => Some(fact.with("signal", signal)),
        None => Some(fact),
    }
}

/// What `[power]` says now, for a signer that does not run; none without one.
pub async fn power_now(config: &Config) -> Option<Fact> {
    let (reading, is_waiting) = power::read_once(config.power.as_ref()?).await;
    let mut fact = of_power(&reading);
    if is_waiting {
        fact.line.push_str("; a signer does not start before, as stop_at_charge says");
    }
    Some(fact)
}

/// On battery, signing goes on: a part of the work, and soon none.
fn of_power(reading: &Reading) -> Fact {
    let charge = reading.charge.map(|charge| format!(", battery {:.0} %", charge * 100.0));
    let charge = charge.unwrap_or_default();
    let (state, verdict, line) = match (&reading.supply, reading.is_low) {
        (Supply::Mains, _) => ("mains", Verdict::Good, format!("mains{charge}")),
        (Supply::Battery, false) => {
            let line = format!("mains are lost{charge}; look at the plug and the fuse");
            ("battery", Verdict::Degraded, line)
        }
        (Supply::Battery, true) => {
            let line = format!("mains are lost and the battery is low{charge}; restore mains now");
            ("battery_low", Verdict::Degraded, line)
        }
        (Supply::Unknown(why), _) => ("unknown", Verdict::Unknown, why.clone()),
    };
    let fact = Fact::new("power", state, verdict, line);
    match reading.charge {
        Some(charge) => fact.with("charge", charge),
        None => fact,
    }
}

fn of_clock(clock: &Clock) -> Fact {
    match clock {
        Clock::Synchronized => Fact::new("clock", "synchronized", Verdict::Good, "ok".to_owned()),
        Clock::NotSynchronized => {
            let line = "the clock is not synchronised: the bound on levels goes by it; \"timedatectl\" \
                        shows whether a time server is reached";
            Fact::new("clock", "not_synchronized", Verdict::Degraded, line.to_owned())
        }
        Clock::Unknown(why) => Fact::new("clock", "unknown", Verdict::Unknown, why.clone()),
    }
}

impl Collector for Site {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        if let Some((lines, modem)) = &self.uplinks {
            encode_lines(&mut encoder, &lines.readings())?;
            encode_modem(&mut encoder, modem.reading())?;
        }
        if let Some(power) = &self.power {
            encode_power(&mut encoder, &power.reading())?;
        }
        let is_synchronized = match self.clock.state() {
            Clock::Synchronized => 1_i64,
            Clock::NotSynchronized => 0,
            Clock::Unknown(_) => return Ok(()),
        };
        let help = "1: the clock of this computer is synchronised";
        let name = "peel_signer_clock_synchronized";
        scrape::gauge(&mut encoder, (name, help), is_synchronized)
    }
}

fn encode_lines(encoder: &mut DescriptorEncoder<'_>, lines: &[LineReading]) -> fmt::Result {
    let name = |line: &LineReading| line.interface.name.clone();
    let states = lines.iter().flat_map(|line| {
        LineState::ALL.map(|state| {
            let labels = StateLabels { uplink: name(line), state: state.word() };
            (labels, i64::from(line.state == state))
        })
    });
    let help = "1: the state that the uplink is in";
    scrape::gauges(encoder, ("peel_signer_uplink_state", help), states)?;
    let metered =
        lines.iter().map(|line| (UplinkLabels { uplink: name(line) }, i64::from(line.metered)));
    let help = "1: the bytes of the uplink cost money";
    scrape::gauges(encoder, ("peel_signer_uplink_metered", help), metered)
}

fn encode_modem(encoder: &mut DescriptorEncoder<'_>, modem: Option<ModemReading>) -> fmt::Result {
    let Some(modem) = modem else { return Ok(()) };
    let help = "1: the modem is registered with a network that carries data";
    let is_registered = i64::from(modem.is_registered());
    scrape::gauge(encoder, ("peel_signer_modem_registered", help), is_registered)?;
    let Some(signal) = modem.signal else { return Ok(()) };
    let help = "How well the modem hears the network, 0 to 1";
    scrape::gauge(encoder, ("peel_signer_modem_signal_ratio", help), signal)
}

/// `power` is what the charts of others read: 0 is mains.
fn encode_power(encoder: &mut DescriptorEncoder<'_>, reading: &Reading) -> fmt::Result {
    let on_mains = match reading.supply {
        Supply::Mains => Some(true),
        Supply::Battery => Some(false),
        Supply::Unknown(_) => None,
    };
    let help = "0: the source of power does not answer";
    let is_known = i64::from(on_mains.is_some());
    scrape::gauge(encoder, ("peel_signer_power_known", help), is_known)?;
    if let Some(on_mains) = on_mains {
        let help = "1: mains, 0: battery";
        scrape::gauge(encoder, ("peel_signer_power_mains", help), i64::from(on_mains))?;
        let help = "0: mains";
        scrape::gauge(encoder, ("power", help), i64::from(!on_mains))?;
    }
    let help = "1: the battery is low";
    scrape::gauge(encoder, ("peel_signer_battery_low", help), i64::from(reading.is_low))?;
    let Some(charge) = reading.charge else { return Ok(()) };
    let help = "Charge of the battery, 0 to 1";
    scrape::gauge(encoder, ("peel_signer_battery_charge_ratio", help), charge)
}

impl fmt::Debug for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.facts()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn power(supply: Supply, charge: Option<f64>, is_low: bool) -> Fact {
        of_power(&Reading { supply, charge, is_low })
    }

    #[test]
    fn mains_that_are_lost_are_a_part_of_the_work_and_not_its_end() {
        let lost = power(Supply::Battery, Some(0.4), false);
        assert_eq!((&*lost.state, lost.verdict), ("battery", Verdict::Degraded));
        assert!(lost.line.contains("battery 40 %"), "{}", lost.line);
        let low = power(Supply::Battery, None, true);
        assert_eq!((&*low.state, low.verdict), ("battery_low", Verdict::Degraded));
        // Right after mains have come back.
        assert!(power(Supply::Mains, Some(0.1), true).is_good());
    }

    #[test]
    fn a_source_that_does_not_answer_is_unknown_and_says_why() {
        let unknown = power(Supply::Unknown("upsd is silent".to_owned()), None, false);
        assert_eq!((&*unknown.state, unknown.verdict), ("unknown", Verdict::Unknown));
        assert_eq!(unknown.line, "upsd is silent");
    }

    #[test]
    fn a_modem_that_no_uplink_needs_is_no_fact() {
        assert_eq!(of_modem(None, None), None);
        let missed = of_modem(None, Some("wwan0: no modem".to_owned())).unwrap();
        assert_eq!((&*missed.state, missed.verdict), ("absent", Verdict::Degraded));
    }
}
