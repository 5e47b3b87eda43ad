//! A release with a signer that is connected, and bakers that ask.

use std::net::SocketAddr;

use crate::bakers::{BakerPod, Connections, Votes};
use crate::home::{FLOOR, Home};
use crate::namespace::Namespace;
use crate::release::Release;
use serde_json::Value;

/// The port of the first signer.
pub const PORT: u16 = 8443;
/// What every test calls its release.
pub const RELEASE: &str = "forwarder";
/// The first level of the first baker.
pub const FIRST_LEVEL: u32 = FLOOR + 1;

/// A release, and a signer that every gateway of it can ask.
#[derive(Debug)]
pub struct Fixture<'a> {
    /// As a user makes it.
    pub release: Release<'a>,
    /// What it was installed with.
    pub values: Value,
    /// Where its gateways are reached from home.
    pub addresses: Vec<SocketAddr>,
    /// The signer.
    pub home: Home,
}

impl<'a> Fixture<'a> {
    /// With so many gateways.
    ///
    /// # Errors
    /// When it does not come up.
    pub fn open(namespace: &'a Namespace, replicas: usize) -> anyhow::Result<Fixture<'a>> {
        Fixture::with_shell(namespace, replicas, None)
    }

    /// With the sshd that is shown beside the signer.
    ///
    /// # Errors
    /// When it does not come up.
    pub fn with_shell(
        namespace: &'a Namespace,
        replicas: usize,
        ssh: Option<SocketAddr>,
    ) -> anyhow::Result<Fixture<'a>> {
        let mut home = Home::new(namespace.node, "home", PORT)?;
        let release = Release::new(namespace, RELEASE, replicas)?;
        let values = release.values(&[&home])?;
        let addresses = release.install(&values)?;
        home.configure(&addresses, &release.host_key.public(), ssh)?;
        home.start()?;
        release.wait_until_ready()?;
        release.wait_for_sessions(&home)?;
        Ok(Fixture { release, values, addresses, home })
    }

    /// Both kinds of bakers, while `event` happens: what they lived through, from before to a little after. First the one
    /// with a new connection for each request, then the one that keeps its connection.
    ///
    /// # Errors
    /// Those of `event`; when the bakers do not get on.
    pub fn votes_during(
        &self,
        event: impl FnOnce() -> anyhow::Result<()>,
    ) -> anyhow::Result<[Votes; 2]> {
        let new = baker(&self.release, &self.home, Connections::New, FIRST_LEVEL)?;
        let kept = baker(&self.release, &self.home, Connections::Kept, FIRST_LEVEL)?;
        event()?;
        let (new, kept) = (new.wait_for_votes(6)?, kept.wait_for_votes(6)?);
        println!("a new connection for each request: {new}");
        println!("a kept connection: {kept}");
        Ok([new, kept])
    }
}

/// A baker that has its first votes.
///
/// # Errors
/// When they do not come.
pub fn baker<'a>(
    release: &Release<'a>,
    home: &Home,
    connections: Connections,
    first_level: u32,
) -> anyhow::Result<BakerPod<'a>> {
    let url = release.url(home)?;
    let baker = BakerPod::start(release.namespace, connections, &url, first_level)?;
    baker.wait_for_votes(3)?;
    Ok(baker)
}
