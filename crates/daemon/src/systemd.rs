//! Notifications to systemd (`sd_notify(3)`): readiness, and a watchdog that is fed only while the
//! daemon's facts hold that a restart could mend.

use std::env;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use crate::Shutdown;

/// Where to notify; of no effect outside of systemd.
#[derive(Debug)]
pub struct Notifier {
    socket: Option<(UnixDatagram, SocketAddr)>,
    watchdog: Option<Duration>,
}

impl Notifier {
    /// From `NOTIFY_SOCKET` and `WATCHDOG_USEC`.
    #[must_use]
    pub fn from_environment() -> Notifier {
        let address = env::var_os("NOTIFY_SOCKET").and_then(|path| {
            match path.as_bytes() {
                [b'@', name @ ..] => SocketAddr::from_abstract_name(name),
                path => SocketAddr::from_pathname(std::ffi::OsStr::from_bytes(path)),
            }
            .ok()
        });
        let socket = address.and_then(|address| Some((UnixDatagram::unbound().ok()?, address)));
        let number = |name: &str| env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
        let ours = number("WATCHDOG_PID").is_none_or(|pid| pid == u64::from(std::process::id()));
        let micros = number("WATCHDOG_USEC").filter(|micros| ours && *micros > 0);
        Notifier { socket, watchdog: micros.map(Duration::from_micros) }
    }

    /// The daemon serves.
    pub fn ready(&self) {
        self.send("READY=1\nSTATUS=");
    }

    /// The daemon does what it can, and waits for something that a restart would not mend. To be called again and again,
    /// more often than the watchdog's limit.
    pub fn waiting(&self, what: &str) {
        self.send(&format!("READY=1\nSTATUS={what}\nWATCHDOG=1"));
    }

    /// The daemon is on its way down.
    pub fn stopping(&self) {
        self.send("STOPPING=1");
    }

    /// Feeds the watchdog for as long as `is_alive` says so, until shutdown.
    pub async fn feed_watchdog(&self, is_alive: impl Fn() -> bool, shutdown: &Shutdown) {
        let Some(limit) = self.watchdog else { return };
        let mut tick = tokio::time::interval(limit / 3);
        loop {
            tokio::select! {
                () = shutdown.requested() => return,
                _ = tick.tick() => if is_alive() { self.send("WATCHDOG=1") },
            }
        }
    }

    fn send(&self, state: &str) {
        if let Some((socket, address)) = &self.socket
            && let Err(error) = socket.send_to_addr(state.as_bytes(), address)
        {
            tracing::warn!(%error, "systemd cannot be notified");
        }
    }
}
