//! Ports that are taken when a daemon starts, and free a moment later.
//!
//! The gateway's usual ssh port, 58255, lies in the range from which Linux takes the ports of outgoing connections: any
//! program that has connected to somewhere can have it for a while. And a daemon that is started again may be
//! faster than the end of the one before.

use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::time::Duration;

use tokio::time::{Instant, sleep};

/// For a port to become free: as long as the system keeps a connection that has ended.
const WAIT: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(200);

/// What `bind` gives for `address`, again and again while the port is taken, for a minute at most. The first time
/// it is taken is a line in the log.
///
/// # Errors
/// The last error of `bind`.
pub async fn when_free<T, E>(
    address: SocketAddr,
    mut bind: impl AsyncFnMut() -> Result<T, E>,
    is_taken: impl Fn(&E) -> bool,
) -> Result<T, E> {
    let end = Instant::now() + WAIT;
    let mut is_told = false;
    loop {
        match bind().await {
            Err(error) if is_taken(&error) && Instant::now() < end => {
                if !is_told {
                    tracing::warn!("{}", taken(address));
                    is_told = true;
                }
                sleep(PAUSE).await;
            }
            done => return done,
        }
    }
}

/// Where this computer reaches what listens there.
#[must_use]
pub fn reachable(listen: SocketAddr) -> SocketAddr {
    let loopback = match listen.ip() {
        IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::LOCALHOST),
    };
    let ip = if listen.ip().is_unspecified() { loopback } else { listen.ip() };
    SocketAddr::new(ip, listen.port())
}

/// Whether the port of a listener is taken.
#[must_use]
pub fn is_taken(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::AddrInUse
}

fn taken(address: SocketAddr) -> String {
    let port = address.port();
    let who = match outgoing_ports() {
        Some(range) if range.contains(&port) => format!(
            "another program listens there, or an outgoing connection has it (Linux takes their ports from \
             {} to {}; \"sysctl net.ipv4.ip_local_reserved_ports={port}\" keeps it free)",
            range.start(),
            range.end()
        ),
        Some(_) | None => {
            format!("another program listens there (\"ss -ltnp sport = :{port}\" shows it)")
        }
    };
    format!("{address} is taken: {who}; trying again for {} s", WAIT.as_secs())
}

/// The ports that the system takes for outgoing connections, ip(7).
fn outgoing_ports() -> Option<RangeInclusive<u16>> {
    let text = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").ok()?;
    let mut numbers = text.split_whitespace().map(|number| number.parse().ok());
    Some(numbers.next()??..=numbers.next()??)
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_port_that_becomes_free_is_taken() {
        let holder = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = holder.local_addr().unwrap();
        let waiting = when_free(address, async || TcpListener::bind(address).await, is_taken);
        let freeing = async {
            sleep(Duration::from_millis(500)).await;
            drop(holder);
        };
        let (bound, ()) = tokio::join!(waiting, freeing);
        assert_eq!(bound.unwrap().local_addr().unwrap(), address);
    }

    #[tokio::test(start_paused = true)]
    async fn a_port_that_stays_taken_is_waited_for_for_a_minute() {
        let holder = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = holder.local_addr().unwrap();
        let started = Instant::now();
        let bound = when_free(address, async || TcpListener::bind(address).await, is_taken).await;
        assert_eq!(bound.unwrap_err().kind(), io::ErrorKind::AddrInUse);
        assert_eq!(started.elapsed().as_secs(), 60);
    }

    #[tokio::test]
    async fn another_error_is_told_at_once() {
        let address = "192.0.2.1:80".parse().unwrap();
        let bound = when_free(address, async || TcpListener::bind(address).await, is_taken).await;
        assert_eq!(bound.unwrap_err().kind(), io::ErrorKind::AddrNotAvailable);
    }

    #[test]
    fn who_could_have_the_port_is_named() {
        let outgoing = outgoing_ports().unwrap();
        let at = |port| taken(SocketAddr::from(([0, 0, 0, 0], port)));
        assert!(at(*outgoing.start()).contains("ip_local_reserved_ports"));
        assert!(at(80).contains("ss -ltnp"));
    }
}
