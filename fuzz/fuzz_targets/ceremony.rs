//! Messages of a ceremony and of a resharing, and what a box remembers of its own.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rand::SeedableRng;
use rand::rngs::StdRng;
use shares::ceremony::{Ceremony, Message, NewBoxes, Participant, Progress, Resharing};
use shares::{ShareIndex, Threshold};

fuzz_target!(|text: &str| {
    let messages: Vec<Message> = Message::read_all(text).into_iter().flatten().collect();
    for message in &messages {
        let again = Message::read_all(&message.to_text());
        assert_eq!(again, [Ok(message.clone())], "a message has one text");
    }
    let threshold = Threshold::new(2, 3).expect("it is one");
    let first = ShareIndex::new(1).expect("it is one");
    let first = Participant::new(threshold, first).expect("it is one of three");
    // The first box of those that made the seeds.
    let mut rng = StdRng::seed_from_u64(1);
    let mut own = Ceremony::from_text(text).unwrap_or_else(|_| Ceremony::begin(first, &mut rng));
    if let Ok(outcome) = own.advance(&messages, &mut rng)
        && let Progress::Done(done) = outcome.progress
    {
        assert_eq!(done.share.index(), own.participant().index());
    }
    let mut rng = StdRng::seed_from_u64(1);
    let new = Resharing::from_text(text).unwrap_or_else(|_| Resharing::begin(first, &mut rng));
    let _ = new.advance(&messages);
    let _ = NewBoxes::gather(&messages);
});
