//! A tz4 key in shares: signers with one each, a line from each to a gateway, and a liar that asks them all.

mod attack;
mod exchange;
mod liar;
mod relay;
mod share_box;

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::Context;
use daemon::free_port;
use rand::SeedableRng;
use rand::rngs::StdRng;
use shares::{Group, ShareFile, Threshold, gateway_block, split};
use tempfile::TempDir;
use tezos::{Curve, PublicKeyHash, SecretKey};
use tunnel::Identity;

pub use attack::attack;
pub use exchange::{ceremony, reshare};
pub use liar::{Liar, Loot, Mark, Part};
pub use relay::Relay;
pub use share_box::ShareBox;

use crate::process::Daemon;
use crate::{secret, wait};

/// Signers with shares of one key, or one signer with the whole of it, and their gateway.
#[derive(Debug)]
pub struct SharedKey {
    /// The signers, in the order of their shares.
    pub boxes: Vec<ShareBox>,
    /// The gateway.
    pub gateway: Daemon,
    /// Where bakers ask.
    pub http: SocketAddr,
    /// Where the gateway says how it is.
    pub monitor: SocketAddr,
    /// The key.
    pub key: PublicKeyHash,
    /// What is known of the shares; none if the one signer has the whole key.
    pub group: Option<Group>,
    _folder: TempDir,
}

/// Nothing at or below it is signed.
pub const LEVEL: u32 = 999;
/// For anything to come up.
const START: Duration = Duration::from_secs(20);

impl SharedKey {
    /// `needed` of `count` signers sign; `peel` is the program.
    ///
    /// # Errors
    /// When one of them does not come up.
    pub fn start(peel: &Path, needed: u8, count: u8) -> anyhow::Result<SharedKey> {
        let secret = new_key()?;
        let threshold = Threshold::new(needed, count)?;
        let shares = split(&secret, threshold, StdRng::from_seed(randomness()?))?;
        let group = shares.first().context("no shares")?.group().clone();
        let texts = shares.iter().map(share_box::text).collect();
        SharedKey::with(peel, secret.hash(), "share_file", texts, Some(group))
    }

    /// Signers with these shares, as their files have them.
    ///
    /// # Errors
    /// When one is no share, or one of the signers does not come up.
    pub fn of_files(peel: &Path, texts: Vec<String>) -> anyhow::Result<SharedKey> {
        let first = ShareFile::parse(texts.first().context("no shares")?)?;
        let group = first.group().clone();
        SharedKey::with(peel, group.public_key().hash(), "share_file", texts, Some(group))
    }

    /// One signer that has the whole key.
    ///
    /// # Errors
    /// When it does not come up.
    pub fn whole(peel: &Path) -> anyhow::Result<SharedKey> {
        let secret = new_key()?;
        let text = format!("unencrypted:{}\n", *secret.to_base58());
        SharedKey::with(peel, secret.hash(), "secret_key_file", vec![text], None)
    }

    fn with(
        peel: &Path,
        key: PublicKeyHash,
        field: &str,
        secrets: Vec<String>,
        group: Option<Group>,
    ) -> anyhow::Result<SharedKey> {
        let folder = tempfile::tempdir()?;
        let host_key = Identity::generate("gateway")?;
        secret::write(&folder.path().join("host_key"), &host_key.to_openssh()?)?;
        let [ssh, http, monitor] = [free()?, free()?, free()?];
        let mut boxes = Vec::new();
        let mut config = format!(
            "[ssh]\nlisten = \"{ssh}\"\nhost_key = \"host_key\"\n[http]\nlisten = \"{http}\"\n\
             [monitor]\nlisten = \"{monitor}\"\n"
        );
        for text in &secrets {
            let port = free_port::choose()?;
            let one = ShareBox::new(peel, key, (field, text), (ssh, port), &host_key.public())?;
            config += &one.block(boxes.len() + 1);
            boxes.push(one);
        }
        if let Some(group) = &group {
            config += &gateway_block(group, (1..).map(|number| format!("box-{number}")));
        }
        let path = folder.path().join("gateway.toml");
        fs::write(&path, config)?;
        let gateway = start_gateway(peel, &path, http)?;
        for one in &mut boxes {
            one.start()?;
        }
        Ok(SharedKey { boxes, gateway, http, monitor, key, group, _folder: folder })
    }
}

fn start_gateway(peel: &Path, config: &PathBuf, http: SocketAddr) -> anyhow::Result<Daemon> {
    let mut command = Command::new(peel);
    command.args(["gateway", "run", "--config"]).arg(config);
    let gateway = Daemon::start("the gateway", command)?;
    wait::until("the gateway", START, || Ok(TcpStream::connect(http).ok()))?;
    Ok(gateway)
}

fn new_key() -> anyhow::Result<SecretKey> {
    Ok(SecretKey::generate(Curve::Bls, &randomness()?)?)
}

fn randomness() -> anyhow::Result<[u8; 32]> {
    let mut randomness = [0; 32];
    getrandom::fill(&mut randomness)?;
    Ok(randomness)
}

/// An address of the loopback without a listener.
fn free() -> anyhow::Result<SocketAddr> {
    Ok(SocketAddr::from((Ipv4Addr::LOCALHOST, free_port::choose()?)))
}
