//! A request over HTTP: its line, its body in each media type, and what it accepts. The first byte says which.
#![no_main]

use hyper::header::{ACCEPT, CONTENT_TYPE, HeaderValue};
use hyper::{HeaderMap, Method, Uri};
use libfuzzer_sys::fuzz_target;
use signer_api::{Call, Media, parse_signing_body, signing_body};

fuzz_target!(|input: &[u8]| {
    let Some((what, bytes)) = input.split_first() else { return };
    match what % 5 {
        0 => body(Media::Json, bytes),
        1 => body(Media::Bson, bytes),
        2 => body(Media::OctetStream, bytes),
        3 => line(bytes),
        _ => media(bytes),
    }
});

fn body(media: Media, bytes: &[u8]) {
    let Ok(data) = parse_signing_body(media, bytes) else { return };
    let again = parse_signing_body(Media::Json, signing_body(&data).as_bytes());
    assert_eq!(again, Ok(data), "a gateway passes on what was asked");
}

fn line(bytes: &[u8]) {
    let Some(uri) = std::str::from_utf8(bytes).ok().and_then(|text| text.parse::<Uri>().ok())
    else {
        return;
    };
    for method in [Method::GET, Method::POST, Method::HEAD, Method::OPTIONS, Method::PUT] {
        let _ = Call::parse(&method, &uri);
    }
}

fn media(bytes: &[u8]) {
    let Ok(value) = HeaderValue::from_bytes(bytes) else { return };
    let headers: HeaderMap = [(ACCEPT, value.clone()), (CONTENT_TYPE, value)].into_iter().collect();
    let _ = (Media::accepted(&headers), Media::of_body(&headers));
}
