//! ModemManager's own program, which is asked in place of its bus: a client of D-Bus would be linked in for the sake
//! of four words.

use std::ffi::OsString;
use std::io;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use thiserror::Error;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::modem::reading::ModemReading;

/// How ModemManager is asked.
#[derive(Debug, Clone)]
pub(super) struct Mmcli {
    program: OsString,
    arguments: Vec<OsString>,
    /// The address of a bus that is no system's.
    #[cfg(test)]
    bus: Option<String>,
    limit: Duration,
}

/// Why there is no reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(super) enum NoReading {
    #[error("mmcli is not installed, so the modem is not read; \"apt install modemmanager\"")]
    NotInstalled,
    #[error("ModemManager does not run; \"systemctl enable --now ModemManager\" starts it")]
    NoManager,
    #[error("ModemManager sees no modem: is it plugged in, has it power?")]
    NoModem,
    #[error("mmcli does not answer in time; \"systemctl restart ModemManager\" may help")]
    Late,
    #[error("mmcli gives no reading; \"mmcli -m any\" says why")]
    Unreadable,
}

/// What a program wrote before it ended.
struct Output {
    status: ExitStatus,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
}

/// mmcli itself waits for 30 s.
const LIMIT: Duration = Duration::from_secs(2);
/// For the system to end a process that was killed.
const KILL_LIMIT: Duration = Duration::from_secs(1);
/// Bytes that are read of what it writes; an answer has some 3 kB.
const MAX_OUTPUT: u64 = 256 * 1024;

impl Mmcli {
    /// Debian's, in whatever folder of PATH.
    pub(super) fn installed() -> Mmcli {
        Mmcli::of("mmcli", &["-m", "any", "-J"])
    }

    pub(super) fn of(program: &str, arguments: &[&str]) -> Mmcli {
        let arguments = arguments.iter().map(OsString::from).collect();
        Mmcli {
            program: program.into(),
            arguments,
            #[cfg(test)]
            bus: None,
            limit: LIMIT,
        }
    }

    /// The same with another limit.
    #[cfg(test)]
    pub(super) fn within(self, limit: Duration) -> Mmcli {
        Mmcli { limit, ..self }
    }

    /// The same on another bus.
    #[cfg(test)]
    pub(super) fn on_bus(self, address: &str) -> Mmcli {
        Mmcli { bus: Some(address.to_owned()), ..self }
    }

    /// The modem that ModemManager lists first, within the limit.
    pub(super) async fn ask(&self) -> Result<ModemReading, NoReading> {
        let mut child = self.spawn().map_err(|error| {
            let is_installed = error.kind() != io::ErrorKind::NotFound;
            if is_installed { NoReading::Unreadable } else { NoReading::NotInstalled }
        })?;
        match timeout(self.limit, output(&mut child)).await {
            Ok(Ok(output)) => understand(&output),
            Ok(Err(_)) => Err(NoReading::Unreadable),
            Err(_) => {
                // A process that does not end even so is reaped by tokio, when it does.
                let _ = timeout(KILL_LIMIT, child.kill()).await;
                Err(NoReading::Late)
            }
        }
    }

    fn spawn(&self) -> io::Result<Child> {
        let mut command = Command::new(&self.program);
        #[cfg(test)]
        command.envs(self.bus.iter().map(|address| ("DBUS_SYSTEM_BUS_ADDRESS", address)));
        command
            .args(&self.arguments)
            .env("LC_ALL", "C")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
    }
}

async fn output(child: &mut Child) -> io::Result<Output> {
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let (stdout, stderr) = tokio::try_join!(beginning(stdout), beginning(stderr))?;
    Ok(Output { status: child.wait().await?, stdout, stderr })
}

/// What is written to a pipe, up to the bound. The pipe is closed then: what is written after that fails.
async fn beginning(pipe: Option<impl AsyncRead + Unpin>) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if let Some(pipe) = pipe {
        pipe.take(MAX_OUTPUT).read_to_end(&mut bytes).await?;
    }
    Ok(bytes)
}

