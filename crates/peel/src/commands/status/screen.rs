//! The screen of `peel status`. What a daemon says is text of another process: nothing of it moves the cursor.

use std::cmp::Reverse;
use std::fmt::Write;

use daemon::{Fact, Verdict};
use gateway::report::{AnswerResult, SignerReport};

use crate::commands::status::Answer;

/// Wide enough for a group and a subject; what is longer moves the rest of its line.
const NAME_WIDTH: usize = 30;
const LONGEST_LINE: usize = 400;
const GREEN: &str = "\x1b[32m";
const RED: &str = "\x1b[31m";
const YELLOW: &str = "\x1b[33m";
const PLAIN: &str = "\x1b[0m";
/// Seconds in a minute, an hour, a day.
const UNITS: [(f64, &str); 3] = [(86400.0, "d"), (3600.0, "h"), (60.0, "min")];

/// The facts that a person can do something about, the worst first: the daemon's own, and, of a gateway, those of its
/// signers beside what it says of them itself.
pub(super) fn complaints(answer: &Answer) -> Vec<&Fact> {
    let of = |verdict| all(answer).filter(move |fact| fact.verdict == verdict);
    of(Verdict::Failed).chain(of(Verdict::Degraded)).collect()
}

fn all(answer: &Answer) -> impl Iterator<Item = &Fact> {
    let signers: &[SignerReport] = match answer {
        Answer::Signer(_) => &[],
        Answer::Gateway(gateway) => &gateway.signers,
    };
    let of_signers = signers.iter().filter_map(|signer| signer.own.as_ref());
    answer.report().facts.iter().chain(of_signers.flat_map(|own| &own.facts))
}

/// All of it as text; in colours, where they are shown.
pub(super) fn draw(answer: &Answer, at: &str, in_colour: bool) -> String {
    let report = answer.report();
    let up = age(report.now - report.started);
    let mut text =
        format!("peel {} {} at {at}, up {up}\n\n", clean(&report.daemon), clean(&report.version));
    headline(&mut text, answer, in_colour);
    let mut facts: Vec<&Fact> = report.facts.iter().filter(|fact| !is_detail(fact)).collect();
    facts.sort_by_key(|fact| Reverse(rank(fact)));
    for fact in facts {
        line(&mut text, fact, report.now, in_colour);
    }
    let signatures: Vec<&Fact> = report.of_group("signed").collect();
    if !signatures.is_empty() {
        text.push_str("\nlast signatures\n");
        signatures.iter().for_each(|fact| signature(&mut text, fact, report.now));
    }
    if let Answer::Gateway(gateway) = answer {
        gateway.signers.iter().for_each(|signer| of_signer(&mut text, signer, in_colour));
    }
    text.trim_end().to_owned()
}

/// What is wrong stands first, the worst at the head; what is good in its own order.
fn rank(fact: &Fact) -> u8 {
    match fact.verdict {
        Verdict::Failed => 3,
        Verdict::Degraded => 2,
        Verdict::Unknown => 1,
        Verdict::Good => 0,
    }
}

fn headline(text: &mut String, answer: &Answer, in_colour: bool) {
    let count = complaints(answer).len();
    let is_all_known = all(answer).all(|fact| fact.verdict != Verdict::Unknown);
    let (words, colour) = match (answer.report().ready, count) {
        (true, 0) if is_all_known => ("all is well".to_owned(), GREEN),
        (true, 0) => ("nothing is known to be wrong".to_owned(), GREEN),
        (true, count) => (format!("ready, and {} wrong", things(count)), YELLOW),
        (false, count) => (format!("NOT READY: {} wrong", things(count)), RED),
    };
    put(text, format_args!("{}\n\n", painted(&words, colour, in_colour)));
}

fn things(count: usize) -> String {
    if count == 1 { "one thing is".to_owned() } else { format!("{count} things are") }
}

/// Shown elsewhere on the screen, or of no use to a person.
fn is_detail(fact: &Fact) -> bool {
    matches!(&*fact.group, "signed" | "session")
}

fn line(text: &mut String, fact: &Fact, now: f64, in_colour: bool) {
    let (mark, colour) = match fact.verdict {
        Verdict::Good => ("[+]", GREEN),
        Verdict::Unknown => ("[?]", YELLOW),
        Verdict::Degraded => ("[-]", YELLOW),
        Verdict::Failed => ("[-]", RED),
    };
    let (mark, name) = (painted(mark, colour, in_colour), clean(&fact.name()));
    let (state, said) = (clean(&fact.state), clean(&fact.line));
    let said = if said == "ok" || said == state { String::new() } else { format!(": {said}") };
    let since =
        if fact.since > 0.0 { format!("  (for {})", age(now - fact.since)) } else { String::new() };
    let round_trip =
        fact.figure("round_trip").map_or_else(String::new, |it| format!(", {}", time(it)));
    put(text, format_args!("{mark} {name:NAME_WIDTH$} {state}{said}{round_trip}{since}\n"));
}

fn signature(text: &mut String, fact: &Fact, now: f64) {
    let name = clean(&fact.subject);
    let figure = |name| fact.figure(name).unwrap_or_default();
    if fact.state == "signed" {
        let (level, round) = (figure("level"), figure("round"));
        let (took, ago) = (time(figure("seconds")), age(now - figure("at")));
        put(
            text,
            format_args!(
                "    {name:NAME_WIDTH$} level {level}, round {round}, in {took}, {ago} ago\n"
            ),
        );
    } else {
        put(text, format_args!("    {name:NAME_WIDTH$} {}\n", clean(&fact.line)));
    }
}

