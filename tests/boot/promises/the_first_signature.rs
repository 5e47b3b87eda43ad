//! Promised: a Ledger on USB is found by its udev rule, opened by the unit as the user `peel`, and signs through the tunnel.

use anyhow::ensure;
use boot::home::at_home;

#[test]
fn a_vote_is_signed_by_a_ledger_on_usb_through_the_tunnel() -> anyhow::Result<()> {
    at_home(|home| {
        let votes = home.votes_during(|_| Ok(()))?;
        ensure!(votes.failures().is_empty(), "{:?}", votes.failures());
        Ok(())
    })
}

#[test]
fn the_udev_rule_gives_the_node_to_the_group_peel() -> anyhow::Result<()> {
    at_home(|home| {
        let mode = home.shell()?.run("stat -c '%U:%G %a' /dev/hidraw*")?;
        ensure!(mode == "root:peel 660", "{mode}");
        Ok(())
    })
}

#[test]
fn the_unit_has_the_node_open_as_the_user_peel() -> anyhow::Result<()> {
    at_home(|home| {
        let process = home.main_process()?;
        let user = home.shell()?.run(&format!("stat -c %U /proc/{process}"))?;
        ensure!(user == "peel", "{user}");
        let open = home.shell()?.run(&format!("ls -l /proc/{process}/fd"))?;
        ensure!(open.contains("/dev/hidraw"), "{open}");
        Ok(())
    })
}
