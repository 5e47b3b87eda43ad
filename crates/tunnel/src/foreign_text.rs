//! What the other side said, as it may stand in a log or on a screen.

/// The text on one line, and no longer than `most` characters before they are escaped.
pub(crate) fn escaped(text: &str, most: usize) -> String {
    let mut line = String::new();
    for letter in text.chars().take(most) {
        match letter {
            '"' | '\'' => line.push(letter),
            _ => line.extend(letter.escape_debug()),
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_other_side_says_stays_on_its_line_of_the_log() {
        assert_eq!(escaped("10.1.2.3", 80), "10.1.2.3");
        assert_eq!(escaped("x\n12:00 all is well\x1b[2K", 80), "x\\n12:00 all is well\\u{1b}[2K");
        assert_eq!(escaped(&"x".repeat(100_000), 80).len(), 80);
    }
}
