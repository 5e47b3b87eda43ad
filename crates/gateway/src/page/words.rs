//! States as words and shapes. No state is told by its colour only.

use daemon::health::{Fact, Verdict};

use super::html::Html;
use crate::report::GatewayReport;

/// The shape in front of a word, the worst one last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Shape {
    /// A disc with a tick.
    Good,
    /// A broken ring with a question mark.
    Unknown,
    /// A triangle with an exclamation mark.
    Degraded,
    /// An octagon with a cross.
    Failed,
}

/// How a signer is, as the gateway sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SignerState {
    /// It can sign.
    Ready,
    /// One of its keys can sign, another cannot.
    PartlyReady,
    /// It says that it can sign, and its last answers were no signatures.
    NotSigning,
    /// It is there, and cannot.
    NotReady,
    /// It is connected, and nothing is heard from it.
    Silent,
    /// It has no connection.
    NotConnected,
    /// The gateway does not ask it.
    Refused,
    /// It is there, is no Peel, and says nothing of itself.
    Connected,
    /// The gateway does not say.
    Unknown,
}

/// The shapes, once in a document.
pub(super) const SHAPES: &str = concat!(
    "<svg class=\"shapes\" width=\"0\" height=\"0\" aria-hidden=\"true\">",
    "<symbol id=\"good\" viewBox=\"0 0 16 16\"><circle cx=\"8\" cy=\"8\" r=\"7.5\"/>",
    "<path class=\"cut\" d=\"M4.4 8.4l2.5 2.5 4.8-5.3\"/></symbol>",
    "<symbol id=\"unknown\" viewBox=\"0 0 16 16\">",
    "<circle class=\"ring\" cx=\"8\" cy=\"8\" r=\"6.6\"/>",
    "<path class=\"line\" d=\"M5.9 6.4a2.1 2.1 0 1 1 3 1.9q-.9.5-.9 1.4M8 11.4v.6\"/></symbol>",
    "<symbol id=\"degraded\" viewBox=\"0 0 16 16\">",
    "<path d=\"M8 .9 15.7 14.9H.3z\" stroke-linejoin=\"round\"/>",
    "<path class=\"cut\" d=\"M8 5.7v4M8 12.1v.5\"/></symbol>",
    "<symbol id=\"failed\" viewBox=\"0 0 16 16\"><path d=\"M5 .5h6L15.5 5v6L11 15.5H5L.5 11V5z\"/>",
    "<path class=\"cut\" d=\"M5.3 5.3l5.4 5.4M10.7 5.3l-5.4 5.4\"/></symbol></svg>",
);

impl Shape {
    /// Of a fact.
    pub(super) fn of(verdict: Verdict) -> Shape {
        match verdict {
            Verdict::Good => Shape::Good,
            Verdict::Unknown => Shape::Unknown,
            Verdict::Degraded => Shape::Degraded,
            Verdict::Failed => Shape::Failed,
        }
    }

    /// Draws it; the word is beside it.
    pub(super) fn draw(self, html: &mut Html) {
        let word = self.word();
        html.raw("<svg class=\"shape ").raw(word).raw("\" aria-hidden=\"true\"><use href=\"#");
        html.raw(word).raw("\"/></svg>");
    }

    /// Its name in the style, and what it says.
    pub(super) fn word(self) -> &'static str {
        match self {
            Shape::Good => "good",
            Shape::Unknown => "unknown",
            Shape::Degraded => "degraded",
            Shape::Failed => "failed",
        }
    }
}

