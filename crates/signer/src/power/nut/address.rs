//! Where a UPS is, as the configuration names it: `UPS@HOST:PORT`.

use std::str::FromStr;

use thiserror::Error;

/// A UPS of a NUT server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Address {
    /// Its name there.
    pub(crate) ups: String,
    /// A name, or an address; one of IPv6 without its brackets.
    pub(crate) host: String,
    pub(crate) port: u16,
}

/// A text that names no UPS. Always *misused*.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum AddressError {
    #[error(
        "{0:?} is no UPS of a NUT server; write nut://UPS@HOST:PORT, as in nut://ups@127.0.0.1:3493"
    )]
    Form(String),
    /// The text is not repeated.
    #[error("nut:// takes no password, and none is needed to read; write nut://UPS@HOST:PORT")]
    Password,
}

/// Where upsd listens, unless it is told otherwise.
const PORT: u16 = 3493;

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Address, AddressError> {
        let (ups, server) = text.rsplit_once('@').unwrap_or_default();
        if ups.contains(':') {
            return Err(AddressError::Password);
        }
        let (host, port) = host_and_port(server);
        let port = port.map_or(Some(PORT), |port| port.parse().ok().filter(|port| *port != 0));
        match port {
            Some(port) if is_word(ups, "-_.") && is_word(host, "-_.:") => {
                Ok(Address { ups: ups.to_owned(), host: host.to_owned(), port })
            }
            _ => Err(AddressError::Form(format!("nut://{text}"))),
        }
    }
}

/// An IPv6 address stands in brackets. A port that is empty is none that can be used.
fn host_and_port(server: &str) -> (&str, Option<&str>) {
    let bracketed = server.strip_prefix('[').and_then(|rest| rest.split_once(']'));
    let (host, rest) = bracketed.unwrap_or_else(|| {
        let end = server.find(':').unwrap_or(server.len());
        server.split_at(end)
    });
    match rest {
        "" => (host, None),
        port => (host, Some(port.strip_prefix(':').unwrap_or_default())),
    }
}

/// Nothing that could end a word of the protocol.
fn is_word(text: &str, besides: &str) -> bool {
    let of_a_word = |c: char| c.is_ascii_alphanumeric() || besides.contains(c);
    !text.is_empty() && text.chars().all(of_a_word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ups_is_a_name_a_host_and_perhaps_a_port() {
        for (text, ups, host, port) in [
            ("ups@127.0.0.1:3493", "ups", "127.0.0.1", 3493),
            ("rack-2_a@nas.lan:1", "rack-2_a", "nas.lan", 1),
            ("ups@localhost", "ups", "localhost", 3493),
            ("ups@[::1]:9", "ups", "::1", 9),
            ("ups@[fd00::2]", "ups", "fd00::2", 3493),
        ] {
            let expected = Address { ups: ups.to_owned(), host: host.to_owned(), port };
            assert_eq!(text.parse(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_names_no_ups_is_told_with_the_cure() {
        for wrong in [
            "",
            "ups",
            "127.0.0.1:3493",
            "@127.0.0.1:3493",
            "ups@",
            "ups@:3493",
            "ups@host:0",
            "ups@host:x",
            "ups@host:70000",
            "ups@::1",
            "ups@[::1",
            "ups@[::1]9",
            "my ups@host",
            "ups\nLOGIN@host",
            "ups@ho st",
        ] {
            let error = wrong.parse::<Address>().unwrap_err().to_string();
            assert!(error.contains(&format!("{:?}", format!("nut://{wrong}"))), "{wrong}: {error}");
            assert!(error.contains("nut://ups@127.0.0.1:3493"), "{wrong}: {error}");
        }
    }

    #[test]
    fn a_password_is_refused_and_not_shown() {
        let error = "upsmon:hunter2@127.0.0.1:3493".parse::<Address>().unwrap_err().to_string();
        assert!(error.contains("no password") && !error.contains("hunter2"), "{error}");
    }
}
