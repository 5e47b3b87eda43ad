//! JSON values as octez writes them in BSON (json-data-encoding's `json_repr_bson.ml`).
//!
//! It is a part of BSON, <https://bsonspec.org>, and one thing more: a value that is no object stands alone in a
//! document, behind its kind with the highest bit set. A signing request is such a string. No BSON library reads it.

use serde_json::Value;

const DOUBLE: u8 = 0x01;
const STRING: u8 = 0x02;
const DOCUMENT: u8 = 0x03;
const ARRAY: u8 = 0x04;
const BOOL: u8 = 0x08;
const NULL: u8 = 0x0a;
/// The kind of a value that stands alone.
const ALONE: u8 = 0x80;

/// A value as a document.
pub(crate) fn to_bytes(value: &Value) -> Vec<u8> {
    match value {
        Value::Object(_) | Value::Array(_) => contents(value),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            document(&[&[ALONE | kind(value)], contents(value).as_slice()].concat())
        }
    }
}

/// An object whose members are strings and stay in their order: an error of octez.
pub(crate) fn object(members: &[(&str, &str)]) -> Vec<u8> {
    let elements = members.iter().map(|(name, text)| element(name, &Value::from(*text)));
    document(&elements.collect::<Vec<_>>().concat())
}

/// A list of one object.
pub(crate) fn list_of_one(object: &[u8]) -> Vec<u8> {
    document(&named(DOCUMENT, "0", object))
}

/// The string that stands alone in a document; none when it is anything else, or of another length than it says.
pub(crate) fn read_string(bytes: &[u8]) -> Option<&str> {
    let (document_size, rest) = bytes.split_first_chunk::<4>()?;
    let (&kind, rest) = rest.split_first()?;
    let (text_size, rest) = rest.split_first_chunk::<4>()?;
    // Both the string and the document end with a zero byte.
    let text = rest.strip_suffix(&[0, 0])?;
    let is_good = kind == ALONE | STRING
        && *document_size == size(bytes.len())
        && *text_size == size(text.len() + 1);
    std::str::from_utf8(text).ok().filter(|_| is_good)
}

fn kind(value: &Value) -> u8 {
    match value {
        Value::Null => NULL,
        Value::Bool(_) => BOOL,
        Value::Number(_) => DOUBLE,
        Value::String(_) => STRING,
        Value::Array(_) => ARRAY,
        Value::Object(_) => DOCUMENT,
    }
}

fn contents(value: &Value) -> Vec<u8> {
    match value {
        Value::Null => Vec::new(),
        Value::Bool(is) => vec![u8::from(*is)],
        Value::Number(number) => number.as_f64().unwrap_or(f64::NAN).to_le_bytes().to_vec(),
        Value::String(text) => [&size(text.len() + 1)[..], text.as_bytes(), &[0]].concat(),
        Value::Array(values) => {
            let names = (0..).map(|at: usize| at.to_string());
            let elements = names.zip(values).map(|(name, value)| element(&name, value));
            document(&elements.collect::<Vec<_>>().concat())
        }
        Value::Object(members) => {
            let elements = members.iter().map(|(name, value)| element(name, value));
            document(&elements.collect::<Vec<_>>().concat())
        }
    }
}

fn element(name: &str, value: &Value) -> Vec<u8> {
    named(kind(value), name, &contents(value))
}

fn named(kind: u8, name: &str, contents: &[u8]) -> Vec<u8> {
    [&[kind], name.as_bytes(), &[0], contents].concat()
}

/// Behind its size, which counts itself and the zero byte at the end.
fn document(elements: &[u8]) -> Vec<u8> {
    [&size(elements.len() + 5), elements, &[0]].concat()
}

fn size(bytes: usize) -> [u8; 4] {
    u32::try_from(bytes).unwrap_or(u32::MAX).to_le_bytes()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn objects_are_as_the_specification_shows_them() {
        // The two examples of <https://bsonspec.org/faq.html>, as far as JSON goes.
        let hello = b"\x16\0\0\0\x02hello\0\x06\0\0\0world\0\0";
        assert_eq!(to_bytes(&json!({ "hello": "world" })), hello);
        let awesome = b"\x2a\0\0\0\x04BSON\0\x1f\0\0\0\x02\x30\0\x08\0\0\0awesome\0\
            \x01\x31\0\x33\x33\x33\x33\x33\x33\x14\x40\0\0";
        assert_eq!(to_bytes(&json!({ "BSON": ["awesome", 5.05] })), awesome);
    }

    #[test]
    fn a_string_stands_alone() {
        let bytes = to_bytes(&json!("13ab"));
        assert_eq!(bytes, b"\x0f\0\0\0\x82\x05\0\0\x0013ab\0\0");
        assert_eq!(read_string(&bytes), Some("13ab"));
        assert_eq!(read_string(&to_bytes(&json!(""))), Some(""));
    }

    #[test]
    fn whatever_is_cut_changed_or_something_else_is_no_string() {
        let bytes = to_bytes(&json!("13ab"));
        for end in 0..bytes.len() {
            assert_eq!(read_string(&bytes[..end]), None, "{end}");
        }
        // Not the letters themselves.
        for at in (0..9).chain(13..bytes.len()) {
            let mut changed = bytes.clone();
            changed[at] ^= 0x40;
            assert_eq!(read_string(&changed), None, "{at}");
        }
        for other in [json!(null), json!(true), json!(1), json!(["13ab"]), json!({ "a": "13ab" })] {
            assert_eq!(read_string(&to_bytes(&other)), None, "{other}");
        }
        assert_eq!(read_string(&[bytes.as_slice(), &[0]].concat()), None);
    }
}
