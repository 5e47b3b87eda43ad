//! USB reports of 64 bytes, put together to an answer.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    if let Some(answer) = ledger::fuzzing::assemble(input) {
        assert!(answer.len() >= 2, "an answer has a status word");
    }
});
