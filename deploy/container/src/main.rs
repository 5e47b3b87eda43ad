//! Packs `peel` as its image. Run by `cargo xtask image`, which builds the programs before.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{env, fs, io};

use image::{Architecture, Image, PackError, Program, Reference, write_archive};

/// The version of the workspace is the image's.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// A program that was built, and what for.
struct Built {
    architecture: Architecture,
    program: PathBuf,
}

fn main() -> ExitCode {
    let words: Vec<String> = env::args().skip(1).collect();
    let [folder, programs @ ..] = words.as_slice() else {
        return usage();
    };
    let Some(programs) = programs.iter().map(|word| parse(word)).collect::<Option<Vec<_>>>() else {
        return usage();
    };
    match pack(Path::new(folder), &programs) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("image: {error}");
            ExitCode::FAILURE
        }
    }
}

fn usage() -> ExitCode {
    eprintln!(
        "image FOLDER amd64=PROGRAM arm64=PROGRAM  packs one or both, and both in one archive"
    );
    ExitCode::from(2)
}

fn parse(word: &str) -> Option<Built> {
    let (architecture, program) = word.split_once('=')?;
    Some(Built { architecture: architecture.parse().ok()?, program: program.into() })
}

/// One archive for each architecture, and one of all when there are several.
fn pack(folder: &Path, programs: &[Built]) -> Result<(), PackError> {
    let images = programs.iter().map(image).collect::<Result<Vec<_>, _>>()?;
    for image in &images {
        let name = format!("peel-{VERSION}-{}.tar", image.architecture);
        write(&folder.join(name), std::slice::from_ref(image))?;
    }
    let all = folder.join(format!("peel-{VERSION}.tar"));
    if images.len() > 1 { write(&all, &images) } else { remove(&all) }
}

/// An archive of all from an earlier run would hold another program than the archive that is new.
fn remove(path: &Path) -> Result<(), PackError> {
    match fs::remove_file(path) {
        Err(cause) if cause.kind() != io::ErrorKind::NotFound => {
            Err(PackError::Unwritable { path: path.to_owned(), cause })
        }
        _ => Ok(()),
    }
}

fn write(to: &Path, images: &[Image]) -> Result<(), PackError> {
    let reference: Reference = format!("localhost/peel:{VERSION}").parse()?;
    let archive = write_archive(to, &reference, images)?;
    println!("{}\n  {reference}  {}  {}", to.display(), archive.digest, megabytes(archive.size));
    Ok(())
}

fn image(built: &Built) -> Result<Image, PackError> {
    let peel = Program::read(&built.program, "/peel", built.architecture)?;
    println!("{} for {}: {}", built.program.display(), built.architecture, megabytes(peel.size()));
    Ok(Image {
        architecture: built.architecture,
        programs: vec![peel],
        entrypoint: vec!["/peel".to_owned()],
        labels: labels(),
    })
}

/// <https://github.com/opencontainers/image-spec/blob/v1.1.1/annotations.md>
fn labels() -> BTreeMap<String, String> {
    let labels = [
        ("title", "peel"),
        (
            "description",
            "A remote signer for Tezos bakers: the baker runs in the cloud, the key stays at home",
        ),
        ("version", VERSION),
        ("licenses", env!("CARGO_PKG_LICENSE")),
    ];
    let named = |(name, value): (&str, &str)| {
        (format!("org.opencontainers.image.{name}"), value.to_owned())
    };
    labels.map(named).into()
}

/// Of 1,000,000 bytes, as registries count.
fn megabytes(bytes: u64) -> String {
    let tenths = (bytes + 50_000) / 100_000;
    format!("{}.{} MB", tenths / 10, tenths % 10)
}
