//! What an end says of itself in the first line of ssh (RFC 4253 §4.2): the program, and, in the comment, what
//! the other end has to know before anything is asked.

/// What an end says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Version {
    /// It is Peel, and no stock ssh.
    pub(crate) is_peel: bool,
    /// Its bytes cost money.
    pub(crate) is_metered: bool,
    /// It asks whether it would be let in, and serves nothing.
    pub(crate) is_check: bool,
    /// The interface that its connection is bound to, if its name can be said.
    pub(crate) uplink: Option<UplinkName>,
}

/// The name of an interface that is fit for a version line, a log and a label: 1 to 15 of `A-Z a-z 0-9 _ . -`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct UplinkName(String);

const PEEL: &str = concat!("SSH-2.0-peel_", env!("CARGO_PKG_VERSION"));
/// Of any version.
const ANY_PEEL: &str = "SSH-2.0-peel_";
const METERED: &str = "metered";
const CHECK: &str = "check";
const UPLINK: &str = "uplink=";
/// The longest name of an interface (`IFNAMSIZ` in Linux, less the final zero).
const MAX_UPLINK: usize = 15;

impl Version {
    /// The line, without its end.
    pub(crate) fn line(&self) -> String {
        let word = |is_said: bool, word: &str| is_said.then(|| word.to_owned());
        let uplink = self.uplink.as_ref().map(|name| format!("{UPLINK}{}", name.as_str()));
        let words = [
            Some(PEEL.to_owned()),
            word(self.is_metered, METERED),
            word(self.is_check, CHECK),
            uplink,
        ];
        words.into_iter().flatten().collect::<Vec<_>>().join(" ")
    }

    /// Reads the other end's line. The comment of a program that is not Peel means nothing here.
    pub(crate) fn parse(line: &[u8]) -> Version {
        let line = String::from_utf8_lossy(line);
        if !line.starts_with(ANY_PEEL) {
            return Version::default();
        }
        let mut version = Version { is_peel: true, ..Version::default() };
        for word in line.split(' ').skip(1) {
            version.is_metered |= word == METERED;
            version.is_check |= word == CHECK;
            if let Some(name) = word.strip_prefix(UPLINK) {
                version.uplink = UplinkName::parse(name);
            }
        }
        version
    }
}

impl UplinkName {
    /// None when it is too long, or has another character.
    pub(crate) fn parse(name: &str) -> Option<UplinkName> {
        let is_plain =
            |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
        let is_fit = (1..=MAX_UPLINK).contains(&name.len()) && name.bytes().all(is_plain);
        is_fit.then(|| UplinkName(name.to_owned()))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uplink_in(line: &str) -> Option<String> {
        Version::parse(line.as_bytes()).uplink.map(|name| name.as_str().to_owned())
    }

    #[test]
    fn what_is_said_is_understood() {
        for uplink in [None, UplinkName::parse("eth0"), UplinkName::parse("wwp0s20f0u3-i4.")] {
            for (is_metered, is_check) in
                [(false, false), (true, false), (false, true), (true, true)]
            {
                let uplink = uplink.clone();
                let version = Version { is_peel: true, is_metered, is_check, uplink };
                assert_eq!(Version::parse(version.line().as_bytes()), version);
            }
        }
    }

    #[test]
    fn the_comment_of_another_program_means_nothing() {
        let openssh = b"SSH-2.0-OpenSSH_9.2p1 metered uplink=eth0";
        assert_eq!(Version::parse(openssh), Version::default());
    }

    /// RFC 4253 §4.2: 255 characters with the end of the line.
    #[test]
    fn the_longest_line_is_one_that_every_ssh_takes() {
        let uplink = UplinkName::parse("123456789012345");
        let version = Version { is_peel: true, is_metered: true, is_check: true, uplink };
        assert!(version.line().len() <= 253);
        assert!(version.line().bytes().all(|byte| (b' '..=b'~').contains(&byte)));
    }

    #[test]
    fn a_name_that_is_not_plain_is_not_said() {
        for name in ["", "wlan 0", "eth0;", "a\nb", "\u{e9}th0", "\"", "1234567890123456"] {
            assert_eq!(UplinkName::parse(name), None, "{name:?}");
        }
    }

    #[test]
    fn a_hostile_line_names_no_uplink() {
        for name in ["<b>", "eth0\tx", "\x1b[2K", "12345678901234567890", ""] {
            assert_eq!(uplink_in(&format!("SSH-2.0-peel_9.9 uplink={name}")), None, "{name:?}");
        }
        assert_eq!(Version::parse(b"SSH-2.0-peel_9.9 uplink=eth\xff0").uplink, None);
        assert_eq!(uplink_in("SSH-2.0-peel_9.9 new=1 uplink=eth0"), Some("eth0".to_owned()));
    }
}
