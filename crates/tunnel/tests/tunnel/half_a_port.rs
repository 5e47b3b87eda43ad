//! A stock sshd binds a port for IPv4, then for IPv6, and grants it when either succeeds. Two connections that
//! ask at the same moment, or one that asks while another ends, could get half of it each, and the link
//! would be up while there is no listener. So the links of a signer ask in turn, and a port that was denied before is
//! given back and asked for again.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use russh::keys::PrivateKey;
use russh::server::{
    Auth, Config, Handler, PublicKeyOffer, Session, VerifiedPublicKey, run_stream,
};
use tokio::net::TcpListener;
use tokio::time::sleep;
use tunnel::Identity;
use tunnel::home::{LinkState, Uplink};

use crate::ends::{PORT, Signer, loopback, until};

/// An endpoint that is no Peel: it notes what it is asked, and denies the first few.
#[derive(Clone, Default)]
struct Stock {
    asked: Arc<Mutex<Vec<&'static str>>>,
    /// How many ask at this moment, and the most that ever did.
    asking: Arc<AtomicUsize>,
    most: Arc<AtomicUsize>,
    denials: usize,
}

impl Handler for Stock {
    type Error = russh::Error;

    async fn auth_publickey_offered(
        &mut self,
        _: &str,
        _: PublicKeyOffer<'_>,
    ) -> Result<Auth, russh::Error> {
        Ok(Auth::Accept)
    }

    async fn auth_publickey(
        &mut self,
        _: &str,
        _: VerifiedPublicKey<'_>,
    ) -> Result<Auth, russh::Error> {
        Ok(Auth::Accept)
    }

    async fn tcpip_forward(
        &mut self,
        _: &str,
        _: &mut u32,
        _: &mut Session,
    ) -> Result<bool, russh::Error> {
        let asking = self.asking.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(asking, Ordering::SeqCst);
        sleep(Duration::from_millis(50)).await;
        self.asking.fetch_sub(1, Ordering::SeqCst);
        let mut asked = self.asked.lock().unwrap();
        let granted = asked.len() >= self.denials;
        asked.push(if granted { "granted" } else { "denied" });
        Ok(granted)
    }

    async fn cancel_tcpip_forward(
        &mut self,
        _: &str,
        _: u32,
        _: &mut Session,
    ) -> Result<bool, russh::Error> {
        self.asked.lock().unwrap().push("given back");
        Ok(true)
    }
}

impl Stock {
    async fn start(&self, host_key: &Identity) -> SocketAddr {
        let key = PrivateKey::from_openssh(host_key.to_openssh().unwrap()).unwrap();
        let config = Arc::new(Config { keys: vec![key], ..Config::default() });
        let listener = TcpListener::bind(loopback()).await.unwrap();
        let (address, stock) = (listener.local_addr().unwrap(), self.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (config, stock) = (Arc::clone(&config), stock.clone());
                tokio::spawn(async move { run_stream(config, stream, stock).await?.await });
            }
        });
        address
    }

    /// A signer with so many lines, all of which are up in the end.
    async fn serve(&self, lines: usize) {
        let (identity, host_key) =
            (Identity::generate("home").unwrap(), Identity::generate("host").unwrap());
        let address = self.start(&host_key).await;
        let mut config = Signer::config(&identity, PORT, address, host_key.public());
        config.uplinks = vec![Uplink { interface: "lo".to_owned(), metered: Some(false) }; lines];
        let signer = Signer::with(config);
        until("all are up", || {
            signer.status.links().iter().all(|link| link.state == LinkState::Up)
        })
        .await;
        signer.stop().await;
    }
}

#[tokio::test]
async fn the_links_of_a_signer_ask_a_stock_sshd_in_turn() {
    let stock = Stock::default();
    stock.serve(4).await;
    assert_eq!(stock.most.load(Ordering::SeqCst), 1);
    assert_eq!(*stock.asked.lock().unwrap(), ["granted"; 4]);
}

#[tokio::test]
async fn a_port_that_was_denied_before_is_given_back_and_asked_for_again() {
    let stock = Stock { denials: 2, ..Stock::default() };
    stock.serve(1).await;
    let asked = stock.asked.lock().unwrap();
    assert_eq!(*asked, ["denied", "denied", "granted", "given back", "granted"]);
}
