//! `GET /marks`: what a signer of Peel tells its gateway of its store, so that the gateway can notice a copy or a
//! restored backup. A word of ours; octez knows no such thing.

use serde_json::{Value, json};
use tezos::{ChainId, Level, PublicKeyHash};

/// What a signer says of its store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Marks {
    /// A random number of the signer's process: two processes with one identity are told apart by it.
    pub process: String,
    /// Up to where everything is signed or closed, for each key and chain.
    pub reached: Vec<(PublicKeyHash, ChainId, Level)>,
}

impl Marks {
    pub(crate) fn to_json(&self) -> Value {
        let mark = |(key, chain, level): &(PublicKeyHash, ChainId, Level)| {
            json!({
                "key": key.to_string(),
                "chain": chain.to_string(),
                "level": i64::from(*level),
            })
        };
        json!({ "process": self.process, "marks": self.reached.iter().map(mark).collect::<Vec<_>>() })
    }

    /// Reads the answer; none when it is something else.
    #[must_use]
    pub fn parse(body: &[u8]) -> Option<Marks> {
        let value: Value = serde_json::from_slice(body).ok()?;
        let mark = |mark: &Value| {
            let key = mark.get("key")?.as_str()?.parse().ok()?;
            let chain = mark.get("chain")?.as_str()?.parse().ok()?;
            Some((key, chain, Level::try_from(mark.get("level")?.as_i64()?).ok()?))
        };
        Some(Marks {
            process: value.get("process")?.as_str()?.to_owned(),
            reached: value.get("marks")?.as_array()?.iter().map(mark).collect::<Option<_>>()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_is_understood() {
        let key = "tz1KqTpEZ7Yob7QbPE4Hy4Wo8fHG8LhKxZSx".parse().unwrap();
        let reached = vec![(key, ChainId::MAINNET, Level::try_from(800_i64).unwrap())];
        let marks = Marks { process: "1f".to_owned(), reached };
        assert_eq!(Marks::parse(marks.to_json().to_string().as_bytes()), Some(marks));
        assert_eq!(Marks::parse(b"{}"), None);
        assert_eq!(Marks::parse(b"{\"process\": \"x\", \"marks\": [{\"key\": \"tz9\"}]}"), None);
    }
}
