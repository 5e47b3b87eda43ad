//! Promised: whatever goes through the shell's port, a signature waits for no more than the line itself
//! makes it wait.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use lab::baker::Record;
use lab::home::SignerHome;
use lab::net::{Internet, Line, Pace, in_test};
use lab::openssh::{Client, Endpoint, KeyKind, Sshd};
use lab::process::Daemon;

use crate::fixture::{Fixture, PORT, SOON, WIRED, loopback};

const SSHD: u16 = 2222;
const SHELL: u16 = PORT + 1000;
const COPY_LIMIT: Duration = Duration::from_secs(60);
const MEGABYTE: u32 = 1 << 20;

/// A signer with one line and a shell, and a user in the cloud that may log in.
struct Shell<'a> {
    fixture: Fixture<'a>,
    user: Client,
    sshd: Sshd,
}

impl<'a> Shell<'a> {
    /// None where no user can log in, which is noted as skipped.
    fn open(internet: &'a Internet) -> anyhow::Result<Option<Shell<'a>>> {
        let user = Client::new(KeyKind::Ed25519)?;
        let mut sshd = Sshd::new(internet.home(), loopback(SSHD), &[user.public_key()])?;
        if sshd.endpoint().user == "nobody" {
            lab::skip("in a user namespace sshd lets in nobody, who has no shell");
            return Ok(None);
        }
        sshd.start()?;
        let fixture = Fixture::with(internet, SignerHome::new()?, &[WIRED], Some(loopback(SSHD)))?;
        Ok(Some(Shell { fixture, user, sshd }))
    }

    /// `ssh -p 9443 …@127.0.0.1 words`, in the cloud, as the `"$@"` of a shell's script.
    fn ssh(&self, script: &str, words: &str) -> anyhow::Result<Daemon> {
        let endpoint = Endpoint { address: loopback(SHELL), ..self.sshd.endpoint() };
        let mut ssh = self.user.ssh(self.fixture.internet.cloud(), &endpoint)?;
        ssh.arg(words);
        let mut shell = Command::new("sh");
        shell.args(["-c", script, "sh"]).arg(ssh.get_program()).args(ssh.get_args());
        Daemon::start("ssh through the gateway", shell)
    }

    /// `scp file …@127.0.0.1:there` with port 9443, in the cloud.
    fn scp(&self, file: &Path, there: &Path) -> anyhow::Result<Daemon> {
        let endpoint = Endpoint { address: loopback(SHELL), ..self.sshd.endpoint() };
        let ssh = self.user.ssh(self.fixture.internet.cloud(), &endpoint)?;
        let words = ssh
            .get_args()
            .map(|word| word.to_string_lossy().into_owned())
            .map(|word| if word == "-p" { "-P".to_owned() } else { word });
        let mut words: Vec<String> = words.collect();
        let host = words.pop().unwrap_or_default();
        let mut scp = Command::new("scp");
        // The protocol that needs no sftp in sshd's configuration.
        scp.arg("-O").args(words).arg(file).arg(format!("{host}:{}", there.display()));
        Daemon::start("scp through the gateway", scp)
    }

    /// So many bytes from home to the cloud, and as many back at the same time; what a baker lived
    /// through meanwhile.
    fn copy(&self, bytes: u32) -> anyhow::Result<Record> {
        let zeros = format!("head -c {bytes} /dev/zero");
        let baker = self.fixture.baker()?;
        let mut copies =
            [self.ssh(&format!("{zeros} | \"$@\""), "wc -c")?, self.ssh("\"$@\" | wc -c", &zeros)?];
        for copy in &mut copies {
            let status = copy.wait(COPY_LIMIT)?;
            assert_eq!(copy.log()?.trim(), bytes.to_string(), "{status}");
        }
        let record = baker.finish()?;
        println!("two copies of {} MB: {record}", bytes / MEGABYTE);
        assert!(record.failures().is_empty(), "{:?}", record.failures());
        Ok(record)
    }
}

#[test]
fn an_unlimited_line_full_of_copies_delays_no_signature() -> anyhow::Result<()> {
    let name = "a_large_copy_does_not_delay_a_signature::\
                an_unlimited_line_full_of_copies_delays_no_signature";
    in_test(name, |internet| {
        let Some(shell) = Shell::open(internet)? else { return Ok(()) };
        shell
            .ssh("\"$@\"", "echo hello from home")?
            .wait_until_log_says("hello from home", SOON)?;
        let folder = tempfile::tempdir()?;
        let [file, there] = ["file", "there"].map(|name| folder.path().join(name));
        fs::write(&file, "by scp")?;
        let copied = shell.scp(&file, &there)?.wait(SOON)?;
        assert!(copied.success(), "{copied}");
        assert_eq!(fs::read_to_string(&there)?, "by scp");
        let record = shell.copy(128 * MEGABYTE)?;
        assert!(record.slowest() <= Some(Duration::from_secs(1)), "{record}");
        Ok(())
    })
}

/// A full queue of the line delays every packet: by 0.2 s each way.
#[test]
fn a_slow_line_full_of_copies_delays_a_signature_by_its_own_queue_only() -> anyhow::Result<()> {
    let name = "a_large_copy_does_not_delay_a_signature::\
                a_slow_line_full_of_copies_delays_a_signature_by_its_own_queue_only";
    in_test(name, |internet| {
        let Some(shell) = Shell::open(internet)? else { return Ok(()) };
        match internet.slow(Line::Wired, 8_000, Duration::from_millis(200))? {
            Pace::Slowed => {}
            Pace::Unavailable(why) => {
                lab::skip(&why);
                return Ok(());
            }
        }
        let record = shell.copy(8 * MEGABYTE)?;
        assert!(record.slowest() <= Some(Duration::from_millis(1500)), "{record}");
        Ok(())
    })
}
