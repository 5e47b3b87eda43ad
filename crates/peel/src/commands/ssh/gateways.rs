//! What the processes of a gateway say, whichever way they are asked.

use super::signers::{Gateway, Gateways};
use crate::commands::pods::Answered;

/// Of pods: those that do not answer are kept with the reason.
pub(super) fn of_pods(pods: Vec<Answered>) -> Gateways {
    let (mut answered, mut silent) = (Vec::new(), Vec::new());
    for Answered { pod, said } in pods {
        let report = said.map_err(|error| error.to_string()).and_then(|text| {
            serde_json::from_str(&text)
                .map_err(|_| format!("pod {} is no gateway of this version", pod.name))
        });
        match report {
            Ok(report) => answered.push(Gateway { name: pod.name, report }),
            Err(why) => silent.push(why),
        }
    }
    Gateways { answered, silent }
}
