//! Both ends of the tunnel, with each other and with OpenSSH.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "tests"
)]

mod algorithms;
mod ends;
mod faults;
mod half_a_port;
mod hostile;
mod log;
mod openssh_as_endpoint;
mod openssh_as_signer;
mod pair;
mod reports;
mod stock;
mod streams;
