//! `peel ledger`.

use std::io::{BufRead, Write};
use std::thread;
use std::time::{Duration, Instant};

use ::ledger::{
    Address, BakingApp, Derivation, DeviceMarks, Found, KeyPath, Transport, TransportError, find,
    open,
};
use anyhow::{anyhow, bail};
use ledger_sim::{Approval, Config, Device};
use serde_json::json;
use tezos::{ChainId, Level, PublicKey, PublicKeyHash};

use crate::args::{Latency, LedgerCommand};

pub(crate) fn run(command: LedgerCommand) -> anyhow::Result<()> {
    match command {
        LedgerCommand::List { transport, json } => list(transport.address, json),
        LedgerCommand::Key { path, transport, confirm, json } => {
            key(transport.address, &path, confirm, json)
        }
        LedgerCommand::Setup { path, transport, chain, level } => {
            setup(transport.address, &path, chain, level)
        }
        LedgerCommand::Mark { transport, set, json } => mark(transport.address, set, json),
        LedgerCommand::Simulate { listen, seed, latency, approve } => {
            let latency = match latency {
                Latency::Real => ledger_sim::Latency::Real,
                Latency::None => ledger_sim::Latency::None,
            };
            let approval = if approve { Approval::Accept } else { Approval::Ask };
            let mut config = Config { latency, approval, ..Config::default() };
            if let Some(words) = seed {
                config.mnemonic = words;
            }
            simulate(&Device::start(listen, &config)?, approve)
        }
    }
}

/// A signer that cannot sign lets the device go twice in this time.
const BUSY_LIMIT: Duration = Duration::from_secs(5);
const BUSY_PAUSE: Duration = Duration::from_millis(50);
const BAKING_APP: &str = "Tezos Baking";

/// The only Ledger there. Waits a moment if another process has it.
pub(crate) fn connect(address: Address) -> anyhow::Result<BakingApp> {
    let found = find(address)?;
    match found.as_slice() {
        [] => bail!("no Ledger found on {address}; plug it in, unlock it and open the Baking app"),
        [only] => Ok(BakingApp::new(open_when_free(only)?)?),
        [_, _, ..] => bail!("{} Ledgers are plugged in; leave the one that is meant", found.len()),
    }
}

fn open_when_free(device: &Found) -> anyhow::Result<Box<dyn Transport>> {
    let end = Instant::now() + BUSY_LIMIT;
    let mut is_told = false;
    loop {
        match open(device) {
            Err(TransportError::InUse(place)) if Instant::now() < end => {
                if !is_told {
                    daemon::tell!("The Ledger at {place} is in use; waiting until it is free.");
                    is_told = true;
                }
                thread::sleep(BUSY_PAUSE);
            }
            Err(error @ TransportError::InUse(_)) => {
                bail!(
                    "{error}. A signer that can sign keeps it; stop it first, and start it again after this"
                )
            }
            opened => return Ok(opened?),
        }
    }
}

/// A line for each device that is there.
pub(crate) fn describe(address: Address) -> anyhow::Result<Vec<String>> {
    let found = find(address)?;
    if found.is_empty() {
        return Err(anyhow!("no Ledger found on {address}; plug it in and unlock it"));
    }
    let (seen, silent): (Vec<_>, Vec<_>) = found.iter().map(report).partition(Result::is_ok);
    let seen: Vec<String> = seen.into_iter().flatten().map(|seen| seen.line()).collect();
    match silent.into_iter().find_map(Result::err) {
        Some(why) if seen.is_empty() => Err(anyhow!("the Ledger does not answer: {why}")),
        Some(_) | None => Ok(seen),
    }
}

/// What a device says of itself.
struct Seen {
    place: String,
    app: String,
    root: String,
    authorized: Option<KeyPath>,
    marks: DeviceMarks,
}

