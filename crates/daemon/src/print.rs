//! Lines on standard output, for people and scripts.

use std::fmt::Arguments;
use std::io::{self, ErrorKind, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use crate::log::journal;

/// A line could not be written: what is there may be half of it, or empty.
static FAILED: AtomicBool = AtomicBool::new(false);

/// Writes a line. A reader that has seen enough (`| head`) is no error and no panic; anything else makes the
/// command fail in the end.
pub fn line(text: Arguments<'_>) {
    let mut out = io::stdout().lock();
    if let Err(error) = writeln!(out, "{}", masked(text)).and_then(|()| out.flush())
        && error.kind() != ErrorKind::BrokenPipe
        && !FAILED.swap(true, Ordering::Relaxed)
    {
        note(format_args!("peel: standard output cannot be written: {error}"));
    }
}

/// Writes a line on standard error. When that is gone, too, the line is lost.
pub fn note(text: Arguments<'_>) {
    let _ = writeln!(io::stderr(), "{}", masked(text));
}

/// Writes why the program ends on standard error; in the journal of systemd it is an error.
pub fn error(text: Arguments<'_>) {
    note(format_args!("{}", journal::of_error(&text.to_string())));
}

/// Whether every line was written that the command wanted to write.
#[must_use]
pub fn is_complete() -> bool {
    !FAILED.load(Ordering::Relaxed)
}

/// No command shows a secret key; one that was typed in the wrong place comes back in the message about it.
fn masked(text: Arguments<'_>) -> String {
    tezos::mask_secrets(&text.to_string()).into_owned()
}

/// `println!`, without its panic.
#[macro_export]
macro_rules! say {
    ($($text:tt)*) => { $crate::print::line(format_args!($($text)*)) };
}

/// `eprintln!`, without its panic.
#[macro_export]
macro_rules! tell {
    ($($text:tt)*) => { $crate::print::note(format_args!($($text)*)) };
}
