//! What is wrong now, the worst first. A cause is listed once, and not each of its effects: a line without carrier has
//! no links either.

use std::cmp::Reverse;

use daemon::health::{Fact, Verdict};
use daemon::report::Report;

use super::figures::Clock;
use super::html::Html;
use super::words::{self, Route, Shape, SignerState};
use crate::report::{GatewayReport, SignerReport};

/// Of a signer's facts that are looked at. A signer with 20 keys, 3 lines and 2 gateways has about 120.
pub(super) const FACTS: usize = 256;

/// Of a signer that are listed, so that one signer does not hide what another says; the rest is counted.
const OF_A_SIGNER: usize = 8;

/// In all that are listed.
const LISTED: usize = 100;

/// One thing that is wrong.
#[derive(Debug)]
pub(super) struct Problem<'a> {
    /// How bad it is.
    pub(super) shape: Shape,
    /// The signer's place in the report, and its name; none when it is the gateway.
    signer: Option<(usize, &'a str)>,
    /// What it is about, and how that is.
    title: String,
    /// What to do.
    line: &'a str,
    since: f64,
    clock: Clock,
    /// What the signer complained of when it was last heard.
    last_said: Vec<&'a Fact>,
}

/// All in all.
#[derive(Debug)]
pub(super) enum Outlook<'a> {
    /// Every signer is ready, and no fact complains.
    Well,
    /// No fact complains, but these signers are not known to be ready.
    Unsure(Vec<&'a str>),
    /// What is wrong.
    Wrong(Wrong<'a>),
}

/// All that is wrong.
#[derive(Debug, Default)]
pub(super) struct Wrong<'a> {
    /// The worst first; some are not in here.
    listed: Vec<Problem<'a>>,
    count: usize,
}

const UPLINK: &str = "uplink";
/// The state of an uplink that lacks nothing but a link.
const DIALLING: &str = "dialling";
/// What to do when there is no signer.
const NO_SIGNER: &str = "gateway.toml has no [[signer]]; run here the \"peel gateway add …\" that \"peel signer init\" prints at home";

impl<'a> Outlook<'a> {
    /// Of everything in a report.
    pub(super) fn of(report: &'a GatewayReport) -> Outlook<'a> {
        let mut wrong = Wrong::default();
        for place in report.signers.iter().enumerate() {
            wrong.add(of_signer(report, place));
        }
        wrong.add(of_gateway(report, wrong.count == 0));
        wrong.listed.sort_by_key(Problem::rank);
        wrong.listed.truncate(LISTED);
        let unsure: Vec<_> = names_of_unknown(report).collect();
        match (wrong.count, unsure.is_empty()) {
            (0, true) => Outlook::Well,
            (0, false) => Outlook::Unsure(unsure),
            _ => Outlook::Wrong(wrong),
        }
    }

    /// The headline.
    pub(super) fn headline(&self) -> String {
        match self {
            Outlook::Well => "All is well".to_owned(),
            Outlook::Unsure(_) => "Nothing is known to be wrong".to_owned(),
            Outlook::Wrong(Wrong { count: 1, .. }) => "1 thing is wrong".to_owned(),
            Outlook::Wrong(wrong) => format!("{} things are wrong", wrong.count),
        }
    }

    /// In front of the headline: that of the worst.
    pub(super) fn shape(&self) -> Shape {
        match self {
            Outlook::Well => Shape::Good,
            Outlook::Unsure(_) => Shape::Unknown,
            Outlook::Wrong(wrong) => {
                wrong.listed.first().map_or(Shape::Failed, |first| first.shape)
            }
        }
    }

    /// The list under the headline.
    pub(super) fn list(&self, html: &mut Html) {
        match self {
            Outlook::Well => (),
            Outlook::Unsure(names) => unsure(html, names),
            Outlook::Wrong(wrong) => wrong.show(html),
        }
    }
}

fn names_of_unknown(report: &GatewayReport) -> impl Iterator<Item = &str> {
    let names = report.signers.iter().map(|signer| signer.name.as_str());
    names.filter(|name| SignerState::of(report, name).0 != SignerState::Ready)
}

/// What the gateway says of the signer, unless the signer itself says why, and can still be heard.
fn of_signer<'a>(
    report: &'a GatewayReport,
    (index, signer): (usize, &'a SignerReport),
) -> Vec<Problem<'a>> {
    let (state, fact) = SignerState::of(report, &signer.name);
    let clock = signer.clock(report.own.now);
    let place = Some((index, signer.name.as_str()));
    let said = signer.own.as_ref().map(complaints).unwrap_or_default();
    let says_why = !state.is_away() && said.iter().any(|fact| fact.verdict == Verdict::Failed);
    let seen = fact.filter(|fact| is_complaint(fact) || state.shape() == Shape::Failed);
    let own = said.iter().map(|fact| Problem::new(place, fact, clock));
    let Some(fact) = seen.filter(|_| !says_why) else { return own.collect() };
    let seen = Problem {
        title: words::state(&fact.state),
        shape: state.shape().max(Shape::of(fact.verdict)),
        ..Problem::new(place, fact, Clock::own(report.own.now))
    };
    if state.is_away() {
        vec![Problem { last_said: said, ..seen }]
    } else {
        [seen].into_iter().chain(own).collect()
    }
}

