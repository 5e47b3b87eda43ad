//! What a daemon says of itself at `/status`: its facts, for `peel status` and the gateway's page.

use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};

use crate::health::{Fact, Health, is_ready, seconds_since_1970};

/// What a daemon says of itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// `signer` or `gateway`.
    pub daemon: Cow<'static, str>,
    /// Of the program.
    pub version: Cow<'static, str>,
    /// When it was started, in seconds since 1970.
    pub started: f64,
    /// When this was said, by its own clock, in seconds since 1970.
    pub now: f64,
    /// Whether its work can be done.
    pub ready: bool,
    /// All of its facts.
    pub facts: Vec<Fact>,
}

/// Makes the reports of a daemon.
#[derive(Debug, Clone)]
pub struct Reporter {
    daemon: &'static str,
    started: f64,
    health: Health,
}

impl Reporter {
    /// Of a daemon that is being started, with these facts.
    #[must_use]
    pub fn new(daemon: &'static str, health: Health) -> Reporter {
        Reporter { daemon, started: seconds_since_1970(), health }
    }

    /// The facts that it reports.
    #[must_use]
    pub fn health(&self) -> &Health {
        &self.health
    }

    /// The report as of now.
    #[must_use]
    pub fn report(&self) -> Report {
        let facts = self.health.facts();
        Report {
            daemon: self.daemon.into(),
            version: env!("CARGO_PKG_VERSION").into(),
            started: self.started,
            now: seconds_since_1970(),
            ready: is_ready(&facts),
            facts,
        }
    }
}

impl Report {
    /// The same without the addresses in its lines, but those of the loopback: for readers who need not know the network
    /// that the daemon is in.
    #[must_use]
    pub fn without_addresses(mut self) -> Report {
        for fact in &mut self.facts {
            fact.line = without_addresses(&fact.line);
        }
        self
    }

    /// As it goes over the wire.
    #[must_use]
    pub fn to_json(&self) -> String {
        // Text, numbers and lists of them are always written.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// The facts of a group, in their order.
    pub fn of_group<'a>(&'a self, group: &'a str) -> impl Iterator<Item = &'a Fact> {
        self.facts.iter().filter(move |fact| fact.group == group)
    }
}

const ADDRESS: &str = "(an address)";

/// Takes each run of characters that an address is made of, and shows another word for one that is an address.
fn without_addresses(text: &str) -> String {
    let is_of_address = |c: char| c.is_ascii_hexdigit() || matches!(c, '.' | ':' | '[' | ']');
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        let end = rest.find(|c| !is_of_address(c)).unwrap_or(rest.len());
        let (run, behind) = rest.split_at(end);
        shown.push_str(if is_foreign(run) { ADDRESS } else { run });
        let next = behind.find(is_of_address).unwrap_or(behind.len());
        let (between, after) = behind.split_at(next);
        shown.push_str(between);
        rest = after;
    }
    shown
}

/// Whether it is an address, with or without a port and what ends a sentence, and not the loopback's.
fn is_foreign(run: &str) -> bool {
    let run = run.trim_end_matches(['.', ':']).trim_start_matches(':');
    let plain = run.trim_start_matches('[').trim_end_matches(']');
    let address = run.parse::<SocketAddr>().map(|address| address.ip());
    address.or_else(|_| plain.parse()).is_ok_and(|ip: IpAddr| !ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_not_told_but_those_of_the_loopback() {
        for (text, shown) in [
            ("http://192.168.1.9:6733/tz1 is off", "http://(an address)/tz1 is off"),
            ("no answer of 10.1.0.2.", "no answer of (an address)"),
            ("[2001:db8::1]:58255: refused", "(an address) refused"),
            ("fe80::1 and 127.0.0.1:9999, [::1]:7", "(an address) and 127.0.0.1:9999, [::1]:7"),
            ("level 123, in 231 ms; dead beef: face", "level 123, in 231 ms; dead beef: face"),
            ("", ""),
        ] {
            assert_eq!(without_addresses(text), shown, "{text}");
        }
    }
}
