//! Several signers at one gateway.

use std::sync::atomic::Ordering;

use daemon::config::Authentication;

use crate::fake_signer::Script;
use crate::fixture::{BODY, Fixture, KEY, OTHER_KEY, exchange, sign_at, sign_level, until};

#[tokio::test]
async fn each_key_is_asked_of_its_own_signer() {
    let fixture = Fixture::with(&[None, None]).await;
    let scripts = [Script::with(&[KEY]), Script::with(&[OTHER_KEY])];
    let _one = fixture.heard_signer(0, &scripts[0]).await;
    let _other = fixture.heard_signer(1, &scripts[1]).await;
    assert_eq!(fixture.sign(KEY).await.status, 200);
    assert_eq!((scripts[0].posts(), scripts[1].posts()), (1, 0));
    assert_eq!(fixture.sign(OTHER_KEY).await.status, 200);
    assert_eq!((scripts[0].posts(), scripts[1].posts()), (1, 1));
    let known = fixture.get("/known_keys").await.body;
    assert!(known.contains(KEY) && known.contains(OTHER_KEY), "{known}");
}

#[tokio::test]
async fn a_second_signer_with_the_same_key_is_a_cold_standby_and_says_so() {
    let fixture = Fixture::with(&[None, None]).await;
    let scripts = [Script::with(&[KEY]), Script::with(&[KEY])];
    let first = fixture.heard_signer(0, &scripts[0]).await;
    let _standby = fixture.heard_signer(1, &scripts[1]).await;
    let reply = sign_at(fixture.port(1), KEY).await;
    assert_eq!(reply.status, 500);
    assert!(reply.body.contains("cold standby"), "{reply:?}");
    assert_eq!(fixture.sign(KEY).await.status, 200);
    // It does not take over by itself.
    drop(first);
    until("the first one is away", async || fixture.sign(KEY).await.status == 502).await;
    assert_eq!(sign_at(fixture.port(1), KEY).await.status, 500);
    assert_eq!(scripts[1].posts(), 0);
}

/// It may have the key: until it lists its keys, no signer named after it is asked.
#[tokio::test]
async fn a_signer_that_has_not_said_its_keys_comes_first() {
    let fixture = Fixture::with(&[None, None]).await;
    let script = Script::with(&[KEY]);
    let _later = fixture.heard_signer(1, &script).await;
    for at in [fixture.http, fixture.port(1)] {
        let reply = sign_at(at, KEY).await;
        assert_eq!(reply.status, 502);
        assert!(reply.body.contains("name the keys of each signer"), "{reply:?}");
    }
    assert_eq!(script.posts(), 0);
    let _first = fixture.heard_signer(0, &Script::with(&[OTHER_KEY])).await;
    assert_eq!(fixture.sign(KEY).await.status, 200);
}

/// Started again, it does not see its Ledger yet.
#[tokio::test]
async fn a_signer_that_waits_for_its_device_is_believed_to_have_what_it_had() {
    let fixture = Fixture::with(&[None, None]).await;
    let scripts = [Script::with(&[KEY]), Script::with(&[KEY])];
    let first = fixture.heard_signer(0, &scripts[0]).await;
    let _standby = fixture.heard_signer(1, &scripts[1]).await;
    let again = Script::with(&[KEY]);
    *again.waits_for_device.lock().unwrap() = true;
    first.restart_with(&again).await;
    until("it was looked at again", async || again.requests.load(Ordering::SeqCst) >= 4).await;
    assert_eq!(fixture.sign(KEY).await.status, 200);
    assert_eq!((again.posts(), scripts[1].posts()), (1, 0));
}

#[tokio::test]
async fn a_signer_that_waits_for_its_device_is_worth_another_question() {
    let fixture = Fixture::with(&[None, None]).await;
    let scripts = [Script::with(&[OTHER_KEY]), Script::with(&[KEY])];
    *scripts[0].waits_for_device.lock().unwrap() = true;
    let _first = fixture.heard_signer(0, &scripts[0]).await;
    let _second = fixture.heard_signer(1, &scripts[1]).await;
    assert_eq!(fixture.sign(KEY).await.status, 502, "the first one may have it, too");
    *scripts[0].waits_for_device.lock().unwrap() = false;
    until("it has said its keys", async || fixture.sign(KEY).await.status != 502).await;
    assert_eq!(fixture.sign(KEY).await.status, 200);
}

