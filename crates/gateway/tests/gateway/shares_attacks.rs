//! What an enemy, or a bad day, makes of a key in shares.

use std::sync::Arc;

use gateway::config::SharedKeyConfig;
use tezos::Statement;
use tokio::sync::Notify;

use crate::fake_signer::{Script, part};
use crate::fixture::{Fixture, until};
use crate::shares::{Shared, at_level, failure, marks, secret, shares_of, sign_vote};

fn report(facts: &str, is_ready: bool) -> String {
    format!(
        "{{\"daemon\":\"signer\",\"version\":\"0.1.0\",\"started\":1,\"now\":2,\"ready\":{is_ready},\"facts\":[{facts}]}}"
    )
}

fn key_fact(name: &str, state: &str, verdict: &str) -> String {
    format!(
        "{{\"group\":\"key\",\"subject\":\"{name}\",\"state\":\"{state}\",\"verdict\":\"{verdict}\",\"line\":\"a line\"}}"
    )
}

async fn status(shared: &Shared) -> String {
    shared.fixture.get_at(shared.fixture.monitor, "/status").await.body
}

/// Two of three refuse every vote.
#[tokio::test]
async fn all_is_not_said_to_be_well_while_every_vote_is_refused() {
    let shared = Shared::new().await;
    for at in 0..3 {
        let ready = report(&key_fact("consensus", "ready", "good"), true);
        *shared.scripts[at].report.lock().unwrap() = Some(ready);
    }
    for at in 0..3 {
        shared.counts(&format!("peel_gateway_signer_ready{{signer=\"signer{at}\"}} 1")).await;
    }
    shared.signs(99).await;
    for at in [0, 1] {
        shared.refuse(at, 500, &failure("the mark is ahead"));
    }
    for level in 100..110 {
        assert_eq!(shared.sign(level).await.status, 500);
    }
    let status = status(&shared).await;
    assert!(!status.contains("all 3 shares can sign"), "{status}");
}

/// The share's key fails at two of three, and each of these has another key, which is ready.
#[tokio::test]
async fn a_share_that_its_own_signer_says_cannot_sign_is_not_able() {
    let shared = Shared::new().await;
    for at in [0, 1] {
        let facts =
            [key_fact("consensus", "no_watermark", "failed"), key_fact("other", "ready", "good")];
        *shared.scripts[at].report.lock().unwrap() = Some(report(&facts.join(","), false));
        shared.refuse(at, 500, &failure("no watermark"));
    }
    until("it is heard", async || status(&shared).await.contains("partly_ready")).await;
    for level in 100..103 {
        assert_eq!(shared.sign(level).await.status, 500);
    }
    let status = status(&shared).await;
    assert!(!status.contains("all 3 shares can sign"), "{status}");
}

/// One was refused once, long ago, and is well since; another one is lost. Two are left, and two are needed.
#[tokio::test]
async fn one_refusal_long_ago_does_not_stop_the_gateway_when_another_signer_is_lost() {
    let mut shared = Shared::new().await;
    shared.refuse(1, 500, &failure("a stale request"));
    shared.signs(100).await;
    let key = shared.key();
    let line = format!("peel_gateway_share_able{{key=\"{key}\",signer=\"signer1\"}} 0");
    shared.counts(&line).await;
    *shared.scripts[1].refusal.lock().unwrap() = None;
    drop(shared.signers.remove(2));
    let gone = format!("peel_gateway_share_able{{key=\"{key}\",signer=\"signer2\"}} 0");
    shared.counts(&gone).await;
    // What Kubernetes asks before it gives it a single request.
    let ready = shared.fixture.get_at(shared.fixture.monitor, "/readyz").await;
    let statusz = shared.fixture.get(&format!("/statusz/{key}")).await;
    // It would have signed.
    shared.signs(101).await;
    assert_eq!((ready.status, statusz.status), (200, 200), "{ready:?}");
}

/// The same, with one that reconnected meanwhile: a restart is no cure.
#[tokio::test]
async fn a_signer_that_was_started_again_is_not_held_to_what_it_did_before() {
    let mut shared = Shared::new().await;
    shared.refuse(1, 502, &failure("device absent"));
    shared.signs(100).await;
    let able = format!("peel_gateway_shared_key_able{{key=\"{}\"}}", shared.key());
    shared.counts(&format!("{able} 2")).await;
    *shared.scripts[1].refusal.lock().unwrap() = None;
    drop(shared.signers.remove(1));
    shared.counts("peel_gateway_signer_state{signer=\"signer1\",state=\"not_connected\"} 1").await;
    shared.connect(1).await;
    shared.counts(&format!("{able} 3")).await;
}

