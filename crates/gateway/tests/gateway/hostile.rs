//! Clients that do not keep to HTTP, while a baker asks.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::fake_signer::Script;
use crate::fixture::{Fixture, KEY, NOBODYS_KEY, exchange, get_at, sign_at, until};

#[tokio::test]
async fn two_thousand_idle_connections_do_not_keep_the_baker_out() {
    daemon::open_files::raise();
    let fixture = Fixture::with(&[Some(&[KEY])]).await;
    let script = Script::with(&[KEY]);
    let _signer = fixture.heard_signer(0, &script).await;
    let mut idle = Vec::new();
    for at in 0..2_000 {
        let target = if at % 2 == 0 { fixture.http } else { fixture.port(0) };
        idle.push(TcpStream::connect(target).await.unwrap());
        if at % 200 == 0 {
            assert_eq!(fixture.sign(KEY).await.status, 200);
        }
    }
    assert_eq!(fixture.sign(KEY).await.status, 200);
}

#[tokio::test]
async fn slow_headers_and_slow_bodies_end() {
    let fixture = Fixture::with(&[Some(&[KEY])]).await;
    let script = Script::with(&[KEY]);
    let _signer = fixture.heard_signer(0, &script).await;
    let begun = [
        "GET /author".to_owned(),
        format!("POST /keys/{KEY} HTTP/1.1\r\nhost: localhost\r\ncontent-length: 100\r\n\r\n\"11"),
    ];
    for beginning in begun {
        let mut slow = TcpStream::connect(fixture.http).await.unwrap();
        slow.write_all(beginning.as_bytes()).await.unwrap();
        let mut rest = String::new();
        let reading = slow.read_to_string(&mut rest);
        tokio::time::timeout(Duration::from_secs(15), reading).await.expect("it does not end").ok();
        assert_eq!(fixture.sign(KEY).await.status, 200);
    }
}

#[tokio::test]
async fn huge_requests_are_refused_and_not_relayed() {
    let fixture = Fixture::with(&[Some(&[KEY])]).await;
    let script = Script::with(&[KEY]);
    let _signer = fixture.heard_signer(0, &script).await;
    let length = 10_000_000;
    let head =
        format!("POST /keys/{KEY} HTTP/1.1\r\nhost: localhost\r\ncontent-length: {length}\r\n\r\n");
    let mut huge = TcpStream::connect(fixture.http).await.unwrap();
    huge.write_all(head.as_bytes()).await.unwrap();
    let block = [b'1'; 4096];
    let mut answer = Vec::new();
    let (mut read, mut write) = huge.split();
    let sending = async { while write.write_all(&block).await.is_ok() {} };
    let reading = read.read_to_end(&mut answer);
    tokio::select! {
        () = sending => {}
        _ = reading => {}
    }
    let header = format!("GET /authorized_keys HTTP/1.1\r\nhost: {}\r\n\r\n", "x".repeat(100_000));
    let mut long = TcpStream::connect(fixture.http).await.unwrap();
    let _ = long.write_all(header.as_bytes()).await;
    assert_eq!(script.posts(), 0);
    assert_eq!(fixture.sign(KEY).await.status, 200);
}

#[tokio::test]
async fn a_flood_of_unknown_keys_asks_no_signer() {
    let fixture = Fixture::with(&[None]).await;
    let script = Script::with(&[KEY]);
    let _signer = fixture.heard_signer(0, &script).await;
    let before = script.public_keys.load(std::sync::atomic::Ordering::SeqCst);
    for _ in 0..100 {
        assert_eq!(fixture.get(&format!("/keys/{NOBODYS_KEY}")).await.status, 404);
        assert_eq!(fixture.sign(NOBODYS_KEY).await.status, 500);
    }
    assert_eq!(script.posts(), 0);
    assert_eq!(script.public_keys.load(std::sync::atomic::Ordering::SeqCst), before);
}

#[tokio::test]
async fn garbage_is_closed() {
    let fixture = Fixture::with(&[Some(&[KEY])]).await;
    let reply = exchange(fixture.http, "\u{0}\u{1}\u{2} garbage\r\n\r\n").await;
    assert_eq!(reply.status, 400);
    until("it still answers", async || fixture.get("/nothing").await.status == 404).await;
}

/// None of these needs authentication, and each is asked of the signer.
#[tokio::test]
async fn a_flood_of_what_is_no_vote_takes_no_votes_slot() {
    let others = ["/healthz", "/statusz/", "/keys/", "/bls_prove_possession/"];
    for path in others {
        let fixture = Fixture::with(&[Some(&[KEY])]).await;
        let script = Script::with(&[KEY]);
        let _signer = fixture.heard_signer(0, &script).await;
        *script.only_signs.lock().unwrap() = true;
        let (port, key) = (fixture.port(0), if path == "/healthz" { "" } else { KEY });
        let path = format!("{path}{key}");
        let mut flood = JoinSet::new();
        for _ in 0..200 {
            let path = path.clone();
            flood.spawn(async move { get_at(port, &path).await });
        }
        // The signer answers none: the first answer is the gateway's, once all slots are taken.
        let busy = flood.join_next().await.unwrap().unwrap();
        assert!(busy.body.contains("asked too much at once"), "{path}: {busy:?}");
        for at in [fixture.http, port] {
            let vote = sign_at(at, KEY).await;
            assert_eq!(vote.status, 200, "{path}: {vote:?}");
        }
    }
}
