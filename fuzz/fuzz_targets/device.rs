//! A device that answers whatever it likes to every command of the Baking app.
#![no_main]

use std::time::Duration;

use ledger::{BakingApp, KeyPath, Transport, TransportError};
use libfuzzer_sys::fuzz_target;

/// Answers with these bytes, cut up: a byte that says how long, and so many.
struct Answers(Vec<u8>);

impl Transport for Answers {
    fn send(&mut self, _: &[u8], _: Duration) -> Result<(), TransportError> {
        Ok(())
    }

    fn receive(&mut self, limit: Duration) -> Result<Vec<u8>, TransportError> {
        let length = *self.0.first().ok_or(TransportError::Silent(limit))?;
        let end = (usize::from(length) + 1).min(self.0.len());
        Ok(self.0.drain(..end).skip(1).collect())
    }
}

fuzz_target!(|input: &[u8]| {
    let Ok(mut app) = BakingApp::new(Box::new(Answers(input.to_vec()))) else { return };
    let path: KeyPath = "secp256k1/0h/0h".parse().unwrap_or_else(|_| KeyPath::root());
    let _ = app.running_app();
    let _ = app.version();
    let _ = app.build();
    let _ = app.marks();
    let _ = app.authorized_key();
    let _ = app.public_key(&path);
    let _ = app.sign(&path, &tezos::sample_payload(tezos::Kind::Attestation, 7, 0, 0));
});
