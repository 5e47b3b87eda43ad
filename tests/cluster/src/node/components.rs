//! What runs on the node, and with which words.

use std::env;
use std::ffi::OsString;
use std::iter;
use std::path::PathBuf;
use std::process::Command;

use lab::programs;

use super::Programs;

/// A process of the node.
#[derive(Debug)]
pub(super) struct Component {
    pub(super) name: &'static str,
    program: Program,
    /// `FOLDER` and `CGROUP` stand for the node's.
    words: &'static [&'static str],
}

#[derive(Debug)]
enum Program {
    /// One of Debian's, of the component's name.
    Debian,
    /// A part of the program that holds all of Kubernetes.
    Kubernetes,
}

pub(super) const BEFORE_THE_API_SERVER: &[Component] = &[
    Component {
        name: "containerd",
        program: Program::Debian,
        words: &["--config=FOLDER/containerd.toml"],
    },
    Component {
        name: "etcd",
        program: Program::Kubernetes,
        words: &[
            "--data-dir=FOLDER/etcd",
            "--unsafe-no-fsync",
            "--listen-client-urls=http://127.0.0.1:2379",
            "--advertise-client-urls=http://127.0.0.1:2379",
            "--listen-peer-urls=http://127.0.0.1:2380",
        ],
    },
    Component {
        name: "kube-apiserver",
        program: Program::Kubernetes,
        words: &[
            "--etcd-servers=http://127.0.0.1:2379",
            "--service-cluster-ip-range=10.96.0.0/16",
            "--cert-dir=FOLDER/pki",
            "--secure-port=6443",
            "--advertise-address=10.200.0.1",
            "--service-account-issuer=https://kubernetes.default.svc",
            "--service-account-key-file=FOLDER/pki/sa.pub",
            "--service-account-signing-key-file=FOLDER/pki/sa.key",
            "--token-auth-file=FOLDER/tokens.csv",
            "--authorization-mode=Node,RBAC",
            "--enable-admission-plugins=NodeRestriction",
            "--kubelet-preferred-address-types=InternalIP",
        ],
    },
];

pub(super) const AFTER_THE_API_SERVER: &[Component] = &[
    Component {
        name: "kube-controller-manager",
        program: Program::Kubernetes,
        words: &[
            "--kubeconfig=FOLDER/kube-controller-manager.conf",
            "--service-account-private-key-file=FOLDER/pki/sa.key",
            "--root-ca-file=FOLDER/pki/apiserver.crt",
            "--use-service-account-credentials",
            "--leader-elect=false",
            "--cluster-cidr=10.244.0.0/16",
            "--allocate-node-cidrs=false",
        ],
    },
    Component {
        name: "kube-scheduler",
        program: Program::Kubernetes,
        words: &["--kubeconfig=FOLDER/kube-scheduler.conf", "--leader-elect=false"],
    },
    Component {
        name: "kubelet",
        program: Program::Kubernetes,
        words: &[
            "--config=FOLDER/kubelet.yaml",
            "--kubeconfig=FOLDER/kubelet.conf",
            "--hostname-override=node",
            "--node-ip=10.200.0.1",
            "--root-dir=FOLDER/kubelet",
            "--cert-dir=FOLDER/kubelet/pki",
            "--cgroup-root=/CGROUP",
        ],
    },
    Component {
        name: "kube-proxy",
        program: Program::Kubernetes,
        words: &["--config=FOLDER/kube-proxy.yaml"],
    },
];

/// kube-proxy's user has no role of its own.
pub(super) const PROXY_ROLE: [&str; 5] = [
    "create",
    "clusterrolebinding",
    "kube-proxy",
    "--clusterrole=system:node-proxier",
    "--user=system:kube-proxy",
];

impl Component {
    pub(super) fn command(&self, programs: &Programs) -> anyhow::Result<Command> {
        let mut command = match self.program {
            Program::Debian => Command::new(programs::path(self.name)?),
            Program::Kubernetes => {
                let mut command = Command::new(&programs.kubernetes);
                command.arg(self.name);
                command
            }
        };
        let folder = programs.folder.display().to_string();
        let word =
            |word: &&str| word.replace("FOLDER", &folder).replace("CGROUP", &programs.cgroup);
        command.args(self.words.iter().map(word)).env("PATH", path()?);
        Ok(command)
    }
}

/// With the system's own programs: runc, nft.
fn path() -> anyhow::Result<OsString> {
    let own = env::var_os("PATH").unwrap_or_default();
    let system = ["/usr/sbin", "/sbin"].map(PathBuf::from);
    let _ = programs::path("runc")?;
    let _ = programs::path("nft")?;
    Ok(env::join_paths(env::split_paths(&own).chain(iter::empty()).chain(system))?)
}
