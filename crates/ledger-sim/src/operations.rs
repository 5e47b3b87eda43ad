//! Manager operations: of all there are, the app knows the reveal and the delegation.

use blake2::digest::consts::U20;
use blake2::{Blake2b, Digest as _};

use crate::bytes::Bytes;
use crate::curve::Curve;
use crate::keys::Key;
use crate::status::Status;

/// What a group of operations holds, once it is there in full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Group {
    /// The bytes end too early; more could follow in a packet that the app then refuses.
    Incomplete,
    /// Reveals of the signing key, nothing else.
    Reveals,
    /// One delegation, with or without reveals; whether it is to the signing key itself.
    Delegation { to_self: bool },
}

impl Group {
    /// Reads a group of operations behind its magic byte. Every one must come from `signer`.
    pub(crate) fn parse(bytes: Bytes<'_>, signer: &Signer) -> Result<Self, Status> {
        let parser = Parser { bytes, signer };
        match parser.group() {
            Ok(group) => Ok(group),
            Err(Stop::Incomplete) => Ok(Self::Incomplete),
            Err(Stop::Refused) => Err(Status::PARSE),
        }
    }
}

/// The signing key, as operations write it.
#[derive(Debug)]
pub(crate) struct Signer {
    tag: u8,
    public_key: Vec<u8>,
    hash: [u8; KEY_HASH],
}

impl Signer {
    pub(crate) fn new(curve: Curve, key: &Key) -> Self {
        let public_key = key.compressed_public_key();
        let hash = Blake2b::<U20>::digest(&public_key).into();
        Self { tag: curve.operation_tag(), public_key, hash }
    }
}

const BRANCH: usize = 32;
const KEY_HASH: usize = 20;
const REVEAL: u8 = 107;
const DELEGATION: u8 = 110;
/// Key and hash tags from here on are unknown.
const KEY_TAGS: u8 = 4;

enum Stop {
    Incomplete,
    Refused,
}

struct Parser<'a> {
    bytes: Bytes<'a>,
    signer: &'a Signer,
}

impl<'a> Parser<'a> {
    fn group(mut self) -> Result<Group, Stop> {
        self.take(BRANCH)?;
        let mut group = Group::Incomplete;
        while !self.bytes.is_empty() {
            group = self.operation(group)?;
        }
        Ok(group)
    }

    /// Reads one operation and says what the group holds with it.
    fn operation(&mut self, before: Group) -> Result<Group, Stop> {
        let tag = self.byte()?;
        if self.bytes.is_empty() {
            return Err(Stop::Incomplete);
        }
        require(matches!(tag, REVEAL | DELEGATION))?;
        let from_signer = self.is_signer()?;
        require(from_signer)?;
        for _field in ["fee", "counter", "gas limit", "storage limit"] {
            self.skip_number()?;
        }
        if tag == REVEAL { self.reveal(before) } else { self.delegation(before) }
    }

    fn reveal(&mut self, before: Group) -> Result<Group, Stop> {
        let tag = self.byte()?;
        require(tag == self.signer.tag)?;
        let revealed = self.take(self.signer.public_key.len())?;
        require(revealed == self.signer.public_key)?;
        Ok(match before {
            Group::Delegation { .. } => before,
            Group::Incomplete | Group::Reveals => Group::Reveals,
        })
    }

    fn delegation(&mut self, before: Group) -> Result<Group, Stop> {
        let has_delegate = self.byte()? != 0;
        require(!matches!(before, Group::Delegation { .. }))?;
        let to_self = has_delegate && self.is_signer()?;
        Ok(Group::Delegation { to_self })
    }

    /// Reads the hash of a key; a known tag is required, but not that it is the signer's.
    fn is_signer(&mut self) -> Result<bool, Stop> {
        let [tag, hash @ ..] = self.bytes.array::<{ 1 + KEY_HASH }>().ok_or(Stop::Incomplete)?;
        require(tag < KEY_TAGS)?;
        Ok(tag == self.signer.tag && hash == self.signer.hash)
    }

    /// Reads a number of the protocol's "N" encoding; more than 64 bits are refused.
    fn skip_number(&mut self) -> Result<(), Stop> {
        for shift in (0..).step_by(7) {
            let byte = self.byte()?;
            require(shift < 63 || (shift == 63 && byte == 1))?;
            if byte & 0x80 == 0 {
                break;
            }
        }
        Ok(())
    }

    fn byte(&mut self) -> Result<u8, Stop> {
        self.bytes.byte().ok_or(Stop::Incomplete)
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], Stop> {
        self.bytes.take(length).ok_or(Stop::Incomplete)
    }
}

fn require(holds: bool) -> Result<(), Stop> {
    if holds { Ok(()) } else { Err(Stop::Refused) }
}
