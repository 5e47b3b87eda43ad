//! The log may be lost; a signature may not.

use std::io::Read;
use std::time::{Duration, Instant};

use crate::process::start;

#[test]
fn a_log_whose_reader_is_gone_costs_no_signature() {
    let (signer, log) = start();
    drop(log);
    for level in 2..8 {
        signer.sign(level).unwrap();
        signer.sign(1).unwrap_err(); // a refusal is a line in the log too
    }
    assert_eq!(signer.stop(), Some(0));
}

#[test]
fn a_log_whose_reader_stalls_costs_no_signature() {
    let (signer, log) = start();
    // More than a pipe holds.
    for _ in 0..200 {
        signer.sign(1).unwrap_err();
    }
    for level in 2..580 {
        signer.sign(level).unwrap();
    }
    assert_eq!(signer.stop(), Some(0));
    drop(log);
}

#[test]
fn a_flood_of_refused_requests_is_some_lines_and_a_count() {
    let (signer, mut log) = start();
    let start = Instant::now();
    let mut requests = 0;
    while requests < 500 || start.elapsed() < Duration::from_secs(3) {
        signer.sign(1).unwrap_err();
        requests += 1;
    }
    let seconds = usize::try_from(start.elapsed().as_secs()).unwrap();
    assert_eq!(signer.stop(), Some(0));
    let mut text = String::new();
    log.read_to_string(&mut text).unwrap();
    let refused = text.lines().filter(|line| line.contains("refused")).count();
    assert!((100..=101 + seconds).contains(&refused), "{refused} lines of {requests} requests");
    assert!(text.contains(" lines like the next one were left out"), "{text}");
}
