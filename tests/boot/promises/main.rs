//! What Peel promises of a whole computer at home, kept by the real program on a real system: one file per promise.
//!
//! `cargo xtask test boot` runs them, in one process and one after the other, on one computer: a test that fails leaves it
//! without power, and the next one begins with a boot. Each prints the figures it has measured. Limits are generous: the
//! processor is interpreted.

mod image;
mod lines;
mod power;
mod the_clock;
mod the_disk;
mod the_first_signature;
mod the_unit;
mod usb;
mod wear;
