//! Lines as the journal of systemd wants them: a priority in front (`sd-daemon(3)`), and neither a time nor a level,
//! which it keeps itself. So `journalctl -p warning` shows what is wrong.

use std::env;
use std::fmt::{self, Write};
use std::io;
use std::sync::LazyLock;

use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// Why a program ends: `LOG_ERR` of syslog.
const ERROR: u8 = 3;
const WARNING: u8 = 4;

static IS_STDERR: LazyLock<bool> = LazyLock::new(|| {
    let stream = env::var("JOURNAL_STREAM").unwrap_or_default();
    let found = rustix::fs::fstat(io::stderr());
    found.is_ok_and(|found| stream == format!("{}:{}", found.st_dev, found.st_ino))
});

/// Whether standard error leads to the journal. The variable that says so (`systemd.exec(5)`) is handed on to programs
/// whose standard error leads elsewhere, so it names the device and the inode.
pub(super) fn is_stderr() -> bool {
    *IS_STDERR
}

/// What goes to standard error beside the log, and says why the program ends: an error, in the journal.
pub(crate) fn of_error(text: &str) -> String {
    of_priority(ERROR, text)
}

/// What the log says of itself.
pub(super) fn of_warning(text: &str) -> String {
    of_priority(WARNING, text)
}

fn of_priority(priority: u8, text: &str) -> String {
    if is_stderr() { prefixed(priority, text).trim_end().to_owned() } else { text.to_owned() }
}

/// Each line of a text with its priority: what a client or a gateway sent cannot choose the priority of a second line.
fn prefixed(priority: u8, text: &str) -> String {
    text.lines().fold(String::new(), |mut all, line| {
        let _ = writeln!(all, "<{priority}>{line}");
        all
    })
}

/// The lines of another format, each with its priority.
#[derive(Debug)]
pub(super) struct Prefixed<F>(pub(super) F);

impl<S, N, F> FormatEvent<S, N> for Prefixed<F>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
    F: FormatEvent<S, N>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut text = String::new();
        self.0.format_event(context, Writer::new(&mut text), event)?;
        writer.write_str(&prefixed(priority(*event.metadata().level()), &text))
    }
}

/// As syslog numbers them.
fn priority(level: Level) -> u8 {
    match level {
        Level::ERROR => ERROR,
        Level::WARN => WARNING,
        Level::INFO => 6,
        Level::DEBUG | Level::TRACE => 7,
    }
}

#[cfg(test)]
mod tests {
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;
    use crate::log::tests::{Reader, text};

    #[test]
    fn every_line_has_the_priority_of_its_event_and_nothing_else_in_front() {
        let (log, lines, seen) = Reader::open();
        let format = tracing_subscriber::fmt::layer().with_writer(lines).with_ansi(false);
        let format = format.with_target(false).without_time().with_level(false);
        let subscriber = tracing_subscriber::registry().with(format.map_event_format(Prefixed));
        tracing::subscriber::with_default(subscriber, || {
            tracing::error!("the store is gone");
            tracing::warn!(key = "baker", "cannot sign");
            tracing::debug!("asked");
            tracing::info!("a gateway says: good\n<0>the house burns");
        });
        drop(log);
        let expected = "<3>the store is gone\n<4>cannot sign key=\"baker\"\n<7>asked\n\
                        <6>a gateway says: good\n<6><0>the house burns\n";
        assert_eq!(text(&seen), expected);
    }
}
