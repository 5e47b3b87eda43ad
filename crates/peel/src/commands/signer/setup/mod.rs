//! `peel signer init` and `peel signer setup`: one plan of what a signer is made of, shown, and carried out.
//!
//! ```text
//!  choices (flags, answers, questions) ─▶ Plan: looks, writes nothing ─▶ the last yes ─▶ Plan::carry_out
//!                                                                         identity, Ledger, marks, signer.toml
//! ```
//!
//! The file comes last: a set-up that was cut short is a signer that does not start, never one without marks.

mod ask;
mod file;
mod marks;
mod plan;
mod prompt;
mod store;
mod unit;

use std::path::Path;
use std::process::Command;

use anyhow::{Context, bail};
use signer::Config;
use tunnel::{Identity, PublicKey};

use crate::args::{Choices, SetupArgs};
use crate::commands::ledger as device;
use crate::commands::signer::setup::plan::{Plan, Reach, line_for_gateway};
use crate::commands::signer::setup::prompt::Prompt;
use crate::commands::signer::setup::unit::Service;
use crate::commands::{starter, store_owner};

const DEFAULT_NAME: &str = "home";

/// Makes what is missing, keeps what is there, and shows what the gateway has to know.
pub(super) fn init(folder: &Path, choices: &Choices) -> anyhow::Result<()> {
    let plan = Plan::new(folder, choices, Reach::AsChosen)?;
    if plan.before.is_some() && plan.changes_file() {
        bail!(
            "{} is there, says otherwise, and is never overwritten:\n{}\n\"peel signer setup --directory {}\" changes it; or \
             leave out what differs",
            plan.file.display(),
            plan.changed_lines().join("\n"),
            folder.display()
        );
    }
    let identity = plan.carry_out(choices)?;
    show_what_is_left(&plan);
    show_line(&plan, choices, &identity);
    Ok(())
}

/// The whole way, with questions or without.
pub(super) fn setup(args: SetupArgs) -> anyhow::Result<()> {
    let SetupArgs { directory, answers, yes, only_identity, choices } = args;
    let choices = match answers {
        Some(file) => choices.with_answers(&file)?,
        None => choices,
    };
    if only_identity {
        return make_only_identity(&directory, &choices);
    }
    let mut prompt = (!yes).then(Prompt::new);
    let choices = match &mut prompt {
        Some(prompt) => ask::complete(&directory, choices, prompt)?,
        None => choices,
    };
    let plan = Plan::new(&directory, &choices, Reach::Whole)?;
    plan.show();
    if let Some(prompt) = &mut prompt
        && !prompt.yes("Do this?")?
    {
        bail!("nothing was written");
    }
    let identity = plan.carry_out(&choices)?;
    let service = Service::of(&directory);
    if service.is_active() {
        service.take_up(plan.changes_file())?;
    } else {
        // Before the service has device and store.
        show_check(&plan.file)?;
        service.start(&plan.file)?;
    }
    show_line(&plan, &choices, &identity);
    Ok(())
}

/// What "peel signer check" says, as the user that has the store. A gateway that does not know this signer yet is no
/// reason to end here.
fn show_check(file: &Path) -> anyhow::Result<()> {
    daemon::say!("\npeel signer check --config {}", file.display());
    let mut check = Command::new(store_owner::THIS_PROGRAM);
    check.args(["signer", "check", "--config"]).arg(file);
    let checked = check.status().context("the check cannot be started")?;
    if !checked.success() {
        daemon::say!("It is set up, and not all is well yet: see the lines above.");
    }
    Ok(())
}

fn make_only_identity(folder: &Path, choices: &Choices) -> anyhow::Result<()> {
    starter::folder(folder)?;
    let identity = identity(folder, choices)?;
    let port = choices.port.unwrap_or(file::PORT);
    daemon::say!("{}", line_for_gateway(name(choices), &identity, port, None));
    Ok(())
}

fn identity(folder: &Path, choices: &Choices) -> anyhow::Result<PublicKey> {
    let identity: Identity =
        starter::identity("identity", &folder.join(file::IDENTITY), name(choices))?;
    Ok(identity.public())
}

fn name(choices: &Choices) -> &str {
    choices.name.as_deref().unwrap_or(DEFAULT_NAME)
}

impl Plan {
    /// What is going to be done, for a person who is to say yes.
    fn show(&self) {
        daemon::say!("\nThis will be done:");
        if let Some(key) = self.key {
            daemon::say!("  key            {key}");
        }
        if let Some(authorization) = &self.authorization {
            let instead = authorization.instead_of.as_ref();
            let instead = instead.map_or_else(String::new, |path| format!(", in place of {path}"));
            daemon::say!(
                "  ledger         {} is authorised for baking{instead}; confirm on the device",
                authorization.path
            );
        }
        if let Some(marks) = &self.marks {
            daemon::say!("  marks          {}", marks.plan);
        }
        if self.changes_file() {
            let what = if self.before.is_some() { "changed" } else { "made" };
            daemon::say!("  configuration  {}: {what}", self.file.display());
            self.changed_lines().iter().for_each(|line| daemon::say!("    {line}"));
        } else {
            daemon::say!("  configuration  {}: kept as it is", self.file.display());
        }
    }

    /// Does it, in the order in which a crash leaves no signer without marks.
    fn carry_out(&self, choices: &Choices) -> anyhow::Result<PublicKey> {
        let folder = self.file.parent().unwrap_or(Path::new("."));
        starter::folder(folder)?;
        let identity = identity(folder, choices)?;
        if let Some(planned) = &self.authorization {
            device::setup(planned.transport, &planned.path, planned.chain, planned.level)?;
        }
        if let Some(planned) = &self.marks {
            store::carry_out(planned.plan, &planned.store, planned.key, planned.chain)?;
            daemon::say!("marks          {}: {}", planned.store.display(), planned.plan);
        }
        if self.before.is_none() {
            starter::configuration(&self.file, &self.text)?;
        } else if self.changes_file() {
            starter::replace_configuration(&self.file, &self.text)?;
            daemon::say!("configuration  {}: changed", self.file.display());
        } else {
            daemon::say!("configuration  {}: kept as it is", self.file.display());
        }
        Ok(identity)
    }
}

/// What a file that was only begun still needs, in the order in which it is done.
fn show_what_is_left(plan: &Plan) {
    let config = plan.file.display();
    daemon::say!("\nThen, here:");
    let read = Config::read(&plan.file);
    if let Err(error) = &read {
        daemon::say!("- fill in what is missing: {error}");
        daemon::say!(
            "  (\"peel gateway init\" prints the gateway's address and host key, in the cloud)"
        );
    }
    if plan.marks.is_none() {
        daemon::say!("- peel watermark init --config {config} --level LEVEL");
        daemon::say!("  (the chain's present level: nothing at or below it will be signed)");
    }
    daemon::say!("- peel signer check --config {config}");
    daemon::say!("- peel signer run --config {config}");
}

fn show_line(plan: &Plan, choices: &Choices, identity: &PublicKey) {
    daemon::say!("\nRun this in the cloud, where gateway.toml is:\n");
    daemon::say!("{}", line_for_gateway(name(choices), identity, plan.port, plan.key));
}
