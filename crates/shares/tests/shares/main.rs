//! Shares of a key, and what they make together.
#![expect(clippy::unwrap_used, reason = "tests")]

mod common;
mod hostile;
mod model;
mod properties;
mod second_opinion;
mod vectors;
