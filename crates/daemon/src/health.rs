//! Named facts about a daemon. Readiness, the watchdog and the alerts read these and no others.

use std::fmt;
use std::sync::Arc;

/// One thing that must hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fact {
    /// What it is about: a bounded word, for metrics too.
    pub name: String,
    /// Whether it holds; if not, why not and what to do.
    pub state: Result<(), String>,
    /// Without it the daemon's work is not done at all; otherwise a part of it is not.
    pub is_vital: bool,
}

impl Fact {
    /// One without which the work is not done.
    #[must_use]
    pub fn vital(name: String, state: Result<(), String>) -> Fact {
        Fact { name, state, is_vital: true }
    }

    /// One without which a part of the work is not done.
    #[must_use]
    pub fn partial(name: String, state: Result<(), String>) -> Fact {
        Fact { name, state, is_vital: false }
    }
}

/// Looks at a part of the daemon. Must return at once: it reads what is known.
type Look = dyn Fn() -> Vec<Fact> + Send + Sync;

/// All facts of a daemon.
#[derive(Clone, Default)]
pub struct Health(Arc<Vec<Box<Look>>>);

impl Health {
    /// Facts from these parts.
    #[must_use]
    pub fn new(looks: Vec<Box<Look>>) -> Health {
        Health(Arc::new(looks))
    }

    /// The facts as they are now.
    #[must_use]
    pub fn facts(&self) -> Vec<Fact> {
        self.0.iter().flat_map(|look| look()).collect()
    }

    /// The facts that do not hold.
    #[must_use]
    pub fn complaints(&self) -> Vec<Fact> {
        let mut facts = self.facts();
        facts.retain(|fact| fact.state.is_err());
        facts
    }
}

impl fmt::Debug for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.facts()).finish()
    }
}

impl fmt::Display for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.state {
            Ok(()) => write!(f, "[+] {}: ok", self.name),
            Err(why) => write!(f, "[-] {}: {why}", self.name),
        }
    }
}
