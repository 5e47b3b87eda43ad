//! The same of a gateway in Kubernetes: each of its pods.

use std::io::{self, IsTerminal};

use anyhow::{Context, bail};
use gateway::report::GatewayReport;
use serde_json::{Value, json};

use super::{Answer, begin_screen, fail_unless_well, screen};
use crate::commands::pods::{Answered, Pods};

/// Shows every pod; fails when one does not answer, or not all is well there.
pub(super) fn show(pods: &Pods, watch: bool, json: bool) -> anyhow::Result<()> {
    let answered = pods.ask();
    if !json {
        begin_screen(watch);
    }
    let reports: Vec<(String, anyhow::Result<Value>)> = answered?.into_iter().map(report).collect();
    if json {
        daemon::say!("{}", reports.iter().map(as_json).collect::<Value>());
    }
    let mut is_well = true;
    for (pod, report) in reports {
        let shown = report.and_then(|report| Ok(serde_json::from_value::<GatewayReport>(report)?));
        match shown.with_context(|| format!("pod {pod}")) {
            Ok(report) => {
                let answer = Answer::Gateway(report);
                if !json {
                    let at = format!("pod {pod} of {}", pods.namespace());
                    daemon::say!("{}\n", screen::draw(&answer, &at, io::stdout().is_terminal()));
                }
                is_well &= fail_unless_well(&answer).is_ok();
            }
            Err(error) => {
                daemon::tell!("peel: {error:#}");
                is_well = false;
            }
        }
    }
    if is_well || watch { Ok(()) } else { bail!("not all is well: see the lines with [-]") }
}

fn report(Answered { pod, said }: Answered) -> (String, anyhow::Result<Value>) {
    let report = said.map_err(anyhow::Error::from).and_then(|text| {
        serde_json::from_str(&text).context("it does not answer as Peel of this version does")
    });
    (pod.name, report)
}

/// What the pod says, with its name; or its name, and why it says nothing.
fn as_json((pod, report): &(String, anyhow::Result<Value>)) -> Value {
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
