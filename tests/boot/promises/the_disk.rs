//! Promised: a full disk stops signing, says so, and moves no mark; with room again it signs, without a restart.

use anyhow::ensure;
use boot::home::at_home;
use boot::votes::AGAIN;

#[test]
fn a_full_disk_ends_with_room() -> anyhow::Result<()> {
    at_home(|home| {
        let process = home.main_process()?;
        let votes = home.votes_during(|home| {
            home.shell()?.try_within(AGAIN, "fill /var/lib/peel")?;
            home.wait_until_not_ready()?;
            println!(
                "    {}",
                home.readyz()?.lines().filter(|line| line.contains("store")).collect::<String>()
            );
            home.shell()?.run("make_room /var/lib/peel")?;
            home.wait_until_ready().map(drop)
        })?;
        ensure!(!votes.failures().is_empty(), "the disk was not full");
        let now = home.main_process()?;
        ensure!(process == now, "it was restarted");
        Ok(())
    })
}
