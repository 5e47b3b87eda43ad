//! A UPS behind the real NUT server, and servers that mean no good.

use std::net::{Ipv4Addr, SocketAddr};

use daemon::Shutdown;
use lab::net::Namespace;
use lab::nut::Ups;
use lab::process::Signal;
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::*;
use crate::power::{Config, Limits, Power, Reading, Source, Supply, watch};

/// More than a UPS and its server take for anything.
const SOON: Duration = Duration::from_secs(20);

/// A UPS that is watched.
struct Watched {
    ups: Ups,
    power: Power,
    shutdown: Shutdown,
    watching: JoinSet<()>,
}

impl Watched {
    fn start(stop_at: Option<f64>) -> Watched {
        let ups = Ups::start(Namespace::here()).unwrap();
        let (power, shutdown) = (Power::new(), Shutdown::new());
        let source: Source = ups.url().parse().unwrap();
        let config = Config { source, limits: Limits { low_at: 0.3, stop_at } };
        let mut watching = JoinSet::new();
        watching.spawn(watch(config, power.clone(), shutdown.clone()));
        Watched { ups, power, shutdown, watching }
    }

    async fn sees(&self, supply: Supply, charge: f64, is_low: bool) {
        let wanted = Reading { supply, charge: Some(charge), is_low };
        let seen = timeout(SOON, self.power.wait_for(|reading| *reading == wanted)).await;
        seen.unwrap_or_else(|_| panic!("{:?}, and not {wanted:?}", self.power.reading()));
    }

    async fn is_unknown_because(&self, word: &str) {
        let wanted = |reading: &Reading| match &reading.supply {
            Supply::Unknown(why) => why.contains(word),
            Supply::Mains | Supply::Battery => false,
        };
        let seen = timeout(SOON, self.power.wait_for(wanted)).await;
        let seen = seen.unwrap_or_else(|_| panic!("{:?}, and not {word}", self.power.reading()));
        assert_eq!((seen.charge, seen.is_low), (None, false));
    }

    async fn end(mut self) {
        self.shutdown.request();
        timeout(SOON, self.watching.join_next()).await.unwrap().unwrap().unwrap();
    }
}

#[tokio::test]
async fn a_ups_is_read_as_it_changes() {
    let watched = Watched::start(None);
    watched.sees(Supply::Mains, 1.0, false).await;
    watched.ups.set("OB DISCHRG", 45).unwrap();
    watched.sees(Supply::Battery, 0.45, false).await;
    watched.ups.set("OB DISCHRG", 29).unwrap();
    watched.sees(Supply::Battery, 0.29, true).await;
    watched.ups.set("OB LB", 60).unwrap();
    watched.sees(Supply::Battery, 0.6, true).await;
    watched.ups.set("OL CHRG", 61).unwrap();
    watched.sees(Supply::Mains, 0.61, false).await;
    watched.end().await;
}

#[tokio::test]
async fn a_ups_that_is_nearly_empty_stops_the_signer() {
    let watched = Watched::start(Some(0.1));
    watched.ups.set("OL CHRG", 5).unwrap();
    watched.sees(Supply::Mains, 0.05, true).await;
    assert!(!watched.shutdown.is_requested());
    watched.ups.set("OB LB", 10).unwrap();
    timeout(SOON, watched.shutdown.requested()).await.unwrap();
    assert_eq!(watched.power.reading().supply, Supply::Battery);
    watched.end().await;
}

#[tokio::test]
async fn a_ups_whose_driver_is_silent_or_gone_is_unknown() {
    let mut watched = Watched::start(None);
    watched.sees(Supply::Mains, 1.0, false).await;
    watched.ups.driver().signal(Signal::STOP).unwrap();
    watched.is_unknown_because("DATA-STALE").await;
    watched.ups.driver().signal(Signal::CONT).unwrap();
    watched.sees(Supply::Mains, 1.0, false).await;
    watched.ups.driver().kill().unwrap();
    watched.is_unknown_because("DRIVER-NOT-CONNECTED").await;
    watched.end().await;
}

#[tokio::test]
async fn a_ups_that_the_server_does_not_have_is_unknown() {
    let ups = Ups::start(Namespace::here()).unwrap();
    let mut client = client(ups.address());
    client.address.ups = "other".to_owned();
    let error = client.read().await.unwrap_err().to_string();
    assert!(error.contains("no UPS \"other\"; \"upsc -l\""), "{error}");
}

#[tokio::test]
async fn a_server_that_was_restarted_is_no_failure() {
    let mut ups = Ups::start(Namespace::here()).unwrap();
    let mut client = client(ups.address());
    client.read().await.unwrap();
    ups.restart_server().unwrap();
    client.read().await.unwrap();
}

fn client(server: SocketAddr) -> Client {
    let host = server.ip().to_string();
    Client::new(Address { ups: "ups".to_owned(), host, port: server.port() })
}

/// A server that the test plays, and a client of it.
async fn server() -> (TcpListener, Client) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let client = client(listener.local_addr().unwrap());
    (listener, client)
}

async fn accept(listener: &TcpListener) -> TcpStream {
    listener.accept().await.unwrap().0
}