/// It answers for a key in memory while its Ledger, with another key, is away.
#[tokio::test]
async fn an_answer_for_one_key_says_nothing_of_the_others() {
    let fixture = Fixture::with(&[None, None]).await;
    let scripts = [Script::with(&[OTHER_KEY]), Script::with(&[KEY])];
    *scripts[0].waits_for_device.lock().unwrap() = true;
    let _first = fixture.heard_signer(0, &scripts[0]).await;
    let _second = fixture.heard_signer(1, &scripts[1]).await;
    assert_eq!(sign_at(fixture.port(0), OTHER_KEY).await.status, 200);
    assert_eq!(fixture.sign(KEY).await.status, 502);
    assert_eq!(scripts[1].posts(), 0);
}

#[tokio::test]
async fn keys_in_the_configuration_settle_it() {
    let fixture = Fixture::with(&[Some(&[OTHER_KEY]), Some(&[KEY])]).await;
    let script = Script::with(&[KEY]);
    let _second = fixture.heard_signer(1, &script).await;
    assert_eq!(fixture.sign(KEY).await.status, 200);
    assert_eq!(fixture.sign(OTHER_KEY).await.status, 502);
}

/// octez-signer lists its keys only when it is told to.
#[tokio::test]
async fn a_signer_that_does_not_list_its_keys_is_asked_on_its_own_port() {
    let fixture = Fixture::with(&[None]).await;
    let script = Script::with(&[KEY]);
    *script.lists_keys.lock().unwrap() = false;
    let _signer = fixture.heard_signer(0, &script).await;
    assert_eq!(fixture.sign(KEY).await.status, 200, "there is no other");
    assert_eq!(sign_at(fixture.port(0), KEY).await.status, 200);
}

/// It may have any key: another one's are named, or not asked for.
#[tokio::test]
async fn a_signer_that_never_lists_its_keys_comes_first_for_ever() {
    let fixture = Fixture::with(&[None, None]).await;
    let scripts = [Script::with(&[OTHER_KEY]), Script::with(&[KEY])];
    *scripts[0].lists_keys.lock().unwrap() = false;
    let _stock = fixture.heard_signer(0, &scripts[0]).await;
    let _other = fixture.heard_signer(1, &scripts[1]).await;
    assert_eq!(sign_at(fixture.port(0), OTHER_KEY).await.status, 200);
    let reply = sign_at(fixture.port(1), KEY).await;
    assert_eq!((reply.status, scripts[1].posts()), (502, 0));
    assert!(reply.body.contains("name the keys of each signer"), "{reply:?}");
}

/// Asked before every signature of every baker: no signer has a say in it, but at its own port.
#[tokio::test]
async fn what_one_signer_wants_is_wanted_at_its_own_port_only() {
    let fixture = Fixture::with(&[None, None]).await;
    let scripts = [Script::with(&[KEY]), Script::with(&[OTHER_KEY])];
    let wanted = format!("{{\"authorized_keys\":[\"{KEY}\"]}}\n");
    scripts[1].authorized.lock().unwrap().clone_from(&wanted);
    assert_eq!(
        fixture.get("/authorized_keys").await.body,
        "{}\n",
        "also while no signer is connected"
    );
    let _one = fixture.heard_signer(0, &scripts[0]).await;
    let _other = fixture.heard_signer(1, &scripts[1]).await;
    assert_eq!(fixture.get("/authorized_keys").await.body, "{}\n");
    assert_eq!(fixture.get_at(fixture.port(1), "/authorized_keys").await.body, wanted);
    assert_eq!(fixture.get_at(fixture.port(0), "/authorized_keys").await.body, "{}\n");
}

