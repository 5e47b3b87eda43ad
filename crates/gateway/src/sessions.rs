//! Admits the sessions of the tunnel: each becomes a path, or a shell, of its signer.

use std::sync::Arc;
use std::time::Duration;

use tezos::PublicKeyHash;
use tokio::time::{sleep, timeout};
use tunnel::Service;
use tunnel::endpoint::{Session, SessionHandler};

use crate::path::Path;
use crate::shared_key::SharedKeys;
use crate::signer::Signer;
use crate::signers::Signers;
use crate::witness::Witness;

/// Why a second process with one identity is refused.
const RIVAL: &str = "another process with this ssh identity is connected, and answers: a copy of this folder is running \
                     elsewhere. Stop one of them for good; two with one key can be made to sign twice";
/// For a signer to tell its marks.
const MARKS_LIMIT: Duration = Duration::from_secs(5);
/// Until the next attempt after one that was not answered.
const MARKS_PAUSE: Duration = Duration::from_secs(1);

/// Admits sessions. A signer whose store is behind what was answered, or of which another process is connected, is
/// refused.
#[derive(Debug)]
pub(crate) struct Sessions {
    pub(crate) signers: Signers,
    pub(crate) witness: Witness,
    pub(crate) shared_keys: SharedKeys,
}

impl Sessions {
    /// The path of a session; none if the signer was refused.
    async fn admit(&self, signer: &Signer, session: Session) -> Option<Arc<Path>> {
        let path = Path::new(session);
        if !path.session().is_peel() {
            return Some(Arc::new(path));
        }
        let (marks, seen) = loop {
            let seen = self.witness.seen();
            match timeout(MARKS_LIMIT, path.ask_marks()).await {
                Ok(Ok(marks)) => break (marks, seen),
                Ok(Err(_)) | Err(_) => sleep(MARKS_PAUSE).await,
            }
        };
        let Some(marks) = marks else { return Some(Arc::new(path)) };
        let share_of = |key: &PublicKeyHash| self.shared_keys.share_of(key, &signer.name);
        let why = match seen.check(&marks, share_of) {
            Err(behind) => Some(behind.to_string()),
            Ok(()) if signer.is_free_for(&marks).await => None,
            Ok(()) => Some(RIVAL.to_owned()),
        };
        signer.note_refusal(why.clone());
        let Some(why) = why else { return Some(Arc::new(path.with_marks(Some(marks)))) };
        tracing::error!(signer = signer.name, peer = %path.session().peer(), "not asked: {why}");
        path.session().refuse(&why).await;
        None
    }
}

impl SessionHandler for Sessions {
    async fn handle(&self, session: Session) {
        let Some(signer) = self.signers.get(session.signer()) else { return };
        match session.service() {
            Service::Signing => {
                let Some(path) = self.admit(&signer, session).await else { return };
                let _membership = signer.add_path(&path);
                let last = || signer.last_advertised();
                path.poll_advertised(last, |advertised| signer.update(&path, advertised)).await;
            }
            Service::Shell => {
                let _membership = signer.add_shell(&session);
                session.gone().await;
            }
        }
    }
}
