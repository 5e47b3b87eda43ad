//! A key of another signer, asked over HTTP.

use std::sync::Arc;
use std::time::{Duration, Instant};

use signer_api::client::{ClientError, SignerUrl};
use tezos::{BlsScheme, Payload, Signature};
use tokio::runtime::Handle;
use watermark::Permit;

use crate::device::{Device, NoSignature};
use crate::error::{Failed, NotReady, Refused};
use crate::key::Key;

/// Another signer, and the runtime that carries the requests to it.
pub(crate) struct UpstreamKey {
    key: Arc<Key>,
    url: SignerUrl,
    runtime: Handle,
    connected: bool,
}

/// For a question to it that is no signing request.
const LIMIT: Duration = Duration::from_secs(3);
/// For a signature: after "ask again" it is asked again, as octez does, for as long as a vote is of use.
const ASK_FOR: Duration = Duration::from_secs(3);
const ASK_AGAIN_PAUSE: Duration = Duration::from_millis(100);

impl UpstreamKey {
    pub(crate) fn new(key: Arc<Key>, url: SignerUrl, runtime: Handle) -> UpstreamKey {
        UpstreamKey { key, url, runtime, connected: false }
    }

    fn look(&self) -> Result<(), NotReady> {
        let absent = |error: ClientError| NotReady::Absent(error.to_string());
        let answers = self.runtime.block_on(self.url.wants_authentication(LIMIT));
        if answers.map_err(absent)? {
            return Err(NotReady::Other(
                "the upstream signer wants authenticated requests, which Peel does not send yet"
                    .to_owned(),
            ));
        }
        if self.key.public_key().is_none() {
            let found = self.runtime.block_on(self.url.public_key(LIMIT)).map_err(absent)?;
            self.key.identify(found)?;
        }
        Ok(())
    }

    fn ask(&self, data: &[u8]) -> Result<Signature, ClientError> {
        let end = Instant::now() + ASK_FOR;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            match self.runtime.block_on(self.url.sign(data, left)) {
                Err(ClientError::AskAgain { .. } | ClientError::Unreachable { .. })
                    if left > ASK_AGAIN_PAUSE =>
                {
                    std::thread::sleep(ASK_AGAIN_PAUSE);
                }
                answer => return answer,
            }
        }
    }
}

impl Device for UpstreamKey {
    /// It is asked for signature version 3; another form exists for tz4 only.
    fn takes(&self, _payload: &Payload, scheme: BlsScheme) -> Result<(), Refused> {
        if scheme == BlsScheme::default() { Ok(()) } else { Err(Refused::Version) }
    }

    fn sign(&mut self, permit: Permit<'_>, _: BlsScheme) -> Result<Signature, NoSignature> {
        if *permit.key() != self.url.key {
            return Err(NoSignature::no_such_key(permit.key()));
        }
        match self.ask(permit.payload().bytes()) {
            Ok(signature) => Ok(signature),
            // Its refusals and its failures look alike (octez answers 500 to both): not ours to say.
            Err(error @ ClientError::Answer { .. }) => {
                Err(NoSignature::Unknown(Failed::Device(error.to_string()).into()))
            }
            Err(error) => {
                self.connected = false;
                let absent = NotReady::Absent(error.to_string());
                self.key.note(Err(absent.clone()));
                Err(match error {
                    // It cannot be reached, or has said "ask again" and cannot be reached any more: so the same bytes, and
                    // no others, may be given to it again.
                    ClientError::Unreachable { .. } => {
                        NoSignature::Declined(Failed::NotReady(absent).into())
                    }
                    ClientError::NoAnswer { .. }
                    | ClientError::AskAgain { .. }
                    | ClientError::Answer { .. }
                    | ClientError::Nonsense { .. } => {
                        NoSignature::Unknown(Failed::Device(error.to_string()).into())
                    }
                })
            }
        }
    }

    fn maintain(&mut self) -> Duration {
        let state = self.look();
        if state.is_ok() && !self.connected {
            self.key.note_connected();
        }
        self.connected = state.is_ok();
        self.key.note(state);
        Duration::from_secs(if self.connected { 5 } else { 1 })
    }

    fn kinds_in_order(&self) -> bool {
        true
    }

    fn is_connected(&self) -> bool {
        self.connected
    }
}
