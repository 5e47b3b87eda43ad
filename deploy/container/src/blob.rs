//! Bytes that are found by their SHA-256 (descriptor.md).

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;
use sha2::{Digest as _, Sha256};

use crate::architecture::Architecture;
use crate::error::PackError;

/// A SHA-256, written as `sha256:` and 64 hexadecimal digits.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize)]
pub struct Digest(String);

/// Bytes of an archive, and what they are.
#[derive(Clone, Debug)]
pub(crate) struct Blob {
    pub(crate) digest: Digest,
    pub(crate) bytes: Vec<u8>,
    media_type: MediaType,
}

/// What a blob is. The names are those of media-types.md.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) enum MediaType {
    #[serde(rename = "application/vnd.oci.image.layer.v1.tar+gzip")]
    Layer,
    #[serde(rename = "application/vnd.oci.image.config.v1+json")]
    Configuration,
    #[serde(rename = "application/vnd.oci.image.manifest.v1+json")]
    Manifest,
    #[serde(rename = "application/vnd.oci.image.index.v1+json")]
    Index,
}

/// How one blob names another.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Descriptor {
    pub(crate) media_type: MediaType,
    pub(crate) digest: Digest,
    pub(crate) size: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) platform: Option<Platform>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) annotations: BTreeMap<String, String>,
}

/// What an image runs on.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Platform {
    architecture: Architecture,
    os: &'static str,
}

impl Digest {
    pub(crate) fn of(bytes: &[u8]) -> Self {
        Digest(format!("sha256:{}", hex::encode(Sha256::digest(bytes))))
    }

    /// Where the bytes are in an archive (image-layout.md).
    pub(crate) fn path(&self) -> String {
        format!("blobs/{}", self.0.replacen(':', "/", 1))
    }
}

impl Blob {
    pub(crate) fn new(media_type: MediaType, bytes: Vec<u8>) -> Self {
        Self { digest: Digest::of(&bytes), bytes, media_type }
    }

    /// The fields stand in the order of their declaration, whatever features `serde_json` was built with.
    pub(crate) fn json(media_type: MediaType, value: &impl Serialize) -> Result<Self, PackError> {
        Ok(Self::new(media_type, serde_json::to_vec(value)?))
    }

    pub(crate) fn descriptor(&self) -> Descriptor {
        Descriptor {
            media_type: self.media_type,
            digest: self.digest.clone(),
            size: self.bytes.len(),
            platform: None,
            annotations: BTreeMap::new(),
        }
    }
}

impl Descriptor {
    pub(crate) fn on(self, architecture: Architecture) -> Self {
        Self { platform: Some(Platform { architecture, os: "linux" }), ..self }
    }

    pub(crate) fn annotated(self, annotations: BTreeMap<String, String>) -> Self {
        Self { annotations, ..self }
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
