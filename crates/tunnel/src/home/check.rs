//! Whether a signer would be let in, without serving anything: what "peel signer check" asks.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::Door;
use crate::home::board::Trouble;
use crate::home::connection::{Target, Terms};
use crate::home::dial::dial;
use crate::home::names::Name;
use crate::home::{Config, Gateway, Uplink};

/// What came of a try, over one line to one gateway.
#[derive(Debug, Clone)]
pub struct Try {
    /// `HOST:PORT`.
    pub gateway: String,
    /// The interface; none for the system's route.
    pub uplink: Option<String>,
    /// What was found.
    pub found: Result<Admission, Trouble>,
}

/// The signer is let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// And would get its port.
    Port,
    /// Another connection has the port: of this signer, if it runs.
    PortIsHeld,
}

/// For a name, a connection, and a key to be proved.
const LIMIT: Duration = Duration::from_secs(10);

impl Config {
    /// Dials every gateway over every line, proves the keys, and asks for the port. A gateway of Peel sends no request
    /// this way meanwhile; a stock sshd gives the port, if it is free, and has it back at once.
    pub async fn check(&self) -> Vec<Try> {
        let signing = self.links().filter(|(.., door)| *door == Door::Signing);
        let tries = signing.filter_map(|(at, uplink, _)| {
            let gateway = self.gateways.get(at)?;
            Some(self.check_one(gateway, uplink))
        });
        join_all(tries).await
    }

    async fn check_one(&self, gateway: &Gateway, uplink: Option<&Uplink>) -> Try {
        let interface = uplink.map(|uplink| uplink.interface.clone());
        let unreachable =
            |error: &std::io::Error| Trouble::unreachable(gateway, interface.as_deref(), error);
        let found = timeout(LIMIT, self.ask(gateway, uplink)).await;
        let found =
            found.unwrap_or_else(|_| Err(unreachable(&std::io::ErrorKind::TimedOut.into())));
        Try { gateway: gateway.address.clone(), uplink: interface, found }
    }

    async fn ask(&self, gateway: &Gateway, uplink: Option<&Uplink>) -> Result<Admission, Trouble> {
        let interface = uplink.map(|uplink| uplink.interface.as_str());
        let addresses = Name::new(gateway.address.clone()).addresses().await;
        let addresses = addresses.map_err(|error| Trouble::no_name(gateway, &error))?;
        let stream = dial(&addresses, interface, Door::Signing, LIMIT).await;
        let stream = stream.map_err(|error| Trouble::unreachable(gateway, interface, &error))?;
        // Nothing comes through it: the gateway knows that this is a check.
        let (nowhere, _streams) = mpsc::channel(1);
        let terms = Terms {
            identity: self.identity.clone(),
            gateway: gateway.clone(),
            metered: uplink.is_some_and(|uplink| uplink.metered),
            target: Target::Signing(nowhere),
            turns: Arc::default(),
            is_check: true,
        };
        let connection = terms.meet(stream).await?;
        let granted = connection.ask_for(self.port, false).await;
        connection.close().await;
        Ok(if granted? { Admission::Port } else { Admission::PortIsHeld })
    }
}
