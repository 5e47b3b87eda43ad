//! An endpoint whose connections end in the middle of something. That is a failure, and never logged as a
//! refusal: the operator would look for a wrong key or a port that is taken.

use std::net::SocketAddr;
use std::sync::Arc;

use russh::keys::PrivateKey;
use russh::server::{
    Auth, Config, Handler, PublicKeyOffer, Session, VerifiedPublicKey, run_stream,
};
use tokio::net::TcpListener;
use tunnel::Identity;
use tunnel::home::Uplink;

use crate::ends::{PORT, Signer, loopback, until};
use crate::log::Log;

/// Where it ends.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fault {
    Key,
    Proof,
    Port,
}

impl Fault {
    fn is_here(self, here: Fault) -> Result<(), russh::Error> {
        if self == here { Err(russh::Error::Disconnect) } else { Ok(()) }
    }
}

impl Handler for Fault {
    type Error = russh::Error;

    async fn auth_publickey_offered(
        &mut self,
        _: &str,
        _: PublicKeyOffer<'_>,
    ) -> Result<Auth, russh::Error> {
        self.is_here(Fault::Key).map(|()| Auth::Accept)
    }

    async fn auth_publickey(
        &mut self,
        _: &str,
        _: VerifiedPublicKey<'_>,
    ) -> Result<Auth, russh::Error> {
        self.is_here(Fault::Proof).map(|()| Auth::Accept)
    }

    async fn tcpip_forward(
        &mut self,
        _: &str,
        _: &mut u32,
        _: &mut Session,
    ) -> Result<bool, russh::Error> {
        self.is_here(Fault::Port).map(|()| true)
    }
}

async fn endpoint(host_key: &Identity, fault: Fault) -> SocketAddr {
    let key = PrivateKey::from_openssh(host_key.to_openssh().unwrap()).unwrap();
    let config = Arc::new(Config { keys: vec![key], ..Config::default() });
    let listener = TcpListener::bind(loopback()).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let config = Arc::clone(&config);
            tokio::spawn(async move { run_stream(config, stream, fault).await?.await });
        }
    });
    address
}

async fn is_told_as_closed(fault: Fault) {
    let log = Log::start();
    let (identity, host_key) =
        (Identity::generate("home").unwrap(), Identity::generate("host").unwrap());
    let address = endpoint(&host_key, fault).await;
    let mut config = Signer::config(&identity, PORT, address, host_key.public());
    // Several at once: what comes first, the end or the missing answer, is a matter of chance.
    config.uplinks = vec![Uplink { interface: "lo".to_owned(), metered: Some(false) }; 8];
    let signer = Signer::with(config);
    let errors = || signer.status.links().into_iter().map(|link| link.error);
    until("every link has its error", || errors().all(|error| error.is_some())).await;
    assert!(errors().flatten().all(|error| error.reason == "closed"));
    assert_eq!(log.lines_with(&["closed the connection"]).len(), 8);
    for refusal in ["does not give port", "does not know this signer's key"] {
        assert_eq!(log.lines_with(&[refusal]).len(), 0, "{refusal}");
    }
    signer.stop().await;
}

#[tokio::test]
async fn an_end_before_a_key_is_proved_is_no_refusal_of_the_key() {
    is_told_as_closed(Fault::Key).await;
    is_told_as_closed(Fault::Proof).await;
}

#[tokio::test]
async fn an_end_before_the_port_is_given_is_no_refusal_of_the_port() {
    is_told_as_closed(Fault::Port).await;
}
