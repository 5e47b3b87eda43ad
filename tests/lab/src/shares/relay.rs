//! A line: a relay that can be slow, or fall silent.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

/// A line to an address. Its threads end with their connections.
#[derive(Debug)]
pub struct Relay {
    address: SocketAddr,
    state: Arc<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Each way, in milliseconds.
    delay: AtomicU64,
    /// Bytes vanish, and nothing is closed.
    is_silent: AtomicBool,
}

/// Chunks on their way; then the line is full, and is read no further.
const IN_FLIGHT: usize = 1024;

/// What was read, and when it comes out.
type Chunk = (Instant, Vec<u8>);

impl Relay {
    /// A line that works.
    ///
    /// # Errors
    /// When there is no port.
    pub fn to(there: SocketAddr) -> anyhow::Result<Relay> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let (address, state) = (listener.local_addr()?, Arc::<State>::default());
        let own = Arc::clone(&state);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // A connection that cannot be made is closed: the other end dials again.
                if let Ok(other) = TcpStream::connect(there) {
                    join(&stream, &other, &own);
                }
            }
        });
        Ok(Relay { address, state })
    }

    /// Where to dial.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on each byte takes so long, each way.
    pub fn slow(&self, delay: Duration) {
        let millis = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX);
        self.state.delay.store(millis, Ordering::Relaxed);
    }

    /// From now on nothing comes out, and nothing is closed.
    pub fn fall_silent(&self) {
        self.state.is_silent.store(true, Ordering::Relaxed);
    }

    /// It works again; what was lost in between ends the connections that lost it.
    pub fn come_back(&self) {
        self.state.is_silent.store(false, Ordering::Relaxed);
        self.slow(Duration::ZERO);
    }
}

fn join(one: &TcpStream, other: &TcpStream, state: &Arc<State>) {
    for (from, to) in [(one, other), (other, one)] {
        let (Ok(from), Ok(to)) = (from.try_clone(), to.try_clone()) else { return };
        let _ = to.set_nodelay(true);
        let Ok(directly) = to.try_clone() else { return };
        let (send, receive) = sync_channel(IN_FLIGHT);
        let (own, in_flight) = (Arc::clone(state), Arc::<AtomicUsize>::default());
        let way = Way { directly, queue: send, in_flight: Arc::clone(&in_flight) };
        thread::spawn(move || read(from, way, &own));
        thread::spawn(move || write(to, &receive, &in_flight));
    }
}

/// What was read goes to the other end: at once, or, if it is delayed or something is before it, by another thread.
struct Way {
    directly: TcpStream,
    queue: SyncSender<Chunk>,
    in_flight: Arc<AtomicUsize>,
}

impl Way {
    /// Returns false when the other end is gone.
    fn send(&mut self, bytes: &[u8], delay: Duration) -> bool {
        if delay.is_zero() && self.in_flight.load(Ordering::Acquire) == 0 {
            return self.directly.write_all(bytes).is_ok();
        }
        self.in_flight.fetch_add(1, Ordering::AcqRel);
        self.queue.send((Instant::now() + delay, bytes.to_vec())).is_ok()
    }
}

fn read(mut from: TcpStream, mut to: Way, state: &State) {
    let (mut buffer, mut has_lost) = ([0; 16 * 1024], false);
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        let is_silent = state.is_silent.load(Ordering::Relaxed);
        has_lost |= is_silent;
        if is_silent {
            continue;
        }
        if has_lost {
            // A stream of which a part is missing is no stream any more.
            break;
        }
        let delay = Duration::from_millis(state.delay.load(Ordering::Relaxed));
        if !to.send(buffer.get(..count).unwrap_or_default(), delay) {
            break;
        }
    }
    let _ = from.shutdown(Shutdown::Both);
    let _ = to.directly.shutdown(Shutdown::Both);
}

fn write(mut to: TcpStream, from: &Receiver<Chunk>, in_flight: &AtomicUsize) {
    while let Ok((due, bytes)) = from.recv() {
        thread::sleep(due.saturating_duration_since(Instant::now()));
        if to.write_all(&bytes).is_err() {
            break;
        }
        in_flight.fetch_sub(1, Ordering::AcqRel);
    }
    let _ = to.shutdown(Shutdown::Both);
}
