//! The life of a link.
