//! Who wants what is not theirs. Each is refused, counted and logged, and another signer answers all the
//! time.

mod guests;
mod programs;
mod strangers;

use tokio::net::TcpStream;
use tunnel::Identity;
use tunnel::endpoint::{Limits, Refusal};

use crate::ends::{Bystander, Cloud, loopback, until};
use crate::log::Log;
use crate::stock::{Folder, Key};

/// The one with a key, and the other signer.
struct Scene {
    folder: Folder,
    key: Key,
    cloud: Cloud,
    bystander: Bystander,
    log: Log,
}

impl Scene {
    async fn new() -> Scene {
        Scene::with(Limits::default()).await
    }

    async fn with(limits: Limits) -> Scene {
        let log = Log::start();
        let folder = Folder::new();
        let key = folder.key("ed25519", 0);
        let other = Identity::generate("other").unwrap();
        let host_key = Identity::generate("host").unwrap();
        let keys = [key.public(), other.public()];
        let mut cloud = Cloud::at(loopback(), host_key, &keys, limits).await;
        let bystander = Bystander::dial(&other, &mut cloud).await;
        Scene { folder, key, cloud, bystander, log }
    }

    async fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.cloud.address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        stream
    }

    /// That was refused and nothing else, which one line of the log says with `who`.
    async fn has_refused(self, who: &str, refusal: Refusal, said: &str) {
        let refusals = &self.cloud.refusals;
        until(&format!("{refusal} is counted: {said}"), || refusals.count(refusal) > 0).await;
        for other in Refusal::ALL {
            assert_eq!(refusals.count(other) > 0, other == refusal, "{other}: {said}");
        }
        let lines = self.log.lines_with(&[who, &refusal.to_string()]);
        assert_eq!(lines.len(), 1, "{lines:?}");
        self.ends_well().await;
    }

    /// The other signer answered all the time.
    async fn ends_well(self) {
        self.bystander.was_there_all_the_time().await;
        self.cloud.stop().await;
    }
}