/// An answer to an older request comes after one to a newer request.
#[tokio::test]
async fn a_late_answer_says_nothing_against_a_newer_one() {
    let shared = Shared::new().await;
    let slow = Arc::new(Notify::new());
    *shared.scripts[2].slow.lock().unwrap() = Some(Arc::clone(&slow));
    shared.signs(100).await;
    until("it is asked", async || shared.scripts[2].posts() == 1).await;
    *shared.scripts[2].slow.lock().unwrap() = None;
    shared.signs(101).await;
    let key = shared.key();
    let part = format!(
        "peel_gateway_share_answers_total{{key=\"{key}\",signer=\"signer2\",result=\"part\"}} 1"
    );
    shared.counts(&part).await;
    // The mark of 100 is below that of 101.
    shared.refuse(2, 500, &failure("level 100 is below 101"));
    slow.notify_one();
    let refused = format!(
        "peel_gateway_share_answers_total{{key=\"{key}\",signer=\"signer2\",result=\"refused\"}} 1"
    );
    shared.counts(&refused).await;
    let metrics = shared.fixture.metrics().await;
    let line = format!("peel_gateway_shared_key_able{{key=\"{key}\"}} 3");
    assert!(metrics.contains(&line), "its last answer, to 101, was a good part");
}

/// The vote is signed long before this part comes, which is not needed any more.
#[tokio::test]
async fn a_lie_that_comes_too_late_is_found_out() {
    let shared = Shared::new().await;
    let lie = part(&shares_of(&secret(2), 2, 3)[0], Statement::Possession).1;
    shared.refuse(0, 200, &lie);
    let slow = Arc::new(Notify::new());
    *shared.scripts[0].slow.lock().unwrap() = Some(Arc::clone(&slow));
    shared.signs(100).await;
    until("it is asked", async || shared.scripts[0].posts() == 1).await;
    slow.notify_one();
    let key = shared.key();
    let lied = format!(
        "peel_gateway_share_answers_total{{key=\"{key}\",signer=\"signer0\",result=\"lied\"}} 1"
    );
    shared.counts(&lied).await;
}

/// The computer that the key was split on still has it, and is named first.
#[tokio::test]
async fn a_key_in_shares_is_asked_of_no_signer_that_has_the_whole_of_it() {
    let secret = secret(1);
    let key = secret.hash().to_string();
    let shares = shares_of(&secret, 2, 3);
    let group = shares[0].group().clone();
    let names = (1..4).map(|at| format!("signer{at}"));
    let config = SharedKeyConfig { group, signers: names.collect() };
    let fixture = Fixture::with_config(&[None; 4], |all| all.shared_keys = vec![config]).await;
    let mut signers = Vec::new();
    for at in 0..4_usize {
        let script = Script::with(&[&key]);
        *script.share.lock().unwrap() = at.checked_sub(1).map(|at| shares[at].clone());
        signers.push(fixture.heard_signer(at, &script).await);
    }
    let in_shares = sign_vote(fixture.http, &key, 100, 1).await;
    assert_eq!(in_shares.status, 200, "{in_shares:?}");
    let whole = sign_vote(fixture.port(0), &key, 100, 2).await;
    assert_ne!(whole.status, 200, "two votes at one mark, by one gateway: {whole:?}");
}

/// An enemy's box says at its own port that it has signed the last level there is, as if it had the whole key.
#[tokio::test]
async fn a_box_that_lies_at_its_own_port_takes_no_vote_away() {
    let mut shared = Shared::unconnected(2, 3).await;
    for at in 0..3 {
        at_level(&shared, at, &format!("box{at}"), 99);
        shared.connect(at).await;
    }
    let last = u32::try_from(i32::MAX).unwrap();
    let at_its_port = sign_vote(shared.fixture.port(0), &shared.key(), last, 1).await;
    shared.signs(100).await;
    assert_eq!(at_its_port.status, 500, "{at_its_port:?}");
    assert!(at_its_port.body.contains("at the port of all signers"), "{at_its_port:?}");
}

/// The witness saw the whole key sign level 200; then it was split, and the boxes begun too low.
#[tokio::test]
async fn what_was_answered_by_the_whole_key_is_not_asked_of_its_shares() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    let secret = secret(1);
    let key = secret.hash().to_string();
    let fixture = Fixture::with_config(&[None], |config| config.state = Some(state.clone())).await;
    let script = Script::with(&[&key]);
    *script.marks.lock().unwrap() = Some(marks(&key, "whole", 199));
    let signer = fixture.heard_signer(0, &script).await;
    assert_eq!(sign_vote(fixture.http, &key, 200, 1).await.status, 200);
    drop(signer);
    fixture.stop().await;
    let shares = shares_of(&secret, 2, 3);
    let group = shares[0].group().clone();
    let names = (0..3).map(|at| format!("signer{at}"));
    let config = SharedKeyConfig { group, signers: names.collect() };
    let fixture = Fixture::with_config(&[None; 3], |all| {
        all.shared_keys = vec![config];
        all.state = Some(state);
    })
    .await;
    let mut signers = Vec::new();
    for (at, share) in shares.into_iter().enumerate() {
        let script = Script::with(&[&key]);
        *script.marks.lock().unwrap() = Some(marks(&key, &format!("box{at}"), 99));
        *script.share.lock().unwrap() = Some(share);
        signers.push(fixture.rival(at, &script));
        let line = format!("signer_state{{signer=\"signer{at}\",state=\"refused\"}} 1");
        until(&line, async || fixture.metrics().await.contains(&line)).await;
    }
    let again = sign_vote(fixture.http, &key, 200, 2).await;
    assert_ne!(again.status, 200, "a second vote at level 200: {again:?}");
}

