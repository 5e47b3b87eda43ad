//! Messages as text, written here a second time: so the format is what its description says.

use hex::encode;
use shares::ceremony::{Message, MessageError};
use tezos::{Digest, blake2b_256};

/// The values of a message, by their names.
pub(crate) type Values = Vec<(String, String)>;

pub(crate) fn digest(of: &str, parts: &[&[u8]]) -> Digest {
    blake2b_256(&joined(of, parts))
}

pub(crate) fn joined(of: &str, parts: &[&[u8]]) -> Vec<u8> {
    let mut bytes = b"peel ceremony 1".to_vec();
    for part in [&[of.as_bytes()], parts].concat() {
        bytes.extend(u64::try_from(part.len()).unwrap().to_be_bytes());
        bytes.extend(part);
    }
    bytes
}

/// What a message says, without its checksum.
pub(crate) fn values(message: &Message) -> Values {
    let text = message.to_text();
    let mut values = Values::new();
    for line in text.lines().filter(|line| !line.ends_with("PEEL CEREMONY MESSAGE")) {
        match line.split_once(':') {
            Some((name, value)) => values.push((name.to_owned(), value.trim().to_owned())),
            None => values.last_mut().unwrap().1.push_str(line),
        }
    }
    assert_eq!(values.pop().unwrap().0, "checksum");
    values
}

pub(crate) fn value<'a>(values: &'a mut Values, name: &str) -> &'a mut String {
    &mut values.iter_mut().find(|(own, _)| own == name).unwrap().1
}

/// The text of these values, with a checksum that fits.
pub(crate) fn text(values: &Values) -> String {
    let spaceless: Vec<(&String, String)> =
        values.iter().map(|(name, value)| (name, value.replace(' ', ""))).collect();
    let parts: Vec<&[u8]> =
        spaceless.iter().flat_map(|(name, value)| [name.as_bytes(), value.as_bytes()]).collect();
    let lines: String = values.iter().map(|(name, value)| format!("{name}: {value}\n")).collect();
    let checksum = encode(&digest("checksum", &parts)[..8]);
    format!("BEGIN PEEL CEREMONY MESSAGE\n{lines}checksum: {checksum}\nEND PEEL CEREMONY MESSAGE\n")
}

/// The only message in a text.
pub(crate) fn read(text: &str) -> Result<Message, MessageError> {
    let mut all = Message::read_all(text);
    assert_eq!(all.len(), 1, "{text}");
    all.remove(0)
}

/// A message with one value changed, and its checksum right.
pub(crate) fn forged(
    message: &Message,
    name: &str,
    change: impl FnOnce(&mut String),
) -> Result<Message, MessageError> {
    let mut values = values(message);
    change(value(&mut values, name));
    read(&text(&values))
}
