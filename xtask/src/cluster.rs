//! A real Kubernetes under the tests: what it takes is built once, and everything that is started ends with the tests.
//!
//! The tests run in namespaces of their own: mounts, processes, and a network without any way out. When the first of
//! their processes ends, the kernel ends the others. What namespaces do not hold is removed by a shell that outlives
//! them: the cgroups of the pods, and the node's folder.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;
use std::{env, fs, process};

use crate::packages::{self, Package};
use crate::{Failure, go, image, of_this_package, root, run, start};

/// Debian packages of the node, and a program of each, or the file of one that has none in a usual place.
const NEEDED: [Package; 8] = [
    ("containerd", "containerd"),
    ("runc", "runc"),
    ("containernetworking-plugins", "/usr/lib/cni/ptp"),
    ("nftables", "nft"),
    ("iproute2", "ip"),
    ("openssh-client", "ssh"),
    ("openssh-server", "sshd"),
    ("openssl", "openssl"),
];

/// The crate of the node and of the tests.
const CLUSTER: [&str; 3] = ["--locked", "--package", "cluster"];

/// Runs the tests, or those whose names hold one of `filters`.
pub(crate) fn test(filters: &[&str]) -> Result<(), Failure> {
    let started = Instant::now();
    let made = Made::all()?;
    let tests = [&["test"], &CLUSTER[..], &["--bench", "cluster"]].concat();
    run("cargo", &[&tests[..], &["--no-run"]].concat())?;
    println!("\nEverything is built ({} s so far)", started.elapsed().as_secs());
    let words = [&tests[..], &["--offline", "--", "--test-threads=1", "--show-output"], filters];
    inside(&made, "cargo", &words.concat())?;
    println!("\nDone after {} s", started.elapsed().as_secs());
    Ok(())
}

/// Measures, and writes `docs/performance.md`. What measures is no release build: it waits for what pods do.
pub(crate) fn bench() -> Result<(), Failure> {
    let made = Made::all()?;
    let bench = ["--locked", "--package", "bench"];
    run("cargo", &[&["build"], &bench[..]].concat())?;
    inside(&made, "cargo", &[&["run", "--offline"], &bench[..], &["--", "cluster"]].concat())
}

/// What the node is made of, by the names of the variables that its crate reads.
struct Made([(&'static str, PathBuf); 5]);

impl Made {
    fn all() -> Result<Made, Failure> {
        packages::install(&NEEDED)?;
        let [kubernetes, helm] = go::programs()?;
        let image = image_of_the_gateway()?;
        for program in ["pause", "baker"] {
            static_program(program)?;
        }
        let target = target_folder();
        Ok(Made([
            ("PEEL_CLUSTER_KUBERNETES", kubernetes),
            ("PEEL_CLUSTER_HELM", helm),
            ("PEEL_CLUSTER_PEEL", target.join("x86_64-unknown-linux-gnu/release/peel")),
            ("PEEL_CLUSTER_IMAGE", image),
            ("PEEL_CLUSTER_PODS", target.join("debug")),
        ]))
    }
}

/// Only the program itself is linked statically: what it stands on is what the tests stand on, and compiled once.
fn static_program(name: &str) -> Result<(), Failure> {
    let words = ["--bin", name, "--", "-C", "target-feature=+crt-static", "-C", "strip=symbols"];
    run("cargo", &[&["rustc", "--locked", "--package", "pods"], &words[..]].concat())
}

/// Runs a program in namespaces of its own, with the folder and the cgroup of a new node.
fn inside(made: &Made, program: &str, words: &[&str]) -> Result<(), Failure> {
    let name = format!("peel-cluster-{}", process::id());
    let folder = target_folder().join(&name);
    let temporary = folder.join("tmp");
    fs::create_dir_all(&temporary)
        .map_err(|error| Failure(format!("{}: {error}", temporary.display())))?;
    let mut command = Command::new("setpriv");
    // When xtask is killed, the shell hears of it.
    command.args(["--pdeathsig", "TERM", "sh", "xtask/src/namespaces.sh"]).arg(program).args(words);
    command.current_dir(root()).envs(made.0.iter().map(|(name, path)| (*name, path)));
    command.env("PEEL_CLUSTER_FOLDER", &folder).env("PEEL_CLUSTER_CGROUP", &name);
    command.env("TMPDIR", &temporary);
    for name in of_this_package() {
        command.env_remove(name);
    }
    start(&mut command)
}

/// Built as its users get it.
fn image_of_the_gateway() -> Result<PathBuf, Failure> {
    image::build(&[image::Architecture::Amd64])?;
    let version = env!("CARGO_PKG_VERSION");
    Ok(target_folder().join(format!("image/peel-{version}-amd64.tar")))
}

fn target_folder() -> PathBuf {
    let folder = env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    root().join(folder.as_deref().unwrap_or(Path::new("target")))
}
