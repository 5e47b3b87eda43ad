//! Connections that prove no key, byte by byte.

use std::collections::VecDeque;
use std::io::Write;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use socket2::{Domain, Socket, Type};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use tunnel::Identity;
use tunnel::endpoint::{Limits, Refusal};

use crate::ends::{Cloud, LIMIT, Signer, echoes, until};
use crate::hostile::Fixture;

const LOGIN: Duration = Duration::from_secs(1);
const VERSION: &[u8] = b"SSH-2.0-unauthenticated\r\n";

async fn fixture() -> Fixture {
    Fixture::with(Limits { login_grace: LOGIN, ..Limits::default() }).await
}

/// Whose login limit no test sees.
async fn patient() -> Fixture {
    Fixture::with(Limits { login_grace: 3 * LIMIT, ..Limits::default() }).await
}

impl Fixture {
    /// After these bytes an unauthenticated connection is cut for what they are, long before the login limit.
    async fn cuts_at_once(self, words: &[u8]) {
        let peer = self.is_cut_after(words).await;
        self.has_refused(&format!("peer={peer}"), Refusal::Protocol, "").await;
    }

    /// After these bytes an unauthenticated connection is cut at the login limit, and not before.
    async fn cuts_at_the_login_limit(self, words: &[u8]) {
        let started = Instant::now();
        let peer = self.is_cut_after(words).await;
        let took = started.elapsed();
        assert!(LOGIN <= took && took < LOGIN * 5, "{took:?}");
        self.has_refused(&format!("peer={peer}"), Refusal::Login, "").await;
    }

    async fn is_cut_after(&self, words: &[u8]) -> SocketAddr {
        let mut stream = self.connect().await;
        // It may be cut in the middle of it.
        let _ = stream.write_all(words).await;
        is_cut(&mut stream).await;
        stream.local_addr().unwrap()
    }
}

/// Returns when the peer has closed.
async fn is_cut(stream: &mut TcpStream) {
    let mut bytes = [0; 4096];
    let reading = async { while let Ok(1..) = stream.read(&mut bytes).await {} };
    timeout(LIMIT, reading).await.expect("it is not cut");
}

/// A packet as RFC 4253 §6 has it before keys are agreed, that says it has `length` bytes.
fn packet(length: u32, payload: &[u8]) -> Vec<u8> {
    let padding = 8 - (5 + payload.len()) % 8 + 8;
    let mut packet = length.to_be_bytes().to_vec();
    packet.push(u8::try_from(padding).unwrap());
    packet.extend_from_slice(payload);
    packet.extend(vec![0; padding]);
    packet
}

/// RFC 4253 §7.1: 16 random bytes, ten lists, a flag and a zero.
fn key_exchange_init() -> Vec<u8> {
    let lists = [
        "curve25519-sha256",
        "ssh-ed25519",
        "aes256-ctr",
        "aes256-ctr",
        "hmac-sha2-256",
        "hmac-sha2-256",
        "none",
        "none",
        "",
        "",
    ];
    let mut payload = vec![20];
    payload.extend([7; 16]);
    for list in lists {
        payload.extend(u32::try_from(list.len()).unwrap().to_be_bytes());
        payload.extend(list.bytes());
    }
    payload.extend([0; 5]);
    payload
}

#[tokio::test]
async fn a_connection_that_says_nothing_is_cut_after_the_login_limit() {
    fixture().await.cuts_at_the_login_limit(b"").await;
}

#[tokio::test]
async fn a_connection_that_says_one_byte_at_a_time_is_cut_after_the_login_limit() {
    let fixture = fixture().await;
    let (mut read, mut write) = fixture.connect().await.into_split();
    let started = Instant::now();
    let dripping = async {
        for byte in VERSION.iter().cycle() {
            if write.write_all(&[*byte]).await.is_err() {
                break;
            }
            sleep(Duration::from_millis(100)).await;
        }
    };
    let mut said = Vec::new();
    tokio::select! {
        () = dripping => {}
        _ = read.read_to_end(&mut said) => {}
        () = sleep(LIMIT) => panic!("it is not cut"),
    }
    let took = started.elapsed();
    assert!(LOGIN <= took && took < LOGIN * 5, "{took:?}");
    fixture.has_refused("", Refusal::Login, "").await;
}

#[tokio::test]
async fn a_version_without_an_end_is_cut_at_once() {
    patient().await.cuts_at_once(&vec![b'x'; 1 << 20]).await;
}

#[tokio::test]
async fn another_protocol_is_cut_at_once() {
    let request = b"GET / HTTP/1.1\r\nHost: gateway\r\n\r\n";
    patient().await.cuts_at_once(request).await;
}

#[tokio::test]
async fn garbage_after_the_version_is_cut_at_once() {
    for garbage in [vec![0xff; 100_000], packet(20, b"\x15hello")] {
        let words = [VERSION, &garbage].concat();
        patient().await.cuts_at_once(&words).await;
    }
}

#[tokio::test]
async fn a_key_exchange_that_says_it_is_longer_than_it_is_is_cut_after_the_login_limit() {
    let words = [VERSION, &packet(200_000, &key_exchange_init())].concat();
    fixture().await.cuts_at_the_login_limit(&words).await;
}

