//! What goes wrong, one thing a file.

mod cloud_lost;
mod crash;
mod double_signature;
mod line_silent;

const WIDTH: usize = 80;
const REFUSED: &str = "REFUSED: ";

/// A refusal, on as many lines as it needs.
fn tell_refusal(indent: &str, why: &str) {
    let mut line = format!("{indent}{REFUSED}");
    let hanging = " ".repeat(line.len());
    for word in why.split_whitespace() {
        if line.len() + word.len() > WIDTH {
            daemon::say!("{}", line.trim_end());
            line.clone_from(&hanging);
        }
        line.push_str(word);
        line.push(' ');
    }
    daemon::say!("{}", line.trim_end());
}
