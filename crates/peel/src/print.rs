//! Lines on standard output, for people and scripts.

use std::fmt::Arguments;
use std::io::{ErrorKind, Write};

/// Writes a line. A reader that has seen enough (`| head`) is no error and no panic.
pub(crate) fn line(text: Arguments<'_>) {
    let mut out = std::io::stdout().lock();
    if let Err(error) = writeln!(out, "{text}").and_then(|()| out.flush())
        && error.kind() != ErrorKind::BrokenPipe
    {
        eprintln!("peel: standard output cannot be written: {error}");
    }
}

/// `println!`, without its panic.
macro_rules! say {
    () => { $crate::print::line(format_args!("")) };
    ($($text:tt)*) => { $crate::print::line(format_args!($($text)*)) };
}
