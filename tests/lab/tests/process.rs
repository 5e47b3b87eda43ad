//! Programs are watched, and ended with all that they started.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::process::Command;
use std::time::Duration;

use lab::process::{Daemon, Pid, Signal, send};
use lab::wait;

const SOON: Duration = Duration::from_secs(10);

fn shell(script: &str) -> Daemon {
    let mut command = Command::new("sh");
    command.args(["-c", script]);
    Daemon::start("a script", command).unwrap()
}

/// A process that has ended may still have its number, until its status is read.
fn is_alive(process: Pid) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{}/stat", process.as_raw_nonzero()));
    status.is_ok_and(|line| !line.contains(") Z "))
}

fn wait_until_gone(process: Pid) {
    wait::until("its end", SOON, || Ok((!is_alive(process)).then_some(()))).unwrap();
}

#[test]
fn both_outputs_are_in_the_log() {
    let mut daemon = shell("echo one; echo two >&2; exec sleep 1000");
    daemon.wait_until_log_says("one", SOON).unwrap();
    daemon.wait_until_log_says("two", SOON).unwrap();
    assert_eq!(daemon.log().unwrap(), "one\ntwo\n");
}

#[test]
fn what_was_said_before_the_bookmark_does_not_count() {
    let mut daemon = shell("trap 'echo up again' USR1; echo up; while :; do sleep 0.01; done");
    daemon.wait_until_log_says("up", SOON).unwrap();
    let bookmark = daemon.bookmark().unwrap();
    let error = daemon.wait_until_log_says_after(bookmark, "up", Duration::ZERO).unwrap_err();
    assert!(error.to_string().contains("a script"), "{error}");
    daemon.signal(Signal::USR1).unwrap();
    daemon.wait_until_log_says_after(bookmark, "up", SOON).unwrap();
}

#[test]
fn a_program_that_ended_is_not_waited_for() {
    let mut daemon = shell("echo the reason; exit 3");
    let error = daemon.wait_until_log_says("never", SOON).unwrap_err().to_string();
    assert!(error.contains("the reason") && error.contains("exit status: 3"), "{error}");
    assert_eq!(daemon.wait(SOON).unwrap().code(), Some(3));
    assert!(daemon.signal(Signal::TERM).is_err());
}

#[test]
fn a_stop_gives_its_status() {
    let mut daemon = shell("trap 'exit 7' TERM; echo ready; while :; do sleep 0.01; done");
    daemon.wait_until_log_says("ready", SOON).unwrap();
    assert_eq!(daemon.stop(SOON).unwrap().code(), Some(7));
}

#[test]
fn a_child_in_a_session_of_its_own_is_ended_too() {
    let mut daemon = shell("setsid sleep 1000 & echo ready; wait");
    daemon.wait_until_log_says("ready", SOON).unwrap();
    let count = || Ok(Some(daemon.children()?).filter(|all| all.len() == 1));
    let children = wait::until("its child", SOON, count).unwrap();
    assert!(daemon.rss_kib().unwrap() > 100);
    drop(daemon);
    children.into_iter().for_each(wait_until_gone);
}

#[test]
fn one_child_can_be_ended_alone() {
    let mut daemon = shell("sleep 1000 & echo ready; wait; echo it is gone; exec sleep 1000");
    daemon.wait_until_log_says("ready", SOON).unwrap();
    for child in daemon.children().unwrap() {
        send(child, Signal::KILL).unwrap();
    }
    daemon.wait_until_log_says("it is gone", SOON).unwrap();
}

#[test]
fn a_frozen_program_says_nothing_until_it_goes_on() {
    let mut daemon = shell("while :; do echo tick; sleep 0.001; done");
    daemon.wait_until_log_says("tick", SOON).unwrap();
    daemon.signal_all(Signal::STOP).unwrap();
    // A signal takes its time; a tick of before may still come.
    let is_silent = || {
        let bookmark = daemon.bookmark()?;
        let tick = daemon.wait_until_log_says_after(bookmark, "tick", Duration::from_millis(100));
        Ok(tick.is_err().then_some(()))
    };
    wait::until("silence", SOON, is_silent).unwrap();
    let bookmark = daemon.bookmark().unwrap();
    daemon.signal_all(Signal::CONT).unwrap();
    daemon.wait_until_log_says_after(bookmark, "tick", SOON).unwrap();
}
