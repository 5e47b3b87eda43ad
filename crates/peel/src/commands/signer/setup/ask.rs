//! The questions of `peel signer setup`: only of what was not said, with what was found as the default.

use std::fs;
use std::path::Path;

use anyhow::bail;
use ledger::{Address, KeyPath};
use signer::Candidate;
use tezos::Level;
use tunnel::PublicKey;

use crate::args::{Choices, parse_level};
use crate::commands::gateway::init::with_port;
use crate::commands::ledger::{self as device, Authorization};
use crate::commands::node::LevelUrl;
use crate::commands::signer::setup::prompt::Prompt;

/// The key of a Ledger that is set up for the first time: it signs in 0.23 s on a Nano S Plus.
const DEFAULT_KEY: &str = "secp256k1/0h/0h";

/// The choices with what a person answers to the rest. A file that is there is changed only in what is asked.
pub(super) fn complete(
    folder: &Path,
    choices: Choices,
    prompt: &mut Prompt,
) -> anyhow::Result<Choices> {
    let file = folder.join("signer.toml");
    let text = fs::read_to_string(&file).unwrap_or_default();
    let there: toml::Table = text.parse().unwrap_or_default();
    daemon::say!(
        "A signer is set up in {}. Nothing is written before the last yes; Enter takes what is in [ ].",
        folder.display()
    );
    let mut choices = choices;
    if there.is_empty() {
        ask_key(&mut choices, prompt)?;
    } else {
        daemon::say!("{} is there: what it says stays, but for what is typed now.", file.display());
    }
    ask_gateway(&mut choices, &there, prompt)?;
    ask_lines(&mut choices, &there, prompt)?;
    ask_power(&mut choices, &there, prompt)?;
    if there.is_empty() {
        let (name, port) = (choices.name.take(), choices.port.take());
        let default = name.as_deref().unwrap_or(super::DEFAULT_NAME);
        choices.name = Some(prompt.ask(
            "The signer's name at the gateway",
            Some(default),
            crate::args::parse_name,
        )?);
        let default = port.unwrap_or(super::file::PORT).to_string();
        choices.port = Some(prompt.ask("Its port there", Some(&default), port_number)?);
    }
    Ok(choices)
}

fn port_number(text: &str) -> Result<u16, String> {
    let port = text.parse().ok().filter(|port| (1..=64535).contains(port));
    port.ok_or_else(|| "a port is a number from 1 to 64535; the shell's is 1000 above".to_owned())
}

/// The key, where it is, and the level to begin at.
fn ask_key(choices: &mut Choices, prompt: &mut Prompt) -> anyhow::Result<()> {
    let mut seen = None;
    if choices.secret_key_file.is_none() {
        let transport = choices.transport.unwrap_or(Address::Usb);
        let path = choices.ledger.take();
        let (path, found) = find_ledger(transport, path, prompt)?;
        daemon::say!("  {path} is {}", found.key);
        choices.ledger = Some(path);
        seen = Some(found);
    }
    if choices.level.is_none() && choices.node.is_none() {
        ask_level(choices, seen.as_ref(), prompt)?;
    }
    Ok(())
}

/// Waits until the device answers, however long the person takes to plug it in.
fn find_ledger(
    transport: Address,
    path: Option<KeyPath>,
    prompt: &mut Prompt,
) -> anyhow::Result<(KeyPath, Authorization)> {
    let path: KeyPath = match path {
        Some(path) => path,
        None => prompt.ask("The key on the Ledger", Some(DEFAULT_KEY), str::parse)?,
    };
    loop {
        match device::authorization(transport, &path) {
            Ok(found) => return Ok((path, found)),
            Err(error) => daemon::say!("  {error:#}"),
        }
        if !prompt.yes("Look again?")? {
            bail!("nothing was written");
        }
    }
}

fn ask_level(
    choices: &mut Choices,
    seen: Option<&Authorization>,
    prompt: &mut Prompt,
) -> anyhow::Result<()> {
    if let Some(seen) = seen {
        daemon::say!("  the Ledger's own high watermark is {}", seen.marks.main.level);
    }
    daemon::say!(
        "  Nothing at or below the level that is given now will ever be signed with this key."
    );
    let answer = prompt.ask(
        "The chain's present level, or a node's URL that tells it",
        None,
        level_or_node,
    )?;
    match answer {
        LevelAnswer::Level(level) => choices.level = Some(level),
        LevelAnswer::Node(node) => choices.node = Some(node),
    }
    Ok(())
}

enum LevelAnswer {
    Level(Level),
    Node(LevelUrl),
}

fn level_or_node(text: &str) -> Result<LevelAnswer, String> {
    if text.contains("://") {
        return text.parse().map(LevelAnswer::Node).map_err(|error| format!("{error}"));
    }
    parse_level(text).map(LevelAnswer::Level)
}

