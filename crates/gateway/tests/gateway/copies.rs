//! A signer's folder that was copied, or put back from a backup: its store does not know what was signed elsewhere.

use std::sync::Arc;

use crate::fake_signer::{FakeSigner, Script};
use crate::fixture::{Fixture, KEY, sign_level, until};
use crate::relay::Relay;

const CHAIN: &str = "NetXdQprcVkpaWU";

/// A signer's process, and up to where its store is.
fn process(name: &str, level: u32) -> Arc<Script> {
    let script = Script::with(&[KEY]);
    let marks = format!(
        "{{\"process\":\"{name}\",\"marks\":[{{\"key\":\"{KEY}\",\"chain\":\"{CHAIN}\",\"level\":{level}}}]}}"
    );
    *script.marks.lock().unwrap() = Some(marks);
    script
}

/// Waits until the signer's end shows that it is refused, and why.
async fn is_told(fake_signer: &FakeSigner, words: &str) {
    let told = || {
        let error = fake_signer.status.links()[0].error.clone();
        error.is_some_and(|it| it.reason == "refused" && it.message.contains(words))
    };
    until(&format!("it is told {words:?}"), async || told()).await;
}

#[tokio::test]
async fn a_store_that_is_behind_what_was_answered_is_not_asked() {
    let fixture = Fixture::with(&[None]).await;
    let first = process("first", 799);
    let signer = fixture.heard_signer(0, &first).await;
    assert_eq!(sign_level(fixture.http, KEY, 800, "").await.status, 200);
    drop(signer);
    let copy = process("copy", 799);
    let copied = fixture.rival(0, &copy);
    is_told(&copied, "level 800 was answered").await;
    for level in [800, 801] {
        let reply = sign_level(fixture.http, KEY, level, "").await;
        assert_eq!(reply.status, 502);
    }
    let reply = sign_level(fixture.http, KEY, 801, "").await;
    assert!(reply.body.contains("peel watermark set"), "{reply:?}");
    assert_eq!(copy.posts(), 0);
    drop(copied);
    // The one that has signed it, started again; its store has come as far.
    let again = process("again", 800);
    let _signer = fixture.heard_signer(0, &again).await;
    assert_eq!(sign_level(fixture.http, KEY, 800, "").await.status, 200);
}

#[tokio::test]
async fn of_two_processes_with_one_identity_the_first_goes_on_while_it_answers() {
    let fixture = Fixture::with(&[None]).await;
    let (first, second) = (process("first", 100), process("second", 100));
    let signer = fixture.heard_signer(0, &first).await;
    let rival = fixture.rival(0, &second);
    is_told(&rival, "another process with this ssh identity").await;
    for level in 101..110 {
        assert_eq!(sign_level(fixture.http, KEY, level, "").await.status, 200);
    }
    assert_eq!((first.posts(), second.posts()), (9, 0));
    // It is a backup that is as far: when the first one is gone, it is let in by itself.
    *second.marks.lock().unwrap() = process("second", 109).marks.lock().unwrap().clone();
    drop(signer);
    until("it is asked", async || sign_level(fixture.http, KEY, 110, "").await.status == 200).await;
    assert_eq!(second.posts(), 1);
}

/// Both come while it is found out that the first one's line is dead.
#[tokio::test]
async fn of_two_processes_that_come_at_once_one_is_let_in() {
    let fixture = Fixture::with(&[None]).await;
    let relay = Relay::to(fixture.ssh).await;
    let first = fixture.signer(0, &process("first", 100), &[relay.address]).await;
    assert_eq!(sign_level(fixture.http, KEY, 101, "").await.status, 200);
    relay.silence();
    let rivals = ["second", "third"].map(|name| fixture.rival(0, &process(name, 101)));
    let words = "another process with this ssh identity";
    let is_refused = |rival: &FakeSigner| {
        rival.status.links()[0].error.as_ref().is_some_and(|it| it.message.contains(words))
    };
    until("one of them is refused", async || rivals.iter().any(is_refused)).await;
    assert!(!rivals.iter().all(is_refused));
    drop(first);
}

/// What one signer answered counts against another one with the same key, also when it was let in before.
#[tokio::test]
async fn a_key_that_changes_over_is_not_asked_of_a_store_that_is_behind() {
    let fixture = Fixture::with(&[None, None]).await;
    let (first, second) = (process("first", 790), process("second", 790));
    let signer = fixture.heard_signer(0, &first).await;
    let _standby = fixture.heard_signer(1, &second).await;
    assert_eq!(sign_level(fixture.http, KEY, 800, "").await.status, 200);
    // The first one does not have the key any more: now the second one is asked for it.
    let without = Script::with(&[]);
    signer.restart_with(&without).await;
    fixture.hears(0, &without, 0).await;
    for level in [795, 800] {
        let reply = sign_level(fixture.http, KEY, level, "").await;
        assert_eq!(reply.status, 500);
        assert!(reply.body.contains("store is behind"), "{reply:?}");
    }
    assert_eq!(second.posts(), 0);
    assert_eq!(
        sign_level(fixture.http, KEY, 801, "").await.status,
        200,
        "no process has signed that"
    );
}

#[tokio::test]
async fn a_signer_that_says_nothing_of_its_store_is_asked_as_ever() {
    let fixture = Fixture::with(&[None]).await;
    let stock = Script::with(&[KEY]);
    let signer = fixture.heard_signer(0, &stock).await;
    assert_eq!(sign_level(fixture.http, KEY, 800, "").await.status, 200);
    drop(signer);
    let _again = fixture.heard_signer(0, &stock).await;
    assert_eq!(sign_level(fixture.http, KEY, 799, "").await.status, 200);
}

#[tokio::test]
async fn what_was_answered_is_known_after_a_restart_of_the_gateway() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    let fixture = Fixture::with_config(&[None], |config| config.state = Some(state.clone())).await;
    let signer = fixture.heard_signer(0, &process("first", 799)).await;
    assert_eq!(sign_level(fixture.http, KEY, 800, "").await.status, 200);
    drop(signer);
    fixture.stop().await;
    let fixture = Fixture::with_config(&[None], |config| config.state = Some(state.clone())).await;
    let copied = fixture.rival(0, &process("copy", 799));
    is_told(&copied, "level 800 was answered").await;
    drop(copied);
    fixture.stop().await;
    assert!(gateway::forget(&state, &KEY.parse().unwrap()).unwrap());
    let fixture = Fixture::with_config(&[None], |config| config.state = Some(state)).await;
    let _lowered = fixture.heard_signer(0, &process("lowered", 700)).await;
    assert_eq!(sign_level(fixture.http, KEY, 701, "").await.status, 200);
}
