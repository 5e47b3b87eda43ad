//! The Debian packages: the program of the container image, its units, pages and completions, packed by `dpkg-deb`.
//!
//! The same commit gives the same bytes: everything has the time of the commit, and what is in it is sorted.

mod contents;
mod control;
mod stage;
pub(crate) mod test;

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use crate::image::{Architecture, output, target_folder};
use crate::{Failure, run, start};
use contents::Pages;
use stage::Stage;

/// Packages that are to be built.
#[derive(Debug, PartialEq, Eq)]
struct Order {
    architectures: Vec<Architecture>,
    version: String,
}

/// A program, built for an architecture.
type Built = (Architecture, PathBuf);

/// Builds what the words after `cargo xtask deb` ask for.
pub(crate) fn build(words: &[&str]) -> Result<(), Failure> {
    build_all(&Order::parse(words)?).map(drop)
}

/// Builds the package for one architecture, and gives where it is.
pub(crate) fn package(architecture: Architecture) -> Result<PathBuf, Failure> {
    let version = env!("CARGO_PKG_VERSION").to_owned();
    let packages = build_all(&Order { architectures: vec![architecture], version })?;
    packages.into_iter().next().ok_or_else(|| Failure("no package was built".to_owned()))
}

/// Builds the packages of an order, and gives where they are.
fn build_all(order: &Order) -> Result<Vec<PathBuf>, Failure> {
    let started = Instant::now();
    let programs = order.architectures.iter().map(|own| Ok((*own, own.build()?)));
    let programs: Vec<Built> = programs.collect::<Result<_, Failure>>()?;
    println!("\n=== the packages ({} s so far)", started.elapsed().as_secs());
    let pages = Pages::by(&documenting(&programs)?)?;
    let packages =
        programs.iter().map(|(own, program)| pack(*own, program, &order.version, &pages));
    let packages = packages.collect::<Result<_, Failure>>()?;
    println!("\nDone after {} s", started.elapsed().as_secs());
    Ok(packages)
}

impl Order {
    fn parse(words: &[&str]) -> Result<Order, Failure> {
        let version = env!("CARGO_PKG_VERSION").to_owned();
        let mut order = Order { architectures: Architecture::ALL.to_vec(), version };
        let mut words = words.iter();
        while let Some(word) = words.next() {
            match (*word, words.next()) {
                ("--arch", Some(name)) => order.architectures = vec![architecture(name)?],
                ("--version", Some(version)) => order.version = checked(version)?,
                (word, _) => return Err(Failure(format!("{word}: {USAGE}"))),
            }
        }
        Ok(order)
    }
}

const USAGE: &str = "write \"cargo xtask deb [--arch amd64|arm64] [--version VERSION]\"";

fn architecture(name: &str) -> Result<Architecture, Failure> {
    let known = Architecture::ALL.into_iter().find(|known| known.name() == name);
    known.ok_or_else(|| Failure(format!("{name}: no package is built for it; {USAGE}")))
}

/// deb-version(7), without an epoch, which is in no file's name.
fn checked(version: &str) -> Result<String, Failure> {
    let is_known = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '+' | '-' | '~');
    let is_good =
        version.starts_with(|c: char| c.is_ascii_digit()) && version.chars().all(is_known);
    if is_good {
        Ok(version.to_owned())
    } else {
        Err(Failure(format!("{version}: no version of Debian's")))
    }
}

/// A program that runs here, to write pages and completions: of those that were built, or else a debug build.
fn documenting(programs: &[Built]) -> Result<PathBuf, Failure> {
    let own = programs.iter().find(|(architecture, _)| architecture.is_of_this_machine());
    if let Some((_, program)) = own {
        return Ok(program.clone());
    }
    run("cargo", &["build", "--locked", "--package", "peel"])?;
    Ok(target_folder().join("debug/peel"))
}

/// `target/deb/peel_<version>_<architecture>.deb`.
fn pack(
    architecture: Architecture,
    program: &Path,
    version: &str,
    pages: &Pages,
) -> Result<PathBuf, Failure> {
    let name = architecture.name();
    let folder = target_folder().join("deb");
    let stage = Stage::new(folder.join(format!("stage-{name}")))?;
    let time = time_of_commit()?;
    contents::fill(&stage, program, pages)?;
    control::fill(&stage, name, version, time)?;
    let package = folder.join(format!("peel_{version}_{name}.deb"));
    let mut pack = Command::new("dpkg-deb");
    pack.args(["--root-owner-group", "-Zxz", "--build"]).arg(stage.folder()).arg(&package);
    // Whatever is newer gets this time; everything here is.
    start(pack.env("SOURCE_DATE_EPOCH", time.to_string()))?;
    Ok(package)
}

/// In seconds since 1970.
fn time_of_commit() -> Result<u64, Failure> {
    let told = match env::var("SOURCE_DATE_EPOCH") {
        Ok(given) => given,
        Err(_) => output("git", &["log", "-1", "--format=%ct"])?,
    };
    let told = told.trim();
    told.parse().map_err(|_| Failure(format!("{told:?} is no time; set SOURCE_DATE_EPOCH")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_words_both_architectures_are_packed() {
        let order = Order::parse(&[]).unwrap();
        assert_eq!(order.architectures, Architecture::ALL);
        assert_eq!(order.version, env!("CARGO_PKG_VERSION"));
    }

    #[test]
    fn one_architecture_and_another_version_can_be_asked_for() {
        let order = Order::parse(&["--version", "0.0.1~rc1", "--arch", "arm64"]).unwrap();
        let expected =
            Order { architectures: vec![Architecture::Arm64], version: "0.0.1~rc1".to_owned() };
        assert_eq!(order, expected);
    }

    #[test]
    fn what_is_not_understood_is_named() {
        for (words, named) in [
            (&["--arch", "riscv64"][..], "riscv64"),
            (&["--version", "1_0"], "1_0"),
            (&["--version", "v1"], "v1"),
            (&["--arch"], "--arch"),
            (&["all"], "all"),
        ] {
            let Failure(line) = Order::parse(words).unwrap_err();
            assert!(line.starts_with(named), "{line}");
        }
    }
}
