//! Promised: a signature that is being made when a daemon is told to stop still reaches the baker, and
//! the daemon ends well and in time.

use std::thread;
use std::time::{Duration, Instant};

use lab::home::SignerHome;
use lab::net::{Internet, in_test};
use lab::process::Daemon;
use lab::wait;
use ledger_sim::{Config, Curve, Device, Fault, Instruction, Path, Setup};
use signer_api::client::{ClientError, SignerUrl};
use tezos::{ChainId, Kind, PublicKeyHash, Signature, sample_payload};

use crate::fixture::{BOTH_LINES, FLOOR, Fixture, SOON, loopback};

/// The first key of the simulated Ledger's public seed.
const KEY: &str = "tz2Q3U8EbGayZzK2Vwap5JQJFmJEbwURe77o";
/// The device's answer is held back for so long.
const IN_THE_DEVICE: Duration = Duration::from_millis(1500);
/// The grace that a daemon has is 18 s. What is begun here takes a fraction of it.
const END: Duration = Duration::from_secs(10);

/// A Ledger at home that is set up; dropping it closes its port.
struct Ledger<'a>(&'a Internet, Option<Device>);

impl Ledger<'_> {
    fn plug_in(internet: &Internet) -> anyhow::Result<Ledger<'_>> {
        let setup = Setup {
            curve: Curve::Secp256k1,
            path: Path::FIRST,
            chain_id: ChainId::MAINNET.to_bytes(),
            level: FLOOR,
        };
        let config = Config { setup: Some(setup), ..Config::default() };
        let device = internet.home().on_thread(|| Ok(Device::start(loopback(0), &config)?))?;
        Ok(Ledger(internet, Some(device)))
    }

    fn device(&self) -> &Device {
        self.1.as_ref().unwrap()
    }
}

impl Drop for Ledger<'_> {
    fn drop(&mut self) {
        let device = self.1.take();
        // It ends its listener by a connection to it.
        let _ = self.0.home().on_thread(move || {
            drop(device);
            Ok(())
        });
    }
}

fn ask(url: &SignerUrl, level: u32) -> anyhow::Result<Result<Signature, ClientError>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let payload = sample_payload(Kind::Attestation, level, 0, 1);
    Ok(runtime.block_on(url.sign(&payload, SOON)))
}

/// SIGTERM to one of the daemons while a signature is in the device.
fn stop(
    internet: &Internet,
    whom: impl for<'a> Fn(&'a mut Fixture<'_>) -> anyhow::Result<&'a mut Daemon>,
) -> anyhow::Result<()> {
    let ledger = Ledger::plug_in(internet)?;
    let key: PublicKeyHash = KEY.parse()?;
    let files = SignerHome::with_ledger(ledger.device().address(), key)?;
    let mut fixture = Fixture::with(internet, files, &BOTH_LINES, None)?;
    let url = fixture.home.url()?;
    let signs = || Ok(ask(&url, FLOOR + 1)?.is_ok().then_some(()));
    wait::until("the Ledger is found", SOON, signs)?;

    let before = ledger.device().signatures();
    ledger.device().inject(Fault::Late(Instruction::SignWithHash, IN_THE_DEVICE));
    thread::scope(|scope| {
        let asking = scope.spawn(|| Ok((ask(&url, FLOOR + 2)?, Instant::now())));
        let is_in = || Ok((ledger.device().signatures() > before).then_some(()));
        wait::until("the signature is in the device", SOON, is_in)?;
        let daemon = whom(&mut fixture)?;
        let told = Instant::now();
        let status = daemon.stop(END)?;
        let ended = told.elapsed();
        let asked: anyhow::Result<_> = asking.join().unwrap();
        let (answer, answered) = asked?;
        println!("an answer {:?} after SIGTERM, the end after {ended:?}", answered - told);
        assert!(answered > told, "the signature was out of the device before: nothing is shown");
        assert!(answer.is_ok(), "{answer:?}");
        assert_eq!(status.code(), Some(0), "{}", daemon.log()?);
        Ok(())
    })
}

#[test]
fn the_signer_answers_before_it_goes() -> anyhow::Result<()> {
    in_test("sigterm_finishes_what_it_began::the_signer_answers_before_it_goes", |internet| {
        stop(internet, |fixture| fixture.home.signer())
    })
}

#[test]
fn the_gateway_passes_the_answer_on_before_it_goes() -> anyhow::Result<()> {
    let name = "sigterm_finishes_what_it_began::the_gateway_passes_the_answer_on_before_it_goes";
    in_test(name, |internet| stop(internet, |fixture| Ok(&mut fixture.cloud.gateway)))
}
