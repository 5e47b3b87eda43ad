//! Messages as text: what a mail program, a chat or a bad line makes of them.
use std::sync::LazyLock;

use proptest::prelude::*;
use shares::ceremony::{Message, Round};

use crate::boxes::{Boxes, New, of_round, share, shares};
use crate::text::{forged, read, text, values};

/// One of each kind.
static MESSAGES: LazyLock<Vec<Message>> = LazyLock::new(|| {
    let mut boxes = Boxes::begin(2, 3, 1);
    let old = crate::boxes::completed(boxes.finish());
    let mut new = New::begin(2, 2, 2);
    new.round();
    let old = shares(&old);
    new.deal(&[&old[0], &old[1]]);
    new.round();
    let kinds =
        |wire| [Round::First, Round::Second, Round::Third].map(|round| of_round(wire, round));
    let all = [kinds(&boxes.wire), kinds(&new.wire)].concat();
    all.into_iter().map(|round| round[1].clone()).collect()
});

fn any_message() -> impl Strategy<Value = Message> {
    (0..MESSAGES.len()).prop_map(|at| MESSAGES[at].clone())
}

/// The same, or an error: never another message.
fn is_the_same_or_none(text: &str, message: &Message) -> bool {
    let read = Message::read_all(text);
    read.len() <= 1 && read.iter().all(|read| read.as_ref().map_or(true, |read| read == message))
}

#[test]
fn a_message_is_what_its_description_says() {
    assert_eq!(MESSAGES.len(), 6);
    for message in MESSAGES.iter() {
        let written = message.to_text();
        assert_eq!(read(&written).as_ref(), Ok(message));
        assert_eq!(read(&text(&values(message))).as_ref(), Ok(message), "written a second time");
        assert!(written.lines().all(|line| line.len() <= 100), "{written}");
        println!("{written}");
    }
    let names = MESSAGES.iter().map(Message::file_name).collect::<Vec<_>>();
    assert_eq!(names[1], "round-2-from-share-2.txt");
    assert_eq!(names[4], "round-2-from-old-share-2.txt");
}

#[test]
fn what_chats_and_mail_do_to_lines_does_no_harm() {
    for message in MESSAGES.iter() {
        let text = message.to_text();
        let quoted = text.lines().map(|line| format!("> {line}\r\n")).collect::<String>();
        let indented = text.replace('\n', "  \n\n\t");
        let narrow: String = text
            .lines()
            .flat_map(|line| {
                let chars: Vec<char> = line.chars().collect();
                let parts: Vec<String> =
                    chars.chunks(40).map(|part| part.iter().collect()).collect();
                [parts, vec![String::new()]].concat()
            })
            .map(|line| format!("{line}\n"))
            .collect();
        let talk = format!("Alice, 09:40:\n\u{feff}{text}\nBob: thanks: {{}}\n");
        for changed in [quoted, indented, narrow, talk] {
            assert_eq!(read(&changed).as_ref(), Ok(message), "{changed}");
        }
    }
    let all: String = MESSAGES.iter().map(|message| message.to_text() + "and\n").collect();
    let read: Vec<Message> = Message::read_all(&all).into_iter().map(Result::unwrap).collect();
    assert_eq!(read, *MESSAGES);
}

#[test]
fn damage_is_named_with_the_message_and_its_sender() {
    let message = &MESSAGES[1];
    let text = message.to_text();
    let said = |text: &str| read(text).unwrap_err().to_string();
    let cut = text.replace("END PEEL CEREMONY MESSAGE\n", "");
    let changed = text.replace("seen:\n", "seen:\n00");
    let two = format!("{cut}{text}");
    assert_eq!(
        said(&cut),
        "the message of round 2 from share 2 was cut: it begins, and does not end; have it sent again, whole and unchanged"
    );
    assert!(said(&changed).contains("the message of round 2 from share 2 was changed"));
    assert_eq!(Message::read_all(&two).len(), 2);
    assert!(Message::read_all(&two)[0].is_err() && Message::read_all(&two)[1].is_ok());
    assert!(said("BEGIN PEEL CEREMONY MESSAGE\n").starts_with("a message was cut"));
    let empty = "BEGIN PEEL CEREMONY MESSAGE\nEND PEEL CEREMONY MESSAGE";
    assert!(said(empty).starts_with("a message was changed"));
    let long = text.replace("seen:\n", &format!("seen:\n{}", "0\n".repeat(40_000)));
    assert!(said(&long).contains("longer than any"));
    assert!(Message::read_all("").is_empty() && Message::read_all("hello: world").is_empty());
}

