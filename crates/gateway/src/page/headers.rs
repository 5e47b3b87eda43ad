//! The headers of the page: the browser runs the page's own script, asks its own gateway, and does nothing else.

use std::sync::LazyLock;

use base64ct::{Base64, Encoding};
use hyper::HeaderMap;
use hyper::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS,
};
use sha2::{Digest, Sha256};

use super::{SCRIPT, STYLE};

/// What is allowed besides the page's own style and script.
const REST: &str =
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Allows nothing at all: a page without style is better than one with others' scripts.
const NOTHING: HeaderValue = HeaderValue::from_static("default-src 'none'");

static POLICY: LazyLock<HeaderValue> =
    LazyLock::new(|| HeaderValue::try_from(policy()).unwrap_or(NOTHING));

/// What goes with every response that has the page.
#[must_use]
pub fn headers() -> HeaderMap {
    HeaderMap::from_iter([
        (CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8")),
        (CONTENT_SECURITY_POLICY, POLICY.clone()),
        (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
        (CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ])
}

/// Content Security Policy Level 3.
fn policy() -> String {
    let (style, script) = (source(STYLE), source(SCRIPT));
    format!("default-src 'none'; style-src {style}; script-src {script}; {REST}")
}

/// An inline element with exactly this content (§2.3.1, `hash-source`).
fn source(content: &str) -> String {
    format!("'sha256-{}'", Base64::encode_string(&Sha256::digest(content)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_policy_names_the_style_and_the_script_and_no_other() {
        let policy = policy();
        assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"), "{policy}");
        assert_eq!(policy.matches("sha256-").count(), 2);
        assert!(!policy.contains("unsafe") && !policy.contains('*'), "{policy}");
        assert_eq!(headers()[CONTENT_SECURITY_POLICY], policy);
    }

    #[test]
    fn a_source_is_the_hash_of_the_content() {
        // The example of the specification's section 8.2.
        let hash = "'sha256-qznLcsROx4GACP2dm0UCKCzCG+HiZ1guq6ZZDob/Tng='";
        assert_eq!(source("alert('Hello, world.');"), hash);
    }
}
