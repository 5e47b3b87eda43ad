//! A small internet: a home with two lines, and a cloud at one address.
//!
//! ```text
//!          eth0 10.1.0.2 ── 10.1.0.1 wired  10.9.1.1 ── 10.9.1.2
//!   home                                                        10.9.0.1   the cloud
//!         wwan0 10.2.0.2 ── 10.2.0.1 mobile 10.9.2.1 ── 10.9.2.2
//! ```
//!
//! Home's default route is eth0, then wwan0; a socket bound to an interface goes over that one. The
//! cloud answers by the line that the other side's address belongs to. Nothing is translated, and a
//! packet of one line's address that is sent over the other line is answered over its own.

mod enter;
mod namespace;

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::Context;
use socket2::{Domain, Socket, Type};

pub use enter::{LIMIT, Outcome, in_program, in_test, in_test_within, is_inside, why_not};
pub use namespace::Namespace;

/// The cloud, over either line.
pub const CLOUD: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 9, 0, 1));

/// One of home's ways to the cloud.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Line {
    /// `eth0`: the way that home's system prefers.
    Wired,
    /// `wwan0`.
    Mobile,
}

/// Whether a line could be made slow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pace {
    /// It is slow now.
    Slowed,
    /// This kernel has no token bucket filter (`sch_tbf`), and what tc said.
    Unavailable(String),
}

/// All of it; the test itself is in the cloud. It is gone with the process.
#[derive(Debug)]
pub struct Internet(());

impl Line {
    /// Both, the preferred one first.
    pub const ALL: [Line; 2] = [Line::Wired, Line::Mobile];

    /// Home's interface on it.
    #[must_use]
    pub fn interface(self) -> &'static str {
        match self {
            Line::Wired => "eth0",
            Line::Mobile => "wwan0",
        }
    }

    /// Home's address on it.
    #[must_use]
    pub fn address(self) -> IpAddr {
        Ipv4Addr::new(10, self.number(), 0, 2).into()
    }

    fn number(self) -> u8 {
        match self {
            Line::Wired => 1,
            Line::Mobile => 2,
        }
    }

    /// Of its router, and of the cloud's interface on it.
    fn name(self) -> &'static str {
        match self {
            Line::Wired => "wired",
            Line::Mobile => "mobile",
        }
    }

    fn router(self) -> Namespace {
        Namespace::named(self.name())
    }

    /// Its interface's name while it is away.
    fn name_away(self) -> String {
        format!("{}-away", self.interface())
    }

    fn default_route(self) -> String {
        let (number, interface) = (self.number(), self.interface());
        format!("route replace default via 10.{number}.0.1 dev {interface} metric {number}00\n")
    }
}

impl Internet {
    /// In the namespace of the calling process, which is the cloud.
    fn build() -> anyhow::Result<Internet> {
        let internet = Internet(());
        let cloud = Namespace::here();
        cloud.ip("netns add wired\nnetns add mobile\naddress add 10.9.0.1/32 dev lo\n")?;
        for namespace in [internet.home(), Line::Wired.router(), Line::Mobile.router(), cloud] {
            // Each end may hear from anybody over any line.
            namespace.set_ipv4("conf/all/rp_filter", "0")?;
            namespace.set_ipv4("conf/default/rp_filter", "0")?;
            namespace.ip("link set lo up\n")?;
        }
        for line in Line::ALL {
            internet.lay(line)?;
        }
        Ok(internet)
    }

    fn lay(&self, line: Line) -> anyhow::Result<()> {
        let (name, interface, n) = (line.name(), line.interface(), line.number());
        self.cloud().ip(&format!(
            "link add {interface} netns home type veth peer name home netns {name}\n\
             link add {name} type veth peer name cloud netns {name}\n\
             address add 10.9.{n}.2/24 dev {name}\n\
             link set {name} up\n\
             route add 10.{n}.0.0/24 via 10.9.{n}.1\n"
        ))?;
        line.router().ip(&format!(
            "address add 10.{n}.0.1/24 dev home\n\
             address add 10.9.{n}.1/24 dev cloud\n\
             link set home up\n\
             link set cloud up\n\
             route add 10.9.0.1 via 10.9.{n}.2\n"
        ))?;
        self.home().ip(&format!("address add {}/24 dev {interface}\n", line.address()))?;
        self.plug(line)?;
        self.restore(line)
    }

    /// The computer at home.
    #[must_use]
    pub fn home(&self) -> Namespace {
        Namespace::named("home")
    }

    /// Where the baker is, and the test itself.
    #[must_use]
    pub fn cloud(&self) -> Namespace {
        Namespace::here()
    }

    /// The line swallows every packet, both ways, and nobody is told: carriers stay, nothing is
    /// refused.
    ///
    /// # Errors
    /// When the router cannot be told.
    pub fn silence(&self, line: Line) -> anyhow::Result<()> {
        line.router().set_ipv4("ip_forward", "0")
    }

