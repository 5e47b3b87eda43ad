//! The recordings of the real app: one exchange a line, and notes between them.

use std::fs;
use std::path::PathBuf;

use serde::Deserialize;

/// One line of a transcript. A line without a status word is a note.
#[derive(Debug, Deserialize)]
pub(crate) struct Line {
    pub(crate) name: String,
    #[serde(with = "hex::serde")]
    pub(crate) apdu_hex: Vec<u8>,
    #[serde(with = "hex::serde")]
    response_hex: Vec<u8>,
    #[serde(with = "hex::serde")]
    status_word: Vec<u8>,
    pub(crate) needs_approval: bool,
    pub(crate) decision: Option<String>,
    pub(crate) first_apdu: Option<String>,
    pub(crate) second_apdu: Option<String>,
    pub(crate) answers_after_decision: Option<Vec<String>>,
    pub(crate) sent: Option<Vec<String>>,
    pub(crate) answers: Option<Vec<String>>,
    pub(crate) first_answer_on_new_connection_after_accept: Option<String>,
    pub(crate) on_conn2: Option<String>,
}

impl Line {
    pub(crate) fn is_note(&self) -> bool {
        self.status_word.is_empty()
    }

    /// The data, then the status word.
    pub(crate) fn answer(&self) -> Vec<u8> {
        [self.response_hex.as_slice(), &self.status_word].concat()
    }

    pub(crate) fn is_accepted(&self) -> bool {
        match self.decision.as_deref() {
            Some("accept") => true,
            Some("reject") => false,
            other => panic!("{}: no decision {other:?}", self.name),
        }
    }
}

pub(crate) fn transcript(name: &str) -> Vec<Line> {
    lines(&format!("transcripts/{name}.jsonl"))
}

/// The lines of a file below `tests/vectors/ledger`.
pub(crate) fn lines<T: for<'a> Deserialize<'a>>(file: &str) -> Vec<T> {
    let text = fs::read_to_string(folder().join(file)).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

pub(crate) fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors/ledger")
}

pub(crate) fn unhex(text: &str) -> Vec<u8> {
    hex::decode(text).unwrap()
}
