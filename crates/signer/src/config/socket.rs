//! `[socket]`: where octez-signer's binary protocol is spoken.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use daemon::connections::UnixSocket;
use thiserror::Error;

use crate::config::typed;

/// The sockets. One of the two is there, or both are.
#[derive(Debug, Clone)]
pub(crate) struct Sockets {
    pub(crate) tcp: Option<SocketAddr>,
    pub(crate) unix: Option<UnixSocket>,
}

/// What is wrong with `[socket]`.
#[derive(Debug, Error)]
pub(super) enum SocketWhy {
    #[error("names neither tcp nor unix; write one of them, or leave the section out")]
    Nowhere,
    #[error("unix_mode is {0:?}; write an octal number up to 0777, as in \"0660\"")]
    Mode(String),
    #[error("unix_mode, unix_owner and unix_group belong to unix, which is not there")]
    Needless,
    #[error("{field}: there is no {name:?} in {file}; name one that is there, or its number")]
    Unknown { field: &'static str, name: String, file: &'static str },
}

/// For the user of the signer alone.
const DEFAULT_MODE: u32 = 0o600;
const USERS: &str = "/etc/passwd";
const GROUPS: &str = "/etc/group";

pub(super) fn understand(typed: typed::Socket, base: &Path) -> Result<Sockets, SocketWhy> {
    let typed::Socket { tcp, unix, unix_mode, unix_owner, unix_group } = typed;
    let Some(path) = unix else {
        if unix_mode.is_some() || unix_owner.is_some() || unix_group.is_some() {
            return Err(SocketWhy::Needless);
        }
        let tcp = tcp.ok_or(SocketWhy::Nowhere)?.into();
        return Ok(Sockets { tcp: Some(tcp), unix: None });
    };
    let unix = UnixSocket {
        path: base.join(path),
        mode: unix_mode.map_or(Ok(DEFAULT_MODE), mode)?,
        user: unix_owner.map(|name| number("unix_owner", name, USERS)).transpose()?,
        group: unix_group.map(|name| number("unix_group", name, GROUPS)).transpose()?,
    };
    Ok(Sockets { tcp: tcp.map(Into::into), unix: Some(unix) })
}

fn mode(text: String) -> Result<u32, SocketWhy> {
    let mode = u32::from_str_radix(&text, 8).ok().filter(|mode| *mode <= 0o777);
    mode.ok_or(SocketWhy::Mode(text))
}

/// The number of a user or group, which stands third on its line.
fn number(field: &'static str, name: String, file: &'static str) -> Result<u32, SocketWhy> {
    if let Ok(number) = name.parse() {
        return Ok(number);
    }
    let text = fs::read_to_string(file).unwrap_or_default();
    let found = text.lines().find_map(|line| {
        let mut fields = line.split(':');
        if fields.next() == Some(name.as_str()) { fields.nth(1)?.parse().ok() } else { None }
    });
    found.ok_or(SocketWhy::Unknown { field, name, file })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn understood(toml: &str) -> Result<Sockets, String> {
        let typed: typed::Socket = toml::from_str(toml).unwrap();
        understand(typed, Path::new("/etc/peel")).map_err(|why| why.to_string())
    }

    #[test]
    fn names_and_modes_are_those_of_the_system() {
        let text = "unix = \"s\"\nunix_mode = \"0660\"\nunix_owner = \"root\"\nunix_group = \"7\"";
        let unix = understood(text).unwrap().unix.unwrap();
        assert_eq!(unix.path, Path::new("/etc/peel/s"));
        assert_eq!((unix.mode, unix.user, unix.group), (0o660, Some(0), Some(7)));
        assert_eq!(understood("unix = \"s\"").unwrap().unix.unwrap().mode, 0o600);
    }

    #[test]
    fn mistakes_are_told_with_the_cure() {
        for (text, word) in [
            ("", "neither tcp nor unix"),
            ("tcp = \"127.0.0.1:1\"\nunix_mode = \"0600\"", "belong to unix"),
            ("unix = \"s\"\nunix_mode = \"0888\"", "octal"),
            ("unix = \"s\"\nunix_mode = \"7777\"", "octal"),
            ("unix = \"s\"\nunix_group = \"no such group\"", "no \"no such group\" in /etc/group"),
        ] {
            let error = understood(text).unwrap_err();
            assert!(error.contains(word), "{text}: {error}");
        }
    }
}
