//! The log may be lost; a signature may not.

use crate::process::start;

#[test]
fn a_log_whose_reader_is_gone_costs_no_signature() {
    let (signer, log) = start();
    drop(log);
    for level in 2..8 {
        signer.sign(level).unwrap();
        signer.sign(1).unwrap_err(); // a refusal is a line in the log too
    }
    assert_eq!(signer.stop(), Some(0));
}

#[test]
fn a_log_whose_reader_stalls_costs_no_signature() {
    let (signer, log) = start();
    for _ in 0..1500 {
        signer.sign(1).unwrap_err(); // many times what a pipe holds
    }
    signer.sign(2).unwrap();
    assert_eq!(signer.stop(), Some(0));
    drop(log);
}
