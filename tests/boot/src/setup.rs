//! From a computer that was never set up to one that signs, as an operator does it: one file is written, one line is pasted.

use std::time::Duration;

use anyhow::Context;
use tunnel::PublicKey;

use crate::gateway::{NAME, PORT};
use crate::home::{FLOOR, Home};
use crate::machine::{Clock, Firmware};

/// From power-on to the block for the gateway; for the whole setup.
const LIMIT: Duration = Duration::from_secs(600);
/// What the image's console shows, as a file.
const BLOCK: &str = "/run/peel-home/paste";

/// A Debian with the package: the answers come in a file, and the two commands are given by hand.
pub(crate) fn of_package(home: &mut Home) -> anyhow::Result<()> {
    home.power_on(Clock::Right)?;
    let said = home.shell()?.run_within(LIMIT, "peel signer setup --only-identity")?;
    authorize(home, &said)?;
    let answers = answers(home) + &uplinks(home)?;
    home.shell()?.write("/run/answers.toml", &answers)?;
    let said =
        home.shell()?.run_within(LIMIT, "peel signer setup --answers /run/answers.toml --yes")?;
    println!("    {}", said.lines().last().unwrap_or_default());
    home.wait_until_ready().map(drop)
}

/// The image: the answers are on the card, the block for the gateway is on the console. The first boot is by EFI.
pub(crate) fn of_card(home: &mut Home) -> anyhow::Result<()> {
    home.edit_card("peel.toml", &answers(home))?;
    home.power_on_with(Firmware::Efi, Clock::Right)?;
    let wait = format!("until test -s {BLOCK}; do sleep 1; done; cat {BLOCK}");
    let block = home.shell()?.run_within(LIMIT, &wait)?;
    println!(
        "    the block for the gateway {:.1} s after power-on",
        home.seconds_since_power_on()?
    );
    authorize(home, &block)?;
    home.wait_until_ready()?;
    println!("    ready {:.1} s after power-on", home.seconds_since_power_on()?);
    Ok(())
}

/// `peel.toml`.
fn answers(home: &Home) -> String {
    let (address, host_key) = home.gateway.endpoint();
    format!(
        "gateway = \"{address}\"\nhost-key = \"{host_key}\"\nledger = \"secp256k1/0h/0h\"\nlevel = {FLOOR}\n\
         name = \"{NAME}\"\nport = {PORT}\n"
    )
}

/// Both lines, by the names that udev gave their interfaces.
fn uplinks(home: &mut Home) -> anyhow::Result<String> {
    let names = home.shell()?.run("udevadm settle; cd /sys/class/net && ls -d e*")?;
    let names: Vec<String> = names.split_whitespace().map(|name| format!("\"{name}\"")).collect();
    Ok(format!("uplink = [{}]\n", names.join(", ")))
}

/// The gateway takes the line `peel gateway add NAME --ssh-public-key '…' --port 8443`.
fn authorize(home: &mut Home, said: &str) -> anyhow::Result<()> {
    let quoted = said.split_once("--ssh-public-key '").and_then(|(_, rest)| rest.split_once('\''));
    let (text, _) = quoted.with_context(|| format!("no ssh key in {said:?}"))?;
    let ssh_public_key: PublicKey =
        text.parse().with_context(|| format!("no ssh key: {text:?}"))?;
    let key = home.key();
    home.gateway.authorize(ssh_public_key, key)
}
