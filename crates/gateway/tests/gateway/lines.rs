//! One signer over several lines.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;

use crate::fake::Mind;
use crate::place::{KEY, Place, until};
use crate::relay::Relay;

/// A signer over two lines that can fall silent.
async fn two_lines(place: &Place) -> [Relay; 2] {
    [Relay::to(place.ssh).await, Relay::to(place.ssh).await]
}

#[tokio::test]
async fn a_silent_line_costs_a_moment_and_no_answer() {
    let place = Place::with(&[Some(&[KEY])]).await;
    let mind = Mind::with(&[KEY]);
    let lines = two_lines(&place).await;
    let _signer = place.signer(0, &mind, &lines.each_ref().map(|line| line.address)).await;
    assert_eq!(place.sign(KEY).await.status, 200);
    for silent in [0, 1, 0, 1] {
        lines[silent].silence();
        for _ in 0..5 {
            let reply = place.sign(KEY).await;
            assert_eq!(reply.status, 200);
            assert!(reply.took < Duration::from_secs(5), "{reply:?}");
        }
        lines[silent].restore();
        until("both lines serve", async || {
            place
                .metrics()
                .await
                .contains("peel_gateway_sessions{signer=\"signer0\",service=\"signing\"} 2")
        })
        .await;
    }
    assert!(
        place.metrics().await.contains("peel_gateway_hedges_total"),
        "no line was ever doubted"
    );
}

#[tokio::test]
async fn a_slow_device_is_no_silent_line() {
    let place = Place::with(&[Some(&[KEY])]).await;
    let mind = Mind::with(&[KEY]);
    let go_on = Arc::new(Notify::new());
    *mind.slow.lock().unwrap() = Some(Arc::clone(&go_on));
    let lines = two_lines(&place).await;
    let _signer = place.signer(0, &mind, &lines.each_ref().map(|line| line.address)).await;
    let slow = async {
        // Longer than any silence that counts: what is measured is that nothing happens.
        tokio::time::sleep(Duration::from_millis(1500)).await;
        go_on.notify_waiters();
    };
    let (reply, ()) = tokio::join!(place.sign(KEY), slow);
    assert_eq!(reply.status, 200);
    assert_eq!(mind.posts(), 1);
}

/// The only line is silent: the request waits for the signer to come back over another one.
#[tokio::test]
async fn a_request_on_a_dead_line_is_answered_over_the_next_one() {
    let place = Place::with(&[Some(&[KEY])]).await;
    let mind = Mind::with(&[KEY]);
    let lines = two_lines(&place).await;
    let _first = place.signer(0, &mind, &[lines[0].address]).await;
    assert_eq!(place.sign(KEY).await.status, 200);
    lines[0].silence();
    let newcomer = async {
        until("it went down the dead line", async || {
            place.metrics().await.contains("requests_total") && mind.posts() == 1
        })
        .await;
        place.signer(0, &mind, &[lines[1].address]).await
    };
    let (reply, _second) = tokio::join!(place.sign(KEY), newcomer);
    assert_eq!(reply.status, 200);
}

#[tokio::test]
async fn a_signer_that_is_on_its_way_is_waited_for() {
    for keys in [Some([KEY].as_slice()), None] {
        let place = Place::with(&[keys]).await;
        let mind = Mind::with(&[KEY]);
        let lines = [place.ssh];
        let asking = async { tokio::join!(place.get("/authorized_keys"), place.sign(KEY)) };
        let (replies, _signer) = tokio::join!(asking, place.signer(0, &mind, &lines));
        assert_eq!((replies.0.status, replies.1.status), (200, 200), "{keys:?}");
    }
}
