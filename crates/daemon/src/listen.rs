//! Where to listen, as it stands in a configuration: an address and a port, or `localhost:PORT`.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::str::FromStr;

use serde::Deserialize;
use thiserror::Error;

/// Where to listen.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Listen(pub SocketAddr);

/// A text that says nowhere to listen. Always *misused*.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "{0:?} is no address to listen on; write ADDRESS:PORT, as in \"127.0.0.1:6732\" or \"[::1]:6732\""
)]
pub struct ListenTextError(String);

impl FromStr for Listen {
    type Err = ListenTextError;

    fn from_str(text: &str) -> Result<Listen, ListenTextError> {
        let local = text.strip_prefix("localhost:").and_then(|port| port.parse().ok());
        let local = local.map(|port: u16| SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
        let address = local.or_else(|| text.parse().ok());
        address.map(Listen).ok_or_else(|| ListenTextError(text.to_owned()))
    }
}

impl TryFrom<String> for Listen {
    type Error = ListenTextError;

    fn try_from(text: String) -> Result<Listen, ListenTextError> {
        text.parse()
    }
}

impl From<Listen> for SocketAddr {
    fn from(listen: Listen) -> SocketAddr {
        listen.0
    }
}

impl fmt::Debug for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_or_localhost() {
        let at = |text: &str| text.parse::<Listen>().map(|listen| listen.0.to_string());
        assert_eq!(at("localhost:6732").as_deref(), Ok("127.0.0.1:6732"));
        assert_eq!(at("[::1]:80").as_deref(), Ok("[::1]:80"));
        for wrong in ["localhost", "example.com:80", ":80", "localhost:99999"] {
            assert!(at(wrong).unwrap_err().to_string().contains("127.0.0.1:6732"), "{wrong}");
        }
    }
}
