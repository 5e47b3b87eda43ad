//! `peel ssh`: from a workstation to a signer's shell, through the gateway.
//!
//! ```text
//!  peel ssh NAME ──▶ the gateway's pods say who is there ──▶ becomes: ssh -o ProxyCommand="peel ssh --pipe --pod …" NAME
//!                                                                        │
//!  sshd at home ◀── tunnel ◀── 127.0.0.1:port + 1000 of the pod ◀── port-forward ◀── peel ssh --pipe
//! ```
//!
//! With `--via`, it becomes `ssh -J` through the gateway's host, and nothing of ours is in between.

mod gateways;
mod list;
mod openssh;
mod pipe;
mod signers;
mod via;
pub(crate) mod words;

use std::ffi::OsString;

use anyhow::bail;
use kubernetes::Place;
pub(crate) use signers::NoShell;
use tunnel::SignerPort;

use self::openssh::PodPort;
use self::signers::{Gateways, Shell};
use crate::args::{SshArgs, Target, Via};
use crate::commands::pods::Pods;

pub(crate) fn run(args: SshArgs) -> anyhow::Result<()> {
    let SshArgs { target, place, via, port, list: _, json, pipe, pod, ssh } = args;
    let place = Place::from(place);
    // Without a target, it is --list.
    let Some(Target { signer }) = target else {
        return show(&everything(&place, via.as_ref(), &ssh)?, json);
    };
    if let Some(via) = via {
        return through_host(&via, port, &signer, &ssh);
    }
    if pipe {
        let named = pod.zip(port).map(|(gateway, port)| Shell { gateway, port });
        return pipe::run(&place, named, &signer);
    }
    through_pod(&place, &signer, &ssh)
}

fn through_host(
    via: &Via,
    port: Option<u16>,
    signer: &str,
    ssh: &[OsString],
) -> anyhow::Result<()> {
    let port = match port {
        Some(port) => port,
        None => via::ask(via, ssh)?.shell_of(signer)?.port,
    };
    Err(openssh::become_it(openssh::to_host(via, SignerPort::new(port)?, signer, ssh)))
}

fn through_pod(place: &Place, signer: &str, ssh: &[OsString]) -> anyhow::Result<()> {
    let pods = Pods::open(place)?;
    let shell = gateways::of_pods(pods.ask()?).shell_of(signer)?;
    let at = PodPort {
        context: place.context.as_deref(),
        namespace: pods.namespace(),
        pod: &shell.gateway,
        port: shell.port,
    };
    Err(openssh::become_it(openssh::to_pod(&at, signer, ssh)?))
}

fn everything(place: &Place, via: Option<&Via>, ssh: &[OsString]) -> anyhow::Result<Gateways> {
    match via {
        Some(via) => via::ask(via, ssh),
        None => Ok(gateways::of_pods(Pods::open(place)?.ask()?)),
    }
}

fn show(gateways: &Gateways, json: bool) -> anyhow::Result<()> {
    for why in &gateways.silent {
        daemon::tell!("peel: {why}");
    }
    if gateways.answered.is_empty() {
        bail!("no gateway answers");
    }
    if json {
        daemon::say!("{}", list::as_json(gateways));
    } else {
        daemon::say!("{}", list::table(gateways));
    }
    Ok(())
}
