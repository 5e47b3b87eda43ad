//! Reports as a gateway makes them, for what draws them.

use daemon::health::{Fact, Verdict};
use daemon::report::Report;
use gateway::report::{
    AnswerReport, AnswerResult, GatewayReport, SessionReport, ShareReport, SharedKeyReport,
    SignerReport,
};

/// When all of this is: 2026-11-30 00:53:20 UTC.
pub(crate) const NOW: f64 = 1_796_000_000.0;

/// The clock at home goes fast by so many seconds.
const FAST: f64 = 2.5;

const DAY: f64 = 86_400.0;

fn fact(group: &'static str, subject: &str, state: &'static str, line: &str) -> Fact {
    judged((group, subject), state, Verdict::Good, 3.0 * DAY, line)
}

/// A fact that is so since `ago` seconds.
pub(crate) fn judged(
    (group, subject): (&'static str, &str),
    state: &'static str,
    verdict: Verdict,
    ago: f64,
    line: &str,
) -> Fact {
    let mut fact = Fact::new(group, state, verdict, line.to_owned()).about(subject);
    fact.since = NOW - ago;
    fact
}

fn signed(kind: &str, level: f64, ago: f64) -> Fact {
    let fact = fact("signed", &format!("baker_{kind}"), "signed", "");
    let fact = fact.with("level", level).with("round", 0.0).with("seconds", 0.212);
    fact.with("at", NOW + FAST - ago)
}

/// A signer's own facts when all is well.
fn facts() -> Vec<Fact> {
    let link = |subject, trip| fact("link", subject, "up", "up").with("round_trip", trip);
    let uplink = |name, metered, in_use| {
        fact("uplink", name, "up", "up").with("metered", metered).with("in_use", in_use)
    };
    vec![
        fact("watermark_store", "", "ok", "ok"),
        fact("key", "baker", "ready", "ready"),
        signed("attestation", 7_654_321.0, 3.0),
        signed("preattestation", 7_654_321.0, 5.0),
        signed("block", 7_653_902.0, 3400.0),
        link("1_eth0_signing", 0.0381),
        link("1_eth0_shell", 0.0384),
        link("1_wwan0_signing", 0.0742),
        uplink("eth0", 0.0, 1.0),
        uplink("wwan0", 1.0, 0.0),
        fact("power", "", "mains", "on mains").with("charge", 1.0),
        fact("clock", "", "synchronized", "within 3 ms"),
        fact("tunnel", "", "ok", "ok"),
        fact("protocol", "", "ok", "ok"),
    ]
}

fn session(service: &str, uplink: &str, metered: bool, round_trip: f64) -> SessionReport {
    SessionReport {
        service: service.to_owned(),
        uplink: uplink.to_owned(),
        metered,
        silent: false,
        since: NOW - 3.0 * DAY,
        round_trip: Some(round_trip),
    }
}

/// Times as a Ledger over two lines has them, the same at each call.
fn seconds(index: u32) -> f64 {
    let noise = f64::from((index * index * 61 + index * 7919) % 101) / 101.0;
    if index.is_multiple_of(37) { 0.7 + noise } else { 0.19 + noise * noise * 0.15 }
}

/// Two votes for each level of 6 s.
fn answers(count: u32) -> Vec<AnswerReport> {
    let answer = |index: u32| AnswerReport {
        at: NOW - 3.0 - f64::from(count - 1 - index) * 3.0,
        seconds: seconds(index),
        result: AnswerResult::Signed,
        kind: if index.is_multiple_of(2) { "preattestation" } else { "attestation" }.to_owned(),
        level: 7_654_321 - (count - 1 - index) / 2,
    };
    (0..count).map(answer).collect()
}

fn report(daemon: &'static str, now: f64, facts: Vec<Fact>) -> Report {
    let ready = daemon::health::is_ready(&facts);
    Report {
        daemon: daemon.into(),
        version: "0.1.0".into(),
        started: now - 9.0 * DAY,
        now,
        ready,
        facts,
    }
}

/// A signer of which all is well.
pub(crate) fn signer(name: &str) -> SignerReport {
    SignerReport {
        name: name.to_owned(),
        port: 8443,
        keys: vec!["tz2Ch1abG7FNiibmV26Uzgdsnfni9XGrk5wD".to_owned()],
        sessions: vec![
            session("signing", "eth0", false, 0.0381),
            session("signing", "wwan0", true, 0.0742),
            session("shell", "eth0", false, 0.0384),
        ],
        answers: answers(100),
        own: Some(report("signer", NOW + FAST - 1.0, facts())),
        age: Some(1.0),
    }
}

/// A gateway with these signers, each with the state and the line that the gateway has of it.
pub(crate) fn gateway(signers: Vec<(SignerReport, Fact)>) -> GatewayReport {
    let (signers, mut facts): (Vec<_>, Vec<_>) = signers.into_iter().unzip();
    let can_be_asked = facts.iter().any(Fact::is_good);
    let own = if can_be_asked {
        fact("signers", "", "ok", "at least one can be asked")
    } else {
        let line = "no signer can be asked";
        judged(("signers", ""), "failed", Verdict::Failed, 240.0, line)
    };
    facts.insert(0, own);
    facts.push(fact("certificate", "", "ok", "valid for 62 more days"));
    GatewayReport { own: report("gateway", NOW, facts), signers, shared_keys: Vec::new() }
}

/// With the gateway's fact that it is ready.
pub(crate) fn ready(name: &str) -> (SignerReport, Fact) {
    (signer(name), fact("signer", name, "ready", "ready"))
}

/// All is well.
pub(crate) fn well() -> GatewayReport {
    gateway(vec![ready("home"), ready("office")])
}

/// A key in shares, of which one is away.
pub(crate) fn shared() -> GatewayReport {
    let away =
        judged(("signer", "third"), "not_connected", Verdict::Degraded, 60.0, "not connected");
    let mut report = gateway(vec![ready("home"), ready("office"), (signer("third"), away)]);
    let share = |(index, signer, state): (u8, &str, &str)| ShareReport {
        index,
        signer: signer.to_owned(),
        state: state.to_owned(),
    };
    let shares = [(1, "home", "ready"), (2, "office", "ready"), (3, "third", "not_connected")];
    let key = "tz4HVR6aty9KwsQFHh81C1G7gBdhxT8kuHtm".to_owned();
    let line = "it signs, and not one share may fail any more: of 3 shares 2 are needed, and 2 can sign; third not connected: \
                mend it before another one fails";
    report.own.facts.push(judged(("shared_key", &key), "no_spare", Verdict::Degraded, 60.0, line));
    report.shared_keys =
        vec![SharedKeyReport { key, needed: 2, shares: shares.map(share).to_vec() }];
    report
}

/// One signer, as most bakers have.
pub(crate) fn single() -> GatewayReport {
    gateway(vec![ready("home")])
}

/// No signer is in the configuration.
pub(crate) fn empty() -> GatewayReport {
    gateway(Vec::new())
}

/// None has ever been there.
pub(crate) fn not_connected() -> GatewayReport {
    let line = "it has not connected since the gateway was started; look at it with \"peel status\" at home";
    gateway(["home", "office"].map(|name| away(name, None, line)).into())
}

fn away(name: &str, own: Option<Report>, line: &str) -> (SignerReport, Fact) {
    let age = own.as_ref().map(|_| 252.0);
    let mut answers = if own.is_some() { answers(62) } else { Vec::new() };
    answers.iter_mut().for_each(|answer| answer.at -= 247.0);
    let fact = judged(("signer", name), "not_connected", Verdict::Degraded, 247.0, line);
    (SignerReport { sessions: Vec::new(), answers, own, age, ..signer(name) }, fact)
}

/// A signer whose Ledger is locked, and whose first line is dead.
fn locked() -> (SignerReport, Fact) {
    let mut signer = signer("home");
    signer.sessions.retain(|session| session.uplink != "eth0");
    let own = signer.own.as_mut().unwrap();
    own.facts.retain(|fact| !matches!(fact.subject.as_str(), "baker" | "eth0"));
    own.facts.retain(|fact| !fact.subject.starts_with("1_eth0"));
    let bad = |about, state, verdict, ago, line| judged(about, state, verdict, ago, line);
    own.facts.extend([
        bad(
            ("key", "baker"),
            "device_locked",
            Verdict::Failed,
            95.0,
            "the Ledger is locked; enter its PIN",
        ),
        bad(
            ("uplink", "eth0"),
            "no_carrier",
            Verdict::Degraded,
            2460.0,
            "no carrier; is the cable in, and the router on?",
        ),
        bad(
            ("link", "1_eth0_signing"),
            "dialling",
            Verdict::Degraded,
            2460.0,
            "the network is unreachable",
        ),
        bad(
            ("link", "1_eth0_shell"),
            "dialling",
            Verdict::Degraded,
            2460.0,
            "the network is unreachable",
        ),
    ]);
    for (index, answer) in signer.answers.iter_mut().rev().take(30).enumerate() {
        answer.result = AnswerResult::Declined;
        answer.seconds = 0.041;
        if index % 9 == 4 {
            answer.result = AnswerResult::Unanswered;
            answer.seconds = 15.0;
        }
    }
    let line = "it is there, but cannot sign: key baker: the Ledger is locked";
    (signer, judged(("signer", "home"), "not_ready", Verdict::Degraded, 95.0, line))
}

/// A signer that went away on its battery.
fn drained() -> (SignerReport, Fact) {
    let low = "on battery for 41 min, and it is nearly empty; restore mains";
    let power =
        judged(("power", ""), "battery_low", Verdict::Degraded, 600.0, low).with("charge", 0.07);
    let mut facts = facts();
    facts.retain(|fact| fact.group != "power");
    facts.push(power);
    let own = report("signer", NOW + FAST - 252.0, facts);
    let line = "no connection; are the computer and a line on? At home, \"peel status\" says more";
    away("cabin", Some(own), line)
}

/// A stock autossh box, of which nothing is known.
fn autossh() -> (SignerReport, Fact) {
    let session = SessionReport {
        uplink: String::new(),
        round_trip: None,
        ..session("signing", "", false, 0.0)
    };
    let signer =
        SignerReport { sessions: vec![session], own: None, age: None, ..signer("old-box") };
    let line = "connected; it is not Peel, and says nothing of its device";
    (signer, fact("signer", "old-box", "connected", line))
}

/// Nothing is known to be wrong, but not all is known.
pub(crate) fn unsure() -> GatewayReport {
    gateway(vec![ready("home"), autossh()])
}

/// Several things are wrong.
pub(crate) fn wrong() -> GatewayReport {
    gateway(vec![ready("office"), locked(), drained(), autossh()])
}

/// Twenty signers, three of them with troubles.
pub(crate) fn twenty() -> GatewayReport {
    let cities = [
        "amsterdam",
        "bergen",
        "cork",
        "dresden",
        "essen",
        "faro",
        "gent",
        "helsinki",
        "innsbruck",
        "jena",
        "krakow",
        "lyon",
        "malaga",
        "nantes",
        "oslo",
        "porto",
        "riga",
    ];
    let mut signers: Vec<_> = cities.map(ready).into();
    signers.splice(4..4, [locked(), drained(), autossh()]);
    gateway(signers)
}

/// Everything that a signer can say to break the page that shows it.
pub(crate) fn hostile() -> GatewayReport {
    let script = "<script>document.title='broken'</script>\"'><img src=x onerror=alert(1)>\0\u{202e}\r\ndata: x";
    let mut signer = signer(script);
    signer.keys = vec![script.to_owned(); 1000];
    signer.age = Some(f64::NAN);
    for session in &mut signer.sessions {
        session.uplink = "w".repeat(100_000);
        session.round_trip = Some(f64::INFINITY);
    }
    for (answer, seconds) in
        signer.answers.iter_mut().zip([f64::NAN, f64::INFINITY, -1.0, 1e300, 0.0])
    {
        (answer.seconds, answer.at, answer.kind) = (seconds, seconds, script.to_owned());
    }
    let own = signer.own.as_mut().unwrap();
    own.version = "9".repeat(10_000).into();
    (own.now, own.started) = (f64::NEG_INFINITY, f64::NAN);
    for group in ["key", "uplink", "link", "signed", "power", "x"] {
        let line = script.repeat(20);
        let mut fact = judged((group, script), "", Verdict::Failed, f64::NAN, &line);
        fact.state = script.to_owned().into();
        let fact = fact.with("level", f64::NAN).with("charge", 1e300).with("at", 1e300);
        own.facts.extend(vec![fact; 1000]);
    }
    own.facts[0].line = script.repeat(10_000);
    own.facts.rotate_left(900);
    let fact = judged(("signer", script), "not_ready", Verdict::Failed, f64::NAN, script);
    gateway(vec![(signer, fact)])
}
