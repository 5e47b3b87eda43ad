//! What the two ends report of a link: its uplink, its round trip, its bytes.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::sleep;
use tunnel::Identity;
use tunnel::endpoint::{Limits, Session};
use tunnel::home::{LinkReport, LinkState, Uplink};

use crate::ends::{Cloud, PORT, Signer, echoes, loopback, until};

fn link(signer: &Signer) -> LinkReport {
    signer.status.links().remove(0)
}

/// What a line takes, each way.
#[derive(Clone, Default)]
struct Delay(Arc<AtomicU64>);

impl Delay {
    fn set(&self, delay: Duration) {
        self.0.store(delay.as_millis().try_into().unwrap(), Ordering::Relaxed);
    }

    async fn pass(&self) {
        sleep(Duration::from_millis(self.0.load(Ordering::Relaxed))).await;
    }
}

/// A line with that delay. It ends with the test's runtime.
async fn line(to: SocketAddr, delay: &Delay) -> SocketAddr {
    let delay = delay.clone();
    let listener = TcpListener::bind(loopback()).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((near, _)) = listener.accept().await {
            let (read_near, write_near) = near.into_split();
            let (read_far, write_far) = TcpStream::connect(to).await.unwrap().into_split();
            tokio::spawn(carry(read_near, write_far, delay.clone()));
            tokio::spawn(carry(read_far, write_near, delay.clone()));
        }
    });
    address
}

async fn carry(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin, delay: Delay) {
    let mut bytes = [0; 4096];
    while let Ok(count @ 1..) = from.read(&mut bytes).await {
        delay.pass().await;
        if to.write_all(bytes.get(..count).unwrap()).await.is_err() {
            return;
        }
    }
}

/// Sends so many bytes to the signer's end, which echoes, and reads them back.
async fn exchange(session: &Session, length: usize) {
    let (mut read, mut write) = tokio::io::split(session.open(loopback()).await.unwrap());
    let (sent, mut back) = (vec![7; length], vec![0; length]);
    let (written, read) = tokio::join!(write.write_all(&sent), read.read_exact(&mut back));
    written.unwrap();
    assert_eq!(read.unwrap(), length);
    assert_eq!(back, sent);
}

#[tokio::test]
async fn the_gateway_is_told_over_which_interface_a_session_comes() {
    let identity = Identity::generate("home").unwrap();
    let mut cloud = Cloud::with(&[identity.public()]).await;
    let config = || Signer::config(&identity, PORT, cloud.address, cloud.host_key.public());
    let mut over_lo = config();
    over_lo.uplinks = vec![Uplink { interface: "lo".to_owned(), metered: Some(true) }];
    let over_any = config();
    let signer = Signer::with(over_lo);
    let session = cloud.session().await;
    assert_eq!((session.uplink(), session.is_metered()), (Some("lo"), true));
    signer.stop().await;
    let signer = Signer::with(over_any);
    let session = cloud.session().await;
    assert_eq!((session.uplink(), session.is_metered()), (None, false));
    signer.stop().await;
}

/// An uplink of which the configuration does not say; another one, of which it does, stays as it is.
#[tokio::test]
async fn a_link_whose_uplink_becomes_metered_tells_the_gateway_anew() {
    let identity = Identity::generate("home").unwrap();
    let mut cloud = Cloud::with(&[identity.public()]).await;
    let mut config = Signer::config(&identity, PORT, cloud.address, cloud.host_key.public());
    config.uplinks = vec![Uplink { interface: "lo".to_owned(), metered: None }];
    let signer = Signer::with(config.clone());
    let session = cloud.session().await;
    assert!(!session.is_metered());
    // The gateway has a session a moment before the link knows that it is up: one that ends in that moment was none.
    until("it is up for the first time", || link(&signer).ups == 1).await;
    let lo = BTreeSet::from(["lo".to_owned()]);
    signer.metered.replace(lo.clone());
    session.gone().await;
    let session = cloud.session().await;
    assert!(session.is_metered() && link(&signer).metered);
    until("it is up for the second time", || link(&signer).ups == 2).await;
    // The same again is no news.
    signer.metered.replace(lo.clone());
    assert!(echoes(&session).await);
    signer.metered.replace(BTreeSet::new());
    session.gone().await;
    assert!(!cloud.session().await.is_metered());
    until("it is up for the third time", || link(&signer).ups == 3).await;
    signer.stop().await;

    config.uplinks = vec![Uplink { interface: "lo".to_owned(), metered: Some(false) }];
    let signer = Signer::with(config);
    let session = cloud.session().await;
    signer.metered.replace(lo);
    assert!(echoes(&session).await && !session.is_metered());
    until("it is up for the first time", || link(&signer).ups == 1).await;
    signer.stop().await;
}

