//! The vocabulary of these tests: a gateway in the cloud, a signer at home, and questions to both.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context;
use lab::baker::{Baker, Plan};
use lab::cloud::{self, GatewayHome};
use lab::home::{self, SignerHome, Tunnel, Uplink};
use lab::net::{CLOUD, Internet, Line, Namespace};
use lab::process::Daemon;
use lab::wait;
use serde_json::Value;
use signer_api::client::SignerUrl;
use tunnel::Identity;

pub(crate) const PEEL: &str = env!("CARGO_BIN_EXE_peel");

/// For what must come, and has no promise of its own.
pub(crate) const SOON: Duration = Duration::from_secs(20);
/// Of the baker: five requests a second.
pub(crate) const PERIOD: Duration = Duration::from_millis(200);
/// No signer's store is closed above it, and no baker asks at or below it.
pub(crate) const FLOOR: u32 = 999;

/// The main line, and a metered one beside it.
pub(crate) const BOTH_LINES: [Uplink; 2] = [WIRED, MOBILE];
/// The main line.
pub(crate) const WIRED: Uplink = Uplink { line: Line::Wired, metered: false };
/// The metered line.
pub(crate) const MOBILE: Uplink = Uplink { line: Line::Mobile, metered: true };

/// The port of the first signer; its shell's is 1000 above.
pub(crate) const PORT: u16 = 8443;
/// Every signer, by key.
pub(crate) const ALL: SocketAddr = at(LOOPBACK, 6732);

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const SSH: SocketAddr = at(CLOUD, 58255);
pub(crate) const GATEWAY_MONITOR: SocketAddr = at(LOOPBACK, 9583);
/// From a signer's port to its monitor's: 9584 for the first.
const MONITOR_OFFSET: u16 = 1141;

const fn at(ip: IpAddr, port: u16) -> SocketAddr {
    SocketAddr::new(ip, port)
}

/// Somewhere on the loopback of wherever it is asked.
pub(crate) fn loopback(port: u16) -> SocketAddr {
    at(LOOPBACK, port)
}

/// The course of the scenario: how long something lasts, not a wait for something.
pub(crate) fn lasts(time: Duration) {
    thread::sleep(time);
}

/// A gateway that runs, made from nothing but its host key and the list of its signers.
pub(crate) struct Cloud {
    files: GatewayHome,
    pub(crate) gateway: Daemon,
}

impl Cloud {
    /// Returns when it listens.
    pub(crate) fn new(host_key: &Identity, signers: &[cloud::Signer]) -> anyhow::Result<Cloud> {
        let listen = cloud::Listen { ssh: SSH, http: ALL, monitor: GATEWAY_MONITOR };
        let files = GatewayHome::new(host_key.clone(), listen, signers)?;
        let gateway = listening(&files)?;
        Ok(Cloud { files, gateway })
    }

    /// The same files, after a [`Daemon::kill`].
    pub(crate) fn start_again(&mut self) -> anyhow::Result<()> {
        self.gateway = listening(&self.files)?;
        Ok(())
    }

    /// How many connections of a signer serve its signing port.
    pub(crate) fn sessions(&self, signer: &str) -> anyhow::Result<usize> {
        // Not of the metrics: those of a signer whose line is silent are waited for.
        let (_, status) = get(Namespace::here(), GATEWAY_MONITOR, "/status")?;
        let status: Value = serde_json::from_str(&status)?;
        let of_name = |one: &&Value| one.get("name") == Some(&Value::from(signer));
        let all = status.get("signers").and_then(Value::as_array).context("no signers")?;
        let one = all.iter().find(of_name).with_context(|| format!("no {signer} in {status}"))?;
        let sessions = one.get("sessions").and_then(Value::as_array).context("no sessions")?;
        let is_signing = |one: &&Value| one.get("service") == Some(&Value::from("signing"));
        Ok(sessions.iter().filter(is_signing).count())
    }

    pub(crate) fn wait_for_sessions(&self, signer: &str, count: usize) -> anyhow::Result<()> {
        let what = format!("{count} sessions of {signer:?}");
        wait::until(&what, SOON, || Ok((self.sessions(signer)? == count).then_some(())))
    }
}

fn listening(files: &GatewayHome) -> anyhow::Result<Daemon> {
    let mut gateway = files.start(Command::new(PEEL))?;
    gateway.wait_until_log_says("listening", SOON)?;
    Ok(gateway)
}

/// A signer at home.
pub(crate) struct Home<'a> {
    internet: &'a Internet,
    pub(crate) name: &'static str,
    port: u16,
    pub(crate) files: SignerHome,
    signer: Option<Daemon>,
}

