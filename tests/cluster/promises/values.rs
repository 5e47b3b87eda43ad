//! Promised: a wrong or unknown value is an error of `helm install` that says which; what the chart makes of good ones is
//! taken by the API server, without a warning.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use cluster::helm::chart;
use cluster::namespace::{Namespace, in_namespace};

use cluster::fixture::RELEASE;

/// The first line of each file is a part of the error.
#[test]
fn wrong_values_are_refused_and_named() -> anyhow::Result<()> {
    in_namespace("wrong-values", |namespace| {
        let files = files("ci/wrong")?;
        let missed = files.iter().map(|file| missed(namespace, file));
        let missed: Vec<String> = missed.collect::<anyhow::Result<Vec<_>>>()?.concat();
        println!("{} files of wrong values", files.len());
        ensure!(missed.is_empty(), "{}", missed.join("\n"));
        Ok(())
    })
}

fn missed(namespace: &Namespace, file: &Path) -> anyhow::Result<Vec<String>> {
    let text = fs::read_to_string(file)?;
    let wanted = text.lines().next().and_then(|line| line.strip_prefix("# "));
    let wanted = wanted.with_context(|| format!("{} says no error", file.display()))?;
    let name = file.display();
    Ok(match namespace.helm.release_of("install", RELEASE, file, &["--dry-run=client"]) {
        Ok(_) => vec![format!("{name} is taken, instead of {wanted:?}")],
        Err(error) if error.to_string().contains(wanted) => Vec::new(),
        Err(error) => vec![format!("{name}, instead of {wanted:?}: {error}")],
    })
}

/// What needs the Prometheus operator is left out: its kinds are not in this cluster. The pod of `helm test` is in a test of
/// its own.
#[test]
fn good_values_are_taken_by_the_api_server() -> anyhow::Result<()> {
    in_namespace("good-values", |namespace| {
        let mut left_out = BTreeSet::new();
        for file in files("ci")? {
            let manifest =
                namespace.helm.release_of("template", RELEASE, &file, &["--no-hooks"])?;
            let (known, unknown): (Vec<&str>, Vec<&str>) = manifest
                .split("\n---\n")
                .partition(|part| !part.contains("apiVersion: monitoring.coreos.com/"));
            left_out.extend(unknown.iter().filter_map(|part| kind(part)).map(str::to_owned));
            let words = ["apply", "--dry-run=server", "--warnings-as-errors"];
            let taken = namespace.kubectl.send(&known.join("\n---\n"), &words);
            let count = taken.context(file.display().to_string())?.lines().count();
            println!("{}: {count} resources", file.display());
        }
        println!("left out: {left_out:?}");
        Ok(())
    })
}

fn kind(part: &str) -> Option<&str> {
    part.lines().find_map(|line| line.strip_prefix("kind: "))
}

/// The files of values in a folder of the chart.
fn files(folder: &str) -> anyhow::Result<Vec<PathBuf>> {
    let folder = chart().join(folder);
    let entries = fs::read_dir(&folder).with_context(|| folder.display().to_string())?;
    let mut files: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "yaml"));
    files.sort();
    ensure!(!files.is_empty(), "no files of values in {}", folder.display());
    Ok(files)
}
