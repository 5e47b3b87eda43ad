//! A Ledger with the Tezos Baking app.
//!
//! Without a connection it looks for a device again and again; with one it asks now and then, when
//! nothing is to be signed, whether the app is still open and the key authorised. Nothing is asked
//! in front of a signature: readiness is what the last exchange showed. After anything but a clean
//! answer the connection is closed and a new one gets in step again.

use std::sync::Arc;
use std::time::Duration;

use ledger::{
    Address, BakingApp, DeviceMarks, Found, KeyPath, LedgerError, Meaning, StatusWord,
    TransportError,
};
use tezos::{BlsScheme, Payload, PublicKeyHash, Signature};
use watermark::Permit;

use crate::device::{Device, NoSignature};
use crate::error::{Failed, NotReady, Refused};
use crate::key::Key;

/// A key of the configuration that is on a Ledger.
#[derive(Debug, Clone)]
pub(crate) struct LedgerKey {
    pub(crate) path: KeyPath,
    /// The device must have this root key.
    pub(crate) root: Option<PublicKeyHash>,
}

/// The Ledger of this signer, there or not.
pub(crate) struct LedgerDevice {
    address: Address,
    keys: Vec<(Arc<Key>, LedgerKey)>,
    app: Option<BakingApp>,
    /// The key that the app signs with next, since it was selected.
    selected: Option<PublicKeyHash>,
}

const APP_NAME: &str = "Tezos Baking";
const LOOK_AGAIN: Duration = Duration::from_millis(500);
const LOOK_AFTER: Duration = Duration::from_secs(2);

impl LedgerDevice {
    pub(crate) fn new(address: Address, keys: Vec<(Arc<Key>, LedgerKey)>) -> LedgerDevice {
        LedgerDevice { address, keys, app: None, selected: None }
    }

    /// The key of this hash, with its path.
    fn find(&self, key: &PublicKeyHash) -> Result<(Arc<Key>, LedgerKey), NotReady> {
        let found = self.keys.iter().find(|(own, _)| own.hash() == Some(*key));
        found.cloned().ok_or_else(|| NotReady::Absent(format!("the Ledger has no key {key}")))
    }

    /// Tries every device that is there; keeps the first that has the keys.
    fn connect(&mut self) -> Result<BakingApp, NotReady> {
        let found = ledger::find(self.address).map_err(|error| unreached(&error))?;
        let mut why = unreached(&TransportError::Absent(self.address));
        for device in &found {
            match self.try_device(device) {
                Ok(app) => return Ok(app),
                Err(state) => why = state,
            }
        }
        Err(why)
    }

    fn try_device(&self, found: &Found) -> Result<BakingApp, NotReady> {
        let transport = ledger::open(found).map_err(|error| unreached(&error))?;
        let mut app = BakingApp::new(transport).map_err(|error| state_of(&error))?;
        check_app(&mut app)?;
        check_root(&mut app, self.keys.first().and_then(|(_, own)| own.root))?;
        let mut found = Vec::new();
        for (key, own) in &self.keys {
            let public_key = app.public_key(&own.path).map_err(|error| state_of(&error))?;
            key.is_this(&public_key)?;
            found.push((key, public_key));
        }
        // Only now: a device that has one key and not the other is another device.
        for (key, public_key) in found {
            key.identify(public_key)?;
            key.note_connected();
        }
        Ok(app)
    }

    /// Whether the app is still open, which key it may sign with, and where its own marks are.
    fn look(app: &mut BakingApp) -> Result<(Option<KeyPath>, DeviceMarks), NotReady> {
        check_app(app)?;
        let authorized = app.authorized_key().map_err(|error| state_of(&error))?;
        Ok((authorized, app.marks().map_err(|error| state_of(&error))?))
    }

    fn note_authorized(&self, found: &Option<KeyPath>) {
        for (key, own) in &self.keys {
            key.note(if found.as_ref() == Some(&own.path) {
                Ok(())
            } else {
                Err(NotReady::NotAuthorized { key: own.path.clone(), found: found.clone() })
            });
        }
    }

    /// After an error the connection is kept only if the device answered with its rule, and the key is as it says.
    fn after(&mut self, key: &Key, error: &LedgerError) -> NoSignature {
        match meaning(error) {
            Some(Meaning::RefusedByMark | Meaning::NotParsed) => {
                NoSignature::Declined(Refused::ByDevice(error.to_string()).into())
            }
            Some(
                Meaning::NotAuthorized
                | Meaning::Locked
                | Meaning::OtherApp
                | Meaning::RejectedByPerson
                | Meaning::BadPath
                | Meaning::Misused,
            ) => NoSignature::Declined(Failed::NotReady(self.lose(key, error)).into()),
            Some(Meaning::Done | Meaning::Unknown) | None => {
                self.lose(key, error);
                NoSignature::Unknown(Failed::Device(error.to_string()).into())
            }
        }
    }

