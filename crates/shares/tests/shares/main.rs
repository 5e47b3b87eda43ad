//! Shares of a key, and what they make together.
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod boxes;
mod ceremony;
mod common;
mod hostile;
mod liar;
mod messages;
mod model;
mod properties;
mod reshare;
mod second_opinion;
mod text;
mod vectors;