impl<'a> Home<'a> {
    /// Its name and port at the gateway, and its files; nothing is configured yet.
    pub(crate) fn new(
        internet: &'a Internet,
        (name, port): (&'static str, u16),
        files: SignerHome,
    ) -> Home<'a> {
        Home { internet, name, port, files, signer: None }
    }

    /// As the gateway knows it.
    pub(crate) fn entry(&self) -> cloud::Signer {
        let (name, keys) = (self.name.to_owned(), vec![self.files.key()]);
        cloud::Signer { name, ssh_public_key: self.files.ssh_public_key(), port: self.port, keys }
    }

    /// Writes its configuration: the gateway's host key, its lines, and the sshd beside it.
    pub(crate) fn configure(
        &self,
        host_key: &Identity,
        uplinks: &[Uplink],
        ssh: Option<SocketAddr>,
    ) -> anyhow::Result<()> {
        let (user, host_key) = ("signer".to_owned(), host_key.public());
        let gateway = lab::openssh::Endpoint { address: SSH, user, host_key };
        let (port, gateways, uplinks) = (self.port, vec![gateway], uplinks.to_vec());
        let listen = home::Listen { http: None, monitor: Some(self.monitor()) };
        self.files.configure(listen, Some(&Tunnel { port, ssh, gateways, uplinks }))
    }

    /// Makes its store, once.
    pub(crate) fn init(&self) -> anyhow::Result<()> {
        self.files.init_watermark(PEEL.as_ref(), FLOOR)
    }

    pub(crate) fn start(&mut self) -> anyhow::Result<()> {
        self.start_with(&[])
    }

    /// With these variables in its environment.
    pub(crate) fn start_with(&mut self, environment: &[(&str, &str)]) -> anyhow::Result<()> {
        self.start_build(PEEL.as_ref(), environment)
    }

    /// Another build of the program.
    pub(crate) fn start_build(
        &mut self,
        program: &Path,
        environment: &[(&str, &str)],
    ) -> anyhow::Result<()> {
        let mut peel = self.internet.home().command(program)?;
        peel.envs(environment.iter().copied());
        self.signer = Some(self.files.start(peel)?);
        Ok(())
    }

    pub(crate) fn signer(&mut self) -> anyhow::Result<&mut Daemon> {
        self.signer.as_mut().context("the signer was not started")
    }

    /// What its monitoring answers: status and body.
    pub(crate) fn monitoring(&self, path: &str) -> anyhow::Result<(u16, String)> {
        get(self.internet.home(), self.monitor(), path)
    }

    /// Whether the metric `peel_signer_link_<name>`, with these further labels, is 1 for the links over
    /// both lines.
    pub(crate) fn both_links(&self, name: &str, labels: &str) -> anyhow::Result<bool> {
        let (_, metrics) = self.monitoring("/metrics")?;
        let is_one = |line: Line| {
            let uplink = line.interface();
            let labels =
                format!("gateway=\"{SSH}\",uplink=\"{uplink}\",service=\"signing\"{labels}");
            metrics.lines().any(|own| own == format!("peel_signer_link_{name}{{{labels}}} 1"))
        };
        Ok(Line::ALL.into_iter().all(is_one))
    }

    /// Where its key is asked for, at the gateway's port for it alone.
    pub(crate) fn url(&self) -> anyhow::Result<SignerUrl> {
        self.url_at(loopback(self.port))
    }

    /// Where its key is asked for, at another port.
    pub(crate) fn url_at(&self, address: SocketAddr) -> anyhow::Result<SignerUrl> {
        Ok(format!("http://{address}/{}", self.files.key()).parse()?)
    }

    fn monitor(&self) -> SocketAddr {
        loopback(self.port + MONITOR_OFFSET)
    }
}

/// One gateway, and one signer that is connected to it.
pub(crate) struct Fixture<'a> {
    pub(crate) internet: &'a Internet,
    pub(crate) host_key: Identity,
    pub(crate) home: Home<'a>,
    pub(crate) cloud: Cloud,
}

impl<'a> Fixture<'a> {
    /// With a software key; returns when the gateway has a session over each line.
    pub(crate) fn open(internet: &'a Internet, uplinks: &[Uplink]) -> anyhow::Result<Fixture<'a>> {
        Fixture::with(internet, SignerHome::new()?, uplinks, None)
    }

    /// With these files, and the sshd that is shown beside the signer.
    pub(crate) fn with(
        internet: &'a Internet,
        files: SignerHome,
        uplinks: &[Uplink],
        ssh: Option<SocketAddr>,
    ) -> anyhow::Result<Fixture<'a>> {
        let fixture = Fixture::start(internet, files, uplinks, ssh)?;
        fixture.cloud.wait_for_sessions(fixture.home.name, uplinks.len())?;
        Ok(fixture)
    }

