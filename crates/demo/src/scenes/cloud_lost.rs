//! The cloud is destroyed and made again, and the signer comes back by itself.

use std::time::{Duration, Instant};

use tokio::time::sleep;

use crate::story::Story;
use crate::tally::Event;

/// In mid-vote.
const KILL_AFTER: Duration = Duration::from_millis(100);
const GONE_FOR: Duration = Duration::from_secs(2);
const LEVELS: u32 = 6;
/// From when the new gateway listens to the first signature.
const PROMISE: Duration = Duration::from_secs(1);

impl Story {
    /// SIGKILL, and after a while a new gateway with the same host key.
    pub(crate) async fn the_cloud_is_lost(&mut self) -> anyhow::Result<()> {
        daemon::say!("\n3. The cloud is destroyed (SIGKILL to the gateway). The baker asks again");
        daemon::say!("   and again, for as long as a level lasts.");
        let cloud = &mut self.cloud;
        let made_again = async {
            sleep(KILL_AFTER).await;
            cloud.gateway.kill()?;
            sleep(GONE_FOR).await;
            let listens = cloud.start().await;
            daemon::say!("   The cloud is made again, with the same host key.");
            listens
        };
        let levels = self.chain.levels(LEVELS, Event::NewCloud);
        let ((), listens) = tokio::join!(levels, made_again);
        let listens = listens?;
        self.cloud_again = Some(listens);
        self.judge_return(listens);
        Ok(())
    }

    fn judge_return(&mut self, listens: Instant) {
        let tally = &mut self.chain.tally;
        let Some(took) = tally.first_signature(Event::NewCloud, listens) else {
            return tally.surprise("the signer did not come back to the new cloud".to_owned());
        };
        let promise = tally.promised(PROMISE);
        let (took_ms, promised) = (took.as_millis(), promise.as_millis());
        daemon::say!(
            "   The signer came back by itself. From when the new gateway listened to the"
        );
        daemon::say!("   first signature it took {took_ms} ms (promised: at most {promised}).");
        if took > promise {
            tally.surprise(format!(
                "the new cloud was without answers for {took_ms} ms; at most {promised} were promised"
            ));
        }
        let lost = tally.lost_after(Event::NewCloud, listens + promise);
        if lost > 0 {
            tally.surprise(format!("{lost} requests failed when the cloud was there again"));
        }
    }
}