/// What the gateway says of itself. That no signer can be asked is said by each of them, if there is one.
fn of_gateway(report: &GatewayReport, are_signers_well: bool) -> Vec<Problem<'_>> {
    let clock = Clock::own(report.own.now);
    let has_signers = !report.signers.is_empty();
    let own = report.own.facts.iter().filter(|fact| is_complaint(fact) && fact.group != "signer");
    let own = own.filter(|fact| has_signers && are_signers_well || fact.group != "signers");
    let mut problems: Vec<_> = own.map(|fact| Problem::new(None, fact, clock)).collect();
    if !has_signers {
        let title = "no signer is configured".to_owned();
        let (shape, since, line) = (Shape::Failed, report.own.started, NO_SIGNER);
        let (signer, last_said) = (None, Vec::new());
        problems.push(Problem { shape, signer, title, line, since, clock, last_said });
    }
    problems
}

fn is_complaint(fact: &Fact) -> bool {
    matches!(fact.verdict, Verdict::Degraded | Verdict::Failed)
}

/// The causes among the facts that are not good.
fn complaints(report: &Report) -> Vec<&Fact> {
    let looked_at = report.facts.iter().take(FACTS);
    let all: Vec<&Fact> = looked_at.filter(|fact| is_complaint(fact)).collect();
    all.iter().copied().filter(|fact| !is_effect(fact, &all)).collect()
}

/// Whether it is a link over an uplink that lacks something itself, or the shell's beside that for signing; or an uplink
/// that lacks nothing but the link, which says why.
fn is_effect(fact: &Fact, all: &[&Fact]) -> bool {
    if fact.group == UPLINK && fact.state == DIALLING {
        let is_over = |other: &&Fact| Route::of(other).is_some_and(|it| it.uplink == fact.subject);
        return all.iter().copied().any(|other| is_over(&other));
    }
    let Some(route) = Route::of(fact) else { return false };
    all.iter().any(|other| {
        let is_line =
            other.group == UPLINK && other.subject == route.uplink && other.state != DIALLING;
        let signing = Route { service: "signing", ..route };
        is_line || (route != signing && Route::of(other) == Some(signing))
    })
}

impl<'a> Problem<'a> {
    /// The worst is the least.
    fn rank(&self) -> Reverse<Shape> {
        Reverse(self.shape)
    }

    fn new(signer: Option<(usize, &'a str)>, fact: &'a Fact, clock: Clock) -> Problem<'a> {
        let title = format!("{}: {}", words::about(fact), words::state(&fact.state));
        let (shape, since) = (Shape::of(fact.verdict), fact.since);
        Problem { shape, signer, title, line: &fact.line, since, clock, last_said: Vec::new() }
    }

    fn show(&self, html: &mut Html) {
        html.element("li", self.shape.word(), |html| {
            self.shape.draw(html);
            html.element("div", "", |html| self.show_text(html));
        });
    }

    fn show_text(&self, html: &mut Html) {
        html.element("p", "title", |html| {
            match self.signer {
                Some(place) => link(html, place),
                None => _ = html.raw("Gateway"),
            }
            html.raw(": ").line(&self.title).raw(" ");
            html.element("span", "quiet", |html| self.clock.lasting(html, self.since));
        });
        html.element("p", "cure", |html| _ = html.line(self.line));
        if !self.last_said.is_empty() {
            html.element("p", "quiet", |html| _ = html.raw("What it said when it was last heard:"));
            html.element("ul", "said", |html| {
                self.last_said.iter().for_each(|fact| said(html, fact))
            });
        }
    }
}

fn said(html: &mut Html, fact: &Fact) {
    html.element("li", "", |html| {
        html.line(&words::about(fact)).raw(": ").line(&words::state(&fact.state));
        html.raw("; ").line(&fact.line);
    });
}

/// To the signer's part of the page.
pub(super) fn link(html: &mut Html, (index, name): (usize, &str)) {
    html.raw("<a href=\"#signer-").name(&index.to_string()).raw("\">").name(name).raw("</a>");
}

impl<'a> Wrong<'a> {
    /// Those of a signer, or of the gateway.
    fn add(&mut self, mut problems: Vec<Problem<'a>>) {
        self.count += problems.len();
        problems.sort_by_key(Problem::rank);
        self.listed.extend(problems.into_iter().take(OF_A_SIGNER));
    }

