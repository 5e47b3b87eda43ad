//! The system's `ssh`, with the way to the signer's sshd: keys, agents, prompts and the check of host keys are its own.

use std::env;
use std::ffi::OsString;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

use anyhow::{Context, anyhow};
use tunnel::{Service, SignerPort};

use crate::args::Via;

/// Behind a signer's name: under which its host key is in known_hosts, whichever pod or host leads to it.
const ALIAS_SUFFIX: &str = ".peel";
/// Between the options of ssh and the target; what stands before it comes from the user.
const END: &str = "--";
/// A load balancer before the API forgets a connection that is silent. It stands behind the user's own options.
const KEEPALIVE: [&str; 2] = ["-o", "ServerAliveInterval=15"];

/// Where a pod's port is, for `--pipe`.
#[derive(Debug)]
pub(super) struct PodPort<'a> {
    pub(super) context: Option<&'a str>,
    pub(super) namespace: &'a str,
    pub(super) pod: &'a str,
    pub(super) port: u16,
}

/// ssh through a port-forward to a pod. `words` are ssh's own options, the target and the command.
pub(super) fn to_pod(
    at: &PodPort<'_>,
    signer: &str,
    words: &[OsString],
) -> anyhow::Result<Command> {
    let program = env::current_exe().context("the path of this program is not known")?;
    let program = program.into_os_string().into_string();
    let program = program.map_err(|path| anyhow!("{path:?}: the path is no text"))?;
    let mut command = to_signer(signer);
    command.args(["-o", &format!("ProxyCommand={}", pipe(&program, at, signer))]);
    let end = words.iter().position(|word| word == END).unwrap_or(words.len());
    let (options, rest) = words.split_at(end);
    command.args(options).args(KEEPALIVE).args(rest);
    Ok(command)
}

/// ssh through the host of the gateway.
pub(super) fn to_host(via: &Via, port: SignerPort, signer: &str, words: &[OsString]) -> Command {
    let mut command = to_signer(signer);
    command.args(["-o", &format!("ProxyJump={via}"), "-o", "HostName=127.0.0.1"]);
    command.args(["-o", &format!("Port={}", port.of(Service::Shell))]).args(words);
    command
}

fn to_signer(signer: &str) -> Command {
    let mut command = Command::new("ssh");
    command.args(["-o", &format!("HostKeyAlias={signer}{ALIAS_SUFFIX}")]);
    command
}

/// The command line that the user's shell runs for ssh.
fn pipe(program: &str, at: &PodPort<'_>, signer: &str) -> String {
    let port = at.port.to_string();
    let mut words = vec![program, "ssh", "--pipe"];
    words.extend(at.context.iter().flat_map(|context| ["--context", context]));
    words.extend(["--namespace", at.namespace, "--pod", at.pod, "--port", &port, signer]);
    words.into_iter().map(quoted).collect::<Vec<_>>().join(" ")
}

/// A word as a shell takes it, and as ssh leaves it: it has a `%` for what it fills in.
fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:@+,".contains(c);
    let word = word.replace('%', "%%");
    if !word.is_empty() && word.chars().all(is_plain) {
        return word;
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}

/// Becomes ssh. Its exit code is that of `peel ssh`; this comes back only if it cannot be started.
pub(super) fn become_it(mut command: Command) -> anyhow::Error {
    not_started(command.exec())
}

pub(super) fn not_started(error: io::Error) -> anyhow::Error {
    if error.kind() == io::ErrorKind::NotFound {
        return anyhow!("ssh is not installed: apt-get install openssh-client");
    }
    anyhow!(error).context("ssh cannot be started")
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: PodPort<'_> =
        PodPort { context: Some("me@k 100%"), namespace: "cloud", pod: "peel-0", port: 8443 };

    fn words(text: &str) -> Vec<OsString> {
        text.split(' ').map(OsString::from).collect()
    }

    fn arguments(command: &Command) -> Vec<String> {
        command.get_args().map(|word| word.to_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn a_word_survives_the_shell_and_ssh() {
        assert_eq!(
            pipe("/opt/it's/peel", &AT, "home"),
            "'/opt/it'\\''s/peel' ssh --pipe --context 'me@k 100%%' --namespace cloud --pod peel-0 --port 8443 home"
        );
    }

    #[test]
    fn the_users_options_stand_before_our_defaults_and_behind_the_way() {
        let command = to_pod(&AT, "home", &words("-v -- me@home ls --")).unwrap();
        let words = arguments(&command);
        let [alias, proxy, rest @ ..] = words.as_slice() else { panic!("{words:?}") };
        assert_eq!((alias.as_str(), proxy.as_str()), ("-o", "HostKeyAlias=home.peel"));
        let rest = rest.get(2..).unwrap().join(" ");
        assert_eq!(rest, "-v -o ServerAliveInterval=15 -- me@home ls --");
    }

    #[test]
    fn the_host_of_a_gateway_is_sshs_own_jump() {
        let port = SignerPort::new(8443).unwrap();
        let via = "me@gw:2222".parse().unwrap();
        let words = arguments(&to_host(&via, port, "home", &words("-- home"))).join(" ");
        assert!(
            words.contains("-o ProxyJump=me@gw:2222 -o HostName=127.0.0.1 -o Port=9443 -- home"),
            "{words}"
        );
    }
}
