//! Several signers at one gateway.

use std::sync::atomic::Ordering;

use crate::fake::Mind;
use crate::place::{KEY, OTHER_KEY, Place, sign_at, until};

#[tokio::test]
async fn each_key_is_asked_of_its_own_signer() {
    let place = Place::with(&[None, None]).await;
    let minds = [Mind::with(&[KEY]), Mind::with(&[OTHER_KEY])];
    let _one = place.heard_signer(0, &minds[0]).await;
    let _other = place.heard_signer(1, &minds[1]).await;
    assert_eq!(place.sign(KEY).await.status, 200);
    assert_eq!((minds[0].posts(), minds[1].posts()), (1, 0));
    assert_eq!(place.sign(OTHER_KEY).await.status, 200);
    assert_eq!((minds[0].posts(), minds[1].posts()), (1, 1));
    let known = place.get("/known_keys").await.body;
    assert!(known.contains(KEY) && known.contains(OTHER_KEY), "{known}");
}

#[tokio::test]
async fn a_second_signer_with_the_same_key_is_a_cold_standby_and_says_so() {
    let place = Place::with(&[None, None]).await;
    let minds = [Mind::with(&[KEY]), Mind::with(&[KEY])];
    let first = place.heard_signer(0, &minds[0]).await;
    let _standby = place.heard_signer(1, &minds[1]).await;
    let reply = sign_at(place.port(1), KEY).await;
    assert_eq!(reply.status, 500);
    assert!(reply.body.contains("cold standby"), "{reply:?}");
    assert_eq!(place.sign(KEY).await.status, 200);
    // It does not take over by itself.
    drop(first);
    until("the first one is away", async || place.sign(KEY).await.status == 502).await;
    assert_eq!(sign_at(place.port(1), KEY).await.status, 500);
    assert_eq!(minds[1].posts(), 0);
}

/// It may have the key: until it says so, nobody named after it is asked.
#[tokio::test]
async fn a_signer_that_has_not_said_its_keys_comes_first() {
    let place = Place::with(&[None, None]).await;
    let mind = Mind::with(&[KEY]);
    let _later = place.heard_signer(1, &mind).await;
    for at in [place.http, place.port(1)] {
        let reply = sign_at(at, KEY).await;
        assert_eq!(reply.status, 502);
        assert!(reply.body.contains("name the keys of each signer"), "{reply:?}");
    }
    assert_eq!(mind.posts(), 0);
    let _first = place.heard_signer(0, &Mind::with(&[OTHER_KEY])).await;
    assert_eq!(place.sign(KEY).await.status, 200);
}

/// Started again, it does not see its Ledger yet.
#[tokio::test]
async fn a_signer_that_waits_for_its_device_is_believed_to_have_what_it_had() {
    let place = Place::with(&[None, None]).await;
    let minds = [Mind::with(&[KEY]), Mind::with(&[KEY])];
    let first = place.heard_signer(0, &minds[0]).await;
    let _standby = place.heard_signer(1, &minds[1]).await;
    let again = Mind::with(&[KEY]);
    *again.waits_for_device.lock().unwrap() = true;
    first.restart_with(&again).await;
    until("it was looked at again", async || again.questions.load(Ordering::SeqCst) >= 4).await;
    assert_eq!(place.sign(KEY).await.status, 200);
    assert_eq!((again.posts(), minds[1].posts()), (1, 0));
}

#[tokio::test]
async fn a_signer_that_waits_for_its_device_is_worth_another_question() {
    let place = Place::with(&[None, None]).await;
    let minds = [Mind::with(&[OTHER_KEY]), Mind::with(&[KEY])];
    *minds[0].waits_for_device.lock().unwrap() = true;
    let _first = place.heard_signer(0, &minds[0]).await;
    let _second = place.heard_signer(1, &minds[1]).await;
    assert_eq!(place.sign(KEY).await.status, 502, "the first one may have it, too");
    *minds[0].waits_for_device.lock().unwrap() = false;
    until("it has said its keys", async || place.sign(KEY).await.status != 502).await;
    assert_eq!(place.sign(KEY).await.status, 200);
}

