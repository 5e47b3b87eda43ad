//! Signatures that are verified after they were given out.
//!
//! Verifying a BLS signature takes two pairings, twice as long as making it, and a vote should not wait for it: the
//! baker verifies every signature itself. What it guards against is a computer that fails; then the key stops.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread;
use std::time::Duration;

use tezos::{BlsScheme, Payload, Signature};

use crate::error::NotReady;
use crate::key::Key;
use crate::worker_thread::WorkerThread;

/// Takes what is to be verified, until it is ended.
#[derive(Debug, Clone)]
pub(crate) struct Verifier(SyncSender<Task>);

#[derive(Debug)]
enum Task {
    Verify(Box<Unverified>),
    End,
}

/// A signature that was given out, and what it is for.
#[derive(Debug)]
pub(crate) struct Unverified {
    pub(crate) key: Arc<Key>,
    pub(crate) payload: Payload,
    pub(crate) scheme: BlsScheme,
    pub(crate) signature: Signature,
}

/// More than a round has votes.
const CAPACITY: usize = 16;
/// The other votes of the round come first.
const PAUSE: Duration = Duration::from_millis(20);

impl Verifier {
    /// Starts the thread that verifies.
    pub(crate) fn start() -> io::Result<(Verifier, WorkerThread)> {
        let (queue, tasks) = sync_channel(CAPACITY);
        let thread = WorkerThread::spawn("verify", move || verify_all(&tasks))?;
        Ok((Verifier(queue), thread))
    }

    /// Verifies it soon; now, if too many wait.
    pub(crate) fn verify_later(&self, unverified: Unverified) {
        match self.0.try_send(Task::Verify(Box::new(unverified))) {
            Ok(()) | Err(TrySendError::Full(Task::End) | TrySendError::Disconnected(Task::End)) => {
            }
            Err(
                TrySendError::Full(Task::Verify(unverified))
                | TrySendError::Disconnected(Task::Verify(unverified)),
            ) => unverified.verify(),
        }
    }

    /// Lets the thread end after what waits. Not to be called where nothing may wait.
    pub(crate) fn end(&self) {
        // When it fails, the thread has ended already.
        let _ = self.0.send(Task::End);
    }
}

fn verify_all(tasks: &Receiver<Task>) {
    while let Ok(Task::Verify(unverified)) = tasks.recv() {
        thread::sleep(PAUSE);
        unverified.verify();
    }
}

impl Unverified {
    fn verify(&self) {
        if !self.key.verifies(self.payload.bytes(), &self.signature, self.scheme) {
            let key = self.key.name.as_str();
            tracing::error!(
                key,
                "a signature that was given out does not verify: this computer fails"
            );
            self.key.note(Err(NotReady::Faulty));
        }
    }
}

#[cfg(test)]
mod tests {

    use tezos::{KeyForm, Kind, SecretKey, sample_payload};

    use super::*;
    use crate::policy::Policy;

    const SECRET: &str = "BLsk1hKAHyGqY9qRbgoSVnjiSmDWpKGjFF3WNQ7BaiaMUA6RMA6Pfq";

    #[test]
    fn a_signature_that_does_not_verify_stops_its_key() {
        let secret = SecretKey::from_base58(SECRET).unwrap();
        let policy = Policy::default();
        let key = Arc::new(Key::new("consensus".to_owned(), None, policy));
        key.identify(secret.public_key().clone()).unwrap();
        key.note(Ok(()));
        let bytes = sample_payload(Kind::Block, 7, 0, 1);
        let payload = Payload::parse(&bytes, KeyForm::of(&secret.hash())).unwrap();
        let scheme = BlsScheme::default();
        let (verifier, thread) = Verifier::start().unwrap();
        let later = |message: &[u8]| {
            let signature = secret.sign(message, scheme).unwrap();
            let (key, payload) = (Arc::clone(&key), payload.clone());
            verifier.verify_later(Unverified { key, payload, scheme, signature });
        };
        later(&bytes);
        while Arc::strong_count(&key) > 1 {
            thread::yield_now();
        }
        assert_eq!(key.readiness(), Ok(()));
        later(b"a bit has flipped");
        verifier.end();
        thread.join().unwrap();
        key.note(Ok(()));
        assert_eq!(key.readiness(), Err(NotReady::Faulty), "it stays stopped");
    }
}
