//! The baker asks as octez does, and checks every answer.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::io::{BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use lab::baker::{Baker, Outcome, Plan, Record};
use tezos::{BlsScheme, Kind, SecretKey, sample_payload};

const SECRET: &str = "edsk3gUfUPyBSfrS9CCgmCiQsTCHGkviBDusMxDJstFtojtc1zcpsh";
const SOON: Duration = Duration::from_secs(10);
const FIRST: u32 = 1_000;

/// What a made-up signer answers.
#[derive(Clone, Copy)]
enum Answer {
    /// A signature of the bytes that were sent, whatever they are.
    Sign,
    /// A signature of other bytes.
    SignOther,
    Status(u16),
}

/// A signer that gives `script` for the first signing requests, and signs what comes after.
fn signer(script: &'static [Answer]) -> Plan {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let key = SecretKey::from_base58(SECRET).unwrap();
    let url = format!("http://{address}/{}", key.hash()).parse().unwrap();
    thread::spawn(move || {
        let mut script = script.iter();
        for stream in listener.incoming() {
            let _ = answer(stream.unwrap(), &key, &mut script);
        }
    });
    Plan { period: Duration::from_millis(5), first_level: FIRST, ..Plan::new(url) }
}

fn answer(
    mut stream: TcpStream,
    key: &SecretKey,
    script: &mut std::slice::Iter<'_, Answer>,
) -> std::io::Result<()> {
    let request = read(&stream)?;
    let (status, body) = if request.starts_with("GET /authorized_keys") {
        (200, "{}".to_owned())
    } else if request.starts_with("GET /keys/") {
        (200, format!("{{\"public_key\":\"{}\"}}", key.public_key()))
    } else {
        let sign = |bytes: &[u8]| {
            let signature = key.sign(bytes, BlsScheme::default()).unwrap();
            (200, format!("{{\"signature\":\"{signature}\"}}"))
        };
        match script.next().copied().unwrap_or(Answer::Sign) {
            Answer::Sign => sign(&sent(&request)),
            Answer::SignOther => sign(&sample_payload(Kind::Attestation, 1, 0, 1)),
            Answer::Status(status) => (status, "[]".to_owned()),
        }
    };
    let length = body.len();
    write!(
        stream,
        "HTTP/1.1 {status} x\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\
         connection: close\r\n\r\n{body}"
    )
}

/// A whole request: a GET ends with its head, a POST with its last chunk.
fn read(stream: &TcpStream) -> std::io::Result<String> {
    stream.set_read_timeout(Some(SOON))?;
    let mut text = String::new();
    for byte in BufReader::new(stream).bytes() {
        text.push(char::from(byte?));
        let end = if text.starts_with("POST") { "\r\n0\r\n\r\n" } else { "\r\n\r\n" };
        if text.ends_with(end) {
            break;
        }
    }
    Ok(text)
}

/// The bytes to sign: hex, in quotes.
fn sent(request: &str) -> Vec<u8> {
    let digits = request.rsplit('"').nth(1).unwrap();
    let byte = |at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap();
    (0..digits.len()).step_by(2).map(byte).collect()
}

/// The life of a baker until it has so many signatures.
fn bake(plan: Plan, signatures: usize) -> anyhow::Result<Record> {
    let baker = Baker::start(plan, SOON)?;
    baker.wait_for_signatures(signatures, SOON)?;
    baker.finish()
}

#[test]
fn levels_rise_and_every_signature_is_noted() {
    let record = bake(signer(&[]), 20).unwrap();
    let levels: Vec<u32> = record.requests().iter().map(|request| request.level).collect();
    let expected: Vec<u32> = (FIRST..).take(levels.len()).collect();
    assert_eq!(levels, expected);
    assert!(record.failures().is_empty() && record.signatures() >= 20, "{record}");
    assert!(record.median() <= record.p99() && record.p99() <= record.slowest());
    assert!(record.longest_gap().unwrap() >= Duration::from_millis(1));
}

#[test]
fn only_502_is_asked_again() {
    let script = &[Answer::Status(502), Answer::Status(502), Answer::Sign, Answer::Status(500)];
    let record = bake(signer(script), 2).unwrap();
    let [first, second, ..] = record.requests() else { panic!("{record}") };
    assert!(first.outcome.is_signed() && first.asked_again == 2, "{first:?}");
    assert!(first.took >= Duration::from_millis(100), "{first:?}");
    assert!(matches!(second.outcome, Outcome::Refused(_)) && second.asked_again == 0);
}

#[test]
fn after_ten_attempts_in_3_6_seconds_it_gives_up() {
    let record = bake(signer(&[Answer::Status(502); 10]), 1).unwrap();
    let [first, second, ..] = record.requests() else { panic!("{record}") };
    assert!(matches!(first.outcome, Outcome::Failed(_)) && first.asked_again == 9, "{first:?}");
    assert!(first.took >= Duration::from_millis(3600), "{first:?}");
    assert!(second.outcome.is_signed(), "the tenth was not the last: {second:?}");
}

#[test]
fn a_signature_of_something_else_is_none() {
    let record = bake(signer(&[Answer::SignOther]), 1).unwrap();
    assert!(matches!(&record.requests()[0].outcome, Outcome::Failed(why) if why.contains("not")));
}

#[test]
fn two_signatures_at_one_mark_are_an_error() {
    let sign_all = Plan { tempts: true, ..signer(&[]) };
    let error = bake(sign_all, 1).unwrap_err().to_string();
    assert_eq!(error, "two different signatures at level 1000");
    const KEEPS_THE_RULE: [Answer; 6] = {
        let (yes, no) = (Answer::Sign, Answer::Status(500));
        [yes, no, yes, no, yes, no]
    };
    let baker = Baker::start(Plan { tempts: true, ..signer(&KEEPS_THE_RULE) }, SOON).unwrap();
    baker.wait_for_signatures(2, SOON).unwrap();
    assert_eq!(baker.so_far().requests()[..2].iter().filter(|r| r.also_signed).count(), 0);
}