fn report(device: &Found) -> Result<Seen, String> {
    let look = || -> anyhow::Result<Seen> {
        let mut app = BakingApp::new(open(device)?)?;
        let running = app.running_app()?;
        if running.name != BAKING_APP {
            bail!("{} is open; open the Tezos Baking app", running.name);
        }
        Ok(Seen {
            place: device.place.clone(),
            app: format!("{} {} ({})", running.name, running.version, app.build()?),
            root: app.public_key(&KeyPath::root())?.hash().to_string(),
            authorized: app.authorized_key()?,
            marks: app.marks()?,
        })
    };
    look().map_err(|error| format!("{}: {error:#}", device.place))
}

impl Seen {
    fn line(&self) -> String {
        let authorized = self.authorized.as_ref();
        format!(
            "{}: {}, root {}, {}, {}",
            self.place,
            self.app,
            self.root,
            authorized.map_or("no key authorised".to_owned(), |path| format!("{path} authorised")),
            marks_line(&self.marks),
        )
    }
}

fn list(address: Address, as_json: bool) -> anyhow::Result<()> {
    let found = find(address)?;
    let reports: Vec<_> = found.iter().map(report).collect();
    if as_json {
        let objects = reports.iter().map(|report| match report {
            Ok(seen) => json!({
                "place": seen.place,
                "app": seen.app,
                "root": seen.root,
                "authorized": seen.authorized.as_ref().map(ToString::to_string),
                "marks": marks_json(&seen.marks),
            }),
            Err(why) => json!({ "error": why }),
        });
        daemon::say!("{}", serde_json::Value::from(objects.collect::<Vec<_>>()));
    }
    if found.is_empty() {
        bail!("no Ledger found on {address}; plug it in and unlock it");
    }
    let is_any_there = reports.iter().any(Result::is_ok);
    for report in reports.into_iter().filter(|_| !as_json) {
        daemon::say!("{}", report.map_or_else(|why| why, |seen| seen.line()));
    }
    if is_any_there {
        Ok(())
    } else {
        bail!("no Ledger answers on {address} with the Baking app open")
    }
}

fn key(address: Address, path: &KeyPath, confirm: bool, as_json: bool) -> anyhow::Result<()> {
    let mut app = connect(address)?;
    let key = app.public_key(path)?;
    if confirm {
        daemon::tell!("Compare on the device, and confirm there: {}", key.hash());
        let shown = app.show_public_key(path)?;
        if shown != key {
            bail!("the device showed {}, and had said {} before", shown.hash(), key.hash());
        }
    }
    print_key(path, &key, as_json);
    Ok(())
}

fn print_key(path: &KeyPath, key: &PublicKey, as_json: bool) {
    if as_json {
        let key = json!({
            "path": path.to_string(),
            "public_key_hash": key.hash().to_string(),
            "public_key": key.to_string(),
        });
        daemon::say!("{key}");
    } else {
        daemon::say!("public_key_hash  {}\npublic_key       {key}", key.hash());
    }
}

/// A key of the device, and what the device may do with it.
pub(crate) struct Authorization {
    pub(crate) key: PublicKeyHash,
    /// The key that may bake, whichever it is.
    pub(crate) authorized: Option<KeyPath>,
    pub(crate) marks: DeviceMarks,
}

/// Asks the only Ledger there for the key at `path`.
pub(crate) fn authorization(address: Address, path: &KeyPath) -> anyhow::Result<Authorization> {
    let mut app = connect(address)?;
    let running = app.running_app()?;
    if running.name != BAKING_APP {
        bail!("{} is open on the Ledger; open the Tezos Baking app", running.name);
    }
    Ok(Authorization {
        key: app.public_key(path)?.hash(),
        authorized: app.authorized_key()?,
        marks: app.marks()?,
    })
}

