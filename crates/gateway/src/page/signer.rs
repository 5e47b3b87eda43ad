//! A signer's part of the page: what is asked at three in the morning first, everything else in what can be unfolded.

use daemon::health::{Fact, Verdict};
use daemon::report::Report;

use super::answers::strip;
use super::facts::{fact_list, has_line};
use super::figures::{Clock, latency, percent, whole};
use super::html::Html;
use super::lines::{lines, sessions};
use super::problems::FACTS;
use super::words::{self, SignerState};
use crate::report::{AnswerResult, GatewayReport, SignerReport};

/// Keys that are shown of a signer.
const KEYS: usize = 24;

/// Facts that have a place of their own in the card.
const PLACED: [&str; 5] = ["key", "signed", "link", "uplink", "power"];

/// A signer as it is drawn.
struct Card<'a> {
    signer: &'a SignerReport,
    state: SignerState,
    /// Since when, by the gateway's clock; 0 when that is not known.
    since: f64,
    own: Clock,
    now: Clock,
}

/// Draws the signer at this place of the report.
pub(super) fn card(html: &mut Html, report: &GatewayReport, index: usize, signer: &SignerReport) {
    let (state, fact) = SignerState::of(report, &signer.name);
    let since = fact.map_or(0.0, |fact| fact.since);
    let (own, now) = (signer.clock(report.own.now), Clock::own(report.own.now));
    let card = Card { signer, state, since, own, now };
    let place = index.to_string();
    html.raw("<article id=\"signer-").name(&place).raw("\" aria-labelledby=\"name-").name(&place);
    html.raw("\"><header><h3 id=\"name-").name(&place).raw("\">").name(&signer.name).raw("</h3>");
    card.head(html);
    html.raw("</header>");
    card.body(html);
    html.raw("</article>");
}

