//! The log: human text or JSON lines on standard error.
//!
//! ```text
//!  an event ──try_send──▶ a bounded queue ──▶ one thread ──▶ standard error
//!                │ full: the line is lost, and counted
//! ```
//!
//! Nothing may wait for the log, or fail with it: a reader that stalls, a pipe that closes and a disk
//! that is full cost lines and never a signature. A client that is refused again and again fills no disk.
//! Under systemd the lines have the form that its journal wants (`journal.rs`).
//! `tracing-appender` has such a queue, too. At its end it writes to standard output, where a reader that stalls would
//! keep the program from ending, and its log does not say that lines are missing.

mod flood;
pub(crate) mod journal;

use std::io::{self, IsTerminal, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, LazyLock};
use std::time::Duration;
use std::{panic, thread};

use prometheus_client::metrics::counter::Counter;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::log::flood::FloodLimit;
use crate::log::journal::Prefixed;
use crate::print;

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    /// For people, or for systemd's journal where standard error leads there.
    #[default]
    Text,
    /// For machines.
    Json,
}

/// The log while it is open. Dropping it writes what is left, if that goes quickly.
#[derive(Debug)]
pub struct Log {
    lines: Lines,
    written: Receiver<()>,
}

/// Takes lines, and never waits.
#[derive(Debug, Clone)]
struct Lines {
    queue: SyncSender<Message>,
    lost: Arc<AtomicU64>,
}

#[derive(Debug)]
enum Message {
    Line(Vec<u8>),
    End,
}

/// One line in the making; the subscriber writes it in one piece.
struct Line<'a>(&'a Lines);

/// Of all logs of this process: there is one.
static LOST: LazyLock<Counter> = LazyLock::new(Counter::default);

/// Lines that wait, some hundred kilobytes.
const CAPACITY: usize = 2048;
const LAST_WORDS: Duration = Duration::from_millis(500);

/// From "info" on. What kube has to say of a failed request is in the error that comes of it.
const DEFAULT_FILTER: &str = "info,kube_client=off";

/// Starts the log. `RUST_LOG` filters it; without it, everything from "info" on is written. A second
/// call in a process changes nothing.
#[must_use = "the log ends with it"]
pub fn start(format: Format) -> Log {
    let (log, lines) = open(io::stderr());
    let filter =
        EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(DEFAULT_FILTER));
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(lines)
        .with_ansi(io::stderr().is_terminal())
        .with_target(false);
    let limited = tracing_subscriber::registry().with(filter).with(FloodLimit::default());
    if journal::is_stderr() {
        mark_panics();
    }
    let started = match format {
        Format::Text if journal::is_stderr() => {
            let bare = lines.without_time().with_level(false);
            limited.with(bare.map_event_format(Prefixed)).try_init()
        }
        Format::Text => limited.with(lines).try_init(),
        Format::Json => limited.with(lines.json().flatten_event(true)).try_init(),
    };
    drop(started);
    log
}

/// A panic is an error in the journal, too.
fn mark_panics() {
    panic::set_hook(Box::new(|panic| {
        let thread = thread::current().name().unwrap_or("unnamed").to_owned();
        print::error(format_args!("thread {thread}: {panic}"));
    }));
}

/// Counts the lines that were lost since the process began.
#[must_use]
pub fn lost_lines() -> Counter {
    LOST.clone()
}

fn open(to: impl Write + Send + 'static) -> (Log, Lines) {
    let (queue, messages) = sync_channel(CAPACITY);
    let (done, written) = sync_channel(1);
    let lost = Arc::new(AtomicU64::new(0));
    let lines = Lines { queue, lost: Arc::clone(&lost) };
    // Without a thread there is no log, and everything else goes on.
    let _ = thread::Builder::new().name("log".to_owned()).spawn(move || {
        write(&messages, to, &lost);
        let _ = done.send(());
    });
    (Log { lines: lines.clone(), written }, lines)
}

