//! A thousand ssh handshakes a second at one gateway, while votes are answered.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use lab::cloud::Signer;
use tokio::runtime::Runtime;
use tokio::sync::Semaphore;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::task::TaskTracker;
use tunnel::home::{self, Admission, Gateway};
use tunnel::{Identity, PublicKey};

use crate::report::{Figures, Row};
use crate::tunnel::latency::{Asker, PAUSE};
use crate::tunnel::stage::{PORT, PeelStage, SSH, loopback};

/// One a millisecond.
const PERIOD: Duration = Duration::from_millis(1);
const LASTS: Duration = Duration::from_secs(10);
/// So that none has more connections than a key may have.
const SIGNERS: u16 = 250;
const FIRST_PORT: u16 = 10_000;
/// Handshakes that are under way.
const AT_ONCE: usize = 250;

/// The row. Each handshake is a whole login with a key of the configuration: what costs the gateway most.
pub(super) fn a_thousand_a_second() -> anyhow::Result<Row> {
    println!("\na thousand handshakes a second");
    let signers: Vec<Known> = (0..SIGNERS).map(Known::new).collect::<Result<_, _>>()?;
    let others: Vec<Signer> = signers.iter().map(Known::at_the_gateway).collect();
    let stage = PeelStage::beside(&others)?;
    let host_key = stage.gateway.endpoint(loopback(SSH)).host_key;
    let mut asker = Asker::vote(loopback(PORT), stage.signer.key())?;
    let ends = Arc::new(AtomicBool::new(false));
    let asking = thread::spawn({
        let ends = Arc::clone(&ends);
        move || {
            let mut times = Vec::new();
            while !ends.load(Ordering::Relaxed) {
                thread::sleep(PAUSE);
                times.push(asker.ask()?);
            }
            anyhow::Ok(times)
        }
    });
    let made = flood(signers, &host_key);
    ends.store(true, Ordering::Relaxed);
    let Ok(times) = asking.join() else { bail!("the baker panicked") };
    let (figures, made) = (Figures::of(times?), made?);
    Ok(Row {
        what: "ssh logins at the gateway, each from TCP's handshake to the granted port, while a vote is \
               asked for every 10 ms (clients and gateway on the same two cores)"
            .to_owned(),
        promise: "1,000 a second, p99 of the votes ≤ 20 ms".to_owned(),
        beside: None,
        measured: format!("{made:.0} a second; votes {figures}"),
        kept: made >= 990.0 && figures.p99 <= 20.0,
    })
}

/// Logins a second.
fn flood(signers: Vec<Known>, host_key: &PublicKey) -> anyhow::Result<f64> {
    let clients: Vec<Arc<home::Config>> =
        signers.into_iter().map(|signer| Arc::new(signer.client(host_key))).collect();
    let made = Arc::new(AtomicU32::new(0));
    let start = Instant::now();
    Runtime::new()?.block_on(async {
        let (tasks, slots) = (TaskTracker::new(), Arc::new(Semaphore::new(AT_ONCE)));
        let mut pace = interval(PERIOD);
        pace.set_missed_tick_behavior(MissedTickBehavior::Burst);
        for client in clients.iter().cycle() {
            if start.elapsed() >= LASTS {
                break;
            }
            pace.tick().await;
            let slot = Arc::clone(&slots).acquire_owned().await.context("no slot")?;
            let (client, made) = (Arc::clone(client), Arc::clone(&made));
            tasks.spawn(async move {
                let found = client.check().await;
                if found.iter().all(|it| matches!(it.admission, Ok(Admission::Port))) {
                    made.fetch_add(1, Ordering::Relaxed);
                }
                drop(slot);
            });
        }
        tasks.close();
        tasks.wait().await;
        anyhow::Ok(())
    })?;
    Ok(f64::from(made.load(Ordering::Relaxed)) / start.elapsed().as_secs_f64())
}

/// A signer that the gateway knows.
struct Known {
    port: u16,
    identity: Identity,
}

impl Known {
    fn new(at: u16) -> anyhow::Result<Known> {
        Ok(Known { port: FIRST_PORT + at, identity: Identity::generate("known")? })
    }

    fn at_the_gateway(&self) -> Signer {
        Signer {
            name: format!("signer{}", self.port),
            ssh_public_key: self.identity.public(),
            port: self.port,
            keys: Vec::new(),
        }
    }

    fn client(self, host_key: &PublicKey) -> home::Config {
        let gateway = Gateway {
            address: loopback(SSH).to_string(),
            user: "signer".to_owned(),
            host_key: host_key.clone(),
        };
        home::Config {
            identity: self.identity,
            port: self.port,
            shell: None,
            gateways: vec![gateway],
            uplinks: Vec::new(),
        }
    }
}