/// Authorises a key; the device asks for a confirmation.
pub(crate) fn setup(
    address: Address,
    path: &KeyPath,
    chain: ChainId,
    level: Level,
) -> anyhow::Result<()> {
    check_level(level)?;
    if path.derivation == Derivation::Bls {
        bail!(
            "the Baking app cannot sign tz4 votes as the chain wants them: a bls12-381 key on the device could not \
             attest. Take secp256k1 (tz2), or keep the tz4 key in a file (\"peel key generate\")"
        );
    }
    let mut app = connect(address)?;
    let address = app.public_key(path)?.hash();
    // In the device's own words and order.
    daemon::tell!("The device shows these; compare, and confirm there:");
    daemon::tell!("  Address         {address}");
    daemon::tell!(
        "  Chain           {}",
        chain.name().map_or_else(|| chain.to_string(), str::to_owned)
    );
    daemon::tell!("  Main Chain HWM  {level}");
    daemon::tell!("  Test Chain HWM  {level}");
    tell_what_is_lowered(&app.marks()?, level);
    let key = app.setup(path, chain, level, level)?;
    daemon::say!("{} may bake; the device signs nothing below level {level}", key.hash());
    Ok(())
}

/// The device is the second guard: a person who lowers its mark has to know it before the confirmation.
fn tell_what_is_lowered(marks: &DeviceMarks, level: Level) {
    let present = marks.main.level.max(marks.other.level);
    if level < present {
        daemon::tell!(
            "  This LOWERS the device's mark, which is at level {present}: no, unless you mean that."
        );
    }
}

/// The app takes any mark, and signs nothing from 2^30 on: it would sign nothing any more.
fn check_level(level: Level) -> anyhow::Result<()> {
    if u32::from(level) < BakingApp::LEVEL_END {
        return Ok(());
    }
    bail!(
        "level {level} is too high: the Baking app signs only below {} (2^30)",
        BakingApp::LEVEL_END
    )
}

fn mark(address: Address, set: Option<Level>, as_json: bool) -> anyhow::Result<()> {
    set.map_or(Ok(()), check_level)?;
    let mut app = connect(address)?;
    if let Some(level) = set {
        daemon::tell!("Confirm on the device: high watermark {level}");
        tell_what_is_lowered(&app.marks()?, level);
        app.reset_marks(level)?;
    }
    let marks = app.marks()?;
    if as_json {
        daemon::say!("{}", marks_json(&marks));
    } else {
        daemon::say!("{}", marks_line(&marks));
    }
    Ok(())
}

fn marks_line(marks: &DeviceMarks) -> String {
    if marks.main_chain.to_bytes() == [0; 4] {
        return format!("mark of all chains {}", marks.main);
    }
    let chain = marks.main_chain.name().map_or_else(|| marks.main_chain.to_string(), str::to_owned);
    format!("mark of {chain} {}, of other chains {}", marks.main, marks.other)
}

fn marks_json(marks: &DeviceMarks) -> serde_json::Value {
    json!({
        "main_chain": marks.main_chain.to_string(),
        "main": { "level": u32::from(marks.main.level), "round": u32::from(marks.main.round) },
        "other": { "level": u32::from(marks.other.level), "round": u32::from(marks.other.round) },
    })
}

fn simulate(device: &Device, approve: bool) -> anyhow::Result<()> {
    daemon::say!("A simulated Ledger listens on tcp://{}. Ctrl-C ends it.", device.address());
    daemon::say!("Its seed is public: never put funds on its keys.");
    if approve {
        daemon::say!("It approves whatever is asked.");
    }
    loop {
        if device.wait_for_prompt(Duration::from_secs(1)) {
            ask_person(device)?;
        }
    }
}

fn ask_person(device: &Device) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    write!(out, "The device asks for your approval. Approve? [y/n] ")?;
    out.flush()?;
    let mut line = String::new();
    if std::io::stdin().lock().read_line(&mut line)? == 0 {
        bail!("a prompt waits and nobody can be asked; start it in a terminal, or with --approve");
    }
    device.decide(line.trim().eq_ignore_ascii_case("y"));
    Ok(())
}