impl Card<'_> {
    fn head(&self, html: &mut Html) {
        html.raw("<p class=\"state ").raw(self.state.shape().word()).raw("\">");
        self.state.shape().draw(html);
        html.element("b", "", |html| _ = html.raw(self.state.word()));
        if self.since > 0.0 {
            html.raw(" ").element("span", "quiet", |html| self.now.lasting(html, self.since));
        }
        html.raw("</p>");
    }

    fn body(&self, html: &mut Html) {
        html.element("div", "body", |html| {
            html.element("dl", "", |html| {
                self.last_heard(html);
                row(html, "Last level", |html| self.last_level(html));
                row(html, "Lines", |html| lines(html, self.signer, self.is_past()));
                row(html, "Power", |html| self.power(html));
                row(html, "Keys", |html| self.keys(html));
                self.other_complaints(html);
            });
            html.element("div", "side", |html| {
                strip(html, &self.signer.answers, self.now);
            });
        });
        self.details(html);
    }

    /// What follows is of then.
    fn last_heard(&self, html: &mut Html) {
        if let Some(own) = self.signer.own.as_ref().filter(|_| self.is_past()) {
            row(html, "Last heard", |html| self.own.ago(html, own.now));
        }
    }

    fn is_past(&self) -> bool {
        self.state.is_past()
    }

    /// As the baker got it, or, after a start of the gateway, as the signer says.
    fn last_level(&self, html: &mut Html) {
        let signed = |answer: &&_| is_signed_level(answer);
        if let Some(last) = self.signer.answers.iter().rev().find(signed) {
            figure(html, &last.level.to_string());
            html.element("span", "quiet", |html| {
                html.raw(" ").name(&last.kind).raw(", ").name(&latency(last.seconds)).raw(", ");
                self.now.ago(html, last.at);
            });
        } else if let Some(last) = self.signed().max_by(|a, b| at(a).total_cmp(&at(b))) {
            figure(html, &whole(last.figure("level").unwrap_or(f64::NAN)));
            html.element("span", "quiet", |html| {
                html.raw(" ").name(&last.subject).raw(", ");
                self.own.ago(html, at(last));
            });
        } else {
            html.element("span", "quiet", |html| _ = html.raw("nothing signed yet"));
        }
    }

    fn power(&self, html: &mut Html) {
        let Some(power) = self.facts().find(|fact| fact.group == "power") else {
            html.element("span", "quiet", |html| _ = html.raw("not known"));
            return;
        };
        let (shape, state) = words::told(power, self.is_past());
        shape.draw(html);
        html.element("b", "", |html| _ = html.name(&state));
        if let Some(charge) = power.figure("charge").and_then(percent) {
            html.element("span", "quiet", |html| _ = html.raw(", battery ").name(&charge));
        }
    }

    fn keys(&self, html: &mut Html) {
        let keys: Vec<&Fact> = self.facts().filter(|fact| fact.group == "key").take(KEYS).collect();
        if keys.is_empty() {
            return self.hashes(html);
        }
        html.element("ul", "chips", |html| {
            keys.iter().for_each(|key| self.stated(html, &key.subject, key));
        });
    }

    /// Of facts that have no row of their own.
    fn other_complaints(&self, html: &mut Html) {
        let others = self.facts().filter(|fact| !PLACED.contains(&fact.group.as_ref()));
        let others: Vec<&Fact> = others.filter(|fact| fact.verdict != Verdict::Good).collect();
        if !others.is_empty() {
            row(html, "Also", |html| {
                html.element("ul", "chips", |html| {
                    others.iter().for_each(|fact| self.stated(html, &words::about(fact), fact));
                });
            });
        }
    }

    /// A name with a state beside it.
    fn stated(&self, html: &mut Html, name: &str, fact: &Fact) {
        let (shape, state) = words::told(fact, self.is_past());
        html.element("li", "", |html| {
            shape.draw(html);
            html.element("b", "", |html| _ = html.name(name)).raw(" ").name(&state);
        });
    }

    fn details(&self, html: &mut Html) {
        html.raw("<details><summary>All that is known of <span>");
        html.name(&self.signer.name).raw("</span></summary>");
        html.element("p", "quiet", |html| {
            html.raw("Asked at port ").name(&self.signer.port.to_string()).raw(" for ");
            self.hashes(html);
        });
        self.table(html);
        sessions(html, self.signer, self.now);
        if let Some(own) = &self.signer.own {
            html.element("h4", "", |html| _ = html.raw("What it says of itself"));
            self.said_when(html, own);
            let facts = self.facts().filter(|fact| has_line(fact));
            fact_list(html, facts, self.own, self.is_past());
            more(html, own.facts.len());
        }
        html.raw("</details>");
    }

    fn said_when(&self, html: &mut Html, own: &Report) {
        html.element("p", "quiet", |html| {
            html.raw("Peel ").name(&own.version).raw(", started ");
            self.own.ago(html, own.started);
            html.raw(", last heard ");
            self.own.ago(html, own.now);
        });
    }

    fn hashes(&self, html: &mut Html) {
        if self.signer.keys.is_empty() {
            html.element("span", "quiet", |html| _ = html.raw("no key that is known"));
        }
        for (index, key) in self.signer.keys.iter().take(KEYS).enumerate() {
            html.raw(if index == 0 { "" } else { ", " });
            html.element("code", "", |html| _ = html.name(key));
        }
    }

    /// Up to where each key has signed what.
    fn table(&self, html: &mut Html) {
        if self.signed().next().is_none() {
            return;
        }
        html.raw("<table><caption>Last signatures</caption><thead><tr><th scope=\"col\">Key and kind</th>");
        html.raw(
            "<th scope=\"col\">Level</th><th scope=\"col\">Round</th><th scope=\"col\">Took</th>",
        );
        html.raw("<th scope=\"col\">When</th></tr></thead><tbody>");
        self.signed().for_each(|fact| self.signature(html, fact));
        html.raw("</tbody></table>");
    }

    fn signature(&self, html: &mut Html, fact: &Fact) {
        let number = |name| fact.figure(name).unwrap_or(f64::NAN);
        html.raw("<tr><th scope=\"row\">").name(&fact.subject.replace('_', " ")).raw("</th><td>");
        html.name(&whole(number("level"))).raw("</td><td>").name(&whole(number("round")));
        html.raw("</td><td>").name(&latency(number("seconds"))).raw("</td><td>");
        self.own.ago(html, number("at"));
        html.raw("</td></tr>");
    }

    fn facts(&self) -> impl Iterator<Item = &Fact> {
        self.signer.own.iter().flat_map(|own| own.facts.iter().take(FACTS))
    }

    fn signed(&self) -> impl Iterator<Item = &Fact> {
        self.facts().filter(|fact| fact.group == "signed" && fact.state == "signed")
    }
}

fn is_signed_level(answer: &crate::report::AnswerReport) -> bool {
    answer.result == AnswerResult::Signed && answer.level > 0
}

fn at(fact: &Fact) -> f64 {
    fact.figure("at").filter(|at| at.is_finite()).unwrap_or_default()
}

fn figure(html: &mut Html, text: &str) {
    html.element("b", "figure", |html| _ = html.name(text));
}

fn row(html: &mut Html, name: &'static str, value: impl FnOnce(&mut Html)) {
    html.raw("<div><dt>").raw(name).raw("</dt><dd>");
    value(html);
    html.raw("</dd></div>");
}

/// A signer says more than any true one would.
fn more(html: &mut Html, facts: usize) {
    let more = facts.saturating_sub(FACTS);
    if more > 0 {
        html.element("p", "quiet", |html| {
            html.raw("And ").name(&more.to_string()).raw(" facts that are not shown.");
        });
    }
}
