//! What `[monitor]` shows, put together: every fact and every metric of the signer.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use daemon::monitor::Monitor;
use daemon::own_metrics::register_readiness;
use daemon::reload::LastReload;
use daemon::report::Reporter;
use daemon::tls::Tls;
use daemon::{Health, Shutdown};
use prometheus_client::registry::Registry;
use signer_api::Hosts;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tunnel::home::Uplink;
use watermark::Store;

use crate::certificate::CertificateInForce;
use crate::clock::ClockWatch;
use crate::config::Config;
use crate::facts::{self, Look};
use crate::host::{self, Host};
use crate::keyring::Keyring;
use crate::links::Links;
use crate::site::Site;
use crate::{power, readings};

/// What of the configuration it is made from.
pub(crate) struct Sources {
    hosts: Hosts,
    power: Option<power::Config>,
    uplinks: Vec<Uplink>,
    tls: Option<Tls>,
    host: host::Config,
    /// The folder whose disk is shown.
    state: PathBuf,
}

/// It, and the tasks that it needs.
pub(crate) struct Monitoring {
    pub(crate) monitor: Monitor,
    health: Health,
    site: Site,
    power: Option<power::Config>,
}

/// For the metrics of the computer, which has limits of its own that are shorter.
const HOST_LIMIT: Duration = Duration::from_millis(1500);

impl Sources {
    /// Takes them from the configuration.
    pub(crate) fn take(config: &mut Config) -> Sources {
        let tunnel = config.tunnel.as_ref();
        Sources {
            hosts: config.monitor_hosts.clone(),
            power: config.power.take(),
            uplinks: tunnel.map(|tunnel| tunnel.uplinks.clone()).unwrap_or_default(),
            tls: config.http.as_ref().and_then(|http| http.tls.clone()),
            host: config.host.clone(),
            state: config.store.parent().unwrap_or(Path::new("/")).to_owned(),
        }
    }
}

impl Monitoring {
    /// Of these parts of the signer. `registry` has what is counted as it happens already.
    pub(crate) fn new(
        sources: Sources,
        mut registry: Registry,
        (keyring, store): (&Keyring, &Arc<Store>),
        links: Option<Links>,
        (clock, liveness, last_reload): (ClockWatch, Health, LastReload),
    ) -> Monitoring {
        let Sources { hosts, power, uplinks, tls, host, state } = sources;
        readings::register(&mut registry, keyring.clone(), Arc::clone(store));
        // A worker that is stuck in its device signs nothing.
        let of_workers = liveness.clone();
        let mut looks: Vec<Look> = vec![Box::new(move || of_workers.facts())];
        if let Some(links) = links.clone() {
            registry.register_collector(Box::new(links.clone()));
            looks.push(Box::new(move || links.facts()));
        }
        let site = Site::new(links.map(|links| (links, uplinks)), power.is_some(), clock);
        registry.register_collector(Box::new(site.clone()));
        let of_site = site.clone();
        looks.push(Box::new(move || of_site.facts()));
        if let Some(certificate) = tls.map(CertificateInForce) {
            registry.register_collector(Box::new(certificate.clone()));
            looks.push(Box::new(move || vec![certificate.fact()]));
        }
        looks.push(Box::new(move || vec![last_reload.fact()]));
        let health = facts::health(keyring, store, looks);
        register_readiness(&mut registry, "peel_signer", health.clone());
        let reporter = Reporter::new("signer", health.clone());
        let host = Host::new(host, state);
        let monitor = Monitor::new(Arc::new(registry), reporter, liveness)
            .with_others(move |_| {
                let host = host.clone();
                async move { timeout(HOST_LIMIT, host.text()).await.unwrap_or_default() }
            })
            .admitting(move |headers| hosts.check_viewer(headers).map_err(|why| why.to_string()));
        Monitoring { monitor, health, site, power }
    }

    /// Starts what reads all the while, until shutdown.
    pub(crate) fn watch(self, tasks: &mut JoinSet<()>, shutdown: &Shutdown) {
        tasks.spawn(self.health.observe(shutdown.clone()));
        self.site.watch(self.power, tasks, shutdown);
    }
}
