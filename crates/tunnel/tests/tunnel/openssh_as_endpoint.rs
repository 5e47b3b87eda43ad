//! Our signer's end at a stock sshd.

use std::net::SocketAddr;
use std::time::Duration;

use daemon::free_port;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;
use tunnel::Identity;
use tunnel::home::{self, LinkReport, LinkState};

use crate::ends::{LIMIT, Signer, connect, echo_server, port_echoes, until};
use crate::stock::{Folder, Key, Sshd, children, listeners, signal};

/// A cloud with a stock sshd.
struct StockCloud {
    folder: Folder,
    host_key: Key,
    sshd: Sshd,
    /// What is asked of it.
    port: u16,
    identity: Identity,
}

impl StockCloud {
    async fn with(identity_kind: &str, host_key_kind: &str) -> StockCloud {
        let folder = Folder::new();
        let identity = folder.key(identity_kind, 0).identity();
        let host_key = folder.key(host_key_kind, 0);
        let address = SocketAddr::from(([127, 0, 0, 1], free_port::choose().unwrap()));
        let sshd = Sshd::start(&folder, address, &identity.public(), &[&host_key], "");
        StockCloud { folder, host_key, sshd, port: free_port::choose().unwrap(), identity }
    }

    /// One link for each uplink; one over any line if there is none.
    fn config(&self, uplinks: &[(&str, bool)]) -> home::Config {
        let host_key = self.host_key.public();
        let mut config = Signer::config(&self.identity, self.port, self.sshd.address, host_key);
        config.gateways[0].user = Sshd::user();
        let uplink = |(interface, metered): &(&str, bool)| {
            let (interface, metered) = ((*interface).to_owned(), *metered);
            home::Uplink { interface, metered: Some(metered) }
        };
        config.uplinks = uplinks.iter().map(uplink).collect();
        config
    }
}

fn links_in(signer: &Signer, state: LinkState) -> Vec<LinkReport> {
    signer.status.links().into_iter().filter(|link| link.state == state).collect()
}

async fn is_reached(identity_kind: &str, host_key_kind: &str) {
    let cloud = StockCloud::with(identity_kind, host_key_kind).await;
    let signer = Signer::with(cloud.config(&[]));
    until("the link is up", || links_in(&signer, LinkState::Up).len() == 1).await;
    for _ in 0..3 {
        port_echoes(cloud.port).await;
    }
    signer.stop().await;
    until("the port is free", || listeners(cloud.port).is_empty()).await;
}

#[tokio::test]
async fn a_signer_is_reached_through_a_stock_sshd() {
    for identity in ["ed25519", "ecdsa"] {
        for host_key in ["ed25519", "ecdsa"] {
            is_reached(identity, host_key).await;
        }
    }
}

#[tokio::test]
async fn a_stock_sshd_answers_the_keepalives_that_are_measured() {
    let cloud = StockCloud::with("ed25519", "ed25519").await;
    let signer = Signer::with(cloud.config(&[]));
    let round_trip = || signer.status.links()[0].round_trip;
    until("a round trip is measured", || round_trip().is_some()).await;
    assert!(round_trip().unwrap() < LIMIT);
    signer.stop().await;
}

/// Debian's sshd has an RSA, an ECDSA and an ed25519 host key; any of them may be the one in the
/// configuration.
#[tokio::test]
async fn each_host_key_of_a_stock_sshd_can_be_the_one_that_is_known() {
    let mut cloud = StockCloud::with("ed25519", "ed25519").await;
    let kinds = ["rsa", "ecdsa", "ed25519"];
    let keys = kinds.map(|kind| cloud.folder.key(kind, 0));
    let address = SocketAddr::from(([127, 0, 0, 1], free_port::choose().unwrap()));
    let all = keys.each_ref();
    cloud.sshd = Sshd::start(&cloud.folder, address, &cloud.identity.public(), &all, "");
    for key in keys {
        cloud.host_key = key;
        let signer = Signer::with(cloud.config(&[]));
        port_echoes(cloud.port).await;
        signer.stop().await;
    }
}

#[tokio::test]
async fn the_shell_is_reached_through_a_stock_sshd() {
    let cloud = StockCloud::with("ed25519", "ed25519").await;
    let mut config = cloud.config(&[]);
    config.shell = Some(echo_server().await);
    let signer = Signer::with(config);
    port_echoes(cloud.port + 1000).await;
    port_echoes(cloud.port).await;
    assert_eq!(listeners(cloud.port).len(), 1);
    assert_ne!(listeners(cloud.port), listeners(cloud.port + 1000));
    signer.stop().await;
}

