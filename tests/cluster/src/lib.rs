//! A real Kubernetes of one node, a home beside it, and what the tests say to both.
//!
//! ```text
//!   namespace home                    the test itself: the node
//!  ┌────────────────┐ 10.201.0.0/24  ┌─────────────────────────────────────────────────────────┐
//!  │ peel signer  node ───────────── home   10.200.0.1   API server, kubelet, containerd, …      │
//!  │ sshd           │                │      10.202.0.n   what a load balancer would give out     │
//!  └────────────────┘                │      10.244.n.n   pods: gateways, bakers                  │
//!                                    └─────────────────────────────────────────────────────────┘
//! ```
//!
//! `cargo xtask test cluster` builds the programs, and starts the tests in namespaces of their own (mounts, processes,
//! network), so that whatever is started here ends with them. [`node`] starts Kubernetes once for all tests, [`kubectl`]
//! and [`helm`] are the real ones, [`namespace`] is where one test's release lives, [`balancer`] stands for the cloud's
//! load balancer, [`home`] is outside of the cluster, [`bakers`] are pods that ask for votes, and [`events`] is what happens to gateways.

pub mod bakers;
pub mod balancer;
pub mod events;
pub mod fixture;
pub mod helm;
pub mod home;
pub mod kubectl;
pub mod namespace;
pub mod node;
pub mod release;
mod run;
pub mod workstation;

pub use run::said;
