//! Several signers at one gateway.

use std::sync::atomic::Ordering;

use crate::fake::Mind;
use crate::place::{BODY, KEY, OTHER_KEY, Place, exchange, sign_at, sign_level, until};

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

/// Asked before every signature of every baker: no signer has a say in it, but at its own port.
#[tokio::test]
async fn what_one_signer_wants_is_wanted_at_its_own_port_only() {
    let place = Place::with(&[None, None]).await;
    let minds = [Mind::with(&[KEY]), Mind::with(&[OTHER_KEY])];
    let wanted = format!("{{\"authorized_keys\":[\"{KEY}\"]}}\n");
    minds[1].authorized.lock().unwrap().clone_from(&wanted);
    assert_eq!(place.get("/authorized_keys").await.body, "{}\n", "also while nobody is there");
    let _one = place.heard_signer(0, &minds[0]).await;
    let _other = place.heard_signer(1, &minds[1]).await;
    assert_eq!(place.get("/authorized_keys").await.body, "{}\n");
    assert_eq!(place.get_at(place.port(1), "/authorized_keys").await.body, wanted);
    assert_eq!(place.get_at(place.port(0), "/authorized_keys").await.body, "{}\n");
}

/// As behind many small servers: its keys are learned all the same, and its bakers answered.
#[tokio::test]
async fn a_signer_that_closes_after_each_answer_is_as_good_as_any() {
    let place = Place::with(&[None, None]).await;
    let minds = [Mind::with(&[KEY]), Mind::with(&[OTHER_KEY])];
    *minds[0].closes.lock().unwrap() = true;
    let _one = place.heard_signer(0, &minds[0]).await;
    let _other = place.heard_signer(1, &minds[1]).await;
    for _ in 0..20 {
        assert_eq!(place.get("/authorized_keys").await.status, 200);
        assert_eq!(place.get_at(place.port(0), "/authorized_keys").await.status, 200);
        assert_eq!(place.sign(KEY).await.status, 200);
        assert_eq!(place.sign(OTHER_KEY).await.status, 200);
    }
    let looked = minds[0].questions.load(Ordering::SeqCst);
    assert!(looked < 60, "it is looked at all the time: {looked} questions");
}

/// Its keys are named, so that it need not say them.
#[tokio::test]
async fn a_signer_with_nothing_behind_its_ssh_harms_no_other() {
    let place = Place::with(&[Some(&[KEY]), Some(&[OTHER_KEY])]).await;
    let (mute, mind) = (Mind::with(&[KEY]), Mind::with(&[OTHER_KEY]));
    let nothing = place.rival(0, &mute);
    nothing.hang_up().await;
    let _other = place.heard_signer(1, &mind).await;
    for _ in 0..5 {
        assert_eq!(place.get("/authorized_keys").await.status, 200);
        assert_eq!(place.sign(OTHER_KEY).await.status, 200);
    }
    assert_eq!(place.sign(KEY).await.status, 502);
}

#[tokio::test]
async fn who_may_ask_is_the_gateways_own_business() {
    let secret = "edsk3gUfUPyBSfrS9CCgmCiQsTCHGkviBDusMxDJstFtojtc1zcpsh";
    let client = tezos::SecretKey::from_base58(secret).unwrap();
    let authorized = vec![client.public_key().clone()];
    let place = Place::with_config(&[None], |config| config.authorized = Some(authorized)).await;
    let mind = Mind::with(&[KEY]);
    let _signer = place.heard_signer(0, &mind).await;
    let named = format!("{{\"authorized_keys\":[\"{}\"]}}\n", client.hash());
    let data = tezos::sample_payload(tezos::Kind::Preattestation, 7, 0, 0);
    let proof = tezos::Request::Sign.bytes(&KEY.parse().unwrap(), &data);
    let proof = client.sign(&proof, tezos::BlsScheme::default()).unwrap();
    for at in [place.http, place.port(0)] {
        assert_eq!(place.get_at(at, "/authorized_keys").await.body, named);
        let before = mind.posts();
        let refused = sign_level(at, KEY, 7, "").await;
        assert_eq!((refused.status, mind.posts()), (500, before));
        assert!(refused.body.contains("invalid authentication signature"), "{refused:?}");
        let query = format!("&authentication={proof}");
        assert_eq!(sign_level(at, KEY, 8, &query).await.status, 500, "of another request");
        assert_eq!(sign_level(at, KEY, 7, &query).await.status, 200);
    }
}

/// No request of a page gets to a signer.
#[tokio::test]
async fn a_page_in_a_browser_is_not_answered() {
    let place = Place::with(&[None]).await;
    let mind = Mind::with(&[KEY]);
    let _signer = place.heard_signer(0, &mind).await;
    for header in ["origin: http://evil.example", "sec-fetch-site: same-origin"] {
        let length = BODY.len();
        let request = format!(
            "POST /keys/{KEY} HTTP/1.1\r\nhost: localhost\r\n{header}\r\nconnection: close\r\n\
             content-length: {length}\r\n\r\n{BODY}"
        );
        assert_eq!(exchange(place.http, &request).await.status, 403, "{header}");
        assert_eq!(exchange(place.port(0), &request).await.status, 403, "{header}");
    }
    let rebound =
        "GET /authorized_keys HTTP/1.1\r\nhost: evil.example\r\nconnection: close\r\n\r\n";
    assert_eq!(exchange(place.http, rebound).await.status, 403);
    assert_eq!(mind.posts(), 0);
}
