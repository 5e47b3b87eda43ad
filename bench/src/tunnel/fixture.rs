//! A signer at home and an endpoint in the cloud: Peel's, or the usual ones.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::Context;
use lab::baker::{Baker, Plan};
use lab::cloud::{self, GatewayHome, Signer};
use lab::home::{self, SignerHome, Tunnel, Uplink};
use lab::net::{CLOUD, Internet, Line, Namespace};
use lab::openssh::{Client, Endpoint, Forward, KeyKind, Sshd};
use lab::process::Daemon;
use tunnel::Identity;

pub(super) const PORT: u16 = 8443;
pub(super) const SSH: u16 = 7_003;
const SSHD: u16 = 7_004;
const SSHD_PORT: u16 = 8444;
const HTTP: u16 = 6732;
const MONITOR: u16 = 9583;
const LOCAL_HTTP: u16 = 6733;
/// Nothing at or below it is signed.
pub(super) const LEVEL: u32 = 999;
/// For anything to come up.
pub(super) const START: Duration = Duration::from_secs(20);

pub(super) fn peel() -> PathBuf {
    crate::root().join("target/release/peel")
}

pub(super) fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

/// Peel at both ends.
pub(super) struct PeelFixture {
    pub(super) gateway: GatewayHome,
    pub(super) cloud: Daemon,
    pub(super) signer: SignerHome,
    _home: Daemon,
}

impl PeelFixture {
    /// A signer at home that dials `CLOUD` over these lines.
    pub(super) fn start(internet: &Internet, uplinks: &[Uplink]) -> anyhow::Result<PeelFixture> {
        PeelFixture::at(internet.home(), CLOUD, uplinks)
    }

    /// Both ends on the loopback.
    pub(super) fn on_loopback() -> anyhow::Result<PeelFixture> {
        PeelFixture::at(Namespace::here(), Ipv4Addr::LOCALHOST.into(), &[])
    }

    fn at(place: Namespace, cloud: IpAddr, uplinks: &[Uplink]) -> anyhow::Result<PeelFixture> {
        let signer = SignerHome::new()?;
        let ssh = SocketAddr::new(cloud, SSH);
        let listen = cloud::Listen { ssh, http: loopback(HTTP), monitor: loopback(MONITOR) };
        let known = Signer {
            name: "home".to_owned(),
            ssh_public_key: signer.ssh_public_key(),
            port: PORT,
            keys: vec![signer.key()],
        };
        let gateway = GatewayHome::new(Identity::generate("gateway")?, listen, &[known])?;
        let tunnel = Tunnel {
            port: PORT,
            ssh: None,
            gateways: vec![gateway.endpoint(ssh)],
            uplinks: uplinks.to_vec(),
        };
        signer.configure(home::Listen::default(), Some(&tunnel))?;
        signer.init_watermark(&peel(), LEVEL)?;
        let cloud = start_gateway(&gateway)?;
        let home = signer.start(place.command(peel())?)?;
        Ok(PeelFixture { gateway, cloud, signer, _home: home })
    }

    /// Kills the gateway, and starts it again after `pause`; gives when it listened.
    pub(super) fn make_again(&mut self, pause: Duration) -> anyhow::Result<Instant> {
        self.cloud.kill()?;
        std::thread::sleep(pause);
        self.cloud = start_gateway(&self.gateway)?;
        Ok(Instant::now())
    }

    pub(super) fn baker(&self, period: Duration) -> anyhow::Result<Baker> {
        let url = format!("http://{}/{}", loopback(PORT), self.signer.key());
        Baker::start(Plan { period, ..Plan::new(url.parse()?) }, START)
    }
}

fn start_gateway(gateway: &GatewayHome) -> anyhow::Result<Daemon> {
    let mut cloud = gateway.start(Namespace::here().command(peel())?)?;
    cloud.wait_until_log_says("listening", START)?;
    Ok(cloud)
}

