//! The status page: one document without outside resources, for a phone in the dark.
//!
//! ```text
//!  GatewayReport ──▶ page      the document, correct as it is          GET /
//!                └─▶ content   what is in its <main>; script.js        GET /events, each second
//!                              puts it there
//! ```
//!
//! The content has the time in it, so that each second's differs from the last: a page that was sent none for 5 s says
//! that it is old. Whatever a signer says is hostile: `Html` takes no text as markup, and every list has a bound.

mod answers;
mod facts;
mod figures;
mod headers;
mod html;
mod lines;
mod problems;
#[cfg(test)]
#[path = "../../tests/page/sample.rs"]
mod sample;
mod shared_keys;
mod signer;
mod words;

pub use headers::headers;

use self::facts::{fact_list, has_line};
use self::figures::{Clock, Moment};
use self::html::Html;
use self::problems::{Outlook, link};
use self::words::{SHAPES, Shape, SignerState};
use crate::report::GatewayReport;

const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("script.js");

/// With more signers than these, a list of their names and states comes first.
const SEEN_AT_ONCE: usize = 4;

/// The whole document. `headers` go with it.
#[must_use]
pub fn page(report: &GatewayReport) -> String {
    let mut html = Html::default();
    html.raw("<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>");
    html.line(&Outlook::of(report).headline()).raw(" · Peel</title>");
    html.raw("<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">");
    html.raw("<meta name=\"color-scheme\" content=\"light dark\"><style>").raw(STYLE);
    html.raw("</style></head><body>").raw(SHAPES).raw("<header class=\"top\">Peel gateway");
    html.raw(
        "<noscript> · reload for news: without JavaScript this page stays as it is</noscript>",
    );
    html.raw("<p id=\"old\" role=\"status\"></p></header><main>");
    show(&mut html, report);
    html.raw("</main><script>").raw(SCRIPT).raw("</script></body></html>\n");
    html.into_string()
}

/// What is in the document's `<main>`, on one line.
#[must_use]
pub fn content(report: &GatewayReport) -> String {
    let mut html = Html::default();
    show(&mut html, report);
    html.into_string()
}

fn show(html: &mut Html, report: &GatewayReport) {
    let outlook = Outlook::of(report);
    html.raw("<section class=\"outlook ").raw(outlook.shape().word()).raw("\">");
    outlook.shape().draw(html);
    html.raw("<div><h1 aria-live=\"polite\">").line(&outlook.headline()).raw("</h1>");
    html.element("p", "lead", |html| lead(html, report));
    html.raw("</div></section>");
    outlook.list(html);
    shared_keys::shared_keys(html, report);
    signers(html, report);
    gateway(html, report);
}

fn lead(html: &mut Html, report: &GatewayReport) {
    let states = report.signers.iter().map(|signer| SignerState::of(report, &signer.name).0);
    let states: Vec<SignerState> = states.collect();
    let ready = states.iter().filter(|state| **state == SignerState::Ready).count();
    let of = match (states.as_slice(), states.len()) {
        ([], _) => "No signer is configured".to_owned(),
        ([only], _) => format!("The signer is {}", only.in_a_sentence()),
        (_, 2) if ready == 2 => "Both signers are ready".to_owned(),
        (_, all) if all == ready => format!("All {all} signers are ready"),
        (_, all) => format!("{ready} of {all} signers are ready"),
    };
    html.line(&of);
    if let Some(now) = Moment::of(report.own.now) {
        html.raw(", as of <time datetime=\"").name(&now.date_time()).raw("\">");
        html.name(&now.time_of_day()).raw("\u{a0}UTC</time>");
    }
}

fn signers(html: &mut Html, report: &GatewayReport) {
    if report.signers.is_empty() {
        return;
    }
    html.raw("<section aria-labelledby=\"signers\"><h2 id=\"signers\">Signers</h2>");
    if report.signers.len() > SEEN_AT_ONCE {
        index(html, report);
    }
    html.element("div", "cards", |html| {
        for (index, signer) in report.signers.iter().enumerate() {
            signer::card(html, report, index, signer);
        }
    });
    html.raw("</section>");
}

/// All of them at a glance.
fn index(html: &mut Html, report: &GatewayReport) {
    html.raw("<nav aria-label=\"Signers\">");
    html.element("ul", "chips", |html| {
        for (index, signer) in report.signers.iter().enumerate() {
            let state = SignerState::of(report, &signer.name).0;
            html.element("li", "", |html| {
                state.shape().draw(html);
                link(html, (index, &signer.name));
                let class = if state.shape() == Shape::Good { "unseen" } else { "" };
                html.element("span", class, |html| _ = html.raw(" ").raw(state.word()));
            });
        }
    });
    html.raw("</nav>");
}

/// What the gateway says of itself; what it says of signers is with them.
fn gateway(html: &mut Html, report: &GatewayReport) {
    let clock = Clock::own(report.own.now);
    html.raw(
        "<section class=\"gateway\" aria-labelledby=\"gateway\"><h2 id=\"gateway\">Gateway</h2>",
    );
    let facts = report.own.facts.iter().filter(|fact| has_line(fact));
    let own = facts.filter(|fact| !matches!(fact.group.as_ref(), "signer" | "session"));
    fact_list(html, own.take(problems::FACTS), clock, false);
    html.element("p", "quiet", |html| {
        html.raw("Peel ").name(&report.own.version).raw(", started ");
        clock.ago(html, report.own.started);
    });
    html.raw("</section>");
}

#[cfg(test)]
mod tests {
    use daemon::health::Verdict;

    use super::*;

    fn every_sample() -> [GatewayReport; 9] {
        [
            sample::well(),
            sample::single(),
            sample::shared(),
            sample::wrong(),
            sample::unsure(),
            sample::empty(),
            sample::not_connected(),
            sample::twenty(),
            sample::hostile(),
        ]
    }

    #[test]
    fn the_content_is_one_line_and_stands_in_the_page() {
        for report in every_sample() {
            let content = content(&report);
            assert!(!content.contains(['\n', '\r', '\0']));
            assert!(page(&report).contains(&format!("<main>{content}</main>")));
        }
    }

    #[test]
    fn the_page_names_no_other_place() {
        for report in every_sample() {
            let page = page(&report);
            for outside in ["://", "<link", "url(", "@import", "style=\""] {
                assert!(!page.contains(outside), "{outside}");
            }
        }
    }

    #[test]
    fn a_script_and_a_style_end_where_they_end() {
        for text in [STYLE, SCRIPT] {
            assert!(!text.contains("</") && !text.contains("<!--"));
        }
    }

    #[test]
    fn what_a_signer_says_is_no_markup_and_has_a_bound() {
        let page = content(&sample::hostile());
        for markup in ["<script", "<img", "<style", "\u{202e}", "NaN", "inf"] {
            assert!(!page.contains(markup), "{markup}");
        }
        assert!(page.contains("facts that are not shown"));
        assert!(page.len() < 1_000_000, "{}", page.len());
    }

    #[test]
    fn a_page_of_twenty_signers_can_be_sent_each_second() {
        let content = content(&sample::twenty());
        assert!(content.len() < 250_000, "{}", content.len());
    }

    #[test]
    fn each_signer_has_its_state_in_a_word() {
        let content = content(&sample::wrong());
        for word in ["Ready", "Not ready", "Not connected", "Connected"] {
            assert!(content.contains(&format!("<b>{word}</b>")), "{word}");
        }
        assert!(content.contains("1 of 4 signers are ready"));
    }

    #[test]
    fn the_line_under_the_headline_counts_the_signers() {
        let of = |report| content(&report).replace('\u{a0}', " ");
        assert!(of(sample::single()).contains("The signer is ready, as of"));
        assert!(of(sample::well()).contains("Both signers are ready, as of"));
        assert!(of(sample::empty()).contains("No signer is configured, as of"));
        let line = "not connected";
        let away = sample::judged(("signer", "home"), "silent", Verdict::Degraded, 9.0, line);
        let silent = sample::gateway(vec![(sample::signer("home"), away)]);
        assert!(of(silent).contains("The signer is silent, as of"));
    }
}
