//! Promised: whatever stops signatures, or soon will, fires an alert of `deploy/prometheus/peel.rules.yml` within a minute.
//! A real Prometheus scrapes the gateway alone; each cause is a real one.
//!
//! Not here, and tested by promtool alone: `PeelUpdateNeeded`, whose cause is a protocol of the future (the signer's own
//! tests have it), `PeelSignerNotReady` and `PeelSignerNotScraped`, whose cause is a version of the past, and `PeelNoLineUp`,
//! which is for a Prometheus at home.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use lab::baker::{Baker, Plan};
use lab::home::{LEDGER_PATH, SignerHome};
use lab::net::{Internet, Line, Namespace, in_test_within};
use lab::nut::Ups;
use lab::process::{Daemon, Signal};
use lab::prometheus::Prometheus;
use lab::shares::SharedKey;
use lab::{programs, wait};
use signer_api::client::SignerUrl;
use tezos::{Kind, sample_payload};
use tunnel::Identity;

use crate::documented;
use crate::fixture::{
    ALL, BOTH_LINES, Cloud, FLOOR, Fixture, GATEWAY_MONITOR, Home, PEEL, PORT, SOON, get, lasts,
    loopback,
};

const RULES: &str = include_str!("../../deploy/prometheus/peel.rules.yml");
/// From the last cause.
const LIMIT: Duration = Duration::from_secs(60);
/// Of a whole test.
const TEST_LIMIT: Duration = Duration::from_secs(400);
/// Two rounds of scrapes and evaluations, and the windows of the rules.
const QUIET: Duration = Duration::from_secs(20);
/// Of the alert on a quarter of an hour.
const METERED_FOR: &str = "15s";
/// The key of the simulated Ledger's public seed at [`LEDGER_PATH`].
const LEDGER_KEY: &str = "tz2Q3U8EbGayZzK2Vwap5JQJFmJEbwURe77o";
const LEDGER_PORT: u16 = 9999;
const FOREIGN_KEY: &str = "tz1VSUr8wwNhLAzempoch5d6hLRiTh8Cjcjb";
/// Between two requests of a baker.
const PERIOD: Duration = Duration::from_millis(500);

/// A port for each signer, with room for its shell and its monitor.
fn port(at: u16) -> u16 {
    PORT + at
}

fn bake(url: SignerUrl) -> anyhow::Result<Baker> {
    Baker::start(Plan { period: PERIOD, limit: Duration::from_secs(3), ..Plan::new(url) }, SOON)
}

/// The simulated Ledger, authorised for its key.
fn ledger(internet: &Internet) -> anyhow::Result<Daemon> {
    let address = loopback(LEDGER_PORT).to_string();
    let mut simulate = internet.home().command(PEEL)?;
    simulate.args(["ledger", "simulate", "--approve", "--latency", "none", "--listen", &address]);
    let mut ledger = Daemon::start("the simulated Ledger", simulate)?;
    ledger.wait_until_log_says("listens on", SOON)?;
    let (transport, level) = (format!("tcp://{address}"), FLOOR.to_string());
    let setup = ["ledger", "setup", LEDGER_PATH, "--level", &level, "--transport", &transport];
    internet.home().run(PEEL, &setup)?;
    Ok(ledger)
}

/// A library that makes every fsync slow, as a worn card does.
fn slow_disk(folder: &Path) -> anyhow::Result<PathBuf> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../bench/src/slow_fsync.c");
    let library = folder.join("slow_fsync.so");
    let mut compile = Command::new("cc");
    compile.args(["-shared", "-fPIC", "-o"]).arg(&library).arg(source).arg("-ldl");
    ensure!(compile.status().context("cc: apt-get install gcc")?.success(), "cc failed");
    Ok(library)
}

/// A certificate that vouches for itself, for five days more.
fn certificate(folder: &Path) -> anyhow::Result<()> {
    let mut openssl = Command::new("openssl");
    openssl.args([
        "req",
        "-x509",
        "-nodes",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
    ]);
    openssl.args(["-days", "5", "-subj", "/CN=signer", "-keyout"]).arg(folder.join("key.pem"));
    openssl.arg("-out").arg(folder.join("cert.pem"));
    let made = openssl.output().context("openssl: apt-get install openssl")?;
    ensure!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    Ok(())
}

/// A signer without further parts.
fn plain<'a>(internet: &'a Internet, name: &'static str, at: u16) -> anyhow::Result<Home<'a>> {
    Ok(Home::new(internet, (name, port(at)), SignerHome::new()?))
}

