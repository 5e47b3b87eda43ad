//! The same of a gateway in Kubernetes: each of its pods.

use std::io::{self, IsTerminal};

use anyhow::{Context, bail};
use gateway::report::GatewayReport;
use serde_json::{Value, json};

use super::{Answer, begin_screen, fail_unless_well, screen};
use crate::commands::pods::{Answered, Pods};

/// A pod's name, and what it says.
type Reported = (String, anyhow::Result<Value>);

/// Shows every pod; fails when one does not answer, or not all is well there.
pub(super) fn show(pods: &Pods, watch: bool, json: bool) -> anyhow::Result<()> {
    let answered = pods.ask();
    if !json {
        begin_screen(watch);
    }
    let reports: Vec<Reported> = answered?.into_iter().map(reported).collect();
    if json {
        daemon::say!("{}", reports.iter().map(as_json).collect::<Value>());
    }
    let mut is_well = true;
    for report in reports {
        let shown = draw(report, pods.namespace(), json);
        is_well &= shown.unwrap_or_else(|error| {
            daemon::tell!("peel: {error:#}");
            false
        });
    }
    if is_well || watch { Ok(()) } else { bail!("not all is well: see the lines with [-]") }
}

fn reported(Answered { pod, said }: Answered) -> Reported {
    let report = said.map_err(anyhow::Error::from).and_then(|text| {
        serde_json::from_str(&text).context("it does not answer as Peel of this version does")
    });
    (pod.name, report)
}

/// Draws a pod, unless that was done as JSON. Gives whether all is well there.
fn draw((pod, report): Reported, namespace: &str, json: bool) -> anyhow::Result<bool> {
    let report: GatewayReport = serde_json::from_value(report?)
        .with_context(|| format!("pod {pod} is no gateway of this version"))?;
    let answer = Answer::Gateway(report);
    if !json {
        let at = format!("pod {pod} of {namespace}");
        daemon::say!("{}\n", screen::draw(&answer, &at, io::stdout().is_terminal()));
    }
    Ok(fail_unless_well(&answer).is_ok())
}

/// What the pod says, with its name; or its name, and why it says nothing.
fn as_json((pod, report): &Reported) -> Value {
    match report {
        Ok(report) => {
            let mut report = report.clone();
            if let Some(fields) = report.as_object_mut() {
                fields.insert("pod".to_owned(), json!(pod));
            }
            report
        }
        Err(error) => json!({ "pod": pod, "error": format!("{error:#}") }),
    }
}
