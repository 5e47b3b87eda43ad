//! Whether a request comes from a baker, or from a page in a browser.
//!
//! A browser sends what any page wants to any port that its computer reaches, and the user sees nothing of it
//! (cross-site request forgery). It says so in `Origin` (RFC 6454; with every POST) and `Sec-Fetch-Site` (Fetch
//! Metadata), and a page cannot take these away; no baker sends them. A page whose own name was made to point at
//! this computer (DNS rebinding) is of the same origin, and still has to name itself in `Host`.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use hyper::HeaderMap;
use hyper::header::{HOST, HeaderValue, ORIGIN};
use thiserror::Error;

/// As which hosts a listener may be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hosts {
    /// Any: a listener that others reach by names of theirs, or the tunnel.
    Any,
    /// An address, `localhost`, or one of these names. For listeners on the loopback.
    Named(Vec<String>),
}

/// A request that a browser's page made, as it seems. Always *refused*.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum OriginError {
    /// It has a header that browsers send and bakers do not.
    #[error("a page in a browser may not ask here (the request has {0})")]
    Page(&'static str),
    /// It asks a listener on the loopback by a name.
    #[error(
        "{0:?} is not asked here: only addresses and localhost are; if a name leads here on purpose, put \
         it into hosts under [http]"
    )]
    Host(String),
}

const SEC_FETCH_SITE: &str = "sec-fetch-site";
/// More than any name of a host has.
const LONGEST: usize = 253;

impl Hosts {
    /// For a listener on this address, which may also be asked by these names.
    #[must_use]
    pub fn of(listener: IpAddr, names: &[String]) -> Hosts {
        if listener.is_loopback() { Hosts::Named(names.to_vec()) } else { Hosts::Any }
    }

    /// Whether no page made this request.
    ///
    /// # Errors
    /// When one did, as it seems.
    pub fn check(&self, headers: &HeaderMap) -> Result<(), OriginError> {
        if headers.contains_key(SEC_FETCH_SITE) {
            return Err(OriginError::Page("Sec-Fetch-Site"));
        }
        self.check_viewer(headers)
    }

    /// Whether a program made this request, or a person who looks at it in a browser, or a page of the listener's own:
    /// for what only shows.
    ///
    /// # Errors
    /// When another page did, as it seems.
    pub fn check_viewer(&self, headers: &HeaderMap) -> Result<(), OriginError> {
        if headers.contains_key(ORIGIN) {
            return Err(OriginError::Page("Origin"));
        }
        let site = headers.get(SEC_FETCH_SITE).map(HeaderValue::as_bytes);
        if !matches!(site, None | Some(b"none" | b"same-origin")) {
            return Err(OriginError::Page("Sec-Fetch-Site"));
        }
        match self {
            Hosts::Any => Ok(()),
            Hosts::Named(names) => headers.get_all(HOST).iter().try_for_each(|host| {
                let is_known = host.to_str().is_ok_and(|host| is_known(host, names));
                if is_known { Ok(()) } else { Err(OriginError::Host(shown(host))) }
            }),
        }
    }
}

fn is_known(host: &str, names: &[String]) -> bool {
    let is_address = host.parse::<SocketAddr>().is_ok()
        || host.parse::<Ipv4Addr>().is_ok()
        || host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).is_some_and(is_ip);
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    let is_name = |known: &str| name.eq_ignore_ascii_case(known);
    is_address || is_name("localhost") || names.iter().any(|known| is_name(known))
}

fn is_ip(text: &str) -> bool {
    text.parse::<IpAddr>().is_ok()
}

fn shown(host: &HeaderValue) -> String {
    String::from_utf8_lossy(host.as_bytes()).chars().take(LONGEST).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(hosts: &Hosts, name: &'static str, value: &'static str) -> Result<(), OriginError> {
        let mut headers = HeaderMap::new();
        headers.insert(name, HeaderValue::from_static(value));
        hosts.check(&headers)
    }

    #[test]
    fn what_a_browser_sends_with_every_request_of_a_page_is_refused() {
        for hosts in [Hosts::Any, Hosts::Named(Vec::new())] {
            for origin in ["null", "http://evil.example", "http://127.0.0.1:6732"] {
                assert_eq!(check(&hosts, "origin", origin), Err(OriginError::Page("Origin")));
            }
            for site in ["cross-site", "same-origin", "none"] {
                let refused = Err(OriginError::Page("Sec-Fetch-Site"));
                assert_eq!(check(&hosts, "sec-fetch-site", site), refused);
            }
        }
    }

    #[test]
    fn a_person_may_look_and_another_page_may_not() {
        let check = |site| {
            let mut headers = HeaderMap::new();
            headers.insert("sec-fetch-site", HeaderValue::from_static(site));
            Hosts::Any.check_viewer(&headers)
        };
        for site in ["none", "same-origin"] {
            assert_eq!(check(site), Ok(()), "{site}");
        }
        for site in ["cross-site", "same-site", ""] {
            assert_eq!(check(site), Err(OriginError::Page("Sec-Fetch-Site")), "{site}");
        }
    }

    #[test]
    fn the_loopback_is_asked_by_address_or_as_localhost() {
        let hosts = Hosts::of(IpAddr::from([127, 0, 0, 1]), &["signer.lan".to_owned()]);
        let good = [
            "127.0.0.1",
            "127.0.0.1:6732",
            "[::1]",
            "[::1]:6732",
            "localhost",
            "LocalHost:80",
            "signer.lan:6732",
            "192.168.1.5:6732",
        ];
        for host in good {
            assert_eq!(check(&hosts, "host", host), Ok(()), "{host}");
        }
        let bad = [
            "evil.example",
            "evil.example:6732",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "",
        ];
        for host in bad {
            assert!(matches!(check(&hosts, "host", host), Err(OriginError::Host(_))), "{host}");
        }
    }

    #[test]
    fn other_listeners_are_asked_by_any_name() {
        let hosts = Hosts::of(IpAddr::from([0, 0, 0, 0]), &[]);
        assert_eq!(check(&hosts, "host", "peel-gateway.baking.svc"), Ok(()));
    }
}
