//! A signature as its worker has it.

use tezos::Signature;

/// A signature, and whether it was made just now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Made {
    /// By the device, for this request.
    Now(Signature),
    /// For the same bytes before.
    Before(Signature),
}

impl Made {
    pub(crate) fn signature(self) -> Signature {
        match self {
            Made::Now(signature) | Made::Before(signature) => signature,
        }
    }
}
