//! What a signer answers, as a gateway reads it and writes it again. The first byte says with which status.
#![no_main]

use hyper::StatusCode;
use libfuzzer_sys::fuzz_target;
use signer_api::{Answer, Marks, Media};

fuzz_target!(|input: &[u8]| {
    let Some((status, bytes)) = input.split_first() else { return };
    let statuses = [
        StatusCode::OK,
        StatusCode::INTERNAL_SERVER_ERROR,
        StatusCode::BAD_GATEWAY,
        StatusCode::NOT_FOUND,
    ];
    let status = statuses[usize::from(*status) % statuses.len()];
    let _ = Marks::parse(bytes);
    let Some(answer) = Answer::parse(status, bytes) else { return };
    for media in [Media::Json, Media::Bson, Media::OctetStream] {
        assert_eq!(answer.clone().into_response(media).status(), status);
    }
});
