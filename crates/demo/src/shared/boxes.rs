//! The computers that have a share each: a signer in a process of its own, and a line.

use std::fs::{self, File};
use std::io::Write;
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::bail;
use daemon::free_port;
use shares::{PartialSignature, Share, ShareFile};
use signer_api::client::{ClientError, SignerUrl};
use tezos::{ChainId, Level};
use tokio::time::sleep;
use tunnel::Identity;
use watermark::Records;

use crate::cloud::{Cloud, loopback};
use crate::home::gateway;
use crate::line::Line;
use crate::process::Process;
use crate::shared::story::LIMIT;

/// A computer with a share. Dropping it stops it.
pub(super) struct ShareBox {
    pub(super) name: &'static str,
    pub(super) signer: Process,
    pub(super) line: Line,
    /// Where a program beside it asks it, as a gateway that lies would.
    url: SignerUrl,
}

const START_LIMIT: Duration = Duration::from_secs(15);
/// What a signer logs when a link is up.
const UP: &str = " is up";

/// The boxes' names, and those of their lines.
pub(super) const NAMES: [(&str, &str); 3] =
    [("home", "line 1"), ("office", "line 2"), ("cabin", "line 3")];

impl ShareBox {
    /// A box that was never started, with a store that is closed up to `level`.
    pub(super) async fn new(
        within: &Path,
        (at, share): (usize, &Share),
        identity: &Identity,
        cloud: &Cloud,
        level: u32,
    ) -> anyhow::Result<ShareBox> {
        let (name, line) = NAMES.get(at).copied().unwrap_or_default();
        let line = Line::open(line, loopback(cloud.ports.ssh)).await?;
        let folder = within.join(name);
        fs::create_dir(&folder)?;
        let http = loopback(free_port::choose()?);
        let configuration = configuration(http, cloud.port_of(at)?, &gateway(&line, cloud));
        let signer = Process::new("signer", &folder, identity, &configuration)?;
        write_share(share, &signer.folder().join("share"))?;
        let key = share.group().public_key().hash();
        let mut records = Records::open_or_create(&signer.folder().join("watermark.db"))?;
        records.add(key, ChainId::MAINNET, Some(Level::try_from(i64::from(level))?))?;
        let url = format!("http://{http}/{key}").parse()?;
        Ok(ShareBox { name, signer, line, url })
    }

    /// Asks it for its part, round the gateway.
    pub(super) async fn sign_share(&self, bytes: &[u8]) -> Result<PartialSignature, ClientError> {
        self.url.sign_share(bytes, LIMIT).await
    }

    /// Starts it; returns when it can be asked, and its link is up.
    pub(super) async fn start(&mut self) -> anyhow::Result<()> {
        let (started, ups) = (Instant::now(), self.ups());
        self.signer.start()?;
        while self.ups() == ups || self.url.public_key(LIMIT).await.is_err() {
            self.signer.still_runs()?;
            if started.elapsed() > START_LIMIT {
                bail!("{} did not come up:\n{}", self.name, self.signer.log());
            }
            sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }

    /// How often its link came up, as its log says.
    fn ups(&self) -> usize {
        self.signer.log().matches(UP).count()
    }
}

fn write_share(share: &Share, to: &Path) -> anyhow::Result<()> {
    let text = ShareFile::unencrypted(share).to_text();
    let owner_only = File::options().create_new(true).write(true).mode(0o600).clone();
    Ok(owner_only.open(to)?.write_all(text.as_bytes())?)
}

fn configuration(http: SocketAddr, port: u16, gateway: &str) -> String {
    format!(
        r#"chains = ["mainnet"]
[state]
directory = "."
[http]
listen = "{http}"
[[key]]
name = "consensus"
share_file = "share"
[tunnel]
identity = "key"
port = {port}
{gateway}"#
    )
}
