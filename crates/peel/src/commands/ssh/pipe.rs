//! `peel ssh --pipe`: a ProxyCommand. Its standard input and output are the connection to the signer's sshd.

use kubernetes::{Cluster, Place};
use tokio::io::{stdin, stdout};
use tunnel::{Service, SignerPort};

use super::signers::Shell;
use super::{gateways, signers::Gateways};
use crate::commands::pods;

/// Connects, and copies until either end has enough.
pub(super) fn run(place: &Place, named: Option<Shell>, signer: &str) -> anyhow::Result<()> {
    let runtime = pods::runtime()?;
    let done = runtime.block_on(async {
        let cluster = Cluster::connect(place).await?;
        let shell = match named {
            Some(shell) => shell,
            None => found(&cluster, signer).await?,
        };
        let port = SignerPort::new(shell.port)?.of(Service::Shell);
        let forward = cluster.session(&shell.gateway, port).await?;
        Ok(forward.copy(stdin(), stdout()).await?)
    });
    // A read from standard input that is under way is not waited for.
    runtime.shutdown_background();
    done
}

async fn found(cluster: &Cluster, signer: &str) -> anyhow::Result<Shell> {
    let gateways: Gateways = gateways::of_pods(pods::ask(cluster).await?);
    Ok(gateways.shell_of(signer)?)
}
