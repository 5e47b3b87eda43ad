//! A gateway on a host that ssh reaches: what it says of itself, asked through ssh without a program on that host.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;
use std::time::Duration;

use anyhow::{Context, bail};

use super::openssh;
use super::signers::{Gateway, Gateways};
use crate::args::Via;
use crate::commands::running;

/// Where the gateway's `[monitor]` is, as seen from its host.
const MONITOR: &str = "127.0.0.1:9583";
/// Long enough for a passphrase to be typed.
const LIMIT: Duration = Duration::from_secs(120);

/// Asks the gateway, with the configuration of ssh that is named among the user's options.
pub(super) fn ask(via: &Via, words: &[OsString]) -> anyhow::Result<Gateways> {
    let mut child = forward(via, words).spawn().map_err(openssh::not_started)?;
    let asked = exchange(&mut child);
    // It would wait for the end of its input.
    let _ = child.kill();
    let _ = child.wait();
    let text = asked.with_context(|| {
        format!(
            "no answer of {MONITOR} at {via} through ssh; if ssh does log in there, write listen = \"{MONITOR}\" under [monitor] in gateway.toml, or name the signer's port with --port"
        )
    })?;
    let report = serde_json::from_str(&text)
        .with_context(|| format!("{MONITOR} of {via} is no gateway of this version"))?;
    let answered = vec![Gateway { name: via.to_string(), report }];
    Ok(Gateways { answered, silent: Vec::new() })
}

/// `ssh -W`: its standard input and output are a connection of that host.
fn forward(via: &Via, words: &[OsString]) -> Command {
    let mut command = Command::new("ssh");
    command.args(configuration(words)).args(["-o", "ConnectTimeout=15", "-W", MONITOR]);
    if let Some(port) = via.port {
        command.args(["-p", &port.to_string()]);
    }
    command.args(["--", via.host.as_str()]).stdin(Stdio::piped()).stdout(Stdio::piped());
    command
}

/// `-F FILE`, which ssh hands on to its jumps, too. The last one counts.
fn configuration(words: &[OsString]) -> Vec<OsString> {
    let mut words = words.iter().take_while(|word| *word != "--");
    let mut file = None;
    while let Some(word) = words.next() {
        file = match word.as_bytes().strip_prefix(b"-F") {
            Some(b"") => words.next().cloned(),
            Some(name) => Some(OsStr::from_bytes(name).to_owned()),
            None => continue,
        };
    }
    file.into_iter().flat_map(|file| [OsString::from("-F"), file]).collect()
}

fn exchange(child: &mut Child) -> anyhow::Result<String> {
    let (mut input, output) = (child.stdin.take(), child.stdout.take());
    let (input, output) = input.as_mut().zip(output).context("no pipe to ssh")?;
    running::write_request(input, "localhost", "/status")?;
    let (done, answer) = sync_channel(1);
    thread::scope(|scope| {
        scope.spawn(move || done.send(running::read_answer(output)));
        let answer = wait(&answer);
        if answer.is_err() {
            // The reader then sees the end.
            let _ = child.kill();
        }
        match answer? {
            (200, body) => Ok(body),
            (status, _) => bail!("HTTP {status}"),
        }
    })
}

fn wait(answer: &Receiver<anyhow::Result<(u16, String)>>) -> anyhow::Result<(u16, String)> {
    let answer = answer.recv_timeout(LIMIT);
    answer.with_context(|| format!("no answer within {} s", LIMIT.as_secs()))?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_configuration_of_the_user_is_the_one_of_the_question() {
        for (words, expected) in
            [("-v -- home", ""), ("-F a -v -- home", "-F a"), ("-Fa -F b -- home -F c", "-F b")]
        {
            let words: Vec<OsString> = words.split(' ').map(OsString::from).collect();
            assert_eq!(configuration(&words).join(OsStr::new(" ")), OsStr::new(expected));
        }
    }
}