/// A signer for each cause.
struct Homes<'a> {
    killed: Home<'a>,
    unplugged: Home<'a>,
    battery: Home<'a>,
    no_source: Home<'a>,
    tempted: Home<'a>,
    full: Home<'a>,
    hanging: Home<'a>,
    /// These two begin with their cause.
    late: Home<'a>,
    slow: Home<'a>,
}

impl<'a> Homes<'a> {
    fn new(internet: &'a Internet) -> anyhow::Result<Homes<'a>> {
        let on_ledger = SignerHome::with_ledger(loopback(LEDGER_PORT), LEDGER_KEY.parse()?)?;
        Ok(Homes {
            killed: plain(internet, "killed", 0)?,
            unplugged: Home::new(internet, ("unplugged", port(1)), on_ledger),
            battery: plain(internet, "battery", 2)?,
            no_source: plain(internet, "no_source", 3)?,
            tempted: plain(internet, "tempted", 4)?,
            full: plain(internet, "full", 5)?,
            hanging: plain(internet, "hanging", 6)?,
            late: plain(internet, "late", 7)?,
            slow: plain(internet, "slow", 8)?,
        })
    }

    fn well(&mut self) -> [&mut Home<'a>; 7] {
        let Homes { killed, unplugged, battery, no_source, tempted, full, hanging, .. } = self;
        [killed, unplugged, battery, no_source, tempted, full, hanging]
    }

    /// A gateway that knows all of them, and those that are well at first.
    fn start(&mut self, ups: &Ups, lost_ups: &Ups) -> anyhow::Result<Cloud> {
        let host_key = Identity::generate("gateway")?;
        let mut entries: Vec<_> = self.well().iter().map(|home| home.entry()).collect();
        entries.extend([self.late.entry(), self.slow.entry()]);
        let cloud = Cloud::new(&host_key, &entries)?;
        for home in self.well() {
            home.configure(&host_key, &[], None)?;
            home.init()?;
        }
        for home in [&self.late, &self.slow] {
            home.configure(&host_key, &[], None)?;
            home.init()?;
        }
        self.battery.files.add(&power(ups))?;
        self.no_source.files.add(&power(lost_ups))?;
        for home in self.well() {
            home.start()?;
            cloud.wait_for_sessions(home.name, 1)?;
        }
        Ok(cloud)
    }

    fn bakers(&self) -> anyhow::Result<Vec<Baker>> {
        let asked = [&self.killed, &self.unplugged, &self.tempted, &self.full, &self.hanging];
        asked.into_iter().map(|home| bake(home.url()?)).collect()
    }

    /// All but what is the device's and the UPS' to do. Gives the baker of the slow disk.
    fn go_wrong(&mut self, cloud: &Cloud) -> anyhow::Result<Baker> {
        certificate(self.late.files.folder())?;
        self.late.files.add(&format!(
            "[http]\nlisten = \"{}\"\ntls = {{ certificate = \"cert.pem\", private_key = \"key.pem\" }}",
            loopback(6800)
        ))?;
        let fake_time = fake_time()?;
        let other_time = [
            ("LD_PRELOAD", fake_time.as_str()),
            ("FAKETIME", "+60"),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
        ];
        self.late.start_build(&other_build(self.late.files.folder())?, &other_time)?;
        let library = slow_disk(self.slow.files.folder())?;
        let library = library.to_str().context("the folder's name")?;
        self.slow.start_with(&[("LD_PRELOAD", library), ("SLOW_FSYNC_MS", "400")])?;
        remove_store(self.full.files.folder())?;
        flap(&mut self.killed, cloud)?;
        let plan = Plan { period: Duration::from_millis(50), ..Plan::new(self.slow.url()?) };
        let baker = Baker::start(plan, SOON)?;
        tempt(&self.tempted)?;
        hang_again_and_again(self.hanging.signer()?)?;
        Ok(baker)
    }
}

#[test]
fn whatever_goes_wrong_at_a_signer_fires_within_a_minute() -> anyhow::Result<()> {
    let name =
        "every_alert_fires_from_its_cause::whatever_goes_wrong_at_a_signer_fires_within_a_minute";
    in_test_within(TEST_LIMIT, name, |internet| {
        let mut device = ledger(internet)?;
        let (ups, lost_ups) = (Ups::start(internet.home())?, Ups::start(internet.home())?);
        let mut homes = Homes::new(internet)?;
        let mut cloud = homes.start(&ups, &lost_ups)?;
        let prometheus = Prometheus::start(RULES, &[GATEWAY_MONITOR])?;
        let bakers = homes.bakers()?;
        // While nothing is wrong, nothing fires but that two signers were not started yet.
        lasts(QUIET);
        let mut firing = prometheus.firing()?;
        firing.retain(|(_, labels)| !labels.contains("=late") && !labels.contains("=slow"));
        assert!(firing.is_empty(), "nothing is wrong, and {firing:?}\n{}", prometheus.log()?);

        let began = Instant::now();
        device.kill()?;
        ups.set("OB LB", 15)?;
        drop(lost_ups);
        let slow_baker = homes.go_wrong(&cloud)?;
        prometheus.wait_until_firing(&OF_SIGNERS, LIMIT)?;
        println!(
            "all alerts of signers fire {:.0} s after the first cause",
            began.elapsed().as_secs_f64()
        );
        let (_, metrics) = get(Namespace::here(), GATEWAY_MONITOR, "/metrics")?;
        documented::compare(&metrics)?;
        drop((bakers, slow_baker));
        cloud.gateway.kill()?;
        prometheus.wait_until_firing(&[("PeelGatewayDown", "")], LIMIT)
    })
}

/// What fires, and for which signer.
const OF_SIGNERS: [(&str, &str); 18] = [
    ("PeelSessionFlapping", "signer=killed"),
    ("PeelSignerUnreachable", "signer=killed"),
    ("PeelGatewayUnanswered", "signer=killed"),
    ("PeelNotSigning", "signer=killed"),
    ("PeelDeviceNotReady", "signer=unplugged"),
    ("PeelFailures", "signer=unplugged"),
    ("PeelOnBattery", "signer=battery"),
    ("PeelBatteryLow", "signer=battery"),
    ("PeelPowerUnknown", "signer=no_source"),
    ("PeelDoubleSignatureRefused", "signer=tempted"),
    ("PeelRefusals", "signer=tempted"),
    ("PeelClockOff", "signer=late"),
    ("PeelCertificateExpires", "signer=late"),
    ("PeelVersionMismatch", ""),
    ("PeelGatewayRefusals", "reason=no_signer"),
    ("PeelStoreFailing", "signer=full"),
    ("PeelStoreSlow", "signer=slow"),
    ("PeelSlow", "signer=hanging"),
];

fn power(ups: &Ups) -> String {
    format!("[power]\nsource = \"{}\"", ups.url())
}

/// As when a disk is unmounted under the signer.
fn remove_store(folder: &Path) -> anyhow::Result<()> {
    for entry in fs::read_dir(folder)?.flatten() {
        if entry.file_name().to_string_lossy().starts_with("watermark.db") {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// It starts again and again, and is gone at last.
fn flap(home: &mut Home<'_>, cloud: &Cloud) -> anyhow::Result<()> {
    for _ in 0..11 {
        home.signer()?.kill()?;
        cloud.wait_for_sessions(home.name, 0)?;
        home.start()?;
        cloud.wait_for_sessions(home.name, 1)?;
    }
    home.signer()?.kill()
}

/// Stops the program of a signer for a moment, again and again, as a computer that swaps.
fn hang_again_and_again(hanging: &mut Daemon) -> anyhow::Result<()> {
    for _ in 0..8 {
        hanging.signal(Signal::STOP)?;
        lasts(Duration::from_millis(1300));
        hanging.signal(Signal::CONT)?;
        lasts(Duration::from_millis(300));
    }
    Ok(())
}

/// Asks for two blocks at one level, for one at a level that is closed, and for some by a key that no signer has.
fn tempt(home: &Home<'_>) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let url = home.url()?;
    let ask = |level, variant| {
        let payload = sample_payload(Kind::Block, level, 0, variant);
        runtime.block_on(url.sign(&payload, SOON)).is_ok()
    };
    let answers = [ask(FLOOR + 1, 1), ask(FLOOR + 1, 2), ask(FLOOR, 1)];
    ensure!(answers == [true, false, false], "{answers:?}");
    let nowhere: SignerUrl = format!("http://{ALL}/{FOREIGN_KEY}").parse()?;
    for level in FLOOR + 1..FLOOR + 6 {
        let payload = sample_payload(Kind::Block, level, 0, 1);
        ensure!(runtime.block_on(nowhere.sign(&payload, SOON)).is_err(), "signed by whom?");
    }
    Ok(())
}

/// The same program with another number as its version.
fn other_build(folder: &Path) -> anyhow::Result<PathBuf> {
    const OTHER: &[u8] = b"9.9.9";
    let own = env!("CARGO_PKG_VERSION").as_bytes();
    ensure!(own.len() == OTHER.len(), "write a version that is as long as this one");
    let mut program = fs::read(PEEL)?;
    let mut at = 0;
    while let Some(rest) = program.get_mut(at..).filter(|rest| rest.len() >= own.len()) {
        if rest.starts_with(own) {
            rest.iter_mut().zip(OTHER).for_each(|(byte, other)| *byte = *other);
        }
        at += 1;
    }
    let other = folder.join("peel-of-another-version");
    fs::write(&other, program)?;
    fs::set_permissions(&other, fs::Permissions::from_mode(0o755))?;
    Ok(other)
}

/// The library that gives a program another time.
fn fake_time() -> anyhow::Result<String> {
    let pattern = "libfaketime.so.1";
    for folder in ["/usr/lib/x86_64-linux-gnu/faketime", "/usr/lib/aarch64-linux-gnu/faketime"] {
        let library = Path::new(folder).join(pattern);
        if library.exists() {
            return Ok(library.to_string_lossy().into_owned());
        }
    }
    programs::path("faketime").map(|_| pattern.to_owned())
}

#[test]
fn a_line_that_is_cut_fires_within_a_minute() -> anyhow::Result<()> {
    let name = "every_alert_fires_from_its_cause::a_line_that_is_cut_fires_within_a_minute";
    in_test_within(TEST_LIMIT, name, |internet| {
        let fixture = Fixture::open(internet, &BOTH_LINES)?;
        let baker = fixture.baker()?;
        let rules = RULES.replace("15m", METERED_FOR);
        ensure!(rules != RULES, "the rule on the metered line has another time");
        let prometheus = Prometheus::start(&rules, &[GATEWAY_MONITOR])?;
        lasts(QUIET);
        let firing = prometheus.firing()?;
        assert!(firing.is_empty(), "nothing is wrong, and {firing:?}");

        shows_no_address_of_the_home()?;
        internet.pull_cable(Line::Wired)?;
        let wanted = [("PeelMainLineDown", "signer=home"), ("PeelMeteredInUse", "signer=home")];
        prometheus.wait_until_firing(&wanted, LIMIT)?;
        internet.plug(Line::Wired)?;
        fixture.wait_for_both_lines()?;
        internet.pull_cable(Line::Mobile)?;
        prometheus.wait_until_firing(&[("PeelStandbyLineDown", "uplink=wwan0")], LIMIT)?;
        internet.plug(Line::Mobile)?;
        let is_quiet = || Ok(prometheus.firing()?.is_empty().then_some(()));
        wait::until("an end of all alerts", LIMIT, is_quiet)?;
        let record = baker.finish()?;
        assert!(record.failures().is_empty(), "{:?}", record.failures());
        Ok(())
    })
}

#[test]
fn a_key_in_shares_that_loses_its_last_spare_fires_within_a_minute() -> anyhow::Result<()> {
    let mut shared = SharedKey::start(Path::new(PEEL), 2, 3)?;
    let prometheus = Prometheus::start(RULES, &[shared.monitor])?;
    let heard = || Ok(prometheus.has("peel_gateway_shared_key_able == 3")?.then_some(()));
    wait::until("all shares", SOON, heard)?;
    for name in documented::OF_SHARED_KEYS {
        ensure!(prometheus.has(name)?, "only in docs/monitoring.md: {name}");
    }
    for (at, alert) in [(0, "PeelSharedKeyNoSpare"), (1, "PeelSharedKeyCannotSign")] {
        shared.boxes.get_mut(at).context("a box")?.kill()?;
        let key = format!("key={}", shared.key);
        prometheus.wait_until_firing(&[(alert, &key)], LIMIT)?;
    }
    Ok(())
}

/// Every client in the cluster may look: the page and the figures name no address at home.
fn shows_no_address_of_the_home() -> anyhow::Result<()> {
    for path in ["/", "/status", "/metrics", "/readyz"] {
        let (_, text) = get(Namespace::here(), GATEWAY_MONITOR, path)?;
        for network in ["10.1.0.", "10.2.0."] {
            ensure!(!text.contains(network), "{network} is in {path}: {text}");
        }
    }
    Ok(())
}
