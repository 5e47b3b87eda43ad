//! Makes the gateway's report.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use daemon::report::Reporter;
use tokio::time::Instant;
use tunnel::Service;
use tunnel::endpoint::Session;

use crate::report::{GatewayReport, SessionReport, ShareReport, SharedKeyReport, SignerReport};
use crate::shared_key::{ShareState, SharedKey, SharedKeys};
use crate::signer::Signer;
use crate::signers::Signers;

/// Makes the gateway's report, from what is known at the moment.
#[derive(Debug, Clone)]
pub(crate) struct Status {
    pub(crate) reporter: Reporter,
    pub(crate) signers: Signers,
    pub(crate) shared_keys: SharedKeys,
}

impl Status {
    pub(crate) fn report(&self) -> GatewayReport {
        let signers = self.signers.all().iter().map(|signer| of_signer(signer)).collect();
        let shared_keys = self.shared_keys.all();
        let shared_keys = shared_keys.iter().map(|shared| of_shared_key(shared, &self.signers));
        GatewayReport { own: self.reporter.report(), signers, shared_keys: shared_keys.collect() }
    }
}

fn of_shared_key(shared: &SharedKey, signers: &Signers) -> SharedKeyReport {
    let states = shared.states(signers).into_iter();
    let share = |share: ShareState| ShareReport {
        index: share.index.number(),
        signer: share.signer,
        state: share.state.to_owned(),
    };
    SharedKeyReport {
        key: shared.config.hash().to_string(),
        needed: shared.config.group.threshold().needed(),
        shares: states.map(share).collect(),
    }
}

fn of_signer(signer: &Signer) -> SignerReport {
    let paths = signer.paths();
    let signing = paths.iter().map(|path| of_session(path.session(), path.is_silent()));
    let shells = signer.shells();
    let shells = shells.iter().map(|session| of_session(session, false));
    let (age, own) = signer.report().unzip();
    SignerReport {
        name: signer.name.clone(),
        port: signer.port.of(Service::Signing),
        keys: signer.claim().keys().iter().map(ToString::to_string).collect(),
        sessions: signing.chain(shells).collect(),
        answers: signer.answers.all(),
        own: own.map(|report| (*report).clone()),
        age: age.map(|age: Duration| age.as_secs_f64()),
    }
}

fn of_session(session: &Session, silent: bool) -> SessionReport {
    SessionReport {
        service: session.service().to_string(),
        uplink: session.uplink().unwrap_or_default().to_owned(),
        metered: session.is_metered(),
        silent,
        since: seconds_at(session.opened_at()),
        round_trip: session.round_trip().map(|round_trip| round_trip.as_secs_f64()),
    }
}

/// In seconds since 1970.
fn seconds_at(moment: Instant) -> f64 {
    let at = SystemTime::now().checked_sub(moment.elapsed());
    let at = at.and_then(|at| at.duration_since(UNIX_EPOCH).ok());
    at.unwrap_or_default().as_secs_f64()
}
