//! Takes up a configuration that has changed, without touching the signers that are the same in it.
//!
//! ```text
//!  SIGHUP, a changed file ─▶ read ── wrong ─▶ log, metric, fact; what was before goes on
//!                             │ right
//!                             ▼
//!            ports that are new are bound ── taken ─▶ the same
//!                             │
//!                             ▼
//!   the list of signers, the keys that may log in, the tasks of each port and signer
//! ```

use std::pin::pin;
use std::sync::Arc;

use daemon::Shutdown;
use daemon::config::ConfigError;
use daemon::reload::{Changes, LastReload};
use tunnel::endpoint::{AuthorizedClients, SignerId};

use crate::config::{Config, SignerConfig};
use crate::metrics::Metrics;
use crate::shared_key::SharedKeys;
use crate::shared_metrics::SharedMetrics;
use crate::signer::Signer;
use crate::signer_tasks::{BoundPort, SignerTasks, client};
use crate::signers::Signers;

/// Takes up a configuration that has changed.
#[derive(Debug)]
pub(crate) struct Reload {
    /// What runs.
    pub(crate) config: Config,
    pub(crate) signers: Signers,
    pub(crate) shared_keys: SharedKeys,
    pub(crate) tasks: SignerTasks,
    pub(crate) authorized: AuthorizedClients,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) shared_metrics: SharedMetrics,
    pub(crate) last: LastReload,
    /// No signer had this number yet.
    pub(crate) next_id: usize,
}

/// What changes with a new configuration, by the names of signers.
#[derive(Debug, Default, PartialEq, Eq)]
struct Difference {
    added: Vec<String>,
    changed: Vec<String>,
    removed: Vec<String>,
    /// Those that stay are named in another order: of two with one key, the first is asked.
    is_reordered: bool,
    are_shared_keys_changed: bool,
}

impl Reload {
    /// Until shutdown; then what runs for signers has its end.
    pub(crate) async fn run(mut self, mut changes: Changes, shutdown: Shutdown) {
        while let Some(config) = self.next(&mut changes, &shutdown).await {
            if let Err(why) = self.reload(config).await {
                self.last.refused(&why);
            }
        }
        self.tasks.ended().await;
    }

    /// The file as it was read at the next change; none at shutdown.
    async fn next(
        &mut self,
        changes: &mut Changes,
        shutdown: &Shutdown,
    ) -> Option<Result<Config, ConfigError>> {
        // Not dropped when a task ends meanwhile: a change that was noticed is not noticed again.
        let mut reading = pin!(changes.next(Config::read));
        loop {
            tokio::select! {
                () = shutdown.requested() => return None,
                () = self.tasks.reap() => {}
                config = &mut reading => return Some(config),
            }
        }
    }

    async fn reload(&mut self, config: Result<Config, ConfigError>) -> Result<(), String> {
        let config = config.map_err(|error| error.to_string())?;
        let ports = self.bind(&config).await.map_err(|error| error.to_string())?;
        self.take_up(config, ports);
        Ok(())
    }

    /// The ports of `config` that are not listened on yet.
    async fn bind(&self, config: &Config) -> Result<Vec<BoundPort>, crate::RunError> {
        let mut bound = Vec::new();
        for signer in config.signers.iter().filter(|signer| !self.tasks.serves(signer.port)) {
            bound.push(BoundPort::bind_now(&self.config, signer.port).await?);
        }
        Ok(bound)
    }