/// The same signer behind autossh, and sshd in the cloud.
pub(super) struct UsualFixture {
    pub(super) sshd: Sshd,
    pub(super) signer: SignerHome,
    _home: Daemon,
    _ssh: Daemon,
    _client: Client,
}

/// Makes the command that holds the forward.
type Reverse = fn(&Client, Namespace, &Endpoint, &[Forward]) -> anyhow::Result<Command>;

impl UsualFixture {
    /// A signer at home with autossh, and sshd at `CLOUD`.
    pub(super) fn start(internet: &Internet) -> anyhow::Result<UsualFixture> {
        UsualFixture::at(internet.home(), CLOUD, Client::autossh_reverse)
    }

    /// Both ends on the loopback, with a plain ssh: the ports of autossh's monitor would be there twice.
    pub(super) fn on_loopback() -> anyhow::Result<UsualFixture> {
        UsualFixture::at(Namespace::here(), Ipv4Addr::LOCALHOST.into(), Client::ssh_reverse)
    }

    fn at(place: Namespace, cloud: IpAddr, reverse: Reverse) -> anyhow::Result<UsualFixture> {
        let signer = SignerHome::new()?;
        let listen = home::Listen { http: Some(loopback(LOCAL_HTTP)), monitor: None };
        signer.configure(listen, None)?;
        signer.init_watermark(&peel(), LEVEL)?;
        let home = signer.start(place.command(peel())?)?;
        let client = Client::new(KeyKind::Ed25519)?;
        let address = SocketAddr::new(cloud, SSHD);
        let mut sshd = Sshd::new(Namespace::here(), address, &[client.public_key()])?;
        sshd.start()?;
        let forward = Forward { port: SSHD_PORT, to: loopback(LOCAL_HTTP) };
        let ssh = reverse(&client, place, &sshd.endpoint(), &[forward])?;
        let ssh = Daemon::start("ssh", ssh)?;
        let up = lab::wait::until("the forward", START, || {
            Ok(TcpStream::connect(loopback(SSHD_PORT)).ok())
        });
        up.with_context(|| ssh.log().unwrap_or_default())?;
        Ok(UsualFixture { sshd, signer, _home: home, _ssh: ssh, _client: client })
    }

    pub(super) fn http(&self) -> SocketAddr {
        loopback(SSHD_PORT)
    }

    pub(super) fn baker(&self, period: Duration) -> anyhow::Result<Baker> {
        let url = format!("http://{}/{}", self.http(), self.signer.key());
        // What hangs for a second is asked again, as by a baker that is in a hurry.
        let limit = Duration::from_secs(1);
        Baker::start(Plan { period, limit, ..Plan::new(url.parse()?) }, START)
    }
}

/// Moves the default route to the mobile line when the main one is seen to be dead. Whether it is moved.
pub(super) fn switch_route_when_dead(internet: &Internet) -> anyhow::Result<bool> {
    let is_dead = internet.dial(Line::Wired, SSHD, Duration::from_secs(5)).is_err();
    if is_dead {
        let interface = Line::Wired.interface();
        internet.home().run("ip", &["route", "del", "default", "dev", interface])?;
    }
    Ok(is_dead)
}

/// From `moment` to the first signature that came after it; none if none did.
fn first_answer(baker: &Baker, moment: Instant) -> Option<Duration> {
    let record = baker.so_far();
    let signed = record.requests().iter().filter(|request| request.outcome.is_signed());
    signed.filter_map(|request| request.ended().checked_duration_since(moment)).min()
}

/// Waits for it.
pub(super) fn await_answer(
    baker: &Baker,
    moment: Instant,
    limit: Duration,
) -> anyhow::Result<Duration> {
    lab::wait::until("an answer", limit, || Ok(first_answer(baker, moment)))
        .with_context(|| format!("the last: {:?}", baker.so_far().requests().last()))
}