/// As behind many small servers: its keys are learned all the same, and its bakers answered.
#[tokio::test]
async fn a_signer_that_closes_after_each_answer_is_as_good_as_any() {
    let fixture = Fixture::with(&[None, None]).await;
    let scripts = [Script::with(&[KEY]), Script::with(&[OTHER_KEY])];
    *scripts[0].closes.lock().unwrap() = true;
    let _one = fixture.heard_signer(0, &scripts[0]).await;
    let _other = fixture.heard_signer(1, &scripts[1]).await;
    for _ in 0..20 {
        assert_eq!(fixture.get("/authorized_keys").await.status, 200);
        assert_eq!(fixture.get_at(fixture.port(0), "/authorized_keys").await.status, 200);
        assert_eq!(fixture.sign(KEY).await.status, 200);
        assert_eq!(fixture.sign(OTHER_KEY).await.status, 200);
    }
    let looked = scripts[0].requests.load(Ordering::SeqCst);
    assert!(looked < 60, "it is looked at all the time: {looked} requests");
}

/// Its keys are named, so that it need not say them.
#[tokio::test]
async fn a_signer_with_nothing_behind_its_ssh_harms_no_other() {
    let fixture = Fixture::with(&[Some(&[KEY]), Some(&[OTHER_KEY])]).await;
    let (mute, script) = (Script::with(&[KEY]), Script::with(&[OTHER_KEY]));
    let nothing = fixture.rival(0, &mute);
    nothing.hang_up().await;
    let _other = fixture.heard_signer(1, &script).await;
    for _ in 0..5 {
        assert_eq!(fixture.get("/authorized_keys").await.status, 200);
        assert_eq!(fixture.sign(OTHER_KEY).await.status, 200);
    }
    assert_eq!(fixture.sign(KEY).await.status, 502);
}

#[tokio::test]
async fn who_may_ask_is_the_gateways_own_business() {
    let secret = "edsk3gUfUPyBSfrS9CCgmCiQsTCHGkviBDusMxDJstFtojtc1zcpsh";
    let client = tezos::SecretKey::from_base58(secret).unwrap();
    let authentication = Authentication::new(vec![client.public_key().clone()]).ok();
    let fixture =
        Fixture::with_config(&[None], |config| config.authentication = authentication).await;
    let script = Script::with(&[KEY]);
    let _signer = fixture.heard_signer(0, &script).await;
    let named = format!("{{\"authorized_keys\":[\"{}\"]}}\n", client.hash());
    let data = tezos::sample_payload(tezos::Kind::Preattestation, 7, 0, 0);
    let proof = tezos::AuthenticatedRequest::Sign.bytes(&KEY.parse().unwrap(), &data);
    let proof = client.sign(&proof, tezos::BlsScheme::default()).unwrap();
    for at in [fixture.http, fixture.port(0)] {
        assert_eq!(fixture.get_at(at, "/authorized_keys").await.body, named);
        let before = script.posts();
        let refused = sign_level(at, KEY, 7, "").await;
        assert_eq!((refused.status, script.posts()), (500, before));
        assert!(refused.body.contains("invalid authentication signature"), "{refused:?}");
        let query = format!("&authentication={proof}");
        assert_eq!(sign_level(at, KEY, 8, &query).await.status, 500, "of another request");
        assert_eq!(sign_level(at, KEY, 7, &query).await.status, 200);
    }
}

/// No request of a page gets to a signer.
#[tokio::test]
async fn a_page_in_a_browser_is_not_answered() {
    let fixture = Fixture::with(&[None]).await;
    let script = Script::with(&[KEY]);
    let _signer = fixture.heard_signer(0, &script).await;
    for header in ["origin: http://evil.example", "sec-fetch-site: same-origin"] {
        let length = BODY.len();
        let request = format!(
            "POST /keys/{KEY} HTTP/1.1\r\nhost: localhost\r\n{header}\r\nconnection: close\r\n\
             content-length: {length}\r\n\r\n{BODY}"
        );
        assert_eq!(exchange(fixture.http, &request).await.status, 403, "{header}");
        assert_eq!(exchange(fixture.port(0), &request).await.status, 403, "{header}");
    }
    let rebound =
        "GET /authorized_keys HTTP/1.1\r\nhost: evil.example\r\nconnection: close\r\n\r\n";
    assert_eq!(exchange(fixture.http, rebound).await.status, 403);
    assert_eq!(script.posts(), 0);
}
