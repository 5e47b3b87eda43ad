//! A modem under ModemManager: how well it hears the network, and whether the network takes it.
//!
//! It is optional: a computer without `mmcli`, without ModemManager or without a modem has no reading, and nothing
//! is said of that, unless an uplink is a modem's interface. The operator's name is not read: it tells a country.

#[cfg(test)]
mod bus;
mod mmcli;
mod reading;

use std::sync::Arc;
use std::time::Duration;

use daemon::Shutdown;
use parking_lot::Mutex;
use tokio::time::sleep;
use tunnel::home::Uplink;

pub(crate) use reading::ModemReading;

use crate::lines::Kind;
use crate::modem::mmcli::{Mmcli, NoReading};

/// The modem as it was when it was last asked. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Modem(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    mmcli: Mmcli,
    /// The first uplink that is a modem's interface.
    uplink: Option<String>,
    /// None before the first answer.
    last: Mutex<Option<Result<ModemReading, NoReading>>>,
}

/// From one answer to the next question. ModemManager itself asks a modem for its signal twice a minute.
const PAUSE: Duration = Duration::from_secs(10);

impl Modem {
    /// The modem that ModemManager lists first.
    pub(crate) fn new(uplinks: &[Uplink]) -> Modem {
        Modem::of(Mmcli::installed(), uplinks)
    }

    fn of(mmcli: Mmcli, uplinks: &[Uplink]) -> Modem {
        let mut names = uplinks.iter().map(|uplink| &uplink.interface);
        let uplink = names.find(|name| Kind::of_name(name) == Kind::Mobile).cloned();
        Modem(Arc::new(Inner { mmcli, uplink, last: Mutex::default() }))
    }

    /// The modem at the last answer; none when there was none.
    pub(crate) fn reading(&self) -> Option<ModemReading> {
        self.0.last.lock().as_ref()?.as_ref().ok().copied()
    }

    /// What is wrong with the modem of an uplink, and the cure, in one line. None while nothing is wrong, and when no
    /// uplink needs a modem.
    pub(crate) fn complaint(&self) -> Option<String> {
        let uplink = self.0.uplink.as_ref()?;
        let complaint = match self.0.last.lock().as_ref()? {
            Ok(reading) => reading.complaint()?.to_owned(),
            Err(error) => error.to_string(),
        };
        Some(format!("{uplink}: {complaint}"))
    }

    /// Asks every 10 s, until shutdown.
    pub(crate) async fn watch(&self, shutdown: Shutdown) {
        let asking = async {
            loop {
                self.refresh().await;
                sleep(PAUSE).await;
            }
        };
        tokio::select! {
            () = asking => {}
            () = shutdown.requested() => {}
        }
    }

    async fn refresh(&self) {
        let answer = self.0.mmcli.ask().await;
        *self.0.last.lock() = Some(answer);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uplinks(names: &[&str]) -> Vec<Uplink> {
        let uplink = |name: &&str| Uplink { interface: (*name).to_owned(), metered: Some(false) };
        names.iter().map(uplink).collect()
    }

    async fn asked(mmcli: Mmcli, names: &[&str]) -> Modem {
        let modem = Modem::of(mmcli, &uplinks(names));
        modem.refresh().await;
        modem
    }

    #[tokio::test]
    async fn a_modem_that_no_uplink_needs_is_not_missed() {
        let nowhere = || Mmcli::of("/nowhere/mmcli", &[]);
        let modem = asked(nowhere(), &["eth0"]).await;
        assert_eq!((modem.reading(), modem.complaint()), (None, None));
        let modem = asked(nowhere(), &["eth0", "wwan0"]).await;
        let complaint = modem.complaint().unwrap();
        assert!(complaint.starts_with("wwan0: mmcli is not installed"), "{complaint}");
        assert_eq!(modem.reading(), None);
    }

    #[tokio::test]
    async fn the_first_complaint_comes_after_the_first_answer() {
        let modem = Modem::of(Mmcli::of("/nowhere/mmcli", &[]), &uplinks(&["wwan0"]));
        assert_eq!((modem.reading(), modem.complaint()), (None, None));
    }

    /// Also while the program hangs.
    #[tokio::test]
    async fn a_stop_does_not_wait_for_the_modem() {
        let mmcli = Mmcli::of("sleep", &["600"]).within(Duration::from_secs(600));
        let (modem, shutdown) = (Modem::of(mmcli, &[]), Shutdown::new());
        let watching = modem.watch(shutdown.clone());
        tokio::pin!(watching);
        assert!(futures_util::poll!(&mut watching).is_pending());
        shutdown.request();
        tokio::time::timeout(Duration::from_secs(20), watching).await.unwrap();
    }
}
