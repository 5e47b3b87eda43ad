//! The images that the node has: the gateway's, and one with the programs of the other pods.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use image::{Architecture, Image, Program, write_archive};
use lab::{programs, wait};

use super::Programs;
use crate::run::said;

/// The image with `/pause`, which holds a pod's namespaces, and `/baker`.
pub const PODS: &str = "localhost/cluster-pods:1";

/// For containerd to listen, and for one import.
const LIMIT: Duration = Duration::from_secs(30);

pub(super) fn import(programs: &Programs) -> anyhow::Result<()> {
    let pods = programs.folder.join("pods.tar");
    write_archive(&pods, &PODS.parse()?, &[image_of_pods(&programs.pods)?])?;
    wait::until("containerd", LIMIT, || Ok(ctr(&["version"]).ok()))?;
    import_archive(&pods)?;
    import_archive(&programs.image)
}

fn image_of_pods(folder: &Path) -> anyhow::Result<Image> {
    let architecture = Architecture::Amd64;
    let program = |name: &str| Program::read(&folder.join(name), &format!("/{name}"), architecture);
    Ok(Image {
        architecture,
        programs: vec![program("pause")?, program("baker")?],
        entrypoint: vec!["/pause".to_owned()],
        labels: BTreeMap::new(),
    })
}

fn import_archive(archive: &Path) -> anyhow::Result<()> {
    ctr(&["images", "import", &archive.display().to_string()]).map(drop)
}

fn ctr(words: &[&str]) -> anyhow::Result<String> {
    let mut command = Command::new(programs::path("ctr")?);
    command.args(["--namespace", "k8s.io"]).args(words);
    said(command, LIMIT)
}
