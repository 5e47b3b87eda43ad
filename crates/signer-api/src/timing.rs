//! How long the signer itself took, told to its gateway beside the answer: `Server-Timing: sign;dur=3.2` (W3C Server
//! Timing, in milliseconds). What is left of the gateway's own measure is the tunnel's.

use std::time::Duration;

use hyper::HeaderMap;
use hyper::header::{HeaderName, HeaderValue};

const SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");
const START: &str = "sign;dur=";
/// Longer than any answer takes, in milliseconds.
const LONGEST: f64 = 600_000.0;

/// Writes it.
pub fn write(headers: &mut HeaderMap, took: Duration) {
    let text = format!("{START}{:.3}", took.as_secs_f64() * 1000.0);
    if let Ok(value) = HeaderValue::from_str(&text) {
        headers.insert(SERVER_TIMING, value);
    }
}

/// Reads it; none when it is not there, or means nothing.
#[must_use]
pub fn read(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(SERVER_TIMING)?.to_str().ok()?;
    let milliseconds: f64 = text.strip_prefix(START)?.parse().ok()?;
    let is_sensible = (0.0..LONGEST).contains(&milliseconds);
    is_sensible.then(|| Duration::from_secs_f64(milliseconds / 1000.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let mut headers = HeaderMap::new();
        assert_eq!(read(&headers), None);
        write(&mut headers, Duration::from_micros(231_500));
        assert_eq!(read(&headers), Some(Duration::from_micros(231_500)));
    }

    #[test]
    fn a_time_that_no_answer_takes_means_nothing() {
        for text in
            ["sign;dur=-1", "sign;dur=NaN", "sign;dur=inf", "sign;dur=1e300", "db;dur=1", "sign"]
        {
            let headers = HeaderMap::from_iter([(SERVER_TIMING, HeaderValue::from_static(text))]);
            assert_eq!(read(&headers), None, "{text}");
        }
    }
}
