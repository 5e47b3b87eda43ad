//! Promised: `peel ssh` leads from a workstation through the gateway to the sshd at home, with the user's own ssh; scp and
//! rsync go the same way. Here through the gateway's host; through Kubernetes, `tests/cluster` shows it.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use anyhow::bail;
use lab::home::SignerHome;
use lab::net::{CLOUD, Internet, in_test};
use lab::openssh::{Client, Endpoint, KeyKind, Sshd};
use lab::{programs, wait};
use serde_json::Value;
use tempfile::TempDir;

use crate::fixture::{Fixture, PEEL, PORT, SOON, WIRED, loopback};

const SSHD: u16 = 2222;
const HOST_SSHD: u16 = 2200;

/// A user in the cloud whose ssh knows the gateway's host as `gw`, and not yet the signer's host key.
struct Workstation<'a> {
    fixture: Fixture<'a>,
    folder: TempDir,
    /// Its key is in a file of its own.
    _user: Client,
    _at_home: Sshd,
    _at_gateway: Sshd,
}

impl<'a> Workstation<'a> {
    /// None where no user can log in, which is noted as skipped.
    fn open(internet: &'a Internet) -> anyhow::Result<Option<Workstation<'a>>> {
        let user = Client::new(KeyKind::Ed25519)?;
        let keys = [user.public_key()];
        let mut at_home = Sshd::new(internet.home(), loopback(SSHD), &keys)?;
        if at_home.endpoint().user == "nobody" {
            lab::skip("in a user namespace sshd lets in nobody, who has no shell");
            return Ok(None);
        }
        let address = SocketAddr::new(CLOUD, HOST_SSHD);
        let mut at_gateway = Sshd::new(internet.cloud(), address, &keys)?;
        at_home.start()?;
        at_gateway.start()?;
        let fixture = Fixture::with(internet, SignerHome::new()?, &[WIRED], Some(loopback(SSHD)))?;
        let folder = tempfile::tempdir()?;
        let config = ssh_config(folder.path(), &user, &at_gateway.endpoint());
        fs::write(folder.path().join("ssh_config"), config)?;
        let known = format!("[{CLOUD}]:{HOST_SSHD} {}\n", at_gateway.endpoint().host_key);
        fs::write(folder.path().join("known_hosts"), known)?;
        symlink(PEEL, folder.path().join("peel-ssh"))?;
        let (_user, _at_home, _at_gateway) = (user, at_home, at_gateway);
        let workstation = Workstation { fixture, folder, _user, _at_home, _at_gateway };
        workstation.wait_for_shell()?;
        Ok(Some(workstation))
    }

    /// The shell has a connection of its own, which may come after the signing one.
    fn wait_for_shell(&self) -> anyhow::Result<()> {
        wait::until("the shell", SOON, || {
            let list = self.peel(&["--list", "--json"])?;
            let list: Value = serde_json::from_slice(&list.stdout)?;
            let shell = list.pointer("/0/shell").and_then(Value::as_array);
            Ok(shell.is_some_and(|sessions| !sessions.is_empty()).then_some(()))
        })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// What says where the gateway is, and which configuration ssh has.
    fn place(&self) -> String {
        format!("--via gw -F {}", self.path("ssh_config").display())
    }

    /// `peel ssh --via gw …`, to its end.
    fn peel(&self, words: &[&str]) -> anyhow::Result<Output> {
        let mut peel = Command::new(PEEL);
        peel.arg("ssh").args(self.place().split(' ')).args(words).env_remove("PEEL_SSH");
        Ok(peel.stdin(Stdio::null()).output()?)
    }

    fn run(&self, program: &str, words: &[&str]) -> anyhow::Result<Output> {
        let mut command = Command::new(programs::path(program)?);
        command.args(words).env("PEEL_SSH", self.place()).current_dir(self.folder.path());
        Ok(command.stdin(Stdio::null()).output()?)
    }
}

fn ssh_config(folder: &Path, user: &Client, gateway: &Endpoint) -> String {
    let (folder, key) = (folder.display(), user.private_key().display());
    let (ip, port, name) = (gateway.address.ip(), gateway.address.port(), &gateway.user);
    format!(
        "Host gw\n  HostName {ip}\n  Port {port}\n  StrictHostKeyChecking yes\n\
         Host *\n  User {name}\n  IdentityFile {key}\n  IdentitiesOnly yes\n  BatchMode yes\n\
         \x20 StrictHostKeyChecking accept-new\n  UserKnownHostsFile {folder}/known_hosts\n\
         \x20 GlobalKnownHostsFile /dev/null\n"
    )
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[output.stdout.as_slice(), &output.stderr].concat()).into_owned()
}

fn succeeds(output: &Output) -> anyhow::Result<String> {
    if !output.status.success() {
        bail!("{}: {}", output.status, said(output));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[test]
fn a_command_runs_at_home_and_its_exit_code_comes_back() -> anyhow::Result<()> {
    let name = "peel_ssh_leads_to_a_signers_shell::\
                a_command_runs_at_home_and_its_exit_code_comes_back";
    in_test(name, |internet| {
        let Some(workstation) = Workstation::open(internet)? else { return Ok(()) };
        let addresses = succeeds(&workstation.peel(&["home", "ip", "-br", "address"])?)?;
        assert!(addresses.contains("10.1.0."), "not at home: {addresses}");
        let known = fs::read_to_string(workstation.path("known_hosts"))?;
        assert!(known.contains("\nhome.peel ssh-ed25519 "), "{known}");
        for words in [["-q", "home", "exit 7"], ["home", "-q", "exit 7"]] {
            assert_eq!(workstation.peel(&words)?.status.code(), Some(7), "{words:?}");
        }
        // ssh's own, when it cannot log in.
        let stranger = workstation.peel(&["-l", "no-such-user", "home", "true"])?;
        assert_eq!(stranger.status.code(), Some(255), "{}", said(&stranger));
        Ok(())
    })
}

#[test]
fn scp_and_rsync_go_the_same_way() -> anyhow::Result<()> {
    let name = "peel_ssh_leads_to_a_signers_shell::scp_and_rsync_go_the_same_way";
    in_test(name, |internet| {
        let Some(workstation) = Workstation::open(internet)? else { return Ok(()) };
        fs::create_dir(workstation.path("sent"))?;
        fs::write(workstation.path("sent/file"), "a file with\n a name")?;
        let there = workstation.path("there");
        for old_protocol in [&["-O"][..], &[]] {
            let to = format!("home:{}", there.display());
            let words = [old_protocol, &["-S", "./peel-ssh", "sent/file", &to]].concat();
            succeeds(&workstation.run("scp", &words)?)?;
            assert_eq!(fs::read_to_string(&there)?, "a file with\n a name");
            fs::remove_file(&there)?;
        }
        let shell = format!("{PEEL} ssh");
        let to = format!("home:{}/", there.display());
        succeeds(&workstation.run("rsync", &["-a", "-e", &shell, "sent/", &to])?)?;
        assert_eq!(fs::read_to_string(there.join("file"))?, "a file with\n a name");
        Ok(())
    })
}

#[test]
fn the_signers_are_listed_and_what_is_missing_is_named() -> anyhow::Result<()> {
    let name = "peel_ssh_leads_to_a_signers_shell::\
                the_signers_are_listed_and_what_is_missing_is_named";
    in_test(name, |internet| {
        let Some(mut workstation) = Workstation::open(internet)? else { return Ok(()) };
        let list = succeeds(&workstation.peel(&["--list"])?)?;
        let rows: Vec<Vec<&str>> =
            list.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(rows[0], ["SIGNER", "PORT", "KEYS", "SIGNING", "SHELL", "AT"]);
        let port = PORT.to_string();
        assert_eq!(rows[1][..6], ["home", &port, "1", "eth0", "eth0", "for"], "{list}");
        assert_eq!(rows[1].last(), Some(&"gw"));

        let unknown = workstation.peel(&["office"])?;
        assert_eq!(unknown.status.code(), Some(2));
        let text = said(&unknown);
        assert!(text.contains("no signer \"office\" at the gateway; there is home"), "{text}");

        workstation.fixture.home.signer()?.kill()?;
        wait::until("the end of the sessions", SOON, || {
            let gone = workstation.peel(&["home", "true"])?;
            let text = said(&gone);
            let is_named = text.contains("signer \"home\" is not connected to the gateway");
            assert!(!is_named || gone.status.code() == Some(1), "{}", gone.status);
            Ok(is_named.then_some(()))
        })
    })
}
