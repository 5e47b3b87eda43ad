//! `peel ssh --list`: the signers, and whether their shell is there.

use gateway::report::{SessionReport, SignerReport};
use serde_json::{Value, json};
use tunnel::Service;

use super::signers::{Gateway, Gateways, of_service};
use crate::commands::status::{age, clean};

const HEAD: [&str; 6] = ["SIGNER", "PORT", "KEYS", "SIGNING", "SHELL", "AT"];
const NONE: &str = "-";

/// Each signer at each process of the gateway, as a table.
pub(super) fn table(gateways: &Gateways) -> String {
    let rows = gateways.signers().map(|(gateway, signer)| row(gateway, signer));
    let rows: Vec<[String; 6]> = [HEAD.map(str::to_owned)].into_iter().chain(rows).collect();
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or_default()
    };
    let lines = rows.iter().map(|row| {
        let cells = row.iter().enumerate();
        let cells = cells.map(|(column, cell)| format!("{cell:0$}", width(column)));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn row(gateway: &Gateway, signer: &SignerReport) -> [String; 6] {
    let since = |session: &SessionReport| {
        format!("{} for {}", uplink(session), age(gateway.report.own.now - session.since))
    };
    let of = |service, shown: &dyn Fn(&SessionReport) -> String| {
        let sessions: Vec<String> = of_service(signer, service).map(shown).collect();
        if sessions.is_empty() { NONE.to_owned() } else { sessions.join(", ") }
    };
    [
        clean(&signer.name),
        signer.port.to_string(),
        signer.keys.len().to_string(),
        of(Service::Signing, &uplink),
        of(Service::Shell, &since),
        clean(&gateway.name),
    ]
}

fn uplink(session: &SessionReport) -> String {
    if session.uplink.is_empty() { "connected".to_owned() } else { clean(&session.uplink) }
}

/// The same for scripts: an object for each signer at each process.
pub(super) fn as_json(gateways: &Gateways) -> Value {
    let signers = gateways.signers().map(|(gateway, signer)| {
        json!({
            "gateway": gateway.name,
            "name": signer.name,
            "port": signer.port,
            "keys": signer.keys,
            "signing": sessions(signer, Service::Signing),
            "shell": sessions(signer, Service::Shell),
        })
    });
    signers.collect()
}

fn sessions(signer: &SignerReport, service: Service) -> Value {
    let sessions = of_service(signer, service);
    sessions.map(|it| json!({ "uplink": it.uplink, "since": it.since })).collect()
}
