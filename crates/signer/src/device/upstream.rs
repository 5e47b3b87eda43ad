//! A key of another signer, asked over HTTP.

use std::sync::Arc;
use std::time::{Duration, Instant};

use signer_api::client::{ClientError, SignerUrl};
use tezos::{BlsScheme, Curve, Signature};
use tokio::runtime::Handle;
use watermark::Permit;

use crate::device::Device;
use crate::error::{Failed, NotReady, Refused, SignError};
use crate::keyring::Key;

/// Another signer, and the runtime that carries the requests to it.
pub(crate) struct UpstreamKey {
    url: SignerUrl,
    runtime: Handle,
    connected: bool,
}

/// For one request.
const LIMIT: Duration = Duration::from_secs(3);
/// As long as a vote is of use, "nobody could be asked" is asked again, as octez does.
const ASK_AGAIN_FOR: Duration = Duration::from_secs(3);
const ASK_AGAIN_PAUSE: Duration = Duration::from_millis(100);

impl UpstreamKey {
    pub(crate) fn new(url: SignerUrl, runtime: Handle) -> UpstreamKey {
        UpstreamKey { url, runtime, connected: false }
    }

    fn look(&self, key: &Key) -> Result<(), NotReady> {
        let absent = |error: ClientError| NotReady::Absent(error.to_string());
        let answers = self.runtime.block_on(self.url.wants_authentication(LIMIT));
        if answers.map_err(absent)? {
            return Err(NotReady::Other(
                "the upstream signer wants authenticated requests, which Peel does not send yet"
                    .to_owned(),
            ));
        }
        if key.public_key().is_none() {
            let found = self.runtime.block_on(self.url.public_key(LIMIT)).map_err(absent)?;
            key.identify(found)?;
        }
        Ok(())
    }

    fn ask(&self, data: &[u8]) -> Result<Signature, ClientError> {
        let end = Instant::now() + ASK_AGAIN_FOR;
        loop {
            let answer = self.runtime.block_on(self.url.sign(data, LIMIT));
            match answer {
                Err(ClientError::AskAgain { .. } | ClientError::Unreachable { .. })
                    if Instant::now() < end =>
                {
                    std::thread::sleep(ASK_AGAIN_PAUSE);
                }
                answer => return answer,
            }
        }
    }
}

impl Device for UpstreamKey {
    fn sign(
        &mut self,
        _place: usize,
        key: &Key,
        permit: Permit<'_>,
        scheme: BlsScheme,
    ) -> Result<Signature, SignError> {
        if permit.key().curve() == Curve::Bls && scheme != BlsScheme::default() {
            return Err(Refused::Version.into());
        }
        match self.ask(permit.payload().bytes()) {
            Ok(signature) => Ok(signature),
            Err(error @ ClientError::Answer { .. }) => {
                Err(Refused::ByDevice(error.to_string()).into())
            }
            Err(error) => {
                self.connected = false;
                key.note(Err(NotReady::Absent(error.to_string())));
                Err(Failed::Device(error.to_string()).into())
            }
        }
    }

    fn tend(&mut self, keys: &[Arc<Key>]) -> Duration {
        for key in keys {
            let state = self.look(key);
            self.connected = state.is_ok();
            key.note(state);
        }
        Duration::from_secs(if self.connected { 5 } else { 1 })
    }

    fn kinds_in_order(&self) -> bool {
        true
    }

    fn is_connected(&self) -> bool {
        self.connected
    }
}
