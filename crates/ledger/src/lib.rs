//! A Ledger with the Tezos Baking app, in three layers.
//!
//! ```text
//!  BakingApp      what the app can be asked: keys, marks, signatures      app.rs
//!     │ Command / Answer                                                  apdu.rs, status.rs
//!  Transport      one exchange at a time, each with a time limit          transport/
//!     │
//!  hidraw (USB)  or  TCP (an emulator's APDU port)
//! ```
//!
//! Blocking, without threads and without marks of its own: whoever owns the device decides what may
//! be signed. One rule lives here all the same, as a second lock: nothing but blocks and votes is
//! sent to be signed, for a reveal would lower the device's own mark.

mod apdu;
mod app;
mod decode;
mod path;
mod status;
mod transport;

/// What `fuzz/` reaches, and nothing else does.
#[cfg(fuzzing)]
pub mod fuzzing {
    pub use crate::transport::assemble;
}

pub use app::{AppInfo, BakingApp, DeviceMarks, LedgerError, Version};
pub use path::{Derivation, KeyPath, KeyPathError};
pub use status::{Meaning, StatusWord};
pub use transport::{Address, AddressError, Found, Transport, TransportError, find, open};
