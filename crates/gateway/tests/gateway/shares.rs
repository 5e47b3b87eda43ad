//! A tz4 key in shares: three signers have one each, any two of them make the signature.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use gateway::Config;
use gateway::config::SharedKeyConfig;
use rand::SeedableRng;
use rand::rngs::StdRng;
use shares::{Share, Threshold, split};
use tezos::{BlsScheme, Curve, Kind, SecretKey, sample_payload_of};
use tokio::sync::Notify;

use crate::fake_signer::{FakeSigner, Script, part};
use crate::fixture::{Fixture, LIMIT, Reply, exchange, until};

const CHAIN: &str = "NetXdQprcVkpaWU";

/// A key, and the signers that have a share each.
pub(crate) struct Shared {
    secret: SecretKey,
    shares: Vec<Share>,
    pub(crate) scripts: Vec<Arc<Script>>,
    pub(crate) fixture: Fixture,
    pub(crate) signers: Vec<FakeSigner>,
}

pub(crate) fn secret(seed: u8) -> SecretKey {
    SecretKey::generate(Curve::Bls, &[seed; 32]).unwrap()
}

pub(crate) fn shares_of(secret: &SecretKey, needed: u8, shares: u8) -> Vec<Share> {
    split(secret, Threshold::new(needed, shares).unwrap(), StdRng::seed_from_u64(7)).unwrap()
}

impl Shared {
    /// Two of three, all connected and heard.
    pub(crate) async fn new() -> Shared {
        let mut shared = Shared::unconnected(2, 3).await;
        for at in 0..3 {
            shared.connect(at).await;
        }
        shared
    }

    pub(crate) async fn unconnected(needed: u8, count: u8) -> Shared {
        Shared::with(needed, count, |_| {}).await
    }

    pub(crate) async fn with(needed: u8, count: u8, change: impl FnOnce(&mut Config)) -> Shared {
        let secret = secret(1);
        let shares = shares_of(&secret, needed, count);
        let group = shares[0].group().clone();
        let names = (0..count).map(|at| format!("signer{at}"));
        let config = SharedKeyConfig { group, signers: names.collect() };
        let none = vec![None; usize::from(count)];
        let fixture = Fixture::with_config(&none, |all| {
            all.shared_keys = vec![config];
            change(all);
        })
        .await;
        let scripts = shares.iter().map(|share| {
            let script = Script::with(&[&secret.hash().to_string()]);
            *script.share.lock().unwrap() = Some(share.clone());
            script
        });
        let scripts = scripts.collect();
        Shared { secret, shares, scripts, fixture, signers: Vec::new() }
    }

    pub(crate) async fn connect(&mut self, at: usize) {
        self.signers.push(self.fixture.heard_signer(at, &self.scripts[at]).await);
    }

    pub(crate) fn key(&self) -> String {
        self.secret.hash().to_string()
    }

    pub(crate) fn refuse(&self, at: usize, status: u16, body: &str) {
        *self.scripts[at].refusal.lock().unwrap() = Some((status, body.to_owned()));
    }

    pub(crate) async fn sign(&self, level: u32) -> Reply {
        sign_vote(self.fixture.http, &self.key(), level, 1).await
    }

    /// It is what the whole key would have made.
    pub(crate) async fn signs(&self, level: u32) {
        let reply = self.sign(level).await;
        let whole = self.secret.sign(&vote(level, 1), BlsScheme::default()).unwrap();
        assert_eq!((reply.status, reply.body), (200, format!("{{\"signature\":\"{whole}\"}}\n")));
    }

    pub(crate) async fn counts(&self, line: &str) {
        until(line, async || self.fixture.metrics().await.contains(line)).await;
    }
}

