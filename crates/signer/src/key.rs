//! What is known of a key: written by the worker that owns its device, read everywhere.

use std::collections::BTreeMap;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use daemon::health::seconds_since_1970;
use daemon::misses::Misses;
use ledger::DeviceMarks;
use parking_lot::Mutex;
use shares::{Group, PartialSignature, ShareIndex};
use tezos::{
    BlsScheme, ChainId, KNOWN_PROTOCOLS, Kind, Level, Mark, Payload, PublicKey, PublicKeyHash,
    Signature, Statement,
};

use crate::error::{NotReady, Refused, SignError};
use crate::policy::Policy;

/// What is known of a key. Written by its worker, read everywhere.
#[derive(Debug)]
pub(crate) struct Key {
    /// Its name in the configuration.
    pub(crate) name: String,
    /// The hash that the configuration asks for.
    pub(crate) expected: Option<PublicKeyHash>,
    pub(crate) policy: Policy,
    /// Which share of it is here, if not the whole.
    pub(crate) share: Option<KeyShare>,
    /// Known at once for a software key, and when the device was first seen for the others. It never
    /// changes afterwards: another one is another seed.
    identity: OnceLock<PublicKey>,
    /// The marks on its device, when they were last asked for.
    device_marks: Mutex<Option<DeviceMarks>>,
    /// What the last exchange showed.
    readiness: Mutex<Result<(), NotReady>>,
    /// What was signed last, of each kind.
    signed: Mutex<BTreeMap<Kind, LastSignature>>,
    /// The last answers to requests to sign, if they were no signatures.
    unsigned: Mutex<Misses>,
    /// How often its device was connected to.
    connects: AtomicU64,
    /// What was last signed, or refused, of each chain and kind in a form that is not known here, and what to do.
    unknown_forms: Mutex<BTreeMap<(ChainId, Kind), String>>,
}

/// Which share of a key a signer has.
#[derive(Debug)]
pub(crate) struct KeyShare {
    pub(crate) group: Group,
    pub(crate) index: ShareIndex,
}

/// A signature that was made.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LastSignature {
    pub(crate) mark: Mark,
    /// In seconds since 1970.
    pub(crate) at: f64,
    /// From the request to the signature.
    pub(crate) took: Duration,
}

impl Key {
    pub(crate) fn new(name: String, expected: Option<PublicKeyHash>, policy: Policy) -> Key {
        let readiness = Mutex::new(Err(NotReady::Absent("not looked for yet".to_owned())));
        Key {
            name,
            expected,
            policy,
            share: None,
            identity: OnceLock::new(),
            device_marks: Mutex::default(),
            readiness,
            signed: Mutex::default(),
            unsigned: Mutex::default(),
            connects: AtomicU64::default(),
            unknown_forms: Mutex::default(),
        }
    }

    /// The same key, of which this signer has a share alone.
    pub(crate) fn with_share(self, share: KeyShare) -> Key {
        Key { share: Some(share), ..self }
    }

    /// Whether this signer has all of it, and can make its signatures.
    pub(crate) fn is_whole(&self) -> Result<(), Refused> {
        let Some(KeyShare { group, index }) = &self.share else { return Ok(()) };
        let (key, threshold) = (group.public_key().hash(), group.threshold());
        Err(Refused::Share { key, index: *index, threshold })
    }

    /// Which share of it this signer has.
    pub(crate) fn share_index(&self) -> Result<ShareIndex, Refused> {
        match (&self.share, self.hash()) {
            (Some(share), _) => Ok(share.index),
            (None, hash) => {
                Err(Refused::Whole(hash.map_or_else(|| self.name.clone(), |hash| hash.to_string())))
            }
        }
    }

    /// Whether `made` is what its device should have made: a signature of the key, or its share's part of one.
    pub(crate) fn verifies(&self, bytes: &[u8], made: &Signature, scheme: BlsScheme) -> bool {
        match &self.share {
            Some(share) => {
                let part = PartialSignature::new(share.index, made.clone());
                share.group.verifies(&part, Statement::Message { bytes, scheme })
            }
            None => self.public_key().is_some_and(|key| key.verifies(bytes, made, scheme)),
        }
    }

    /// The public key, if it is known.
    pub(crate) fn public_key(&self) -> Option<&PublicKey> {
        self.identity.get()
    }

