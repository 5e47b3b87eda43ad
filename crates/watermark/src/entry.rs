//! The rule, and what it needs to know of one key on one chain.

use std::fmt;

use tezos::{ChainId, Digest, Kind, Level, Mark, Payload, PublicKeyHash, Signature};

use crate::form::SeenProtocols;
use crate::refusal::Refusal;

/// All that is known of what one key has signed on one chain. One row of the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The key.
    pub key: PublicKeyHash,
    /// The chain.
    pub chain: ChainId,
    /// Nothing at or below this level is signed, whatever its kind. None: nothing is closed.
    pub floor: Option<Level>,
    /// Everything up to this level may have been signed since the store was opened. None after a
    /// clean stop.
    pub reserved: Option<Level>,
    /// When the highest level of this entry last rose, in seconds since 1970; none if that is not known.
    pub raised_at: Option<u64>,
    /// What was seen of the chain's protocols. It says which form a block may have, and nothing of the mark.
    pub protocols: SeenProtocols,
    block: Option<Last>,
    preattestation: Option<Last>,
    attestation: Option<Last>,
}

/// The last one signed of a kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Last {
    /// Its mark.
    pub mark: Mark,
    /// BLAKE2b-256 of its bytes, if known.
    pub digest: Option<Digest>,
    /// Its signature. None while the device works on it, and for ever if no answer came.
    pub signature: Option<Signature>,
    /// The device answered that it did not sign it: the same bytes may be asked again, and no others. Not kept on
    /// disk: after a restart it counts as given to the device.
    pub was_declined: bool,
}

impl Last {
    /// What is known of a payload when its device is asked.
    pub(crate) fn asked(payload: &Payload) -> Last {
        let (mark, digest) = (payload.mark(), Some(*payload.digest()));
        Last { mark, digest, signature: None, was_declined: false }
    }
}

/// What the rule says to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It is above the mark.
    Sign,
    /// It is what was signed last: here is that signature.
    Again(Signature),
    /// It must not be signed.
    Refuse(Refusal),
}

impl Entry {
    /// An entry that closes everything at or below `floor`, and nothing else.
    #[must_use]
    pub fn new(key: PublicKeyHash, chain: ChainId, floor: Option<Level>) -> Entry {
        Entry {
            key,
            chain,
            floor,
            reserved: None,
            raised_at: None,
            protocols: SeenProtocols::default(),
            block: None,
            preattestation: None,
            attestation: None,
        }
    }

    /// The last one signed of `kind`.
    #[must_use]
    pub fn last(&self, kind: Kind) -> Option<&Last> {
        match kind {
            Kind::Block => self.block.as_ref(),
            Kind::Preattestation => self.preattestation.as_ref(),
            Kind::Attestation => self.attestation.as_ref(),
        }
    }

    pub(crate) fn last_mut(&mut self, kind: Kind) -> &mut Option<Last> {
        match kind {
            Kind::Block => &mut self.block,
            Kind::Preattestation => &mut self.preattestation,
            Kind::Attestation => &mut self.attestation,
        }
    }

    /// The rule. It changes nothing.
    #[must_use]
    pub fn judge(&self, payload: &Payload) -> Verdict {
        let (kind, mark) = (payload.kind(), payload.mark());
        let last = self.last(kind);
        if let Some(last) = last.filter(|last| last.digest.as_ref() == Some(payload.digest())) {
            return match &last.signature {
                Some(signature) => Verdict::Again(signature.clone()),
                None if last.was_declined && self.floor < Some(mark.level) => Verdict::Sign,
                None => Verdict::Refuse(Refusal::Unanswered { kind, mark }),
            };
        }
        if let Some(floor) = self.floor.filter(|floor| mark.level <= *floor) {
            return Verdict::Refuse(Refusal::Closed { kind, mark, floor });
        }
        match last.map(|last| last.mark) {
            Some(last) if mark == last => Verdict::Refuse(Refusal::Different { kind, mark }),
            Some(last) if mark < last => Verdict::Refuse(Refusal::Below { kind, mark, last }),
            Some(_) | None => Verdict::Sign,
        }
    }

    /// Raises the mark of the payload's kind. Only after [`Entry::judge`] said `Sign`.
    pub(crate) fn advance(&mut self, payload: &Payload) {
        *self.last_mut(payload.kind()) = Some(Last::asked(payload));
        self.protocols = self.protocols.after(payload);
    }

    /// Keeps the signature of the last payload of its kind, and gives both; one that is not the last is
    /// forgotten.
    pub(crate) fn keep(&mut self, payload: &Payload, signature: &Signature) -> Option<&Last> {
        let last = self.last_mut(payload.kind()).as_mut();
        let last = last.filter(|last| last.digest.as_ref() == Some(payload.digest()))?;
        last.signature = Some(signature.clone());
        Some(last)
    }

    /// Takes a mark from elsewhere, if it is above the own one of its kind.
    pub(crate) fn take_higher(&mut self, kind: Kind, other: Last) {
        let own = self.last_mut(kind);
        if own.as_ref().is_none_or(|own| own.mark < other.mark) {
            *own = Some(other);
        }
    }

    /// The device answered that it did not sign the last payload of its kind.
    pub(crate) fn decline(&mut self, payload: &Payload) {
        if let Some(last) = self.last_mut(payload.kind())
            && last.digest.as_ref() == Some(payload.digest())
            && last.signature.is_none()
        {
            last.was_declined = true;
        }
    }

    /// Closes everything up to `level`, if that is more than is closed already.
    pub fn raise(&mut self, level: Level) {
        self.floor = self.floor.max(Some(level));
    }

    /// Opens everything above `level`. **Only an operator may want this**: whatever was signed above
    /// it can then be signed again.
    pub fn lower(&mut self, level: Level) {
        self.floor = Some(level);
        self.reserved = None;
        self.protocols = SeenProtocols::default();
        for kind in Kind::ALL {
            self.last_mut(kind).take_if(|last| last.mark.level > level);
        }
    }

    /// Closes the kinds without a mark up to the highest level of the others.
    pub(crate) fn close_unknown_kinds(&mut self) {
        let Some(highest) = self.highest() else { return };
        let mark = Mark::end_of(highest);
        let closed = Last { mark, digest: None, signature: None, was_declined: false };
        for kind in Kind::ALL {
            self.last_mut(kind).get_or_insert(closed.clone());
        }
    }

    /// What a power cut leaves: the reservation counts as signed.
    pub(crate) fn settle(&mut self) {
        if let Some(reserved) = self.reserved.take() {
            self.raise(reserved);
        }
    }

    /// The highest level of which anything is closed, signed or reserved.
    #[must_use]
    pub fn highest(&self) -> Option<Level> {
        self.reached().max(self.reserved)
    }

    /// The highest level of which anything is closed or signed.
    #[must_use]
    pub fn reached(&self) -> Option<Level> {
        let lasts =
            Kind::ALL.iter().filter_map(|kind| self.last(*kind)).map(|last| last.mark.level);
        lasts.max().max(self.floor)
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} on {}: ",
            self.key,
            self.chain.name().map_or_else(|| self.chain.to_string(), str::to_owned)
        )?;
        match self.floor {
            Some(floor) => write!(f, "closed up to level {floor}")?,
            None => write!(f, "nothing closed")?,
        }
        for kind in Kind::ALL {
            if let Some(last) = self.last(kind) {
                write!(f, ", last {kind} at {}", last.mark)?;
            }
        }
        Ok(())
    }
}
