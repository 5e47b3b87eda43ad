//! The lines of a signer: what it says of them, and what the gateway sees of them.

use daemon::health::{Fact, Verdict};
use daemon::report::Report;

use super::figures::{Clock, latency};
use super::html::Html;
use super::problems::FACTS;
use super::words::{self, Route, Shape};
use crate::report::{SessionReport, SignerReport};

/// That are shown of a signer.
const LINES: usize = 12;

/// One way out of the home.
#[derive(Debug)]
struct Line<'a> {
    /// Of the interface; empty when the signer does not say.
    name: &'a str,
    /// What the signer says of the interface.
    uplink: Option<&'a Fact>,
    /// What it says of its link over it, the worst one when there are several gateways.
    link: Option<&'a Fact>,
    /// What the gateway has of it.
    session: Option<&'a SessionReport>,
    /// It is asked first.
    is_in_use: bool,
}

/// The lines that carry signatures, the one that is in use first.
pub(super) fn lines(html: &mut Html, signer: &SignerReport, is_past: bool) {
    let lines = Line::all(signer);
    if lines.is_empty() {
        html.element("p", "quiet", |html| _ = html.raw("none known"));
        return;
    }
    html.element("ul", "chips", |html| lines.iter().for_each(|line| line.show(html, is_past)));
}

/// Every session that the gateway has of it.
pub(super) fn sessions(html: &mut Html, signer: &SignerReport, clock: Clock) {
    if signer.sessions.is_empty() {
        return;
    }
    html.element("h4", "", |html| _ = html.raw("Sessions"));
    html.element("ul", "facts", |html| {
        signer.sessions.iter().take(LINES).for_each(|session| session.show(html, clock));
    });
}

impl SessionReport {
    fn shape(&self) -> Shape {
        if self.silent { Shape::Degraded } else { Shape::Good }
    }

    fn show(&self, html: &mut Html, clock: Clock) {
        html.element("li", "", |html| {
            self.shape().draw(html);
            html.element("div", "", |html| {
                html.element("b", "", |html| {
                    html.name(&self.service).raw(" over ").name(name(&self.uplink));
                });
                html.raw(if self.silent { ": silent " } else { ": open " });
                html.element("span", "quiet", |html| {
                    clock.lasting(html, self.since);
                    html.raw(if self.metered { ", metered" } else { "" });
                });
            });
        });
    }
}

/// Of a line.
fn name(uplink: &str) -> &str {
    if uplink.is_empty() { "unnamed line" } else { uplink }
}

impl<'a> Line<'a> {
    fn all(signer: &'a SignerReport) -> Vec<Line<'a>> {
        let sessions: Vec<_> = signing(signer).take(LINES).collect();
        let first = sessions.first().map(|session| session.uplink.as_str());
        let facts = || signer.own.iter().flat_map(|own| own.facts.iter().take(FACTS));
        let uplinks =
            facts().filter(|fact| fact.group == "uplink").map(|fact| fact.subject.as_str());
        let links = facts().filter_map(Route::of).map(|route| route.uplink);
        let mut names: Vec<&str> = Vec::new();
        for name in
            sessions.iter().map(|session| session.uplink.as_str()).chain(uplinks).chain(links)
        {
            if names.len() < LINES && !names.contains(&name) {
                names.push(name);
            }
        }
        let line = |name| Line {
            name,
            uplink: facts().find(|fact| fact.group == "uplink" && fact.subject == name),
            link: signer.own.as_ref().and_then(|own| worst_link(own, name)),
            session: sessions.iter().copied().find(|session| session.uplink == name),
            is_in_use: first == Some(name),
        };
        names.into_iter().map(line).collect()
    }

    /// A session shows that a line works. Without one the line itself says why, and then its link.
    fn state(&self, is_past: bool) -> (Shape, String) {
        match (self.session, self.uplink, self.link) {
            (Some(session), _, _) if session.silent => (Shape::Degraded, "silent".to_owned()),
            (Some(_), _, _) => (Shape::Good, "up".to_owned()),
            (None, Some(uplink), _) if !uplink.is_good() => words::told(uplink, is_past),
            (None, _, Some(link)) => words::told(link, is_past),
            (None, Some(uplink), None) => words::told(uplink, is_past),
            (None, None, None) => (Shape::Unknown, "unknown".to_owned()),
        }
    }

    fn is_metered(&self) -> bool {
        let is_said =
            self.uplink.and_then(|fact| fact.figure("metered")).is_some_and(|it| it > 0.0);
        is_said || self.session.is_some_and(|session| session.metered)
    }

    fn round_trip(&self) -> Option<f64> {
        let said = || self.link.and_then(|link| link.figure("round_trip"));
        self.session.and_then(|session| session.round_trip.or_else(said))
    }

    fn show(&self, html: &mut Html, is_past: bool) {
        let (shape, state) = self.state(is_past);
        html.element("li", "", |html| {
            shape.draw(html);
            html.element("b", "", |html| _ = html.name(name(self.name)));
            html.raw(" ").name(&state);
            html.element("span", "quiet", |html| self.show_more(html));
        });
    }

    fn show_more(&self, html: &mut Html) {
        if let Some(seconds) = self.round_trip() {
            html.raw(", ").name(&latency(seconds));
        }
        html.raw(if self.is_in_use { ", in use" } else { "" });
        html.raw(if self.is_metered() { ", metered" } else { "" });
    }
}

fn signing(signer: &SignerReport) -> impl Iterator<Item = &SessionReport> {
    signer.sessions.iter().filter(|session| session.service == "signing")
}

fn worst_link<'a>(own: &'a Report, uplink: &str) -> Option<&'a Fact> {
    let facts = own.facts.iter().take(FACTS);
    let links = facts.filter(|fact| {
        Route::of(fact).is_some_and(|route| route.uplink == uplink && route.service == "signing")
    });
    links.max_by_key(|fact| (Shape::of(fact.verdict), fact.verdict != Verdict::Good))
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    fn shown(signer: &SignerReport) -> String {
        let mut html = Html::default();
        lines(&mut html, signer, signer.sessions.is_empty());
        html.into_string().replace('\u{a0}', " ")
    }

    #[test]
    fn a_line_is_what_both_ends_know_of_it() {
        let signer = sample::signer("home");
        let shown = shown(&signer);
        assert!(
            shown.contains("<b>eth0</b> up<span class=\"quiet\">, 38 ms, in use</span>"),
            "{shown}"
        );
        assert!(
            shown.contains("<b>wwan0</b> up<span class=\"quiet\">, 74 ms, metered</span>"),
            "{shown}"
        );
    }

    #[test]
    fn a_silent_session_is_no_line_that_is_up() {
        let mut signer = sample::signer("home");
        signer.sessions[0].silent = true;
        assert!(shown(&signer).contains("<b>eth0</b> silent"));
        signer.sessions.clear();
        let own = signer.own.as_mut().unwrap();
        let no_carrier = Fact::new("uplink", "no_carrier", Verdict::Degraded, String::new());
        own.facts.retain(|fact| fact.group != "uplink");
        own.facts.push(no_carrier.about("eth0"));
        assert!(shown(&signer).contains("<b>eth0</b> was no carrier"));
    }

    #[test]
    fn a_signer_that_names_no_line_has_one() {
        let mut signer = sample::signer("box");
        signer.own = None;
        signer.sessions.truncate(1);
        signer.sessions[0].uplink.clear();
        assert!(shown(&signer).contains("<b>unnamed line</b> up"));
    }
}
