//! How a daemon is asked to stop.

use std::fs;
use std::io::BufRead;
use std::thread;
use std::time::{Duration, Instant};

use crate::process::{start, start_with};

fn until(done: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_secs(20);
    while !done() {
        assert!(Instant::now() < end, "it does not come");
        thread::sleep(Duration::from_millis(5));
    }
}

/// A terminal that is closed.
#[test]
fn a_hang_up_is_a_clean_stop() {
    let (signer, log) = start();
    signer.sign(2).unwrap();
    signer.signal("HUP");
    assert_eq!(signer.end(), Some(0));
    let log: Vec<String> = log.lines().map(Result::unwrap).collect();
    assert!(log.iter().any(|line| line.contains("SIGHUP: stopping")), "{log:?}");
}

/// For a minute it waits for the port to become free.
#[test]
fn a_stop_is_heard_while_a_port_is_waited_for() {
    let (signer, _log) = start();
    let (beside, _log) = signer.start_beside();
    assert_eq!(beside.stop(), Some(0));
    signer.sign(2).unwrap();
}

/// Ctrl-C in a terminal reaches both a wrapper and the signer, and the wrapper passes it on.
#[test]
fn ctrl_c_that_comes_twice_at_once_finishes_what_was_begun() {
    let (behind, _log) = start();
    let (signer, _log) = start_with(&format!("upstream = \"{}\"", behind.url));
    until(|| signer.sign(2).is_ok());
    behind.signal("STOP");
    thread::scope(|scope| {
        let vote = scope.spawn(|| signer.sign(3));
        until(|| {
            let marks = fs::read(signer.folder.path().join("watermark.db-recent")).unwrap();
            String::from_utf8_lossy(&marks).contains("attestation 3 0")
        });
        signer.signal("INT");
        signer.signal("INT");
        behind.signal("CONT");
        vote.join().unwrap().unwrap();
    });
    assert_eq!(signer.end(), Some(0));
}
