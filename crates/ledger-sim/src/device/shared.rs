//! What all threads share: the app, the faults that wait for it, the connections.

mod noise;
mod state;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex, MutexGuard};

use self::state::State;
use super::fault::Fault;
use crate::app::App;
use crate::config::Latency;

/// The device's state behind its lock, and the news that it has changed.
#[derive(Debug)]
pub(super) struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    latency: Latency,
}

/// An exchange that has been executed and whose answer is not off yet.
#[derive(Debug)]
pub(super) struct Work {
    /// Names the exchange: a power cut voids it.
    pub(super) ticket: u64,
    pub(super) reply: Reply,
    took: Duration,
    began: Instant,
}

/// How an exchange ends for the client.
#[derive(Debug)]
pub(super) enum Reply {
    /// These bytes go to the newest connection.
    Frame(Vec<u8>),
    /// The connection is closed.
    HangUp,
}

/// How long stopping waits for the listener before it knocks again.
const KNOCK_AGAIN: Duration = Duration::from_millis(100);

impl Shared {
    pub(super) fn new(app: App, latency: Latency) -> Self {
        Self { state: Mutex::new(State::new(app)), changed: Condvar::new(), latency }
    }

    /// Executes an APDU. `None`: it is dropped, or a prompt is up now.
    pub(super) fn begin(&self, apdu: &[u8]) -> Option<Work> {
        let began = Instant::now();
        self.change(|state| {
            let (ticket, reply, took) = state.begin(apdu, self.latency)?;
            Some(Work { ticket, reply, took, began })
        })
    }

    /// Waits as long as the device works on an exchange, or until a power cut voids it.
    pub(super) fn wait_until_done(&self, work: &Work) {
        let left = work.took.saturating_sub(work.began.elapsed());
        self.wait_while(left, |state| state.is_busy_with(work.ticket));
    }

    /// Sends an answer, unless a power cut has voided it.
    pub(super) fn finish(&self, ticket: u64, frame: &[u8]) {
        self.change(|state| {
            if state.end(ticket) {
                state.send(frame);
            }
        });
    }

    pub(super) fn finish_without_answer(&self, ticket: u64) {
        self.change(|state| state.end(ticket));
    }

    pub(super) fn decide(&self, accept: bool) {
        self.change(|state| state.decide(accept));
    }

    pub(super) fn inject(&self, fault: Fault) {
        self.change(|state| state.inject(fault));
    }

    pub(super) fn signatures(&self) -> u64 {
        self.lock().app.signatures()
    }

    pub(super) fn apdus(&self) -> u64 {
        self.lock().apdus
    }

    pub(super) fn count_dropped(&self, count: u64) {
        self.change(|state| state.apdus += count);
    }

    pub(super) fn wait_for_apdus(&self, count: u64, limit: Duration) -> bool {
        self.wait_while(limit, |state| state.apdus < count)
    }

    pub(super) fn wait_for_prompt(&self, limit: Duration) -> bool {
        self.wait_while(limit, |state| !state.app.is_prompting())
    }

    pub(super) fn power_cut(&self) {
        self.change(State::power_cut);
    }

    pub(super) fn quit(&self) {
        self.change(|state| {
            state.app.quit();
            state.power_cut();
        });
    }

    pub(super) fn unplug(&self) {
        self.change(State::unplug);
    }

    pub(super) fn plug(&self) {
        self.change(State::plug);
    }

    /// Takes a new connection, the newest from now on; `None`: the device is unplugged.
    pub(super) fn add(&self, stream: TcpStream) -> Option<u64> {
        self.change(|state| state.add(stream))
    }

    /// Closes a connection whose thread ends.
    pub(super) fn forget(&self, id: u64) {
        self.change(|state| state.forget(id));
    }

    pub(super) fn is_running(&self) -> bool {
        self.lock().is_running
    }

    pub(super) fn stopped_accepting(&self) {
        self.change(|state| state.is_accepting = false);
    }

    /// Closes every connection and brings the listener to its end: `accept` returns only at a connection.
    pub(super) fn stop(&self, address: SocketAddr) {
        self.change(State::stop);
        while !self.wait_while(Duration::ZERO, |state| state.is_accepting) {
            let _knocked = TcpStream::connect_timeout(&reachable(address), KNOCK_AGAIN);
            self.wait_while(KNOCK_AGAIN, |state| state.is_accepting);
        }
    }

    /// Waits at most `limit` for a condition to end, and says whether it has.
    fn wait_while(&self, limit: Duration, holds: impl Fn(&State) -> bool) -> bool {
        let mut state = self.lock();
        self.changed.wait_while_for(&mut state, |state| holds(state), limit);
        !holds(&state)
    }

    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let changed = change(&mut self.lock());
        self.changed.notify_all();
        changed
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }
}

/// Where this machine reaches a listener: one on every address is on the loopback too.
fn reachable(listening: SocketAddr) -> SocketAddr {
    let loopback = match listening {
        SocketAddr::V4(_) => IpAddr::from(Ipv4Addr::LOCALHOST),
        SocketAddr::V6(_) => IpAddr::from(Ipv6Addr::LOCALHOST),
    };
    let host = if listening.ip().is_unspecified() { loopback } else { listening.ip() };
    SocketAddr::new(host, listening.port())
}
