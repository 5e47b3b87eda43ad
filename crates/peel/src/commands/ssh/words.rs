//! The order of the words after `peel ssh`: its own options may stand among those of ssh, before the name and behind it,
//! as ssh's may. `scp`, `rsync` and `git` rely on it: they call what they take for ssh with options and a host of their own.
//!
//! ```text
//!  peel ssh -v home --namespace cloud -l me uptime
//!        ──▶ peel ssh --namespace cloud home -- -v -l me -- home uptime
//! ```
//!
//! What stands before the first `--` is for clap; what stands behind it goes to ssh as it is.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// ssh's options that have a value: those with a colon in what `main` of OpenSSH's ssh.c gives to getopt.
const WITH_VALUE: &[u8] = b"BbcDEeFIiJLlmOoPpQRSWw";
/// Options of `peel ssh` that have a value.
const OWN_WITH_VALUE: [&str; 6] =
    ["--context", "--namespace", "--release", "--via", "--port", "--pod"];
/// Those that say where the gateway is.
const PLACE: [&str; 4] = ["--context", "--namespace", "--release", "--via"];
/// Called by this name, the program is `peel ssh`: `scp -S` takes a program, and no words for it.
const SHORT_NAME: &str = "peel-ssh";
const LOG_FORMAT: &str = "--log-format";
const SSH: &str = "ssh";
const END: &str = "--";

/// The command line in the order that clap reads; of another command than `peel ssh`, as it is. The words of `more`
/// stand before those typed, unless these say where the gateway is.
pub(crate) fn in_order(mut typed: Vec<OsString>, more: &str) -> Vec<OsString> {
    let Some(begin) = begin(&typed) else { return typed };
    let after = typed.split_off(begin);
    let mut parted = Words::part(after.clone());
    if !parted.own.iter().any(|word| is_place(word)) {
        let more = more.split_whitespace().map(OsString::from);
        parted = Words::part(more.chain(after).collect());
    }
    if typed.last().is_none_or(|word| word != SSH) {
        typed.push(SSH.into());
    }
    typed.extend(parted.joined());
    typed
}

/// Where the words of `peel ssh` begin.
fn begin(typed: &[OsString]) -> Option<usize> {
    let program = Path::new(typed.first()?).file_name();
    if program == Some(OsStr::new(SHORT_NAME)) {
        return Some(1);
    }
    let format = typed.get(1)?.as_bytes();
    let command = match format.strip_prefix(LOG_FORMAT.as_bytes()) {
        Some(b"") => 3,
        Some(rest) if rest.starts_with(b"=") => 2,
        _ => 1,
    };
    (typed.get(command)? == SSH).then_some(command + 1)
}

fn is_place(word: &OsStr) -> bool {
    let name = word.as_bytes().split(|byte| *byte == b'=').next().unwrap_or_default();
    PLACE.iter().any(|place| place.as_bytes() == name)
}

/// What was typed, parted.
#[derive(Debug, Default)]
struct Words {
    own: Vec<OsString>,
    ssh: Vec<OsString>,
    target: Option<OsString>,
    command: Vec<OsString>,
}

impl Words {
    fn part(words: Vec<OsString>) -> Words {
        let mut parted = Words::default();
        let mut words = words.into_iter();
        let mut options_ended = false;
        while let Some(word) = words.next() {
            let is_option = !options_ended && word.len() > 1 && word.as_bytes().starts_with(b"-");
            if is_option && word == END {
                options_ended = true;
            } else if is_option {
                parted.take_option(word, &mut words);
            } else if parted.target.is_none() {
                parted.target = Some(word);
            } else {
                parted.command.push(word);
                parted.command.extend(words.by_ref());
            }
        }
        parted
    }

    /// An option, with its value when that is the next word.
    fn take_option(&mut self, word: OsString, words: &mut impl Iterator<Item = OsString>) {
        let is_own = word.as_bytes().starts_with(b"--") || word == "-h";
        let has_value = if is_own {
            OWN_WITH_VALUE.iter().any(|name| word == *name)
        } else {
            wants_next_word(word.as_bytes())
        };
        let list = if is_own { &mut self.own } else { &mut self.ssh };
        list.push(word);
        list.extend(has_value.then(|| words.next()).flatten());
    }

