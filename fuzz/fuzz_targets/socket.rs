//! A message of the binary protocol.
#![no_main]

use libfuzzer_sys::fuzz_target;
use signer_api::{Question, SocketRequest};

fuzz_target!(|message: &[u8]| {
    let Ok(request) = SocketRequest::parse(message) else { return };
    let question = match &request {
        SocketRequest::Sign { question, .. }
        | SocketRequest::Nonce(question)
        | SocketRequest::NonceHash(question) => question,
        SocketRequest::PublicKey(_)
        | SocketRequest::AuthorizedKeys
        | SocketRequest::SupportsNonces(_)
        | SocketRequest::KnownKeys
        | SocketRequest::ProvePossession { .. } => return,
    };
    let Question { key, data, authentication } = question;
    let proof = authentication.as_ref().map_or(&[][..], |proof| proof.bytes());
    let length = u32::try_from(data.len()).unwrap_or_default().to_be_bytes();
    let end = [&length, data.as_slice(), proof].concat();
    assert!(message.ends_with(&end), "what is signed is what was asked");
    let named = key.tagged_bytes();
    assert!(
        message.windows(named.len()).any(|window| window == named),
        "by the key that was asked"
    );
});
