//! The node: every component of Kubernetes as a process of its own, started once.

mod components;
mod files;
mod images;
mod kill;
mod network;

use std::env;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use lab::net::Namespace;
use lab::process::Daemon;
use lab::wait;

use crate::helm::Helm;
use crate::kubectl::Kubectl;

pub use images::PODS;
pub use kill::{kill, process};

/// A Kubernetes that runs.
#[derive(Debug)]
pub struct Node {
    programs: Programs,
    components: Vec<Daemon>,
}

/// What `cargo xtask test cluster` has made before, and where the node may write.
#[derive(Debug, Clone)]
struct Programs {
    /// All components, and kubectl.
    kubernetes: PathBuf,
    helm: PathBuf,
    /// Static, as it is in the image.
    peel: PathBuf,
    /// The image of the gateway, as an archive.
    image: PathBuf,
    /// A folder with the static programs `pause` and `baker`.
    pods: PathBuf,
    /// Emptied by the caller, before and after.
    folder: PathBuf,
    /// All pods' cgroups are below it.
    cgroup: String,
}

/// Home's network.
pub const HOME: Namespace = Namespace::named("home");

/// For a component to listen, and for the node to be ready.
const START: Duration = Duration::from_secs(60);

static NODE: OnceLock<Result<Node, String>> = OnceLock::new();

impl Node {
    /// The only one; started when it is first asked for, and ended by the kernel, with the namespaces it is in.
    ///
    /// # Errors
    /// When it could not be started; the same error each time.
    pub fn started() -> anyhow::Result<&'static Node> {
        let start = || Node::start().map_err(|error| format!("{error:#}"));
        NODE.get_or_init(start).as_ref().map_err(|error| anyhow!("no Kubernetes: {error}"))
    }

    fn start() -> anyhow::Result<Node> {
        let programs = Programs::from_environment()?;
        if !network::is_empty()? {
            bail!("this network is in use; run the tests with \"cargo xtask test cluster\"");
        }
        network::build()?;
        files::write(&programs.folder)?;
        let mut node = Node { programs, components: Vec::new() };
        node.start_components()?;
        Ok(node)
    }

    fn start_components(&mut self) -> anyhow::Result<()> {
        for component in components::BEFORE_THE_API_SERVER {
            self.add(component)?;
        }
        images::import(&self.programs)?;
        self.wait("the API server", &["get", "--raw", "/readyz"])?;
        self.kubectl("default").run(&components::PROXY_ROLE)?;
        for component in components::AFTER_THE_API_SERVER {
            self.add(component)?;
        }
        self.wait("a ready node", &["wait", "--for=condition=Ready", "node/node", "--timeout=1s"])?;
        self.wait("the default service account", &["get", "serviceaccount", "default"])
    }

    fn add(&mut self, component: &components::Component) -> anyhow::Result<()> {
        let command = component.command(&self.programs)?;
        self.components.push(Daemon::start(component.name, command)?);
        Ok(())
    }

    /// Waits until kubectl succeeds.
    fn wait(&mut self, what: &str, words: &[&str]) -> anyhow::Result<()> {
        let kubectl = self.kubectl("default");
        let mut last = String::new();
        let waited = wait::until(what, START, || {
            if let Some(ended) = self.ended()? {
                bail!("{ended}");
            }
            Ok(kubectl.run(words).map_err(|error| last = error.to_string()).ok())
        });
        waited.with_context(|| last).map(drop)
    }

    /// The log of a component that should run and does not.
    fn ended(&mut self) -> anyhow::Result<Option<String>> {
        for component in &mut self.components {
            if !component.is_running()? {
                return Ok(Some(component.log()?));
            }
        }
        Ok(None)
    }

    /// kubectl as the administrator, in this namespace.
    #[must_use]
    pub fn kubectl(&self, namespace: &str) -> Kubectl {
        Kubectl {
            program: self.programs.kubernetes.clone(),
            config: self.programs.folder.join("admin.conf"),
            namespace: namespace.to_owned(),
        }
    }

    /// A configuration for a client with this token, in a file of its own.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn config_with(&self, token: &str, file: &Path) -> anyhow::Result<()> {
        Ok(std::fs::write(file, files::kubeconfig(&self.programs.folder, token))?)
    }

    /// Helm as the administrator, in this namespace.
    #[must_use]
    pub fn helm(&self, namespace: &str) -> Helm {
        Helm { program: self.programs.helm.clone(), kubectl: self.kubectl(namespace) }
    }

    /// The program `peel`, as it is in the image.
    #[must_use]
    pub fn peel(&self) -> &Path {
        &self.programs.peel
    }

    /// The archive of the gateway's image.
    #[must_use]
    pub fn image(&self) -> &Path {
        &self.programs.image
    }
}

impl Programs {
    fn from_environment() -> anyhow::Result<Programs> {
        let text = |name: &str| {
            env::var(format!("PEEL_CLUSTER_{name}")).with_context(|| {
                format!("PEEL_CLUSTER_{name} is not set; run the tests with \"cargo xtask test cluster\"")
            })
        };
        let path = |name: &str| anyhow::Ok(PathBuf::from(text(name)?));
        Ok(Programs {
            kubernetes: path("KUBERNETES")?,
            helm: path("HELM")?,
            peel: path("PEEL")?,
            image: path("IMAGE")?,
            pods: path("PODS")?,
            folder: path("FOLDER")?,
            cgroup: text("CGROUP")?,
        })
    }
}
