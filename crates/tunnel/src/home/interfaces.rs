//! Changes of the network, as the system announces them: any change of an interface, an address or a route is
//! worth a dial. What changed is not read: a dial that fails costs nothing.

use std::io;
use std::os::unix::net::UnixDatagram as StdDatagram;

use rustix::io::Errno;
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, socket_with};
use tokio::net::UnixDatagram;
use tokio::sync::watch;

/// The groups of rtnetlink(7) in which links, addresses and routes of IPv4 and IPv6 are announced.
const GROUPS: u32 = LINK | IPV4_ADDRESS | IPV4_ROUTE | IPV6_ADDRESS | IPV6_ROUTE;
const LINK: u32 = 0x1;
const IPV4_ADDRESS: u32 = 0x10;
const IPV4_ROUTE: u32 = 0x40;
const IPV6_ADDRESS: u32 = 0x100;
const IPV6_ROUTE: u32 = 0x400;

/// Notifies `changes` of every change, for as long as it is polled. Returns only when the system refuses to
/// announce them.
pub(super) async fn watch_interfaces(changes: &watch::Sender<()>) -> io::Error {
    let socket = match listen() {
        Ok(socket) => socket,
        Err(error) => return error,
    };
    let mut announcement = [0; 8 * 1024];
    loop {
        match socket.recv(&mut announcement).await {
            // Announcements were lost because there were too many: that is a change, too.
            Err(error) if Errno::from_io_error(&error) != Some(Errno::NOBUFS) => return error,
            Ok(_) | Err(_) => changes.send_replace(()),
        }
    }
}

/// A netlink socket (protocol 0, NETLINK_ROUTE). To receive from it, it is a socket of datagrams like
/// any other, and tokio has a type for those of unix(7).
fn listen() -> io::Result<UnixDatagram> {
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, None)?;
    bind(&socket, &SocketAddrNetlink::new(0, GROUPS))?;
    UnixDatagram::from_std(StdDatagram::from(socket))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_system_takes_our_question() {
        let socket = listen().unwrap();
        let nothing = socket.try_recv(&mut [0; 16]).unwrap_err();
        assert_eq!(nothing.kind(), io::ErrorKind::WouldBlock);
    }
}