    fn joined(self) -> impl Iterator<Item = OsString> {
        let Words { own, ssh, target, command } = self;
        let end = || OsString::from(END);
        let (name, again) = (target.clone(), target.map(|target| [end(), target]));
        let behind = [end()].into_iter().chain(ssh).chain(again.into_iter().flatten());
        own.into_iter().chain(name).chain(behind).chain(command)
    }
}

/// Whether the value of ssh's option is the next word: `-l me`, `-vl me`, and not `-lme`.
fn wants_next_word(option: &[u8]) -> bool {
    let at = option.iter().skip(1).position(|letter| WITH_VALUE.contains(letter));
    at.is_some_and(|at| at + 2 == option.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ordered_with(more: &str, typed: &str) -> String {
        let typed = typed.split(' ').map(OsString::from).collect();
        let words = in_order(typed, more).into_iter().map(|word| word.into_string().unwrap());
        words.collect::<Vec<_>>().join(" ")
    }

    fn ordered(typed: &str) -> String {
        ordered_with("", typed)
    }

    #[test]
    fn own_options_may_stand_among_those_of_ssh() {
        for typed in [
            "peel ssh --namespace cloud -v home -l me uptime -p",
            "peel ssh -v --namespace cloud home -l me uptime -p",
            "peel ssh -v home -l me --namespace cloud uptime -p",
            "peel ssh -v home --namespace cloud -l me -- uptime -p",
            "peel-ssh -v -l me --namespace cloud -- home uptime -p",
        ] {
            let program = typed.split(' ').next().unwrap();
            let expected =
                format!("{program} ssh --namespace cloud home -- -v -l me -- home uptime -p");
            assert_eq!(ordered(typed), expected, "{typed}");
        }
    }

    #[test]
    fn the_words_of_scp_and_rsync_are_understood() {
        assert_eq!(
            ordered("/usr/bin/peel-ssh -x -oPermitLocalCommand=no -l me -s -- home sftp"),
            "/usr/bin/peel-ssh ssh home -- -x -oPermitLocalCommand=no -l me -s -- home sftp"
        );
        assert_eq!(
            ordered("peel ssh --via gw -l me home rsync --server -e.LsfxC --namespace . /a"),
            "peel ssh --via gw home -- -l me -- home rsync --server -e.LsfxC --namespace . /a"
        );
    }

    #[test]
    fn an_option_keeps_its_value_whatever_it_looks_like() {
        for (typed, expected) in [
            ("peel ssh -o --list home", "peel ssh home -- -o --list -- home"),
            ("peel ssh -vJ home away", "peel ssh away -- -vJ home -- away"),
            ("peel ssh -Jhome away", "peel ssh away -- -Jhome -- away"),
            ("peel ssh --context -v home", "peel ssh --context -v home -- -- home"),
            ("peel ssh --context=a home", "peel ssh --context=a home -- -- home"),
        ] {
            assert_eq!(ordered(typed), expected, "{typed}");
        }
    }

    #[test]
    fn other_commands_stay_as_they_are() {
        for typed in ["peel", "peel status --context ssh", "peel --log-format ssh status"] {
            assert_eq!(ordered(typed), typed);
        }
        let expected = "peel --log-format json ssh home -- -- home";
        assert_eq!(ordered("peel --log-format json ssh home"), expected);
        assert_eq!(ordered("peel ssh --list"), "peel ssh --list --");
    }

    #[test]
    fn the_place_of_the_environment_yields_to_one_that_is_typed() {
        let expected = "peel ssh --namespace cloud home -- -- home";
        assert_eq!(ordered_with("--namespace cloud", "peel ssh home"), expected);
        let expected = "peel ssh --via=gw home -- -- home --context";
        let ordered = ordered_with("--namespace cloud", "peel ssh --via=gw home -- --context");
        assert_eq!(ordered, expected);
    }
}
