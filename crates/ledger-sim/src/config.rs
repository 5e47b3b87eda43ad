//! What a simulated device is made from.

use crate::curve::Curve;
use crate::keys::DerivationError;
use crate::path::Path;

/// What a simulated device is made from. The default is a fresh device with the emulator's public
/// seed that accepts every prompt at once and takes no time.
#[derive(Clone)]
pub struct Config {
    /// The BIP39 mnemonic. The default is the one that Speculos uses, so it is public.
    pub mnemonic: String,
    /// How long the exchanges take.
    pub latency: Latency,
    /// What the person in front of the device does.
    pub approval: Approval,
    /// The app's setting "High Watermark". Off, the marks live in RAM and a power cut loses them.
    pub high_watermark: bool,
    /// A setup that was approved before the start; without it nothing is authorised.
    pub setup: Option<Setup>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            mnemonic: SPECULOS_MNEMONIC.to_owned(),
            latency: Latency::None,
            approval: Approval::Accept,
            high_watermark: true,
            setup: None,
        }
    }
}

/// `DEFAULT_SEED` in `speculos/main.py` of the emulator.
const SPECULOS_MNEMONIC: &str = "glory promote mansion idle axis finger extra february uncover one \
                                 trip resource lawn turtle enact monster seven myth punch hobby \
                                 comfort wild raise skin";

/// How long the exchanges of a [`Device`](crate::Device) take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Latency {
    /// No longer than this machine needs.
    None,
    /// As long as on a Nano S Plus.
    Real,
}

/// What happens when the device asks its person to approve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Approval {
    /// Approved at once.
    Accept,
    /// Rejected at once.
    Reject,
    /// The prompt stays until `decide` is called: no person is at home.
    Ask,
}

/// What the instruction "setup" sets: the authorised key, the main chain and both marks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Setup {
    /// The authorised key's curve.
    pub curve: Curve,
    /// The authorised key's path.
    pub path: Path,
    /// The main chain; all zero means that every chain is the main chain.
    pub chain_id: [u8; 4],
    /// The level of both marks.
    pub level: u32,
}

/// Why a [`Config`] makes no device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// The app would not derive the key of the setup.
    #[error("misused: the key of the setup cannot be made: {0}; use a path below 44'/1729'")]
    Setup(#[from] DerivationError),
}
