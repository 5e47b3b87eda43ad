//! A gateway that runs, and requests to it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use daemon::{Shutdown, free_port};
use gateway::{Config, Gateway, config::SignerConfig};
use signer_api::Hosts;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tunnel::endpoint::SignerId;
use tunnel::home::LinkState;
use tunnel::{Identity, SignerPort};

use crate::fake_signer::{FakeSigner, Script};

/// More than anything here takes.
pub(crate) const LIMIT: Duration = Duration::from_secs(20);
/// Two keys, and one that no signer has.
pub(crate) const KEY: &str = "tz1YPSCGWXwBdTncK2aCctSZAXWvGsGwVJqU";
pub(crate) const OTHER_KEY: &str = "tz1S7rJtq4FTEXnTr8ecJDGwGcafyEg8Khn8";
pub(crate) const NOBODYS_KEY: &str = "tz1VSUr8wwNhLAzempoch5d6hLRiTh8Cjcjb";
pub(crate) const BODY: &str = "\"11af\"\n";

/// A gateway, and the signers that it knows.
pub(crate) struct Fixture {
    pub(crate) ssh: SocketAddr,
    pub(crate) http: SocketAddr,
    pub(crate) monitor: SocketAddr,
    pub(crate) host_key: Identity,
    pub(crate) identities: Vec<Identity>,
    pub(crate) ports: Vec<u16>,
    pub(crate) shutdown: Shutdown,
    task: JoinHandle<()>,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) body: String,
    pub(crate) took: Duration,
}

impl Fixture {
    /// A gateway for signers with these keys; none: it asks them.
    pub(crate) async fn with(signers: &[Option<&[&str]>]) -> Fixture {
        Fixture::with_limit(signers, LIMIT).await
    }

    pub(crate) async fn with_limit(signers: &[Option<&[&str]>], answer_limit: Duration) -> Fixture {
        Fixture::with_config(signers, |config| config.answer_limit = answer_limit).await
    }

    pub(crate) async fn with_config(
        signers: &[Option<&[&str]>],
        change: impl FnOnce(&mut Config),
    ) -> Fixture {
        let loopback = SocketAddr::from(([127, 0, 0, 1], 0));
        let identity = || Identity::generate("test").unwrap();
        let (host_key, identities): (_, Vec<_>) =
            (identity(), signers.iter().map(|_| identity()).collect());
        let ports: Vec<u16> = signers.iter().map(|_| free_port::choose().unwrap()).collect();
        let configs = signers.iter().enumerate().map(|(at, keys)| SignerConfig {
            id: SignerId::new(at),
            name: format!("signer{at}"),
            ssh_key: identities.get(at).unwrap().public(),
            port: SignerPort::new(*ports.get(at).unwrap()).unwrap(),
            keys: keys.map(|keys| keys.iter().map(|key| key.parse().unwrap()).collect()),
        });
        let mut config = Config {
            file: None,
            ssh: loopback,
            host_key: host_key.clone(),
            http: Some(loopback),
            monitor: Some(loopback),
            monitor_hosts: Hosts::of(loopback.ip(), &[]),
            signers: configs.collect(),
            shared_keys: Vec::new(),
            hosts: Hosts::of(loopback.ip(), &[]),
            allow_list_known_keys: true,
            answer_limit: LIMIT,
            drain: Duration::ZERO,
            has_stand_in: false,
            authentication: None,
            state: None,
        };
        change(&mut config);
        let shutdown = Shutdown::new();
        let gateway = Gateway::start(config, shutdown.clone()).await.unwrap();
        let (ssh, http) = (gateway.ssh(), gateway.http().unwrap());
        let monitor = gateway.monitor().unwrap();
        let task = tokio::spawn(gateway.run());
        Fixture { ssh, http, monitor, host_key, identities, ports, shutdown, task }
    }

