//! What Peel promises, kept by the real program in a small internet: one file per promise.
//!
//! A test starts itself again in namespaces of its own (see the lab), so nothing here is shared, and
//! ports are fixed. Where no namespaces are to be had it says `skipped: …` and passes. Each prints the
//! figures it has measured (`cargo test -p peel --test e2e -- --nocapture`); what it demands is wider
//! than what is promised, because machines are noisy.
#![expect(clippy::unwrap_used, reason = "tests")]

mod a_gateway_made_again_with_its_host_key_is_found;
mod a_key_in_shares;
mod a_large_copy_does_not_delay_a_signature;
mod a_line_is_used_when_it_comes;
mod a_new_session_does_not_wait_for_a_stale_one;
mod a_wrong_host_key_is_refused;
mod both_lines_lost_and_one_returns;
mod documented;
mod every_alert_fires_from_its_cause;
mod fixture;
mod peel_ssh_leads_to_a_signers_shell;
mod signing_goes_on_when_the_main_line_falls_silent;
mod signing_goes_on_when_the_main_line_goes_down;
mod sigterm_finishes_what_it_began;
mod two_signers_two_keys;
