//! A program that answers a vote without doing anything: what that takes is the machine's time, in the same minute.
//!
//! At one level a second a virtual machine has gone to sleep before each vote, and a busy host takes a millisecond or
//! more to wake it up. That is in every figure here, and in none of the signer's doing.

use std::env;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread;

use anyhow::Context;

/// What this program is started with to be that one.
pub(super) const WORD: &str = "control";

/// Votes that come at once.
const AT_ONCE: usize = 2;

/// The program, until it is dropped.
pub(super) struct Control {
    process: Child,
    pub(super) address: SocketAddr,
}

impl Control {
    pub(super) fn start() -> anyhow::Result<Control> {
        let mut command = Command::new(env::current_exe()?);
        let mut process = command.arg(WORD).stdout(Stdio::piped()).spawn()?;
        let output = process.stdout.take().context("no output")?;
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line)?;
        let address = line.trim().parse().context("the control did not start")?;
        Ok(Control { process, address })
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        // One that has ended is as good.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Says where it listens, and answers for ever.
pub(super) fn serve() -> anyhow::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    println!("{}", listener.local_addr()?);
    let answer = answer();
    thread::scope(|scope| {
        let serving = [(); AT_ONCE].map(|()| scope.spawn(|| answer_all(&listener, &answer)));
        serving.into_iter().try_for_each(|thread| {
            thread.join().map_err(|_| anyhow::anyhow!("an answering thread panicked"))?
        })
    })
}

/// As long as one of the signer.
fn answer() -> String {
    let body = format!("{{\"signature\":\"{}\"}}\n", "0".repeat(99));
    format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    )
}

fn answer_all(listener: &TcpListener, answer: &str) -> anyhow::Result<()> {
    loop {
        let (mut stream, _) = listener.accept()?;
        stream.set_nodelay(true)?;
        if read_request(&mut stream)? {
            stream.write_all(answer.as_bytes())?;
        }
    }
}

/// Whether there was a whole one: its last chunk has come.
fn read_request(stream: &mut TcpStream) -> anyhow::Result<bool> {
    let mut request = Vec::new();
    let mut buffer = [0; 4096];
    while !request.ends_with(b"\r\n0\r\n\r\n") {
        let read = stream.read(&mut buffer)?;
        if read == 0 {
            return Ok(false);
        }
        request.extend(buffer.iter().take(read));
    }
    Ok(true)
}
