//! `peel status`: the facts of a daemon on one screen.

mod in_pods;
mod screen;

use std::io::{self, IsTerminal};
use std::net::{SocketAddr, ToSocketAddrs};
use std::thread;
use std::time::Duration;

use anyhow::{Context, bail};
use daemon::report::Report;
use gateway::report::GatewayReport;
pub(crate) use screen::{age, clean};

use crate::args::{ClusterPlace, MonitorUrl};
use crate::commands::pods::Pods;
use crate::commands::running;

/// What a daemon answers: a gateway says more than a signer.
#[derive(Debug, Clone)]
enum Answer {
    Signer(Report),
    Gateway(GatewayReport),
}

const SIGNER: &str = "127.0.0.1:9584";
const GATEWAY: &str = "127.0.0.1:9583";
const EVERY: Duration = Duration::from_secs(1);

/// Shows it once, or until the process is ended.
pub(crate) fn run(
    url: Option<&MonitorUrl>,
    place: ClusterPlace,
    watch: bool,
    json: bool,
) -> anyhow::Result<()> {
    if place.is_named() {
        let pods = Pods::open(&place.into())?;
        return repeat(watch, || in_pods::show(&pods, watch, json));
    }
    repeat(watch, || show(url, watch, json))
}

fn repeat(watch: bool, show: impl Fn() -> anyhow::Result<()>) -> anyhow::Result<()> {
    loop {
        let shown = show();
        if !watch {
            return shown;
        }
        // A daemon that is being started again is asked until it is there.
        if let Err(error) = shown {
            daemon::tell!("\n{error:#}");
        }
        if !daemon::print::is_complete() {
            return Ok(());
        }
        thread::sleep(EVERY);
    }
}

fn show(url: Option<&MonitorUrl>, watch: bool, json: bool) -> anyhow::Result<()> {
    let (at, body) = asked(url);
    let body = match body {
        Ok(body) => body,
        Err(error) => {
            begin_screen(watch && !json);
            return Err(error);
        }
    };
    if json {
        daemon::say!("{}", body.trim_end());
        return fail_unless_well(&parse(&body)?);
    }
    let answer = parse(&body).with_context(|| format!("{at} does not answer as Peel does"))?;
    begin_screen(watch);
    daemon::say!("{}", screen::draw(&answer, &at, io::stdout().is_terminal()));
    if watch { Ok(()) } else { fail_unless_well(&answer) }
}

/// On a terminal that is watched, what stood there before goes.
fn begin_screen(watch: bool) {
    if watch && io::stdout().is_terminal() {
        daemon::say!("\x1b[H\x1b[2J");
    }
}

/// The address that was asked, and what it answered.
fn asked(url: Option<&MonitorUrl>) -> (String, anyhow::Result<String>) {
    let Some(url) = url else {
        let [signer, gateway] = [SIGNER, GATEWAY].map(|at| (at.to_owned(), ask(at)));
        return if signer.1.is_err() && gateway.1.is_ok() { gateway } else { signer };
    };
    (url.at().to_owned(), ask(url.at()))
}

fn ask(at: &str) -> anyhow::Result<String> {
    let mut addresses = at.to_socket_addrs().with_context(|| format!("{at} is not found"))?;
    let address: SocketAddr = addresses.next().with_context(|| format!("{at} is not found"))?;
    let (status, body) = running::ask(address, "/status").with_context(|| {
        format!("nothing answers at {at}; is the daemon running, with [monitor] listen = \"{at}\"?")
    })?;
    if status != 200 {
        let said = body.lines().next().unwrap_or_default();
        bail!(
            "{at} answers {status} to GET /status ({said}); is it the [monitor] of a Peel of this version?"
        );
    }
    Ok(body)
}

fn parse(body: &str) -> anyhow::Result<Answer> {
    if let Ok(gateway) = serde_json::from_str(body) {
        return Ok(Answer::Gateway(gateway));
    }
    Ok(Answer::Signer(serde_json::from_str(body)?))
}

/// The lines say already what is wrong.
fn fail_unless_well(answer: &Answer) -> anyhow::Result<()> {
    if screen::complaints(answer).is_empty() {
        return Ok(());
    }
    bail!("not all is well: see the lines with [-]")
}

impl Answer {
    fn report(&self) -> &Report {
        match self {
            Answer::Signer(report) => report,
            Answer::Gateway(gateway) => &gateway.own,
        }
    }
}
