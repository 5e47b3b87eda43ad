//! How a daemon is asked to stop.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::process::{await_line, home, start, start_with};

fn until(done: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_secs(20);
    while !done() {
        assert!(Instant::now() < end, "it does not come");
        thread::sleep(Duration::from_millis(5));
    }
}

/// Every signer writes its number into a file, and removes it at a clean end.
#[test]
fn a_terminal_that_is_closed_is_a_clean_stop() {
    let folder = home("127.0.0.1:0", "secret_key_file = \"key\"");
    let pidfile = folder.path().join("pid");
    let run = format!(
        "{} signer run --config {} --pidfile {}",
        env!("CARGO_BIN_EXE_peel"),
        folder.path().join("signer.toml").display(),
        pidfile.display()
    );
    let mut terminal = Command::new("script");
    terminal.args(["--quiet", "--flush", "--command", &run, "/dev/null"]);
    terminal.stdin(Stdio::null()).stdout(Stdio::piped());
    let mut terminal = terminal.spawn().expect("script: apt-get install bsdutils");
    let shown = BufReader::new(terminal.stdout.take().unwrap());
    let mut shown = shown.lines().map(Result::unwrap);
    assert!(shown.any(|line| line.contains("listening")), "it does not start");
    assert!(pidfile.exists());
    terminal.kill().unwrap();
    terminal.wait().unwrap();
    until(|| !pidfile.exists());
}

#[test]
fn a_hang_up_alone_reads_the_configuration_anew() {
    let (signer, mut log) = start();
    signer.sign(2).unwrap();
    signer.signal("HUP");
    await_line(&mut log, "the configuration was read anew: nothing has changed");
    signer.sign(3).unwrap();
    assert_eq!(signer.stop(), Some(0));
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
        until(|| String::from_utf8_lossy(&signer.recent_marks()).contains("attestation 3 0"));
        signer.signal("INT");
        signer.signal("INT");
        behind.signal("CONT");
        vote.join().unwrap().unwrap();
    });
    assert_eq!(signer.end(), Some(0));
}
