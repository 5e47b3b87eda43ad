//! The Tezos Baking app of a Ledger, in software.
//!
//! [`App`] is version 2.5.1 of the app for the Nano S Plus as a pure state machine: bytes in, bytes
//! out, no clock, no thread. [`Device`] puts it behind the TCP port that the Speculos emulator
//! opens, with its framing and its habits, and with faults on demand. For demonstrations and
//! tests: the seed is public, so no key here may ever hold funds.
//!
//! What is right is what the real app answered: the tests replay recordings of it, byte for byte
//! (`tests/vectors/ledger`). Where no recording reaches, the app's published source decides.
//!
//! Known to be different, and never sent by Peel: what the system answers for the app (`b006…`, `b0a7`, and `b001`
//! of two bytes) is refused here with 6e00 or 6c00; so is a path of more than ten parts, with 9001; and APDUs of
//! more than 260 bytes get an answer.

mod app;
mod bytes;
mod config;
mod curve;
mod device;
mod instruction;
mod keys;
mod marks;
mod memory;
mod operations;
mod outcome;
mod path;
mod payload;
mod status;
mod timing;

pub use app::App;
pub use config::{Approval, Config, ConfigError, Latency, Setup};
pub use curve::Curve;
pub use device::{Device, Fault, StartError};
pub use instruction::Instruction;
pub use keys::DerivationError;
pub use outcome::{Outcome, Prompt};
pub use path::{Path, PathError};
