//! Promised: several signers at one gateway do not disturb each other; each is known by its ssh key and
//! its port, and asked for its own key alone. Two with one key are never both asked.

use lab::baker::{Baker, Plan};
use lab::home::SignerHome;
use lab::net::{Internet, in_test};
use signer_api::client::{ClientError, SignerUrl};
use tezos::{Kind, Signature, sample_payload};
use tunnel::Identity;

use crate::fixture::{ALL, BOTH_LINES, Cloud, Home, PERIOD, PORT, SOON, loopback, start};

const OTHER_PORT: u16 = PORT + 1;
/// Above every level that a baker here comes to.
const LATER: u32 = 100_000;

/// Two signers, connected to one gateway over both lines.
fn two<'a>(
    internet: &'a Internet,
    files: [SignerHome; 2],
) -> anyhow::Result<(Cloud, Home<'a>, Home<'a>)> {
    let [one, other] = files;
    let mut one = Home::new(internet, ("one", PORT), one);
    let mut other = Home::new(internet, ("other", OTHER_PORT), other);
    let host_key = Identity::generate("gateway")?;
    let cloud = Cloud::new(&host_key, &[one.entry(), other.entry()])?;
    for home in [&mut one, &mut other] {
        home.configure(&host_key, &BOTH_LINES, None)?;
        home.init()?;
        home.start()?;
    }
    for home in [&one, &other] {
        cloud.wait_for_sessions(home.name, 2)?;
    }
    Ok((cloud, one, other))
}

fn bake(kind: Kind, url: SignerUrl) -> anyhow::Result<Baker> {
    start(Plan { period: PERIOD, kind, ..Plan::new(url) })
}

fn ask_once(url: &SignerUrl) -> anyhow::Result<Result<Signature, ClientError>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let payload = sample_payload(Kind::Attestation, LATER, 0, 1);
    Ok(runtime.block_on(url.sign(&payload, SOON)))
}

#[test]
fn each_is_asked_for_its_own_key_and_one_may_die() -> anyhow::Result<()> {
    let name = "two_signers_two_keys::each_is_asked_for_its_own_key_and_one_may_die";
    in_test(name, |internet| {
        let (cloud, mut one, other) = two(internet, [SignerHome::new()?, SignerHome::new()?])?;
        let by_own_key = bake(Kind::Attestation, one.url_at(ALL)?)?;
        let by_key = bake(Kind::Attestation, other.url_at(ALL)?)?;
        let by_port = bake(Kind::Preattestation, other.url()?)?;
        let foreign = ask_once(&one.url_at(loopback(OTHER_PORT))?)?;
        let refused = matches!(&foreign, Err(ClientError::Answer { status: 500, .. }));
        assert!(refused, "{foreign:?}");

        let own = by_own_key.finish()?;
        assert!(own.failures().is_empty(), "{own}");
        one.signer()?.kill()?;
        cloud.wait_for_sessions(one.name, 0)?;
        assert!(matches!(ask_once(&one.url()?)?, Err(ClientError::AskAgain { .. })));
        for baker in [by_key, by_port] {
            baker.wait_for_signatures(10, SOON)?;
            let record = baker.finish()?;
            println!("beside one that dies: {record}");
            assert!(record.failures().is_empty(), "{:?}", record.failures());
        }
        Ok(())
    })
}

#[test]
fn of_two_with_one_key_the_second_is_a_cold_standby() -> anyhow::Result<()> {
    let name = "two_signers_two_keys::of_two_with_one_key_the_second_is_a_cold_standby";
    in_test(name, |internet| {
        let files = SignerHome::new()?;
        let twin = files.twin()?;
        let (cloud, mut one, mut other) = two(internet, [files, twin])?;
        let says_so = || -> anyhow::Result<bool> {
            let answer = ask_once(&other.url()?)?;
            Ok(matches!(answer, Err(ClientError::Answer { status: 500, message, .. })
                if message.contains("cold standby") && message.contains("\"one\"")))
        };
        assert!(says_so()?, "{:?}", ask_once(&other.url()?)?);
        bake(Kind::Attestation, one.url_at(ALL)?)?.finish()?;
        one.signer()?.kill()?;
        cloud.wait_for_sessions(one.name, 0)?;
        // Also when the first is gone: whether it is off for good, its operator knows.
        assert!(says_so()?);
        assert!(matches!(ask_once(&one.url_at(ALL)?)?, Err(ClientError::AskAgain { .. })));
        let log = other.signer()?.log()?;
        assert!(!log.contains("signed"), "{log}");
        Ok(())
    })
}
