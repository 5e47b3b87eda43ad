//! Unit tests that start programs of another make, beside others that open stores.
//!
//! A program that is being started has a copy of every open file, and so of every store's lock, until it is another
//! program. A store that is opened again in that moment would be held by it.

use parking_lot::{RwLock, RwLockReadGuard};

static STARTING: RwLock<()> = RwLock::new(());

/// As long as this is held, no program is being started: a store can be closed and opened again.
#[must_use]
pub(crate) struct NoStart {
    _held: RwLockReadGuard<'static, ()>,
}

pub(crate) fn none() -> NoStart {
    NoStart { _held: STARTING.read() }
}

/// Starts a program while no store is being opened.
pub(crate) fn alone<C>(start: impl FnOnce() -> C) -> C {
    let _alone = STARTING.write();
    start()
}
