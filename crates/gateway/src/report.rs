//! What the gateway says of itself and of its signers at `/status`, and what its page shows.
//!
//! Every client that reaches `[monitor]` may read it: it has no payloads, and no addresses of homes.

use daemon::report::Report;
use serde::{Deserialize, Serialize};

/// What the gateway says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GatewayReport {
    /// Of itself.
    #[serde(flatten)]
    pub own: Report,
    /// Of each signer, in the order of the configuration.
    pub signers: Vec<SignerReport>,
    /// Of each key that is in shares, in the order of the configuration.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shared_keys: Vec<SharedKeyReport>,
}

/// What the gateway knows of a signer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SignerReport {
    /// In the configuration.
    pub name: String,
    /// Its HTTP port at the gateway.
    pub port: u16,
    /// The public key hashes that it is asked for.
    pub keys: Vec<String>,
    /// Its connections, the one that is asked first at the head.
    pub sessions: Vec<SessionReport>,
    /// Its last answers to signing requests, oldest first; at most [`ANSWERS`].
    pub answers: Vec<AnswerReport>,
    /// What it last said of itself; none of a signer that is not Peel, or has not said anything yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub own: Option<Report>,
    /// How many seconds ago it said so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub age: Option<f64>,
}

/// What the gateway knows of a key in shares.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SharedKeyReport {
    /// Its public key hash.
    pub key: String,
    /// So many shares make a signature.
    pub needed: u8,
    /// All shares, in their order.
    pub shares: Vec<ShareReport>,
}

/// What the gateway knows of a share.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShareReport {
    /// Its number, from 1.
    pub index: u8,
    /// The name of the signer that has it.
    pub signer: String,
    /// `ready`, or why it cannot take part.
    pub state: String,
}

/// A connection of a signer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SessionReport {
    /// `signing` or `shell`.
    pub service: String,
    /// The name of its uplink at home; empty when the signer does not say.
    pub uplink: String,
    /// Its bytes cost money.
    pub metered: bool,
    /// Nothing was heard over it when something should have been.
    pub silent: bool,
    /// Since when it is there, in seconds since 1970.
    pub since: f64,
    /// Seconds, when it was last measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub round_trip: Option<f64>,
}

/// An answer to a signing request, as the baker got it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AnswerReport {
    /// When, in seconds since 1970.
    pub at: f64,
    /// Seconds from the request to the answer.
    pub seconds: f64,
    /// What it was.
    pub result: AnswerResult,
    /// `block`, `preattestation`, `attestation`; empty when it was none of these.
    pub kind: String,
    /// Of the block or vote; 0 when it was none.
    pub level: u32,
}

/// What an answer was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AnswerResult {
    /// A signature.
    Signed,
    /// The signer refused, or failed.
    Declined,
    /// The signer gave no response: HTTP 502.
    Unanswered,
}

/// How many answers of a signer are remembered.
pub const ANSWERS: usize = 100;
