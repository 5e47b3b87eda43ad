//! Facts about a daemon. Readiness, the watchdog, the status page, `peel status` and the alerts read these and no
//! others.
//!
//! ```text
//!  a part of the daemon ◀─look── Health ──▶ /readyz, /livez    one line each
//!   (what it knows)                │   └──▶ /status            JSON, for the page and "peel status"
//!                                  └ observe: each second; since when, and a line in the log for each change
//! ```

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::task::spawn_blocking;
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use crate::Shutdown;

/// One thing that is known, or should be.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Fact {
    /// What kind of thing it is about: a bounded word, as `key` or `link`.
    pub group: Cow<'static, str>,
    /// Which one of that kind, by its name in the configuration; empty when there is one only.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub subject: String,
    /// How it is: a bounded word, as `ready` or `device_locked`.
    pub state: Cow<'static, str>,
    /// Whether that is good.
    pub verdict: Verdict,
    /// One line for a person; what to do, when it is not good.
    pub line: String,
    /// Since when it is in this state, in seconds since 1970; as it was seen, within a second.
    #[serde(default)]
    pub since: f64,
    /// Figures, in base units, by their names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub figures: Vec<(Cow<'static, str>, f64)>,
    /// The part of the daemon that it is about writes its changes into the log itself.
    #[serde(skip)]
    is_logged: bool,
}

/// Whether a fact is good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It is as it should be.
    Good,
    /// It cannot be told.
    Unknown,
    /// A part of the work is not done, or soon will not be.
    Degraded,
    /// Without it the daemon's work is not done at all.
    Failed,
}

impl Fact {
    /// A fact about the only one of a group.
    #[must_use]
    pub fn new(group: &'static str, state: &'static str, verdict: Verdict, line: String) -> Fact {
        Fact {
            group: group.into(),
            subject: String::new(),
            state: state.into(),
            verdict,
            line,
            since: 0.0,
            figures: Vec::new(),
            is_logged: false,
        }
    }

    /// One without which the work is not done: `ok`, or `failed` with the reason and the cure.
    #[must_use]
    pub fn vital(group: &'static str, state: Result<(), String>) -> Fact {
        Fact::of_result(group, state, Verdict::Failed)
    }

    /// One without which a part of the work is not done.
    #[must_use]
    pub fn partial(group: &'static str, state: Result<(), String>) -> Fact {
        Fact::of_result(group, state, Verdict::Degraded)
    }

    fn of_result(group: &'static str, state: Result<(), String>, otherwise: Verdict) -> Fact {
        match state {
            Ok(()) => Fact::new(group, "ok", Verdict::Good, "ok".to_owned()),
            Err(why) => Fact::new(group, "failed", otherwise, why),
        }
    }

    /// The same about one of several.
    #[must_use]
    pub fn about(self, subject: impl Into<String>) -> Fact {
        Fact { subject: subject.into(), ..self }
    }

    /// The same with a figure, in base units.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: f64) -> Fact {
        self.figures.push((name.into(), value));
        self
    }

    /// The same, whose changes are in the log already.
    #[must_use]
    pub fn logged_elsewhere(self) -> Fact {
        Fact { is_logged: true, ..self }
    }

    /// Its name, as in `key_baker`.
    #[must_use]
    pub fn name(&self) -> String {
        if self.subject.is_empty() {
            self.group.to_string()
        } else {
            format!("{}_{}", self.group, self.subject)
        }
    }

    /// A figure of it.
    #[must_use]
    pub fn figure(&self, name: &str) -> Option<f64> {
        self.figures.iter().find(|(own, _)| own == name).map(|(_, value)| *value)
    }

    /// Whether it is good.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.verdict == Verdict::Good
    }

    fn log(&self) {
        let (fact, state) = (self.name(), self.state.as_ref());
        match self.verdict {
            Verdict::Good => tracing::info!(fact, state, "{}", self.line),
            Verdict::Unknown | Verdict::Degraded => tracing::warn!(fact, state, "{}", self.line),
            Verdict::Failed => tracing::error!(fact, state, "{}", self.line),
        }
    }
}

/// Looks at a part of the daemon. Must return at once: it reads what is known.
type Look = dyn Fn() -> Vec<Fact> + Send + Sync;

/// All facts of a daemon. Clones share them.
#[derive(Clone, Default)]
pub struct Health(Arc<Inner>);

#[derive(Default)]
struct Inner {
    looks: Vec<Box<Look>>,
    /// The state of each fact when it was last looked at, and since when, by its name.
    seen: Mutex<HashMap<String, Seen>>,
}

#[derive(Debug, Clone)]
struct Seen {
    state: Cow<'static, str>,
    since: f64,
    was_logged: bool,
}

/// Between two looks of [`Health::observe`].
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Until the first one: links are dialled and devices are found meanwhile, and that they are not there yet is no news.
const FIRST_LOOK: Duration = Duration::from_secs(3);

impl Health {
    /// Facts from these parts.
    #[must_use]
    pub fn new(looks: Vec<Box<Look>>) -> Health {
        Health(Arc::new(Inner { looks, seen: Mutex::default() }))
    }

