//! The places for those who have not proved a key yet.
//!
//! A flood cannot keep a signer out: whoever comes gets a place, and when all are taken, the address
//! that has the most of them loses its oldest one. A signer needs a fraction of a second on its place.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio_util::sync::CancellationToken;

/// A bounded number of places. Clones share them.
#[derive(Debug, Clone)]
pub(super) struct Lobby {
    size: usize,
    /// In the order in which they came.
    strangers: Arc<Mutex<Vec<Arc<Stranger>>>>,
}

#[derive(Debug)]
struct Stranger {
    address: IpAddr,
    leave: CancellationToken,
}

/// A place, until it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    lobby: Lobby,
    stranger: Arc<Stranger>,
}

impl Lobby {
    pub(super) fn new(size: usize) -> Lobby {
        Lobby { size: size.max(1), strangers: Arc::default() }
    }

    /// A place, if need be somebody else's.
    pub(super) fn enter(&self, address: IpAddr) -> Place {
        let stranger = Arc::new(Stranger { address, leave: CancellationToken::new() });
        let mut strangers = self.strangers();
        if strangers.len() >= self.size {
            let at = who_has_to_go(&strangers);
            strangers.remove(at).leave.cancel();
        }
        strangers.push(Arc::clone(&stranger));
        Place { lobby: self.clone(), stranger }
    }

    fn strangers(&self) -> MutexGuard<'_, Vec<Arc<Stranger>>> {
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
        self.lobby.strangers().retain(|other| !Arc::ptr_eq(other, &self.stranger));
    }
}

/// The oldest one of the address with the most places.
fn who_has_to_go(strangers: &[Arc<Stranger>]) -> usize {
    let mut counts: HashMap<IpAddr, usize> = HashMap::new();
    for stranger in strangers {
        *counts.entry(stranger.address).or_default() += 1;
    }
    let most = counts.values().max().copied();
    let is_crowded = |stranger: &Arc<Stranger>| counts.get(&stranger.address).copied() == most;
    strangers.iter().position(is_crowded).unwrap_or_default()
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
        let lobby = Lobby::new(4);
        let signer = lobby.enter(address(1));
        let flood: Vec<Place> = (0..50).map(|_| lobby.enter(address(2))).collect();
        assert!(!gone(&signer));
        assert_eq!(flood.iter().filter(|place| !gone(place)).count(), 3);
    }

    #[test]
    fn the_oldest_goes_first_and_the_newest_stays() {
        let lobby = Lobby::new(2);
        let places: Vec<Place> = (0..4).map(|_| lobby.enter(address(1))).collect();
        assert_eq!(places.iter().map(gone).collect::<Vec<_>>(), [true, true, false, false]);
    }

    #[test]
    fn a_place_is_free_when_its_owner_left() {
        let lobby = Lobby::new(1);
        drop(lobby.enter(address(1)));
        let place = lobby.enter(address(1));
        assert!(!gone(&place));
        assert_eq!(lobby.strangers().len(), 1);
    }
}
