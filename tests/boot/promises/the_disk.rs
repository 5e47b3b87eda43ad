//! Promised: a full disk stops no signature and moves no mark; a signer that is started on one says what it lacks, and
//! signs as soon as there is room, without a hand on it.

use anyhow::ensure;
use boot::home::{Home, at_home};
use boot::votes::AGAIN;

const STORE: &str = "/var/lib/peel";

/// A vote comes every 0.3 s meanwhile.
fn fill(home: &mut Home) -> anyhow::Result<()> {
    home.shell()?.try_within(AGAIN, &format!("fill {STORE}"))?;
    home.shell()?.run("sleep 10").map(drop)
}

#[test]
fn a_full_disk_stops_no_signature() -> anyhow::Result<()> {
    at_home(|home| {
        let process = home.main_process()?;
        let votes = home.votes_during(fill)?;
        let room = home.shell()?.run(&format!("stat --file-system --format=%a {STORE}"))?;
        home.shell()?.run(&format!("make_room {STORE}"))?;
        ensure!(room.trim() == "0", "{room} blocks were free");
        ensure!(votes.failures().is_empty(), "{:?}", votes.failures());
        ensure!(process == home.main_process()?, "it was restarted");
        Ok(())
    })
}

#[test]
fn a_start_on_a_full_disk_ends_with_room() -> anyhow::Result<()> {
    at_home(|home| {
        let votes = home.votes_during(|home| {
            fill(home)?;
            home.shell()?.run("systemctl kill --signal=KILL peel-signer")?;
            home.wait_until_not_ready()?;
            let said =
                "journalctl --boot --unit=peel-signer --grep='no room on the disk' --lines=1";
            // Until it was started again, and found none.
            let until =
                format!("until {said} >/dev/null 2>&1; do sleep 1; done; {said} --output=cat");
            println!("    {}", home.shell()?.run_within(AGAIN, &until)?.trim());
            home.shell()?.run(&format!("make_room {STORE}"))?;
            home.wait_until_ready().map(drop)
        })?;
        ensure!(!votes.failures().is_empty(), "it signed without a store");
        Ok(())
    })
}
