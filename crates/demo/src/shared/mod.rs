//! `peel demo --shared`: a tz4 key that no machine has.

mod boxes;
mod liar;
mod story;

use anyhow::bail;

pub(crate) fn tell(slowness: u32) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(async {
        tokio::select! {
            told = story::Story::tell(slowness) => told,
            _ = tokio::signal::ctrl_c() => bail!("interrupted"),
        }
    })
}
