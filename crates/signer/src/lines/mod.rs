//! The lines of this computer: what each uplink's interface lacks to carry a link.
//!
//! The links of the tunnel say that a gateway is not reached; this says why, as far as the kernel knows: no
//! interface, no carrier, no address, no route. Nothing is sent, and no address is kept.

mod candidates;
mod interface;
#[cfg(test)]
mod real;
mod routes;
mod state;
mod system;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use daemon::Shutdown;
use parking_lot::Mutex;
use tokio::task::{JoinError, JoinSet};
use tokio::time::{sleep, timeout};
use tunnel::home::{LinkState, Uplink};

pub use candidates::{Candidate, candidates};
pub(crate) use interface::{InterfaceReading, Kind};
pub(crate) use state::LineState;

use crate::lines::routes::Routes;
use crate::lines::system::System;
use crate::links::Links;

/// The lines as they were at the last look. Clones share them.
#[derive(Clone)]
pub(crate) struct Lines(Arc<Inner>);

struct Inner {
    /// Empty: the interfaces with a default route.
    uplinks: Vec<Uplink>,
    links: Links,
    system: System,
    look_limit: Duration,
    /// None when it is not known.
    seen: Mutex<Option<Vec<InterfaceReading>>>,
}

/// A line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LineReading {
    pub(crate) interface: InterfaceReading,
    pub(crate) metered: bool,
    pub(crate) state: LineState,
    /// What is wrong and the cure, in one line without addresses.
    pub(crate) sentence: String,
}

/// From one look to the next.
const PAUSE: Duration = Duration::from_secs(1);
/// For a look. The kernel answers in a millisecond, unless a driver holds the lock of all interfaces.
const LOOK_LIMIT: Duration = Duration::from_secs(3);

type Looked = io::Result<Vec<InterfaceReading>>;

impl Lines {
    /// The lines over these interfaces; if there are none, over those with a default route.
    pub(crate) fn new(uplinks: Vec<Uplink>, links: Links) -> Lines {
        Lines::of(System::real(), uplinks, links, LOOK_LIMIT)
    }

    fn of(system: System, uplinks: Vec<Uplink>, links: Links, look_limit: Duration) -> Lines {
        Lines(Arc::new(Inner { uplinks, links, system, look_limit, seen: Mutex::default() }))
    }

    /// The lines as they are; none before the first look, and none while a look takes too long.
    pub(crate) fn readings(&self) -> Vec<LineReading> {
        let seen = self.0.seen.lock().clone().unwrap_or_default();
        seen.into_iter().map(|interface| self.0.line(interface)).collect()
    }

    /// Looks once a second, until shutdown.
    pub(crate) async fn watch(&self, shutdown: Shutdown) {
        // At most one look at a time: one that hangs cannot be cancelled.
        let mut look = JoinSet::new();
        let looking = async {
            loop {
                self.refresh(&mut look).await;
                sleep(PAUSE).await;
            }
        };
        tokio::select! {
            () = looking => {}
            () = shutdown.requested() => {}
        }
    }

    async fn refresh(&self, look: &mut JoinSet<Looked>) {
        if look.is_empty() {
            let inner = Arc::clone(&self.0);
            look.spawn_blocking(move || inner.look());
        }
        let looked = timeout(self.0.look_limit, look.join_next()).await;
        *self.0.seen.lock() = match looked {
            Ok(looked) => looked.and_then(taken),
            Err(_) => None,
        };
    }
}

/// What a look has seen, if it went well.
fn taken(looked: Result<Looked, JoinError>) -> Option<Vec<InterfaceReading>> {
    let looked = looked.map_err(io::Error::other).flatten();
    looked.inspect_err(|error| tracing::debug!(%error, "the system lists no addresses")).ok()
}

impl Inner {
    fn look(&self) -> Looked {
        let (addresses, routes) = (self.system.addresses()?, Routes::read(&self.system));
        let read = |name: &String| InterfaceReading::new(&self.system, &addresses, &routes, name);
        if self.uplinks.is_empty() {
            return Ok(routes.interfaces().map(read).collect());
        }
        Ok(self.uplinks.iter().map(|uplink| read(&uplink.interface)).collect())
    }

    fn line(&self, interface: InterfaceReading) -> LineReading {
        let state = LineState::of(&interface, self.has_link(&interface.name));
        let sentence = state.sentence(&interface);
        let metered = self.is_metered(&interface.name);
        LineReading { interface, metered, state, sentence }
    }

    /// As the configuration says; else as the links over it have it.
    fn is_metered(&self, name: &str) -> bool {
        let mut own = self.uplinks.iter().filter(|uplink| uplink.interface == name);
        let said = own.find_map(|uplink| uplink.metered);
        said.unwrap_or_else(|| {
            let links = self.links.signing();
            links.iter().any(|link| link.metered && link.uplink.as_deref() == Some(name))
        })
    }

