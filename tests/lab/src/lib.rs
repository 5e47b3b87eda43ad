//! A laboratory: a small internet, the real programs in it, and a baker that writes down what it
//! lived through.
//!
//! ```text
//!   namespace home          namespaces wired, mobile         the test itself: the cloud
//!  ┌────────────────┐  10.1.0.0/24 ┌────────┐ 10.9.1.0/24  ┌───────────────────────────┐
//!  │ peel signer  eth0 ────────────┤ router ├────────────── wired                      │
//!  │ sshd, autossh  │  10.2.0.0/24 ┌────────┐ 10.9.2.0/24  │  10.9.0.1   peel gateway  │
//!  │             wwan0 ────────────┤ router ├────────────── mobile        sshd, baker   │
//!  └────────────────┘              └────────┘              └───────────────────────────┘
//! ```
//!
//! [`net`] makes it without any right on the machine where there are user namespaces, [`process`]
//! runs programs in it, [`openssh`] and [`nut`] are what Peel has to get along with, [`home`] and [`cloud`]
//! write Peel's own files, [`shares`] has a key in several places, and [`baker`] asks for signatures all the while.

pub mod baker;
pub mod cloud;
pub mod home;
mod lone_root;
pub mod net;
pub mod nut;
pub mod openssh;
pub mod process;
pub mod programs;
pub mod prometheus;
mod secret;
pub mod shares;
mod skip;
pub mod wait;

pub use skip::skip;
