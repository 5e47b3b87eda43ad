//! Operations of an account.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tezos::{KeyForm, OperationGroup, Payload};

fuzz_target!(|bytes: &[u8]| {
    let Ok(group) = OperationGroup::parse(bytes) else { return };
    assert_eq!(group.bytes(), bytes, "what is signed is what was asked");
    let sources = group.contents().iter().map(|content| content.source.tagged_bytes());
    for source in sources {
        assert!(bytes.windows(source.len()).any(|window| window == source));
    }
    for form in [KeyForm::Slot, KeyForm::NoSlot] {
        assert!(Payload::parse_any_form(bytes, form).is_err(), "it is no block and no vote");
    }
});
