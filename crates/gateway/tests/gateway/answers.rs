//! What comes back, from whom.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::Notify;

use crate::fake_signer::Script;
use crate::fixture::{BODY, Fixture, KEY, LIMIT, NOBODYS_KEY, exchange, sign_at, until};

#[tokio::test]
async fn the_answer_comes_back_as_it_came() {
    let fixture = Fixture::with(&[None]).await;
    let script = Script::with(&[KEY]);
    let _signer = fixture.heard_signer(0, &script).await;
    for at in [fixture.http, fixture.port(0)] {
        let reply = sign_at(at, KEY).await;
        assert_eq!((reply.status, reply.body.as_str()), (200, "{\"signature\":\"sig\"}\n"));
    }
    assert_eq!(*script.bodies.lock().unwrap(), [BODY, BODY]);
    let refusal = "[{\"kind\":\"temporary\",\"id\":\"failure\",\"msg\":\"no\"}]\n".to_owned();
    *script.refusal.lock().unwrap() = Some((500, refusal.clone()));
    let reply = fixture.sign(KEY).await;
    assert_eq!((reply.status, reply.body), (500, refusal));
    fixture.stop().await;
}

#[tokio::test]
async fn without_a_signer_everything_is_answered_with_ask_again_long_before_the_limit() {
    let fixture = Fixture::with(&[Some(&[KEY])]).await;
    let paths = ["/authorized_keys".to_owned(), format!("/keys/{KEY}")];
    for path in paths {
        let reply = fixture.get_at(fixture.port(0), &path).await;
        assert_eq!(reply.status, 502, "{path}");
    }
    let reply = fixture.sign(KEY).await;
    assert_eq!(reply.status, 502);
    assert!(reply.body.starts_with("[{\"kind\":\"temporary\",\"id\":\"failure\""), "{reply:?}");
    assert!(reply.took < LIMIT / 2);
    assert_eq!(fixture.get(&format!("/statusz/{KEY}")).await.status, 503);
}

/// 502 would make octez ask again.
#[tokio::test]
async fn an_unknown_key_is_no_502() {
    let fixture = Fixture::with(&[Some(&[KEY])]).await;
    assert_eq!(fixture.get(&format!("/keys/{NOBODYS_KEY}")).await.status, 404);
    let reply = fixture.sign(NOBODYS_KEY).await;
    assert_eq!(reply.status, 500);
    assert!(reply.body.contains("keys in gateway.toml"), "{reply:?}");
}

#[tokio::test]
async fn a_signer_that_never_answers_is_given_up_at_the_limit() {
    let fixture = Fixture::with_limit(&[Some(&[KEY])], Duration::from_secs(1)).await;
    let script = Script::with(&[KEY]);
    *script.slow.lock().unwrap() = Some(Arc::new(Notify::new()));
    let _signer = fixture.signer(0, &script, &[fixture.ssh]).await;
    let reply = fixture.sign(KEY).await;
    assert_eq!(reply.status, 502);
    assert!(reply.body.contains("did not answer within 1 s"), "{reply:?}");
}

#[tokio::test]
async fn a_signer_is_not_asked_again_what_it_said() {
    let fixture = Fixture::with(&[None]).await;
    let script = Script::with(&[KEY]);
    let _signer = fixture.heard_signer(0, &script).await;
    for _ in 0..20 {
        assert_eq!(fixture.get(&format!("/keys/{KEY}")).await.status, 200);
        assert_eq!(fixture.get("/authorized_keys").await.body, "{}\n");
    }
    assert_eq!(script.public_keys.load(Ordering::SeqCst), 1);
}

/// Its program is started again with another configuration; the ssh connection stays.
#[tokio::test]
async fn what_a_signer_said_is_forgotten_with_its_configuration() {
    let fixture = Fixture::with(&[None]).await;
    let before = Script::with(&[KEY]);
    let signer = fixture.heard_signer(0, &before).await;
    assert_eq!(fixture.get(&format!("/keys/{KEY}")).await.status, 200);
    let after = Script::with(&[]);
    let wanted = format!("{{\"authorized_keys\":[\"{KEY}\"]}}\n");
    after.authorized.lock().unwrap().clone_from(&wanted);
    signer.restart_with(&after).await;
    until("the new answer", async || {
        fixture.get_at(fixture.port(0), "/authorized_keys").await.body == wanted
    })
    .await;
    // Once the new one was heard, the old one is never heard again.
    for _ in 0..20 {
        assert_eq!(fixture.get_at(fixture.port(0), "/authorized_keys").await.body, wanted);
        assert_eq!(fixture.get_at(fixture.port(0), &format!("/keys/{KEY}")).await.status, 404);
    }
}

#[tokio::test]
async fn whether_a_key_can_sign_is_never_answered_from_memory() {
    let fixture = Fixture::with(&[Some(&[KEY])]).await;
    let script = Script::with(&[KEY]);
    let signer = fixture.heard_signer(0, &script).await;
    assert_eq!(fixture.get(&format!("/statusz/{KEY}?ledger_url=ledger://x")).await.status, 200);
    drop(signer);
    until("it is noticed", async || fixture.get(&format!("/statusz/{KEY}")).await.status == 503)
        .await;
}

#[tokio::test]
async fn a_stop_finishes_what_was_begun() {
    let fixture = Fixture::with(&[Some(&[KEY])]).await;
    let script = Script::with(&[KEY]);
    let go_on = Arc::new(Notify::new());
    *script.slow.lock().unwrap() = Some(Arc::clone(&go_on));
    let _signer = fixture.signer(0, &script, &[fixture.ssh]).await;
    let at = fixture.http;
    let asking = tokio::spawn(async move { sign_at(at, KEY).await });
    until("it is being asked", async || script.posts() == 1).await;
    fixture.shutdown.request();
    go_on.notify_one();
    assert_eq!(asking.await.unwrap().status, 200);
    fixture.stop().await;
}

#[tokio::test]
async fn what_is_no_request_is_answered_here_as_octez_does() {
    let fixture = Fixture::with(&[Some(&[KEY])]).await;
    let script = Script::with(&[KEY]);
    let _signer = fixture.heard_signer(0, &script).await;
    let cases = [
        ("GET /nothing", "", 404),
        ("GET /keys/tz1nonsense", "", 400),
        ("DELETE /authorized_keys", "", 405),
        ("HEAD /authorized_keys", "", 501),
        ("POST /keys/tz1YPSCGWXwBdTncK2aCctSZAXWvGsGwVJqU?version=9", "\"11\"", 400),
        ("POST /keys/tz1YPSCGWXwBdTncK2aCctSZAXWvGsGwVJqU", "no json", 400),
        ("POST /keys/tz1YPSCGWXwBdTncK2aCctSZAXWvGsGwVJqU", "\"xy\"", 400),
    ];
    for (line, body, status) in cases {
        let length = body.len();
        let request = format!(
            "{line} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
        );
        assert_eq!(exchange(fixture.http, &request).await.status, status, "{line} {body}");
    }
    assert_eq!(script.posts(), 0);
}
