//! Base58Check with the prefixes of Tezos.
//!
//! A prefix is chosen so that the text begins with readable letters (`tz1…`, `edpk…`). Prefix and
//! payload length together say what a text is. Source: octez `src/lib_crypto/base58.ml`.

use sha2::{Digest as _, Sha256};
use thiserror::Error;
use zeroize::Zeroizing;

/// One kind of text: the letters it begins with, the bytes that make it so, and its payload length.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Prefix {
    /// What the text begins with, for messages.
    pub(crate) letters: &'static str,
    bytes: &'static [u8],
    /// Payload length in bytes.
    pub(crate) length: usize,
}

/// Why a text is not what was expected. *Misused*: it has to be corrected.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum Base58Error {
    /// A character outside of the Base58 alphabet, or too few of them.
    #[error("not Base58Check")]
    Alphabet,
    /// The last four bytes are not the checksum of the others.
    #[error("the checksum does not match: a character is wrong or missing")]
    Checksum,
    /// A sound text, but none of the kinds that are accepted here.
    #[error("expected {expected}")]
    Prefix {
        /// What it should have begun with.
        expected: String,
    },
}

impl Prefix {
    pub(crate) fn encode(&self, payload: &[u8]) -> String {
        let mut bytes = Zeroizing::new(Vec::with_capacity(self.bytes.len() + payload.len() + 4));
        bytes.extend_from_slice(self.bytes);
        bytes.extend_from_slice(payload);
        let checksum = checksum(&bytes);
        bytes.extend_from_slice(&checksum);
        bs58::encode(&*bytes).into_string()
    }

    fn payload<'a>(&self, decoded: &'a [u8]) -> Option<&'a [u8]> {
        decoded.strip_prefix(self.bytes).filter(|payload| payload.len() == self.length)
    }
}

/// Decodes `text` as the one of `prefixes` that fits; gives its place in the list and the payload.
pub(crate) fn decode(
    text: &str,
    prefixes: &[&Prefix],
) -> Result<(usize, Zeroizing<Vec<u8>>), Base58Error> {
    let bytes = bs58::decode(text).into_vec().map_err(|_| Base58Error::Alphabet)?;
    let bytes = Zeroizing::new(bytes);
    let (body, sum) = bytes.split_last_chunk::<4>().ok_or(Base58Error::Alphabet)?;
    if checksum(body) != *sum {
        return Err(Base58Error::Checksum);
    }
    prefixes
        .iter()
        .enumerate()
        .find_map(|(at, prefix)| Some((at, Zeroizing::new(prefix.payload(body)?.to_vec()))))
        .ok_or_else(|| Base58Error::Prefix { expected: list(prefixes) })
}

fn checksum(bytes: &[u8]) -> [u8; 4] {
    let [a, b, c, d, ..]: [u8; 32] = Sha256::digest(Sha256::digest(bytes)).into();
    [a, b, c, d]
}

fn list(prefixes: &[&Prefix]) -> String {
    let letters: Vec<String> =
        prefixes.iter().map(|prefix| format!("{}…", prefix.letters)).collect();
    letters.join(" or ")
}

macro_rules! prefixes {
    ($($name:ident = $letters:literal, $bytes:expr, $length:literal;)*) => {
        $(pub(crate) const $name: Prefix =
            Prefix { letters: $letters, bytes: &$bytes, length: $length };)*
    };
}

prefixes! {
    KT1 = "KT1", [2, 90, 121], 20;
    TZ1 = "tz1", [6, 161, 159], 20;
    TZ2 = "tz2", [6, 161, 161], 20;
    TZ3 = "tz3", [6, 161, 164], 20;
    TZ4 = "tz4", [6, 161, 166], 20;
    TZ5 = "tz5", [6, 161, 169], 20;
    EDPK = "edpk", [13, 15, 37, 217], 32;
    SPPK = "sppk", [3, 254, 226, 86], 33;
    P2PK = "p2pk", [3, 178, 139, 127], 33;
    BLPK = "BLpk", [6, 149, 135, 204], 48;
    MDPK = "mdpk", [13, 7, 237, 67], 1312;
    EDSK_SEED = "edsk", [13, 15, 58, 7], 32;
    EDSK = "edsk", [43, 246, 78, 7], 64;
    SPSK = "spsk", [17, 162, 224, 201], 32;
    P2SK = "p2sk", [16, 81, 238, 189], 32;
    BLSK = "BLsk", [3, 150, 192, 40], 32;
    MDSK = "mdsk", [9, 57, 116, 57], 3872;
    MDESK = "mdesk", [5, 49, 133, 39, 172], 3896;
    EDESK = "edesk", [7, 90, 60, 179, 41], 56;
    SPESK = "spesk", [9, 237, 241, 174, 150], 56;
    P2ESK = "p2esk", [9, 48, 57, 115, 171], 56;
    BLESK = "BLesk", [2, 5, 30, 53, 25], 56;
    EDSIG = "edsig", [9, 245, 205, 134, 18], 64;
    SPSIG = "spsig1", [13, 115, 101, 19, 63], 64;
    P2SIG = "p2sig", [54, 240, 44, 52], 64;
    BLSIG = "BLsig", [40, 171, 64, 207], 96;
    MDSIG = "mdsig", [1, 156, 45, 210, 3], 2420;
    SIG = "sig", [4, 130, 43], 64;
    CHAIN_ID = "Net", [87, 82, 0], 4;
}