    /// Gives the connection up: the next one gets in step again.
    fn lose(&mut self, key: &Key, error: &LedgerError) -> NotReady {
        let state = state_of(error);
        key.note(Err(state.clone()));
        self.app = None;
        state
    }
}

impl Device for LedgerDevice {
    fn takes(&self, payload: &Payload, _scheme: BlsScheme) -> Result<(), Refused> {
        BakingApp::takes(payload).map_err(|error| Refused::ByDevice(error.to_string()))
    }

    /// After a start nothing is selected, and asking for another path's public key moves the selection.
    fn prepare(&mut self, key: &PublicKeyHash) -> Result<(), NotReady> {
        self.selected = None;
        let (own, LedgerKey { path, .. }) = self.find(key)?;
        let app = self.app.as_mut().ok_or_else(not_connected)?;
        app.select(&path).map_err(|error| self.lose(&own, &error))?;
        self.selected = Some(*key);
        Ok(())
    }

    fn sign(&mut self, permit: Permit<'_>, _: BlsScheme) -> Result<Signature, NoSignature> {
        let declined = |state| NoSignature::Declined(Failed::NotReady(state).into());
        let (key, own) = self.find(permit.key()).map_err(declined)?;
        let app = self.app.as_mut().ok_or_else(|| declined(not_connected()))?;
        if self.selected.take() != Some(*permit.key()) {
            return Err(declined(NotReady::Absent("the key was not selected".to_owned())));
        }
        let made = app.sign_selected(own.path.derivation, permit.payload().bytes());
        made.map_err(|error| self.after(&key, &error))
    }

    fn maintain(&mut self) -> Duration {
        let app = match self.app.take() {
            Some(app) => Ok(app),
            None => self.connect(),
        };
        let looked = app.and_then(|mut app| Ok((Self::look(&mut app)?, app)));
        match looked {
            Ok(((authorized, marks), app)) => {
                // Else it is let go until the next look: "peel ledger setup" needs it.
                if self.keys.iter().any(|(_, own)| authorized.as_ref() == Some(&own.path)) {
                    self.app = Some(app);
                }
                self.keys.iter().for_each(|(key, _)| key.note_device_marks(Some(marks)));
                self.note_authorized(&authorized);
                LOOK_AFTER
            }
            Err(state) => {
                for (key, _) in &self.keys {
                    key.note_device_marks(None);
                    key.note(Err(state.clone()));
                }
                LOOK_AGAIN
            }
        }
    }

    fn kinds_in_order(&self) -> bool {
        true
    }

    fn is_connected(&self) -> bool {
        self.app.is_some()
    }
}

fn not_connected() -> NotReady {
    NotReady::Absent("the Ledger is not connected".to_owned())
}

fn check_app(app: &mut BakingApp) -> Result<(), NotReady> {
    let running = app.running_app().map_err(|error| state_of(&error))?;
    if running.name == APP_NAME { Ok(()) } else { Err(NotReady::OtherApp(running.name)) }
}

fn check_root(app: &mut BakingApp, root: Option<PublicKeyHash>) -> Result<(), NotReady> {
    let Some(expected) = root else { return Ok(()) };
    let found = app.public_key(&KeyPath::root()).map_err(|error| state_of(&error))?.hash();
    if found == expected { Ok(()) } else { Err(NotReady::OtherSeed { expected, found }) }
}

fn unreached(error: &TransportError) -> NotReady {
    match error {
        TransportError::InUse(_) | TransportError::Silent(_) => NotReady::Busy(error.to_string()),
        TransportError::Absent(_)
        | TransportError::Permission(_)
        | TransportError::Broken(_)
        | TransportError::Garbage(_) => NotReady::Absent(error.to_string()),
    }
}

fn meaning(error: &LedgerError) -> Option<Meaning> {
    match error {
        LedgerError::Status { status, .. } => Some(StatusWord::meaning(*status)),
        LedgerError::Transport(_)
        | LedgerError::Nonsense { .. }
        | LedgerError::OutOfStep
        | LedgerError::NotForBaking
        | LedgerError::NotSelected(_)
        | LedgerError::LevelTooHigh(_)
        | LedgerError::TooLong(_) => None,
    }
}

/// The named state that an error shows.
fn state_of(error: &LedgerError) -> NotReady {
    let selected =
        if let LedgerError::NotSelected(status) = error { Some(status.meaning()) } else { None };
    match selected.or_else(|| meaning(error)) {
        Some(Meaning::Locked) => NotReady::Locked,
        Some(Meaning::OtherApp) => NotReady::OtherApp("no Baking app".to_owned()),
        Some(_) => NotReady::Other(error.to_string()),
        None => {
            if let LedgerError::Transport(error) = error {
                unreached(error)
            } else {
                NotReady::Absent(error.to_string())
            }
        }
    }
}