    /// Whether a signing link over the interface is up. A link over whatever route the system has counts for all.
    fn has_link(&self, name: &str) -> bool {
        self.links.signing().iter().any(|link| {
            link.state == LinkState::Up && link.uplink.as_deref().is_none_or(|own| own == name)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::net::IpAddr;
    use std::path::Path;
    use std::sync::mpsc;
    use std::thread;

    use super::*;
    use crate::links::tests::{links, signing};

    const LIMIT: Duration = Duration::from_secs(20);
    const DEFAULT_ROUTE: &str = "00000000\t0102A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0";

    /// A kernel with `eth0`, which lacks nothing, and `wwan0`, which lacks an address.
    struct Kernel {
        folder: tempfile::TempDir,
        system: System,
    }

    impl Kernel {
        fn new() -> Kernel {
            let folder = tempfile::tempdir().unwrap();
            let (sys, proc) = (folder.path().join("sys"), folder.path().join("proc"));
            let address = ("eth0".to_owned(), IpAddr::from([192, 0, 2, 1]));
            let addresses = Arc::new(move || Ok(vec![address.clone()]));
            let kernel = Kernel { folder, system: System { sys, proc, addresses } };
            for name in ["eth0", "wwan0"] {
                kernel.write(&format!("sys/class/net/{name}/carrier"), "1\n");
                kernel.write(&format!("sys/class/net/{name}/operstate"), "unknown\n");
            }
            kernel.write("proc/net/route", &format!("eth0\t{DEFAULT_ROUTE}\n"));
            kernel
        }

        fn write(&self, path: &str, text: &str) {
            let path = self.folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap_or(Path::new("/"))).unwrap();
            fs::write(path, text).unwrap();
        }

        /// `wwan0` is metered.
        fn lines(&self, uplinks: &[&str], links: Links) -> Lines {
            let uplink = |name: &&str| Uplink {
                interface: (*name).to_owned(),
                metered: Some(*name == "wwan0"),
            };
            let uplinks = uplinks.iter().map(uplink).collect();
            Lines::of(self.system.clone(), uplinks, links, LIMIT)
        }
    }

    async fn looked_at(lines: &Lines) -> Vec<(String, LineState)> {
        lines.refresh(&mut JoinSet::new()).await;
        let readings = lines.readings().into_iter();
        readings.map(|line| (line.interface.name, line.state)).collect()
    }

    fn seen(lines: &[(&str, LineState)]) -> Vec<(String, LineState)> {
        lines.iter().map(|(name, state)| ((*name).to_owned(), *state)).collect()
    }

    #[tokio::test]
    async fn each_uplink_is_shown_with_what_it_lacks() {
        let kernel = Kernel::new();
        let lines = kernel.lines(&["eth0", "wwan0", "eth7"], links(&[]));
        assert_eq!(lines.readings(), []);
        let all = [
            ("eth0", LineState::Dialling),
            ("wwan0", LineState::NoAddress),
            ("eth7", LineState::NoInterface),
        ];
        assert_eq!(looked_at(&lines).await, seen(&all));
        let readings = lines.readings();
        assert_eq!(
            readings.iter().map(|line| line.metered).collect::<Vec<_>>(),
            [false, true, false]
        );
        assert!(readings.iter().all(|line| !line.sentence.contains("192.0.2.1")));
    }

    #[tokio::test]
    async fn without_uplinks_the_interfaces_with_a_default_route_are_shown() {
        let kernel = Kernel::new();
        let lines = kernel.lines(&[], links(&[]));
        assert_eq!(looked_at(&lines).await, seen(&[("eth0", LineState::Dialling)]));
        kernel.write("proc/net/route", "");
        assert_eq!(looked_at(&lines).await, []);
    }

    #[tokio::test]
    async fn a_line_whose_signing_link_is_up_is_up() {
        let kernel = Kernel::new();
        let up = links(&[signing("wwan0", LinkState::Up), signing("eth0", LinkState::Standby)]);
        let lines = kernel.lines(&["eth0", "wwan0"], up);
        let states = [("eth0", LineState::Dialling), ("wwan0", LineState::Up)];
        assert_eq!(looked_at(&lines).await, seen(&states));
        let any = links(&[signing("any", LinkState::Up)]);
        let lines = kernel.lines(&[], any);
        assert_eq!(looked_at(&lines).await, seen(&[("eth0", LineState::Up)]));
    }

    /// What was seen before is not shown as if it were seen now, and no second look is begun.
    #[tokio::test]
    async fn a_look_that_hangs_shows_nothing_and_is_not_begun_again() {
        let kernel = Kernel::new();
        let (looks, looked) = mpsc::sync_channel(0);
        let addresses = Arc::new(move || {
            let _ = looks.send(());
            Ok(vec![])
        });
        let system = System { addresses, ..kernel.system.clone() };
        let uplinks = vec![Uplink { interface: "eth0".to_owned(), metered: Some(false) }];
        let limit = Duration::from_millis(50);
        let lines = Lines::of(system, uplinks, links(&[]), limit);
        *lines.0.seen.lock() = Some(Vec::new());
        let mut look = JoinSet::new();
        for _ in 0..3 {
            lines.refresh(&mut look).await;
            assert_eq!(look.len(), 1);
            assert_eq!(*lines.0.seen.lock(), None);
        }
        looked.recv().unwrap();
        look.join_next().await.unwrap().unwrap().unwrap();
        assert!(looked.try_recv().is_err(), "there was a second look");
    }

    #[tokio::test]
    async fn lines_are_looked_at_until_shutdown() {
        let kernel = Kernel::new();
        let (looks, looked) = mpsc::sync_channel(16);
        let addresses = Arc::new(move || {
            let _ = looks.try_send(());
            Ok(vec![])
        });
        let system = System { addresses, ..kernel.system.clone() };
        let lines = Lines::of(system, Vec::new(), links(&[]), LIMIT);
        let shutdown = Shutdown::new();
        let requesting = shutdown.clone();
        let second_look = thread::spawn(move || {
            let looks = [looked.recv_timeout(LIMIT), looked.recv_timeout(LIMIT)];
            requesting.request();
            looks
        });
        timeout(LIMIT, lines.watch(shutdown)).await.unwrap();
        assert_eq!(second_look.join().unwrap(), [Ok(()), Ok(())]);
    }
}
