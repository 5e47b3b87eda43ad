//! A TCP connection to a gateway, over one uplink.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

use crate::Service;

/// RFC 2474 and RFC 4594 as OpenSSH uses them: "low latency data" for what a person waits for,
/// "low priority data" for copies. Linux queues the first before the second on a full uplink.
const AF21: u32 = 18 << 2;
const CS1: u32 = 8 << 2;
/// For each of several addresses of one name.
const EACH: Duration = Duration::from_secs(1);

/// Connects to the first of the addresses that takes it.
///
/// # Errors
/// With the last address's error.
pub(super) async fn dial(
    addresses: &[SocketAddr],
    interface: Option<&str>,
    service: Service,
    silent: Duration,
) -> io::Result<TcpStream> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for address in addresses {
        let dialing = dial_one(*address, interface, service, silent);
        let dialed = if addresses.len() == 1 { dialing.await } else { in_turn(dialing).await };
        match dialed {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// One address that answers nothing must not use up the time of the others.
async fn in_turn(dialing: impl Future<Output = io::Result<TcpStream>>) -> io::Result<TcpStream> {
    timeout(EACH, dialing).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

async fn dial_one(
    address: SocketAddr,
    interface: Option<&str>,
    service: Service,
    silent: Duration,
) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    socket.set_tcp_nodelay(true)?;
    socket.set_tcp_user_timeout(Some(silent))?;
    socket.bind_device(interface.map(str::as_bytes))?;
    mark(&socket, address, service);
    TcpSocket::from_std_stream(socket.into()).connect(address).await
}

/// Not every network takes the mark; without it a connection is only less urgent.
fn mark(socket: &Socket, address: SocketAddr, service: Service) {
    let class = match service {
        Service::Signing => AF21,
        Service::Shell => CS1,
    };
    let marked =
        if address.is_ipv4() { socket.set_tos_v4(class) } else { socket.set_tclass_v6(class) };
    if let Err(error) = marked {
        tracing::debug!(%error, "the class of a connection cannot be set");
    }
}
