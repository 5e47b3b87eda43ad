//! Content types: JSON, and what is said to the others.

use hyper::HeaderMap;
use hyper::header::{ACCEPT, CONTENT_TYPE};

/// The one that is written and read here.
pub(crate) const JSON: &str = "application/json";

/// Whether a body is JSON: said so literally (octez compares letter by letter), or not said at all.
#[must_use]
pub fn check_content_type(headers: &HeaderMap) -> bool {
    headers.get(CONTENT_TYPE).is_none_or(|value| value.as_bytes() == JSON.as_bytes())
}

/// Whether a JSON answer is acceptable to the client.
#[must_use]
pub fn accepts_json(headers: &HeaderMap) -> bool {
    let mut any = false;
    for value in headers.get_all(ACCEPT) {
        any = true;
        let Ok(value) = value.to_str() else { continue };
        let mut ranges = value.split(',').map(|range| range.split(';').next().unwrap_or_default());
        if ranges.any(|range| matches!(range.trim(), JSON | "*/*" | "application/*")) {
            return true;
        }
    }
    !any
}
