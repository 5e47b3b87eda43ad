//! A whole computer with a Ledger on USB, a gateway outside, and what can happen to both.
//!
//! ```text
//!   QEMU: the computer at home                                          the test itself: the cloud
//!  ┌──────────────────────────────────────────────┐
//!  │ peel-signer.service ── hidraw ── USB gadget  │── a port ── simulated Ledger, and what left it
//!  │        │            first  10.0.2.0/24       ├──────────┐
//!  │        └── links ── second 10.0.3.0/24       ├────────── 10.9.0.1  peel gateway ── baker
//!  │ a root shell                                 │── a port ── the test
//!  │ /dev/vda                                     │── NBD ── a disk that forgets what was not flushed
//!  └──────────────────────────────────────────────┘
//! ```
//!
//! `cargo xtask test boot` builds the disk, and starts the tests in namespaces of their own (mounts, processes, network), so
//! that whatever is started here ends with them. [`machine`] is QEMU and what can be done to the hardware, [`disk`] and
//! [`ledger`] are what outlives a power cut, [`shell`] is how the tests reach in, [`gateway`] is outside, and [`home`] is all of
//! it: the tests share one. What the tests need inside of the machine comes as credentials of systemd, so that the disk is
//! the one that users get.

mod card;
pub mod disk;
pub mod gateway;
pub mod home;
pub mod ledger;
pub mod machine;
mod made;
pub mod power;
mod qmp;
pub mod ready;
mod setup;
pub mod shell;
pub mod unit;
pub mod usb;
pub mod votes;