    /// Signer `at` dials these addresses; returns when it is connected over each.
    pub(crate) async fn signer(
        &self,
        at: usize,
        script: &Arc<Script>,
        paths: &[SocketAddr],
    ) -> FakeSigner {
        let (identity, port) = (self.identities.get(at).unwrap(), *self.ports.get(at).unwrap());
        let fake_signer = FakeSigner::dial(script, identity, port, &self.host_key.public(), paths);
        until("the signer is connected", async || {
            fake_signer.status.links().iter().all(|link| link.state == LinkState::Up)
        })
        .await;
        fake_signer
    }

    /// The same, and the gateway has heard what it says.
    pub(crate) async fn heard_signer(&self, at: usize, script: &Arc<Script>) -> FakeSigner {
        let before = script.requests.load(Ordering::SeqCst);
        let fake_signer = self.signer(at, script, &[self.ssh]).await;
        self.hears(at, script, before).await;
        fake_signer
    }

    /// Waits until the gateway has heard what a script says of itself, which was asked so often before.
    pub(crate) async fn hears(&self, at: usize, script: &Arc<Script>, before: usize) {
        // Two requests, and the answer to the second one is back when the port answers from memory.
        until("the gateway has asked", async || {
            let asked = script.requests.load(Ordering::SeqCst);
            self.get_at(self.port(at), "/authorized_keys").await;
            asked >= before + 2 && script.requests.load(Ordering::SeqCst) == asked
        })
        .await;
    }

    /// A second program with the identity of signer `at`, which may not be let in.
    pub(crate) fn rival(&self, at: usize, script: &Arc<Script>) -> FakeSigner {
        let (identity, port) = (self.identities.get(at).unwrap(), *self.ports.get(at).unwrap());
        FakeSigner::dial(script, identity, port, &self.host_key.public(), &[self.ssh])
    }

    pub(crate) fn port(&self, at: usize) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], *self.ports.get(at).unwrap()))
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        self.get_at(self.http, path).await
    }

    pub(crate) async fn get_at(&self, at: SocketAddr, path: &str) -> Reply {
        get_at(at, path).await
    }

    /// A signing request by `key`, to all signers' port.
    pub(crate) async fn sign(&self, key: &str) -> Reply {
        sign_at(self.http, key).await
    }

    pub(crate) async fn metrics(&self) -> String {
        self.get_at(self.monitor, "/metrics").await.body
    }

    /// Stops, and returns when it has.
    pub(crate) async fn stop(self) {
        self.shutdown.request();
        timeout(LIMIT, self.task).await.expect("it does not stop").unwrap();
    }
}

pub(crate) async fn get_at(at: SocketAddr, path: &str) -> Reply {
    let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    exchange(at, &request).await
}

pub(crate) async fn sign_at(at: SocketAddr, key: &str) -> Reply {
    let request = format!(
        "POST /keys/{key}?version=3 HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{BODY}",
        BODY.len()
    );
    exchange(at, &request).await
}

/// A request for a preattestation by a tz1 key.
pub(crate) async fn sign_level(at: SocketAddr, key: &str, level: u32, query: &str) -> Reply {
    let data = tezos::sample_payload(tezos::Kind::Preattestation, level, 0, 0);
    let body = format!("\"{}\"", hex::encode(data));
    let request = format!(
        "POST /keys/{key}?version=3{query} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    exchange(at, &request).await
}

pub(crate) async fn exchange(at: SocketAddr, request: &str) -> Reply {
    let asked = Instant::now();
    let exchanging = async {
        let mut stream = TcpStream::connect(at).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    };
    let answer = timeout(LIMIT, exchanging).await.expect("no answer");
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
    let (_, body) = answer.split_once("\r\n\r\n").unwrap_or_default();
    Reply { status: status.unwrap_or(0), body: body.to_owned(), took: asked.elapsed() }
}

/// Waits until something holds.
pub(crate) async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let waiting = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    assert!(timeout(LIMIT, waiting).await.is_ok(), "never: {what}");
}
