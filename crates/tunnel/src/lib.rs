//! The ssh reverse tunnel: the signer's end at home dials, the gateway's end in the cloud listens.
//!
//! ```text
//!  home: a Link per gateway, uplink and service      endpoint: a Session per connection
//!  ┌───────────────────────────────────────┐         ┌────────────────────────────────────┐
//!  │ signing, eth0  ─── ssh connection ────────────▶ │ public key? its two ports, no more │
//!  │ signing, wwan0 ─── ssh connection ────────────▶ │ Session::open ─▶ a Stream home     │
//!  │ shell,   eth0  ─── ssh connection ────────────▶ │ Session::ping ─▶ is it there?      │
//!  └──────── Stream ◀── forwarded channel ◀──────────┘ ───────────────────────────────────┘
//! ```
//!
//! It knows no Tezos: its callers get streams. The life of a link is a pure function
//! ([`link`]); what waits and what connects is in [`home`].
#![warn(clippy::disallowed_types)]

mod algorithms;
pub mod endpoint;
mod foreign_text;
pub mod home;
mod keys;
pub mod link;
mod service;
mod short_scalar;
mod stream;
mod traffic;
mod turns;
mod version;
mod wire;

pub use keys::{Identity, KeyError, PublicKey};
pub use service::{PortError, Service, SignerPort};
pub use stream::Stream;
