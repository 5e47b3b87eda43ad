//! `peel gateway`.

mod add;
mod check;
pub(crate) mod init;

use std::path::Path;

use anyhow::{Context, bail};
use daemon::Health;
use gateway::{Config, Gateway, StandIn};
use tezos::PublicKeyHash;

use crate::args::{GatewayCommand, PidFilePath};
use crate::commands::gateway::add::NewSigner;
use crate::commands::{serving, store_owner};

pub(crate) fn run(command: GatewayCommand) -> anyhow::Result<()> {
    match command {
        GatewayCommand::Run { config, pidfile } => serve(Config::read(&config.path())?, &pidfile),
        GatewayCommand::StandIn { config, pidfile } => stand_in(&config.path(), &pidfile),
        GatewayCommand::Forget { key, config } => forget(&key, &Config::read(&config.path())?),
        GatewayCommand::Check { config } => check::check(&config.path()),
        GatewayCommand::Init { directory, address, node } => {
            init::init(&directory, address.as_deref(), node.as_ref())
        }
        GatewayCommand::Add { name, ssh_public_key, port, keys, replace, config } => {
            add::add(&config.path(), &NewSigner { name, ssh_public_key, port, keys }, replace)
        }
    }
}

fn forget(key: &PublicKeyHash, config: &Config) -> anyhow::Result<()> {
    let directory = config.state.as_deref();
    let directory = directory.context(
        "gateway.toml names no [state] directory: nothing is kept across a restart, so start the gateway anew",
    )?;
    store_owner::become_owner_of(directory)?;
    if gateway::forget(directory, key)? {
        daemon::say!("{key}: forgotten. A signer is asked for it again, wherever its store is.");
        Ok(())
    } else {
        bail!("nothing was known of {key}")
    }
}

fn stand_in(file: &Path, pidfile: &PidFilePath) -> anyhow::Result<()> {
    let stand_in = StandIn::new(Config::read(file)?, file)?;
    serving::until_signal(pidfile, async |shutdown| {
        let running = async {
            stand_in.run(shutdown).await;
            Ok(())
        };
        Ok((running, Health::default()))
    })
}

fn serve(config: Config, pidfile: &PidFilePath) -> anyhow::Result<()> {
    serving::until_signal(pidfile, async |shutdown| {
        let gateway = Gateway::start(config, shutdown).await?;
        let running = async {
            gateway.run().await;
            Ok(())
        };
        Ok((running, Health::default()))
    })
}