/// Until the end. What cannot be written is lost.
fn write(messages: &Receiver<Message>, mut to: impl Write, lost: &AtomicU64) {
    while let Ok(Message::Line(line)) = messages.recv() {
        let missing = lost.swap(0, Ordering::Relaxed);
        if missing > 0 {
            let text = format!("{missing} log lines are lost: they were not read in time");
            let _ = writeln!(to, "{}", journal::of_warning(&text));
        }
        let _ = to.write_all(&line);
    }
    let _ = to.flush();
}

impl Drop for Log {
    fn drop(&mut self) {
        if self.lines.queue.try_send(Message::End).is_ok() {
            // A reader that stalls does not keep the program from ending.
            let _ = self.written.recv_timeout(LAST_WORDS);
        }
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        Line(self)
    }
}

impl Write for Line<'_> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let masked = match std::str::from_utf8(line) {
            Ok(text) => tezos::mask_secrets(text).into_owned().into_bytes(),
            Err(_) => line.to_vec(),
        };
        if self.0.queue.try_send(Message::Line(masked)).is_err() {
            self.0.lost.fetch_add(1, Ordering::Relaxed);
            LOST.inc();
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::Sender;

    use tokio::time::Instant;

    use super::*;

    struct Broken;

    impl Write for Broken {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
    }

    /// Hands on what it gets, or waits for ever.
    pub(super) struct Reader(Sender<Vec<u8>>, Option<Receiver<()>>);

    impl Reader {
        /// A log that is read as it comes, and what was read.
        pub(super) fn open() -> (Log, Lines, Receiver<Vec<u8>>) {
            #[expect(clippy::disallowed_methods, reason = "a test's own queue")]
            let (sender, seen) = std::sync::mpsc::channel();
            let (open, lines) = open(Reader(sender, None));
            (open, lines, seen)
        }
    }

    /// All that was read. The log is closed.
    pub(super) fn text(seen: &Receiver<Vec<u8>>) -> String {
        String::from_utf8(seen.try_iter().collect::<Vec<_>>().concat()).unwrap()
    }

    impl Write for Reader {
        fn write(&mut self, line: &[u8]) -> io::Result<usize> {
            let _ = self.0.send(line.to_vec());
            if let Some(stall) = &self.1 {
                let _ = stall.recv();
            }
            Ok(line.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn log(lines: &Lines, text: &str) {
        lines.make_writer().write_all(text.as_bytes()).unwrap();
    }

    #[test]
    fn lines_come_out_in_order_and_to_the_last() {
        let (open, lines, seen) = Reader::open();
        log(&lines, "one\n");
        log(&lines, "two\n");
        drop(open);
        assert_eq!(text(&seen), "one\ntwo\n");
    }

    #[test]
    fn no_secret_key_gets_into_the_log() {
        let (open, lines, seen) = Reader::open();
        log(&lines, "unencrypted:edsk3gUfUPyBSfrS9CCgmCiQsTCHGkviBDusMxDJstFtojtc1zcpsh\n");
        drop(open);
        assert_eq!(text(&seen), "(a secret, not shown)\n");
    }

    #[test]
    fn a_closed_pipe_is_no_error() {
        let (open, lines) = open(Broken);
        log(&lines, "into nothing\n");
        drop(open);
    }

    #[test]
    fn a_reader_that_stalls_costs_lines_and_no_time() {
        #[expect(clippy::disallowed_methods, reason = "a test's own queue")]
        let (sender, seen) = std::sync::mpsc::channel();
        #[expect(clippy::disallowed_methods, reason = "a test's own queue")]
        let (_stall, stalled) = std::sync::mpsc::channel();
        let (open, lines) = open(Reader(sender, Some(stalled)));
        let started = Instant::now();
        log(&lines, "the line that it stalls at\n");
        seen.recv().unwrap();
        for _ in 0..CAPACITY + 100 {
            log(&lines, "a line\n");
        }
        assert_eq!(lines.lost.load(Ordering::Relaxed), 100);
        assert_eq!(lost_lines().get(), 100, "no other test loses any");
        drop(open);
        assert!(started.elapsed() < Duration::from_secs(10));
    }
}
