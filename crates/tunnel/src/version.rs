//! What an end says of itself in the first line of ssh (RFC 4253 §4.2): the program, and, in the comment, what
//! the other end has to know before anything is asked.

/// What an end says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Version {
    /// It is Peel, and no stock ssh.
    pub(crate) is_peel: bool,
    /// Its bytes cost money.
    pub(crate) is_metered: bool,
    /// It asks whether it would be let in, and serves nothing.
    pub(crate) is_check: bool,
}

const PEEL: &str = concat!("SSH-2.0-peel_", env!("CARGO_PKG_VERSION"));
/// Of any version.
const ANY_PEEL: &[u8] = b"SSH-2.0-peel_";
const METERED: &str = "metered";
const CHECK: &str = "check";

impl Version {
    /// The line, without its end.
    pub(crate) fn line(self) -> String {
        let metered = self.is_metered.then_some(METERED);
        let words = [Some(PEEL), metered, self.is_check.then_some(CHECK)];
        words.into_iter().flatten().collect::<Vec<_>>().join(" ")
    }

    /// Reads the other end's line. The comment of a program that is not Peel means nothing here.
    pub(crate) fn parse(line: &[u8]) -> Version {
        let is_peel = line.starts_with(ANY_PEEL);
        let says = |word: &str| {
            is_peel && line.split(|byte| *byte == b' ').skip(1).any(|own| own == word.as_bytes())
        };
        Version { is_peel, is_metered: says(METERED), is_check: says(CHECK) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_is_understood() {
        for (is_metered, is_check) in [(false, false), (true, false), (false, true), (true, true)] {
            let version = Version { is_peel: true, is_metered, is_check };
            assert_eq!(Version::parse(version.line().as_bytes()), version);
        }
    }

    #[test]
    fn the_comment_of_another_program_means_nothing() {
        assert_eq!(Version::parse(b"SSH-2.0-OpenSSH_9.2p1 metered"), Version::default());
    }
}