/// With a checksum that fits: so a liar wrote it.
#[test]
fn a_message_that_is_none_is_refused() {
    for message in MESSAGES.iter() {
        for (name, value) in [
            ("format", "2"),
            ("procedure", "party"),
            ("round", "4"),
            ("round", "0"),
            ("threshold", "1"),
            ("shares", "17"),
            ("shares", "9"),
            ("set", "third"),
            ("from", "0"),
            ("from", "4"),
            ("from", "+2"),
            ("about", "ceremony, round 1 of 3, from share 1 of 3, to every box; trust it"),
        ] {
            let found = forged(message, name, |own| *own = value.to_owned());
            assert!(found.is_err(), "{name}: {value}: {found:?}");
        }
        let other_set = if message.sender() == share(2) { "old" } else { "new" };
        assert!(forged(message, "set", |own| *own = other_set.to_owned()).is_err());
        let mut more = values(message);
        more.push(("more".to_owned(), "1".to_owned()));
        assert!(
            read(&text(&more)).unwrap_err().to_string().contains("not written as a box writes it")
        );
        for at in 0..values(message).len() {
            let mut fewer = values(message);
            fewer.remove(at);
            assert!(read(&text(&fewer)).is_err(), "{at}");
        }
    }
}

#[test]
fn dealers_that_are_none_are_refused() {
    for dealers in ["01", "0101", "010203", "0104", "0100", "0103", ""] {
        let found = forged(&MESSAGES[4], "dealers", |own| *own = dealers.to_owned());
        assert!(found.is_err(), "{dealers}");
    }
    for name in ["old-public-key", "old-shares"] {
        let found = forged(&MESSAGES[4], name, |own| own.replace_range(2..4, "00"));
        assert!(found.is_err(), "{name}");
    }
}

proptest! {
    #[test]
    fn a_message_that_was_cut_is_none(message in any_message(), share in 0.0..1.0_f64) {
        let text = message.to_text();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "of a text")]
        let at = (text.len() as f64 * share) as usize;
        prop_assert!(Message::read_all(&text[..at]).iter().all(Result::is_err) || at + 1 == text.len());
        prop_assert!(Message::read_all(&text[at..]).iter().all(Result::is_err) || at == 0);
    }

    #[test]
    fn a_character_that_was_changed_is_noticed(
        (message, at, new) in (any_message(), any::<prop::sample::Index>(), any::<char>())
    ) {
        let mut text: Vec<char> = message.to_text().chars().collect();
        let at = at.index(text.len());
        text[at] = new;
        prop_assert!(is_the_same_or_none(&text.iter().collect::<String>(), &message));
    }

    #[test]
    fn lines_that_were_swapped_lost_or_doubled_are_noticed(
        (message, one, other) in (any_message(), any::<prop::sample::Index>(), any::<prop::sample::Index>())
    ) {
        let text = message.to_text();
        let lines: Vec<&str> = text.lines().collect();
        let (one, other) = (one.index(lines.len()), other.index(lines.len()));
        let (mut swapped, mut lost, mut doubled) = (lines.clone(), lines.clone(), lines.clone());
        swapped.swap(one, other);
        lost.remove(one);
        doubled.insert(other, lines[one]);
        for changed in [swapped, lost] {
            prop_assert!(is_the_same_or_none(&changed.join("\n"), &message));
        }
        let read = Message::read_all(&doubled.join("\n"));
        prop_assert!(read.iter().flatten().all(|read| *read == message));
    }

    #[test]
    fn no_text_is_too_strange_to_be_read(text in ".{0,400}") {
        let block = format!("BEGIN PEEL CEREMONY MESSAGE\n{text}\nEND PEEL CEREMONY MESSAGE");
        prop_assert!(Message::read_all(&block).iter().all(Result::is_err));
    }
}
