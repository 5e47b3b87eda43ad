//! The binary: run to its end, or in the background.

use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

/// A program that is ended with the test.
pub(crate) struct Running(pub(crate) Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn command(folder: &Path, line: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_peel"));
    command.args(line.split_whitespace()).current_dir(folder);
    command
}

/// Runs it in a folder, to its end.
pub(crate) fn peel(folder: &Path, line: &str) -> Output {
    command(folder, line).output().unwrap()
}

/// The same, with this on its standard input.
pub(crate) fn peel_reads(folder: &Path, line: &str, input: &str) -> Output {
    let mut command = command(folder, line);
    let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = piped.spawn().unwrap();
    // It may end without reading.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

/// Starts it in the background, without its output.
pub(crate) fn run(folder: &Path, line: &str) -> Running {
    let mut command = command(folder, line);
    Running(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
}

/// All that it wrote.
pub(crate) fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[output.stdout.as_slice(), &output.stderr].concat()).into_owned()
}

/// Runs a command that has to succeed; gives what it wrote.
pub(crate) fn done(folder: &Path, line: &str) -> String {
    let output = peel(folder, line);
    assert!(output.status.success(), "{line}: {}", said(&output));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Runs a command that has to fail; gives its exit code and its complaint.
pub(crate) fn fails(folder: &Path, line: &str) -> (Option<i32>, String) {
    let output = peel(folder, line);
    assert!(!output.status.success(), "{line}: {}", said(&output));
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}
