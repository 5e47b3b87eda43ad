//! An interface, as the kernel shows it (`Documentation/ABI/testing/sysfs-class-net`).

use std::collections::BTreeSet;
use std::path::Path;

use crate::lines::routes::Routes;
use crate::lines::system::{Addresses, System, read};

/// An interface at one moment. No address is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct InterfaceReading {
    /// Its name.
    pub(crate) name: String,
    /// None when there is no such interface.
    pub(crate) device: Option<Device>,
    pub(crate) kind: Kind,
    pub(crate) ipv4: Family,
    pub(crate) ipv6: Family,
}

/// What the driver of an interface says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Device {
    pub(crate) carrier: Carrier,
    /// Bytes that the interface received since it was made, of all programs.
    pub(crate) received: u64,
    /// Bytes that it sent, counted in the same way.
    pub(crate) sent: u64,
}

/// Whether an interface has a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Carrier {
    /// It can carry packets.
    Present,
    /// It is switched on; nothing answers at the other end.
    Absent,
    /// It is switched off.
    Off,
}

/// What it is that people plug in, for what they are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Wired,
    Wireless,
    /// A modem.
    Mobile,
}

/// What an interface has of IPv4, or of IPv6.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Family {
    /// For IPv6, one that is not of the link only.
    pub(crate) has_address: bool,
    /// In the main table. A route in another one is not seen here.
    pub(crate) has_default_route: bool,
}

impl InterfaceReading {
    pub(super) fn new(system: &System, addresses: &Addresses, routes: &Routes, name: &str) -> Self {
        let folder = system.interface(name);
        let family = |addresses: &BTreeSet<String>, routes: &BTreeSet<String>| Family {
            has_address: addresses.contains(name),
            has_default_route: routes.contains(name),
        };
        InterfaceReading {
            name: name.to_owned(),
            device: folder.is_dir().then(|| Device::read(&folder)),
            kind: Kind::read(&folder, name),
            ipv4: family(&addresses.ipv4, &routes.ipv4),
            ipv6: family(&addresses.ipv6, &routes.ipv6),
        }
    }

    /// Whether there is an address to dial from, of either kind.
    pub(crate) fn has_address(&self) -> bool {
        self.ipv4.has_address || self.ipv6.has_address
    }

    /// Whether there is a default route of the same kind as an address.
    pub(crate) fn has_way_out(&self) -> bool {
        [self.ipv4, self.ipv6].iter().any(|own| own.has_address && own.has_default_route)
    }
}

impl Device {
    fn read(folder: &Path) -> Device {
        let bytes = |name: &str| {
            let count = read(&folder.join("statistics").join(name));
            count.ok().and_then(|text| text.parse().ok()).unwrap_or_default()
        };
        Device {
            carrier: Carrier::read(folder),
            received: bytes("rx_bytes"),
            sent: bytes("tx_bytes"),
        }
    }
}

impl Carrier {
    fn read(folder: &Path) -> Carrier {
        // The kernel answers EINVAL while the interface is switched off.
        let Ok(carrier) = read(&folder.join("carrier")) else { return Carrier::Off };
        let state = read(&folder.join("operstate")).unwrap_or_default();
        // A modem's driver says "unknown" while all is well; RFC 2863 has the other words.
        let carries = carrier == "1" && matches!(state.as_str(), "up" | "unknown");
        if carries { Carrier::Present } else { Carrier::Absent }
    }
}

impl Kind {
    pub(super) fn read(folder: &Path, name: &str) -> Kind {
        let events = read(&folder.join("uevent")).unwrap_or_default();
        let told = events.lines().find_map(|line| line.strip_prefix("DEVTYPE="));
        match told {
            Some("wwan") => Kind::Mobile,
            Some("wlan") => Kind::Wireless,
            Some(_) | None => Kind::of_name(name),
        }
    }

    /// As the kernel and systemd.net-naming-scheme(7) name interfaces.
    pub(crate) fn of_name(name: &str) -> Kind {
        if name.starts_with("ww") || name.starts_with("ppp") {
            return Kind::Mobile;
        }
        if name.starts_with("wl") { Kind::Wireless } else { Kind::Wired }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// A folder as `/sys`, with `eth0` in it.
    fn with_eth0(files: &[(&str, &str)]) -> tempfile::TempDir {
        let sys = tempfile::tempdir().unwrap();
        let eth0 = sys.path().join("class/net/eth0");
        fs::create_dir_all(eth0.join("statistics")).unwrap();
        for (name, text) in files {
            fs::write(eth0.join(name), text).unwrap();
        }
        sys
    }

    fn reading(sys: &Path, name: &str) -> InterfaceReading {
        let system = System { sys: sys.to_owned(), ..System::real() };
        InterfaceReading::new(&system, &Addresses::default(), &Routes::default(), name)
    }

    fn carrier(files: &[(&str, &str)]) -> Carrier {
        reading(with_eth0(files).path(), "eth0").device.unwrap().carrier
    }

    #[test]
    fn the_carrier_is_what_the_driver_says_it_is() {
        assert_eq!(carrier(&[("carrier", "1\n"), ("operstate", "up\n")]), Carrier::Present);
        assert_eq!(carrier(&[("carrier", "1\n"), ("operstate", "unknown\n")]), Carrier::Present);
        assert_eq!(carrier(&[("carrier", "0\n"), ("operstate", "down\n")]), Carrier::Absent);
        assert_eq!(carrier(&[("carrier", "1\n"), ("operstate", "dormant\n")]), Carrier::Absent);
        assert_eq!(carrier(&[("operstate", "down\n")]), Carrier::Off);
    }

    #[test]
    fn the_bytes_of_an_interface_are_those_of_its_counters() {
        let files = [("statistics/rx_bytes", "123456789012\n"), ("statistics/tx_bytes", "7\n")];
        let device = reading(with_eth0(&files).path(), "eth0").device.unwrap();
        assert_eq!((device.received, device.sent), (123_456_789_012, 7));
    }

    #[test]
    fn an_interface_that_is_not_there_has_no_device() {
        assert_eq!(reading(with_eth0(&[]).path(), "wwan0").device, None);
    }

    #[test]
    fn a_modem_is_known_by_its_driver_or_its_name() {
        let sys = with_eth0(&[("uevent", "DEVTYPE=wwan\nINTERFACE=eth0\n")]);
        assert_eq!(reading(sys.path(), "eth0").kind, Kind::Mobile);
        for (name, kind) in [
            ("wwan0", Kind::Mobile),
            ("wwp0s20u3", Kind::Mobile),
            ("ppp0", Kind::Mobile),
            ("wlp2s0", Kind::Wireless),
            ("enp3s0", Kind::Wired),
        ] {
            assert_eq!(reading(sys.path(), name).kind, kind, "{name}");
        }
    }

    #[test]
    fn the_loopback_of_this_computer_is_read() {
        let system = System::real();
        let (addresses, routes) = (system.addresses().unwrap(), Routes::read(&system));
        let lo = InterfaceReading::new(&system, &addresses, &routes, "lo");
        assert_eq!(lo.device.unwrap().carrier, Carrier::Present);
        assert!(lo.has_address() && !lo.has_way_out());
    }
}
