//! The interfaces that could be named as uplinks, for who sets a signer up.

use std::collections::BTreeSet;
use std::fs;

use crate::lines::interface::Kind;
use crate::lines::routes::Routes;
use crate::lines::system::System;

/// A network interface that could be a line to the internet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Its name.
    pub name: String,
    /// "wired", "Wi-Fi" or "mobile".
    pub kind: &'static str,
    /// Whether it has a default route now.
    pub has_route: bool,
}

const MOBILE: &str = "mobile";

impl Candidate {
    /// The bytes of a mobile line cost money, as a rule.
    #[must_use]
    pub fn is_mobile(&self) -> bool {
        self.kind == MOBILE
    }
}

/// The interfaces of this computer with a device behind them, and those with a default route.
#[must_use]
pub fn candidates() -> Vec<Candidate> {
    of(&System::real())
}

fn of(system: &System) -> Vec<Candidate> {
    let routes = Routes::read(system);
    let routed: BTreeSet<&String> = routes.interfaces().collect();
    let found = fs::read_dir(system.sys.join("class/net")).into_iter().flatten().flatten();
    let devices = found.filter(|entry| entry.path().join("device").exists());
    let devices = devices.filter_map(|entry| entry.file_name().into_string().ok());
    let names: BTreeSet<String> = devices.chain(routed.iter().copied().cloned()).collect();
    let candidate = |name: String| Candidate {
        kind: word(Kind::read(&system.interface(&name), &name)),
        has_route: routed.contains(&name),
        name,
    };
    names.into_iter().map(candidate).collect()
}

fn word(kind: Kind) -> &'static str {
    match kind {
        Kind::Wired => "wired",
        Kind::Wireless => "Wi-Fi",
        Kind::Mobile => MOBILE,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_an_interface_with_a_device_or_a_default_route() {
        let folder = tempfile::tempdir().unwrap();
        let (sys, proc) = (folder.path().join("sys"), folder.path().join("proc"));
        for name in ["eth0/device", "wwan0/device", "lo", "docker0", "ppp0"] {
            fs::create_dir_all(sys.join("class/net").join(name)).unwrap();
        }
        fs::create_dir_all(proc.join("net")).unwrap();
        let default = "00000000\t0102A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0";
        let of_its_own = "000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0";
        let routes = format!("eth0\t{default}\ndocker0\t{of_its_own}\nppp0\t{default}\n");
        fs::write(proc.join("net/route"), routes).unwrap();
        let zeros = "0".repeat(32);
        let six = format!(
            "{zeros} 00 {zeros} 00 {zeros} ffffffff 1 0 200200 lo\n{zeros} 00 {zeros} 00 fe80 400 1 0 3 wlan0\n"
        );
        fs::write(proc.join("net/ipv6_route"), six).unwrap();
        let found = of(&System { sys, proc, ..System::real() });
        let found: Vec<_> =
            found.iter().map(|own| (own.name.as_str(), own.kind, own.has_route)).collect();
        let expected = [
            ("eth0", "wired", true),
            ("ppp0", MOBILE, true),
            ("wlan0", "Wi-Fi", true),
            ("wwan0", MOBILE, false),
        ];
        assert_eq!(found, expected);
    }
}
