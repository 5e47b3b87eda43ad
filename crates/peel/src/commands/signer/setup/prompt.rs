//! Questions to a person, and what they answer.

use std::fmt::Display;
use std::io::{self, BufRead, Write};

use anyhow::bail;

/// Asks on standard output, and reads standard input.
pub(super) struct Prompt {
    lines: io::Lines<io::StdinLock<'static>>,
}

impl Prompt {
    pub(super) fn new() -> Prompt {
        Prompt { lines: io::stdin().lock().lines() }
    }

    /// One line. Enter alone is the default.
    fn line(&mut self, question: &str, default: Option<&str>) -> anyhow::Result<String> {
        let default_shown = default.map_or_else(String::new, |default| format!(" [{default}]"));
        let mut out = io::stdout().lock();
        write!(out, "{question}{default_shown}: ")?;
        out.flush()?;
        let Some(line) = self.lines.next().transpose()? else {
            daemon::say!("");
            bail!(
                "the input has ended before the last answer; give --yes and every answer as a flag (\"peel signer setup --help\")"
            );
        };
        let line = line.trim();
        Ok(if line.is_empty() { default.unwrap_or_default().to_owned() } else { line.to_owned() })
    }

    /// Asks until the answer is understood. Enter alone is the default.
    pub(super) fn ask<T, E: Display>(
        &mut self,
        question: &str,
        default: Option<&str>,
        understand: impl Fn(&str) -> Result<T, E>,
    ) -> anyhow::Result<T> {
        loop {
            match understand(&self.line(question, default)?) {
                Ok(answer) => return Ok(answer),
                Err(error) => daemon::say!("  {error:#}"),
            }
        }
    }

    /// Asks until the answer is yes or no.
    pub(super) fn yes(&mut self, question: &str) -> anyhow::Result<bool> {
        self.ask(&format!("{question} yes or no"), None, |answer| match answer {
            "yes" | "y" => Ok(true),
            "no" | "n" => Ok(false),
            _ => Err("write yes or no"),
        })
    }
}
