//! The files that the components read, from those in `tests/cluster/node`.

use std::fs;
use std::path::Path;

use lab::net::Namespace;

/// A file's name, and what is in it.
const FILES: [(&str, &str); 6] = [
    ("containerd.toml", include_str!("../../node/containerd.toml")),
    ("cni/pods.conflist", include_str!("../../node/cni.conflist")),
    ("kubelet.yaml", include_str!("../../node/kubelet.yaml")),
    ("kube-proxy.yaml", include_str!("../../node/kube-proxy.yaml")),
    ("tokens.csv", include_str!("../../node/tokens.csv")),
    // There is no DNS in this cluster.
    ("resolv.conf", ""),
];
const KUBECONFIG: &str = include_str!("../../node/kubeconfig.yaml");
/// Whom the API server knows, by a token that is the same word.
const USERS: [&str; 5] =
    ["admin", "kubelet", "kube-controller-manager", "kube-scheduler", "kube-proxy"];

pub(super) fn write(folder: &Path) -> anyhow::Result<()> {
    for part in ["cni", "pki"] {
        fs::create_dir_all(folder.join(part))?;
    }
    let here = folder.display().to_string();
    for (name, text) in FILES {
        fs::write(folder.join(name), text.replace("FOLDER", &here))?;
    }
    for user in USERS {
        fs::write(folder.join(format!("{user}.conf")), kubeconfig(folder, user))?;
    }
    key_of_service_accounts(folder)
}

/// A configuration for clients that have this token.
pub(super) fn kubeconfig(folder: &Path, token: &str) -> String {
    KUBECONFIG.replace("FOLDER", &folder.display().to_string()).replace("TOKEN", token)
}

fn key_of_service_accounts(folder: &Path) -> anyhow::Result<()> {
    let (private, public) = (folder.join("pki/sa.key"), folder.join("pki/sa.pub"));
    let (private, public) = (private.display().to_string(), public.display().to_string());
    let here = Namespace::here();
    here.run("openssl", &["genrsa", "-out", &private, "2048"])?;
    here.run("openssl", &["rsa", "-in", &private, "-pubout", "-out", &public])?;
    Ok(())
}