    /// Undoes [`Internet::silence`].
    ///
    /// # Errors
    /// When the router cannot be told.
    pub fn restore(&self, line: Line) -> anyhow::Result<()> {
        line.router().set_ipv4("ip_forward", "1")
    }

    /// Home's interface goes down, as when a modem is taken away: its routes are gone with it.
    ///
    /// # Errors
    /// When the interface cannot be set.
    pub fn unplug(&self, line: Line) -> anyhow::Result<()> {
        self.home().ip(&format!("link set {} down\n", line.interface()))
    }

    /// The cable is out: home's interface stays up without a carrier, and keeps address and routes.
    ///
    /// # Errors
    /// When the interface cannot be set.
    pub fn pull_cable(&self, line: Line) -> anyhow::Result<()> {
        line.router().ip("link set home down\n")
    }

    /// Undoes [`Internet::unplug`] and [`Internet::pull_cable`].
    ///
    /// # Errors
    /// When the interface or its route cannot be set.
    pub fn plug(&self, line: Line) -> anyhow::Result<()> {
        line.router().ip("link set home up\n")?;
        let up = format!("link set {} up\n", line.interface());
        self.home().ip(&(up + &line.default_route()))
    }

    /// Home has no interface of the line's name, as before a modem is plugged in.
    ///
    /// # Errors
    /// When the interface cannot be renamed.
    pub fn take_away(&self, line: Line) -> anyhow::Result<()> {
        self.unplug(line)?;
        self.home().ip(&format!("link set {} name {}\n", line.interface(), line.name_away()))
    }

    /// Undoes [`Internet::take_away`].
    ///
    /// # Errors
    /// When the interface cannot be renamed, or its route cannot be set.
    pub fn bring(&self, line: Line) -> anyhow::Result<()> {
        self.home().ip(&format!("link set {} name {}\n", line.name_away(), line.interface()))?;
        self.plug(line)
    }

    /// The line's route is in a table of its own, which only what is bound to its interface is routed by: the computer
    /// itself has no default route over it.
    ///
    /// # Errors
    /// When the route or the rule cannot be set.
    pub fn keep_route_apart(&self, line: Line) -> anyhow::Result<()> {
        let (number, interface) = (line.number(), line.interface());
        self.home().ip(&format!(
            "route del default dev {interface}\n\
             route add default via 10.{number}.0.1 dev {interface} table 10{number}\n\
             rule add oif {interface} lookup 10{number}\n"
        ))
    }

    /// The line carries `kilobits` a second each way, and keeps what waits for up to `queue`, as a
    /// modem does; what is more is dropped.
    ///
    /// # Errors
    /// When tc is not here.
    pub fn slow(&self, line: Line, kilobits: u32, queue: Duration) -> anyhow::Result<Pace> {
        for end in ["home", "cloud"] {
            let words = format!(
                "qdisc replace dev {end} root tbf rate {kilobits}kbit burst 16kb latency {}ms",
                queue.as_millis()
            );
            let mut tc = line.router().command(crate::programs::path("tc")?)?;
            let output = tc.args(words.split(' ')).output()?;
            if !output.status.success() {
                let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
                return Ok(Pace::Unavailable(said));
            }
        }
        Ok(Pace::Slowed)
    }

    /// Undoes [`Internet::slow`].
    ///
    /// # Errors
    /// When the line was not slow.
    pub fn hurry(&self, line: Line) -> anyhow::Result<()> {
        for end in ["home", "cloud"] {
            line.router().run("tc", &["qdisc", "del", "dev", end, "root"])?;
        }
        Ok(())
    }

    /// How many bytes home's interface has sent and received so far.
    ///
    /// # Errors
    /// When the kernel does not say.
    pub fn carried(&self, line: Line) -> anyhow::Result<u64> {
        let mut sum = 0;
        for way in ["tx_bytes", "rx_bytes"] {
            let file = format!("/sys/class/net/{}/statistics/{way}", line.interface());
            let text = self.home().run("cat", &[&file])?;
            sum += text.trim().parse::<u64>().with_context(|| format!("{file}: {text:?}"))?;
        }
        Ok(sum)
    }

    /// A connection from home over one line to `port` in the cloud.
    ///
    /// # Errors
    /// When there is none within `limit`.
    pub fn dial(&self, line: Line, port: u16, limit: Duration) -> anyhow::Result<TcpStream> {
        self.home().on_thread(move || Ok(dial(line, SocketAddr::new(CLOUD, port), limit)?))
    }
}

fn dial(line: Line, to: SocketAddr, limit: Duration) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.bind_device(Some(line.interface().as_bytes()))?;
    socket.connect_timeout(&to.into(), limit)?;
    Ok(socket.into())
}
