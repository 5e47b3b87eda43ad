//! What can be typed.

mod ceremony;
mod choices;
mod monitor_url;
mod ssh;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

pub(crate) use ceremony::{Begin, Deal, Exchange, KeyCeremony, KeyReshare};
pub(crate) use choices::Choices;
use clap::{Parser, Subcommand, ValueEnum};
use ledger::{Address, KeyPath};
pub(crate) use monitor_url::MonitorUrl;
pub(crate) use ssh::{ClusterPlace, SshArgs, Target, Via};
use tezos::{ChainId, Level, PublicKeyHash};

use tunnel::PublicKey;

use crate::commands::node::LevelUrl;

/// A remote signer for Tezos bakers: the baker runs in the cloud, the key stays at home.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100)]
pub(crate) struct Args {
    /// How log lines on standard error look.
    #[arg(long, global = true, value_enum, default_value_t = LogFormat::Text)]
    pub(crate) log_format: LogFormat,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum LogFormat {
    /// For people.
    Text,
    /// For machines, one object a line.
    Json,
}

impl From<LogFormat> for daemon::log::Format {
    fn from(format: LogFormat) -> daemon::log::Format {
        match format {
            LogFormat::Text => daemon::log::Format::Text,
            LogFormat::Json => daemon::log::Format::Json,
        }
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Everything on this machine with a simulated Ledger: signs, loses a line, loses the cloud, refuses
    /// a double signature, crashes. Half a minute, without root.
    Demo {
        /// Instead: a tz4 key in three shares, of which two sign, on three computers. One is killed, one falls silent; then the
        /// gateway lies
        #[arg(long)]
        shared: bool,
        /// How many times slower than a usual computer this one is, as an emulator: times that are promised are
        /// multiplied by it
        #[arg(long, value_name = "FACTOR", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100))]
        slowness: u32,
    },
    /// The daemon beside the Ledger.
    #[command(subcommand)]
    Signer(SignerCommand),
    /// The daemon in the cloud, where signers dial and bakers ask.
    #[command(subcommand)]
    Gateway(GatewayCommand),
    /// The Ledger: list, keys, set-up, marks, and a simulated one.
    #[command(subcommand)]
    Ledger(LedgerCommand),
    /// Software keys, in the wallet formats of octez.
    #[command(subcommand)]
    Key(KeyCommand),
    /// How a daemon is: its keys, device, links, power, and what is wrong now; or each pod of a gateway in Kubernetes, with
    /// --context, --namespace or --release. Exit code 1 when anything is wrong.
    Status {
        /// Where its `[monitor]` listens. [default: http://127.0.0.1:9584, a signer's; else :9583, a gateway's]
        #[arg(long, value_name = "URL", conflicts_with_all = ["context", "namespace", "release"])]
        url: Option<MonitorUrl>,
        // One of these: each pod of a gateway in Kubernetes.
        #[command(flatten)]
        place: ClusterPlace,
        /// Show it anew each second, until Ctrl-C.
        #[arg(long)]
        watch: bool,
        /// Write JSON.
        #[arg(long)]
        json: bool,
    },
    /// To a signer's shell, from a workstation through the gateway, with the system's ssh.
    ///
    /// The gateway is found in Kubernetes by the labels of its chart, through the usual kubeconfig, or on the host that
    /// --via names. Keys, agents, known hosts, options and exit code are ssh's own; the host key is known as NAME.peel.
    #[command(override_usage = SSH_USAGE, after_help = SSH_MORE)]
    Ssh(SshArgs),
    /// The watermark store. Stop the signer first: the store has one owner.
    #[command(subcommand)]
    Watermark(WatermarkCommand),
    /// Write completions for a shell to standard output; the Debian package has them in their place.
    Completions {
        /// The shell.
        #[arg(value_enum)]
        shell: CompletedShell,
    },
    /// Write the man pages, one for each command.
    #[command(hide = true)]
    Man {
        /// A folder that is there.
        #[arg(value_name = "DIR")]
        directory: PathBuf,
    },
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum CompletedShell {
    Bash,
    Zsh,
    Fish,
}

const SSH_USAGE: &str = "peel ssh [OPTIONS] [SSH'S OPTIONS] [USER@]NAME [COMMAND]\n       \
    peel ssh [OPTIONS] --list [--json]";
const SSH_MORE: &str = "\
The words of PEEL_SSH stand before those typed, unless these say where the gateway is. Under the name peel-ssh (a link) \
the program is \"peel ssh\":
  PEEL_SSH=\"--namespace cloud\" scp -S peel-ssh file me@home:
  rsync -e \"peel ssh --namespace cloud\" -a folder me@home:";

#[derive(Debug, Subcommand)]
pub(crate) enum SignerCommand {
    /// Make an ssh identity and signer.toml; with a level, also the key's marks, and authorise it on the Ledger. Its last
    /// line is to be run in the cloud.
    Init {
        /// The folder to make them in. What is there already is kept.
        #[arg(value_name = "DIR")]
        directory: PathBuf,
        #[command(flatten)]
        choices: Box<Choices>,
    },
    /// The same for a person, step by step: device, key, level, gateway, lines, mains, service.
    ///
    /// Nothing is written before the last yes. It can be run again, and changes only what is asked. Each flag is a question
    /// less; --yes asks nothing.
    Setup(Box<SetupArgs>),
    /// Sign for bakers until SIGTERM.
    Run {
        #[command(flatten)]
        config: SignerFile,
        #[command(flatten)]
        pidfile: PidFilePath,
    },
    /// Read the configuration and all it names, and say what is wrong and the cure.
    Check {
        #[command(flatten)]
        config: SignerFile,
    },
}

#[derive(Debug, clap::Args)]
pub(crate) struct SetupArgs {
    /// The folder with signer.toml.
    #[arg(long, value_name = "DIR", default_value = "/etc/peel")]
    pub(crate) directory: PathBuf,
    /// A file with answers: the flags below, as in level = 123 or gateway = "HOST:PORT". What is typed goes before it.
    #[arg(long, value_name = "FILE")]
    pub(crate) answers: Option<PathBuf>,
    /// Ask nothing. What is needed and not said is an error.
    #[arg(long)]
    pub(crate) yes: bool,
    /// Only make the ssh identity, and print the line for the gateway.
    #[arg(long)]
    pub(crate) only_identity: bool,
    #[command(flatten)]
    pub(crate) choices: Choices,
}

#[derive(Debug, clap::Args)]
pub(crate) struct PidFilePath {
    /// Write the number of the process into this file, and remove it at the end.
    #[arg(long, value_name = "FILE")]
    pub(crate) pidfile: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum GatewayCommand {
    /// Make a host key and a starter gateway.toml; print the whole "peel signer init" line to run at home.
    Init {
        /// The folder to make them in. What is there already is kept.
        #[arg(value_name = "DIR")]
        directory: PathBuf,
        /// The address under which signers reach this gateway, for that line. [default: to be filled in]
        #[arg(long, value_name = "HOST[:PORT]")]
        address: Option<String>,
        /// A node, asked for the chain's present level, for that line: http://127.0.0.1:8732. [default: to be filled in]
        #[arg(long, value_name = "URL")]
        node: Option<LevelUrl>,
    },
    /// Write a signer into gateway.toml, as "peel signer init" prints it at home. A gateway that runs takes it up by itself.
    Add {
        /// Its name.
        #[arg(value_parser = parse_name)]
        name: String,
        /// Its ssh public key.
        #[arg(long, value_name = "KEY")]
        ssh_public_key: PublicKey,
        /// Its HTTP port here; its shell is at port + 1000.
        #[arg(long, value_parser = clap::value_parser!(u16).range(1..=64535))]
        port: u16,
        /// Its keys, tz…; may be repeated, or separated by commas. [default: it is asked]
        #[arg(long, value_name = "KEY HASH", value_delimiter = ',')]
        keys: Vec<PublicKeyHash>,
        /// Change the signer of this name that is there.
        #[arg(long)]
        replace: bool,
        #[command(flatten)]
        config: GatewayFile,
    },
    /// Let signers in and answer bakers until SIGTERM.
    Run {
        #[command(flatten)]
        config: GatewayFile,
        #[command(flatten)]
        pidfile: PidFilePath,
    },
    /// Say "ask again" to bakers while the gateway beside it does not listen, until SIGTERM: as a second container of a pod.
    StandIn {
        #[command(flatten)]
        config: GatewayFile,
        #[command(flatten)]
        pidfile: PidFilePath,
    },
    /// Forget up to where a key was answered, after its mark was lowered on purpose. Stop the gateway first.
    Forget {
        /// The key, tz…
        key: PublicKeyHash,
        #[command(flatten)]
        config: GatewayFile,
    },
    /// Read the configuration and all it names, and say what is wrong and the cure.
    Check {
        #[command(flatten)]
        config: GatewayFile,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum LedgerCommand {
    /// Devices, app and version, root key hash, authorised key, marks on the device.
    List {
        #[command(flatten)]
        transport: Transport,
        /// Write JSON.
        #[arg(long)]
        json: bool,
    },
    /// Public key and address of a key.
    Key {
        /// The key, as in secp256k1/0h/0h (tz2) or P-256/0h/0h (tz3).
        #[arg(value_name = "CURVE/PATH")]
        path: KeyPath,
        #[command(flatten)]
        transport: Transport,
        /// Show it on the device and wait until it is confirmed there.
        #[arg(long)]
        confirm: bool,
        /// Write JSON.
        #[arg(long)]
        json: bool,
    },
    /// Authorise a key for baking and set the device's marks. Confirm on the device.
    Setup {
        /// The key, as in secp256k1/0h/0h (tz2).
        #[arg(value_name = "CURVE/PATH")]
        path: KeyPath,
        #[command(flatten)]
        transport: Transport,
        /// The chain whose mark the device keeps apart: a name or a Net… id.
        #[arg(long, default_value = "mainnet")]
        chain: ChainId,
        /// The device will sign nothing below this level. Name the chain's present level.
        #[arg(long, value_parser = parse_level)]
        level: Level,
    },
    /// Read or set the device's high watermark.
    Mark {
        #[command(flatten)]
        transport: Transport,
        /// The new level, for all chains. Confirm on the device.
        #[arg(long, value_name = "LEVEL", value_parser = parse_level)]
        set: Option<Level>,
        /// Write JSON.
        #[arg(long)]
        json: bool,
    },
    /// A Baking app in software, for trials. Its seed is public: never put funds on its keys.
    Simulate {
        /// Where to listen.
        #[arg(long, default_value = "127.0.0.1:9999")]
        listen: SocketAddr,
        /// A BIP39 mnemonic. Without it, the one that Speculos uses.
        #[arg(long, value_name = "WORDS")]
        seed: Option<String>,
        /// How long an exchange takes.
        #[arg(long, value_enum, default_value_t = Latency::Real)]
        latency: Latency,
        /// Approve whatever is asked. Without it, each prompt is asked here.
        #[arg(long)]
        approve: bool,
    },
}

/// Where the Ledger is.
#[derive(Debug, clap::Args)]
pub(crate) struct Transport {
    /// "usb", or "tcp://HOST:PORT" of an emulator.
    #[arg(long = "transport", default_value = "usb", value_name = "WHERE")]
    pub(crate) address: Address,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Latency {
    /// As long as on a Nano S Plus.
    Real,
    /// No longer than this machine needs.
    None,
}

#[derive(Debug, Subcommand)]
pub(crate) enum KeyCommand {
    /// Make a new key and write it to a file that only you can read.
    Generate {
        /// The key's curve.
        #[arg(long, value_enum, default_value_t = CurveName::Bls)]
        curve: CurveName,
        #[command(flatten)]
        output: KeyOutput,
    },
    /// Read a key (edsk…, spsk…, p2sk…, BLsk…, or a wallet's unencrypted:… or encrypted:…) from
    /// standard input and write it to a file that only you can read; or take over the keys of an
    /// octez wallet.
    Import(KeyImport),
    /// Split a tz4 key that exists into shares, of which any so many sign, and fewer are worth nothing.
    Split(KeySplit),
    /// Make a tz4 key in shares, with other boxes: the key itself never exists.
    ///
    /// Each box runs it in a folder of its own, first with --threshold, --shares and --share, then without them, until it
    /// has its share. Between that, the boxes exchange files, in three rounds; nothing in them is secret to read.
    Ceremony(KeyCeremony),
    /// Give a set of new boxes new shares of the same key, from as many old ones as sign.
    ///
    /// A new box begins with --threshold, --shares and --share, and goes on without them; an old one deals, with --dealers
    /// and --share-file.
    Reshare(KeyReshare),
    /// Show which keys, or shares of keys, are in these files.
    List {
        /// Key files.
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
}

/// A key from standard input, or the keys of a wallet.
#[derive(Debug, clap::Args)]
pub(crate) struct KeyImport {
    /// The folder of an octez wallet, as in ~/.tezos-signer: its keys become files, and entries in
    /// signer.toml.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["output", "password_file", "unencrypted"])]
    pub(crate) octez_dir: Option<PathBuf>,
    /// With --octez-dir: only the key of this name. May be repeated.
    #[arg(long, value_name = "NAME", requires = "octez_dir")]
    pub(crate) key: Vec<String>,
    #[command(flatten)]
    pub(crate) config: SignerFile,
    /// The file to make. It must not exist.
    #[arg(long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) sealing: Sealing,
}

/// Where a key is written, and how.
#[derive(Debug, clap::Args)]
pub(crate) struct KeyOutput {
    /// The file to make. It must not exist.
    #[arg(long, value_name = "FILE")]
    pub(crate) output: PathBuf,
    #[command(flatten)]
    pub(crate) sealing: Sealing,
}

/// How a secret is written.
#[derive(Debug, clap::Args)]
pub(crate) struct Sealing {
    /// Encrypt with the password in this file. Without it, the password is asked for.
    #[arg(long, value_name = "FILE", conflicts_with = "unencrypted")]
    pub(crate) password_file: Option<PathBuf>,
    /// Do not encrypt: a reader of the file has what is in it.
    #[arg(long)]
    pub(crate) unencrypted: bool,
}

/// A key, and what becomes of it.
#[derive(Debug, clap::Args)]
pub(crate) struct KeySplit {
    /// So many shares sign; more than half.
    #[arg(long, value_name = "T")]
    pub(crate) threshold: u8,
    /// So many shares are made.
    #[arg(long, value_name = "N")]
    pub(crate) shares: u8,
    /// The folder for share-1 to share-N. It is made if it is not there.
    #[arg(long, value_name = "DIR")]
    pub(crate) output: PathBuf,
    /// The password of the key, if it is encrypted. Without it, it is asked for.
    #[arg(long, value_name = "FILE")]
    pub(crate) key_password_file: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) sealing: Sealing,
    /// The key: unencrypted:BLsk… or encrypted:BLesk…, as secret_key_file of signer.toml.
    pub(crate) file: PathBuf,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum CurveName {
    /// tz1
    Ed25519,
    /// tz2
    Secp256k1,
    /// tz3
    #[value(name = "P-256", aliases = ["p256", "secp256r1"])]
    P256,
    /// tz4
    #[value(name = "bls", aliases = ["bls12-381", "bls12_381"])]
    Bls,
}

#[derive(Debug, Subcommand)]
pub(crate) enum WatermarkCommand {
    /// Make the store. Nothing at or below LEVEL will be signed.
    Init {
        #[command(flatten)]
        which: Which,
        /// The chain's present level.
        #[arg(long, value_parser = parse_level)]
        level: Level,
    },
    /// Show the marks.
    Show {
        #[command(flatten)]
        config: SignerFile,
        /// Write JSON, as export does.
        #[arg(long)]
        json: bool,
    },
    /// Close everything at or below LEVEL.
    Set {
        #[command(flatten)]
        which: Which,
        /// The new level.
        #[arg(long, value_parser = parse_level)]
        level: Level,
        /// Lower the mark. What was signed above LEVEL can then be signed again, and that is slashed.
        #[arg(long)]
        lower: bool,
    },
    /// Write all marks to standard output.
    Export {
        #[command(flatten)]
        config: SignerFile,
    },
    /// Take over marks; they only rise. FROM is an export, or the base directory of octez-signer
    /// with its *_high_watermarks files.
    Import {
        #[command(flatten)]
        config: SignerFile,
        /// A file or a directory.
        from: PathBuf,
    },
}

/// Which marks.
#[derive(Debug, clap::Args)]
pub(crate) struct Which {
    #[command(flatten)]
    pub(crate) config: SignerFile,
    /// The key's name. Without it, every key of the configuration.
    #[arg(long, value_name = "NAME")]
    pub(crate) key: Option<String>,
    /// The chain. Without it, every chain of the configuration.
    #[arg(long)]
    pub(crate) chain: Option<ChainId>,
}

/// Where signer.toml is.
#[derive(Debug, clap::Args)]
pub(crate) struct SignerFile {
    /// The configuration. [default: ./signer.toml, else /etc/peel/signer.toml]
    #[arg(long = "config", value_name = "FILE")]
    file: Option<PathBuf>,
}

/// Where gateway.toml is.
#[derive(Debug, clap::Args)]
pub(crate) struct GatewayFile {
    /// The configuration. [default: ./gateway.toml, else /etc/peel/gateway.toml]
    #[arg(long = "config", value_name = "FILE")]
    file: Option<PathBuf>,
}

impl SignerFile {
    /// The file that was named, or the one that is there; says which.
    pub(crate) fn path(&self) -> PathBuf {
        named_or_found(self.file.as_ref(), "signer.toml")
    }
}

impl GatewayFile {
    /// The file that was named, or the one that is there; says which.
    pub(crate) fn path(&self) -> PathBuf {
        named_or_found(self.file.as_ref(), "gateway.toml")
    }
}

fn named_or_found(named: Option<&PathBuf>, name: &str) -> PathBuf {
    if let Some(named) = named {
        return named.clone();
    }
    let (here, system) = (PathBuf::from(name), Path::new("/etc/peel").join(name));
    let found = if !here.exists() && system.exists() { system } else { here };
    daemon::tell!("configuration: {}", found.display());
    found
}

pub(crate) fn parse_level(text: &str) -> Result<Level, String> {
    let number: i64 = text.parse().map_err(|_| {
        format!("{text:?} is no level; it is the number of a block, as a block explorer shows it")
    })?;
    Level::try_from(number).map_err(|error| error.to_string())
}

/// A signer's name, as gateway.toml takes it.
pub(crate) fn parse_name(text: &str) -> Result<String, String> {
    if gateway::config::is_signer_name(text) {
        return Ok(text.to_owned());
    }
    Err("a name is made of letters, digits, \"-\" and \"_\", at most 40 of them".to_owned())
}
