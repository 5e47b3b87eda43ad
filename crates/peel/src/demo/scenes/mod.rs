//! What goes wrong, one thing a file.

mod cloud_lost;
mod crash;
mod double_signature;
mod line_silent;
