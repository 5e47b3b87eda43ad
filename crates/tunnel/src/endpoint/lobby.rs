//! The places for those who have not proved a key yet.
//!
//! A flood cannot keep a signer out. When all places are taken, whoever comes from an address that has
//! less than others gets the oldest place of the one that has most. Those who come from the address
//! that has most get a place when somebody has had it for long enough to prove a key; if nobody has,
//! they are turned away before they cost anything, and each attempt is a draw. If the oldest always had
//! to go at once, a fast flood from the signer's own address (behind one NAT, all have the same) would
//! throw it out before it is done, every time.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

/// A bounded number of places. Clones share them.
#[derive(Debug, Clone)]
pub(super) struct Lobby {
    size: usize,
    strangers: Arc<Mutex<Strangers>>,
}

#[derive(Debug, Default)]
struct Strangers {
    /// In the order in which they came.
    all: Vec<Arc<Stranger>>,
    counts: HashMap<IpAddr, usize>,
}

#[derive(Debug)]
struct Stranger {
    origin: IpAddr,
    since: Instant,
    leave: CancellationToken,
}

/// A place, until it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    lobby: Lobby,
    stranger: Arc<Stranger>,
}

/// A signer on a slow line proves its key in this time: some seven round trips, the handshake of TCP
/// included.
const ENOUGH: Duration = Duration::from_secs(2);

impl Lobby {
    pub(super) fn new(size: usize) -> Lobby {
        Lobby { size: size.max(1), strangers: Arc::default() }
    }

    /// A place, if need be somebody else's; none when nobody has to go for this one.
    pub(super) fn enter(&self, address: IpAddr, now: Instant) -> Option<Place> {
        let leave = CancellationToken::new();
        let stranger = Arc::new(Stranger { origin: origin(address), since: now, leave });
        let mut strangers = self.strangers();
        if strangers.all.len() >= self.size {
            let at = strangers.who_has_to_go(stranger.origin, now)?;
            strangers.remove(at);
        }
        strangers.add(&stranger);
        Some(Place { lobby: self.clone(), stranger })
    }

    fn strangers(&self) -> MutexGuard<'_, Strangers> {
        self.strangers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// Returns when somebody else has the place.
    pub(super) async fn has_to_go(&self) {
        self.stranger.leave.cancelled().await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut strangers = self.lobby.strangers();
        let at = strangers.all.iter().position(|other| Arc::ptr_eq(other, &self.stranger));
        if let Some(at) = at {
            strangers.remove(at);
        }
    }
}

impl Strangers {
    fn add(&mut self, stranger: &Arc<Stranger>) {
        self.all.push(Arc::clone(stranger));
        *self.counts.entry(stranger.origin).or_default() += 1;
    }

    fn remove(&mut self, at: usize) {
        let stranger = self.all.remove(at);
        stranger.leave.cancel();
        let count = self.count(stranger.origin);
        if count > 1 {
            self.counts.insert(stranger.origin, count - 1);
        } else {
            self.counts.remove(&stranger.origin);
        }
    }

    fn count(&self, origin: IpAddr) -> usize {
        self.counts.get(&origin).copied().unwrap_or_default()
    }

    /// The oldest one from where most of them are, unless the newcomer's own would then be as many, and
    /// the one who goes had too little time.
    fn who_has_to_go(&self, newcomer: IpAddr, now: Instant) -> Option<usize> {
        let most = self.counts.values().max().copied()?;
        let at = self.all.iter().position(|stranger| self.count(stranger.origin) == most)?;
        let had_enough = now.duration_since(self.all.get(at)?.since) >= ENOUGH;
        (had_enough || self.count(newcomer) + 1 < most).then_some(at)
    }
}

/// What counts as one address. Whoever has an IPv6 address has the whole /64 around it.
fn origin(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(last: u8) -> IpAddr {
        IpAddr::from([10, 0, 0, last])
    }

    fn gone(place: &Place) -> bool {
        place.stranger.leave.is_cancelled()
    }

    #[test]
    fn a_flood_from_one_address_puts_out_only_its_own() {
        let (lobby, now) = (Lobby::new(4), Instant::now());
        let signer = lobby.enter(address(1), now).unwrap();
        let flood: Vec<Place> =
            (0..50).filter_map(|second| lobby.enter(address(2), now + ENOUGH * second)).collect();
        assert!(!gone(&signer));
        assert_eq!(flood.len(), 50);
        assert_eq!(flood.iter().filter(|place| !gone(place)).count(), 3);
    }

    #[test]
    fn a_signer_gets_in_where_a_flood_from_elsewhere_has_all_places() {
        let (lobby, now) = (Lobby::new(4), Instant::now());
        let flood: Vec<Place> = (0..4).filter_map(|_| lobby.enter(address(2), now)).collect();
        let signer = lobby.enter(address(1), now).unwrap();
        assert_eq!(flood.iter().map(gone).collect::<Vec<_>>(), [true, false, false, false]);
        assert!(lobby.enter(address(2), now).is_none());
        assert!(!gone(&signer));
    }

    #[test]
    fn a_flood_from_the_signers_own_address_leaves_it_the_time_it_needs() {
        let (lobby, start) = (Lobby::new(4), Instant::now());
        let signer = lobby.enter(address(1), start).unwrap();
        let almost = start + ENOUGH.mul_f64(0.99);
        let flood: Vec<Place> = (0..50).filter_map(|_| lobby.enter(address(1), almost)).collect();
        assert!(!gone(&signer));
        assert_eq!(flood.len(), 3);
        assert!(lobby.enter(address(1), start + ENOUGH).is_some());
        assert!(gone(&signer));
    }

    #[test]
    fn a_flood_from_many_addresses_leaves_a_signer_the_time_it_needs() {
        let (lobby, now) = (Lobby::new(4), Instant::now());
        let signer = lobby.enter(address(1), now).unwrap();
        let flood: Vec<Place> =
            (2..50).filter_map(|last| lobby.enter(address(last), now)).collect();
        assert!(!gone(&signer));
        assert_eq!(flood.len(), 3);
    }

    #[test]
    fn the_addresses_of_one_ipv6_network_are_one() {
        let address = |text: &str| origin(text.parse().unwrap());
        assert_eq!(address("2001:db8:1:2::3"), address("2001:db8:1:2:ffff::4"));
        assert_ne!(address("2001:db8:1:2::3"), address("2001:db8:1:3::3"));
        assert_eq!(address("::ffff:10.0.0.1"), address("10.0.0.1"));
        assert_ne!(address("10.0.0.1"), address("10.0.0.2"));
    }

    #[test]
    fn a_place_is_free_when_its_owner_left() {
        let (lobby, now) = (Lobby::new(1), Instant::now());
        drop(lobby.enter(address(1), now));
        let place = lobby.enter(address(1), now).unwrap();
        assert!(!gone(&place));
        assert_eq!(lobby.strangers().all.len(), 1);
        drop(place);
        assert!(lobby.strangers().counts.is_empty());
    }
}
