//! ModemManager's own program, which is asked in place of its bus: a client of D-Bus would be linked in for the sake
//! of four words.

#[cfg(test)]
use std::time::Duration;

use thiserror::Error;

use crate::modem::reading::ModemReading;
use crate::program::{Output, Program, ProgramError};

/// How ModemManager is asked.
#[derive(Debug, Clone)]
pub(super) struct Mmcli(Program);

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

impl Mmcli {
    /// Debian's, in whatever folder of PATH. mmcli itself waits for 30 s.
    pub(super) fn installed() -> Mmcli {
        Mmcli::of("mmcli", &["-m", "any", "-J"])
    }

    pub(super) fn of(program: &str, arguments: &[&str]) -> Mmcli {
        Mmcli(Program::new(program, arguments))
    }

    /// The same with another limit.
    #[cfg(test)]
    pub(super) fn within(self, limit: Duration) -> Mmcli {
        Mmcli(self.0.within(limit))
    }

    /// The same on another bus.
    #[cfg(test)]
    pub(super) fn on_bus(self, address: &str) -> Mmcli {
        Mmcli(self.0.on_bus(address))
    }

    /// The modem that ModemManager lists first, within the limit.
    pub(super) async fn ask(&self) -> Result<ModemReading, NoReading> {
        match self.0.run().await {
            Ok(output) => understand(&output),
            Err(ProgramError::NotInstalled) => Err(NoReading::NotInstalled),
            Err(ProgramError::Late) => Err(NoReading::Late),
            Err(ProgramError::Failed(_)) => Err(NoReading::Unreadable),
        }
    }
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
    use crate::program::KILL_LIMIT;

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
