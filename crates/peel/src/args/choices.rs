//! What a signer is made of, as it is typed: on the command line, or in a file of answers.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::Parser;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use ledger::{Address, KeyPath};
use tezos::{ChainId, Level};
use toml::Value;
use tunnel::PublicKey;

use crate::args::{parse_level, parse_name};
use crate::commands::node::LevelUrl;

/// Each of these can also be a line of a file of answers, under its own name: `host_key = "…"`.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct Choices {
    /// The signer's name at the gateway. [default: home]
    #[arg(long, value_parser = parse_name)]
    pub(crate) name: Option<String>,
    /// The signer's port at the gateway; its shell is at port + 1000. [default: 8443]
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=64535))]
    pub(crate) port: Option<u16>,
    /// Where a gateway is dialled, with its --host-key. May be repeated.
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) gateway: Vec<String>,
    /// A gateway's host key, as "peel gateway init" prints it. One alone is that of every --gateway.
    #[arg(long, value_name = "KEY")]
    pub(crate) host_key: Vec<PublicKey>,
    /// The key on the Ledger, as in secp256k1/0h/0h (tz2).
    #[arg(long, value_name = "CURVE/PATH")]
    pub(crate) ledger: Option<KeyPath>,
    /// Where the Ledger is: "usb", or "tcp://HOST:PORT" of an emulator.
    #[arg(long, value_name = "WHERE")]
    pub(crate) transport: Option<Address>,
    /// Instead of a Ledger: a file with a key, as "peel key generate" makes it.
    #[arg(long, value_name = "FILE", conflicts_with = "ledger")]
    pub(crate) secret_key_file: Option<PathBuf>,
    /// The password of that file.
    #[arg(long, value_name = "FILE", requires = "secret_key_file")]
    pub(crate) password_file: Option<PathBuf>,
    /// The chain that is signed for: a name or a Net… id. [default: mainnet]
    #[arg(long)]
    pub(crate) chain: Option<ChainId>,
    /// The chain's present level: nothing at or below it will be signed.
    #[arg(long, value_parser = parse_level)]
    pub(crate) level: Option<Level>,
    /// Ask a node or an indexer for the level: http://127.0.0.1:8732, or a URL whose answer has a "level".
    #[arg(long, value_name = "URL", conflicts_with = "level")]
    pub(crate) node: Option<LevelUrl>,
    /// A network interface to dial over; all are up at once. May be repeated. [default: the system's routes]
    #[arg(long, value_name = "INTERFACE")]
    pub(crate) uplink: Vec<String>,
    /// The same, of a line whose bytes cost money: it is used when no other one answers.
    #[arg(long, value_name = "INTERFACE")]
    pub(crate) metered: Vec<String>,
    /// Show this computer's sshd at port + 1000 of the gateway, as 127.0.0.1:22.
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) shell: Option<daemon::Listen>,
    /// What tells mains from battery: "sysfs", "nut://UPS@HOST" or "gpio:/dev/gpiochip0:LINE".
    #[arg(long, value_name = "SOURCE")]
    pub(crate) power: Option<String>,
}

/// A file of answers, as if its lines had been typed.
#[derive(Debug, Parser)]
struct Answers {
    #[command(flatten)]
    choices: Choices,
}

/// Bytes; a file of answers is a screen.
const MAX_ANSWERS: u64 = 64 * 1024;

impl Choices {
    /// What was typed; and of the rest, what the file says.
    pub(crate) fn with_answers(self, file: &Path) -> anyhow::Result<Choices> {
        Ok(self.or(Choices::read(file)?))
    }

    fn read(file: &Path) -> anyhow::Result<Choices> {
        let name = || file.display().to_string();
        let mut text = String::new();
        let opened = File::open(file).with_context(name)?;
        opened.take(MAX_ANSWERS).read_to_string(&mut text).with_context(name)?;
        let table: toml::Table = text.parse().with_context(name)?;
        Choices::parse(words(&table).with_context(name)?).with_context(name)
    }

    /// From words as they are typed after a command.
    pub(crate) fn parse(words: Vec<String>) -> anyhow::Result<Choices> {
        let typed = ["peel".to_owned()].into_iter().chain(words);
        Ok(Answers::try_parse_from(typed)
            .map_err(|error| anyhow::anyhow!(in_a_line(&error)))?
            .choices)
    }

    fn or(self, other: Choices) -> Choices {
        let has_key = self.ledger.is_some() || self.secret_key_file.is_some();
        let other_key =
            (!has_key).then_some((other.ledger, other.secret_key_file, other.password_file));
        let (ledger, secret_key_file, password_file) = other_key.unwrap_or_default();
        let has_level = self.level.is_some() || self.node.is_some();
        let other_level = (!has_level).then_some((other.level, other.node));
        let (level, node) = other_level.unwrap_or_default();
        let has_lines = !self.uplink.is_empty() || !self.metered.is_empty();
        Choices {
            name: self.name.or(other.name),
            port: self.port.or(other.port),
            gateway: if self.gateway.is_empty() { other.gateway } else { self.gateway },
            host_key: if self.host_key.is_empty() { other.host_key } else { self.host_key },
            ledger: self.ledger.or(ledger),
            transport: self.transport.or(other.transport),
            secret_key_file: self.secret_key_file.or(secret_key_file),
            password_file: self.password_file.or(password_file),
            chain: self.chain.or(other.chain),
            level: self.level.or(level),
            node: self.node.or(node),
            uplink: if has_lines { self.uplink } else { other.uplink },
            metered: if has_lines { self.metered } else { other.metered },
            shell: self.shell.or(other.shell),
            power: self.power.or(other.power),
        }
    }

