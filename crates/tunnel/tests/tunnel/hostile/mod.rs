//! Clients that request what is not theirs. Each is refused, counted and logged, and another signer answers
//! all the time.

mod clients;
mod programs;
mod unauthenticated;

use tokio::net::TcpStream;
use tunnel::Identity;
use tunnel::endpoint::{Limits, Refusal};

use crate::ends::{Bystander, Cloud, loopback, until};
use crate::log::Log;
use crate::stock::{Folder, Key};

/// A gateway, a hostile client with a key, and another signer.
struct Fixture {
    folder: Folder,
    key: Key,
    cloud: Cloud,
    bystander: Bystander,
    log: Log,
}

impl Fixture {
    async fn new() -> Fixture {
        Fixture::with(Limits::default()).await
    }

    async fn with(limits: Limits) -> Fixture {
        let log = Log::start();
        let folder = Folder::new();
        let key = folder.key("ed25519", 0);
        let other = Identity::generate("other").unwrap();
        let host_key = Identity::generate("host").unwrap();
        let keys = [key.public(), other.public()];
        let mut cloud = Cloud::at(loopback(), host_key, &keys, limits).await;
        let bystander = Bystander::dial(&other, &mut cloud).await;
        Fixture { folder, key, cloud, bystander, log }
    }

    async fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.cloud.address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        stream
    }

    /// That was refused and nothing else, which one line of the log says, with `peer`.
    async fn has_refused(self, peer: &str, refusal: Refusal, said: &str) {
        let refusals = &self.cloud.refusals;
        until(&format!("{refusal} is counted: {said}"), || refusals.count(refusal) > 0).await;
        for other in Refusal::ALL {
            assert_eq!(refusals.count(other) > 0, other == refusal, "{other}: {said}");
        }
        let lines = self.log.lines_with(&[peer, &refusal.to_string()]);
        assert_eq!(lines.len(), 1, "{lines:?}");
        self.ends_well().await;
    }

    /// The other signer answered all the time.
    async fn ends_well(self) {
        self.bystander.was_there_all_the_time().await;
        self.cloud.stop().await;
    }
}
