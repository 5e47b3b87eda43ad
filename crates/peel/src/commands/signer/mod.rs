//! `peel signer`.

mod check;
mod check_device;
mod setup;
mod store_marks;

use daemon::systemd::Notifier;
use signer::{Config, Signer};

use crate::args::{PidFilePath, SignerCommand};
use crate::commands::serving;

pub(crate) fn run(command: SignerCommand) -> anyhow::Result<()> {
    match command {
        SignerCommand::Run { config, pidfile } => serve(Config::read(&config.path())?, &pidfile),
        SignerCommand::Check { config } => check::check(&config.path()),
        SignerCommand::Init { directory, choices } => setup::init(&directory, &choices),
        SignerCommand::Setup(args) => setup::setup(*args),
    }
}

fn serve(config: Config, pidfile: &PidFilePath) -> anyhow::Result<()> {
    serving::until_signal(pidfile, async |shutdown| {
        let notifier = Notifier::from_environment();
        signer::await_charge(&config, || notifier.waiting("on battery, waiting for mains")).await;
        let signer = Signer::start(config, shutdown).await?;
        let liveness = signer.liveness().clone();
        Ok((async { Ok(signer.run().await?) }, liveness))
    })
}
