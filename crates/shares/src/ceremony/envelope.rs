//! A number for one box alone: HPKE (RFC 9180) with X25519, HKDF-SHA256 and AES-256-GCM, in its base mode.
//!
//! The library is `hpke`, which Cloudflare reviewed (version 0.8). Apart from itself it adds one crate, `x25519-dalek`:
//! all else is in the tree for ssh. NaCl's box would be shorter, but `crypto_box` 0.9 brings a second version of
//! `curve25519-dalek`, and 0.10 pre-releases of five crates.
//!
//! Base mode does not prove the sender, and need not: the number has to fit what the sender is known to have published,
//! and all boxes confirm that they saw the same envelope.

use hpke::aead::AesGcm256;
use hpke::kdf::HkdfSha256;
use hpke::kem::X25519HkdfSha256;
use hpke::{Deserializable, Kem, OpModeR, OpModeS, Serializable};
use vsss_rs::elliptic_curve::rand_core::CryptoRng;
use zeroize::Zeroizing;

use crate::scalar::Scalar;

/// The key to which others encrypt: X25519. That it is one shows when it is used.
pub(super) type EncryptionKey = [u8; 32];
/// The key of the envelope (32), the number (32), and a tag (16).
pub(super) type Envelope = [u8; 80];

const KEY: usize = 32;

type PrivateKey = <X25519HkdfSha256 as Kem>::PrivateKey;
type PublicKey = <X25519HkdfSha256 as Kem>::PublicKey;
type EncappedKey = <X25519HkdfSha256 as Kem>::EncappedKey;

/// What opens envelopes: for one ceremony, then it is gone. It zeroises itself.
pub(super) struct DecryptionKey(PrivateKey);

impl DecryptionKey {
    /// A new one.
    pub(super) fn generate(rng: &mut impl CryptoRng) -> DecryptionKey {
        DecryptionKey(X25519HkdfSha256::gen_keypair_with_rng(rng).0)
    }

    /// One that was kept.
    pub(super) fn from_bytes(bytes: &[u8; 32]) -> Option<DecryptionKey> {
        PrivateKey::from_bytes(bytes).ok().map(DecryptionKey)
    }

    /// Its bytes, to be kept.
    pub(super) fn to_bytes(&self) -> Zeroizing<[u8; 32]> {
        let mut bytes = Zeroizing::new([0; 32]);
        self.0.write_exact(&mut *bytes);
        bytes
    }

    /// The key to which others encrypt.
    pub(super) fn encryption_key(&self) -> EncryptionKey {
        X25519HkdfSha256::sk_to_pk(&self.0).to_bytes().into()
    }

    /// The number inside. `purpose` is bound to it: what was sealed for another one does not open.
    pub(super) fn open(&self, envelope: &Envelope, purpose: &[u8]) -> Option<Zeroizing<Scalar>> {
        let (key, sealed) = envelope.split_at_checked(KEY)?;
        let key = EncappedKey::from_bytes(key).ok()?;
        let opened = hpke::single_shot_open::<AesGcm256, HkdfSha256, X25519HkdfSha256>(
            &OpModeR::Base,
            &self.0,
            &key,
            purpose,
            sealed,
            &[],
        );
        let opened = Zeroizing::new(opened.ok()?);
        let bytes = Zeroizing::new(<[u8; 32]>::try_from(opened.as_slice()).ok()?);
        Scalar::from_bytes(*bytes).map(Zeroizing::new)
    }
}

/// Seals a number. None if `to` is no key.
pub(super) fn seal(
    number: &Scalar,
    to: &EncryptionKey,
    purpose: &[u8],
    rng: &mut impl CryptoRng,
) -> Option<Envelope> {
    let to = PublicKey::from_bytes(to).ok()?;
    let bytes = Zeroizing::new(number.to_bytes());
    let (key, sealed) = hpke::single_shot_seal_with_rng::<AesGcm256, HkdfSha256, X25519HkdfSha256>(
        &OpModeS::Base,
        &to,
        purpose,
        bytes.as_slice(),
        &[],
        rng,
    )
    .ok()?;
    [key.to_bytes().as_slice(), &sealed].concat().try_into().ok()
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    use super::*;

    fn rng() -> StdRng {
        StdRng::seed_from_u64(1)
    }

    #[test]
    fn a_number_is_read_by_its_receiver_alone_and_for_its_purpose_alone() {
        let (mut rng, seven) = (rng(), Scalar::from(7));
        let (key, other) = (DecryptionKey::generate(&mut rng), DecryptionKey::generate(&mut rng));
        let sealed = seal(&seven, &key.encryption_key(), b"purpose", &mut rng).unwrap();
        assert_eq!(key.open(&sealed, b"purpose").map(|number| *number), Some(seven));
        assert!(key.open(&sealed, b"another purpose").is_none());
        assert!(other.open(&sealed, b"purpose").is_none());
        for at in 0..sealed.len() {
            let mut damaged = sealed;
            damaged[at] ^= 1;
            assert!(key.open(&damaged, b"purpose").is_none(), "byte {at}");
        }
        let kept = DecryptionKey::from_bytes(&key.to_bytes()).unwrap();
        assert!(kept.open(&sealed, b"purpose").is_some());
    }

    #[test]
    fn nothing_is_sealed_to_a_key_that_is_none() {
        assert!(seal(&Scalar::from(7), &[0; 32], b"", &mut rng()).is_none());
    }
}
