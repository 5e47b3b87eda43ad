//! Where the state of the network is read: files of the kernel, and its list of addresses.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The kernel's files, and its addresses. Clones share it.
#[derive(Clone)]
pub(super) struct System {
    /// `/sys`.
    pub(super) sys: PathBuf,
    /// `/proc`.
    pub(super) proc: PathBuf,
    pub(super) addresses: Arc<dyn Fn() -> Listed + Send + Sync>,
}

/// Each address of each interface.
pub(super) type Listed = io::Result<Vec<(String, IpAddr)>>;

/// The interfaces that have an address. The addresses are not kept.
#[derive(Debug, Default)]
pub(super) struct Addresses {
    pub(super) ipv4: BTreeSet<String>,
    /// Those with an address that is neither of the link nor of the loopback.
    pub(super) ipv6: BTreeSet<String>,
}

/// Bytes of a file that are read: a few thousand routes.
const MAX_FILE: u64 = 1024 * 1024;

impl System {
    /// The system that this process runs on.
    ///
    /// No file of the kernel says which interface has an IPv4 address. getifaddrs(3) does; `rustix` has none, that of
    /// `nix` brings `memoffset` with it, and a dump of rtnetlink(7) by hand is a parser more. `if-addrs` is the call
    /// and nothing else.
    pub(super) fn real() -> System {
        let (sys, proc) = (PathBuf::from("/sys"), PathBuf::from("/proc"));
        System { sys, proc, addresses: Arc::new(listed) }
    }

    /// Which interfaces have addresses now.
    ///
    /// # Errors
    /// When the system lists none.
    pub(super) fn addresses(&self) -> io::Result<Addresses> {
        let mut addresses = Addresses::default();
        for (interface, address) in (self.addresses)()? {
            match address {
                IpAddr::V4(_) => addresses.ipv4.insert(interface),
                IpAddr::V6(ip) if ip.is_unicast_link_local() || ip.is_loopback() => false,
                IpAddr::V6(_) => addresses.ipv6.insert(interface),
            };
        }
        Ok(addresses)
    }

    /// The folder of an interface. It need not be there.
    pub(super) fn interface(&self, name: &str) -> PathBuf {
        self.sys.join("class/net").join(name)
    }
}

/// An address may have a label of its own (`eth0:1`), which begins with the interface's name.
fn listed() -> Listed {
    let of_interface = |listed: if_addrs::Interface| {
        let name = listed.name.split(':').next().unwrap_or_default().to_owned();
        (name, listed.ip())
    };
    Ok(if_addrs::get_if_addrs()?.into_iter().map(of_interface).collect())
}

/// The beginning of a file of the kernel, without the white space around it.
///
/// # Errors
/// When it is not there, is no text, or the kernel does not say.
pub(super) fn read(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(MAX_FILE).read_to_string(&mut text)?;
    Ok(text.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loopback_of_this_computer_has_an_ipv4_address_and_no_global_one() {
        let addresses = System::real().addresses().unwrap();
        assert!(addresses.ipv4.contains("lo"), "{addresses:?}");
        assert!(!addresses.ipv6.contains("lo"), "{addresses:?}");
    }

    #[test]
    fn an_address_of_the_link_is_none_that_a_gateway_can_be_reached_from() {
        let named = |name: &str, ip: &str| (name.to_owned(), ip.parse().unwrap());
        let listed =
            vec![named("eth0", "fe80::1"), named("wwan0", "2001:db8::1"), named("lo", "::1")];
        let addresses = Arc::new(move || Ok(listed.clone()));
        let system = System { addresses, ..System::real() };
        let global = system.addresses().unwrap().ipv6;
        assert_eq!(global.into_iter().collect::<Vec<_>>(), ["wwan0"]);
    }

    #[test]
    fn a_file_without_an_end_is_read_up_to_a_bound() {
        assert!(read(Path::new("/dev/zero")).unwrap().len() <= MAX_FILE.try_into().unwrap());
    }
}
