//! `kill -9` of the real binary, again and again, at any moment.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::HashMap;
use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

use daemon::free_port;
use signer_api::client::{ClientError, SignerUrl};
use tezos::{Kind, Level, SecretKey, Signature, sample_payload};
use watermark::Records;

const KILLS: usize = 80;
const LIMIT: Duration = Duration::from_secs(5);
const SECRET: &str = "edsk3gUfUPyBSfrS9CCgmCiQsTCHGkviBDusMxDJstFtojtc1zcpsh";

struct Home {
    folder: tempfile::TempDir,
    url: SignerUrl,
}

impl Home {
    fn new() -> Home {
        let folder = tempfile::tempdir().unwrap();
        let port = free_port::choose().unwrap();
        write_secret(&folder.path().join("key"), &format!("unencrypted:{SECRET}\n"));
        let config = format!(
            "chains = [\"mainnet\"]\n[state]\ndirectory = \".\"\n[http]\n\
             listen = \"127.0.0.1:{port}\"\n[[key]]\nname = \"baker\"\nsecret_key_file = \"key\"\n\
             [level_bound]\nmargin = 1000000\n"
        );
        fs::write(folder.path().join("signer.toml"), config).unwrap();
        let key = SecretKey::from_base58(SECRET).unwrap().hash();
        let mut records = Records::open_or_create(&folder.path().join("watermark.db")).unwrap();
        records.add(key, tezos::ChainId::MAINNET, Level::try_from(0_i64).ok()).unwrap();
        Home { folder, url: format!("http://127.0.0.1:{port}/{key}").parse().unwrap() }
    }

    async fn start(&self) -> Child {
        let log = File::options().create(true).append(true).open(self.folder.path().join("log"));
        let child = Command::new(env!("CARGO_BIN_EXE_peel"))
            .args(["signer", "run", "--config"])
            .arg(self.folder.path().join("signer.toml"))
            .env("RUST_LOG", "warn")
            .stderr(log.unwrap())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let end = Instant::now() + Duration::from_secs(20);
        while self.url.public_key(LIMIT).await.is_err() {
            let log = fs::read_to_string(self.folder.path().join("log")).unwrap();
            assert!(Instant::now() < end, "it did not start: {log}");
            tokio::task::yield_now().await;
        }
        child
    }
}

fn write_secret(path: &Path, text: &str) {
    use std::os::unix::fs::PermissionsExt;
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

/// A small generator; its seed is printed, so that a failure can be had again.
struct Dice(u64);

impl Dice {
    fn throw(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }
}

/// Every answer that was ever received, by kind, level and round.
#[derive(Default)]
struct Answers {
    all: HashMap<(Kind, u32, u32), Signature>,
    /// How many were signed while a kill was on its way.
    before_kills: usize,
    /// What each kind was signed last, and what was asked when the signer was killed.
    last: HashMap<Kind, (Asked, Signature)>,
    in_flight: Option<Asked>,
}

/// Kind, level, round, and which bytes.
type Asked = (Kind, u32, u32, u8);

async fn ask(
    url: &SignerUrl,
    (kind, level, round, variant): Asked,
) -> Result<Signature, ClientError> {
    url.sign(&sample_payload(kind, level, round, variant), LIMIT).await
}

impl Answers {
    /// Asks for votes around `level`, higher and higher, with any bytes, until the signer is gone.
    async fn ask_until_gone(&mut self, url: &SignerUrl, dice: &mut Dice, level: &mut u32) {
        loop {
            let kind = if dice.throw(2) == 0 { Kind::Preattestation } else { Kind::Attestation };
            let back = u32::try_from(dice.throw(4)).unwrap();
            let at = level.saturating_sub(back).max(1);
            let round = u32::try_from(dice.throw(2)).unwrap();
            let asked = (kind, at, round, u8::from(dice.throw(2) == 1));
            self.in_flight = Some(asked);
            match ask(url, asked).await {
                Ok(signature) => {
                    self.note(asked, signature);
                    self.before_kills += 1;
                }
                Err(ClientError::Answer { .. }) => {}
                Err(_) => return,
            }
            self.in_flight = None;
            *level += u32::from(dice.throw(3) == 0);
        }
    }

    fn note(&mut self, asked: Asked, signature: Signature) {
        let (kind, level, round, _) = asked;
        let before = self.all.insert((kind, level, round), signature.clone());
        assert!(
            before.is_none_or(|before| before == signature),
            "two signatures at {kind} {level} {round}"
        );
        let mark = |asked: &Asked| (asked.1, asked.2);
        if self.last.get(&kind).is_none_or(|(last, _)| mark(last) <= mark(&asked)) {
            self.last.insert(kind, (asked, signature));
        }
    }

    /// After a kill: what was answered last is answered again, unless something else may have been signed since, and
    /// the next level is signed.
    async fn nothing_is_given_up(&mut self, url: &SignerUrl, level: &mut u32) {
        for (asked, signature) in self.last.values() {
            if self.in_flight.is_none_or(|(kind, ..)| kind != asked.0) {
                assert_eq!(ask(url, *asked).await.as_ref(), Ok(signature), "{asked:?} is lost");
            }
        }
        *level += 1;
        for kind in [Kind::Preattestation, Kind::Attestation] {
            let asked = (kind, *level, 0, 0);
            let signed = ask(url, asked).await;
            self.note(asked, signed.unwrap_or_else(|why| unreachable!("{asked:?}: {why}")));
        }
    }
}

#[test]
fn no_kill_at_any_moment_leads_to_two_signatures_at_one_mark_or_gives_up_a_level() {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    let seed = now.as_secs() << 30 | u64::from(now.subsec_nanos()) | 1;
    println!("seed {seed}");
    let (home, mut dice) = (Home::new(), Dice(seed));
    let (mut answers, mut level) = (Answers::default(), 1);
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        for _ in 0..KILLS {
            let mut signer = home.start().await;
            answers.nothing_is_given_up(&home.url, &mut level).await;
            let lives = Duration::from_micros(dice.throw(60_000));
            let killing = async {
                tokio::time::sleep(lives).await;
                signer.kill().unwrap();
                signer.wait().unwrap();
            };
            tokio::join!(killing, answers.ask_until_gone(&home.url, &mut dice, &mut level));
        }
    });
    println!("{KILLS} kills, {} marks signed, up to level {level}", answers.all.len());
    assert!(answers.before_kills > KILLS, "it hardly signed anything: {}", answers.before_kills);
}