/// Reads a question, and answers with these bytes.
async fn answer(stream: &mut TcpStream, bytes: &str) {
    let mut question = [0; 100];
    assert!(stream.read(&mut question).await.unwrap() > 0);
    stream.write_all(bytes.as_bytes()).await.unwrap();
}

/// What a client hears of a server that answers its first question so, and then closes if `closes`.
async fn heard_after(bytes: &str, closes: bool) -> NutError {
    let (listener, mut client) = server().await;
    let lying = async {
        let mut stream = accept(&listener).await;
        answer(&mut stream, bytes).await;
        if closes { None } else { Some(stream) }
    };
    let (heard, _open) = tokio::join!(client.read(), lying);
    assert!(client.connection.is_none());
    heard.unwrap_err()
}

#[tokio::test]
async fn a_server_that_hangs_is_unknown_within_its_limit() {
    let (listener, mut client) = server().await;
    let started = Instant::now();
    let (heard, _open) = tokio::join!(client.read(), accept(&listener));
    assert!(matches!(heard, Err(NutError::NoAnswer)), "{heard:?}");
    assert!((LIMIT..3 * LIMIT).contains(&started.elapsed()), "{:?}", started.elapsed());
}

/// Its answer grows a byte at a time.
#[tokio::test]
async fn a_server_that_trickles_has_no_more_time() {
    let (listener, mut client) = server().await;
    let trickling = async {
        let mut stream = accept(&listener).await;
        let mut ticks = tokio::time::interval(LIMIT / 20);
        while stream.write_all(b"V").await.is_ok() {
            ticks.tick().await;
        }
    };
    let started = Instant::now();
    let heard = tokio::select! {
        heard = client.read() => heard,
        () = trickling => panic!("the client has hung up"),
    };
    assert!(matches!(heard, Err(NutError::NoAnswer)), "{heard:?}");
    assert!((LIMIT..3 * LIMIT).contains(&started.elapsed()), "{:?}", started.elapsed());
}

#[tokio::test]
async fn a_server_that_lies_is_unknown() {
    for lie in
        ["VAR ups battery.charge \"100\"\n", "VAR ups ups.status OL\n", "\n", "\u{0}\u{7f}\n"]
    {
        let heard = heard_after(lie, false).await;
        assert!(matches!(heard, NutError::Nonsense), "{lie:?}: {heard}");
    }
    let heard = heard_after("ERR ACCESS-DENIED\n", false).await;
    assert!(matches!(heard, NutError::AccessDenied), "{heard}");
}

#[tokio::test]
async fn a_server_that_vanishes_in_mid_line_is_unknown() {
    let heard = heard_after("VAR ups ups.sta", true).await;
    assert!(matches!(heard, NutError::Closed(_)), "{heard}");
    assert!(heard.to_string().contains("closed the connection"), "{heard}");
}

#[tokio::test]
async fn an_endless_line_is_read_to_its_limit_only() {
    let heard = heard_after(&"x".repeat(1024), false).await;
    assert!(matches!(heard, NutError::Nonsense), "{heard}");
    // One byte less may still become a line.
    let heard = heard_after(&"x".repeat(1023), false).await;
    assert!(matches!(heard, NutError::NoAnswer), "{heard}");
}

#[tokio::test]
async fn a_late_answer_is_not_taken_for_the_next_one() {
    let (listener, mut client) = server().await;
    let (heard, mut late) = tokio::join!(client.read(), accept(&listener));
    assert!(matches!(heard, Err(NutError::NoAnswer)), "{heard:?}");
    // The connection is gone there; whether the bytes are still taken here is the system's business.
    let _ = late.write_all(b"VAR ups ups.status \"OB\"\nVAR ups battery.charge \"1\"\n").await;
    let honest = async {
        let mut stream = accept(&listener).await;
        answer(&mut stream, "VAR ups ups.status \"OL\"\n").await;
        answer(&mut stream, "VAR ups battery.charge \"90\"\n").await;
        stream
    };
    let (heard, _open) = tokio::join!(client.read(), honest);
    assert_eq!(heard.unwrap(), Answer { is_on_mains: true, charge: Some(0.9), is_low: false });
}

#[tokio::test]
async fn questions_share_a_connection() {
    let (listener, mut client) = server().await;
    let serving = async {
        let mut stream = accept(&listener).await;
        for _ in 0..2 {
            answer(&mut stream, "VAR ups ups.status \"OB\"\n").await;
            answer(&mut stream, "ERR VAR-NOT-SUPPORTED\n").await;
        }
    };
    let asking = async { [client.read().await.unwrap(), client.read().await.unwrap()] };
    let (heard, ()) = tokio::join!(asking, serving);
    assert_eq!(heard, [Answer { is_on_mains: false, charge: None, is_low: false }; 2]);
}

#[tokio::test]
async fn no_error_shows_an_address() {
    let (listener, mut client) = server().await;
    drop(listener);
    let heard = client.read().await.unwrap_err();
    assert!(matches!(heard, NutError::Unreachable(_)), "{heard}");
    assert!(!heard.to_string().contains("127.0.0.1"), "{heard}");
    client.address.host = "no-such-host.invalid".to_owned();
    let heard = client.read().await.unwrap_err().to_string();
    assert!(heard.contains("cannot be reached") || heard.contains("within 1 s"), "{heard}");
}