    fn take_up(&mut self, config: Config, ports: Vec<BoundPort>) {
        let fields = self.config.waits_for_restart(&config);
        let before = std::mem::replace(&mut self.config.signers, config.signers);
        let all = self.signers.all();
        for config in &mut self.config.signers {
            config.id = match all.iter().find(|signer| config.is_of(signer)) {
                Some(signer) => signer.id,
                None => {
                    self.next_id += 1;
                    SignerId::new(self.next_id - 1)
                }
            };
        }
        let are_shared_keys_changed = self.config.shared_keys != config.shared_keys;
        let difference =
            Difference { are_shared_keys_changed, ..Difference::of(&before, &self.config.signers) };
        self.config.shared_keys = config.shared_keys;
        self.shared_keys.replace(&self.config.shared_keys);
        if are_shared_keys_changed {
            self.shared_metrics.begin(&self.shared_keys);
        }
        self.metrics.begin(difference.added.iter().map(String::as_str));
        self.signers.replace(self.config.signers.iter().map(|config| {
            let own = all.iter().find(|signer| signer.id == config.id);
            let Some(own) = own else { return Arc::new(Signer::new(config)) };
            own.configure_keys(config.keys.as_deref());
            Arc::clone(own)
        }));
        self.tasks.follow(&self.signers, ports);
        self.authorized.replace(self.config.signers.iter().map(client).collect());
        difference.removed.iter().for_each(|name| self.metrics.end(name));
        self.config.warn_of_unnamed_keys();
        self.last.taken_up(&difference.to_string(), &fields);
    }
}

impl SignerConfig {
    /// Whether it is the signer that runs, perhaps with other keys.
    fn is_of(&self, signer: &Signer) -> bool {
        signer.name == self.name && signer.port == self.port && signer.ssh_key == self.ssh_key
    }
}

impl Difference {
    fn of(before: &[SignerConfig], after: &[SignerConfig]) -> Difference {
        let mut difference = Difference::default();
        for new in after {
            match before.iter().find(|old| old.name == new.name) {
                None => difference.added.push(new.name.clone()),
                Some(old) if old == new => {}
                Some(_) => difference.changed.push(new.name.clone()),
            }
        }
        let is_gone = |old: &&SignerConfig| after.iter().all(|new| new.name != old.name);
        difference.removed.extend(before.iter().filter(is_gone).map(|old| old.name.clone()));
        difference.is_reordered = kept(before, after) != kept(after, before);
        difference
    }
}

/// The names of those that are among the others, too.
fn kept<'a>(all: &'a [SignerConfig], others: &[SignerConfig]) -> Vec<&'a str> {
    let is_kept = |one: &&SignerConfig| others.iter().any(|other| other.name == one.name);
    all.iter().filter(is_kept).map(|one| one.name.as_str()).collect()
}

/// In one line of the log; empty when there is none.
impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Difference { added, changed, removed, is_reordered, are_shared_keys_changed } = self;
        let parts = [("added", added), ("changed", changed), ("removed", removed)];
        let mut is_first = true;
        for (what, names) in parts.into_iter().filter(|(_, names)| !names.is_empty()) {
            let comma = if std::mem::take(&mut is_first) { "" } else { "; " };
            write!(f, "{comma}signers {what}: {}", names.join(", "))?;
        }
        if *is_reordered {
            let comma = if std::mem::take(&mut is_first) { "" } else { "; " };
            write!(f, "{comma}signers named in another order")?;
        }
        if *are_shared_keys_changed {
            write!(f, "{}keys in shares changed", if is_first { "" } else { "; " })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use tunnel::{Identity, SignerPort};

    use super::*;

    #[test]
    fn what_changes_is_one_line_and_another_order_is_a_change() {
        let key = Identity::generate("test").unwrap().public();
        let signer = |(at, name): (usize, &str)| SignerConfig {
            id: SignerId::new(at),
            name: name.to_owned(),
            ssh_key: key.clone(),
            port: SignerPort::new(8443).unwrap(),
            keys: None,
        };
        let all = |names: &[(usize, &str)]| -> Vec<SignerConfig> {
            names.iter().map(|&one| signer(one)).collect()
        };
        let before = all(&[(0, "a"), (1, "b")]);
        for (after, line) in [
            (all(&[(0, "a"), (1, "b")]), ""),
            (all(&[(1, "b"), (0, "a")]), "signers named in another order"),
            (all(&[(2, "c"), (0, "a"), (1, "b")]), "signers added: c"),
            (all(&[(1, "b")]), "signers removed: a"),
            (
                all(&[(2, "c"), (3, "b"), (0, "a")]),
                "signers added: c; signers changed: b; signers named in another order",
            ),
        ] {
            assert_eq!(Difference::of(&before, &after).to_string(), line);
        }
    }
}
