//! What this computer has: network interfaces, and a source that tells mains from battery.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// A network interface that could be a line to the internet.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Interface {
    pub(super) name: String,
    pub(super) kind: &'static str,
    pub(super) has_route: bool,
}

impl Interface {
    /// The bytes of a mobile line cost money, as a rule.
    pub(super) fn is_mobile(&self) -> bool {
        self.kind == MOBILE
    }
}

const MOBILE: &str = "mobile";

/// The interfaces with a device behind them, and those with a default route.
pub(super) fn interfaces(sys: &Path, proc: &Path) -> Vec<Interface> {
    let routed = routed(proc);
    let found = fs::read_dir(sys.join("class/net")).into_iter().flatten().flatten();
    let devices = found.filter(|entry| entry.path().join("device").exists());
    let devices = devices.filter_map(|entry| entry.file_name().into_string().ok());
    let names: BTreeSet<String> = devices.chain(routed.iter().cloned()).collect();
    let interface = |name: String| Interface {
        kind: kind(&name, &sys.join("class/net").join(&name)),
        has_route: routed.contains(&name),
        name,
    };
    names.into_iter().map(interface).collect()
}

/// Those with a default route, of IPv4 or IPv6.
fn routed(proc: &Path) -> BTreeSet<String> {
    let read = |file: &str| fs::read_to_string(proc.join(file)).unwrap_or_default();
    let (four, six) = (read("net/route"), read("net/ipv6_route"));
    let four = four.lines().filter_map(|line| {
        let mut fields = line.split_whitespace();
        let (name, to) = (fields.next()?, fields.next()?);
        (to == "00000000").then(|| name.to_owned())
    });
    let six = six.lines().filter_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let is_default =
            fields.first()?.bytes().all(|digit| digit == b'0') && fields.get(1) == Some(&"00");
        let name = *fields.last()?;
        (is_default && name != "lo").then(|| name.to_owned())
    });
    four.chain(six).collect()
}

/// By the name that systemd gives it, and by what the kernel says.
fn kind(name: &str, folder: &Path) -> &'static str {
    if name.starts_with("ww") || name.starts_with("ppp") {
        MOBILE
    } else if name.starts_with("wl") || folder.join("wireless").exists() {
        "Wi-Fi"
    } else {
        "wired"
    }
}

/// Whether the kernel knows a charger or a battery.
pub(super) fn has_power_supply(sys: &Path) -> bool {
    let supplies = fs::read_dir(sys.join("class/power_supply"));
    supplies.is_ok_and(|mut supplies| supplies.any(|supply| supply.is_ok()))
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
        let routes = "Iface\tDestination\neth0\t00000000\t0102A8C0\ndocker0\t000011AC\t0\nppp0\t00000000\t0\n";
        fs::write(proc.join("net/route"), routes).unwrap();
        let zeros = "0".repeat(32);
        let six = format!(
            "{zeros} 00 {zeros} 00 {zeros} ffffffff 1 0 200200 lo\n{zeros} 00 {zeros} 00 fe80 400 1 0 3 wlan0\n"
        );
        fs::write(proc.join("net/ipv6_route"), six).unwrap();
        let found = interfaces(&sys, &proc);
        let found: Vec<_> =
            found.iter().map(|own| (own.name.as_str(), own.kind, own.has_route)).collect();
        let expected = [
            ("eth0", "wired", true),
            ("ppp0", MOBILE, true),
            ("wlan0", "Wi-Fi", true),
            ("wwan0", MOBILE, false),
        ];
        assert_eq!(found, expected);
        assert!(!has_power_supply(&sys));
        fs::create_dir_all(sys.join("class/power_supply/BAT0")).unwrap();
        assert!(has_power_supply(&sys));
    }
}
