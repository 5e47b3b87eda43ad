//! Receives the sessions of the tunnel, and shows each to its signer's desk.

use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::sync::watch::Receiver;
use tokio::time::{Instant, timeout_at};
use tunnel::Door;
use tunnel::endpoint::{Attendant, Session};

use crate::line::Line;
use crate::race::WELCOME;
use crate::signer::Signer;

/// All signers, in the order of the configuration.
#[derive(Debug, Clone)]
pub(crate) struct Signers(pub(crate) Arc<Vec<Signer>>);

impl Signers {
    /// What `find` finds, now or as soon as a signer has said something; for a moment one that is on its
    /// way is waited for.
    pub(crate) async fn find<T>(&self, find: impl Fn() -> Option<T>) -> Option<T> {
        // Almost always it is there, and nobody has to be listened to.
        if let Some(found) = find() {
            return Some(found);
        }
        let end = Instant::now() + WELCOME;
        let mut news: Vec<_> = self.0.iter().map(Signer::news).collect();
        loop {
            if let Some(found) = find() {
                return Some(found);
            }
            let mut any: FuturesUnordered<_> = news.iter_mut().map(Receiver::changed).collect();
            timeout_at(end, any.next()).await.ok()?;
        }
    }
}

impl Attendant for Signers {
    async fn attend(&self, session: Session) {
        let Some(signer) = self.0.get(session.guest()) else { return };
        match session.door() {
            Door::Signing => {
                let line = Arc::new(Line::new(session));
                let _present = signer.add_line(&line);
                line.learn(|knowledge| signer.said(&line, knowledge)).await;
            }
            Door::Shell => {
                let _present = signer.add_shell(&session);
                session.gone().await;
            }
        }
    }
}
