//! What a baker sends to be signed. The first byte says for which keys.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tezos::{KeyForm, Payload};

fuzz_target!(|input: &[u8]| {
    let Some((form, bytes)) = input.split_first() else { return };
    let form = if form & 1 == 0 { KeyForm::Slot } else { KeyForm::NoSlot };
    let Ok(payload) = Payload::parse_any_form(bytes, form) else { return };
    assert_eq!(payload.bytes(), bytes, "what is signed is what was asked");
    // The level is where octez-signer reads it, in every form that is taken.
    let level = match bytes.first() {
        Some(0x11) => bytes.get(5..9),
        _ if form == KeyForm::Slot => bytes.get(40..44),
        _ => bytes.get(38..42),
    };
    let level = level.and_then(|level| level.try_into().ok()).map(u32::from_be_bytes);
    assert_eq!(level, Some(payload.mark().level.into()));
});
