//! A thousand ssh handshakes a second at one gateway, while votes are answered.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use russh::client;
use russh::keys::PublicKeyOrCertificate;
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio::sync::Semaphore;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::task::TaskTracker;

use crate::report::{Figures, Row};
use crate::tunnel::fixture::{PORT, PeelFixture, SSH, loopback};
use crate::tunnel::latency::{Asker, PAUSE};

/// One a millisecond.
const PERIOD: Duration = Duration::from_millis(1);
const LASTS: Duration = Duration::from_secs(10);
/// Handshakes that are under way.
const AT_ONCE: usize = 250;
/// Of the promised rate: the timer of the clients is no exact one.
const RATE: f64 = 990.0;

/// The row.
pub(super) fn a_thousand_a_second() -> anyhow::Result<Row> {
    println!("\na thousand handshakes a second");
    let fixture = PeelFixture::on_loopback()?;
    let mut asker = Asker::vote(loopback(PORT), fixture.signer.key())?;
    let ended = Arc::new(AtomicBool::new(false));
    let asking = thread::spawn({
        let ended = Arc::clone(&ended);
        move || {
            let mut times = Vec::new();
            while !ended.load(Ordering::Relaxed) {
                thread::sleep(PAUSE);
                times.push(asker.ask()?);
            }
            anyhow::Ok(times)
        }
    });
    let rate = shake_hands();
    ended.store(true, Ordering::Relaxed);
    let Ok(times) = asking.join() else { bail!("the baker panicked") };
    let (figures, rate) = (Figures::of(times?), rate?);
    Ok(Row {
        what: "ssh handshakes at the gateway, up to the new keys, and a vote every 10 ms (the clients \
               are on the same two cores)"
            .to_owned(),
        promise: "1,000 a second, p99 of the votes ≤ 20 ms".to_owned(),
        beside: None,
        measured: format!("{rate:.0} a second; votes {figures}"),
        kept: rate >= RATE && figures.p99 <= 20.0,
    })
}

/// Handshakes a second.
fn shake_hands() -> anyhow::Result<f64> {
    let config = Arc::new(client::Config::default());
    let made = Arc::new(AtomicU32::new(0));
    let start = Instant::now();
    Runtime::new()?.block_on(async {
        let (tasks, slots) = (TaskTracker::new(), Arc::new(Semaphore::new(AT_ONCE)));
        let mut pace = interval(PERIOD);
        pace.set_missed_tick_behavior(MissedTickBehavior::Burst);
        while start.elapsed() < LASTS {
            pace.tick().await;
            let slot = Arc::clone(&slots).acquire_owned().await.context("no slot")?;
            let (config, made) = (Arc::clone(&config), Arc::clone(&made));
            tasks.spawn(async move {
                if handshake(config).await.is_ok() {
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

/// From the connect to the end of the key exchange.
async fn handshake(config: Arc<client::Config>) -> anyhow::Result<()> {
    let stream = TcpStream::connect(loopback(SSH)).await?;
    stream.set_nodelay(true)?;
    client::connect_stream(config, stream, AnyHostKey).await?;
    Ok(())
}

struct AnyHostKey;

impl client::Handler for AnyHostKey {
    type Error = russh::Error;

    async fn check_server_key(&mut self, _: &PublicKeyOrCertificate) -> Result<bool, russh::Error> {
        Ok(true)
    }
}
