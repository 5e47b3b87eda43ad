//! The last answers of a signer as a strip of bars: the newest at the right, the height by the logarithm of the time.
//!
//! ```text
//!              ╳  ▯    signed: a bar; declined: a cross on top of it; unanswered: hollow, and as high as the strip
//!  ▂ ▂ ▃ ▂ ▆ ▂ ▁  ▯
//! ```

use super::figures::{Clock, latency};
use super::html::{Html, Outline};
use crate::report::{ANSWERS, AnswerReport, AnswerResult};

/// From one bar to the next, in the units of the drawing: 400 wide, 56 high.
const PITCH: f64 = 4.0;

/// Of a bar.
const WIDTH: f64 = 3.0;

/// Where bars stand.
const BASE: f64 = 56.0;

/// What a time of 10 s and more is high; above that is room for a cross.
const HEIGHT: f64 = 48.0;

/// The shortest bar, a part of the height: it must be seen.
const SHORTEST: f64 = 0.06;

/// What the bars of the strip sum up to.
#[derive(Debug, Default)]
struct Summary {
    signed: usize,
    declined: usize,
    unanswered: usize,
    /// Of those that were signed, in seconds, the shortest first.
    times: Vec<f64>,
}

/// A strip, its summary and its scale.
pub(super) fn strip(html: &mut Html, answers: &[AnswerReport], clock: Clock) {
    let answers = answers.get(answers.len().saturating_sub(ANSWERS)..).unwrap_or_default();
    let (Some(first), Some(last)) = (answers.first(), answers.last()) else {
        html.raw(
            "<p class=\"quiet\">No signing request has come since the gateway was started.</p>",
        );
        return;
    };
    let summary = Summary::of(answers);
    html.element("div", "answers", |html| {
        html.element("div", "plot", |html| plot(html, answers, &summary));
        html.element("p", "span quiet", |html| {
            clock.ago(html, first.at);
            clock.ago(html, last.at);
        });
        summary.legend(html);
    });
}

fn plot(html: &mut Html, answers: &[AnswerReport], summary: &Summary) {
    html.raw("<svg viewBox=\"0 0 400 56\" preserveAspectRatio=\"none\" role=\"img\" aria-label=\"");
    html.line(&summary.text()).raw("\">");
    html.raw("<path class=\"scale\" d=\"M0 8h400M0 24h400M0 40h400M0 56h400\"/>");
    draw(html, answers);
    html.raw(
        "</svg><p class=\"axis\" aria-hidden=\"true\"><span>10\u{a0}s</span><span>1\u{a0}s</span>",
    );
    html.raw("<span>100\u{a0}ms</span><span>10\u{a0}ms</span></p>");
}

fn draw(html: &mut Html, answers: &[AnswerReport]) {
    let [mut signed, mut declined, mut crosses, mut unanswered] = [const { Outline::new() }; 4];
    // A strip that is not full is filled from the right.
    let mut left = PITCH * (0..ANSWERS.saturating_sub(answers.len())).fold(0.0, |sum, _| sum + 1.0);
    for answer in answers {
        match answer.result {
            AnswerResult::Signed => bar(&mut signed, left, height(answer.seconds)),
            AnswerResult::Declined => {
                bar(&mut declined, left, height(answer.seconds));
                cross(&mut crosses, left, height(answer.seconds));
            }
            AnswerResult::Unanswered => bar(&mut unanswered, left, HEIGHT),
        }
        left += PITCH;
    }
    html.path("signed", &signed).path("declined", &declined);
    html.path("cross", &crosses).path("unanswered", &unanswered);
}

/// 10 ms are nothing, each factor of ten a third. What is no number is the shortest.
fn height(seconds: f64) -> f64 {
    let part = (seconds / 0.01).log10() / 3.0;
    HEIGHT * if part.is_nan() { SHORTEST } else { part.clamp(SHORTEST, 1.0) }
}

fn bar(outline: &mut Outline, left: f64, height: f64) {
    outline.draw('M', [left + 0.5, BASE - height]).draw('h', [WIDTH]).draw('V', [BASE]);
    outline.draw('h', [-WIDTH]).draw('z', []);
}

fn cross(outline: &mut Outline, left: f64, height: f64) {
    outline.draw('M', [left, BASE - height - 6.5]).draw('l', [4.0, 5.0]);
    outline.draw('m', [0.0, -5.0]).draw('l', [-4.0, 5.0]);
}

impl Summary {
    fn of(answers: &[AnswerReport]) -> Summary {
        let mut summary = Summary::default();
        for answer in answers {
            match answer.result {
                AnswerResult::Signed => {
                    summary.signed += 1;
                    summary.times.push(answer.seconds);
                }
                AnswerResult::Declined => summary.declined += 1,
                AnswerResult::Unanswered => summary.unanswered += 1,
            }
        }
        summary.times.retain(|seconds| seconds.is_finite());
        summary.times.sort_by(f64::total_cmp);
        summary
    }

