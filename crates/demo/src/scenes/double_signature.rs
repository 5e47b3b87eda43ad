//! The same again is answered from memory; something else at the same place is refused.

use tezos::Kind;

use crate::baker::Variant;
use crate::chain::HONEST;
use crate::scenes::tell_refusal;
use crate::story::Story;

/// Another block than the one that the network agrees on.
const OTHER: Variant = 2;

impl Story {
    /// At the last level.
    pub(crate) async fn a_double_signature(&mut self) {
        let level = self.chain.next - 1;
        daemon::say!("   The baker asks once more for its attestation of level {level}:");
        let before = self.home.device_signatures();
        let again = self.chain.baker.ask(Kind::Attestation, level, HONEST).await;
        match again.signed() {
            Some(took) => daemon::say!("     the stored signature, after {} ms", took.as_millis()),
            None => self.surprise(format!("the stored signature did not come: {again:?}")),
        }
        daemon::say!("   Another program asks for a different attestation of level {level}:");
        self.ask_for_another(Kind::Attestation, level).await;
        if self.home.device_signatures() != before {
            self.surprise("the Ledger was asked to sign".to_owned());
        }
    }

    /// Something else at a place where something was signed, or may have been.
    pub(crate) async fn ask_for_another(&mut self, kind: Kind, level: u32) {
        let asked = self.chain.baker.ask(kind, level, OTHER).await;
        match asked.refusal() {
            Some(why) => tell_refusal("     ", why),
            None => self.surprise(format!("it was not refused: {asked:?}")),
        }
    }

    pub(crate) fn surprise(&mut self, what: String) {
        self.chain.tally.surprise(what);
    }
}
