//! A tz4 key that no machine has.
//!
//! The secret is split into n shares, of which any t make a signature, and fewer learn nothing. It equals, byte for byte,
//! what the whole key would have made. Nothing here does I/O, and nothing has a clock.
//!
//! ```text
//!  secret ── split ──▶ Share 1 ── sign ──▶ PartialSignature ─┐
//!                      Share 2 ── sign ──▶ PartialSignature ─┼─ Group::combine ──▶ Signature, verified
//!                      Share 3                               ┘        (public data alone)
//! ```
//!
//! 2t > n, always: two groups of t shares have a box in common, and a box signs one payload at a mark. So a gateway
//! that asks different boxes for different payloads gets no two signatures at one mark, however it lies, while the boxes
//! that two groups must have in common, 2t - n, are not all its owner's.

pub mod ceremony;

mod combine;
mod file;
mod gateway_block;
mod group;
mod index;
mod lagrange;
mod scalar;
mod share;
mod short_factor;
mod split;
mod threshold;

pub use combine::{CombineError, Combined, Combiner};
pub use file::{ShareFile, ShareFileError};
pub use gateway_block::gateway_block;
pub use group::{Group, GroupError};
pub use index::{ShareIndex, ShareIndexError};
pub use share::{PartialSignature, Share, ShareError};
pub use split::{SplitError, split};
pub use threshold::{Threshold, ThresholdError};