/// Asks for an attestation of a tz4 key.
pub(crate) async fn sign_vote(at: SocketAddr, key: &str, level: u32, variant: u8) -> Reply {
    let body = format!("\"{}\"", hex::encode(vote(level, variant)));
    let request = format!(
        "POST /keys/{key}?version=3 HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    exchange(at, &request).await
}

fn vote(level: u32, variant: u8) -> Vec<u8> {
    let form = tezos::KeyForm::of(&secret(1).hash());
    sample_payload_of(form, Kind::Attestation, level, 0, variant)
}

pub(crate) fn failure(why: &str) -> String {
    format!("[{{\"kind\":\"temporary\",\"id\":\"failure\",\"msg\":\"{why}\"}}]\n")
}

#[tokio::test]
async fn the_parts_are_combined_to_what_the_whole_key_would_have_made() {
    let shared = Shared::new().await;
    shared.signs(100).await;
    shared.signs(100).await;
    shared.signs(101).await;
    // The same bytes to each of them, also to the one that was not needed.
    until("each was asked", async || shared.scripts.iter().all(|it| it.posts() == 3)).await;
    let bodies = |at: usize| shared.scripts[at].bodies.lock().unwrap().clone();
    assert!(bodies(0) == bodies(1) && bodies(1) == bodies(2));
    let key = shared.key();
    for at in 0..3 {
        let name = format!("signer=\"signer{at}\",result=\"part\"}} 3");
        shared.counts(&format!("peel_gateway_share_answers_total{{key=\"{key}\",{name}")).await;
    }
    let line =
        format!("peel_gateway_shared_key_requests_total{{key=\"{key}\",result=\"signed\"}} 3");
    shared.counts(&line).await;
}

#[tokio::test]
async fn one_that_is_gone_or_silent_is_not_waited_for() {
    let mut shared = Shared::new().await;
    *shared.scripts[0].slow.lock().unwrap() = Some(Arc::new(Notify::new()));
    shared.signs(100).await;
    *shared.scripts[0].slow.lock().unwrap() = None;
    drop(shared.signers.remove(2));
    shared.signs(101).await;
    let line = format!("peel_gateway_shared_key_able{{key=\"{}\"}} 2", shared.key());
    shared.counts(&line).await;
    let ready = shared.fixture.get_at(shared.fixture.monitor, "/status").await.body;
    assert!(ready.contains("not one share may fail any more"), "{ready}");
}

/// The one that is silent is let go with the gateway.
#[tokio::test]
async fn a_stop_does_not_wait_for_an_answer_that_is_not_needed() {
    let shared = Shared::new().await;
    *shared.scripts[0].slow.lock().unwrap() = Some(Arc::new(Notify::new()));
    shared.signs(100).await;
    let asked = Instant::now();
    shared.fixture.stop().await;
    assert!(asked.elapsed() < LIMIT / 2, "{:?}", asked.elapsed());
}

#[tokio::test]
async fn too_few_that_are_reached_is_ask_again() {
    let mut shared = Shared::unconnected(2, 3).await;
    shared.connect(0).await;
    let reply = shared.sign(100).await;
    assert_eq!(reply.status, 502, "{reply:?}");
    for words in ["of 3 shares 2 are needed", "share 2: signer \\\"signer1\\\" is not connected"] {
        assert!(reply.body.contains(words), "{words}: {reply:?}");
    }
    let ready = shared.fixture.get_at(shared.fixture.monitor, "/readyz").await;
    assert_eq!(ready.status, 503, "{ready:?}");
    let status = shared.fixture.get(&format!("/statusz/{}", shared.key())).await;
    assert_eq!(status.status, 503, "{status:?}");
    assert!(status.body.starts_with("of 3 shares 2 are needed; share 2: "), "{status:?}");
    shared.connect(2).await;
    shared.signs(100).await;
    let ready = shared.fixture.get_at(shared.fixture.monitor, "/readyz").await;
    assert_eq!(ready.status, 200, "{ready:?}");
    let status = shared.fixture.get(&format!("/statusz/{}", shared.key())).await;
    assert_eq!(status.status, 200, "{status:?}");
}

#[tokio::test]
async fn too_many_that_refuse_is_a_refusal_with_each_reason() {
    let shared = Shared::new().await;
    shared.refuse(0, 500, &failure("level 100 is below"));
    shared.signs(100).await;
    shared.refuse(2, 500, &failure("another vote there"));
    let reply = shared.sign(100).await;
    assert_eq!(reply.status, 500, "{reply:?}");
    for words in ["share 1: signer \\\"signer0\\\": level 100 is below", "another vote there"] {
        assert!(reply.body.contains(words), "{words}: {reply:?}");
    }
    // One refuses, one is not reached: asking again may help.
    shared.refuse(2, 502, &failure("device absent"));
    let reply = shared.sign(100).await;
    assert_eq!(reply.status, 502, "{reply:?}");
}

#[tokio::test]
async fn one_that_lies_is_named_and_takes_no_vote_away() {
    let shared = Shared::new().await;
    let other = shares_of(&secret(2), 2, 3);
    let of = |share: &Share, level: u32, variant: u8| {
        let bytes = vote(level, variant);
        part(share, tezos::Statement::Message { bytes: &bytes, scheme: BlsScheme::default() }).1
    };
    let own = &shared.shares[0];
    let as_first = |text: String| text.replace("\"share\":2", "\"share\":1");
    let lies = [
        of(own, 100, 2),
        of(own, 99, 1),
        of(&other[0], 100, 1),
        as_first(of(&shared.shares[1], 100, 1)),
        part(own, tezos::Statement::Possession).1,
    ];
    let count = lies.len();
    for lie in lies {
        shared.refuse(0, 200, &lie);
        shared.signs(100).await;
    }
    // Each was found out, in time or afterwards.
    let lied = "signer=\"signer0\",result=\"lied\"}";
    let line = format!("peel_gateway_share_answers_total{{key=\"{}\",{lied} {count}", shared.key());
    shared.counts(&line).await;
    let line = format!("peel_gateway_share_able{{key=\"{}\",signer=\"signer0\"}} 0", shared.key());
    shared.counts(&line).await;
    // What is no part at all, or that of another share, is a refusal.
    for nonsense in [
        "{\"signature\":\"sig\"}",
        "{\"share\":1,\"signature\":\"BLsig\"}",
        "{\"share\":0}",
        "{\"share\":17,\"signature\":1}",
        "[]",
        "",
        &of(&shared.shares[1], 100, 1),
    ] {
        shared.refuse(0, 200, nonsense);
        shared.signs(100).await;
    }
    shared.refuse(1, 200, &of(&shared.shares[2], 100, 1));
    let reply = shared.sign(100).await;
    assert_eq!(reply.status, 500, "{reply:?}");
    assert!(reply.body.contains("has share 3, and gateway.toml says 2"), "{reply:?}");
}

#[tokio::test]
async fn what_is_known_of_the_key_is_answered_without_any_signer() {
    let mut shared = Shared::unconnected(2, 3).await;
    let key = shared.key();
    let reply = shared.fixture.get(&format!("/keys/{key}")).await;
    let public = shared.secret.public_key();
    assert_eq!((reply.status, reply.body), (200, format!("{{\"public_key\":\"{public}\"}}\n")));
    let reply = shared.fixture.get("/known_keys").await;
    assert!(reply.body.contains(&key), "{reply:?}");
    for at in [0, 2] {
        shared.connect(at).await;
    }
    let reply = shared.fixture.get(&format!("/bls_prove_possession/{key}")).await;
    let proof = shared.secret.prove_possession().unwrap();
    let expected = format!("{{\"bls_prove_possession\":\"{proof}\"}}\n");
    assert_eq!((reply.status, reply.body), (200, expected));
    let other = secret(2);
    let path = format!("/bls_prove_possession/{key}?bls_pk={}", other.public_key());
    let reply = shared.fixture.get(&path).await;
    assert!(reply.body.contains("of the key itself only"), "{reply:?}");
}

#[tokio::test]
async fn at_the_port_of_one_signer_there_is_no_signature_of_a_key_in_shares() {
    let shared = Shared::new().await;
    let reply = crate::fixture::sign_at(shared.fixture.port(1), &shared.key()).await;
    assert!(reply.status == 500 && reply.body.contains("at the port of all signers"), "{reply:?}");
    assert_eq!(shared.scripts[1].posts(), 0);
    // A part is nothing for bakers.
    let reply = shared.fixture.get(&format!("/shares/{}", shared.key())).await;
    assert_eq!(reply.status, 404, "{reply:?}");
}

/// A signer's store, as it says when it connects.
pub(crate) fn marks(key: &str, process: &str, level: u32) -> String {
    format!(
        "{{\"process\":\"{process}\",\"marks\":[{{\"key\":\"{key}\",\"chain\":\"{CHAIN}\",\"level\":{level}}}]}}"
    )
}

pub(crate) fn at_level(shared: &Shared, at: usize, process: &str, level: u32) {
    *shared.scripts[at].marks.lock().unwrap() = Some(marks(&shared.key(), process, level));
}

#[tokio::test]
async fn one_that_was_off_for_a_while_takes_part_and_one_that_was_put_back_does_not() {
    let mut shared = Shared::unconnected(2, 3).await;
    for at in 0..3 {
        at_level(&shared, at, &format!("process{at}"), 99);
    }
    for at in [0, 1] {
        shared.connect(at).await;
    }
    shared.signs(100).await;
    // The third was off, and has signed nothing since level 99: the others go no further by that.
    shared.connect(2).await;
    shared.signs(101).await;
    let last = hex::encode(vote(101, 1));
    let is_asked = || {
        let bodies = shared.scripts[2].bodies.lock().unwrap();
        bodies.iter().any(|body| String::from_utf8_lossy(body).contains(&last))
    };
    until("it is asked", async || is_asked()).await;
    // A backup of the first is put back: its store does not know of level 101.
    drop(shared.signers.remove(0));
    at_level(&shared, 0, "backup", 99);
    let _put_back = shared.fixture.rival(0, &shared.scripts[0]);
    let line = "signer_state{signer=\"signer0\",state=\"refused\"} 1";
    shared.counts(line).await;
    let before = shared.scripts[0].posts();
    shared.signs(102).await;
    assert_eq!(shared.scripts[0].posts(), before);
}