impl SignerState {
    /// Of a signer, and the gateway's fact that says so.
    pub(super) fn of<'a>(report: &'a GatewayReport, name: &str) -> (SignerState, Option<&'a Fact>) {
        let fact = report.own.of_group("signer").find(|fact| fact.subject == name);
        (fact.map_or(SignerState::Unknown, |fact| SignerState::said(&fact.state)), fact)
    }

    fn said(state: &str) -> SignerState {
        match state {
            "ready" => SignerState::Ready,
            "partly_ready" => SignerState::PartlyReady,
            "not_signing" => SignerState::NotSigning,
            "not_ready" => SignerState::NotReady,
            "silent" => SignerState::Silent,
            "not_connected" => SignerState::NotConnected,
            "refused" => SignerState::Refused,
            "connected" => SignerState::Connected,
            _ => SignerState::Unknown,
        }
    }

    /// As a word.
    pub(super) fn word(self) -> &'static str {
        match self {
            SignerState::Ready => "Ready",
            SignerState::PartlyReady => "Partly ready",
            SignerState::NotSigning => "Not signing",
            SignerState::NotReady => "Not ready",
            SignerState::Silent => "Silent",
            SignerState::NotConnected => "Not connected",
            SignerState::Refused => "Refused",
            SignerState::Connected => "Connected",
            SignerState::Unknown => "Unknown",
        }
    }

    /// The same in the middle of a sentence.
    pub(super) fn in_a_sentence(self) -> String {
        self.word().to_lowercase()
    }

    /// Beside the word. Nothing is known of a signer that is only connected.
    pub(super) fn shape(self) -> Shape {
        match self {
            SignerState::Ready => Shape::Good,
            SignerState::Connected | SignerState::Unknown => Shape::Unknown,
            SignerState::PartlyReady | SignerState::NotSigning => Shape::Degraded,
            SignerState::NotReady
            | SignerState::Silent
            | SignerState::NotConnected
            | SignerState::Refused => Shape::Failed,
        }
    }

    /// Whether nothing is heard from it.
    pub(super) fn is_away(self) -> bool {
        matches!(self, SignerState::Silent | SignerState::NotConnected | SignerState::Refused)
    }

    /// Whether what it last said of itself is of the past.
    pub(super) fn is_past(self) -> bool {
        let is_heard = matches!(self, SignerState::Ready | SignerState::NotReady);
        !is_heard && !matches!(self, SignerState::PartlyReady | SignerState::NotSigning)
    }
}

/// A bounded word of a fact as a person reads it: `device_locked` is "device locked".
pub(super) fn state(word: &str) -> String {
    word.replace('_', " ")
}

/// How a fact is. One of the past is good no longer: it "was ready".
pub(super) fn told(fact: &Fact, is_past: bool) -> (Shape, String) {
    let (shape, word) = (Shape::of(fact.verdict), state(&fact.state));
    if is_past { (shape.max(Shape::Unknown), format!("was {word}")) } else { (shape, word) }
}

/// What a fact is about: "key baker", "link to gateway cloud over eth0".
pub(super) fn about(fact: &Fact) -> String {
    match Route::of(fact) {
        Some(route) if route.service == "shell" => format!("shell's {}", route.text()),
        Some(route) => route.text(),
        None => format!("{} {}", state(&fact.group), fact.subject).trim_end().to_owned(),
    }
}

/// Where a link goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Route<'a> {
    /// Its name, which may have the separator in it.
    pub(super) gateway: &'a str,
    /// The interface at home.
    pub(super) uplink: &'a str,
    /// `signing` or `shell`.
    pub(super) service: &'a str,
}

impl<'a> Route<'a> {
    /// Of a fact about a link.
    pub(super) fn of(fact: &'a Fact) -> Option<Route<'a>> {
        let subject = Some(fact.subject.as_str()).filter(|_| fact.group == "link")?;
        let (rest, service) = subject.rsplit_once('_')?;
        let (gateway, uplink) = rest.rsplit_once('_')?;
        Some(Route { gateway, uplink, service })
    }

    fn text(self) -> String {
        format!("link to gateway {} over {}", self.gateway, self.uplink)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fact(group: &'static str, subject: &str) -> Fact {
        Fact::new(group, "ok", Verdict::Good, String::new()).about(subject)
    }

    #[test]
    fn a_fact_is_named_in_words() {
        assert_eq!(about(&fact("key", "baker")), "key baker");
        assert_eq!(about(&fact("watermark_store", "")), "watermark store");
        assert_eq!(
            about(&fact("link", "eu_west_eth0_signing")),
            "link to gateway eu_west over eth0"
        );
        assert_eq!(about(&fact("link", "2_eth0_shell")), "shell's link to gateway 2 over eth0");
        assert_eq!(about(&fact("link", "odd")), "link odd");
        assert_eq!(state("device_in_other_app"), "device in other app");
    }

    #[test]
    fn what_was_good_is_not_known_to_be_so() {
        let past = told(&fact("key", "baker"), true);
        assert_eq!(past, (Shape::Unknown, "was ok".to_owned()));
        let low = Fact::new("power", "battery_low", Verdict::Degraded, String::new());
        assert_eq!(told(&low, true), (Shape::Degraded, "was battery low".to_owned()));
    }

    #[test]
    fn only_a_signer_that_says_so_is_ready() {
        for word in ["Ready", "ok", "up", "", "not_ready", "<b>"] {
            assert_ne!(SignerState::said(word), SignerState::Ready, "{word}");
        }
        assert_eq!(SignerState::said("ready").shape(), Shape::Good);
        assert_eq!(SignerState::said("connected").shape(), Shape::Unknown);
    }
}
