//! `[level_bound]`: how far above the last mark a level may be.

use std::time::Duration;

use thiserror::Error;
use watermark::LevelBound;

use crate::config::typed;

/// What is wrong with `[level_bound]`.
#[derive(Debug, Error)]
#[error(
    "block_time_seconds is {0}; it is the chain's time between two blocks, at least 0.001 and at most 3600"
)]
pub(super) struct LevelBoundWhy(f64);

const BLOCK_TIMES: std::ops::RangeInclusive<f64> = 0.001..=3600.0;

pub(super) fn understand(typed: &typed::LevelBound) -> Result<LevelBound, LevelBoundWhy> {
    let usual = LevelBound::MAINNET;
    let block_time = match typed.block_time_seconds {
        None => usual.block_time,
        Some(seconds) if BLOCK_TIMES.contains(&seconds) => Duration::from_secs_f64(seconds),
        Some(seconds) => return Err(LevelBoundWhy(seconds)),
    };
    Ok(LevelBound { block_time, margin: typed.margin.unwrap_or(usual.margin) })
}
