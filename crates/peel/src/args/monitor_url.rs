//! The address of a daemon's `[monitor]`, as it is typed.

use std::fmt;
use std::str::FromStr;

/// Where a daemon's `[monitor]` is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MonitorUrl(String);

impl MonitorUrl {
    /// Host and port.
    pub(crate) fn at(&self) -> &str {
        &self.0
    }
}

impl FromStr for MonitorUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<MonitorUrl, String> {
        let at = text.strip_prefix("http://").unwrap_or(text).trim_end_matches('/');
        let is_good = at.rsplit_once(':').is_some_and(|(host, port)| {
            !host.is_empty() && !host.contains('/') && port.parse::<u16>().is_ok()
        });
        if is_good {
            Ok(MonitorUrl(at.to_owned()))
        } else {
            Err(format!("{text:?} is not http://HOST:PORT; the daemon's [monitor] says where"))
        }
    }
}

impl fmt::Display for MonitorUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_a_host_and_a_port() {
        for (text, at) in [
            ("http://127.0.0.1:9584", "127.0.0.1:9584"),
            ("http://localhost:9583/", "localhost:9583"),
            ("[::1]:9584", "[::1]:9584"),
        ] {
            assert_eq!(text.parse(), Ok(MonitorUrl(at.to_owned())));
        }
        for text in ["", "http://", "localhost", "https://x:y", "http://a/b:1"] {
            assert!(text.parse::<MonitorUrl>().is_err(), "{text}");
        }
    }
}