#[tokio::test]
async fn a_key_exchange_that_says_it_is_shorter_than_it_is_is_cut_at_once() {
    let words = [VERSION, &packet(100, &key_exchange_init())].concat();
    patient().await.cuts_at_once(&words).await;
}

#[tokio::test]
async fn a_key_exchange_of_a_gigabyte_is_cut_at_once() {
    let words = [VERSION, &packet(1 << 30, &key_exchange_init())].concat();
    patient().await.cuts_at_once(&words).await;
}

/// A signer dials and can be asked, long before the login limit of [`patient`] cuts those before it.
async fn gets_in(identity: &Identity, cloud: &mut Cloud) {
    let signer = Signer::dial(identity, cloud.address, cloud.host_key.public());
    let session = cloud.session().await;
    assert!(echoes(&session).await);
    signer.stop().await;
}

/// The address that a crowd comes from.
const HERE: [u8; 4] = [127, 0, 0, 1];
const ELSEWHERE: [u8; 4] = [127, 0, 0, 2];

/// A connection that sends its version, and nothing more; none if it was not accepted soon.
fn unauthenticated(from: [u8; 4], to: SocketAddr) -> Option<Socket> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from((from, 0)).into()).ok()?;
    socket.connect_timeout(&to.into(), Duration::from_millis(10)).ok()?;
    // It may be cut already.
    let _ = (&socket).write_all(VERSION);
    Some(socket)
}

#[tokio::test]
async fn a_crowd_that_says_nothing_keeps_no_signer_out() {
    for (from, count) in [(HERE, 500), (ELSEWHERE, 1_000)] {
        let mut fixture = patient().await;
        let address = fixture.cloud.address;
        let crowd = tokio::task::spawn_blocking(move || {
            (0..count).filter_map(|_| unauthenticated(from, address)).collect::<Vec<_>>()
        });
        let crowd = crowd.await.unwrap();
        assert!(crowd.len() > 400);
        gets_in(&fixture.key.identity(), &mut fixture.cloud).await;
        fixture.ends_well().await;
    }
}

#[tokio::test]
async fn a_crowd_that_agrees_on_keys_and_stops_keeps_no_signer_out() {
    let mut fixture = patient().await;
    let mut crowd = Vec::new();
    for _ in 0..500 {
        crowd.push(fixture.agree_on_keys().await);
    }
    gets_in(&fixture.key.identity(), &mut fixture.cloud).await;
    fixture.ends_well().await;
}

#[tokio::test]
async fn a_connection_that_agrees_on_keys_and_stops_is_cut() {
    let fixture = fixture().await;
    let mut crowd = Vec::new();
    for _ in 0..20 {
        crowd.push(fixture.agree_on_keys().await);
    }
    until("all are cut", || crowd.iter().all(|ssh| ssh.is_closed())).await;
    fixture.ends_well().await;
}

#[tokio::test]
async fn a_crowd_is_cut_after_the_login_limit() {
    let fixture = fixture().await;
    let mut crowd = Vec::new();
    for _ in 0..500 {
        crowd.push(fixture.connect().await);
    }
    for stream in &mut crowd {
        is_cut(stream).await;
    }
    let refusals = &fixture.cloud.refusals;
    until("each is counted", || refusals.count(Refusal::Login) == 500).await;
    fixture.ends_well().await;
}

/// Nothing is accepted meanwhile: this test has one thread, and does not let it go. A connection that
/// finds no room with the system is tried again after a second.
#[tokio::test]
async fn a_burst_has_room_until_it_is_accepted() {
    let cloud = Cloud::with(&[]).await;
    let burst: Vec<Socket> =
        (0..500).filter_map(|_| unauthenticated(HERE, cloud.address)).collect();
    assert_eq!(burst.len(), 500);
    cloud.stop().await;
}

/// New connections, each `pause` after the last, until this is dropped.
struct Flood {
    stop: Arc<AtomicBool>,
}

impl Flood {
    fn start(from: [u8; 4], to: SocketAddr, pause: Duration) -> Flood {
        let flood = Flood { stop: Arc::default() };
        let stop = Arc::clone(&flood.stop);
        std::thread::spawn(move || {
            let mut open = VecDeque::new();
            while !stop.load(Ordering::Relaxed) {
                open.extend(unauthenticated(from, to));
                if open.len() > 1_000 {
                    open.pop_front();
                }
                std::thread::sleep(pause);
            }
        });
        flood
    }
}

impl Drop for Flood {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// A signer gets in again and again, however many unauthenticated connections come meanwhile.
async fn gets_in_through_a_flood(from: [u8; 4], pause: Duration) {
    let mut fixture = patient().await;
    let _flood = Flood::start(from, fixture.cloud.address, pause);
    until("the flood is there", || fixture.cloud.refusals.count(Refusal::Login) > 100).await;
    let started = Instant::now();
    while started.elapsed() < Duration::from_secs(2) {
        gets_in(&fixture.key.identity(), &mut fixture.cloud).await;
    }
    fixture.ends_well().await;
}

#[tokio::test]
async fn a_flood_of_new_connections_keeps_no_signer_out() {
    gets_in_through_a_flood(ELSEWHERE, Duration::from_micros(200)).await;
}

/// From there, the flood has as good a claim to a slot as the signer has.
#[tokio::test]
async fn a_slow_flood_from_the_signers_own_address_keeps_no_signer_out() {
    gets_in_through_a_flood(HERE, Duration::from_millis(3)).await;
}