    /// The same, with a software key; returns when the gateway has a session over each line that is there.
    pub(crate) fn with_lines_away(
        internet: &'a Internet,
        uplinks: &[Uplink],
        away: &[Line],
    ) -> anyhow::Result<Fixture<'a>> {
        away.iter().try_for_each(|line| internet.take_away(*line))?;
        let fixture = Fixture::start(internet, SignerHome::new()?, uplinks, None)?;
        fixture.cloud.wait_for_sessions(fixture.home.name, uplinks.len() - away.len())?;
        Ok(fixture)
    }

    fn start(
        internet: &'a Internet,
        files: SignerHome,
        uplinks: &[Uplink],
        ssh: Option<SocketAddr>,
    ) -> anyhow::Result<Fixture<'a>> {
        let host_key = Identity::generate("gateway")?;
        let mut home = Home::new(internet, ("home", PORT), files);
        home.configure(&host_key, uplinks, ssh)?;
        home.init()?;
        let cloud = Cloud::new(&host_key, &[home.entry()])?;
        home.start()?;
        Ok(Fixture { internet, host_key, home, cloud })
    }

    /// Returns when both lines are up, and the gateway believes in no connection of before.
    pub(crate) fn wait_for_both_lines(&self) -> anyhow::Result<()> {
        let are_up = || Ok(self.home.both_links("up", "")?.then_some(()));
        wait::until("the links over both lines", SOON, are_up)?;
        self.cloud.wait_for_sessions(self.home.name, Line::ALL.len())
    }

    /// A baker that asks all the while, and has its first signatures.
    pub(crate) fn baker(&self) -> anyhow::Result<Baker> {
        start(Plan { period: PERIOD, ..Plan::new(self.home.url()?) })
    }

    /// How many bytes each line carries while the baker gets `count` signatures.
    pub(crate) fn carried(&self, baker: &Baker, count: usize) -> anyhow::Result<Carried> {
        let (wired, mobile) = self.carried_so_far()?;
        baker.wait_for_signatures(count, SOON)?;
        let (wired_now, mobile_now) = self.carried_so_far()?;
        Ok(Carried { wired: wired_now - wired, mobile: mobile_now - mobile })
    }

    /// How many bytes the mobile line carries while the baker gets `count` signatures. The other one may not be there.
    pub(crate) fn carried_over_mobile(&self, baker: &Baker, count: usize) -> anyhow::Result<u64> {
        let before = self.internet.carried(Line::Mobile)?;
        baker.wait_for_signatures(count, SOON)?;
        Ok(self.internet.carried(Line::Mobile)? - before)
    }

    fn carried_so_far(&self) -> anyhow::Result<(u64, u64)> {
        Ok((self.internet.carried(Line::Wired)?, self.internet.carried(Line::Mobile)?))
    }
}

/// A baker that has its first signatures.
pub(crate) fn start(plan: Plan) -> anyhow::Result<Baker> {
    let baker = Baker::start(plan, SOON)?;
    baker.wait_for_signatures(3, SOON)?;
    Ok(baker)
}

/// Bytes over each line, both ways.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Carried {
    wired: u64,
    mobile: u64,
}

impl Carried {
    /// The votes went over the main line; the metered one only showed that it is there.
    pub(crate) fn is_over_the_main_line(self) -> bool {
        self.wired > 4 * self.mobile
    }

    /// The votes went over the metered line. At a dead one the signer still knocks.
    pub(crate) fn is_over_the_metered_line(self) -> bool {
        self.mobile > 4 * self.wired
    }
}

/// From `moment` to the first signature that came after it.
pub(crate) fn first_signature_after(baker: &Baker, moment: Instant) -> anyhow::Result<Duration> {
    wait::until("a signature", SOON, || {
        let record = baker.so_far();
        let signed = record.requests().iter().filter(|request| request.outcome.is_signed());
        let mut waits = signed.filter_map(|it| it.ended().checked_duration_since(moment));
        Ok(waits.next())
    })
}

/// `GET`, from `place`: status and body.
pub(crate) fn get(
    place: Namespace,
    address: SocketAddr,
    path: &str,
) -> anyhow::Result<(u16, String)> {
    let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    let answer = place.on_thread(move || {
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(SOON))?;
        stream.write_all(request.as_bytes())?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    })?;
    let (head, body) = answer.split_once("\r\n\r\n").context("no answer")?;
    let status = head.split(' ').nth(1).context("no status")?.parse()?;
    Ok((status, body.to_owned()))
}
