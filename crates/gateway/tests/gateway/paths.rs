//! One signer over several paths.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;

use crate::fake_signer::Script;
use crate::fixture::{Fixture, KEY, until};
use crate::relay::Relay;

/// Two relays that can fall silent.
async fn two_relays(fixture: &Fixture) -> [Relay; 2] {
    [Relay::to(fixture.ssh).await, Relay::to(fixture.ssh).await]
}

/// How often a request went down another path, too.
async fn hedges(fixture: &Fixture) -> u64 {
    let metrics = fixture.metrics().await;
    let name = "peel_gateway_hedges_total{signer=\"signer0\"} ";
    metrics.lines().find_map(|line| line.strip_prefix(name)).unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_silent_line_costs_a_moment_and_no_answer() {
    let fixture = Fixture::with(&[Some(&[KEY])]).await;
    let script = Script::with(&[KEY]);
    let relays = two_relays(&fixture).await;
    let _signer = fixture.signer(0, &script, &relays.each_ref().map(|relay| relay.address)).await;
    assert_eq!(fixture.sign(KEY).await.status, 200);
    for silent in [0, 1, 0, 1] {
        relays[silent].silence();
        for _ in 0..5 {
            let reply = fixture.sign(KEY).await;
            assert_eq!(reply.status, 200);
            assert!(reply.took < Duration::from_secs(5), "{reply:?}");
        }
        relays[silent].restore();
        until("both paths serve", async || {
            fixture
                .metrics()
                .await
                .contains("peel_gateway_sessions{signer=\"signer0\",service=\"signing\"} 2")
        })
        .await;
    }
    assert!(hedges(&fixture).await > 0, "no path was ever doubted");
}

#[tokio::test]
async fn a_slow_device_is_no_silent_line() {
    let fixture = Fixture::with(&[Some(&[KEY])]).await;
    let script = Script::with(&[KEY]);
    let go_on = Arc::new(Notify::new());
    *script.slow.lock().unwrap() = Some(Arc::clone(&go_on));
    let relays = two_relays(&fixture).await;
    let _signer = fixture.signer(0, &script, &relays.each_ref().map(|relay| relay.address)).await;
    let slow = async {
        // Longer than any silence that counts: what is measured is that nothing happens.
        tokio::time::sleep(Duration::from_millis(1500)).await;
        go_on.notify_waiters();
    };
    let (reply, ()) = tokio::join!(fixture.sign(KEY), slow);
    assert_eq!(reply.status, 200);
    assert_eq!(script.posts(), 1);
}

/// The only path is silent: the request waits for the signer to come back over another one.
#[tokio::test]
async fn a_request_on_a_dead_line_is_answered_over_the_next_one() {
    let fixture = Fixture::with(&[Some(&[KEY])]).await;
    let script = Script::with(&[KEY]);
    let relays = two_relays(&fixture).await;
    let _first = fixture.signer(0, &script, &[relays[0].address]).await;
    assert_eq!(fixture.sign(KEY).await.status, 200);
    relays[0].silence();
    let paths = [relays[1].address];
    let (reply, _second) = tokio::join!(fixture.sign(KEY), fixture.signer(0, &script, &paths));
    assert_eq!(reply.status, 200);
    assert!(hedges(&fixture).await > 0, "it was never sent over the dead path");
}

#[tokio::test]
async fn a_signer_that_is_on_its_way_is_waited_for() {
    for keys in [Some([KEY].as_slice()), None] {
        let fixture = Fixture::with(&[keys]).await;
        let script = Script::with(&[KEY]);
        let relays = [fixture.ssh];
        let asking = async { tokio::join!(fixture.get("/authorized_keys"), fixture.sign(KEY)) };
        let (replies, _signer) = tokio::join!(asking, fixture.signer(0, &script, &relays));
        assert_eq!((replies.0.status, replies.1.status), (200, 200), "{keys:?}");
    }
}
