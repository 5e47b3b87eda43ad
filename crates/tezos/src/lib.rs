//! Words of the Tezos chain, as values.
//!
//! Everything a signer has to understand of the chain, and nothing of how it got here: no I/O, no
//! clock. What is parsed here is parsed once, into a type that cannot be wrong afterwards.
//!
//! - [`Payload`]: the bytes a baker wants signed, as a block, a preattestation or an attestation.
//! - [`OperationGroup`]: operations of an account, read to their last byte.
//! - [`PublicKey`], [`PublicKeyHash`], [`Signature`], [`SecretKey`]: the keys tz1 to tz4; of tz5
//!   (ML-DSA-44), which can be no delegate, the public parts.
//! - [`ChainId`], [`Level`], [`Round`], [`Mark`]: where on which chain something is signed.

mod authentication;
mod base58;
mod bls;
mod chain_id;
mod curve;
mod digest;
mod encrypted_key;
mod key_hash;
mod mark;
mod mask;
mod operation;
mod payload;
mod payload_error;
mod public_key;
mod reader;
mod sample;
mod secret_key;
mod share;
mod signature;
mod wallet_key;

pub use authentication::AuthenticatedRequest;
pub use base58::Base58Error;
pub use chain_id::{ChainId, ChainIdError};
pub use curve::Curve;
pub use digest::{Digest, blake2b_256};
pub use encrypted_key::{EncryptedKey, EncryptedKeyError, Salt};
pub use key_hash::{KeyHashError, PublicKeyHash, UnknownTag};
pub use mark::{Kind, Level, Mark, OutOfRange, Round};
pub use mask::mask_secrets;
pub use operation::{
    Contract, ContractError, OperationContent, OperationError, OperationGroup, OperationKind,
    Transfer,
};
pub use payload::{
    Block, Consensus, DalAttestation, Fitness, KNOWN_PROTOCOLS, KeyForm, Payload, Vote,
};
pub use payload_error::PayloadError;
pub use public_key::{PublicKey, PublicKeyError};
pub use sample::{sample_payload, sample_payload_of};
pub use secret_key::{Nonce, SecretKey, SecretKeyError};
pub use share::{PreparedVerification, Statement};
pub use signature::{BlsScheme, Signature, SignatureError};
pub use wallet_key::{OpenKeyError, WalletKey, WalletKeyError};
