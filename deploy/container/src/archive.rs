//! An archive: the OCI image layout (image-layout.md) in one tar, as `ctr images import` and skopeo's `oci-archive:` read
//! it. An archive of one image has Docker's `manifest.json`, too: `docker load` reads nothing else before Docker 25.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::Path;
use std::str::FromStr;

use serde::Serialize;
use tar::Builder;

use crate::blob::{Blob, Descriptor, Digest, MediaType};
use crate::error::PackError;
use crate::image::{Image, Packed};
use crate::layer;

/// What an image is called: `localhost/peel:0.1.0`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Reference {
    name: String,
    tag: String,
}

/// An archive that was written.
#[derive(Debug)]
pub struct Archive {
    /// What a registry and `ctr images list` say: the digest of the manifest, or of the index when there are several.
    pub digest: Digest,
    /// The size of the file, in bytes.
    pub size: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Index {
    schema_version: u8,
    media_type: MediaType,
    manifests: Vec<Descriptor>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Layout {
    image_layout_version: &'static str,
}

/// Docker's own way to list an image.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct DockerImage {
    config: String,
    repo_tags: [String; 1],
    layers: [String; 1],
}

/// Writes images, one for each architecture, as one archive. The file is there when it is whole, and not before.
///
/// # Errors
/// When there is no image, or the file cannot be written.
pub fn write_archive(
    to: &Path,
    reference: &Reference,
    images: &[Image],
) -> Result<Archive, PackError> {
    let packed = images.iter().map(Image::pack).collect::<Result<Vec<_>, _>>()?;
    let (root, index) = root(&packed)?;
    let digest = root.digest.clone();
    let content = files(&packed, root.annotated(reference.annotations()), index, reference)?;
    let size = write(to, &content)
        .map_err(|cause| PackError::Unwritable { path: to.to_owned(), cause })?;
    Ok(Archive { digest, size })
}

/// What `index.json` names: the manifest of the one image, or an index of several. A runtime looks for its platform in an
/// index; two manifests under one name in `index.json` itself would hide each other.
fn root(images: &[Packed]) -> Result<(Descriptor, Option<Blob>), PackError> {
    match images {
        [] => Err(PackError::Empty),
        [one] => Ok((one.descriptor(), None)),
        several => {
            let index = Index::of(several.iter().map(Packed::descriptor).collect());
            let blob = Blob::json(MediaType::Index, &index)?;
            Ok((blob.descriptor(), Some(blob)))
        }
    }
}

/// All files of the archive, each once.
fn files(
    images: &[Packed],
    root: Descriptor,
    index: Option<Blob>,
    reference: &Reference,
) -> Result<Vec<(String, Vec<u8>)>, PackError> {
    let layout = serde_json::to_vec(&Layout { image_layout_version: "1.0.0" })?;
    let root = serde_json::to_vec(&Index::of(vec![root]))?;
    let mut files = vec![("oci-layout".to_owned(), layout), ("index.json".to_owned(), root)];
    if let [one] = images {
        let docker = serde_json::to_vec(&[DockerImage::of(one, reference)])?;
        files.push(("manifest.json".to_owned(), docker));
    }
    let blobs = images.iter().flat_map(Packed::blobs).chain(&index);
    // Two images of the same program share its blobs.
    let blobs: BTreeMap<_, _> =
        blobs.map(|blob| (blob.digest.path(), blob.bytes.clone())).collect();
    files.extend(blobs);
    Ok(files)
}

/// Beside it first, and then renamed.
fn write(to: &Path, files: &[(String, Vec<u8>)]) -> std::io::Result<u64> {
    let partial = to.with_extension("partial");
    if let Some(folder) = to.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut tar = Builder::new(BufWriter::new(File::create(&partial)?));
    for (path, content) in files {
        let header = layer::header(path, content, 0o644).map_err(std::io::Error::other)?;
        tar.append(&header, content.as_slice())?;
    }
    tar.into_inner()?.flush()?;
    fs::rename(&partial, to)?;
    Ok(fs::metadata(to)?.len())
}

impl Index {
    fn of(manifests: Vec<Descriptor>) -> Self {
        Self { schema_version: 2, media_type: MediaType::Index, manifests }
    }
}

impl DockerImage {
    fn of(image: &Packed, reference: &Reference) -> Self {
        Self {
            config: image.configuration.digest.path(),
            repo_tags: [reference.to_string()],
            layers: [image.layer.digest.path()],
        }
    }
}

impl Reference {
    /// containerd takes the whole name from an annotation of its own; the specification knows only the tag.
    fn annotations(&self) -> BTreeMap<String, String> {
        BTreeMap::from([
            ("io.containerd.image.name".to_owned(), self.to_string()),
            ("org.opencontainers.image.ref.name".to_owned(), self.tag.clone()),
        ])
    }
}

impl FromStr for Reference {
    type Err = PackError;

    fn from_str(text: &str) -> Result<Self, PackError> {
        let is_name = |text: &str| {
            let is_fit =
                |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "._-/:".contains(c);
            !text.is_empty() && text.chars().all(is_fit)
        };
        let is_tag = |text: &str| {
            let is_fit = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
            !text.is_empty() && text.chars().all(is_fit)
        };
        match text.rsplit_once(':') {
            Some((name, tag)) if is_name(name) && is_tag(tag) => {
                Ok(Self { name: name.to_owned(), tag: tag.to_owned() })
            }
            _ => Err(PackError::Reference(text.to_owned())),
        }
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.name, self.tag)
    }
}
