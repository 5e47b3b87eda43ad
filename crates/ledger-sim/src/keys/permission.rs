//! Which paths the system lets the app derive.

use super::DerivationError;
use crate::curve::Curve;
use crate::path::KeyName;

/// `PATH_APP_LOAD_PARAMS` in the app's Makefile: `44'/1729'`.
const ALLOWED: [u32; 2] = [1 << 31 | 44, 1 << 31 | 1729];

/// Refuses what is outside the app's prefix. BLS is derived by another system call, which in the
/// recordings looks at no prefix.
pub(super) fn check(name: &KeyName) -> Result<(), DerivationError> {
    if name.curve == Curve::Bls || name.path.components().starts_with(&ALLOWED) {
        return Ok(());
    }
    Err(DerivationError::Forbidden)
}
