//! The interfaces with a default route, as the kernel's tables in `/proc/net` name them (proc(5)).

use std::collections::BTreeSet;

use crate::lines::system::{System, read};

/// The interfaces that have a default route.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Routes {
    pub(super) ipv4: BTreeSet<String>,
    pub(super) ipv6: BTreeSet<String>,
}

/// Flags of a route (`linux/route.h`): it is in use; it refuses what is sent.
const RTF_UP: u32 = 0x1;
const RTF_REJECT: u32 = 0x200;

impl Routes {
    /// As they are now. A table that the kernel does not have has no routes.
    pub(super) fn read(system: &System) -> Routes {
        let table = |name: &str| read(&system.proc.join("net").join(name)).unwrap_or_default();
        let (ipv4, ipv6) = (table("route"), table("ipv6_route"));
        Routes {
            ipv4: ipv4.lines().filter_map(ipv4_default).map(str::to_owned).collect(),
            ipv6: ipv6.lines().filter_map(ipv6_default).map(str::to_owned).collect(),
        }
    }

    /// All of them, in the order of their names.
    pub(super) fn interfaces(&self) -> impl Iterator<Item = &String> {
        self.ipv4.union(&self.ipv6)
    }
}

/// The interface of a line of `/proc/net/route`, if it is a default route: `eth0 00000000 0102A8C0 0003 0 0 100
/// 00000000 0 0 0`, with destination, gateway, flags, three numbers and the mask.
fn ipv4_default(line: &str) -> Option<&str> {
    let mut words = line.split_ascii_whitespace();
    let (interface, destination) = (words.next()?, words.next()?);
    let flags = words.nth(1)?;
    let mask = words.nth(3)?;
    (is_zero(destination) && is_zero(mask) && is_usable(flags)).then_some(interface)
}

/// The interface of a line of `/proc/net/ipv6_route`, if it is a default route: destination, length of its prefix,
/// source, its length, next hop, metric, two counters, flags, interface.
fn ipv6_default(line: &str) -> Option<&str> {
    let mut words = line.split_ascii_whitespace();
    let (destination, prefix) = (words.next()?, words.next()?);
    let (flags, interface) = (words.nth(6)?, words.next()?);
    (is_zero(destination) && is_zero(prefix) && is_usable(flags)).then_some(interface)
}

fn is_zero(hex: &str) -> bool {
    hex.bytes().all(|digit| digit == b'0')
}

fn is_usable(flags: &str) -> bool {
    u32::from_str_radix(flags, 16).is_ok_and(|flags| flags & (RTF_UP | RTF_REJECT) == RTF_UP)
}

#[cfg(test)]
mod tests {
    use super::*;

    const IPV4: &str = "\
Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
eth0\t00000000\t0102A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0
wwan0\t00000000\t00000000\t0001\t0\t0\t700\t00000000\t0\t0\t0
eth0\t0002A8C0\t00000000\t0001\t0\t0\t100\t00FFFFFF\t0\t0\t0
tun0\t00000000\t00000000\t0001\t0\t0\t0\t00000080\t0\t0\t0
old0\t00000000\t0102A8C0\t0002\t0\t0\t100\t00000000\t0\t0\t0
*\t00000000\t00000000\t0201\t0\t0\t100\t00000000\t0\t0\t0
";

    const IPV6: &str = "\
fd000000000000000000000000000000 40 00000000000000000000000000000000 00 00000000000000000000000000000000 00000100 00000001 00000000 00000001     eth0
00000000000000000000000000000000 00 00000000000000000000000000000000 00 fe800000000000000000000000000001 00000400 00000002 00000000 00000003     eth1
00000000000000000000000000000000 00 00000000000000000000000000000000 00 00000000000000000000000000000000 ffffffff 00000001 00000000 00200200       lo
00000000000000000000000000000000 03 00000000000000000000000000000000 00 fe800000000000000000000000000001 00000400 00000002 00000000 00000003     eth2
";

    fn system(ipv4: &str, ipv6: &str) -> (tempfile::TempDir, System) {
        let folder = tempfile::tempdir().unwrap();
        let net = folder.path().join("net");
        std::fs::create_dir(&net).unwrap();
        std::fs::write(net.join("route"), ipv4).unwrap();
        std::fs::write(net.join("ipv6_route"), ipv6).unwrap();
        let system = System { proc: folder.path().to_owned(), ..System::real() };
        (folder, system)
    }

    #[test]
    fn only_a_default_route_that_is_in_use_counts() {
        let (_folder, system) = system(IPV4, IPV6);
        let routes = Routes::read(&system);
        assert_eq!(routes.ipv4, ["eth0", "wwan0"].map(str::to_owned).into());
        assert_eq!(routes.ipv6, ["eth1".to_owned()].into());
        assert_eq!(routes.interfaces().collect::<Vec<_>>(), ["eth0", "eth1", "wwan0"]);
    }

    #[test]
    fn a_table_that_is_missing_or_cut_short_gives_no_route() {
        let system = System { proc: "/nowhere".into(), ..System::real() };
        assert_eq!(Routes::read(&system), Routes::default());
        for length in 0..IPV4.lines().nth(1).unwrap().len() - "\t00000000\t0\t0\t0".len() {
            assert_eq!(ipv4_default(IPV4.lines().nth(1).unwrap().get(..length).unwrap()), None);
        }
    }
}
