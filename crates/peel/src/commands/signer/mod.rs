//! `peel signer`.

mod check;
mod check_device;
mod init;
mod store_marks;

use signer::{Config, Signer};

use crate::args::SignerCommand;
use crate::commands::serving;

pub(crate) fn run(command: SignerCommand) -> anyhow::Result<()> {
    match command {
        SignerCommand::Run { config } => serve(Config::read(&config.path())?),
        SignerCommand::Check { config } => check::check(&config.path()),
        SignerCommand::Init { directory, name, port } => init::init(&directory, &name, port),
    }
}

fn serve(config: Config) -> anyhow::Result<()> {
    serving::until_signal(async |shutdown| {
        let signer = Signer::start(config, shutdown).await?;
        let liveness = signer.liveness().clone();
        Ok((async { Ok(signer.run().await?) }, liveness))
    })
}
