//! The cluster that the kubeconfig names, or that this runs in.

use std::env;
use std::io::{self, IsTerminal};
use std::path::PathBuf;
use std::time::Duration;

use hyper_util::client::proxy::matcher::Matcher;
use kube::Config;
use kube::config::{ExecInteractiveMode, KubeConfigOptions, Kubeconfig};

use crate::error::ConfigError;

/// A cluster is a round trip away, or it is not there.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);

/// As kubectl finds it: `$KUBECONFIG`, else `~/.kube/config`, else the service account of the pod that this runs in. A
/// context that is named has to be in a kubeconfig.
pub(crate) async fn read(context: Option<&str>) -> Result<Config, ConfigError> {
    let Some(kubeconfig) = merged()? else { return in_cluster(context) };
    check_context(&kubeconfig, context)?;
    let options =
        KubeConfigOptions { context: context.map(str::to_owned), ..KubeConfigOptions::default() };
    let proxy_is_named = has_proxy(&kubeconfig, context);
    let config = Config::from_custom_kubeconfig(kubeconfig, &options).await;
    let mut config = config.map_err(|error| ConfigError::of(&error))?;
    if !proxy_is_named && goes_direct(&config) {
        config.proxy_url = None;
    }
    Ok(bounded(config))
}

/// All files that there are, the first one first; none when there is none.
fn merged() -> Result<Option<Kubeconfig>, ConfigError> {
    let files = files().into_iter().filter(|file| file.exists());
    let mut read = files.map(Kubeconfig::read_from);
    let Some(first) = read.next() else { return Ok(None) };
    let merged = read.try_fold(first.map_err(|error| ConfigError::of(&error))?, |all, next| {
        next.and_then(|next| all.merge(next)).map_err(|error| ConfigError::of(&error))
    });
    merged.map(Some)
}

/// Where kubeconfigs may be.
fn files() -> Vec<PathBuf> {
    let named = env::var_os("KUBECONFIG").unwrap_or_default();
    let named: Vec<PathBuf> =
        env::split_paths(&named).filter(|file| !file.as_os_str().is_empty()).collect();
    if !named.is_empty() {
        return named;
    }
    env::home_dir().map(|home| home.join(".kube/config")).into_iter().collect()
}

fn in_cluster(context: Option<&str>) -> Result<Config, ConfigError> {
    let missing = || {
        let files: Vec<String> = files().iter().map(|file| file.display().to_string()).collect();
        ConfigError::Missing { kubeconfig: files.join(", ") }
    };
    if context.is_some() {
        return Err(missing());
    }
    Config::incluster().map(bounded).map_err(|_| missing())
}

fn check_context(kubeconfig: &Kubeconfig, context: Option<&str>) -> Result<(), ConfigError> {
    let there: Vec<String> = kubeconfig.contexts.iter().map(|it| it.name.clone()).collect();
    let current = kubeconfig.current_context.as_deref().filter(|name| !name.is_empty());
    match context.or(current) {
        None => Err(ConfigError::NoCurrentContext { there }),
        Some(name) if there.iter().any(|it| it == name) => Ok(()),
        Some(name) => Err(ConfigError::NoContext { name: name.to_owned(), there }),
    }
}

/// Whether the kubeconfig itself names a proxy for the cluster.
fn has_proxy(kubeconfig: &Kubeconfig, context: Option<&str>) -> bool {
    let name = context.or(kubeconfig.current_context.as_deref());
    let context = kubeconfig.contexts.iter().find(|it| Some(it.name.as_str()) == name);
    let cluster = context.and_then(|it| it.context.as_ref()).map(|it| it.cluster.as_str());
    let cluster = kubeconfig.clusters.iter().find(|it| Some(it.name.as_str()) == cluster);
    let proxy = cluster.and_then(|it| it.cluster.as_ref()).and_then(|it| it.proxy_url.as_ref());
    proxy.is_some_and(|proxy| !proxy.is_empty())
}

/// Whether the variables of the environment (`HTTPS_PROXY`, `NO_PROXY`) lead to the cluster without a proxy, as with
/// kubectl. kube 5.0 holds `NO_PROXY` against the proxy's own address.
fn goes_direct(config: &Config) -> bool {
    Matcher::from_env().intercept(&config.cluster_url).is_none()
}

fn bounded(mut config: Config) -> Config {
    config.connect_timeout = Some(CONNECT_LIMIT);
    let plugin = config.auth_info.exec.as_mut();
    // Below ssh, standard input is the session's: a program that gives credentials must not read from it.
    if let Some(plugin) = plugin
        && plugin.interactive_mode != Some(ExecInteractiveMode::Always)
        && !io::stdin().is_terminal()
    {
        plugin.interactive_mode = Some(ExecInteractiveMode::Never);
    }
    config
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kubeconfig(current: &str) -> Kubeconfig {
        let text = format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: \"{current}\"\n\
             clusters: [{{name: k, cluster: {{server: \"https://k\", proxy-url: \"http://p\"}}}}]\n\
             contexts: [{{name: a, context: {{cluster: k}}}}, {{name: b, context: {{cluster: l}}}}]\n"
        );
        Kubeconfig::from_yaml(&text).unwrap()
    }

    #[test]
    fn a_context_that_is_not_there_is_named_beside_those_that_are() {
        let error = check_context(&kubeconfig("a"), Some("c")).unwrap_err().to_string();
        assert_eq!(error, "no context \"c\" in the kubeconfig; there are a, b");
        let error = check_context(&kubeconfig(""), None).unwrap_err().to_string();
        assert!(error.contains("no current context") && error.ends_with("there are a, b"));
        assert!(check_context(&kubeconfig("a"), None).is_ok());
        assert!(check_context(&kubeconfig(""), Some("b")).is_ok());
    }

    #[test]
    fn a_proxy_of_the_cluster_is_seen() {
        assert!(has_proxy(&kubeconfig("a"), None));
        assert!(!has_proxy(&kubeconfig("a"), Some("b")));
    }
}