    /// The facts as they are now, and since when.
    #[must_use]
    pub fn facts(&self) -> Vec<Fact> {
        let mut facts: Vec<Fact> = self.0.looks.iter().flat_map(|look| look()).collect();
        let now = seconds_since_1970();
        let mut seen = self.0.seen.lock();
        let mut names = Vec::with_capacity(facts.len());
        for fact in &mut facts {
            let name = fact.name();
            let before = seen.get(&name).filter(|seen| seen.state == fact.state);
            fact.since = before.map_or(now, |seen| seen.since);
            if before.is_none() {
                let state = fact.state.clone();
                // What is good from the start is no news.
                let was_logged = fact.is_good() && !seen.contains_key(&name);
                seen.insert(name.clone(), Seen { state, since: now, was_logged });
            }
            names.push(name);
        }
        // What is gone, as a session that has ended, is forgotten.
        if seen.len() > names.len() {
            let names: HashSet<String> = names.into_iter().collect();
            seen.retain(|name, _| names.contains(name));
        }
        facts
    }

    /// Looks at all facts each second until shutdown, and writes each change into the log. On a thread of its own: a look
    /// may wait for a lock that is held while a slow disk is written to, and the runtime's thread carries the votes.
    pub async fn observe(self, shutdown: Shutdown) {
        let mut tick = interval_at(Instant::now() + FIRST_LOOK, LOOK_EVERY);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let look = async {
                tick.tick().await;
                let health = self.clone();
                // Joined here; at shutdown it ends by itself.
                let _ = spawn_blocking(move || health.log_changes()).await;
            };
            tokio::select! {
                () = shutdown.requested() => return,
                () = look => {}
            }
        }
    }

    fn log_changes(&self) {
        for fact in self.facts() {
            let mut seen = self.0.seen.lock();
            let Some(own) = seen.get_mut(&fact.name()) else { continue };
            let is_news = !std::mem::replace(&mut own.was_logged, true);
            drop(seen);
            if is_news && !fact.is_logged {
                fact.log();
            }
        }
    }

    /// The facts that are not good, and that a person can do something about.
    #[must_use]
    pub fn complaints(&self) -> Vec<Fact> {
        let mut facts = self.facts();
        facts.retain(|fact| matches!(fact.verdict, Verdict::Degraded | Verdict::Failed));
        facts
    }

    /// Whether the daemon's work can be done.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        is_ready(&self.facts())
    }
}

/// Whether the work can be done of which these are the facts.
#[must_use]
pub fn is_ready(facts: &[Fact]) -> bool {
    facts.iter().all(|fact| fact.verdict != Verdict::Failed)
}

/// Now, in seconds since 1970.
#[must_use]
pub fn seconds_since_1970() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

impl fmt::Debug for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.facts()).finish()
    }
}

impl fmt::Display for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = match self.verdict {
            Verdict::Good => '+',
            Verdict::Unknown => '?',
            Verdict::Degraded | Verdict::Failed => '-',
        };
        write!(f, "[{mark}] {}: {}", self.name(), self.line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn health(state: Arc<Mutex<&'static str>>) -> Health {
        let look = move || {
            let verdict = if *state.lock() == "mains" { Verdict::Good } else { Verdict::Degraded };
            vec![Fact::new("power", *state.lock(), verdict, "a line".to_owned())]
        };
        Health::new(vec![Box::new(look)])
    }

    #[test]
    fn a_fact_says_since_when_it_is_so() {
        let state = Arc::new(Mutex::new("mains"));
        let health = health(Arc::clone(&state));
        let first = health.facts()[0].since;
        assert!(first > 0.0);
        assert_eq!(health.facts()[0].since.to_bits(), first.to_bits());
        while seconds_since_1970() <= first {
            std::hint::spin_loop();
        }
        *state.lock() = "battery";
        assert!(health.facts()[0].since > first);
    }

    #[test]
    fn only_a_vital_fact_that_does_not_hold_is_the_end_of_readiness() {
        let ready = |fact| is_ready(&[fact]);
        let bad = || Err("why".to_owned());
        assert!(ready(Fact::vital("store", Ok(()))));
        assert!(ready(Fact::partial("store", bad())));
        assert!(ready(Fact::new("clock", "unknown", Verdict::Unknown, String::new())));
        assert!(!ready(Fact::vital("store", bad())));
    }

    #[test]
    fn a_fact_is_a_line() {
        let key = Fact::vital("key", Err("device locked".to_owned())).about("baker");
        assert_eq!(key.to_string(), "[-] key_baker: device locked");
        assert_eq!(Fact::vital("store", Ok(())).to_string(), "[+] store: ok");
        let unknown = Fact::new("power", "unknown", Verdict::Unknown, "no answer".to_owned());
        assert_eq!(unknown.to_string(), "[?] power: no answer");
    }

    #[test]
    fn what_is_gone_is_forgotten() {
        let state = Arc::new(Mutex::new(vec!["a", "b"]));
        let shared = Arc::clone(&state);
        let look = move || {
            let names = shared.lock().clone();
            names.iter().map(|name| Fact::vital("session", Ok(())).about(*name)).collect()
        };
        let health = Health::new(vec![Box::new(look)]);
        assert_eq!(health.facts().len(), 2);
        state.lock().pop();
        assert_eq!(health.facts().len(), 1);
        assert_eq!(health.0.seen.lock().len(), 1);
    }

    #[test]
    fn a_fact_is_the_same_after_its_way_through_json() {
        let fact = Fact::vital("key", Ok(())).about("baker").with("level", 7.0);
        let text = serde_json::to_string(&fact).unwrap();
        assert_eq!(serde_json::from_str::<Fact>(&text).unwrap(), fact);
    }
}
