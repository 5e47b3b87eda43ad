//! All signers of the configuration.

use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use parking_lot::RwLock;
use tokio::sync::watch::Receiver;
use tokio::time::{Instant, timeout_at};
use tunnel::SignerPort;
use tunnel::endpoint::SignerId;

use crate::signer::{RECONNECT_WAIT, Signer};

/// All signers, in the order of the configuration, as it was last read. Clones share them.
#[derive(Debug, Clone)]
pub(crate) struct Signers(Arc<RwLock<Arc<[Arc<Signer>]>>>);

impl Signers {
    pub(crate) fn new(signers: impl IntoIterator<Item = Arc<Signer>>) -> Signers {
        Signers(Arc::new(RwLock::new(signers.into_iter().collect())))
    }

    /// All of them, as they are now.
    pub(crate) fn all(&self) -> Arc<[Arc<Signer>]> {
        Arc::clone(&self.0.read())
    }

    pub(crate) fn get(&self, id: SignerId) -> Option<Arc<Signer>> {
        self.find_by(|signer| signer.id == id)
    }

    /// The one that has this port.
    pub(crate) fn at(&self, port: SignerPort) -> Option<Arc<Signer>> {
        self.find_by(|signer| signer.port == port)
    }

    /// The one of this name.
    pub(crate) fn named(&self, name: &str) -> Option<Arc<Signer>> {
        self.find_by(|signer| signer.name == name)
    }

    fn find_by(&self, is_it: impl Fn(&Signer) -> bool) -> Option<Arc<Signer>> {
        self.0.read().iter().find(|signer| is_it(signer)).map(Arc::clone)
    }

    /// What was read anew. Requests that are under way keep the signer that they have.
    pub(crate) fn replace(&self, signers: impl IntoIterator<Item = Arc<Signer>>) {
        *self.0.write() = signers.into_iter().collect();
    }

    /// What `find` finds, now or as soon as a signer has advertised something, within [`RECONNECT_WAIT`].
    pub(crate) async fn find<T>(&self, find: impl Fn() -> Option<T>) -> Option<T> {
        // Almost always it is there, and no signer has to be waited for.
        if let Some(found) = find() {
            return Some(found);
        }
        let end = Instant::now() + RECONNECT_WAIT;
        let mut updates: Vec<_> = self.all().iter().map(|signer| signer.updates()).collect();
        loop {
            if let Some(found) = find() {
                return Some(found);
            }
            let mut any: FuturesUnordered<_> = updates.iter_mut().map(Receiver::changed).collect();
            timeout_at(end, any.next()).await.ok()?;
        }
    }
}
