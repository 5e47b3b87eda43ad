//! The fields of operations, as octez's data-encoding writes them.

use crate::operation::Contract;
use crate::payload_error::PayloadError;
use crate::reader::Reader;
use crate::{Curve, PublicKeyHash};

/// Takes the fields of operations off their front.
pub(super) trait Fields {
    fn key_hash(&mut self, field: &'static str) -> Result<PublicKeyHash, PayloadError>;
    fn public_key(&mut self, field: &'static str) -> Result<PublicKeyHash, PayloadError>;
    fn natural(&mut self, field: &'static str) -> Result<Option<u64>, PayloadError>;
    fn integer(&mut self, field: &'static str) -> Result<(), PayloadError>;
    fn tez(&mut self, field: &'static str) -> Result<u64, PayloadError>;
    fn contract(&mut self, field: &'static str) -> Result<Contract, PayloadError>;
    fn originated(&mut self, field: &'static str) -> Result<Contract, PayloadError>;
    fn sized(&mut self, field: &'static str) -> Result<usize, PayloadError>;
    fn entrypoint(&mut self) -> Result<(), PayloadError>;
    fn proof(&mut self) -> Result<(), PayloadError>;
    fn hashes(&mut self, field: &'static str) -> Result<(), PayloadError>;
    fn u8_up_to(&mut self, field: &'static str, most: u8) -> Result<u8, PayloadError>;
    fn optional<T>(
        &mut self,
        field: &'static str,
        read: impl FnOnce(&mut Self) -> Result<T, PayloadError>,
    ) -> Result<Option<T>, PayloadError>;
}

const MORE: u8 = 0x80;
/// Octez's lists and texts are shorter than this.
const MAX_SIZE: u32 = 1 << 30;
const NAMED_ENTRYPOINT: u8 = 0xff;
const LAST_ENTRYPOINT: u8 = 9;
const MAX_ENTRYPOINT: u8 = 31;
const MAX_PROPOSALS: usize = 20;
const HASH: usize = 32;
const BLS_SIGNATURE: usize = 96;

fn malformed(field: &'static str, why: &'static str) -> PayloadError {
    PayloadError::Malformed { field, why }
}

impl Fields for Reader<'_> {
    fn key_hash(&mut self, field: &'static str) -> Result<PublicKeyHash, PayloadError> {
        PublicKeyHash::try_from(self.array::<21>(field)?)
            .map_err(|_| malformed(field, "its tag is that of no curve"))
    }

    /// Its hash. Whether it is a point of its curve takes long to tell, and is the chain's to say.
    fn public_key(&mut self, field: &'static str) -> Result<PublicKeyHash, PayloadError> {
        let curve = Curve::from_tag(self.u8(field)?);
        let curve = curve.ok_or_else(|| malformed(field, "its tag is that of no curve"))?;
        let bytes = match curve {
            Curve::Ed25519 => self.array::<32>(field)?.to_vec(),
            Curve::Secp256k1 | Curve::P256 => self.array::<33>(field)?.to_vec(),
            Curve::Bls => self.array::<48>(field)?.to_vec(),
            Curve::MlDsa44 => self.array::<1312>(field)?.to_vec(),
        };
        Ok(PublicKeyHash::of_key(curve, &bytes))
    }

    /// Seven bits in each byte, the lowest first; the high bit says that another follows. None when it is larger than
    /// any number that matters here.
    fn natural(&mut self, field: &'static str) -> Result<Option<u64>, PayloadError> {
        let mut value = Some(0_u64);
        for at in 0.. {
            let byte = self.u8(field)?;
            let bits = u64::from(byte & !MORE);
            value = value.and_then(|value| {
                let shifted = if bits == 0 { Some(0) } else { bits.checked_shl(7 * at) };
                let shifted = shifted.filter(|shifted| bits == 0 || shifted >> (7 * at) == bits)?;
                value.checked_add(shifted)
            });
            if byte & MORE == 0 {
                if byte == 0 && at > 0 {
                    return Err(malformed(field, "it has a zero byte at its end"));
                }
                break;
            }
        }
        Ok(value)
    }

    /// The same with a sign beside six bits in the first byte.
    fn integer(&mut self, field: &'static str) -> Result<(), PayloadError> {
        if self.u8(field)? & MORE != 0 {
            self.natural(field)?;
        }
        Ok(())
    }

    /// Millionths of a tez: octez has them in 63 bits.
    fn tez(&mut self, field: &'static str) -> Result<u64, PayloadError> {
        let amount = self.natural(field)?.filter(|amount| i64::try_from(*amount).is_ok());
        amount.ok_or_else(|| malformed(field, "it is more money than there can be"))
    }

    fn contract(&mut self, field: &'static str) -> Result<Contract, PayloadError> {
        match self.peek(field)? {
            0 => {
                self.u8(field)?;
                self.key_hash(field).map(Contract::Implicit)
            }
            1 => self.originated(field),
            _ => Err(malformed(field, "it is neither an account nor a contract")),
        }
    }

    fn originated(&mut self, field: &'static str) -> Result<Contract, PayloadError> {
        let (tag, hash, padding) = (self.u8(field)?, self.array(field)?, self.u8(field)?);
        if tag == 1 && padding == 0 {
            Ok(Contract::Originated(hash))
        } else {
            Err(malformed(field, "it is no contract"))
        }
    }

    /// Bytes behind their length.
    fn sized(&mut self, field: &'static str) -> Result<usize, PayloadError> {
        let length = self.u32(field)?;
        if length >= MAX_SIZE {
            return Err(malformed(field, "its length is out of range"));
        }
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        self.skip(length, field).map(|()| length)
    }

    fn entrypoint(&mut self) -> Result<(), PayloadError> {
        let field = "entrypoint";
        match self.u8(field)? {
            0..=LAST_ENTRYPOINT => Ok(()),
            NAMED_ENTRYPOINT => {
                let length = self.u8_up_to(field, MAX_ENTRYPOINT)?;
                self.skip(length.into(), field)
            }
            _ => Err(malformed(field, "its tag is unknown")),
        }
    }

    /// Perhaps a proof of possession of a tz4 key.
    fn proof(&mut self) -> Result<(), PayloadError> {
        let field = "proof of possession";
        self.optional(field, |reader| {
            if reader.sized(field)? == BLS_SIGNATURE {
                Ok(())
            } else {
                Err(malformed(field, "it is not as long as a tz4 signature"))
            }
        })
        .map(drop)
    }

    fn hashes(&mut self, field: &'static str) -> Result<(), PayloadError> {
        let length = self.sized(field)?;
        if length % HASH == 0 && length / HASH <= MAX_PROPOSALS {
            Ok(())
        } else {
            Err(malformed(field, "its length is that of no list of hashes"))
        }
    }

    fn u8_up_to(&mut self, field: &'static str, most: u8) -> Result<u8, PayloadError> {
        let value = self.u8(field)?;
        if value <= most { Ok(value) } else { Err(malformed(field, "it is out of range")) }
    }

    fn optional<T>(
        &mut self,
        field: &'static str,
        read: impl FnOnce(&mut Self) -> Result<T, PayloadError>,
    ) -> Result<Option<T>, PayloadError> {
        match self.u8(field)? {
            0x00 => Ok(None),
            0xff => read(self).map(Some),
            _ => Err(malformed(field, "its presence byte is neither 00 nor ff")),
        }
    }
}
