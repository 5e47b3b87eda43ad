//! An image: a layer, its configuration (config.md), and the manifest that names both (manifest.md).

use std::collections::BTreeMap;

use serde::Serialize;

use crate::architecture::Architecture;
use crate::blob::{Blob, Descriptor, Digest, MediaType};
use crate::error::PackError;
use crate::layer::{self, Program};

/// Whom every image runs as: a number, so that Kubernetes sees without a user table that it is not root.
pub const USER: &str = "65532:65532";

/// When every image was made: the digest depends on what is in it, and on nothing else.
const CREATED: &str = "1970-01-01T00:00:00Z";

/// What is to be packed.
#[derive(Clone, Debug)]
pub struct Image {
    /// What the programs were built for.
    pub architecture: Architecture,
    /// All files of the image.
    pub programs: Vec<Program>,
    /// The command, to which the arguments of a container are added.
    pub entrypoint: Vec<String>,
    /// `org.opencontainers.image.…`: shown by registries, as annotations of the manifest and labels of the configuration.
    pub labels: BTreeMap<String, String>,
}

/// An image as blobs.
#[derive(Debug)]
pub(crate) struct Packed {
    pub(crate) architecture: Architecture,
    pub(crate) layer: Blob,
    pub(crate) configuration: Blob,
    pub(crate) manifest: Blob,
}

#[derive(Serialize)]
struct Configuration<'a> {
    architecture: Architecture,
    os: &'static str,
    created: &'static str,
    config: Execution<'a>,
    rootfs: RootFs,
    history: [History; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Execution<'a> {
    user: &'static str,
    entrypoint: &'a [String],
    working_dir: &'static str,
    labels: &'a BTreeMap<String, String>,
}

#[derive(Serialize)]
struct RootFs {
    r#type: &'static str,
    diff_ids: [Digest; 1],
}

#[derive(Serialize)]
struct History {
    created: &'static str,
    created_by: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Manifest<'a> {
    schema_version: u8,
    media_type: MediaType,
    config: Descriptor,
    layers: [Descriptor; 1],
    annotations: &'a BTreeMap<String, String>,
}

impl Image {
    pub(crate) fn pack(&self) -> Result<Packed, PackError> {
        let tar = layer::tar(&self.programs)?;
        let layer = Blob::new(MediaType::Layer, layer::gzip(&tar)?);
        let configuration = self.configuration(Digest::of(&tar))?;
        let manifest = Manifest {
            schema_version: 2,
            media_type: MediaType::Manifest,
            config: configuration.descriptor(),
            layers: [layer.descriptor()],
            annotations: &self.labels,
        };
        let manifest = Blob::json(MediaType::Manifest, &manifest)?;
        Ok(Packed { architecture: self.architecture, layer, configuration, manifest })
    }

    fn configuration(&self, diff_id: Digest) -> Result<Blob, PackError> {
        let configuration = Configuration {
            architecture: self.architecture,
            os: "linux",
            created: CREATED,
            config: Execution {
                user: USER,
                entrypoint: &self.entrypoint,
                working_dir: "/",
                labels: &self.labels,
            },
            rootfs: RootFs { r#type: "layers", diff_ids: [diff_id] },
            history: [History { created: CREATED, created_by: "cargo xtask image" }],
        };
        Blob::json(MediaType::Configuration, &configuration)
    }
}

impl Packed {
    pub(crate) fn descriptor(&self) -> Descriptor {
        self.manifest.descriptor().on(self.architecture)
    }

    pub(crate) fn blobs(&self) -> [&Blob; 3] {
        [&self.layer, &self.configuration, &self.manifest]
    }
}
