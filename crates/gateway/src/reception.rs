//! Receives the sessions of the tunnel, and shows each to its signer's desk.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::sync::watch::Receiver;
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tunnel::Service;
use tunnel::endpoint::{Session, SessionHandler};

use crate::line::Line;
use crate::race::WELCOME;
use crate::signer::Signer;
use crate::witness::Witness;

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

/// Two boxes with one identity.
const RIVAL: &str = "another process with this ssh identity is connected, and answers: a copy of this folder is running \
                     elsewhere. Stop one of them for good; two with one key can be made to sign twice";
/// For a signer to say what it says of its store.
const MARKS_LIMIT: Duration = Duration::from_secs(5);
/// Between two tries when it does not.
const MARKS_PAUSE: Duration = Duration::from_secs(1);

/// Who attends to sessions: each is shown to its signer, if its store has come as far as what was answered.
#[derive(Debug)]
pub(crate) struct Reception {
    pub(crate) signers: Signers,
    pub(crate) witness: Witness,
}

impl Reception {
    /// A line that may be asked; none if the signer was refused.
    async fn admit(&self, signer: &Signer, session: Session) -> Option<Arc<Line>> {
        let line = Line::new(session);
        if !line.session().is_peel() {
            return Some(Arc::new(line));
        }
        let (marks, seen) = loop {
            let seen = self.witness.seen();
            match timeout(MARKS_LIMIT, line.ask_marks()).await {
                Ok(Ok(marks)) => break (marks, seen),
                Ok(Err(_)) | Err(_) => sleep(MARKS_PAUSE).await,
            }
        };
        let Some(marks) = marks else { return Some(Arc::new(line)) };
        let why = match seen.check(&marks) {
            Err(behind) => Some(behind.to_string()),
            Ok(()) if signer.is_free_for(&marks).await => None,
            Ok(()) => Some(RIVAL.to_owned()),
        };
        signer.note_refusal(why.clone());
        let Some(why) = why else { return Some(Arc::new(line.with_marks(Some(marks)))) };
        tracing::error!(signer = signer.name, peer = %line.session().peer(), "not asked: {why}");
        line.session().refuse(&why).await;
        None
    }
}

impl SessionHandler for Reception {
    async fn handle(&self, session: Session) {
        let Some(signer) = self.signers.0.get(session.client()) else { return };
        match session.service() {
            Service::Signing => {
                let Some(line) = self.admit(signer, session).await else { return };
                let _present = signer.add_line(&line);
                let known = || signer.last_knowledge();
                line.learn(known, |knowledge| signer.said(&line, knowledge)).await;
            }
            Service::Shell => {
                let _present = signer.add_shell(&session);
                session.gone().await;
            }
        }
    }
}
