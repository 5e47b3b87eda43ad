//! A release of the chart, as a user makes one: a host key, values, and addresses for its gateways.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU8, Ordering};

use anyhow::Context;
use lab::wait;
use serde_json::{Value, json};
use tunnel::Identity;

use crate::balancer::Address;
use crate::home::Home;
use crate::namespace::{Namespace, SOON, is_ready, name};

/// A release in a namespace.
#[derive(Debug)]
pub struct Release<'a> {
    /// Where it is.
    pub namespace: &'a Namespace,
    /// What Helm calls it.
    pub name: &'static str,
    /// What its gateways prove themselves with.
    pub host_key: Identity,
    addresses: Vec<Address>,
}

/// Of the next Service. Each test has addresses of its own.
static NEXT: AtomicU8 = AtomicU8::new(1);

impl<'a> Release<'a> {
    /// Not installed yet; with so many gateways, and an address kept for each.
    ///
    /// # Errors
    /// When no key can be made.
    pub fn new(
        namespace: &'a Namespace,
        name: &'static str,
        replicas: usize,
    ) -> anyhow::Result<Release<'a>> {
        let host_key = Identity::generate("gateway")?;
        let service = |pod| format!("{name}-peel-gateway-ssh-{pod}");
        let address = |pod| Address::new(NEXT.fetch_add(1, Ordering::Relaxed), &service(pod));
        let addresses = (0..replicas).map(address).collect();
        Ok(Release { namespace, name, host_key, addresses })
    }

    /// The chart's values for these signers; the rest is the chart's own.
    ///
    /// # Errors
    /// When the host key cannot be written.
    pub fn values(&self, homes: &[&Home]) -> anyhow::Result<Value> {
        let signers: Vec<Value> = homes.iter().map(|home| home.entry()).collect();
        Ok(json!({
            "signers": signers,
            "replicas": self.addresses.len(),
            "hostKey": { "value": self.host_key.to_openssh()?.to_string() },
        }))
    }

    /// `helm install`, and the load balancer's addresses; gives where the signers dial.
    ///
    /// # Errors
    /// When Helm refuses the values, or the Services do not come.
    pub fn install(&self, values: &Value) -> anyhow::Result<Vec<SocketAddr>> {
        self.namespace.helm.release("install", self.name, values, &[])?;
        self.addresses.iter().map(|address| address.give(self.namespace)).collect()
    }

    /// `helm upgrade`.
    ///
    /// # Errors
    /// When Helm refuses the values.
    pub fn upgrade(&self, values: &Value) -> anyhow::Result<()> {
        self.namespace.helm.release("upgrade", self.name, values, &[]).map(drop)
    }

    /// The name of its StatefulSet, its bakers' Service and its ConfigMap.
    #[must_use]
    pub fn full_name(&self) -> String {
        format!("{}-peel-gateway", self.name)
    }

    /// The name of one of its pods.
    #[must_use]
    pub fn pod(&self, number: usize) -> String {
        format!("{}-{number}", self.full_name())
    }

    /// All its pods' names.
    ///
    /// # Errors
    /// When the API server cannot be asked.
    pub fn pods(&self) -> anyhow::Result<Vec<String>> {
        let pods = self.namespace.gateways(self.name)?;
        Ok(pods.iter().map(|pod| name(pod).to_owned()).collect())
    }

    /// Waits until as many gateways as it wants are ready, and no other is there.
    ///
    /// # Errors
    /// When they are not soon.
    pub fn wait_until_ready(&self) -> anyhow::Result<()> {
        self.namespace.wait_for_gateways(self.name, self.addresses.len())
    }

    /// Waits until none of its gateways is ready.
    ///
    /// # Errors
    /// When one still is.
    pub fn wait_until_not_ready(&self) -> anyhow::Result<()> {
        wait::until("gateways that are not ready", SOON, || {
            let pods = self.namespace.gateways(self.name)?;
            Ok((!pods.iter().any(is_ready)).then_some(()))
        })
    }

    /// Waits until each of the gateways has a session of this signer.
    ///
    /// # Errors
    /// When one has none soon.
    pub fn wait_for_sessions(&self, home: &Home) -> anyhow::Result<()> {
        let mut pods = (0..self.addresses.len()).map(|number| self.pod(number));
        pods.try_for_each(|pod| self.namespace.wait_for_session(&pod, home.name()))
    }

    /// Where a baker asks for the key of a signer: every signer's port of the bakers' Service.
    ///
    /// # Errors
    /// When there is no such Service.
    pub fn url(&self, home: &Home) -> anyhow::Result<String> {
        let place = "/spec/clusterIP";
        let ip = self.namespace.kubectl.text(&["service", &self.full_name()], place);
        let ip = ip.context("the bakers' Service")?;
        Ok(format!("http://{ip}:6732/{}", home.key()))
    }
}
