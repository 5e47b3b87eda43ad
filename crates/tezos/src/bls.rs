//! BLS12-381 with public keys in G1 ("min-pk"), in the two schemes that Tezos has used.
//!
//! draft-irtf-cfrg-bls-signature-05; octez `src/lib_bls12_381_signature`. Keys and signatures are
//! checked to be in their group and not the point at infinity: a public key once, when it becomes a
//! [`PublicKey`](crate::PublicKey), a signature each time.

use blst::min_pk::{PublicKey, SecretKey, Signature};
use blst::{BLST_ERROR, Pairing, blst_fp12, blst_p1_affine, blst_p2_affine};
use zeroize::Zeroizing;

use crate::signature::BlsScheme;

const DST_POP: &[u8] = b"BLS_SIG_BLS12381G2_XMD:SHA-256_SSWU_RO_POP_";
const DST_AUG: &[u8] = b"BLS_SIG_BLS12381G2_XMD:SHA-256_SSWU_RO_AUG_";
const DST_PROOF: &[u8] = b"BLS_POP_BLS12381G2_XMD:SHA-256_SSWU_RO_POP_";

/// A secret scalar. It zeroises itself.
#[derive(Clone)]
pub(crate) struct BlsSecretKey(SecretKey);

impl BlsSecretKey {
    /// From the little-endian bytes of a `BLsk…`; none if 0 or not below the group order.
    pub(crate) fn from_bytes(little_endian: &[u8]) -> Option<BlsSecretKey> {
        let mut bytes = Zeroizing::new(little_endian.to_vec());
        bytes.reverse();
        SecretKey::from_bytes(&bytes).ok().map(BlsSecretKey)
    }

    /// KeyGen of the draft, from at least 32 bytes of seed.
    pub(crate) fn from_seed(seed: &[u8]) -> Option<BlsSecretKey> {
        SecretKey::key_gen(seed, &[]).ok().map(BlsSecretKey)
    }

    pub(crate) fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let big_endian = Zeroizing::new(self.0.to_bytes());
        let mut bytes = Zeroizing::new(big_endian.to_vec());
        bytes.reverse();
        bytes
    }

    pub(crate) fn public_key(&self) -> [u8; 48] {
        self.0.sk_to_pk().compress()
    }

    /// A signature of `whole`: its own public key, or the one that it is a share of.
    pub(crate) fn sign(&self, message: &[u8], scheme: BlsScheme, whole: &[u8]) -> [u8; 96] {
        let (dst, augmentation) = domain(scheme, whole);
        self.0.sign(message, dst, augmentation).compress()
    }

    /// A proof of possession of `whole`, likewise.
    pub(crate) fn prove_possession(&self, whole: &[u8]) -> [u8; 96] {
        self.0.sign(whole, DST_PROOF, &[]).compress()
    }
}

/// Whether `bytes` is a point of the right group that can be a public key.
pub(crate) fn is_public_key(bytes: &[u8]) -> bool {
    PublicKey::key_validate(bytes).is_ok()
}

/// Whether `signature` is one of `public_key`, which is a share of `whole` where that is not the same.
pub(crate) fn verify(
    public_key: &[u8],
    whole: &[u8],
    message: &[u8],
    signature: &[u8],
    scheme: BlsScheme,
) -> bool {
    let (dst, augmentation) = domain(scheme, whole);
    verify_in(dst, augmentation, public_key, message, signature)
}

/// Whether `proof` is one of possession of `whole`, by `public_key` as its share where that is not the same.
pub(crate) fn verify_possession(public_key: &[u8], whole: &[u8], proof: &[u8]) -> bool {
    verify_in(DST_PROOF, &[], public_key, whole, proof)
}

/// A verification of which all is done that needs no signature.
pub(crate) struct Prepared(Pairing<'static>);

impl Prepared {
    /// Of a message by `public_key`, a share of `whole` where that is not the same. None if it is no key.
    pub(crate) fn message(
        public_key: &[u8],
        whole: &[u8],
        message: &[u8],
        scheme: BlsScheme,
    ) -> Option<Prepared> {
        let (dst, augmentation) = domain(scheme, whole);
        Prepared::new(dst, augmentation, public_key, message)
    }

    /// Of a proof of possession, likewise.
    pub(crate) fn possession(public_key: &[u8], whole: &[u8]) -> Option<Prepared> {
        Prepared::new(DST_PROOF, &[], public_key, whole)
    }

    fn new(
        dst: &'static [u8],
        augmentation: &[u8],
        public_key: &[u8],
        message: &[u8],
    ) -> Option<Prepared> {
        let key = blst_p1_affine::from(PublicKey::uncompress(public_key).ok()?);
        let mut pairing = Pairing::new(true, dst);
        // In the place of a signature, that of none: it comes at the end.
        let done = pairing.aggregate(&key, false, &(), false, message, augmentation);
        pairing.commit();
        (done == BLST_ERROR::BLST_SUCCESS).then_some(Prepared(pairing))
    }

    /// Whether `signature` is the one.
    pub(crate) fn verifies(&self, signature: &[u8]) -> bool {
        let Ok(signature) = Signature::sig_validate(signature, true) else { return false };
        let mut half = blst_fp12::default();
        Pairing::aggregated(&mut half, &blst_p2_affine::from(signature));
        self.0.finalverify(Some(&half))
    }
}

fn verify_in(
    dst: &[u8],
    augmentation: &[u8],
    public_key: &[u8],
    message: &[u8],
    signature: &[u8],
) -> bool {
    let (Ok(key), Ok(signature)) =
        (PublicKey::uncompress(public_key), Signature::sig_validate(signature, true))
    else {
        return false;
    };
    signature.verify(false, message, dst, augmentation, &key, false) == BLST_ERROR::BLST_SUCCESS
}

/// The tag of a scheme, and what goes before a message.
fn domain(scheme: BlsScheme, whole: &[u8]) -> (&'static [u8], &[u8]) {
    match scheme {
        BlsScheme::ProofOfPossession => (DST_POP, &[]),
        BlsScheme::MessageAugmentation => (DST_AUG, whole),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Curve;

    /// Its x alone, compressed.
    fn point(x: u8) -> [u8; 48] {
        let mut bytes = [0; 48];
        (bytes[0], bytes[47]) = (0x80, x);
        bytes
    }

    /// A verification trusts that this was checked.
    #[test]
    fn a_point_outside_the_group_is_no_public_key() {
        let all = || (0..50).map(point);
        let is_on_curve = |bytes: &[u8; 48]| PublicKey::uncompress(bytes).is_ok();
        let others: Vec<[u8; 48]> = all().filter(is_on_curve).collect();
        assert!(others.len() > 10 && others.len() < 40, "half of them have a y");
        let infinity = [&[0xc0_u8][..], &[0; 47]].concat();
        let own = BlsSecretKey::from_seed(&[1; 32]).unwrap().public_key();
        let is_key = |bytes: &[u8]| crate::PublicKey::new(Curve::Bls, bytes).is_ok();
        assert!(!all().any(|bytes| is_key(&bytes)), "the group has one in 10^38 of these");
        assert!(!is_key(&infinity) && !is_key(&own[1..]) && is_key(&own));
    }
}