    /// "last 100 answers: 98 signed, 1 declined, 1 unanswered; median 238 ms, slowest 1.2 s"
    fn text(&self) -> String {
        let Summary { signed, declined, unanswered, .. } = self;
        let answers = match signed + declined + unanswered {
            1 => "last answer".to_owned(),
            count => format!("last {count} answers"),
        };
        let counts = format!("{signed} signed, {declined} declined, {unanswered} unanswered");
        format!(
            "{answers}: {counts}{}",
            self.speed().map(|speed| "; ".to_owned() + &speed).unwrap_or_default()
        )
    }

    fn speed(&self) -> Option<String> {
        let (median, slowest) = (self.times.get(self.times.len() / 2)?, self.times.last()?);
        Some(format!("median {}, slowest {}", latency(*median), latency(*slowest)))
    }

    /// The same to be seen, each count with the bar that it is drawn as.
    fn legend(&self, html: &mut Html) {
        html.raw("<ul class=\"legend\" aria-hidden=\"true\">");
        for (draw, count, word) in [
            (PLAIN, self.signed, " signed"),
            (CROSSED, self.declined, " declined"),
            (HOLLOW, self.unanswered, " unanswered"),
        ] {
            html.raw(if count == 0 { "<li class=\"none\">" } else { "<li>" });
            html.raw("<svg viewBox=\"0 0 8 16\">").raw(draw).raw("</svg>");
            html.name(&count.to_string()).raw(word).raw("</li>");
        }
        if let Some(speed) = self.speed() {
            html.element("li", "speed", |html| _ = html.line(&speed));
        }
        html.raw("</ul>");
    }
}

const PLAIN: &str = "<path class=\"signed\" d=\"M2 6h4V16h-4z\"/>";
const CROSSED: &str = "<path class=\"declined\" d=\"M2 8h4V16h-4z\"/>\
    <path class=\"cross\" d=\"M1.5 1l5 5m0-5l-5 5\"/>";
const HOLLOW: &str = "<path class=\"unanswered\" d=\"M2 1h4V15h-4z\"/>";

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(result: AnswerResult, seconds: f64) -> AnswerReport {
        AnswerReport { at: 99.0, seconds, result, kind: "attestation".to_owned(), level: 7 }
    }

    fn drawn(answers: &[AnswerReport]) -> String {
        let mut html = Html::default();
        strip(&mut html, answers, Clock::own(100.0));
        html.into_string().replace('\u{a0}', " ")
    }

    /// Bars of a class, in the strip and not in its legend.
    fn bars(drawn: &str, class: &str) -> usize {
        let start = format!("<path class=\"{class}\" d=\"");
        let path = drawn.split("<ul").next().unwrap().split(&start).nth(1);
        path.map_or(0, |path| path.split('"').next().unwrap().matches('z').count())
    }

    #[test]
    fn each_result_has_its_own_bars_and_all_are_said_in_words() {
        let mut answers = vec![answer(AnswerResult::Signed, 0.238); 97];
        answers.push(answer(AnswerResult::Signed, 1.2));
        answers.push(answer(AnswerResult::Declined, 0.004));
        answers.push(answer(AnswerResult::Unanswered, 15.0));
        let drawn = drawn(&answers);
        let counts = ["signed", "declined", "unanswered"].map(|class| bars(&drawn, class));
        assert_eq!(counts, [98, 1, 1]);
        let text =
            "last 100 answers: 98 signed, 1 declined, 1 unanswered; median 238 ms, slowest 1.2 s";
        assert!(drawn.contains(&format!("aria-label=\"{text}\"")), "{drawn}");
    }

    #[test]
    fn only_the_last_answers_are_drawn() {
        let mut answers = vec![answer(AnswerResult::Declined, 0.1); 5000];
        answers.extend(vec![answer(AnswerResult::Signed, 0.1); ANSWERS - 1]);
        let drawn = drawn(&answers);
        assert_eq!((bars(&drawn, "signed"), bars(&drawn, "declined")), (ANSWERS - 1, 1));
        assert!(drawn.len() < 10_000, "{}", drawn.len());
    }

    #[test]
    fn a_time_that_is_no_number_is_drawn_within_the_strip() {
        for seconds in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -1.0, 0.0, 1e300] {
            assert!((SHORTEST * HEIGHT..=HEIGHT).contains(&height(seconds)), "{seconds}");
            let drawn = drawn(&[answer(AnswerResult::Signed, seconds)]);
            assert!(!drawn.contains("NaN") && !drawn.contains("inf"), "{drawn}");
        }
        assert!((height(0.1) - HEIGHT / 3.0).abs() < 1e-9);
    }

    #[test]
    fn without_answers_there_is_a_sentence() {
        assert!(drawn(&[]).contains("No signing request has come"));
    }
}