/// One forward can be held by one connection only.
#[tokio::test]
async fn of_two_lines_one_has_the_port_and_the_other_stands_by_and_takes_over() {
    let cloud = StockCloud::with("ed25519", "ed25519").await;
    let signer = Signer::with(cloud.config(&[("lo", false), ("lo", true)]));
    until("one stands by", || links_in(&signer, LinkState::Standby).len() == 1).await;
    until("one is up", || links_in(&signer, LinkState::Up).len() == 1).await;
    let standby = links_in(&signer, LinkState::Standby);
    assert_eq!(standby[0].error.as_ref().unwrap().reason, "port_refused");
    port_echoes(cloud.port).await;

    let sessions = children(cloud.sshd.program.pid());
    assert_eq!(sessions.len(), 2);
    let holder = listeners(cloud.port);
    assert!(sessions.contains(&holder[0]));
    // Without the one that accepts, whoever had the port cannot come back for it.
    signal("KILL", cloud.sshd.program.pid());
    signal("KILL", holder[0]);
    until("the other is up", || {
        links_in(&signer, LinkState::Up).iter().any(|up| up.metered == standby[0].metered)
    })
    .await;
    port_echoes(cloud.port).await;
    assert_ne!(listeners(cloud.port), holder);
    signer.stop().await;
}

/// As when the computer was asleep, or others had the processor. Its sshd takes no new connection, so what is
/// given up is gone.
#[tokio::test]
async fn a_link_survives_that_this_program_did_not_run_for_a_while() {
    let cloud = StockCloud::with("ed25519", "ed25519").await;
    let signer = Signer::with(cloud.config(&[]));
    port_echoes(cloud.port).await;
    for _ in 0..3 {
        // Nothing is left to be read before, and nothing new comes before what was due meanwhile is done.
        tokio::time::sleep(Duration::from_millis(200)).await;
        std::thread::sleep(Duration::from_secs(4));
        tokio::time::sleep(Duration::from_millis(200)).await;
        port_echoes(cloud.port).await;
    }
    assert_eq!(signer.status.links()[0].ups, 1);
    signer.stop().await;
}

#[tokio::test]
async fn a_stock_sshd_that_is_started_again_is_found_again() {
    let mut cloud = StockCloud::with("ed25519", "ed25519").await;
    let signer = Signer::with(cloud.config(&[]));
    for ups in 1..=3 {
        until("the link is up", || signer.status.links()[0].ups == ups).await;
        port_echoes(cloud.port).await;
        cloud.sshd.start_again(&cloud.folder);
    }
    signer.stop().await;
}

#[tokio::test]
async fn a_stock_sshd_with_another_host_key_is_named_and_not_used() {
    let mut cloud = StockCloud::with("ed25519", "ed25519").await;
    let signer = Signer::with(cloud.config(&[]));
    port_echoes(cloud.port).await;
    let other = cloud.folder.key("ed25519", 0);
    cloud.sshd.program.kill();
    let public = cloud.identity.public();
    cloud.sshd = Sshd::start(&cloud.folder, cloud.sshd.address, &public, &[&other], "");
    let error = || signer.status.links()[0].error.clone();
    until("the wrong key is named", || error().is_some_and(|it| it.reason == "wrong_host_key"))
        .await;
    assert!(error().unwrap().message.contains(&other.public().fingerprint()));
    assert!(listeners(cloud.port).is_empty());
    assert!(!cloud.sshd.program.said().contains("Accepted"));
    signer.stop().await;
}

/// Usually it is every gigabyte.
#[tokio::test]
async fn new_keys_in_the_middle_of_a_copy_do_not_stop_it() {
    let mut cloud = StockCloud::with("ed25519", "ed25519").await;
    let address = SocketAddr::from(([127, 0, 0, 1], free_port::choose().unwrap()));
    let (public, host_key) = (cloud.identity.public(), [&cloud.host_key]);
    let more = "RekeyLimit 64K\nLogLevel DEBUG\n";
    cloud.sshd = Sshd::start(&cloud.folder, address, &public, &host_key, more);
    let signer = Signer::with(cloud.config(&[]));
    port_echoes(cloud.port).await;
    let sent: Vec<u8> = (0..256 * 1024_u32).flat_map(u32::to_le_bytes).collect();
    let mut received = vec![0; sent.len()];
    let (mut read, mut write) = connect(cloud.port).await.into_split();
    let copying =
        async { tokio::try_join!(write.write_all(&sent), read.read_exact(&mut received)) };
    timeout(LIMIT, copying).await.expect("it does not end").unwrap();
    assert!(received == sent);
    let rekeyed = cloud.sshd.program.said().matches("set_newkeys: rekeying").count();
    assert!(rekeyed > 10, "{rekeyed}");
    assert_eq!(signer.status.links()[0].ups, 1);
    signer.stop().await;
}

/// More than a connection may have that the other side has not closed.
#[tokio::test]
async fn any_number_of_streams_comes_through_one_stock_sshd() {
    let cloud = StockCloud::with("ed25519", "ed25519").await;
    let signer = Signer::with(cloud.config(&[]));
    for _ in 0..5_000 {
        port_echoes(cloud.port).await;
    }
    assert_eq!(signer.status.links()[0].ups, 1);
    signer.stop().await;
}
