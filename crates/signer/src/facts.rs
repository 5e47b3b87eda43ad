//! The facts of the signer: what `/readyz`, `/status`, the watchdog and the alerts read.

use std::sync::Arc;

use daemon::{Fact, Health, Verdict};
use tezos::Kind;
use watermark::Store;

use crate::error::NotReady;
use crate::key::{Key, LastSignature};
use crate::keyring::{KeyEntry, Keyring};

/// What this is about beside keys, marks and signatures: each gives facts at once.
pub(crate) type Look = Box<dyn Fn() -> Vec<Fact> + Send + Sync>;

/// The store's last write, each key and its last signatures, and then `others`.
pub(crate) fn health(keyring: &Keyring, store: &Arc<Store>, others: Vec<Look>) -> Health {
    let (written, marks) = (Arc::clone(store), Arc::clone(store));
    let of_store = move || vec![of_store(&written)];
    let [keys, answers, signatures, forms] = std::array::from_fn(|_| keyring.clone());
    let of_keys = move || keys.0.iter().map(|entry| of_key(entry, &marks)).collect();
    let of_answers = move || answers.0.iter().map(|entry| of_answers(&entry.key)).collect();
    let of_signatures =
        move || signatures.0.iter().flat_map(|entry| of_signatures(&entry.key)).collect();
    let of_protocol = move || vec![Fact::partial("protocol", forms.known_forms())];
    let mut looks: Vec<Look> = vec![Box::new(of_store), Box::new(of_keys), Box::new(of_answers)];
    looks.extend(others);
    looks.extend([Box::new(of_protocol) as Look, Box::new(of_signatures)]);
    Health::new(looks)
}

/// A disk without room stops no signature, but the next start.
fn of_store(store: &Store) -> Fact {
    match store.failure() {
        Some(error) => Fact::vital("watermark_store", Err(error.to_string())),
        None if store.has_room() => Fact::vital("watermark_store", Ok(())),
        None => {
            let line = "signing goes on, but the disk of the watermark store has less than 1 MB left, and the \
                        next start will find no room: free some";
            Fact::new("watermark_store", "no_room", Verdict::Degraded, line.to_owned())
        }
    }
}

/// The key itself logs what its device shows.
fn of_key(entry: &KeyEntry, store: &Store) -> Fact {
    let fact = match entry.can_sign(store) {
        Ok(()) => Fact::new("key", "ready", Verdict::Good, "ok".to_owned()),
        Err(why) => Fact::new("key", why.state, Verdict::Failed, why.line),
    };
    let waiting = u32::try_from(entry.dispatch.waiting()).unwrap_or(u32::MAX);
    let is_logged = fact.is_good() || NotReady::REASONS.contains(&&*fact.state);
    let fact = fact.about(entry.key.name.clone()).with("waiting", waiting.into());
    if is_logged { fact.logged_elsewhere() } else { fact }
}

/// A key whose device and marks are well may be asked for what it refuses: a mark that was set too high, another chain, a
/// client that may not ask.
fn of_answers(key: &Key) -> Fact {
    let fact = match key.unsigned_lately() {
        None => Fact::new("answers", "ok", Verdict::Good, "ok".to_owned()),
        Some((count, why)) => {
            let line = format!("its last {count} answers were no signatures: {why}");
            Fact::new("answers", "not_signing", Verdict::Degraded, line)
        }
    };
    fact.about(key.name.clone())
}

fn of_signatures(key: &Key) -> Vec<Fact> {
    let kinds = key.policy.kinds.iter();
    kinds.map(|kind| of_signature(key, *kind, key.last_signature(*kind))).collect()
}

/// That nothing was signed since the start is neither good nor bad: a key may have no rights now.
fn of_signature(key: &Key, kind: Kind, last: Option<LastSignature>) -> Fact {
    let subject = format!("{}_{}", key.name, kind.name());
    let Some(LastSignature { mark, at, took }) = last else {
        let line = "nothing yet since the start".to_owned();
        return Fact::new("signed", "none", Verdict::Good, line).about(subject).logged_elsewhere();
    };
    let line = format!("{mark}, in {} ms", took.as_millis());
    Fact::new("signed", "signed", Verdict::Good, line)
        .about(subject)
        .with("level", u32::from(mark.level).into())
        .with("round", u32::from(mark.round).into())
        .with("seconds", took.as_secs_f64())
        .with("at", at)
        .logged_elsewhere()
}
