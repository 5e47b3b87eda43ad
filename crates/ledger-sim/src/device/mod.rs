//! The app behind a TCP port, as the Speculos emulator puts it there.
//!
//! One thread accepts, one serves each connection; they share one app behind a lock, since a device
//! does one thing at a time:
//!
//! ```text
//!   listener ──▶ connection, connection, … ──▶ shared (app, faults) ──▶ newest connection
//! ```
//!
//! As in the emulator, an answer goes to the connection that was accepted last, whoever asked, and
//! what arrives while an exchange is being worked on is dropped without an answer.

mod connection;
mod fault;
mod frame;
mod listener;
mod shared;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use self::listener::Listener;
use self::shared::Shared;
use crate::app::App;
use crate::config::{Config, ConfigError};

pub use fault::Fault;

/// A simulated device on a TCP port. Dropping it stops it and joins its threads.
#[derive(Debug)]
pub struct Device {
    shared: Arc<Shared>,
    address: SocketAddr,
    accepting: Option<JoinHandle<()>>,
}

/// Why a [`Device`] does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The configuration makes no device.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The address cannot be listened on.
    #[error("failed: cannot listen on {address}: {source}; choose another address, or port 0")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// No thread to accept connections with.
    #[error("failed: cannot start a thread: {0}")]
    Thread(io::Error),
}

impl Device {
    /// Listens on `listen`; port 0 takes any free one.
    ///
    /// # Errors
    ///
    /// See [`StartError`].
    pub fn start(listen: SocketAddr, config: &Config) -> Result<Self, StartError> {
        let app = App::new(config)?;
        let listening = |source| StartError::Listen { address: listen, source };
        let socket = TcpListener::bind(listen).map_err(listening)?;
        let address = socket.local_addr().map_err(listening)?;
        let shared = Arc::new(Shared::new(app, config.latency));
        let listener = Listener::new(socket, Arc::clone(&shared));
        let accepting = thread::Builder::new()
            .name("ledger-sim".to_owned())
            .spawn(move || listener.run())
            .map_err(StartError::Thread)?;
        Ok(Self { shared, address, accepting: Some(accepting) })
    }

    /// Where it listens, with the port that was taken.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends the prompt that is up, if any; the answer goes to the newest connection.
    pub fn decide(&self, accept: bool) {
        self.shared.decide(accept);
    }

    /// Prepares a fault; several wait in line.
    pub fn inject(&self, fault: Fault) {
        self.shared.inject(fault);
    }

    /// How many signatures it has made, HMACs not counted.
    #[must_use]
    pub fn signatures(&self) -> u64 {
        self.shared.signatures()
    }

    /// How many APDUs have arrived, dropped ones among them.
    #[must_use]
    pub fn apdus(&self) -> u64 {
        self.shared.apdus()
    }

    /// Waits until `count` APDUs have arrived since the start; `false`: not within the limit.
    #[must_use]
    pub fn wait_for_apdus(&self, count: u64, limit: Duration) -> bool {
        self.shared.wait_for_apdus(count, limit)
    }

    /// Waits until a prompt is up; `false`: not within the limit.
    #[must_use]
    pub fn wait_for_prompt(&self, limit: Duration) -> bool {
        self.shared.wait_for_prompt(limit)
    }

    /// Cuts the power for a moment: connections are closed, and what was in RAM only is gone.
    pub fn power_cut(&self) {
        self.shared.power_cut();
    }

    /// Leaves the app by its menu and starts it again: connections are closed, nothing is lost.
    pub fn quit(&self) {
        self.shared.quit();
    }

    /// Pulls the plug: a power cut, and until [`Device::plug`] every connection is closed at once.
    pub fn unplug(&self) {
        self.shared.unplug();
    }

    /// Puts the plug back, unlocks the device and opens the Baking app.
    pub fn plug(&self) {
        self.shared.plug();
    }

    /// Stops it: connections and the port are closed and the threads joined.
    pub fn shutdown(self) {
        drop(self);
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        self.shared.stop(self.address);
        if let Some(accepting) = self.accepting.take() {
            // A thread that panicked has said so on standard error.
            let _panicked = accepting.join();
        }
    }
}
