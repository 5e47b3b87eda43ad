//! Takes up what can change while the signer runs: the gateways that are dialled. Keys, devices, marks, ports and policies
//! wait for a restart, which loses no level: what is read anew there could sign with another rule than the one before.

use daemon::Shutdown;
use daemon::config::{ConfigError, ConfigFile};
use daemon::reload::{Changes, LastReload};
use tunnel::home::Gateways;

use crate::config::Config;

/// Takes up a configuration that has changed.
pub(crate) struct Reload {
    /// What runs.
    pub(crate) file: Option<ConfigFile>,
    /// The gateways that are dialled, if there is a tunnel.
    pub(crate) gateways: Option<Gateways>,
    pub(crate) last: LastReload,
}

/// Where the gateways stand in the file.
const GATEWAYS: &str = "[[tunnel.gateway]]";

impl Reload {
    /// Until shutdown.
    pub(crate) async fn run(mut self, mut changes: Changes, shutdown: Shutdown) {
        loop {
            tokio::select! {
                () = shutdown.requested() => return,
                config = changes.next(Config::read) => self.reload(config),
            }
        }
    }

    fn reload(&mut self, config: Result<Config, ConfigError>) {
        let config = match config {
            Ok(config) => config,
            Err(error) => return self.last.refused(&error.to_string()),
        };
        let files = self.file.as_ref().zip(config.file.as_ref());
        let fields = files.map_or_else(Vec::new, |(own, new)| own.differs_in(new, &[GATEWAYS]));
        let changes = match (&self.gateways, config.tunnel) {
            (Some(gateways), Some(tunnel)) => {
                let names: Vec<&str> =
                    tunnel.gateways.iter().map(|gateway| gateway.name.as_str()).collect();
                let changes = format!("gateways: {}", names.join(", "));
                gateways.replace(tunnel.gateways);
                changes
            }
            (Some(_) | None, Some(_) | None) => String::new(),
        };
        self.last.taken_up(&changes, &fields);
    }
}
