//! What Peel's daemons do alike.
//!
//! - [`config`]: a configuration file, and the sections that both daemons have.
//! - [`Shutdown`]: SIGTERM and SIGINT, heard in every wait.
//! - [`log`]: one line per thing an operator would act on, on standard error.
//! - [`connections`]: listeners with limits on connections, bytes and time.
//! - [`http`] and [`frames`]: what is spoken on them.
//! - [`exposition`]: metrics as text.
//! - [`free_port`]: where a program listens that a demo or a test starts.
//! - [`Health`]: named facts; readiness, status lines, watchdog and alerts read the same ones.
//! - [`secret_file`]: secrets are read only from files that no other user can read.
//! - [`monitor`]: `/metrics`, `/livez`, `/readyz`, `/status`.
//! - [`open_files`]: as many of them as the system allows.
//! - [`pidfile`]: the number of a process, for scripts that stop it.
//! - [`mod@print`]: lines on standard output, without a panic and without secrets.
//! - [`ports`]: a port that is taken for a moment is waited for.
//! - [`process`]: what a daemon uses of its computer.
//! - [`reload`]: a configuration that is read anew while the daemon runs.
//! - [`report`]: what a daemon says of itself.
//! - [`scrape`]: metrics that are read at each scrape; [`own_metrics`]: those that every daemon has.
//! - [`systemd`]: readiness and watchdog notifications.
//! - [`tls`]: a certificate and its key, read anew when they change.
#![warn(clippy::disallowed_types)]

pub mod config;
pub mod connections;
pub mod exposition;
mod file_stamp;
pub mod frames;
pub mod free_port;
pub mod health;
pub mod http;
mod listen;
pub mod log;
pub mod misses;
pub mod monitor;
pub mod open_files;
mod own_file;
pub mod own_metrics;
pub mod pidfile;
pub mod ports;
pub mod print;
pub mod process;
pub mod reload;
pub mod report;
pub mod scrape;
pub mod secret_file;
mod shutdown;
pub mod systemd;
pub mod tls;

pub use health::{Fact, Health, Verdict};
pub use listen::{Listen, ListenTextError};
pub use shutdown::Shutdown;
