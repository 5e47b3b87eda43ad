//! Secrets that stand where none should: a key that was typed into the wrong field comes back in the message that says
//! so, and from there into a log.

use std::borrow::Cow;

/// How a secret key of any kind begins, in Base58Check and in octez's wallets.
const PREFIXES: [&str; 12] = [
    "unencrypted:",
    "aggregate_encrypted:",
    "encrypted:",
    "edsk",
    "edesk",
    "spsk",
    "spesk",
    "p2sk",
    "p2esk",
    "BLsk",
    "BLesk",
    "mdsk",
];
/// Fewer characters behind the prefix are no secret: a word, or `edsk…` in a help text.
const LEAST: usize = 16;
const MASKED: &str = "(a secret, not shown)";

/// The text without the secret keys in it.
#[must_use]
pub fn mask_secrets(text: &str) -> Cow<'_, str> {
    let mut rest = text;
    let mut masked = String::new();
    while let Some((start, end)) = next_secret(rest) {
        let (before, after) = (rest.get(..start), rest.get(end..));
        masked += before.unwrap_or_default();
        masked += MASKED;
        rest = after.unwrap_or_default();
    }
    if masked.is_empty() && rest.len() == text.len() {
        return Cow::Borrowed(text);
    }
    Cow::Owned(masked + rest)
}

/// Where the first secret begins and ends.
fn next_secret(text: &str) -> Option<(usize, usize)> {
    let found = PREFIXES.iter().flat_map(|prefix| text.match_indices(prefix));
    let secrets = found.filter_map(|(at, prefix)| {
        let behind = text.get(at + prefix.len()..)?;
        let length = behind.find(|letter: char| !is_of_a_key(letter)).unwrap_or(behind.len());
        (length >= LEAST).then_some((at, at + prefix.len() + length))
    });
    secrets.min()
}

fn is_of_a_key(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || matches!(letter, ':' | '/' | '+' | '=')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_secret_key_is_shown() {
        let keys = [
            "edsk3gUfUPyBSfrS9CCgmCiQsTCHGkviBDusMxDJstFtojtc1zcpsh",
            "BLsk1hKAHyGqY9qRbgoSVnjiSmDWpKGjFF3WNQ7BaiaMUA6RMA6Pfq",
            "unencrypted:edsk3gUfUPyBSfrS9CCgmCiQsTCHGkviBDusMxDJstFtojtc1zcpsh",
            "encrypted:edesk1Uozc8bzGFTT2yRPRAiS4BGPGjKVCpRBzu8VcAUWhJLBVPYUQgeLmYNUF7r8Fc4rtNDXsuHcDs8RJpYqvNm",
        ];
        for key in keys {
            for text in
                [key.to_owned(), format!("/etc/{key}: not there"), format!("a {key}, b {key}\n")]
            {
                let masked = mask_secrets(&text);
                assert!(!masked.contains(&key[key.len() - 20..]), "{masked}");
                assert!(masked.contains(MASKED));
            }
        }
    }

    #[test]
    fn everything_else_is_as_it_was() {
        for text in [
            "",
            "a key: edsk…, spsk…, or a wallet's unencrypted:… or encrypted:…",
            "edpkuBknW28nW72KG6RoHtYW7p12T6GKc7nAbwYX5m8Wd9sDVC9yav",
            "secret_key_file: it is encrypted: name its password_file",
            "größer",
        ] {
            assert_eq!(mask_secrets(text), text);
        }
    }
}
