//! A baker that asks the way octez-baker asks, and remembers every answer.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use signer_api::client::{ClientError, SignerUrl};
use tezos::{BlsScheme, KeyForm, Kind, PublicKey, Signature, sample_payload_of};
use tokio::time::sleep;

/// Which block is meant: another variant is another block at the same place.
pub(crate) type Variant = u8;

/// A baker. Clones share their memory.
#[derive(Clone)]
pub(crate) struct Baker {
    url: Arc<SignerUrl>,
    public_key: Arc<PublicKey>,
    answers: Arc<Mutex<Answers>>,
}

/// What was signed at each place, and the signature.
type Answers = HashMap<(Kind, u32), (Variant, Signature)>;

/// What came of one request.
#[derive(Debug, Clone)]
pub(crate) enum Asked {
    /// A signature that verifies, after so long.
    Signed(Duration),
    /// An answer that is none: refused, or failed for good.
    Refused(String),
    /// "Ask again", or no answer.
    Lost(String),
    /// What must never happen.
    Broken(String),
}

impl Asked {
    /// How long the signature took, if there is one.
    pub(crate) fn signed(&self) -> Option<Duration> {
        if let Asked::Signed(took) = self { Some(*took) } else { None }
    }

    /// Why it was refused, if it was.
    pub(crate) fn refusal(&self) -> Option<&str> {
        if let Asked::Refused(why) = self { Some(why) } else { None }
    }
}

const LIMIT: Duration = Duration::from_secs(15);
/// Octez asks again after a 502, and only then: ten times in all, each pause 0.1 s longer
/// (`src/lib_rpc_http/RPC_client_unix.ml`).
const PAUSES_MS: [u64; 9] = [0, 100, 200, 300, 400, 500, 600, 700, 800];
/// Until a baker whose request was lost asks anew.
const ANEW: Duration = Duration::from_millis(100);

impl Baker {
    pub(crate) fn new(url: SignerUrl, public_key: PublicKey) -> Baker {
        let (url, public_key) = (Arc::new(url), Arc::new(public_key));
        Baker { url, public_key, answers: Arc::default() }
    }

    /// The key, if its signer answers.
    pub(crate) async fn finds_its_key(&self) -> bool {
        self.url.public_key(Duration::from_secs(1)).await.is_ok()
    }

    /// Asks for one signature; what got lost is asked for anew until that moment.
    pub(crate) async fn ask_until(
        &self,
        kind: Kind,
        level: u32,
        variant: Variant,
        end: Instant,
    ) -> Asked {
        let started = Instant::now();
        loop {
            match self.ask(kind, level, variant).await {
                Asked::Lost(_) if Instant::now() + ANEW < end => sleep(ANEW).await,
                Asked::Signed(_) => return Asked::Signed(started.elapsed()),
                asked @ (Asked::Lost(_) | Asked::Refused(_) | Asked::Broken(_)) => return asked,
            }
        }
    }

    /// Asks for one signature: the authorised keys first, then the signature, each on a new connection.
    pub(crate) async fn ask(&self, kind: Kind, level: u32, variant: Variant) -> Asked {
        let started = Instant::now();
        let bytes = self.payload(kind, level, variant);
        let answer = async {
            again_after_502(|| self.url.wants_authentication(LIMIT)).await?;
            again_after_502(|| self.url.sign(&bytes, LIMIT)).await
        };
        match answer.await {
            Ok(signature) => self.check(kind, level, variant, signature, started.elapsed()),
            Err(ClientError::Answer { message, .. }) => Asked::Refused(message),
            Err(
                error @ (ClientError::Unreachable { .. }
                | ClientError::NoAnswer { .. }
                | ClientError::AskAgain { .. }
                | ClientError::Nonsense { .. }),
            ) => Asked::Lost(error.to_string()),
        }
    }

    /// What is to be signed, as the chain has it for such a key.
    pub(crate) fn payload(&self, kind: Kind, level: u32, variant: Variant) -> Vec<u8> {
        sample_payload_of(KeyForm::of(&self.public_key.hash()), kind, level, 0, variant)
    }

    /// Remembers a signature for ever, and holds it against all others.
    fn check(
        &self,
        kind: Kind,
        level: u32,
        variant: Variant,
        signature: Signature,
        took: Duration,
    ) -> Asked {
        let bytes = self.payload(kind, level, variant);
        if !self.public_key.verifies(&bytes, &signature, BlsScheme::default()) {
            return Asked::Broken(format!("the signature of {kind} {level} does not verify"));
        }
        let mut answers = self.answers.lock();
        let made = (variant, signature);
        match answers.get(&(kind, level)) {
            Some(before) if *before != made => {
                Asked::Broken(format!("TWO DIFFERENT SIGNATURES for {kind} {level}"))
            }
            Some(_) | None => {
                answers.insert((kind, level), made);
                Asked::Signed(took)
            }
        }
    }

    /// How many marks have a signature.
    pub(crate) fn signatures(&self) -> usize {
        self.answers.lock().len()
    }
}

async fn again_after_502<T>(
    ask: impl AsyncFn() -> Result<T, ClientError>,
) -> Result<T, ClientError> {
    for pause in PAUSES_MS {
        match ask().await {
            Err(ClientError::AskAgain { .. }) => sleep(Duration::from_millis(pause)).await,
            answer => return answer,
        }
    }
    ask().await
}
