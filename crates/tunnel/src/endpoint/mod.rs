//! The gateway's end.
