//! What is known of a key: written by the worker that owns its device, read everywhere.

use std::sync::OnceLock;

use ledger::DeviceMarks;
use parking_lot::Mutex;
use tezos::{ChainId, KNOWN_PROTOCOLS, Kind, Level, Payload, PublicKey, PublicKeyHash};

use crate::error::NotReady;
use crate::policy::Policy;

/// What is known of a key. Written by its worker, read everywhere.
#[derive(Debug)]
pub(crate) struct Key {
    /// Its name in the configuration.
    pub(crate) name: String,
    /// The hash that the configuration asks for.
    pub(crate) expected: Option<PublicKeyHash>,
    pub(crate) policy: Policy,
    /// Known at once for a software key, and when the device was first seen for the others. It never
    /// changes afterwards: another one is another seed.
    identity: OnceLock<PublicKey>,
    /// The marks on its device, when they were last asked for.
    device_marks: Mutex<Option<DeviceMarks>>,
    /// What the last exchange showed.
    readiness: Mutex<Result<(), NotReady>>,
    /// The kind that was last signed in a form that is not known here, and what to do.
    unknown_form: Mutex<Option<(Kind, String)>>,
}

impl Key {
    pub(crate) fn new(name: String, expected: Option<PublicKeyHash>, policy: Policy) -> Key {
        let readiness = Mutex::new(Err(NotReady::Absent("not looked for yet".to_owned())));
        Key {
            name,
            expected,
            policy,
            identity: OnceLock::new(),
            device_marks: Mutex::default(),
            readiness,
            unknown_form: Mutex::default(),
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

    /// Notes in which form a payload was that was signed; one that is not known here is told loudly.
    pub(crate) fn note_form(&self, payload: &Payload) {
        let (kind, mark) = (payload.kind(), payload.mark());
        let mut unknown = self.unknown_form.lock();
        match payload.unknown_form() {
            None => drop(unknown.take_if(|(of, _)| *of == kind)),
            Some(why) => {
                let known = KNOWN_PROTOCOLS.join(", ");
                let text = format!(
                    "update Peel: {} signed the {kind} {mark}, whose form this version does not know ({why}). It knows \
                     the protocols {known}",
                    self.name
                );
                tracing::warn!(key = self.name, "{text}");
                *unknown = Some((kind, text));
            }
        }
    }

    /// What to do because of what was last signed in a form that is not known here.
    pub(crate) fn unknown_form(&self) -> Option<String> {
        self.unknown_form.lock().as_ref().map(|(_, text)| text.clone())
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