fn of_signer(text: &mut String, signer: &SignerReport, in_colour: bool) {
    put(text, format_args!("\nsigner {} at port {}\n", clean(&signer.name), signer.port));
    for session in &signer.sessions {
        let uplink = if session.uplink.is_empty() { "any" } else { &session.uplink };
        let metered = if session.metered { ", metered" } else { "" };
        let silent = if session.silent { ", silent" } else { "" };
        let round_trip =
            session.round_trip.map_or_else(String::new, |it| format!(", {}", time(it)));
        let service = clean(&session.service);
        let name = format!("{service} over {}", clean(uplink));
        put(text, format_args!("    {name:NAME_WIDTH$} open{round_trip}{metered}{silent}\n"));
    }
    answers(text, signer);
    let Some(own) = &signer.own else { return };
    let old = signer.age.filter(|age| *age > 15.0);
    if let Some(old) = old {
        put(text, format_args!("    it said this {} ago:\n", age(old)));
    }
    for fact in own.facts.iter().filter(|fact| !fact.is_good()) {
        text.push_str("    ");
        line(text, fact, own.now, in_colour);
    }
}

fn answers(text: &mut String, signer: &SignerReport) {
    let of = |result| signer.answers.iter().filter(|answer| answer.result == result).count();
    let mut times: Vec<f64> = signer.answers.iter().map(|answer| answer.seconds).collect();
    times.sort_by(f64::total_cmp);
    let (Some(median), Some(slowest)) = (times.get(times.len() / 2), times.last()) else { return };
    let [signed, declined, unanswered] =
        [AnswerResult::Signed, AnswerResult::Declined, AnswerResult::Unanswered].map(of);
    let name = format!("last {} answers", times.len());
    let (median, slowest) = (time(*median), time(*slowest));
    put(
        text,
        format_args!(
            "    {name:NAME_WIDTH$} {signed} signed, {declined} declined, {unanswered} unanswered; median {median}, slowest {slowest}\n"
        ),
    );
}

/// A String takes all that is written.
fn put(text: &mut String, words: std::fmt::Arguments<'_>) {
    let _ = text.write_fmt(words);
}

fn painted(text: &str, colour: &str, in_colour: bool) -> String {
    if in_colour { format!("{colour}{text}{PLAIN}") } else { text.to_owned() }
}

/// Text of another process, of bounded length and without control characters.
pub(crate) fn clean(text: &str) -> String {
    let shown = |c: char| if c.is_control() { '?' } else { c };
    text.chars().take(LONGEST_LINE).map(shown).collect()
}

/// A span of time in its largest unit, as in "3 h".
pub(crate) fn age(seconds: f64) -> String {
    let seconds = seconds.max(0.0);
    let fitting = UNITS.iter().find(|(unit, _)| seconds >= *unit);
    let (unit, name) = fitting.copied().unwrap_or((1.0, "s"));
    format!("{:.0} {name}", (seconds / unit).floor())
}

/// A time that an answer takes.
fn time(seconds: f64) -> String {
    if seconds < 1.0 { format!("{:.0} ms", seconds * 1000.0) } else { format!("{seconds:.1} s") }
}

#[cfg(test)]
mod tests {
    use daemon::report::Report;

    use super::*;

    fn report(facts: Vec<Fact>) -> Report {
        let ready = daemon::health::is_ready(&facts);
        let (daemon, version) = ("signer".into(), "0.1.0".into());
        Report { daemon, version, started: 1000.0, now: 8200.0, ready, facts }
    }

    fn drawn(facts: Vec<Fact>) -> String {
        draw(&Answer::Signer(report(facts)), "127.0.0.1:9584", false)
    }

    #[test]
    fn what_is_wrong_is_counted_at_the_top() {
        assert!(drawn(vec![Fact::vital("watermark_store", Ok(()))]).contains("all is well"));
        let locked = Fact::new("key", "device_locked", Verdict::Failed, "enter the PIN".to_owned());
        let text = drawn(vec![locked.about("baker")]);
        assert!(text.contains("NOT READY: one thing is wrong"), "{text}");
        assert!(text.contains("[-] key_baker"), "{text}");
        assert!(text.contains("device_locked: enter the PIN"), "{text}");
        assert!(text.contains("up 2 h"), "{text}");
    }

    #[test]
    fn the_last_signature_is_shown_with_its_time() {
        let signed = Fact::new("signed", "signed", Verdict::Good, String::new())
            .about("baker_block")
            .with("level", 7.0)
            .with("round", 0.0)
            .with("seconds", 0.231)
            .with("at", 8196.0);
        let text = drawn(vec![signed]);
        assert!(text.contains("level 7, round 0, in 231 ms, 4 s ago"), "{text}");
    }

    #[test]
    fn what_a_daemon_says_does_not_move_the_cursor() {
        let evil = Fact::partial("protocol", Err("\x1b[2Jgone\nall is well".to_owned()));
        let text = drawn(vec![evil]);
        assert!(!text.contains('\x1b') && !text.contains("\nall is well"), "{text:?}");
    }
}
