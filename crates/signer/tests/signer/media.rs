//! Bodies in octet-stream and BSON: what is read, what is written, and what is done with garbage.

use crate::harness::{Answer, Daemon, Home, TZ1, TZ1_SECRET, exchange, get};
use tezos::{Kind, sample_payload};

const OCTETS: &str = "application/octet-stream";
const BSON: &str = "application/bson";

fn home() -> Home {
    Home::new().with_key("baker", TZ1_SECRET).with_mark(TZ1, Some(99))
}

fn post(daemon: &Daemon, media: &str, accept: &str, body: &[u8]) -> Answer {
    let head = format!(
        "POST /keys/{TZ1} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\
         content-type: {media}\r\naccept: {accept}\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    exchange(daemon.http, &[head.as_bytes(), body].concat())
}

fn in_octets(data: &[u8]) -> Vec<u8> {
    let length = |bytes: usize| u32::try_from(bytes).unwrap().to_be_bytes();
    [&length(data.len() + 4), &length(data.len()), data].concat()
}

fn in_bson(data: &[u8]) -> Vec<u8> {
    let text = hex::encode(data);
    let length = |bytes: usize| u32::try_from(bytes).unwrap().to_le_bytes();
    let (document, string) = (length(text.len() + 11), length(text.len() + 1));
    [&document, &[0x82][..], &string, text.as_bytes(), &[0, 0]].concat()
}

fn attestation(level: u32) -> Vec<u8> {
    sample_payload(Kind::Attestation, level, 0, 1)
}

#[test]
fn one_vote_in_every_form_is_one_signature() {
    let daemon = home().start();
    let vote = attestation(100);
    let in_json = format!("\"{}\"", hex::encode(&vote)).into_bytes();
    let first = post(&daemon, "application/json", "application/json", &in_json);
    let signature = first.signature().unwrap();
    let raw = signature.parse::<tezos::Signature>().unwrap();
    for (media, body) in
        [("application/json", &in_json), (OCTETS, &in_octets(&vote)), (BSON, &in_bson(&vote))]
    {
        let answer = post(&daemon, media, "application/json", body);
        assert_eq!(answer.signature(), Ok(signature.clone()), "{media}");
        let answer = post(&daemon, media, OCTETS, body);
        assert_eq!(answer.body, [&[0, 0, 0, 64], raw.bytes()].concat(), "{media}");
        let answer = post(&daemon, media, BSON, body);
        let member = [&b"\x02signature\0"[..], &[100, 0, 0, 0], signature.as_bytes(), &[0, 0]];
        assert_eq!(answer.body.get(4..), Some(&*member.concat()), "{media}");
    }
}

/// Cut at every byte, and with every length wrong: 400, and nothing is signed.
#[test]
fn a_body_that_is_cut_or_lies_about_its_length_is_refused() {
    let daemon = home().start();
    let vote = attestation(100);
    for (media, body) in [(OCTETS, in_octets(&vote)), (BSON, in_bson(&vote))] {
        for end in 0..body.len() {
            let answer = post(&daemon, media, "*/*", &body[..end]);
            assert_eq!(answer.status, 400, "{media} {end}: {}", answer.text());
        }
        for at in (0..4).chain(5..8) {
            let mut lying = body.clone();
            lying[at] ^= 0x81;
            assert_eq!(post(&daemon, media, "*/*", &lying).status, 400, "{media} {at}");
        }
        let longer = [body.as_slice(), b"x"].concat();
        assert_eq!(post(&daemon, media, "*/*", &longer).status, 400, "{media}");
    }
    let other = sample_payload(Kind::Attestation, 100, 0, 2);
    assert_eq!(post(&daemon, OCTETS, OCTETS, &in_octets(&other)).status, 200, "nothing was signed");
}

#[test]
fn a_refusal_is_said_in_the_form_that_is_accepted() {
    let daemon = home().start();
    let old = in_octets(&attestation(50));
    let in_bson = post(&daemon, OCTETS, BSON, &old);
    let in_octets = post(&daemon, OCTETS, OCTETS, &old);
    assert_eq!((in_bson.status, in_octets.status), (500, 500));
    assert!(in_bson.text().contains("below high watermark"), "{}", in_bson.text());
    assert_eq!(in_octets.body.get(8..), Some(&*in_bson.body));
    let nothing = exchange(
        daemon.http,
        b"GET /known_keys HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\naccept: text/html\r\n\r\n",
    );
    assert_eq!(nothing.status, 406);
    assert!(nothing.text().contains(BSON), "{}", nothing.text());
    assert_eq!(get(daemon.http, "/authorized_keys").status, 200);
}
