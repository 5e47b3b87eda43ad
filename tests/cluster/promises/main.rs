//! What Peel promises in Kubernetes, kept by the real programs: one file per promise.
//!
//! `cargo xtask test cluster` runs them, in one process and one after the other: the node is started once, and every test
//! has a namespace of its own on it. Each prints the figures it has measured.

mod a_baker_is_sent_to_no_gateway_without_a_signer;
mod a_cloud_made_again_is_found;
mod a_host_key_that_others_can_read;
mod a_signer_comes_without_a_reconnect_of_others;
mod a_wrong_configuration_takes_no_signer_down;
mod no_vote_is_lost;
mod shells;
mod the_first_signature;
mod the_network_policy_selects_bakers;
mod values;
