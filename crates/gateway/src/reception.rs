//! Receives the sessions of the tunnel, and shows each to its signer's desk.

use std::sync::Arc;

use tunnel::Door;
use tunnel::endpoint::{Attendant, Session};

use crate::line::Line;
use crate::signer::Signer;

/// All signers, in the order of the configuration.
#[derive(Debug, Clone)]
pub(crate) struct Signers(pub(crate) Arc<Vec<Signer>>);

impl Attendant for Signers {
    async fn attend(&self, session: Session) {
        let Some(signer) = self.0.get(session.guest()) else { return };
        match session.door() {
            Door::Signing => {
                let line = Arc::new(Line::new(session));
                let _present = signer.add_line(&line);
                line.learn(|keys| signer.said(keys)).await;
            }
            Door::Shell => {
                let _present = signer.add_shell(&session);
                session.gone().await;
            }
        }
    }
}
