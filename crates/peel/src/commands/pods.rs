//! The pods of a gateway in Kubernetes, and what they say of themselves.

use anyhow::Context;
use futures_util::future::join_all;
use kubernetes::{AskError, Cluster, FindError, GatewayPod, Place};
use tokio::runtime::{Builder, Runtime};

/// A cluster, from a command that waits.
pub(crate) struct Pods {
    runtime: Runtime,
    cluster: Cluster,
}

/// A pod, and what it says at `/status`.
pub(crate) struct Answered {
    pub(crate) pod: GatewayPod,
    pub(crate) said: Result<String, AskError>,
}

impl Pods {
    /// Reads what names the cluster.
    pub(crate) fn open(place: &Place) -> anyhow::Result<Pods> {
        let runtime = runtime()?;
        let cluster = runtime.block_on(Cluster::connect(place))?;
        Ok(Pods { runtime, cluster })
    }

    /// Asks each pod that there is now; all at once.
    pub(crate) fn ask(&self) -> Result<Vec<Answered>, FindError> {
        self.runtime.block_on(ask(&self.cluster))
    }

    pub(crate) fn namespace(&self) -> &str {
        self.cluster.namespace()
    }
}

/// Asks each pod that there is now; all at once. When the API lets none of them be asked, it is said once.
pub(crate) async fn ask(cluster: &Cluster) -> Result<Vec<Answered>, FindError> {
    let asked = cluster.find().await?.into_iter().map(async |pod| {
        let said = cluster.ask(&pod, "/status").await;
        Answered { pod, said }
    });
    let mut answered = join_all(asked).await;
    if answered.iter().all(|pod| matches!(pod.said, Err(AskError::Api(_))))
        && let Some(Answered { said: Err(AskError::Api(error)), .. }) = answered.pop()
    {
        return Err(error.into());
    }
    Ok(answered)
}

/// For a command that has one thing to do.
pub(crate) fn runtime() -> anyhow::Result<Runtime> {
    Builder::new_current_thread().enable_all().build().context("no runtime")
}