    /// The hash, if it is known or configured.
    pub(crate) fn hash(&self) -> Option<PublicKeyHash> {
        self.identity.get().map(PublicKey::hash).or(self.expected)
    }

    /// Whether a public key that a device shows can be this key's.
    pub(crate) fn is_this(&self, shown: &PublicKey) -> Result<(), NotReady> {
        let found = shown.hash();
        match self.hash() {
            Some(expected) if expected != found => Err(NotReady::OtherSeed { expected, found }),
            Some(_) | None => Ok(()),
        }
    }

    /// Takes a public key that a device shows as this key's, for ever.
    pub(crate) fn identify(&self, shown: PublicKey) -> Result<(), NotReady> {
        self.is_this(&shown)?;
        // Set before means equal: the hash was compared.
        let _ = self.identity.set(shown);
        Ok(())
    }

    /// Notes the marks that its device shows.
    pub(crate) fn note_device_marks(&self, marks: Option<DeviceMarks>) {
        *self.device_marks.lock() = marks;
    }

    /// The level of its device's own mark for a chain, if it has one.
    pub(crate) fn device_level(&self, chain: ChainId) -> Option<Level> {
        let marks = *self.device_marks.lock();
        marks.map(|marks| marks.of(chain).level)
    }

    /// Notes that its device was connected to.
    pub(crate) fn note_connected(&self) {
        self.connects.fetch_add(1, Ordering::Relaxed);
    }

    /// How often its device was connected to.
    pub(crate) fn connects(&self) -> u64 {
        self.connects.load(Ordering::Relaxed)
    }

    /// Notes a signature that was made just now, `took` after it was asked for.
    pub(crate) fn note_signature(&self, payload: &Payload, took: Duration) {
        let last = LastSignature { mark: payload.mark(), at: seconds_since_1970(), took };
        self.signed.lock().insert(payload.kind(), last);
    }

    /// Notes what a request to sign was answered: a signature, or why not.
    pub(crate) fn note_answer<T>(&self, answer: &Result<T, SignError>) {
        let mut unsigned = self.unsigned.lock();
        match answer {
            Ok(_) => unsigned.clear(),
            Err(why) => unsigned.note(&why.to_string()),
        }
    }

    /// How many of the last answers in a row were no signatures, if they are several and none is old; and why the last one was
    /// none.
    pub(crate) fn unsigned_lately(&self) -> Option<(usize, String)> {
        self.unsigned.lock().of_late().map(|(count, why)| (count, why.to_owned()))
    }

    /// The last signature of a kind since the start; none if there was none.
    pub(crate) fn last_signature(&self, kind: Kind) -> Option<LastSignature> {
        self.signed.lock().get(&kind).copied()
    }

    /// Notes in which form a payload was that was signed or refused; one that is not known here is told loudly.
    pub(crate) fn note_form(&self, payload: &Payload, what_became_of_it: &str) {
        let place = (payload.chain(), payload.kind());
        let mut unknown = self.unknown_forms.lock();
        let Some(why) = payload.unknown_form() else {
            unknown.remove(&place);
            return;
        };
        let text = format!(
            "update Peel: {} {what_became_of_it} the {} {}, whose form this version does not know ({why}). It knows the \
             protocols {}",
            self.name,
            payload.kind(),
            payload.mark(),
            KNOWN_PROTOCOLS.join(", ")
        );
        tracing::warn!(key = self.name, "{text}");
        unknown.insert(place, text);
    }

    /// What to do because of what was last signed or refused in a form that is not known here.
    pub(crate) fn unknown_form(&self) -> Option<String> {
        self.unknown_forms.lock().values().next().cloned()
    }

    pub(crate) fn readiness(&self) -> Result<(), NotReady> {
        self.readiness.lock().clone()
    }

    /// Notes what an exchange showed; a change is a line in the log. A computer that failed stays so.
    pub(crate) fn note(&self, state: Result<(), NotReady>) {
        let mut readiness = self.readiness.lock();
        if *readiness == state || *readiness == Err(NotReady::Faulty) {
            return;
        }
        match &state {
            Ok(()) => tracing::info!(
                key = self.name,
                hash = self.hash().map(|hash| hash.to_string()),
                "ready to sign"
            ),
            Err(why) => tracing::warn!(key = self.name, state = why.reason(), "cannot sign: {why}"),
        }
        *readiness = state;
    }
}
