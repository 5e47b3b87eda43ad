//! What can be typed after `peel ssh`, and where a gateway in Kubernetes is.

use std::ffi::OsString;
use std::fmt;
use std::str::FromStr;

use kubernetes::Place;

/// The gateway's pods, as far as they have to be named.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct ClusterPlace {
    /// The context of the kubeconfig. [default: its current one, or the cluster that this runs in]
    #[arg(long)]
    pub(crate) context: Option<String>,
    /// The gateway's namespace. [default: the context's]
    #[arg(long)]
    pub(crate) namespace: Option<String>,
    /// The gateway's Helm release, when the namespace has several.
    #[arg(long)]
    pub(crate) release: Option<String>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct SshArgs {
    /// The signer's name, as in gateway.toml, and the user at its sshd, as ssh takes it.
    #[arg(value_name = "[USER@]NAME", required_unless_present = "list")]
    pub(crate) target: Option<Target>,
    #[command(flatten)]
    pub(crate) place: ClusterPlace,
    /// Without Kubernetes: the host that the gateway runs on, reached with ssh.
    #[arg(long, value_name = "[USER@]HOST[:PORT]", group = "gateway", conflicts_with_all = ["context", "namespace", "release"])]
    pub(crate) via: Option<Via>,
    /// With --via: the signer's port in gateway.toml; without it, the gateway's `[monitor]` is asked.
    #[arg(long, requires = "gateway", value_parser = clap::value_parser!(u16).range(1..=64535))]
    pub(crate) port: Option<u16>,
    /// Show the signers, and whether their shell is there.
    #[arg(long, conflicts_with_all = ["target", "pipe"])]
    pub(crate) list: bool,
    /// With --list: write JSON.
    #[arg(long, requires = "list", conflicts_with = "target")]
    pub(crate) json: bool,
    /// Be the ProxyCommand of an ssh: standard input and output are the connection to the signer's sshd.
    #[arg(long, conflicts_with = "via")]
    pub(crate) pipe: bool,
    /// With --pipe and --port: the pod, which is not looked for then.
    #[arg(long, hide = true, group = "gateway", requires_all = ["pipe", "port"])]
    pub(crate) pod: Option<String>,
    /// ssh's own options, the target again, and the command.
    #[arg(last = true, hide = true)]
    pub(crate) ssh: Vec<OsString>,
}

/// A signer, and who logs in there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) signer: String,
}

/// The host of a gateway, as ssh reaches it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Via {
    /// With its user, if that was named.
    pub(crate) host: String,
    pub(crate) port: Option<u16>,
}

impl From<ClusterPlace> for Place {
    fn from(place: ClusterPlace) -> Place {
        let ClusterPlace { context, namespace, release } = place;
        Place { context, namespace, release }
    }
}

impl ClusterPlace {
    /// Whether a cluster was asked for.
    pub(crate) fn is_named(&self) -> bool {
        self.context.is_some() || self.namespace.is_some() || self.release.is_some()
    }
}

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Target, String> {
        let signer = text.rsplit_once('@').map_or(text, |(_, signer)| signer);
        let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        if signer.is_empty() || signer.starts_with('-') || !signer.chars().all(is_plain) {
            return Err("a signer's name has letters, digits, - and _".to_owned());
        }
        Ok(Target { signer: signer.to_owned() })
    }
}

impl FromStr for Via {
    type Err = String;

    fn from_str(text: &str) -> Result<Via, String> {
        let (host, port) = match text.rsplit_once(':') {
            // An IPv6 address has colons of its own, and stands in brackets.
            Some((host, port)) if !port.ends_with(']') => {
                let port = port.parse().map_err(|_| format!("{port:?} is not a port"))?;
                (host, Some(port))
            }
            _ => (text, None),
        };
        let bare = host.rsplit_once('@').map_or(host, |(_, bare)| bare);
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.@%+:[]".contains(c);
        if bare.is_empty() || host.starts_with('-') || !host.chars().all(is_plain) {
            return Err("it is [USER@]HOST[:PORT], or a Host of ssh_config".to_owned());
        }
        Ok(Via { host: host.to_owned(), port })
    }
}

impl fmt::Display for Via {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.host)?;
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_a_signer_with_or_without_a_user() {
        for text in ["home", "me@home", "DOMAIN\\me@x@home"] {
            assert_eq!(text.parse(), Ok(Target { signer: "home".to_owned() }), "{text}");
        }
        for text in ["", "me@", "a b", "$(reboot)", "me@-oProxyCommand", "home.example", "é"] {
            assert!(text.parse::<Target>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_host_on_the_way_is_no_option_and_no_command() {
        let via = |host: &str, port| Ok(Via { host: host.to_owned(), port });
        assert_eq!("me@gw".parse(), via("me@gw", None));
        assert_eq!("me@gw.example:2222".parse(), via("me@gw.example", Some(2222)));
        assert_eq!("[2001:db8::1]".parse(), via("[2001:db8::1]", None));
        assert_eq!("me@[2001:db8::1]:22".parse(), via("me@[2001:db8::1]", Some(22)));
        for text in ["", "-oProxyCommand=x", "a;b", "a b", "me@", "gw:ssh", "a,b"] {
            assert!(text.parse::<Via>().is_err(), "{text}");
        }
    }
}
