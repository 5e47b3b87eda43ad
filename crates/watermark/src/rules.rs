//! What a store holds requests against besides its marks.

use crate::bound::LevelBound;
use crate::form::UnknownForms;

/// What a store holds requests against besides its marks.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    /// How far above the last mark a level may be.
    pub level_bound: LevelBound,
    /// What becomes of a payload of unknown form.
    pub unknown_forms: UnknownForms,
}

impl From<LevelBound> for Rules {
    /// With the default for unknown forms.
    fn from(level_bound: LevelBound) -> Rules {
        Rules { level_bound, unknown_forms: UnknownForms::default() }
    }
}
