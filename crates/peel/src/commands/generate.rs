//! What a package has beside the program: completions and man pages, from what clap knows of the command line.

use std::path::Path;

use anyhow::Context;
use clap::CommandFactory;
use clap_complete::{Shell, generate};

use crate::args::{Args, CompletedShell};

/// As it is called.
const NAME: &str = "peel";

/// Writes completions to standard output.
pub(crate) fn completions(shell: CompletedShell) -> anyhow::Result<()> {
    let mut text = Vec::new();
    generate(Shell::from(shell), &mut Args::command(), NAME, &mut text);
    daemon::say!("{}", String::from_utf8(text).context("the completions are no text")?.trim_end());
    Ok(())
}

/// Writes `peel.1` and a page for each command and its commands, hidden ones left out.
pub(crate) fn man_pages(directory: &Path) -> anyhow::Result<()> {
    clap_mangen::generate_to(Args::command(), directory)
        .with_context(|| format!("the pages cannot be written to {}", directory.display()))
}

impl From<CompletedShell> for Shell {
    fn from(shell: CompletedShell) -> Shell {
        match shell {
            CompletedShell::Bash => Shell::Bash,
            CompletedShell::Zsh => Shell::Zsh,
            CompletedShell::Fish => Shell::Fish,
        }
    }
}
