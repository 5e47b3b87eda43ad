//! HTML in which every text is escaped and bounded. Markup is `&'static str`: what a signer says is none, and so cannot
//! become markup.

use std::fmt::Write;

/// A part of a document, as it is being written.
#[derive(Debug, Default)]
pub(super) struct Html(String);

/// Outlines of an SVG path: of numbers only.
#[derive(Debug, Default)]
pub(super) struct Outline(String);

/// Characters of a line that are shown.
const LINE: usize = 400;

/// Characters of a name that are shown.
const NAME: usize = 64;

impl Html {
    /// Markup as it stands in the source.
    pub(super) fn raw(&mut self, markup: &'static str) -> &mut Html {
        self.0.push_str(markup);
        self
    }

    /// A line, in an element or between the quotes of an attribute.
    pub(super) fn line(&mut self, text: &str) -> &mut Html {
        self.escaped(text, LINE)
    }

    /// The same of a name.
    pub(super) fn name(&mut self, text: &str) -> &mut Html {
        self.escaped(text, NAME)
    }

    /// An element and what is in it.
    pub(super) fn element(
        &mut self,
        tag: &'static str,
        class: &'static str,
        inner: impl FnOnce(&mut Html),
    ) -> &mut Html {
        self.raw("<").raw(tag);
        if !class.is_empty() {
            self.raw(" class=\"").raw(class).raw("\"");
        }
        self.raw(">");
        inner(self);
        self.raw("</").raw(tag).raw(">")
    }

    /// Outlines of an SVG, unless there are none.
    pub(super) fn path(&mut self, class: &'static str, outline: &Outline) -> &mut Html {
        if outline.0.is_empty() {
            return self;
        }
        self.raw("<path class=\"").raw(class).raw("\" d=\"");
        self.0.push_str(&outline.0);
        self.raw("\"/>")
    }

    /// As it is written so far.
    pub(super) fn into_string(self) -> String {
        self.0
    }

    fn escaped(&mut self, text: &str, limit: usize) -> &mut Html {
        let mut chars = text.chars();
        for char in chars.by_ref().take(limit) {
            self.escape(char);
        }
        if chars.next().is_some() {
            self.0.push('…');
        }
        self
    }

    fn escape(&mut self, char: char) {
        match char {
            '&' => self.0.push_str("&amp;"),
            '<' => self.0.push_str("&lt;"),
            '>' => self.0.push_str("&gt;"),
            '"' => self.0.push_str("&quot;"),
            '\'' => self.0.push_str("&#39;"),
            hidden if is_hidden(hidden) => self.0.push(char::REPLACEMENT_CHARACTER),
            shown => self.0.push(shown),
        }
    }
}

/// Characters that are not seen, and those that turn the order of others round: a text with them shows other than it says.
fn is_hidden(char: char) -> bool {
    char.is_control()
        || matches!(char, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}')
        || matches!(char, '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}')
        || matches!(char, '\u{e0000}'..='\u{e007f}')
}

impl Outline {
    /// Of nothing so far.
    pub(super) const fn new() -> Outline {
        Outline(String::new())
    }

    /// A command of a path, with its numbers: finite ones, rounded to a tenth.
    pub(super) fn draw<const N: usize>(
        &mut self,
        command: char,
        numbers: [f64; N],
    ) -> &mut Outline {
        self.0.push(command);
        for (index, number) in numbers.into_iter().enumerate() {
            let gap = if index == 0 { "" } else { " " };
            let tenths = (number * 10.0).round() / 10.0;
            // Writing into a string does not fail.
            let _ = write!(self.0, "{gap}{tenths}");
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        let mut html = Html::default();
        html.line(text);
        html.into_string()
    }

    #[test]
    fn a_text_is_no_markup() {
        let hostile = "<script>alert(1)</script>\" onload='x' &amp;";
        let safe = "&lt;script&gt;alert(1)&lt;/script&gt;&quot; onload=&#39;x&#39; &amp;amp;";
        assert_eq!(shown(hostile), safe);
    }

    #[test]
    fn what_is_not_seen_is_shown() {
        assert_eq!(shown("a\0b\x1b[31m\r\nc"), "a\u{fffd}b\u{fffd}[31m\u{fffd}\u{fffd}c");
        assert_eq!(shown("\u{202e}ydaer\u{2066}\u{200b}"), "\u{fffd}ydaer\u{fffd}\u{fffd}");
    }

    #[test]
    fn a_long_text_is_cut_between_characters() {
        assert_eq!(shown(&"é".repeat(LINE)), "é".repeat(LINE));
        assert_eq!(shown(&"é".repeat(LINE + 1)), "é".repeat(LINE) + "…");
        let mut html = Html::default();
        html.name(&"<".repeat(1_000_000));
        assert_eq!(html.into_string(), "&lt;".repeat(NAME) + "…");
    }

    #[test]
    fn an_outline_is_of_short_numbers() {
        let mut outline = Outline::default();
        outline.draw('M', [1.0, 22.3456]).draw('h', [3.0]).draw('z', []);
        assert_eq!(outline.0, "M1 22.3h3z");
    }
}
