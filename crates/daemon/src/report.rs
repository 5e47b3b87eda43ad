//! What a daemon says of itself at `/status`: its facts, for `peel status` and the gateway's page.

use std::borrow::Cow;

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
