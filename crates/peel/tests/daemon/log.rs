//! The log may be lost; a signature may not.

use std::fs;
use std::io::Read;
use std::time::{Duration, Instant};

use crate::process::{home, spawn_in_journal, start, start_in_journal, start_with};

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

/// As `journalctl -p warning` reads it.
#[test]
fn in_the_journal_each_line_begins_with_its_priority_and_what_is_wrong_is_a_warning() {
    let (signer, mut log) = start_in_journal();
    signer.sign(2).unwrap();
    signer.sign(1).unwrap_err();
    assert_eq!(signer.stop(), Some(0));
    let mut text = String::new();
    log.read_to_string(&mut text).unwrap();
    for (line, priority) in [("signed key=", 6), ("refused: ", 4), ("SIGTERM: stopping", 6)] {
        let begins = format!("<{priority}>{line}");
        assert!(text.lines().any(|own| own.starts_with(&begins)), "{begins}:\n{text}");
    }
    assert!(text.lines().all(|line| line.starts_with(['<'])), "{text}");
}

#[test]
fn in_the_journal_the_reason_of_an_end_is_an_error() {
    let folder = home("127.0.0.1:0", "secret_key_file = \"key\"");
    fs::write(folder.path().join("signer.toml"), "chains = 3\n").unwrap();
    let (mut child, mut log) = spawn_in_journal(&folder);
    assert_eq!(child.wait().unwrap().code(), Some(2));
    drop(child);
    let mut text = String::new();
    log.read_to_string(&mut text).unwrap();
    assert!(text.starts_with("<3>peel: "), "{text}");
}

#[test]
fn outside_of_the_journal_lines_have_a_time_and_a_level() {
    let (signer, mut log) = start();
    signer.sign(2).unwrap();
    assert_eq!(signer.stop(), Some(0));
    let mut text = String::new();
    log.read_to_string(&mut text).unwrap();
    assert!(text.contains("Z  INFO signed key="), "{text}");
    assert!(!text.contains("<6>"), "{text}");
}

#[test]
fn one_signature_in_so_many_is_a_line_and_every_refusal() {
    let (signer, mut log) = start_with("secret_key_file = \"key\"\n[log]\nsignatures = 3");
    for level in 2..9 {
        signer.sign(level).unwrap();
        signer.sign(1).unwrap_err();
    }
    assert_eq!(signer.stop(), Some(0));
    let mut text = String::new();
    log.read_to_string(&mut text).unwrap();
    let count = |what: &str| text.lines().filter(|line| line.contains(what)).count();
    // Three if none took a second, which is a line, too.
    assert!((3..7).contains(&count("INFO signed key=")), "{text}");
    assert!(text.contains("level=2 ") && text.contains("level=5 "), "{text}");
    assert_eq!(count("refused: "), 7, "{text}");
}
