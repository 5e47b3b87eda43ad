//! What the computer at home runs on, mains or a battery, and how full that battery is.
//!
//! One task asks the source again and again ([`watch()`]); everything else reads what it learnt, at once ([`Power`]).
//!
//! ```text
//!  sysfs  /sys/class/power_supply ─┐
//!  nut    upsd, over TCP          ─┼─▶ watch ──▶ Power ──▶ facts, metrics
//!  gpio   a line of a UPS hat     ─┘     └─▶ Shutdown, at stop_at_charge on battery
//! ```

mod config;
mod gpio;
mod nut;
mod reading;
mod sysfs;
mod watch;

use std::path::Path;

pub(crate) use config::{Config, Limits, Source, SourceError};
pub(crate) use reading::{Power, Reading, Supply};
pub(crate) use watch::{await_charge, read_once, watch};

/// Whether `"sysfs"` would tell what this computer runs on.
#[must_use]
pub fn is_told_by_sysfs() -> bool {
    sysfs::read(Path::new(sysfs::ROOT)).is_ok()
}

/// What a source says, before the limits of the configuration are applied to it.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Answer {
    is_on_mains: bool,
    /// Of all batteries together, 0 to 1; none if the source does not know it.
    charge: Option<f64>,
    /// The source itself calls the battery low.
    is_low: bool,
}
