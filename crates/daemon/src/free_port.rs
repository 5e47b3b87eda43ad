//! A port for a program that is told where to listen: in a demo, in a test.
//!
//! Asking the system for one (port 0) is not enough. It gives one of those from which it also takes the ports of outgoing
//! connections, and those of other programs that ask so. The program listens there only later, and not while it is killed and
//! started again: meanwhile another program can be given the port. So the process that chooses one holds a name for it in the
//! kernel, for as long as it lives.

use std::hash::{BuildHasher, RandomState};
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU16, Ordering};

use parking_lot::Mutex;

/// Below what Linux takes for outgoing connections, ip(7), and what Kubernetes takes for nodes.
const FIRST: u16 = 10_000;
/// So many pairs of ports are in a thousand; the thousand above belongs to their shells.
const PAIRS: u16 = 500;
const COUNT: u16 = 10 * PAIRS;

/// From anywhere: two programs that choose at once do not follow each other.
static NEXT: LazyLock<AtomicU16> = LazyLock::new(|| {
    let anywhere = RandomState::new().hash_one(()) % u64::from(COUNT);
    AtomicU16::new(u16::try_from(anywhere).unwrap_or_default())
});

/// The names of those that this process has chosen.
static CHOSEN: Mutex<Vec<UnixDatagram>> = Mutex::new(Vec::new());

/// A port without a listener; the next one and the one 1000 above have none, either. No other process that chooses by this, in
/// the same network namespace, gets it while this one lives. Later calls of this process give others.
///
/// # Errors
/// [`io::ErrorKind::AddrInUse`] when all are taken.
pub fn choose() -> io::Result<u16> {
    let ports = (0..COUNT).map(|_| port(NEXT.fetch_add(1, Ordering::Relaxed)));
    let chosen = ports.filter_map(|port| Some((port, take(port)?)));
    let mut free = chosen.filter(|(port, _)| [0, 1, 1000].iter().all(|more| is_free(port + more)));
    let (port, name) = free.next().ok_or(io::ErrorKind::AddrInUse)?;
    CHOSEN.lock().push(name);
    Ok(port)
}

/// The name of a port, if no process has it.
fn take(port: u16) -> Option<UnixDatagram> {
    let name = SocketAddr::from_abstract_name(format!("peel free port {port}")).ok()?;
    UnixDatagram::bind_addr(&name).ok()
}

fn port(turn: u16) -> u16 {
    let place = turn % COUNT;
    FIRST + place / PAIRS * 2000 + place % PAIRS * 2
}

fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).is_ok()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_two_are_in_each_others_way() {
        let all: Vec<u16> = (0..COUNT).map(port).collect();
        let taken = all.iter().flat_map(|port| [*port, port + 1, port + 1000]);
        assert_eq!(taken.clone().collect::<HashSet<_>>().len(), 3 * usize::from(COUNT));
        assert!(taken.max() < Some(30_000));
    }

    #[test]
    fn what_was_chosen_is_not_chosen_again() {
        let port = choose().unwrap();
        assert!(take(port).is_none());
    }

    #[test]
    fn what_listens_is_not_chosen() {
        let port = choose().unwrap();
        for taken in [port, port + 1, port + 1000] {
            let _holder = TcpListener::bind((Ipv4Addr::LOCALHOST, taken)).unwrap();
            assert!(!is_free(taken));
        }
    }
}
