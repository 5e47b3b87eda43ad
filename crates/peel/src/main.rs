//! The command line: parses, wires, nothing else.

mod args;
mod commands;

use std::env;
use std::process::ExitCode;

use clap::Parser;

use crate::args::{Args, Command};
use crate::commands::ssh::NoShell;

fn main() -> ExitCode {
    let more = env::var("PEEL_SSH").unwrap_or_default();
    let args = Args::parse_from(commands::ssh::words::in_order(env::args_os().collect(), &more));
    let log = daemon::log::start(args.log_format.into());
    let done = match args.command {
        Command::Demo { shared: true, slowness } => demo::run_shared(slowness),
        Command::Demo { shared: false, slowness } => demo::run(slowness),
        Command::Signer(command) => commands::signer::run(command),
        Command::Gateway(command) => commands::gateway::run(command),
        Command::Ledger(command) => commands::ledger::run(command),
        Command::Key(command) => commands::key::run(command),
        Command::Ssh(args) => commands::ssh::run(args),
        Command::Status { url, place, watch, json } => {
            commands::status::run(url.as_ref(), place, watch, json)
        }
        Command::Watermark(command) => commands::watermark::run(command),
        Command::Completions { shell } => commands::generate::completions(shell),
        Command::Man { directory } => commands::generate::man_pages(&directory),
    };
    match done {
        Ok(()) if daemon::print::is_complete() => ExitCode::SUCCESS,
        Ok(()) => ExitCode::from(FAILED),
        Err(error) => {
            // After the log: it may have said why.
            drop(log);
            daemon::print::error(format_args!("peel: {}", in_one_line(&error)));
            ExitCode::from(if is_misuse(&error) { MISUSED } else { FAILED })
        }
    }
}

/// An error and its causes; what a cause says that was said already is left out.
fn in_one_line(error: &anyhow::Error) -> String {
    let mut line = String::new();
    for cause in error.chain() {
        let text = cause.to_string();
        if line.is_empty() {
            line = text;
        } else if !line.contains(&text) {
            line = format!("{line}: {text}");
        }
    }
    line
}

fn is_misuse(error: &anyhow::Error) -> bool {
    error.is::<daemon::config::ConfigError>()
        || error.is::<gateway::StandInError>()
        || error.downcast_ref().is_some_and(kubernetes::ConnectError::is_misuse)
        || error.downcast_ref().is_some_and(kubernetes::FindError::is_misuse)
        || error.downcast_ref().is_some_and(NoShell::is_misuse)
}

/// It was tried and did not work.
const FAILED: u8 = 1;
/// Bad usage or configuration; clap uses the same.
const MISUSED: u8 = 2;
