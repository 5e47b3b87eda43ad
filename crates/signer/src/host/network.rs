//! The network interfaces, each of which may be an uplink.

use std::path::{Path, PathBuf};

use super::bounded;
use super::exposition::{Exposition, Kind, Sample};

/// Interfaces that are shown. Those of hardware come first: containers can make any number of others.
const MAX_INTERFACES: usize = 32;

/// Where a value of an interface is, and what it is.
struct Field {
    kind: Kind,
    name: &'static str,
    help: &'static str,
    read: fn(&Path) -> Option<f64>,
}

const FIELDS: [Field; 4] = [
    Field {
        kind: Kind::Gauge,
        name: "node_network_carrier",
        help: "Network device property: carrier",
        // The kernel refuses it while the interface is not up.
        read: |interface| bounded::number(&interface.join("carrier")),
    },
    Field {
        kind: Kind::Counter,
        name: "node_network_receive_bytes_total",
        help: "Network device statistic receive_bytes.",
        read: |interface| bounded::number(&interface.join("statistics/rx_bytes")),
    },
    Field {
        kind: Kind::Counter,
        name: "node_network_transmit_bytes_total",
        help: "Network device statistic transmit_bytes.",
        read: |interface| bounded::number(&interface.join("statistics/tx_bytes")),
    },
    Field {
        kind: Kind::Gauge,
        name: "node_network_up",
        help: "Value is 1 if operstate is 'up', 0 otherwise.",
        read: |interface| {
            let state = bounded::word(&interface.join("operstate"))?;
            Some(if state == "up" { 1.0 } else { 0.0 })
        },
    },
];

pub(super) fn write(sys: &Path, text: &mut Exposition) {
    let interfaces = interfaces(&sys.join("class/net"));
    for Field { kind, name, help, read } in FIELDS {
        let samples = interfaces.iter().filter_map(|(device, folder)| {
            Some(Sample::new(vec![("device", device.clone())], read(folder)?))
        });
        text.family(kind, (name, help), samples);
    }
}

/// All but `lo`, which is no way to a gateway.
fn interfaces(folder: &Path) -> Vec<(String, PathBuf)> {
    let mut names = bounded::names(folder);
    // There is a file among them where lines are bonded.
    names.retain(|name| name != "lo" && folder.join(name).is_dir());
    names.sort_by_key(|name| !folder.join(name).join("device").exists());
    names.truncate(MAX_INTERFACES);
    names.sort();
    names.into_iter().map(|name| (name.clone(), folder.join(name))).collect()
}
