//! Promised: whatever stops signatures, or soon will, fires an alert of `deploy/prometheus/peel.rules.yml` within a minute.
//! A real Prometheus scrapes the gateway alone; each cause is a real one.
//!
//! Not here: `PeelVersionMismatch`, for which there would have to be two versions; promtool tests it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use lab::baker::{Baker, Plan};
use lab::home::{LEDGER_PATH, SignerHome};
use lab::net::{Internet, Line, in_test_within};
use lab::nut::Ups;
use lab::process::{Daemon, Signal};
use lab::prometheus::Prometheus;
use lab::{programs, wait};
use signer_api::client::SignerUrl;
use tezos::{Kind, sample_payload};
use tunnel::Identity;

use crate::fixture::{
    BOTH_LINES, Cloud, FLOOR, Fixture, GATEWAY_MONITOR, Home, PEEL, PORT, SOON, lasts, loopback,
};

const RULES: &str = include_str!("../../deploy/prometheus/peel.rules.yml");
/// A minute, and what a busy machine needs.
const LIMIT: Duration = Duration::from_secs(100);
/// Of a whole test.
const TEST_LIMIT: Duration = Duration::from_secs(400);
/// Two rounds of scrapes and evaluations, and the windows of the rules.
const QUIET: Duration = Duration::from_secs(20);
/// Of the alert on a quarter of an hour.
const METERED_FOR: &str = "15s";
/// The key of the simulated Ledger's public seed at [`LEDGER_PATH`].
const LEDGER_KEY: &str = "tz2Q3U8EbGayZzK2Vwap5JQJFmJEbwURe77o";
const LEDGER_PORT: u16 = 9999;
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

#[test]
fn whatever_goes_wrong_at_a_signer_fires_within_a_minute() -> anyhow::Result<()> {
    let name =
        "every_alert_fires_from_its_cause::whatever_goes_wrong_at_a_signer_fires_within_a_minute";
    in_test_within(TEST_LIMIT, name, |internet| {
        let mut device = ledger(internet)?;
        let ups = Ups::start(internet.home())?;
        let lost_ups = Ups::start(internet.home())?;
        let ledger_files = SignerHome::with_ledger(loopback(LEDGER_PORT), LEDGER_KEY.parse()?)?;
        let mut killed = plain(internet, "killed", 0)?;
        let mut unplugged = Home::new(internet, ("unplugged", port(1)), ledger_files);
        let mut battery = plain(internet, "battery", 2)?;
        let mut no_source = plain(internet, "no_source", 3)?;
        let mut tempted = plain(internet, "tempted", 4)?;
        let mut late = plain(internet, "late", 5)?;
        let mut full = plain(internet, "full", 6)?;
        let mut slow = plain(internet, "slow", 7)?;
        let mut hanging = plain(internet, "hanging", 8)?;
        let host_key = Identity::generate("gateway")?;
        let mut homes = [
            &mut killed,
            &mut unplugged,
            &mut battery,
            &mut no_source,
            &mut tempted,
            &mut late,
            &mut full,
            &mut slow,
            &mut hanging,
        ];
        let entries: Vec<_> = homes.iter().map(|home| home.entry()).collect();
        let mut cloud = Cloud::new(&host_key, &entries)?;
        for home in &mut homes {
            home.configure(&host_key, &[], None)?;
            home.init()?;
        }
        battery.files.add(&format!("[power]\nsource = \"{}\"", ups.url()))?;
        no_source.files.add(&format!("[power]\nsource = \"{}\"", lost_ups.url()))?;
        for home in [
            &mut killed,
            &mut unplugged,
            &mut battery,
            &mut no_source,
            &mut tempted,
            &mut full,
            &mut hanging,
        ] {
            home.start()?;
        }
        // As with every fsync 400 ms late.
        let tools = tempfile::tempdir()?;
        let library = slow_disk(tools.path())?;
        let library = library.to_str().context("the folder's name")?;

        let prometheus = Prometheus::start(RULES, &[GATEWAY_MONITOR])?;
        let mut bakers = Vec::new();
        for home in [&killed, &unplugged, &tempted, &full, &hanging] {
            bakers.push(bake(home.url()?)?);
        }
        cloud.wait_for_sessions("battery", 1)?;
        cloud.wait_for_sessions("no_source", 1)?;
        // These begin with their cause.
        let certified = late.files.folder().to_owned();
        certificate(&certified)?;

        // While nothing is wrong, nothing fires but that two signers were not started yet.
        lasts(QUIET);
        let firing: Vec<_> = prometheus
            .firing()?
            .into_iter()
            .filter(|(_, labels)| !labels.contains("late") && !labels.contains("signer=slow"))
            .collect();
        assert!(firing.is_empty(), "nothing is wrong, and {firing:?}\n{}", prometheus.log()?);

        let began = Instant::now();
        late.files.add(&format!(
            "[http]\nlisten = \"{}\"\ntls = {{ certificate = \"cert.pem\", private_key = \"key.pem\" }}",
            loopback(6800)
        ))?;
        late.start_with(&[
            ("LD_PRELOAD", &fake_time()?),
            ("FAKETIME", "+60"),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
        ])?;
        slow.start_with(&[("LD_PRELOAD", library), ("SLOW_FSYNC_MS", "400")])?;
        device.kill()?;
        ups.set("OB LB", 15)?;
        drop(lost_ups);
        for entry in fs::read_dir(full.files.folder())?.flatten() {
            if entry.file_name().to_string_lossy().starts_with("watermark.db") {
                fs::remove_file(entry.path())?;
            }
        }
        // A signer that starts again and again, and is gone at last.
        for _ in 0..11 {
            killed.signer()?.kill()?;
            cloud.wait_for_sessions("killed", 0)?;
            killed.start()?;
            cloud.wait_for_sessions("killed", 1)?;
        }
        killed.signer()?.kill()?;
        let slow_baker = Baker::start(
            Plan { period: Duration::from_millis(50), ..Plan::new(slow.url()?) },
            SOON,
        )?;
        tempt(&tempted)?;
        hang_again_and_again(hanging.signer()?)?;
        prometheus.wait_until_firing(
            &[
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
                ("PeelStoreFailing", "signer=full"),
                ("PeelStoreSlow", "signer=slow"),
                ("PeelSlow", "signer=hanging"),
            ],
            LIMIT,
        )?;
        println!(
            "all alerts of signers fire {:.0} s after their causes",
            began.elapsed().as_secs_f64()
        );
        drop((bakers, slow_baker));
        cloud.gateway.kill()?;
        prometheus.wait_until_firing(&[("PeelGatewayDown", "")], LIMIT)
    })
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

/// Asks for two blocks at one level, and for one at a level that is closed.
fn tempt(home: &Home<'_>) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let url = home.url()?;
    let ask = |level, variant| {
        let payload = sample_payload(Kind::Block, level, 0, variant);
        runtime.block_on(url.sign(&payload, SOON)).is_ok()
    };
    let answers = [ask(FLOOR + 1, 1), ask(FLOOR + 1, 2), ask(FLOOR, 1)];
    ensure!(answers == [true, false, false], "{answers:?}");
    Ok(())
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
