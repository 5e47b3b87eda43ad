//! Keys in shares: which signer has which share, and whether it can take part.

use super::html::Html;
use super::words::{self, Shape};
use crate::report::{GatewayReport, ShareReport, SharedKeyReport};
use crate::shared_key::{READY, Supply};

/// Keys in shares that are shown.
const SHOWN: usize = 24;

/// All of them, if there are any.
pub(super) fn shared_keys(html: &mut Html, report: &GatewayReport) {
    if report.shared_keys.is_empty() {
        return;
    }
    html.raw("<section aria-labelledby=\"shared\"><h2 id=\"shared\">Keys in shares</h2>");
    html.element("div", "cards", |html| {
        let shown = report.shared_keys.iter().take(SHOWN);
        shown.for_each(|key| _ = html.element("article", "", |html| card(html, key)));
    });
    html.raw("</section>");
}

fn card(html: &mut Html, key: &SharedKeyReport) {
    let able = key.shares.iter().filter(|share| share.state == READY).count();
    let (shape, word) = state(able, usize::from(key.needed), key.shares.len());
    html.element("header", "", |html| {
        html.element("h3", "", |html| _ = html.raw("<code>").name(&key.key).raw("</code>"));
        html.raw("<p class=\"state ").raw(shape.word()).raw("\">");
        shape.draw(html);
        html.element("b", "", |html| _ = html.raw(word));
        html.raw(" ").element("span", "quiet", |html| {
            html.name(&able.to_string()).raw(" of ").name(&key.shares.len().to_string());
            html.raw(" shares can sign, ").name(&key.needed.to_string()).raw(" are needed");
        });
        html.raw("</p>");
    });
    html.raw("<table><thead><tr><th scope=\"col\">Signer</th><th scope=\"col\">Share</th>");
    html.raw("<th scope=\"col\">Takes part</th></tr></thead><tbody>");
    key.shares.iter().for_each(|share| row(html, share));
    html.raw("</tbody></table>");
}

fn state(able: usize, needed: usize, all: usize) -> (Shape, &'static str) {
    match Supply::of(able, needed, all) {
        Supply::TooFew => (Shape::Failed, "Cannot sign"),
        Supply::NoSpare => (Shape::Degraded, "None to spare"),
        Supply::Enough => (Shape::Good, "Signs"),
    }
}

fn row(html: &mut Html, share: &ShareReport) {
    let shape = if share.state == READY { Shape::Good } else { Shape::Degraded };
    html.raw("<tr><th scope=\"row\">").name(&share.signer).raw("</th><td>");
    html.name(&share.index.to_string()).raw("</td><td>");
    shape.draw(html);
    html.raw(" ").name(&words::state(&share.state)).raw("</td></tr>");
}

#[cfg(test)]
mod tests {
    use super::super::{content, sample};

    #[test]
    fn a_key_in_shares_is_shown_with_each_signer_that_has_one() {
        let content = content(&sample::shared());
        for text in ["Keys in shares", "None to spare", "2 of 3 shares can sign", "not connected"] {
            assert!(content.contains(text), "{text}");
        }
        assert!(!super::super::content(&sample::well()).contains("Keys in shares"));
    }
}
