//! What comes of an APDU.

use std::time::Duration;

use crate::path::KeyName;

/// What comes of an APDU.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The app answers.
    Answer {
        /// The data, then the status word.
        bytes: Vec<u8>,
        /// How long a Nano S Plus takes over it.
        took: Duration,
    },
    /// The app shows a prompt and answers when it is decided.
    Prompt(Prompt),
    /// No answer, ever: a prompt is up, or the APDU is empty.
    Dropped,
}

/// What the screen shows until the person decides.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Prompt {
    /// "Provide Public Key".
    PublicKey,
    /// "Authorize Baking With Public Key?"
    Authorize,
    /// "Setup Baking?"
    #[non_exhaustive]
    Setup {
        /// The main chain to be.
        chain_id: u32,
        /// The level of the main chain's mark to be.
        main: u32,
        /// The level of the other chains' mark to be.
        test: u32,
    },
    /// "Reset HWM".
    Reset {
        /// The level of both marks to be.
        level: u32,
    },
    /// "Register as delegate?"
    #[non_exhaustive]
    Delegation {
        /// The whole message, with its magic byte.
        message: Vec<u8>,
        /// Whether the hash goes before the signature.
        with_hash: bool,
    },
}

/// A prompt, and the key that was selected when it came up.
#[derive(Clone, Debug)]
pub(crate) struct OpenPrompt {
    pub(crate) prompt: Prompt,
    pub(crate) key: KeyName,
}