    fn show(&self, html: &mut Html) {
        html.raw("<section class=\"problems\" aria-labelledby=\"wrong\">");
        html.raw("<h2 id=\"wrong\" class=\"unseen\">What is wrong, and what to do</h2>");
        html.element("ol", "", |html| self.listed.iter().for_each(|problem| problem.show(html)));
        let more = self.count.saturating_sub(self.listed.len());
        if more > 0 {
            html.element("p", "quiet", |html| {
                html.raw("And ").name(&more.to_string()).raw(" more; see what each signer says.");
            });
        }
        html.raw("</section>");
    }
}

fn unsure(html: &mut Html, names: &[&str]) {
    html.element("p", "lead", |html| {
        html.raw("Not known to be ready, for nothing is heard but answers: ");
        for (index, name) in names.iter().enumerate().take(LISTED) {
            html.raw(if index == 0 { "" } else { ", " }).name(name);
        }
        html.raw(".");
    });
}

impl SignerReport {
    /// The times in what it says of itself.
    pub(super) fn clock(&self, now: f64) -> Clock {
        match &self.own {
            Some(own) => Clock::of_signer(now, own.now, self.age.unwrap_or_default()),
            None => Clock::own(now),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    /// Each thing that is wrong, as its shape, its signer and its title.
    fn wrong(report: &GatewayReport) -> Vec<String> {
        let Outlook::Wrong(wrong) = Outlook::of(report) else { return Vec::new() };
        let of = |problem: &Problem<'_>| {
            let signer = problem.signer.map_or("gateway", |(_, name)| name);
            format!("{} {signer}: {}", problem.shape.word(), problem.title)
        };
        wrong.listed.iter().map(of).collect()
    }

    #[test]
    fn the_worst_is_first_and_effects_are_not_listed() {
        assert_eq!(
            wrong(&sample::wrong()),
            [
                "failed home: key baker: device locked",
                "failed cabin: not connected",
                "degraded home: uplink eth0: no carrier",
            ]
        );
    }

    #[test]
    fn what_a_lost_signer_said_last_is_told_with_its_loss() {
        let report = sample::wrong();
        let Outlook::Wrong(wrong) = Outlook::of(&report) else { panic!("all is well") };
        let lost = wrong.listed.iter().find(|problem| problem.title == "not connected").unwrap();
        assert_eq!(lost.last_said.len(), 1);
        assert_eq!(lost.last_said[0].state, "battery_low");
    }

    #[test]
    fn all_is_well_when_every_signer_is_ready_and_no_fact_complains() {
        assert_eq!(Outlook::of(&sample::well()).headline(), "All is well");
        let [ready, other] = ["home", "office"].map(sample::ready);
        let mut degraded = sample::gateway(vec![ready.clone()]);
        let line = "valid for 3 more days";
        let expires = sample::judged(("certificate", ""), "expires", Verdict::Degraded, 9.0, line);
        degraded.own.facts.push(expires);
        assert_eq!(Outlook::of(&degraded).headline(), "1 thing is wrong");
        let mut unsaid = sample::gateway(vec![ready, other]);
        unsaid.own.facts.retain(|fact| fact.subject != "office");
        assert_eq!(Outlook::of(&unsaid).headline(), "Nothing is known to be wrong");
    }

    #[test]
    fn a_gateway_without_signers_is_not_well() {
        let report = sample::empty();
        assert_eq!(wrong(&report), ["failed gateway: no signer is configured"]);
        assert_eq!(Outlook::of(&report).headline(), "1 thing is wrong");
    }

    #[test]
    fn a_signer_that_complains_much_does_not_hide_another() {
        let (mut noisy, fact) = sample::ready("noisy");
        let line = "a line";
        let complaint = sample::judged(("x", ""), "x", Verdict::Failed, 9.0, line);
        noisy.own.as_mut().unwrap().facts.splice(0..0, vec![complaint; 5000]);
        let (mut signers, lost) = (vec![(noisy, fact)], sample::not_connected());
        let away = lost.own.of_group("signer").next().unwrap().clone();
        signers.push((lost.signers[0].clone(), away));
        let report = sample::gateway(signers);
        let listed = wrong(&report);
        assert_eq!(listed.len(), OF_A_SIGNER + 1);
        assert!(listed.contains(&"failed home: not connected".to_owned()));
        assert_eq!(Outlook::of(&report).headline(), format!("{} things are wrong", FACTS + 1));
    }

    #[test]
    fn signers_that_are_away_are_listed_and_not_that_none_is_there() {
        let expected = ["failed home: not connected", "failed office: not connected"];
        assert_eq!(wrong(&sample::not_connected()), expected);
    }

    #[test]
    fn a_signer_that_is_not_ready_and_does_not_say_why_is_listed() {
        let line = "key_baker: locked";
        let fact = sample::judged(("signer", "home"), "not_ready", Verdict::Degraded, 9.0, line);
        assert_eq!(
            wrong(&sample::gateway(vec![(sample::signer("home"), fact)])),
            ["failed home: not ready"]
        );
    }
}
