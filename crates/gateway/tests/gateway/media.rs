//! Octet-stream and BSON at the gateway. Signers are asked in JSON all the same.

use std::net::SocketAddr;

use tezos::{Kind, SecretKey, Signature, sample_payload};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::fake_signer::Script;
use crate::fixture::{Fixture, KEY};

const OCTETS: &str = "application/octet-stream";

/// Sends a request; gives the status and the body.
async fn ask(at: SocketAddr, line: &str, headers: &str, body: &[u8]) -> (u16, Vec<u8>) {
    let head = format!(
        "{line} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{headers}content-length: {}\r\n\r\n",
        body.len()
    );
    let mut stream = TcpStream::connect(at).await.unwrap();
    stream.write_all(&[head.as_bytes(), body].concat()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
    let status = std::str::from_utf8(&answer[9..12]).unwrap().parse().unwrap();
    (status, answer.split_off(end + 4))
}

fn in_octets(data: &[u8]) -> Vec<u8> {
    let length = |bytes: usize| u32::try_from(bytes).unwrap().to_be_bytes();
    [&length(data.len() + 4), &length(data.len()), data].concat()
}

#[tokio::test]
async fn a_request_in_octets_is_asked_in_json_and_answered_in_octets() {
    let secret = "edsk3gUfUPyBSfrS9CCgmCiQsTCHGkviBDusMxDJstFtojtc1zcpsh";
    let secret = SecretKey::from_base58(secret).unwrap();
    let data = sample_payload(Kind::Attestation, 7, 0, 0);
    let made: Signature = secret.sign(&data, tezos::BlsScheme::default()).unwrap();
    let fixture = Fixture::with(&[Some(&[KEY])]).await;
    let script = Script::with(&[KEY]);
    *script.refusal.lock().unwrap() = Some((200, format!("{{\"signature\":\"{made}\"}}\n")));
    let _signer = fixture.signer(0, &script, &[fixture.ssh]).await;
    let (line, headers) = (
        format!("POST /keys/{KEY}?version=3"),
        format!("content-type: {OCTETS}\r\naccept: {OCTETS}\r\n"),
    );
    let answer = ask(fixture.http, &line, &headers, &in_octets(&data)).await;
    assert_eq!(answer, (200, [&[0, 0, 0, 64], made.bytes()].concat()));
    let asked = script.bodies.lock().unwrap()[0].clone();
    assert_eq!(asked, format!("\"{}\"\n", hex::encode(&data)));

    let refused = "[{\"kind\":\"temporary\",\"id\":\"failure\",\"msg\":\"below\"}]\n".to_owned();
    *script.refusal.lock().unwrap() = Some((500, refused));
    let (status, body) = ask(fixture.http, &line, &headers, &in_octets(&data)).await;
    let text = String::from_utf8_lossy(&body).into_owned();
    assert!(status == 500 && text.contains("below") && !text.contains('['), "{text}");
    let cut = &in_octets(&data)[..20];
    assert_eq!(ask(fixture.http, &line, &headers, cut).await.0, 400);
    assert_eq!(script.posts(), 2);
}

/// What a signer says that is no answer of octez's comes as it is.
#[tokio::test]
async fn what_is_not_understood_is_passed_on() {
    let fixture = Fixture::with(&[Some(&[KEY])]).await;
    let script = Script::with(&[KEY]);
    let _signer = fixture.signer(0, &script, &[fixture.ssh]).await;
    let headers = format!("accept: {OCTETS}\r\n");
    let (status, body) = ask(fixture.http, &format!("GET /keys/{KEY}"), &headers, b"").await;
    assert_eq!((status, body.as_slice()), (200, &b"{\"public_key\":\"edpk\"}\n"[..]));
    let none = ask(fixture.http, "GET /authorized_keys", &headers, b"").await;
    assert_eq!(none, (200, vec![0, 0, 0, 1, 0]));
}
