//! Lines on standard output, for people and scripts.

use std::fmt::Arguments;
use std::io::{ErrorKind, Write};

/// Writes a line. A reader that has seen enough (`| head`) is no error and no panic.
pub(crate) fn line(text: Arguments<'_>) {
    let mut out = std::io::stdout().lock();
    if let Err(error) = writeln!(out, "{text}").and_then(|()| out.flush())
        && error.kind() != ErrorKind::BrokenPipe
    {
        note(format_args!("peel: standard output cannot be written: {error}"));
    }
}

/// Writes a line on standard error. When that is gone too, nobody can be told.
pub(crate) fn note(text: Arguments<'_>) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// `println!`, without its panic.
macro_rules! say {
    ($($text:tt)*) => { $crate::print::line(format_args!($($text)*)) };
}

/// `eprintln!`, without its panic.
macro_rules! tell {
    ($($text:tt)*) => { $crate::print::note(format_args!($($text)*)) };
}