/// A holder's reason is as long as it likes.
#[tokio::test]
async fn a_liar_does_not_make_answers_of_megabytes() {
    let shared = Shared::new().await;
    let long = "x".repeat(1000 * 1000);
    for at in 0..2 {
        shared.refuse(at, 500, &failure(&long));
    }
    let reply = shared.sign(100).await;
    assert_eq!(reply.status, 500);
    assert!(reply.body.len() < 16 * 1024, "{} bytes", reply.body.len());
}

/// None of them gives a part: they are something else than Peel with a share.
#[tokio::test]
async fn all_is_not_said_to_be_well_while_no_signer_gives_a_part() {
    let shared = Shared::new().await;
    for at in 0..3 {
        shared.refuse(at, 200, "{\"share\":1,\"signature\":1}");
    }
    assert_eq!(shared.sign(100).await.status, 500);
    let status = status(&shared).await;
    assert!(!status.contains("all 3 shares can sign"), "{status}");
}

/// Two are left, and two are needed: one of them says that it can sign, and gave what is no part.
#[tokio::test]
async fn a_share_that_gives_nonsense_does_not_count_at_statusz() {
    let lie = part(&shares_of(&secret(2), 2, 3)[0], Statement::Possession).1;
    for nonsense in ["{\"share\":1,\"signature\":1}", &lie] {
        let mut shared = Shared::new().await;
        shared.refuse(0, 200, nonsense);
        shared.signs(100).await;
        drop(shared.signers.remove(2));
        let key = shared.key();
        for signer in ["signer0", "signer2"] {
            let line = format!("peel_gateway_share_able{{key=\"{key}\",signer=\"{signer}\"}} 0");
            shared.counts(&line).await;
        }
        let statusz = shared.fixture.get(&format!("/statusz/{key}")).await;
        assert_eq!(statusz.status, 503, "{statusz:?}");
        assert!(statusz.body.contains("share 1: what it gave"), "{statusz:?}");
    }
}

/// What a person reads of a share that gives nothing.
#[tokio::test]
async fn each_way_to_give_nothing_has_its_word() {
    let lie = part(&shares_of(&secret(2), 2, 3)[0], Statement::Possession).1;
    for (code, body, word) in [
        (500, failure("the mark is ahead"), "refuses"),
        (502, failure("device absent"), "unanswered"),
        (200, "{}".to_owned(), "gives no part"),
        (200, lie, "lies"),
    ] {
        let mut shared = Shared::new().await;
        shared.refuse(0, code, &body);
        shared.signs(100).await;
        let line = format!("and 2 can sign; signer0 {word}: mend it");
        until(&line, async || status(&shared).await.contains(&line)).await;
        drop(shared.signers.remove(0));
        let line = "and 2 can sign; signer0 not connected: mend it";
        until(line, async || status(&shared).await.contains(line)).await;
    }
}

/// Two of two: that none may fail is no news.
#[tokio::test]
async fn a_key_of_which_all_shares_are_needed_is_well_while_all_are_there() {
    let mut shared = Shared::unconnected(2, 2).await;
    for at in 0..2 {
        shared.connect(at).await;
    }
    shared.signs(100).await;
    let status = status(&shared).await;
    assert!(status.contains("all 2 shares can sign, 2 are needed"), "{status}");
}

/// As for any key: who may ask at the gateway is its own business.
#[tokio::test]
async fn a_request_that_is_not_signed_comes_to_no_share() {
    let key: tezos::PublicKey =
        "edpkuBknW28nW72KG6RoHtYW7p12T6GKc7nAbwYX5m8Wd9sDVC9yav".parse().unwrap();
    let mut shared = Shared::with(2, 3, |config| {
        let text = format!("authorized_keys = [\"{key}\"]");
        config.authentication = Some(toml::from_str(&text).unwrap());
    })
    .await;
    for at in 0..3 {
        shared.connect(at).await;
    }
    let reply = shared.sign(100).await;
    assert!(reply.status == 500 && reply.body.contains("authentication"), "{reply:?}");
    assert!(shared.scripts.iter().all(|script| script.posts() == 0));
}
