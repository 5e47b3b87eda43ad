//! A stock `ssh -N -R …` at our endpoint.

use std::time::Duration;

use daemon::free_port;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::sleep;
use tunnel::endpoint::{Limits, Refusal, Session, SignerId};
use tunnel::{Identity, Service};

use crate::ends::{Cloud, LIMIT, PORT, echo_server, echoes, gone, loopback, until};
use crate::stock::{Destination, Folder, Key, Program, children, listeners, program, signal};

/// A computer at home with a stock ssh and a key, and the endpoint that knows the key.
struct StockSigner {
    folder: Folder,
    key: Key,
    cloud: Cloud,
    destination: Destination,
}

impl StockSigner {
    async fn with(kind: &str, bits: u32, limits: Limits) -> StockSigner {
        let folder = Folder::new();
        let key = folder.key(kind, bits);
        let host_key = Identity::generate("host").unwrap();
        let cloud = Cloud::at(loopback(), host_key, &[key.public()], limits).await;
        let destination = Destination::new(&folder, cloud.address, &cloud.host_key.public());
        StockSigner { folder, key, cloud, destination }
    }

    /// Starts an ssh that forwards the signing port to an echo, and gives its session.
    async fn dial(&mut self) -> (Program, Session) {
        let forwards = [(PORT, echo_server().await)];
        let ssh = self.destination.forwarding(&self.key, &forwards);
        let ssh = Program::start(ssh, &self.folder);
        (ssh, self.cloud.session().await)
    }
}

async fn is_reached_with(kind: &str, bits: u32) {
    let mut home = StockSigner::with(kind, bits, Limits::default()).await;
    let (ssh, session) = home.dial().await;
    assert_eq!(
        (session.signer(), session.service()),
        (SignerId::new(0), Service::Signing),
        "{}",
        ssh.said()
    );
    assert!(!session.is_metered());
    for _ in 0..10 {
        assert!(echoes(&session).await, "{}", ssh.said());
        assert!(session.ping().await.unwrap() < LIMIT);
    }
    drop(ssh);
    gone(&session).await;
    home.cloud.stop().await;
}

#[tokio::test]
async fn a_stock_ssh_is_reached_with_an_ed25519_key() {
    is_reached_with("ed25519", 0).await;
}

#[tokio::test]
async fn a_stock_ssh_is_reached_with_an_ecdsa_key() {
    is_reached_with("ecdsa", 256).await;
    is_reached_with("ecdsa", 384).await;
    is_reached_with("ecdsa", 521).await;
}

#[tokio::test]
async fn a_stock_ssh_is_reached_with_an_rsa_key() {
    is_reached_with("rsa", 2048).await;
    is_reached_with("rsa", 4096).await;
}

#[tokio::test]
async fn one_stock_ssh_serves_both_doors() {
    let mut home = StockSigner::with("ed25519", 0, Limits::default()).await;
    let forwards = [(PORT, echo_server().await), (PORT + 1000, echo_server().await)];
    let ssh = home.destination.forwarding(&home.key, &forwards);
    let _ssh = Program::start(ssh, &home.folder);
    let sessions = [home.cloud.session().await, home.cloud.session().await];
    assert_eq!(sessions.each_ref().map(Session::service), Service::BOTH);
    for session in &sessions {
        assert!(echoes(session).await);
    }
}

#[tokio::test]
async fn a_half_dead_ssh_keeps_nothing_from_its_successor() {
    let limits = Limits { silent: Duration::from_secs(2), ..Limits::default() };
    let mut home = StockSigner::with("ed25519", 0, limits).await;
    let (stale, older) = home.dial().await;
    assert!(echoes(&older).await);
    signal("STOP", stale.pid());
    let (_ssh, newer) = home.dial().await;
    assert!(newer.id() > older.id());
    // It is in use: with nothing to say it would be silent, too, a moment after the other.
    let in_use = async {
        while echoes(&newer).await {
            sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::select! {
        took = gone(&older) => assert!(took < 2 * limits.silent, "{took:?}"),
        () = in_use => panic!("the newer one has gone"),
    }
    assert!(!newer.is_gone() && echoes(&newer).await);
}

/// OpenSSH asks for new keys every few kilobytes here; usually it is every gigabyte.
#[tokio::test]
async fn new_keys_in_the_middle_of_a_copy_stop_neither_the_copy_nor_the_ping() {
    let mut home = StockSigner::with("ed25519", 0, Limits::default()).await;
    let mut ssh = home.destination.forwarding(&home.key, &[(PORT, echo_server().await)]);
    ssh.args(["-v", "-o", "RekeyLimit=64K"]);
    let ssh = Program::start(ssh, &home.folder);
    let session = home.cloud.session().await;
    let sent: Vec<u8> = (0..256 * 1024_u32).flat_map(u32::to_le_bytes).collect();
    let mut received = vec![0; sent.len()];
    let (mut read, mut write) = tokio::io::split(session.open(loopback()).await.unwrap());
    let pinging = async {
        loop {
            session.ping().await.unwrap();
        }
    };
    tokio::select! {
        copied = async { tokio::try_join!(write.write_all(&sent), read.read_exact(&mut received)) } =>
            assert!(copied.is_ok()),
        () = pinging => {}
        () = sleep(LIMIT) => panic!("it does not end"),
    }
    assert!(received == sent);
    let rekeyed = ssh.said().matches("set_newkeys: rekeying").count();
    assert!(rekeyed > 10, "{rekeyed}");
    assert!(echoes(&session).await);
}

/// As in the boxes that exist, but for the pauses, which are minutes there.
#[tokio::test]
async fn an_unchanged_autossh_works_and_its_monitor_opens_no_port_here() {
    let mut home = StockSigner::with("rsa", 2048, Limits::default()).await;
    let (log, monitor) = (home.folder.new_path("autossh"), free_port::choose().unwrap());
    let mut autossh = program("autossh", "autossh");
    autossh.args(["-M", &monitor.to_string()]).args(home.destination.options(&home.key));
    for port in [PORT, PORT + 1000] {
        autossh.arg("-R").arg(format!("{port}:{}", echo_server().await));
    }
    autossh.args(["-N", "-T", &home.destination.host()]);
    autossh.envs([("AUTOSSH_POLL", "2"), ("AUTOSSH_FIRST_POLL", "1"), ("AUTOSSH_GATETIME", "0")]);
    autossh.env("AUTOSSH_LOGFILE", &log).env("AUTOSSH_DEBUG", "1");
    let autossh = Program::start(autossh, &home.folder);

    let said = || std::fs::read_to_string(&log).unwrap_or_default();
    let oks = || said().matches("connection ok").count();
    for _ in 0..2 {
        let sessions = [home.cloud.session().await, home.cloud.session().await];
        let before = oks();
        until("its monitor is content twice", || oks() >= before + 2).await;
        // autossh waits at M + 1, and its ssh brings there what comes to M.
        let ssh = children(autossh.pid());
        assert_eq!((listeners(monitor), listeners(monitor + 1)), (ssh, vec![autossh.pid()]));
        assert!(echoes(&sessions[0]).await && echoes(&sessions[1]).await, "{}", said());
        for refusal in Refusal::ALL {
            assert_eq!(home.cloud.refusals.count(refusal), 0, "{refusal}");
        }
        let (address, host_key) = home.cloud.stop().await;
        let keys = [home.key.public()];
        home.cloud = Cloud::at(address, host_key, &keys, Limits::default()).await;
    }
    home.cloud.session().await;
    let times = said().matches("starting ssh").count();
    assert!(times >= 3, "{}", said());
}