    /// The level that was typed, or that the named node tells.
    pub(crate) fn asked_level(&self) -> anyhow::Result<Option<Level>> {
        let Some(node) = &self.node else { return Ok(self.level) };
        let level = node.level()?;
        daemon::tell!("level          {level}, as {node} says");
        Ok(Some(level))
    }

    /// Each gateway's address with its host key.
    pub(crate) fn gateways(&self) -> anyhow::Result<Vec<(String, PublicKey)>> {
        let keys = match self.host_key.as_slice() {
            [only] => vec![only.clone(); self.gateway.len()],
            keys => keys.to_vec(),
        };
        if keys.len() != self.gateway.len() || self.gateway.is_empty() != self.host_key.is_empty() {
            bail!(
                "{} times --gateway and {} times --host-key; write one --host-key for each, or one for all of them",
                self.gateway.len(),
                self.host_key.len()
            );
        }
        Ok(self.gateway.iter().cloned().zip(keys).collect())
    }
}

/// The lines of a file, as they would be typed.
fn words(table: &toml::Table) -> anyhow::Result<Vec<String>> {
    let mut words = Vec::new();
    for (name, value) in table {
        let values = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
        for value in values {
            words.push(format!("--{}={}", name.replace('_', "-"), word(name, value)?));
        }
    }
    Ok(words)
}

fn word(name: &str, value: &Value) -> anyhow::Result<String> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Integer(number) => Ok(number.to_string()),
        Value::Float(_)
        | Value::Boolean(_)
        | Value::Datetime(_)
        | Value::Array(_)
        | Value::Table(_) => {
            bail!("{name} is a {}; write a text or a number, or a list of these", value.type_str())
        }
    }
}

/// What is wrong, without the usage of a command that was not typed.
fn in_a_line(error: &clap::Error) -> String {
    if let (ErrorKind::UnknownArgument, Some(ContextValue::String(name))) =
        (error.kind(), error.get(ContextKind::InvalidArg))
    {
        let name = name.trim_start_matches('-').replace('-', "_");
        return format!("{name} is no answer; \"peel signer setup --help\" lists them");
    }
    let text = error.to_string();
    let first = text.lines().next().unwrap_or_default();
    first.trim_start_matches("error: ").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGuyTk3vzgbjUYYIRSNLZ1vB8/AY7xUYiGcOqBDWcUAA";

    fn answers(text: &str) -> anyhow::Result<Choices> {
        let file = tempfile::NamedTempFile::new()?;
        std::fs::write(file.path(), text)?;
        Choices::default().with_answers(file.path())
    }

    #[test]
    fn an_answer_is_what_would_be_typed() {
        let text = format!(
            "name = \"garage\"\nport = 9000\ngateway = [\"a:1\", \"b:2\"]\nhost_key = \"{KEY}\"\nlevel = 77\nmetered = [\"wwan0\"]"
        );
        let choices = answers(&text).unwrap();
        assert_eq!((choices.name.as_deref(), choices.port), (Some("garage"), Some(9000)));
        assert_eq!(choices.level.map(u32::from), Some(77));
        assert_eq!(choices.metered, ["wwan0"]);
        let gateways = choices.gateways().unwrap();
        assert_eq!(gateways.iter().map(|(at, _)| at.as_str()).collect::<Vec<_>>(), ["a:1", "b:2"]);
    }

    #[test]
    fn what_was_typed_goes_before_what_the_file_says() {
        let file = answers("port = 9000\nlevel = 5\nledger = \"P-256/0h/0h\"").unwrap();
        let typed = Choices {
            port: Some(9001),
            secret_key_file: Some("key".into()),
            node: Some("http://127.0.0.1:8732".parse().unwrap()),
            ..Choices::default()
        };
        let both = typed.or(file);
        assert_eq!((both.port, both.level, both.ledger), (Some(9001), None, None));
    }

    #[test]
    fn a_wrong_answer_is_told_in_one_line() {
        for (text, said) in [
            ("levle = 5", "levle is no answer"),
            ("level = -5", "--level"),
            ("level = true", "level is a boolean; write a text or a number"),
            ("host_key = \"ssh-dss AAAA\"", "--host-key"),
            ("gateway =", "TOML"),
            ("level = 5\nnode = \"http://127.0.0.1\"", "cannot be used with"),
        ] {
            let error = format!("{:#}", answers(text).unwrap_err());
            assert!(error.contains(said), "{text}: {error}");
        }
    }

    #[test]
    fn every_gateway_has_a_host_key() {
        let one = answers("gateway = [\"a:1\", \"b:2\"]").unwrap();
        assert!(one.gateways().unwrap_err().to_string().contains("2 times --gateway and 0"));
        let other = answers(&format!("host_key = \"{KEY}\"")).unwrap();
        assert!(other.gateways().is_err());
        assert!(answers("").unwrap().gateways().unwrap().is_empty());
    }
}
