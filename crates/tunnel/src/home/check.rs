//! Whether a gateway would admit this signer, without serving anything: a part of "peel signer check".

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::Service;
use crate::home::connection::Handshake;
use crate::home::dial::dial;
use crate::home::error::LinkError;
use crate::home::handler::Target;
use crate::home::name::Name;
use crate::home::{Config, Gateway, Uplink};
use crate::traffic::Traffic;

/// The result of one attempt, over one uplink to one gateway.
#[derive(Debug, Clone)]
pub struct CheckResult {
    /// `HOST:PORT`.
    pub gateway: String,
    /// The interface; none for the system's route.
    pub uplink: Option<String>,
    /// Whether the gateway admits the signer.
    pub admission: Result<Admission, LinkError>,
}

/// The gateway admits the signer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// It would get its port.
    Port,
    /// Another connection has the port: of this signer, if it runs.
    PortIsHeld,
}

/// For a name, a connection, and a key to be proved.
const LIMIT: Duration = Duration::from_secs(10);

impl Config {
    /// Dials every gateway over every uplink, proves the keys, and requests the port. A Peel gateway sends no
    /// request over such a connection; a stock sshd grants the port, if it is free, and has it back at once.
    pub async fn check(&self) -> Vec<CheckResult> {
        let of_gateway = |gateway| self.routes().into_iter().map(move |uplink| (gateway, uplink));
        let all = self.gateways.iter().flat_map(of_gateway);
        join_all(all.map(|(gateway, uplink)| self.check_one(gateway, uplink))).await
    }

    async fn check_one(&self, gateway: &Gateway, uplink: Option<&Uplink>) -> CheckResult {
        let interface = uplink.map(|uplink| uplink.interface.clone());
        let unreachable =
            |error: &std::io::Error| LinkError::unreachable(gateway, interface.as_deref(), error);
        let admission = timeout(LIMIT, self.ask(gateway, uplink)).await;
        let admission =
            admission.unwrap_or_else(|_| Err(unreachable(&std::io::ErrorKind::TimedOut.into())));
        CheckResult { gateway: gateway.address.clone(), uplink: interface, admission }
    }

    async fn ask(
        &self,
        gateway: &Gateway,
        uplink: Option<&Uplink>,
    ) -> Result<Admission, LinkError> {
        let interface = uplink.map(|uplink| uplink.interface.as_str());
        let addresses = Name::new(gateway.address.clone()).addresses().await;
        let addresses = addresses.map_err(|error| LinkError::no_name(gateway, &error))?;
        let stream = dial(&addresses, interface, Service::Signing, LIMIT).await;
        let stream = stream.map_err(|error| LinkError::unreachable(gateway, interface, &error))?;
        // No stream comes: the gateway knows that this is a check.
        let (nowhere, _streams) = mpsc::channel(1);
        let handshake = Handshake {
            identity: self.identity.clone(),
            gateway: gateway.clone(),
            metered: uplink.and_then(|uplink| uplink.metered) == Some(true),
            uplink: interface.map(str::to_owned),
            traffic: Traffic::default(),
            target: Target::Signing(nowhere),
            forward_lock: Arc::default(),
            is_check: true,
        };
        let connection = handshake.run(stream).await?;
        let granted = connection.ask_for(self.port.of(Service::Signing), false).await;
        connection.close().await;
        Ok(if granted? { Admission::Port } else { Admission::PortIsHeld })
    }
}
