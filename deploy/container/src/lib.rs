//! Container images as OCI archives, written without a registry and without Docker.
//!
//! ```text
//!   programs ─▶ layer.tar ─▶ gzip ─┐
//!                 └─ diff id ─▶ configuration ─▶ manifest ─▶ index.json ─▶ one tar
//! ```
//!
//! The same content gives the same bytes: every time is 1970-01-01, every owner is root, and nothing of the machine is
//! read but the programs. What containerd, skopeo, podman and Docker read is fixed by the OCI image specification 1.1
//! (image-layout.md, manifest.md, config.md, layer.md).

mod architecture;
mod archive;
mod blob;
mod elf;
mod error;
mod image;
mod layer;

pub use architecture::{Architecture, UnknownArchitecture};
pub use archive::{Archive, Reference, write_archive};
pub use blob::Digest;
pub use error::PackError;
pub use image::{Image, USER};
pub use layer::Program;
