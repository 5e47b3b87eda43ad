//! The way to the pods of a gateway, through the Kubernetes API.
//!
//! ```text
//!  Place (context, namespace, release) ──▶ Cluster::connect    the usual kubeconfig, or the pod that this runs in
//!                                             │ find           by the labels of the chart
//!                                             ▼
//!                                          GatewayPod
//!                        ask: GET /status ◀───┴───▶ forward: a port of its loopback, as a stream
//! ```
//!
//! It knows Kubernetes, and nothing of ssh, of signers or of what a gateway says. Only the command line stands on it: the
//! daemons do not need a cluster.
#![warn(clippy::disallowed_types)]

mod access;
mod ask;
mod error;
mod find;
mod forward;
mod kubeconfig;
mod pod;

pub use access::{Cluster, ConnectError, Place};
pub use error::{ApiError, AskError, ConfigError, FindError, ForwardError};
pub use forward::Forward;
pub use pod::{GatewayPod, PodState};
