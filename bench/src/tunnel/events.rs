//! What happens to lines and endpoints, and how long a baker is without an answer.

use std::thread;
use std::time::{Duration, Instant};

use lab::baker::Baker;
use lab::home::Uplink;
use lab::net::{Internet, Line};

use crate::report::Row;
use crate::tunnel::fixture::{
    PeelFixture, START, UsualFixture, await_answer, switch_route_when_dead,
};

/// A request every 0.2 s.
const PERIOD: Duration = Duration::from_millis(200);
const CALM: Duration = Duration::from_secs(3);
const SILENCE: Duration = Duration::from_secs(15);
const CUT: Duration = Duration::from_secs(30);
const AWAY: Duration = Duration::from_secs(2);
/// The usual stack was seen to take over 145 s: longer than this is not waited for.
const OUTAGE_LIMIT: Duration = Duration::from_secs(90);
const LOOK: Duration = Duration::from_secs(5);

const BOTH: [Uplink; 2] =
    [Uplink { line: Line::Wired, metered: false }, Uplink { line: Line::Mobile, metered: true }];

/// Nothing is closed, nothing comes through.
pub(super) fn main_line_silent(internet: &Internet) -> anyhow::Result<Row> {
    println!("\nthe main line falls silent: Peel");
    let fixture = PeelFixture::start(internet, &BOTH)?;
    let baker = calm(fixture.baker(PERIOD)?)?;
    let moment = Instant::now();
    internet.silence(Line::Wired)?;
    thread::sleep(SILENCE);
    internet.restore(Line::Wired)?;
    thread::sleep(CALM);
    let record = baker.finish()?;
    drop(fixture);
    let slowest = record.since(moment).slowest().unwrap_or(SILENCE);
    let failures = record.failures().len();
    let beside = usual_line_silent(internet)?;
    Ok(Row {
        what: "main line silent, a request every 0.2 s".to_owned(),
        promise: "no request fails; slowest answer ≤ 1 s".to_owned(),
        beside: Some(beside),
        measured: format!(
            "{failures} of {} requests failed; slowest answer {:.2} s",
            record.requests().len(),
            slowest.as_secs_f64()
        ),
        kept: failures == 0 && slowest <= Duration::from_secs(1),
    })
}

fn usual_line_silent(internet: &Internet) -> anyhow::Result<String> {
    println!("the main line falls silent: the usual stack");
    let fixture = UsualFixture::start(internet)?;
    let baker = calm(fixture.baker(PERIOD)?)?;
    let moment = Instant::now();
    internet.silence(Line::Wired)?;
    let (mut outage, mut is_moved) = (None, false);
    while outage.is_none() && moment.elapsed() < OUTAGE_LIMIT {
        is_moved = is_moved || switch_route_when_dead(internet)?;
        outage = await_answer(&baker, moment + PERIOD, LOOK).ok();
    }
    internet.restore(Line::Wired)?;
    internet.plug(Line::Wired)?;
    baker.finish()?;
    Ok(match outage {
        Some(outage) => format!("{:.1} s without an answer", outage.as_secs_f64()),
        None => format!("over {} s without an answer", OUTAGE_LIMIT.as_secs()),
    })
}

/// Killed, and started again two seconds later with the same host key.
pub(super) fn endpoint_made_again(internet: &Internet) -> anyhow::Result<Row> {
    println!("\nthe endpoint is killed and started again: Peel");
    let mut fixture = PeelFixture::start(internet, &BOTH)?;
    let baker = calm(fixture.baker(PERIOD / 4)?)?;
    let listened = fixture.make_again(AWAY)?;
    let took = await_answer(&baker, listened, OUTAGE_LIMIT)?;
    baker.finish()?;
    drop(fixture);
    println!("the endpoint is killed and started again: the usual stack");
    let mut usual = UsualFixture::start(internet)?;
    let baker = calm(usual.baker(PERIOD / 4)?)?;
    usual.sshd.kill()?;
    thread::sleep(AWAY);
    usual.sshd.start()?;
    let beside = await_answer(&baker, Instant::now(), OUTAGE_LIMIT);
    baker.finish()?;
    Ok(Row {
        what: "endpoint killed, started again 2 s later".to_owned(),
        promise: "answers again ≤ 0.5 s after it listens".to_owned(),
        beside: Some(match beside {
            Ok(beside) => format!("{:.2} s after it listens", beside.as_secs_f64()),
            Err(_) => format!("not within {} s", OUTAGE_LIMIT.as_secs()),
        }),
        measured: format!("{:.2} s after it listens", took.as_secs_f64()),
        kept: took <= Duration::from_millis(500),
    })
}

/// Both interfaces down for half a minute; the metered one comes back.
pub(super) fn both_lines_cut(internet: &Internet) -> anyhow::Result<Row> {
    println!("\nboth lines are cut for {} s", CUT.as_secs());
    let fixture = PeelFixture::start(internet, &BOTH)?;
    let baker = calm(fixture.baker(PERIOD)?)?;
    internet.unplug(Line::Wired)?;
    internet.unplug(Line::Mobile)?;
    thread::sleep(CUT);
    let moment = Instant::now();
    internet.plug(Line::Mobile)?;
    let took = await_answer(&baker, moment, OUTAGE_LIMIT)?;
    internet.plug(Line::Wired)?;
    baker.finish()?;
    Ok(Row {
        what: "both lines cut for 30 s, one restored".to_owned(),
        promise: "answers again ≤ 1 s after the line is back".to_owned(),
        beside: None,
        measured: format!("{:.2} s after the line is back", took.as_secs_f64()),
        kept: took <= Duration::from_secs(1),
    })
}

/// Some calm moments first.
fn calm(baker: Baker) -> anyhow::Result<Baker> {
    baker.wait_for_signatures(10, START)?;
    thread::sleep(CALM);
    Ok(baker)
}
