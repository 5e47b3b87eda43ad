//! How long a Nano S Plus takes.
//!
//! A whole signature is two exchanges, select and sign: 229 ms for tz2, 226 ms for tz3, 465 ms for
//! tz1, 787 ms for BIP32-Ed25519 on the device. BLS was timed in the emulator only: 0.53 of tz1.
//! The emulator also gave what share of a signature a public key takes (`16_bench`). An HMAC is
//! one signature. All else answers in a millisecond or two.

use std::time::Duration;

use crate::curve::Curve;
use crate::instruction::Instruction;

const QUICK: Duration = Duration::from_millis(1);
const SELECT: Duration = Duration::from_millis(2);

/// How long an exchange that was answered with 9000 takes; `curve` is the key's.
pub(crate) fn of(instruction: Instruction, curve: Curve) -> Duration {
    match instruction {
        Instruction::Sign | Instruction::SignWithHash | Instruction::Hmac => signature(curve),
        Instruction::PublicKey => public_key(curve),
        Instruction::Select => SELECT,
        Instruction::Version
        | Instruction::Authorize
        | Instruction::PromptPublicKey
        | Instruction::Reset
        | Instruction::AuthorizedPath
        | Instruction::MainMark
        | Instruction::Git
        | Instruction::Setup
        | Instruction::AllMarks
        | Instruction::Deauthorize
        | Instruction::AuthorizedPathAndCurve
        | Instruction::AppInfo
        | Instruction::Any => QUICK,
    }
}

/// How long a refusal takes, and whatever else computes nothing.
pub(crate) fn quick() -> Duration {
    QUICK
}

fn signature(curve: Curve) -> Duration {
    whole_signature(curve).saturating_sub(SELECT)
}

fn whole_signature(curve: Curve) -> Duration {
    Duration::from_millis(match curve {
        Curve::Ed25519 => 465,
        Curve::Secp256k1 => 229,
        Curve::Secp256r1 => 226,
        Curve::Bip32Ed25519 => 787,
        Curve::Bls => 246,
    })
}

fn public_key(curve: Curve) -> Duration {
    let share_in_percent = match curve {
        Curve::Ed25519 => 45,
        Curve::Secp256k1 => 110,
        Curve::Secp256r1 => 96,
        Curve::Bip32Ed25519 => 76,
        Curve::Bls => 46,
    };
    whole_signature(curve) * share_in_percent / 100
}