/// It answers for a key in memory while its Ledger, with another key, is away.
#[tokio::test]
async fn an_answer_for_one_key_says_nothing_of_the_others() {
    let place = Place::with(&[None, None]).await;
    let minds = [Mind::with(&[OTHER_KEY]), Mind::with(&[KEY])];
    *minds[0].waits_for_device.lock().unwrap() = true;
    let _first = place.heard_signer(0, &minds[0]).await;
    let _second = place.heard_signer(1, &minds[1]).await;
    assert_eq!(sign_at(place.port(0), OTHER_KEY).await.status, 200);
    assert_eq!(place.sign(KEY).await.status, 502);
    assert_eq!(minds[1].posts(), 0);
}

#[tokio::test]
async fn keys_in_the_configuration_settle_it() {
    let place = Place::with(&[Some(&[OTHER_KEY]), Some(&[KEY])]).await;
    let mind = Mind::with(&[KEY]);
    let _second = place.heard_signer(1, &mind).await;
    assert_eq!(place.sign(KEY).await.status, 200);
    assert_eq!(place.sign(OTHER_KEY).await.status, 502);
}

/// octez-signer lists its keys only when it is told to.
#[tokio::test]
async fn a_signer_that_does_not_list_its_keys_is_asked_on_its_own_port() {
    let place = Place::with(&[None]).await;
    let mind = Mind::with(&[KEY]);
    *mind.lists_keys.lock().unwrap() = false;
    let _signer = place.heard_signer(0, &mind).await;
    assert_eq!(place.sign(KEY).await.status, 200, "there is no other");
    assert_eq!(sign_at(place.port(0), KEY).await.status, 200);
}

/// It may have any key: another one's are named, or not asked for.
#[tokio::test]
async fn a_signer_that_never_lists_its_keys_comes_first_for_ever() {
    let place = Place::with(&[None, None]).await;
    let minds = [Mind::with(&[OTHER_KEY]), Mind::with(&[KEY])];
    *minds[0].lists_keys.lock().unwrap() = false;
    let _stock = place.heard_signer(0, &minds[0]).await;
    let _other = place.heard_signer(1, &minds[1]).await;
    assert_eq!(sign_at(place.port(0), OTHER_KEY).await.status, 200);
    let reply = sign_at(place.port(1), KEY).await;
    assert_eq!((reply.status, minds[1].posts()), (502, 0));
    assert!(reply.body.contains("name the keys of each signer"), "{reply:?}");
}

#[tokio::test]
async fn a_key_that_one_signer_wants_is_named_to_all() {
    let place = Place::with(&[None, None]).await;
    let minds = [Mind::with(&[KEY]), Mind::with(&[OTHER_KEY])];
    *minds[1].authorized.lock().unwrap() = format!("{{\"authorized_keys\":[\"{KEY}\"]}}\n");
    let _one = place.heard_signer(0, &minds[0]).await;
    assert_eq!(place.get("/authorized_keys").await.body, "{}\n");
    let _other = place.heard_signer(1, &minds[1]).await;
    let wanted = format!("{{\"authorized_keys\":[\"{KEY}\"]}}\n");
    until("both were heard", async || place.get("/authorized_keys").await.body == wanted).await;
}

/// It drops for a moment; its baker asks meanwhile, and its request will wait for it.
#[tokio::test]
async fn what_a_signer_wants_is_remembered_while_it_is_away() {
    let place = Place::with(&[None, None]).await;
    let minds = [Mind::with(&[KEY]), Mind::with(&[OTHER_KEY])];
    let wanted = format!("{{\"authorized_keys\":[\"{KEY}\"]}}\n");
    minds[1].authorized.lock().unwrap().clone_from(&wanted);
    let _one = place.heard_signer(0, &minds[0]).await;
    let other = place.heard_signer(1, &minds[1]).await;
    drop(other);
    until("it is away", async || place.sign(OTHER_KEY).await.status == 502).await;
    assert_eq!(place.get("/authorized_keys").await.body, wanted);
}
