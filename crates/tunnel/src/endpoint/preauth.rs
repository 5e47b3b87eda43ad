//! The limit on unauthenticated connections, as OpenSSH's `MaxStartups`.
//!
//! A flood cannot keep a signer out. When all slots are taken, a connection from an address that has fewer
//! slots than others takes the oldest slot of the address that has most. A connection from the address that
//! has most takes a slot whose holder has had long enough to prove a key; if there is none, it is closed
//! before it costs anything, and each attempt is a draw. If the oldest connection were always closed at
//! once, a fast flood from the signer's own address (behind one NAT, all have the same) would close the
//! signer's before it is done, every time.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// A bounded number of slots for unauthenticated connections. Clones share them.
#[derive(Debug, Clone)]
pub(super) struct PreauthSlots {
    size: usize,
    slots: Arc<Mutex<Slots>>,
}

#[derive(Debug, Default)]
struct Slots {
    /// Oldest first.
    all: Vec<Arc<Unauthenticated>>,
    /// By [`origin`].
    counts: HashMap<IpAddr, usize>,
}

#[derive(Debug)]
struct Unauthenticated {
    origin: IpAddr,
    since: Instant,
    evicted: CancellationToken,
}

/// A slot, until it is dropped.
#[derive(Debug)]
pub(super) struct Slot {
    slots: PreauthSlots,
    connection: Arc<Unauthenticated>,
}

/// In this time a signer behind a slow uplink has proved its key: some seven round trips, TCP's handshake
/// included.
const LOGIN_TIME: Duration = Duration::from_secs(2);

impl PreauthSlots {
    pub(super) fn new(size: usize) -> PreauthSlots {
        PreauthSlots { size: size.max(1), slots: Arc::default() }
    }

    /// A slot, if need be that of an older connection, which is evicted; none when all have to stay.
    pub(super) fn acquire(&self, address: IpAddr, now: Instant) -> Option<Slot> {
        let (origin, evicted) = (origin(address), CancellationToken::new());
        let connection = Arc::new(Unauthenticated { origin, since: now, evicted });
        let mut slots = self.slots();
        if slots.all.len() >= self.size {
            let at = slots.to_evict(origin, now)?;
            slots.remove(at);
        }
        slots.add(&connection);
        Some(Slot { slots: self.clone(), connection })
    }

    fn slots(&self) -> MutexGuard<'_, Slots> {
        self.slots.lock()
    }
}

impl Slot {
    /// Returns when the slot was given to a newer connection.
    pub(super) async fn evicted(&self) {
        self.connection.evicted.cancelled().await;
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut slots = self.slots.slots();
        let at = slots.all.iter().position(|other| Arc::ptr_eq(other, &self.connection));
        if let Some(at) = at {
            slots.remove(at);
        }
    }
}

impl Slots {
    fn add(&mut self, connection: &Arc<Unauthenticated>) {
        self.all.push(Arc::clone(connection));
        *self.counts.entry(connection.origin).or_default() += 1;
    }

    fn remove(&mut self, at: usize) {
        let connection = self.all.remove(at);
        connection.evicted.cancel();
        let count = self.count(connection.origin);
        if count > 1 {
            self.counts.insert(connection.origin, count - 1);
        } else {
            self.counts.remove(&connection.origin);
        }
    }

    fn count(&self, origin: IpAddr) -> usize {
        self.counts.get(&origin).copied().unwrap_or_default()
    }

    /// The oldest slot of the origin that has most; none if the newcomer's origin would then have as many, and
    /// that connection has had too little time to prove a key.
    fn to_evict(&self, newcomer: IpAddr, now: Instant) -> Option<usize> {
        let most = self.counts.values().max().copied()?;
        let at = self.all.iter().position(|connection| self.count(connection.origin) == most)?;
        let had_enough = now.duration_since(self.all.get(at)?.since) >= LOGIN_TIME;
        (had_enough || self.count(newcomer) + 1 < most).then_some(at)
    }
}

/// What counts as one address: an IPv6 address is rarely assigned without the /64 around it.
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

    fn is_evicted(slot: &Slot) -> bool {
        slot.connection.evicted.is_cancelled()
    }

    #[test]
    fn a_flood_from_one_address_evicts_only_its_own() {
        let (slots, now) = (PreauthSlots::new(4), Instant::now());
        let signer = slots.acquire(address(1), now).unwrap();
        let flood: Vec<Slot> = (0..50)
            .filter_map(|second| slots.acquire(address(2), now + LOGIN_TIME * second))
            .collect();
        assert!(!is_evicted(&signer));
        assert_eq!(flood.len(), 50);
        assert_eq!(flood.iter().filter(|slot| !is_evicted(slot)).count(), 3);
    }

    #[test]
    fn a_signer_gets_in_where_a_flood_from_elsewhere_has_all_slots() {
        let (slots, now) = (PreauthSlots::new(4), Instant::now());
        let flood: Vec<Slot> = (0..4).filter_map(|_| slots.acquire(address(2), now)).collect();
        let signer = slots.acquire(address(1), now).unwrap();
        assert_eq!(flood.iter().map(is_evicted).collect::<Vec<_>>(), [true, false, false, false]);
        assert!(slots.acquire(address(2), now).is_none());
        assert!(!is_evicted(&signer));
    }

    #[test]
    fn a_flood_from_the_signers_own_address_leaves_it_the_time_it_needs() {
        let (slots, start) = (PreauthSlots::new(4), Instant::now());
        let signer = slots.acquire(address(1), start).unwrap();
        let almost = start + LOGIN_TIME.mul_f64(0.99);
        let flood: Vec<Slot> = (0..50).filter_map(|_| slots.acquire(address(1), almost)).collect();
        assert!(!is_evicted(&signer));
        assert_eq!(flood.len(), 3);
        assert!(slots.acquire(address(1), start + LOGIN_TIME).is_some());
        assert!(is_evicted(&signer));
    }

    #[test]
    fn a_flood_from_many_addresses_leaves_a_signer_the_time_it_needs() {
        let (slots, now) = (PreauthSlots::new(4), Instant::now());
        let signer = slots.acquire(address(1), now).unwrap();
        let flood: Vec<Slot> =
            (2..50).filter_map(|last| slots.acquire(address(last), now)).collect();
        assert!(!is_evicted(&signer));
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
    fn a_slot_is_free_when_its_connection_has_ended() {
        let (slots, now) = (PreauthSlots::new(1), Instant::now());
        drop(slots.acquire(address(1), now));
        let slot = slots.acquire(address(1), now).unwrap();
        assert!(!is_evicted(&slot));
        assert_eq!(slots.slots().all.len(), 1);
        drop(slot);
        assert!(slots.slots().counts.is_empty());
    }
}
