//! The signer is killed while it signs.

use std::time::{Duration, Instant};

use tezos::Kind;
use tokio::time::sleep;

use crate::baker::Asked;
use crate::chain::HONEST;
use crate::scenes::tell_refusal;
use crate::story::Story;

/// The first vote is signed then, the second one is in the Ledger.
const KILL_AFTER: Duration = Duration::from_millis(330);
/// From the start of the signer to when it can be asked; half a second of it is the Ledger's.
const PROMISE: Duration = Duration::from_secs(2);
/// For how long the baker wants the votes of the crash level.
const RETRY_LIMIT: Duration = Duration::from_secs(3);

impl Story {
    /// SIGKILL in mid-vote; it is started again at once.
    pub(crate) async fn the_signer_crashes(&mut self) -> anyhow::Result<()> {
        let level = self.chain.next;
        daemon::say!(
            "\n5. The signer is killed (SIGKILL) in the middle of the votes of level {level},"
        );
        daemon::say!("   and started again:");
        let (baker, end) =
            (self.chain.baker.clone(), Instant::now() + self.chain.tally.promised(RETRY_LIMIT));
        let asking = async {
            tokio::join!(
                baker.ask_until(Kind::Preattestation, level, HONEST, end),
                baker.ask_until(Kind::Attestation, level, HONEST, end)
            )
        };
        let crashing = async {
            sleep(KILL_AFTER).await;
            self.home.signer.kill()?;
            self.start_signer().await
        };
        let ((preattestation, attestation), back) = tokio::join!(asking, crashing);
        let back = back?;
        self.tell_vote("preattestation", preattestation);
        self.tell_vote("attestation", attestation);
        daemon::say!("     it can be asked again after {} ms", back.as_millis());
        if back > self.chain.tally.promised(PROMISE) {
            self.surprise("it took the signer too long to come back".to_owned());
        }
        daemon::say!("   Another program asks for different votes of level {level}:");
        for kind in [Kind::Preattestation, Kind::Attestation] {
            self.ask_for_another(kind, level).await;
        }
        self.chain.next = level + 1;
        Ok(())
    }

    fn tell_vote(&mut self, vote: &str, asked: Asked) {
        match asked {
            Asked::Signed(took) => {
                daemon::say!("     {vote}: signed after {} ms", took.as_millis())
            }
            Asked::Refused(why) => {
                daemon::say!("     {vote}: was it signed? It cannot be known. Asked again:");
                tell_refusal("       ", &why);
                self.unknown += 1;
            }
            Asked::Lost(why) => daemon::say!("     {vote}: no answer: {why}"),
            Asked::Broken(why) => self.surprise(format!("{vote}: {why}")),
        }
    }
}
