//! What bakers hear while a gateway is away.

use std::fs;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};

use daemon::Shutdown;
use daemon::free_port;
use gateway::{Config, Gateway, StandIn};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tunnel::Identity;

use crate::fixture::{KEY, LIMIT, get_at, sign_at, until};

/// A gateway and its stand-in, each of which may run.
struct Pair {
    folder: TempDir,
    http: SocketAddr,
    own: SocketAddr,
    monitor: SocketAddr,
    /// Connections that came in the very moment in which the stand-in left its ports.
    resets: AtomicUsize,
}

struct Running {
    shutdown: Shutdown,
    task: JoinHandle<()>,
}

impl Running {
    async fn stop(self) {
        self.shutdown.request();
        timeout(LIMIT, self.task).await.expect("it does not stop").unwrap();
    }
}

fn at(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

async fn ask(port: SocketAddr, path: &str) -> io::Result<String> {
    let mut stream = TcpStream::connect(port).await?;
    let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}

impl Pair {
    fn new() -> Pair {
        let folder = tempfile::tempdir().unwrap();
        let host_key = folder.path().join("host_key");
        fs::write(&host_key, Identity::generate("host").unwrap().to_openssh().unwrap()).unwrap();
        fs::set_permissions(&host_key, fs::Permissions::from_mode(0o600)).unwrap();
        let [http, monitor, own] = [(); 3].map(|()| free_port::choose().unwrap());
        let key = Identity::generate("home").unwrap().public();
        let text = format!(
            "[ssh]\nlisten = \"127.0.0.1:0\"\nhost_key = \"host_key\"\n\
             [http]\nlisten = \"127.0.0.1:{http}\"\nstand_in = true\n\
             [monitor]\nlisten = \"127.0.0.1:{monitor}\"\n\
             [[signer]]\nname = \"home\"\nssh_public_key = \"{key}\"\nport = {own}\n"
        );
        fs::write(folder.path().join("gateway.toml"), text).unwrap();
        Pair {
            folder,
            http: at(http),
            own: at(own),
            monitor: at(monitor),
            resets: AtomicUsize::new(0),
        }
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("gateway.toml")
    }

    async fn gateway(&self) -> Running {
        let shutdown = Shutdown::new();
        let config = Config::read(&self.file()).unwrap();
        let gateway = Gateway::start(config, shutdown.clone()).await.unwrap();
        Running { shutdown, task: tokio::spawn(gateway.run()) }
    }

    fn stand_in(&self) -> Running {
        let shutdown = Shutdown::new();
        let stand_in = StandIn::new(Config::read(&self.file()).unwrap(), &self.file()).unwrap();
        let running = stand_in.run(shutdown.clone());
        Running { shutdown, task: tokio::spawn(running) }
    }

    /// Which of the two answers at this port; none when neither listens. A baker asks this before each vote.
    async fn is_stood_in_for(&self, port: SocketAddr) -> Option<bool> {
        match ask(port, "/authorized_keys").await {
            Ok(answer) => {
                let stands_in = answer.contains("this gateway is being started again");
                assert!(answer.starts_with(if stands_in {
                    "HTTP/1.1 502"
                } else {
                    "HTTP/1.1 200"
                }));
                Some(stands_in)
            }
            Err(error) if error.kind() == ErrorKind::ConnectionReset => {
                self.resets.fetch_add(1, Ordering::SeqCst);
                Some(true)
            }
            Err(_) => None,
        }
    }
}

#[tokio::test]
async fn while_no_gateway_listens_bakers_are_told_to_ask_again() {
    let pair = Pair::new();
    let stand_in = pair.stand_in();
    for port in [pair.http, pair.own] {
        until("it stands in", async || pair.is_stood_in_for(port).await == Some(true)).await;
        let reply = sign_at(port, KEY).await;
        assert_eq!(reply.status, 502, "octez asks again after a 502 alone: {reply:?}");
    }
    stand_in.stop().await;
    assert_eq!(pair.is_stood_in_for(pair.http).await, None, "its ports are closed");
}

#[tokio::test]
async fn a_gateway_that_comes_back_has_its_ports_and_no_baker_is_refused_meanwhile() {
    let pair = Pair::new();
    let stand_in = pair.stand_in();
    until("it stands in", async || pair.is_stood_in_for(pair.http).await == Some(true)).await;
    for round in 1..=3 {
        let gateway = pair.gateway().await;
        // From here on either of them answers, until the stand-in has seen the gateway.
        let mut answered_in_turn = 0;
        until("the gateway alone answers", async || {
            let stands_in = pair.is_stood_in_for(pair.http).await;
            assert_ne!(stands_in, None, "refused while both are there");
            answered_in_turn = if stands_in == Some(false) { answered_in_turn + 1 } else { 0 };
            answered_in_turn > 50
        })
        .await;
        assert!(pair.resets.load(Ordering::SeqCst) <= round, "a moment, and no more");
        assert_eq!(get_at(pair.monitor, "/livez").await.status, 200);
        gateway.stop().await;
        until("it stands in again", async || pair.is_stood_in_for(pair.own).await == Some(true))
            .await;
    }
    stand_in.stop().await;
}

/// It waits for the ports that it does not share, and has none of the others meanwhile.
#[tokio::test]
async fn a_second_gateway_by_mistake_takes_no_connection_of_the_first() {
    let pair = Pair::new();
    let first = pair.gateway().await;
    let config = Config::read(&pair.file()).unwrap();
    let mut second = pin!(Gateway::start(config, Shutdown::new()));
    let asking = async {
        for port in [pair.own, pair.http].repeat(25) {
            // Not allowed, which is answered at once, also without a signer.
            let answer = timeout(LIMIT, ask(port, "/known_keys")).await.expect("not served");
            assert!(answer.unwrap().starts_with("HTTP/1.1 500"));
        }
    };
    tokio::select! {
        biased;
        _ = &mut second => unreachable!("it has a port that the first one has"),
        () = asking => {}
    }
    first.stop().await;
}

#[test]
fn a_stand_in_that_could_not_do_its_work_is_refused_with_the_cure() {
    let pair = Pair::new();
    let refused = |old: &str, new: &str| {
        let text = fs::read_to_string(pair.file()).unwrap().replace(old, new);
        let file = pair.folder.path().join("other.toml");
        fs::write(&file, text).unwrap();
        StandIn::new(Config::read(&file).unwrap(), &file).unwrap_err().to_string()
    };
    assert!(refused("stand_in = true\n", "").contains("[http] stand_in is not true"));
    let monitor = format!("[monitor]\nlisten = \"{}\"\n", pair.monitor);
    assert!(refused(&monitor, "").contains("there is no [monitor]"));
}
