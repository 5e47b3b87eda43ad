//! `peel gateway`.

mod check;
mod init;

use daemon::Health;
use gateway::{Config, Gateway};

use crate::args::GatewayCommand;
use crate::commands::serving;

pub(crate) fn run(command: GatewayCommand) -> anyhow::Result<()> {
    match command {
        GatewayCommand::Run { config } => serve(Config::read(&config)?),
        GatewayCommand::Check { config } => check::check(&config),
        GatewayCommand::Init { directory } => init::init(&directory),
    }
}

fn serve(config: Config) -> anyhow::Result<()> {
    serving::until_signal(async |shutdown| {
        let gateway = Gateway::start(config, shutdown).await?;
        let running = async {
            gateway.run().await;
            Ok(())
        };
        Ok((running, Health::default()))
    })
}
