//! A baker in a pod: two votes a second, each at a level of its own, and a line for each on standard output.
//!
//! `baker http://HOST:PORT/tz… new|kept FIRST_LEVEL`. With `new` it asks as octez-baker does, by the lab's baker: each
//! time a new connection, a 502 asked again (ten attempts in 3.6 s), every other failure final, a refused or reset
//! connection too. With `kept` it asks as clients with a pool of connections do: `kept.rs`.

mod kept;

use std::io::{self, Write};
use std::time::Duration;

use anyhow::{Context, bail};
use cluster::bakers::Vote;
use lab::baker::{Baker, Outcome, Plan, Request};
use signer_api::client::SignerUrl;

const PERIOD: Duration = Duration::from_millis(500);
/// For the signer to be there at all.
const START: Duration = Duration::from_secs(120);
/// Between two looks at what the baker has noted.
const LOOK: Duration = Duration::from_millis(50);

fn main() -> anyhow::Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let [url, connections, first_level] = words.as_slice() else {
        bail!("usage: baker http://HOST:PORT/tz… new|kept FIRST_LEVEL");
    };
    let url: SignerUrl = url.parse()?;
    let first_level = first_level.parse().context("the first level is no number")?;
    match *connections {
        "new" => ask_as_octez(Plan { period: PERIOD, first_level, ..Plan::new(url) }),
        "kept" => kept::ask(&url, first_level, PERIOD),
        other => bail!("connections are \"new\" or \"kept\", not {other:?}"),
    }
}

/// Until the pod is killed.
fn ask_as_octez(plan: Plan) -> anyhow::Result<()> {
    let baker = Baker::start(plan, START)?;
    let mut told = 0;
    loop {
        let record = baker.so_far();
        for request in record.requests().get(told..).unwrap_or_default() {
            tell(&vote(request))?;
            told += 1;
        }
        std::thread::sleep(LOOK);
    }
}

fn vote(request: &Request) -> Vote {
    let error = match &request.outcome {
        Outcome::Signed(_) => None,
        Outcome::Refused(why) | Outcome::Failed(why) => Some(why.clone()),
    };
    let took_ms = request.took.as_secs_f64() * 1000.0;
    Vote { level: request.level, took_ms, asked_again: request.asked_again, error }
}

fn tell(vote: &Vote) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{}", serde_json::to_string(vote)?)?;
    Ok(out.flush()?)
}