#[tokio::test]
async fn the_round_trip_of_a_link_is_that_of_its_line() {
    const ONE_WAY: Duration = Duration::from_millis(60);
    let delay = Delay::default();
    delay.set(ONE_WAY);
    let identity = Identity::generate("home").unwrap();
    let mut cloud = Cloud::with(&[identity.public()]).await;
    let near = Signer::dial(&identity, cloud.address, cloud.host_key.public());
    cloud.session().await;
    until("a round trip is measured", || link(&near).round_trip.is_some()).await;
    assert!(link(&near).round_trip.unwrap() > Duration::ZERO);
    near.stop().await;
    let line = line(cloud.address, &delay).await;
    let far = Signer::dial(&identity, line, cloud.host_key.public());
    cloud.session().await;
    until("a round trip is measured", || link(&far).round_trip.is_some()).await;
    assert!(link(&far).round_trip.unwrap() >= ONE_WAY * 2);
    far.stop().await;
}

/// Others are sent meanwhile, and their answers come sooner after that.
#[tokio::test]
async fn a_round_trip_that_is_longer_than_the_pause_between_keepalives_is_measured_whole() {
    const ONE_WAY: Duration = Duration::from_millis(700);
    let identity = Identity::generate("home").unwrap();
    let mut cloud = Cloud::with(&[identity.public()]).await;
    let delay = Delay::default();
    let line = line(cloud.address, &delay).await;
    let signer = Signer::dial(&identity, line, cloud.host_key.public());
    cloud.session().await;
    delay.set(ONE_WAY);
    let is_slow = |took: Duration| took >= ONE_WAY * 2;
    until("the long way is measured", || link(&signer).round_trip.is_some_and(is_slow)).await;
    let first = link(&signer).round_trip;
    until("it is measured again", || link(&signer).round_trip != first).await;
    assert!(link(&signer).round_trip.is_some_and(is_slow));
    assert_eq!(link(&signer).ups, 1);
    signer.stop().await;
}

#[tokio::test]
async fn a_link_counts_its_bytes_over_all_its_connections_and_a_lost_link_has_no_round_trip() {
    const LENGTH: usize = 300_000;
    let identity = Identity::generate("home").unwrap();
    let mut cloud = Cloud::with(&[identity.public()]).await;
    let signer = Signer::dial(&identity, cloud.address, cloud.host_key.public());
    let mut before = link(&signer);
    assert_eq!((before.sent, before.received), (0, 0));
    for _ in 0..2 {
        exchange(&cloud.session().await, LENGTH).await;
        until("a round trip is measured", || link(&signer).round_trip.is_some()).await;
        let (address, host_key) = cloud.stop().await;
        let is_lost =
            |link: &LinkReport| link.state == LinkState::Down && link.round_trip.is_none();
        until("the link is lost", || is_lost(&link(&signer))).await;
        let now = link(&signer);
        let bytes = u64::try_from(LENGTH).unwrap();
        for (before, now) in [(before.sent, now.sent), (before.received, now.received)] {
            // ssh adds some 50 bytes to each packet.
            assert!((bytes..2 * bytes).contains(&(now - before)), "{before} {now}");
        }
        before = now;
        cloud = Cloud::at(address, host_key, &[identity.public()], Limits::default()).await;
    }
    signer.stop().await;
}
