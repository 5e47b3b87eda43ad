//! All signers of the configuration.

use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use parking_lot::RwLock;
use tokio::sync::Semaphore;
use tokio::sync::watch::Receiver;
use tokio::time::{Instant, timeout_at};
use tunnel::SignerPort;
use tunnel::endpoint::SignerId;

use crate::signer::{RECONNECT_WAIT, Signer};

/// All signers, in the order of the configuration, as it was last read. Clones share them.
#[derive(Debug, Clone)]
pub(crate) struct Signers {
    all: Arc<RwLock<Arc<[Arc<Signer>]>>>,
    /// For requests that wait at once: a key that no signer has is asked for by any client, and must not take all
    /// connections.
    waiting: Arc<Semaphore>,
}

/// More than bakers send at once.
const MAX_WAITING: usize = 64;

impl Signers {
    pub(crate) fn new(signers: impl IntoIterator<Item = Arc<Signer>>) -> Signers {
        let all = Arc::new(RwLock::new(signers.into_iter().collect()));
        Signers { all, waiting: Arc::new(Semaphore::new(MAX_WAITING)) }
    }

    /// All of them, as they are now.
    pub(crate) fn all(&self) -> Arc<[Arc<Signer>]> {
        Arc::clone(&self.all.read())
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
        self.all.read().iter().find(|signer| is_it(signer)).map(Arc::clone)
    }

    /// What was read anew. Requests that are under way keep the signer that they have.
    pub(crate) fn replace(&self, signers: impl IntoIterator<Item = Arc<Signer>>) {
        *self.all.write() = signers.into_iter().collect();
    }

    /// What `find` finds, now or as soon as a signer has advertised something, within [`RECONNECT_WAIT`]. Beyond
    /// [`MAX_WAITING`] that wait, now only.
    pub(crate) async fn find<T>(&self, find: impl Fn() -> Option<T>) -> Option<T> {
        // Almost always it is there, and no signer has to be waited for.
        if let Some(found) = find() {
            return Some(found);
        }
        let _slot = self.waiting.try_acquire().ok()?;
        let end = Instant::now() + RECONNECT_WAIT;
        let mut updates: Vec<_> = self.all().iter().map(|signer| signer.updates()).collect();
        loop {
            if let Some(found) = find() {
                return Some(found);
            }
            let mut any: FuturesUnordered<_> = updates.iter_mut().map(Receiver::changed).collect();
            let _changed_or_taken_out = timeout_at(end, any.next()).await.ok()??;
            drop(any);
            // One that was taken out of the configuration says nothing any more.
            updates.retain(|signer| signer.has_changed().is_ok());
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::future::join_all;
    use tunnel::Identity;

    use super::*;
    use crate::config::SignerConfig;

    fn signer() -> Arc<Signer> {
        Arc::new(Signer::new(&SignerConfig {
            id: SignerId::new(0),
            name: "home".to_owned(),
            ssh_key: Identity::generate("home").unwrap().public(),
            port: SignerPort::new(8443).unwrap(),
            keys: None,
        }))
    }

    #[tokio::test]
    async fn a_signer_that_is_taken_out_is_not_waited_for() {
        let signers = Signers::new([signer()]);
        let looks = std::cell::Cell::new(0);
        let find = signers.find(|| {
            looks.set(looks.get() + 1);
            assert!(looks.get() < 5, "it looks without a pause");
            None::<()>
        });
        let take_out = async { signers.replace([]) };
        assert_eq!(tokio::join!(find, take_out).0, None);
    }

    #[tokio::test(start_paused = true)]
    async fn only_so_many_requests_wait_for_a_signer_to_say_its_keys() {
        let (signers, began) = (Signers::new([signer()]), Instant::now());
        let find = async || {
            signers.find(|| None::<()>).await;
            began.elapsed()
        };
        let took = join_all((0..MAX_WAITING + 2).map(|_| find())).await;
        let waited = took.iter().filter(|took| **took == RECONNECT_WAIT).count();
        let at_once = took.iter().filter(|took| took.is_zero()).count();
        assert_eq!((waited, at_once), (MAX_WAITING, 2));
        assert_eq!(find().await, 2 * RECONNECT_WAIT, "there is room again");
    }
}