/// An address and a host key; or the whole line that "peel gateway init" prints.
fn ask_gateway(
    choices: &mut Choices,
    there: &toml::Table,
    prompt: &mut Prompt,
) -> anyhow::Result<()> {
    if !choices.gateway.is_empty() {
        return Ok(());
    }
    let own = listed(there, "gateway", "address");
    let default = (!own.is_empty()).then(|| own.join(", "));
    let question = "The gateway: its HOST:PORT, or the line that \"peel gateway init\" printed";
    let answer: String = prompt.ask(question, default.as_deref(), |text| {
        if text.is_empty() {
            Err("it is where bakers ask; there has to be one")
        } else {
            Ok(text.to_owned())
        }
    })?;
    if Some(&answer) == default.as_ref() {
        return Ok(());
    }
    if let Some(line) = pasted(&answer) {
        let line = line?;
        (choices.gateway, choices.host_key) = (line.gateway, line.host_key);
        return Ok(());
    }
    choices.gateway = vec![with_port(&answer)];
    let key: PublicKey = prompt.ask("Its host key, ssh-ed25519 AAAA…", None, str::parse)?;
    choices.host_key = vec![key];
    Ok(())
}

/// The choices in `peel signer init DIR --gateway … --host-key '…'`.
fn pasted(line: &str) -> Option<anyhow::Result<Choices>> {
    let words = words(line);
    let flags = words.iter().position(|word| word.starts_with("--"))?;
    let wanted = ["--gateway", "--host-key"];
    let pairs = words
        .get(flags..)?
        .chunks(2)
        .filter(|pair| pair.first().is_some_and(|flag| wanted.contains(&flag.as_str())));
    Some(Choices::parse(pairs.flatten().cloned().collect()))
}

/// Words as a shell parts them, with single quotes and without anything else.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (at, part) in line.split('\'').enumerate() {
        if at % 2 == 1 {
            words.push(part.to_owned());
        } else {
            words.extend(part.split_whitespace().map(str::to_owned));
        }
    }
    words
}

fn ask_lines(
    choices: &mut Choices,
    there: &toml::Table,
    prompt: &mut Prompt,
) -> anyhow::Result<()> {
    if !choices.uplink.is_empty() || !choices.metered.is_empty() {
        return Ok(());
    }
    let found = signer::candidates();
    for Candidate { name, kind, has_route } in &found {
        let route = if *has_route { "" } else { ", no default route now" };
        daemon::say!("  {name}: {kind}{route}");
    }
    let own = listed(there, "uplink", "interface");
    let default = if own.is_empty() { default_lines(&found) } else { own.join(" ") };
    daemon::say!(
        "  All lines that are named are up at once. \"any\" is whatever route the system has."
    );
    let names: Vec<String> =
        prompt.ask("Lines to dial over, with blanks between", Some(&default), |text| {
            Ok::<_, String>(
                text.split([' ', ',']).filter(|name| !name.is_empty()).map(str::to_owned).collect(),
            )
        })?;
    if names == own || names == ["any"] {
        return Ok(());
    }
    let mobile = |name: &&String| found.iter().any(|own| own.name == **name && own.is_mobile());
    let mobile: Vec<&str> = names.iter().filter(mobile).map(String::as_str).collect();
    let default = if mobile.is_empty() { "none".to_owned() } else { mobile.join(" ") };
    choices.metered =
        prompt.ask("Of these, lines whose bytes cost money", Some(&default), |text| {
            let metered = text.split([' ', ',']).filter(|name| !name.is_empty() && *name != "none");
            let metered: Vec<String> = metered.map(str::to_owned).collect();
            match metered.iter().find(|name| !names.contains(name)) {
                Some(name) => Err(format!(
                    "{name} is none of these; write \"none\" or some of: {}",
                    names.join(" ")
                )),
                None => Ok(metered),
            }
        })?;
    choices.uplink = names;
    Ok(())
}

/// With one line, or none, the routes of the system do.
fn default_lines(found: &[Candidate]) -> String {
    if found.len() < 2 {
        return "any".to_owned();
    }
    found.iter().map(|own| own.name.as_str()).collect::<Vec<_>>().join(" ")
}

fn ask_power(
    choices: &mut Choices,
    there: &toml::Table,
    prompt: &mut Prompt,
) -> anyhow::Result<()> {
    if choices.power.is_some() || there.contains_key("power") {
        return Ok(());
    }
    let default = if signer::is_told_by_sysfs() { "sysfs" } else { "none" };
    daemon::say!(
        "  Mains or battery is told by: sysfs (this computer's own battery), nut://UPS@HOST, gpio:/dev/gpiochip0:LINE, none"
    );
    let source: String = prompt.ask("What tells mains from battery", Some(default), |text| {
        Ok::<_, String>(text.to_owned())
    })?;
    choices.power = Some(source).filter(|source| source != "none");
    Ok(())
}

/// A field of each entry of a list under `[tunnel]`.
fn listed(there: &toml::Table, list: &str, field: &str) -> Vec<String> {
    let entries = there.get("tunnel").and_then(|tunnel| tunnel.get(list)?.as_array());
    let entries = entries.into_iter().flatten();
    entries.filter_map(|entry| Some(entry.get(field)?.as_str()?.to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_of_gateway_init_can_be_pasted_whole() {
        let key =
            "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGuyTk3vzgbjUYYIRSNLZ1vB8/AY7xUYiGcOqBDWcUAA";
        let line = format!(
            "  peel signer init home --gateway gw.example.com:58255 --host-key '{key} gateway' --ledger secp256k1/0h/0h --level LEVEL"
        );
        let choices = pasted(&line).unwrap().unwrap();
        assert_eq!(choices.gateway, ["gw.example.com:58255"]);
        assert_eq!(choices.gateways().unwrap().len(), 1);
        assert!(pasted("gw.example.com:58255").is_none());
    }
}
