//! All signers of the configuration.

use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::sync::watch::Receiver;
use tokio::time::{Instant, timeout_at};
use tunnel::endpoint::SignerId;

use crate::config::SignerConfig;
use crate::signer::{RECONNECT_WAIT, Signer};

/// All signers, in the order of the configuration.
#[derive(Debug, Clone)]
pub(crate) struct Signers(Arc<Vec<Arc<Signer>>>);

impl Signers {
    pub(crate) fn new(configs: &[SignerConfig]) -> Signers {
        Signers(Arc::new(configs.iter().map(Signer::new).map(Arc::new).collect()))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<Signer>> {
        self.0.iter()
    }

    pub(crate) fn get(&self, id: SignerId) -> Option<&Arc<Signer>> {
        self.0.get(id.index())
    }

    /// What `find` finds, now or as soon as a signer has advertised something, within [`RECONNECT_WAIT`].
    pub(crate) async fn find<T>(&self, find: impl Fn() -> Option<T>) -> Option<T> {
        // Almost always it is there, and no signer has to be waited for.
        if let Some(found) = find() {
            return Some(found);
        }
        let end = Instant::now() + RECONNECT_WAIT;
        let mut updates: Vec<_> = self.iter().map(|signer| signer.updates()).collect();
        loop {
            if let Some(found) = find() {
                return Some(found);
            }
            let mut any: FuturesUnordered<_> = updates.iter_mut().map(Receiver::changed).collect();
            timeout_at(end, any.next()).await.ok()?;
        }
    }
}
