//! An archive as others read it.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::Path;

use image::{Architecture, Image, PackError, Program, Reference, USER, write_archive};
use serde_json::Value;
use sha2::{Digest, Sha256};

/// The files of an archive by their paths.
type Files = BTreeMap<String, Vec<u8>>;

#[test]
fn packing_twice_gives_the_same_bytes() {
    let (once, again) = (packed(&[Architecture::Amd64]), packed(&[Architecture::Amd64]));
    assert_eq!(once, again);
    let both = [Architecture::Amd64, Architecture::Arm64];
    assert_eq!(packed(&both), packed(&both));
}

/// Held down, so that a new version of what packs it cannot change every digest in silence.
#[test]
fn the_digest_of_a_known_program_stays() {
    let folder = tempfile::tempdir().unwrap();
    let images = [image(folder.path(), Architecture::Amd64)];
    let archive = write_archive(&folder.path().join("a.tar"), &reference(), &images).unwrap();
    let known = "sha256:e05ae3664eda2310be7a54425c0ab2177cbdf3466a5bbb18d2d7cb38a5cd2930";
    assert_eq!(archive.digest.to_string(), known);
}

#[test]
fn every_blob_is_named_by_its_digest_and_every_descriptor_leads_to_one() {
    let files = files(&packed(&[Architecture::Amd64, Architecture::Arm64]));
    let blobs = files.iter().filter(|(path, _)| path.starts_with("blobs/"));
    let wrong = blobs.filter(|(path, bytes)| **path != blob_path(&sha256(bytes)));
    assert_eq!(wrong.count(), 0);
    let index = follow(&files, &json(&files["index.json"])["manifests"][0]);
    for manifest in index["manifests"].as_array().unwrap() {
        let manifest = follow(&files, manifest);
        follow(&files, &manifest["config"]);
        bytes_of(&files, &manifest["layers"][0]);
    }
}

#[test]
fn an_archive_of_both_has_an_index_with_their_platforms() {
    let files = files(&packed(&[Architecture::Amd64, Architecture::Arm64]));
    let root = json(&files["index.json"]);
    assert_eq!(root["manifests"].as_array().unwrap().len(), 1);
    let index = follow(&files, &root["manifests"][0]);
    let platforms = index["manifests"].as_array().unwrap().iter().map(|one| &one["platform"]);
    let platforms: Vec<String> = platforms.map(Value::to_string).collect();
    assert_eq!(
        platforms,
        [r#"{"architecture":"amd64","os":"linux"}"#, r#"{"architecture":"arm64","os":"linux"}"#]
    );
}

#[test]
fn the_manifest_of_one_is_the_same_alone_and_beside_the_other() {
    let alone = json(&files(&packed(&[Architecture::Arm64]))["index.json"]);
    let both = files(&packed(&[Architecture::Amd64, Architecture::Arm64]));
    let index = follow(&both, &json(&both["index.json"])["manifests"][0]);
    assert_eq!(alone["manifests"][0]["digest"], index["manifests"][1]["digest"]);
}

#[test]
fn the_image_runs_as_a_number_that_is_not_root_and_was_made_in_1970() {
    let files = files(&packed(&[Architecture::Amd64]));
    let manifest = follow(&files, &json(&files["index.json"])["manifests"][0]);
    let configuration = follow(&files, &manifest["config"]);
    assert_eq!(USER, "65532:65532");
    assert_eq!(configuration["config"]["User"], USER);
    assert_eq!(configuration["config"]["Entrypoint"][0], "/peel");
    assert_eq!(configuration["created"], "1970-01-01T00:00:00Z");
    assert_eq!(manifest["annotations"], configuration["config"]["Labels"]);
}

#[test]
fn docker_and_containerd_find_the_name_of_the_image() {
    let files = files(&packed(&[Architecture::Amd64]));
    let annotations = &json(&files["index.json"])["manifests"][0]["annotations"];
    assert_eq!(annotations["io.containerd.image.name"], "localhost/peel:0.1.0");
    assert_eq!(annotations["org.opencontainers.image.ref.name"], "0.1.0");
    let docker = &json(&files["manifest.json"])[0];
    assert_eq!(docker["RepoTags"][0], "localhost/peel:0.1.0");
    assert!(files.contains_key(docker["Config"].as_str().unwrap()));
    assert!(files.contains_key(docker["Layers"][0].as_str().unwrap()));
}

#[test]
fn a_reference_has_a_name_and_a_tag() {
    for good in ["localhost/peel:0.1.0", "registry.example.com:5000/bakery/peel:main"] {
        assert_eq!(good.parse::<Reference>().unwrap().to_string(), good);
    }
    for bad in ["peel", "peel:", ":1", "Peel:1", "localhost:5000/peel", "peel:a b", "peel@sha256:0"]
    {
        assert!(matches!(bad.parse::<Reference>(), Err(PackError::Reference(_))), "{bad}");
    }
}

#[test]
fn an_archive_without_an_image_is_not_written() {
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().join("none.tar");
    assert!(matches!(write_archive(&to, &reference(), &[]), Err(PackError::Empty)));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

fn reference() -> Reference {
    "localhost/peel:0.1.0".parse().unwrap()
}

fn packed(architectures: &[Architecture]) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let images = architectures.iter().map(|&one| image(folder.path(), one)).collect::<Vec<_>>();
    let to = folder.path().join("image.tar");
    write_archive(&to, &reference(), &images).unwrap();
    fs::read(to).unwrap()
}

fn image(folder: &Path, architecture: Architecture) -> Image {
    let peel = folder.join(format!("peel-{architecture}"));
    fs::write(&peel, static_program(architecture)).unwrap();
    Image {
        architecture,
        programs: vec![Program::read(&peel, "/peel", architecture).unwrap()],
        entrypoint: vec!["/peel".to_owned()],
        labels: [("org.opencontainers.image.title".to_owned(), "peel".to_owned())].into(),
    }
}

/// The header of a program without segments, and something to compress.
fn static_program(architecture: Architecture) -> Vec<u8> {
    let machine: u8 = if architecture == Architecture::Amd64 { 62 } else { 183 };
    let mut elf = b"\x7fELF\x02\x01".to_vec();
    elf.resize(64, 0);
    elf[18] = machine;
    elf.extend(b"a signer at home, a gateway in the cloud. ".repeat(100));
    elf
}

fn files(archive: &[u8]) -> Files {
    let mut archive = tar::Archive::new(archive);
    let entries = archive.entries().unwrap().map(Result::unwrap);
    entries
        .map(|mut entry| {
            let path = entry.path().unwrap().to_str().unwrap().to_owned();
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).unwrap();
            (path, bytes)
        })
        .collect()
}

fn follow(files: &Files, descriptor: &Value) -> Value {
    json(bytes_of(files, descriptor))
}

/// What a descriptor names, which has the size that it says.
fn bytes_of<'a>(files: &'a Files, descriptor: &Value) -> &'a [u8] {
    let bytes = &files[&blob_path(descriptor["digest"].as_str().unwrap())];
    assert_eq!(descriptor["size"], bytes.len());
    bytes
}

fn blob_path(digest: &str) -> String {
    format!("blobs/{}", digest.replacen(':', "/", 1))
}

fn sha256(bytes: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(bytes)))
}

fn json(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap()
}
