//! Facts as a list: the shape, what it is about, how it is, and the line for a person.

use daemon::health::Fact;

use super::figures::Clock;
use super::html::Html;
use super::words;

/// Whether it is listed; figures of signatures have a table.
pub(super) fn has_line(fact: &Fact) -> bool {
    fact.group != "signed"
}

/// Lists them in their order.
pub(super) fn fact_list<'a>(
    html: &mut Html,
    facts: impl Iterator<Item = &'a Fact>,
    clock: Clock,
    is_past: bool,
) {
    html.element("ul", "facts", |html| facts.for_each(|fact| show(html, fact, clock, is_past)));
}

fn show(html: &mut Html, fact: &Fact, clock: Clock, is_past: bool) {
    let (shape, state) = words::told(fact, is_past);
    html.element("li", "", |html| {
        shape.draw(html);
        html.element("div", "", |html| {
            html.element("b", "", |html| _ = html.line(&words::about(fact)));
            html.raw(": ").name(&state);
            if fact.since > 0.0 && !is_past {
                html.raw(" ").element("span", "quiet", |html| clock.lasting(html, fact.since));
            }
            if fact.line != fact.state {
                html.element("p", "quiet", |html| _ = html.line(&fact.line));
            }
        });
    });
}
