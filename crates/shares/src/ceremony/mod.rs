//! A key that never existed anywhere, and new shares of one that has none to spare.
//!
//! Boxes exchange messages in three rounds, as files or as text in a chat. Nothing in a message is secret to read: what is
//! for one box is encrypted to it.
//!
//! ```text
//!              ceremony (every box)                   resharing (new boxes, and t old ones)
//!  round 1     a key to encrypt to, a promise         new: a key to encrypt to
//!  round 2     a polynomial: commitments, proof,      old: a polynomial through its share, the old key,
//!              a value for each box                   a value for each new box
//!  round 3     all that was seen, the public key      new: all that was seen, the public key
//!              ▼                                      ▼
//!              share = sum of the values              share = sum of the values
//! ```
//!
//! # The ceremony
//!
//! It is Pedersen's (1991) with proofs of possession, as "PedPop" (Crites, Komlo, Maller 2021) and "SimplPedPop" (Chu,
//! Gerhart, Ruffing, Schröder 2023; ChillDKG) have it, and takes part with all boxes or not at all:
//!
//! - Each box chooses a polynomial of degree t - 1. Its part of the key is the constant; each box gets the value at its own
//!   place, sealed to it (HPKE, RFC 9180), and all get the commitments (Feldman 1987), with which a box checks its value.
//! - The commitments are promised in round 1 by a hash, and the constant's possession is proved with the proof that tz4 keys
//!   have on the chain anyway. So no box chooses its part when it knows those of others.
//! - A message says which messages of the rounds before its sender has seen; in round 3 that is all of them. A box makes its
//!   share only after all n boxes have said the same: no box was told something else.
//! - Whatever is wrong ends the ceremony, and names a box ([`Fault`]). So there are no complaints to be judged, and leaving a box
//!   out does not shift the key. A box that does not like the key can make the ceremony fail, and is named; it cannot choose.
//! - A message does not prove which person sent it. That is what the [`Fingerprint`] is for, which people compare before the
//!   key is used: it covers every message.
//!
//! # The resharing
//!
//! It is Desmedt's and Jajodia's (1997): each of t old boxes multiplies its share with its Lagrange factor, and deals the
//! product with a polynomial of the new degree. The products' sum is the key, so the sum of the polynomials has the key as
//! its constant. Here the constants are known: each new box checks it against the old share's public key, which belongs to
//! the key ([`crate::Group`]). New shares and old ones are of different polynomials: together they are worth no more than
//! apart. Old shares stay shares, though, until their boxes destroy them.
//!
//! An old box gives the key away to those whose messages of round 1 it has. So it deals only with the fingerprint that all
//! new boxes show ([`NewBoxes::deal`]).
//!
//! # Why not `gennaro-dkg`
//!
//! Version 1.0.0-rc6 was read. It wants `blst` 0.3.12, exactly, where signing has 0.3.17, and cargo links one. Its state lives in
//! one process: it cannot be kept between two rounds, which here are hours apart, and draws its randomness itself. What is
//! for one box is not encrypted; a message that is empty ends the program; errors name no sender; a box goes on with any t
//! messages, so that boxes can end with different keys; `Debug` shows the secrets, and they are copied without being wiped. Its
//! resharing does not check the constant against the old key. What would be left of it is the sum of a few values.

mod block;
mod body;
mod commitments;
mod deal;
mod digest;
mod envelope;
mod exchange;
mod fault;
mod fingerprint;
mod generate;
mod memory;
mod message;
mod old_key;
mod participant;
mod polynomial;
mod received;
mod redeal;
mod reshare;
mod round;
mod transcript;

pub use block::BlockError;
pub use commitments::CommitmentsError;
pub use exchange::{Completed, Outcome, Progress};
pub use fault::Fault;
pub use fingerprint::{Fingerprint, FingerprintError};
pub use generate::Ceremony;
pub use memory::MemoryError;
pub use message::{Message, MessageError};
pub use old_key::DealersError;
pub use participant::{Participant, Procedure, Sender};
pub use received::Missing;
pub use redeal::{NewBoxes, NewBoxesError, RedealError};
pub use reshare::Resharing;
pub use round::Round;