fn understand(output: &Output) -> Result<ModemReading, NoReading> {
    if output.status.success() {
        return ModemReading::parse(&output.stdout).ok_or(NoReading::Unreadable);
    }
    let complaint = String::from_utf8_lossy(&output.stderr);
    // cli/mmcli-common.c of ModemManager 1.20.
    let says = |text: &str| complaint.contains(text);
    if says("couldn't find modem") {
        return Err(NoReading::NoModem);
    }
    let has_manager = !says("couldn't find the ModemManager process");
    Err(if has_manager { NoReading::Unreadable } else { NoReading::NoManager })
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::time::Instant;

    use super::*;
    use crate::modem::bus::{Bus, LIMIT, mmcli_on};
    use crate::modem::reading::{ModemState, Registration};

    async fn shell(script: &str) -> Result<ModemReading, NoReading> {
        Mmcli::of("sh", &["-c", script]).within(LIMIT).ask().await
    }

    #[tokio::test]
    async fn without_a_program_a_bus_a_manager_or_a_modem_there_is_no_reading_and_a_cure() {
        let nowhere = Mmcli::of("/nowhere/mmcli", &[]);
        assert_eq!(nowhere.ask().await, Err(NoReading::NotInstalled));
        let no_bus = mmcli_on("unix:path=/nowhere");
        assert_eq!(no_bus.ask().await, Err(NoReading::Unreadable));
        let bus = Bus::start().await;
        assert_eq!(bus.mmcli().ask().await, Err(NoReading::NoManager));
        let _manager = bus.modem_manager();
        assert_eq!(bus.answer().await, Err(NoReading::NoModem));
    }

    /// Debian's mmcli, on a bus where ModemManager's place is taken by another program, which has a modem.
    #[tokio::test]
    async fn a_modem_is_read_through_the_real_mmcli() {
        use ModemState::{Connected, Locked, NoSim, Searching};
        use Registration::{Denied, Home, Roaming, Unknown};
        for (properties, state, registration, signal, technology) in [
            ("{}", Connected, Home, 0.71, Some("lte")),
            (
                r#"{"signal": 100, "registration": 5, "access_technologies": 49152}"#,
                Connected,
                Roaming,
                1.0,
                Some("5gnr"),
            ),
            (
                r#"{"state": 7, "signal": 0, "registration": 3, "access_technologies": 0}"#,
                Searching,
                Denied,
                0.0,
                None,
            ),
            (r#"{"state": 2, "registration": 4}"#, Locked, Unknown, 0.71, Some("lte")),
            (r#"{"state": -1, "state_failed_reason": 2}"#, NoSim, Unknown, 0.71, Some("lte")),
        ] {
            let bus = Bus::start().await;
            let _manager = bus.modem_manager_with_a_modem(properties);
            let reading = ModemReading { signal: Some(signal), state, registration, technology };
            assert_eq!(bus.answer().await, Ok(reading), "{properties}");
        }
    }

    #[tokio::test]
    async fn a_program_that_hangs_is_killed_and_reaped_within_its_limit() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("process");
        let script =
            ["-c", "echo $$ > $0.new; mv $0.new $0; exec sleep 600", file.to_str().unwrap()];
        // Long enough for it to have begun; doubled until it has.
        let mut limit = Duration::from_millis(100);
        while !file.exists() {
            let started = Instant::now();
            let answer = Mmcli::of("sh", &script).within(limit).ask().await;
            assert_eq!(answer, Err(NoReading::Late));
            assert!(started.elapsed() < limit + KILL_LIMIT + LIMIT);
            limit *= 2;
        }
        let process = fs::read_to_string(&file).unwrap();
        assert!(!fs::exists(format!("/proc/{}", process.trim())).unwrap(), "{process}");
    }

    #[tokio::test]
    async fn a_program_that_writes_without_an_end_is_given_up() {
        assert_eq!(shell("exec yes").await, Err(NoReading::Unreadable));
        assert_eq!(shell("exec yes >&2").await, Err(NoReading::Unreadable));
    }

    #[tokio::test]
    async fn an_answer_that_is_none_gives_no_reading() {
        for script in ["true", "false", "echo '{}'", "echo '{\"modem\":[]}'", "printf '\\377'"] {
            assert_eq!(shell(script).await, Err(NoReading::Unreadable), "{script}");
        }
    }
}
