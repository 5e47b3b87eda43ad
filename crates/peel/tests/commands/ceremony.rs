//! `peel key ceremony` and `peel key reshare`: boxes that are folders of one machine.

use std::fs;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use rand::SeedableRng;
use rand::rngs::StdRng;
use shares::ceremony::{Message, NewBoxes};
use shares::{ShareFile, ShareIndex};
use tempfile::TempDir;

use crate::peel::{done, fails, peel, peel_reads, said};

/// Boxes of one ceremony or resharing, each a folder.
struct Boxes {
    folder: TempDir,
    command: &'static str,
    name: &'static str,
    count: u8,
}

impl Boxes {
    fn begin(command: &'static str, name: &'static str, needed: u8, count: u8) -> Boxes {
        Boxes::in_folder(tempfile::tempdir().unwrap(), command, name, needed, count)
    }

    fn in_folder(
        folder: TempDir,
        command: &'static str,
        name: &'static str,
        needed: u8,
        count: u8,
    ) -> Boxes {
        let boxes = Boxes { folder, command, name, count };
        for number in 1..=count {
            let line = boxes.begin_line(needed, number);
            assert!(done(boxes.at(), &line).contains("no message of round 1"));
        }
        boxes
    }

    fn begin_line(&self, needed: u8, number: u8) -> String {
        let (command, count, name) = (self.command, self.count, self.name);
        format!(
            "key {command} --threshold {needed} --shares {count} --share {number} {name}-{number}"
        )
    }

    fn at(&self) -> &Path {
        self.folder.path()
    }

    fn file(&self, number: u8, file: &str) -> PathBuf {
        self.at().join(format!("{}-{number}", self.name)).join(file)
    }

    fn numbers(&self) -> std::ops::RangeInclusive<u8> {
        1..=self.count
    }

    /// As it is run to go on.
    fn line(&self, number: u8) -> String {
        format!("key {} --unencrypted {}-{number}", self.command, self.name)
    }

    fn runs(&self, number: u8) -> String {
        done(self.at(), &self.line(number))
    }

    fn fails(&self, number: u8) -> String {
        let (code, said) = fails(self.at(), &self.line(number));
        assert_eq!(code, Some(1));
        assert!(!self.file(number, "share").exists());
        said
    }

    /// Every message of a round to every box.
    fn spread(&self, round: u8) {
        for from in self.numbers() {
            let name = format!("round-{round}-from-share-{from}.txt");
            for to in self.numbers().filter(|to| *to != from) {
                let copied = fs::copy(self.file(from, &name), self.file(to, &name));
                assert!(copied.is_ok(), "{name} to {to}");
            }
        }
    }

    /// Rounds up to this one, without the last run.
    fn exchange(&self, rounds: u8) {
        for round in 1..=rounds {
            self.spread(round);
            if round < rounds {
                self.numbers().for_each(|number| drop(self.runs(number)));
            }
        }
    }

    /// To the end; gives what each box says there.
    fn complete(&self) -> Vec<String> {
        self.exchange(3);
        self.numbers().map(|number| self.runs(number)).collect()
    }
}

fn value<'a>(told: &'a str, name: &str) -> &'a str {
    let line = told.lines().find(|line| line.split_whitespace().next() == Some(name));
    line.unwrap_or_else(|| panic!("{name}: {told}")).split_whitespace().nth(1).unwrap()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn three_folders_make_a_key_that_none_of_them_has() {
    let boxes = Boxes::begin("ceremony", "box", 2, 3);
    assert_eq!(mode(&boxes.file(1, "")), 0o700);
    assert_eq!(mode(&boxes.file(1, "ceremony.secret")), 0o600);
    let all = boxes.complete();
    for (number, told) in boxes.numbers().zip(&all) {
        for name in ["public_key_hash", "public_key", "fingerprint"] {
            assert!(all.iter().all(|other| value(other, name) == value(told, name)), "{name}");
        }
        let share = boxes.file(number, "share");
        assert_eq!(mode(&share), 0o600);
        assert!(!boxes.file(number, "ceremony.secret").exists());
        let secret = fs::read_to_string(&share).unwrap();
        let secret = secret.split("unencrypted:").nth(1).unwrap().split('"').next().unwrap();
        assert!(!told.contains(secret), "a secret was shown");
        assert!(told.contains("[[shared_key]]\n") && told.contains("index = 3"), "{told}");
        let listed = done(boxes.at(), &format!("key list box-{number}/share"));
        let expected = format!("share {number} of 3, 2 are needed");
        assert!(listed.contains(value(told, "public_key_hash")) && listed.contains(&expected));
        assert_eq!(boxes.runs(number), *told, "it says the same whenever it is asked");
    }
    let left: Vec<_> = fs::read_dir(boxes.file(1, "")).unwrap().flatten().collect();
    assert_eq!(left.len(), 10, "nine messages and a share: {left:?}");
}

#[test]
fn a_box_that_is_missing_is_named_in_each_round() {
    let boxes = Boxes::begin("ceremony", "box", 2, 3);
    for round in 1..=3 {
        let told = boxes.runs(1);
        let expected = format!("no message of round {round} from share 2, share 3");
        assert!(told.contains(&expected), "{told}");
        let name = format!("round-{round}-from-share-2.txt");
        fs::copy(boxes.file(2, &name), boxes.file(1, &name)).unwrap();
        let told = boxes.runs(1);
        assert!(told.contains(&format!("no message of round {round} from share 3")), "{told}");
        assert!(!boxes.file(1, "share").exists());
        boxes.spread(round);
        (2..=3).for_each(|number| drop(boxes.runs(number)));
        if round < 3 {
            boxes.runs(1);
        }
    }
    assert!(boxes.runs(1).contains("public_key_hash"));
}

#[test]
fn a_message_that_was_cut_changed_or_is_none_is_named_with_its_file() {
    let boxes = Boxes::begin("ceremony", "box", 2, 3);
    boxes.exchange(1);
    let file = boxes.file(1, "round-1-from-share-2.txt");
    let whole = fs::read_to_string(&file).unwrap();
    for (text, words) in [
        (whole[..whole.len() / 2].to_owned(), "the message of round 1 from share 2 was cut"),
        (whole.replace("promise:\n", "promise:\n00"), "share 2 was changed on its way"),
        (whole[..20].to_owned(), "holds no message of a ceremony"),
        (String::new(), "holds no message of a ceremony"),
        (String::from_utf8_lossy(&[0xff; 4096]).into_owned(), "holds no message of a ceremony"),
    ] {
        fs::write(&file, text).unwrap();
        let said = boxes.fails(1);
        assert!(said.contains(words) && said.contains("round-1-from-share-2.txt"), "{said}");
    }
    fs::write(&file, "x".repeat(2 * 1024 * 1024)).unwrap();
    assert!(boxes.fails(1).contains("too long"));
    fs::write(&file, whole).unwrap();
    assert!(boxes.runs(1).contains("no message of round 2 from share 2, share 3"));
}

#[test]
fn a_message_of_another_ceremony_is_named_and_no_share_is_made() {
    let (boxes, others) =
        (Boxes::begin("ceremony", "box", 2, 3), Boxes::begin("ceremony", "box", 2, 3));
    boxes.exchange(2);
    others.exchange(2);
    let file = boxes.file(1, "round-2-from-share-2.txt");
    let good = fs::read(&file).unwrap();
    fs::copy(others.file(1, "round-2-from-share-2.txt"), &file).unwrap();
    let said = boxes.fails(1);
    assert!(
        said.contains("the message of round 2 from share 2 belongs to another ceremony"),
        "{said}"
    );
    // Beside the good one, under any name.
    fs::rename(&file, boxes.file(1, "other.txt")).unwrap();
    fs::write(&file, good).unwrap();
    let said = boxes.fails(1);
    assert!(said.contains("two different messages of round 2 from share 2"), "{said}");
    fs::remove_file(boxes.file(1, "other.txt")).unwrap();
    boxes.numbers().for_each(|number| drop(boxes.runs(number)));
    boxes.spread(3);
    assert!(boxes.runs(1).contains("public_key_hash"));
}

#[test]
fn repeated_messages_do_no_harm() {
    let boxes = Boxes::begin("ceremony", "box", 2, 3);
    for round in 1..=3 {
        boxes.spread(round);
        for file in ["copy.txt", "again.txt"] {
            let name = format!("round-{round}-from-share-2.txt");
            fs::copy(boxes.file(2, &name), boxes.file(1, file)).unwrap();
        }
        let first = boxes.runs(1);
        if round < 3 {
            assert_eq!(boxes.runs(1), first);
        }
        (2..=3).for_each(|number| drop(boxes.runs(number)));
    }
    assert!(boxes.runs(1).contains("public_key_hash"));
}

/// What comes out of a chat, with what others wrote between.
#[test]
fn messages_can_be_pasted() {
    let boxes = Boxes::begin("ceremony", "box", 2, 3);
    for round in 1..=3 {
        let text = |from: u8| {
            let name = format!("round-{round}-from-share-{from}.txt");
            let text = fs::read_to_string(boxes.file(from, &name)).unwrap();
            text.lines().map(|line| format!("> {line}\r\n")).collect::<String>()
        };
        let all = format!("Alice:\n{}\nhere is mine:\n{}{}", text(1), text(2), text(3));
        for number in boxes.numbers() {
            let told = peel_reads(boxes.at(), &(boxes.line(number) + " -"), &all);
            assert!(told.status.success(), "{}", said(&told));
        }
    }
    assert!(boxes.runs(1).contains("public_key_hash"));
    assert!(boxes.file(1, "round-2-from-share-3.txt").exists());
    let nothing =
        peel_reads(boxes.at(), "key reshare --dealers 1,2 --share-file x box-1 -", "hello");
    assert!(said(&nothing).contains("standard input holds no message"), "{}", said(&nothing));
}

#[test]
fn what_cannot_begin_says_why_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    for (line, words) in [
        ("--threshold 1 --shares 2 --share 1", "the key itself"),
        ("--threshold 2 --shares 4 --share 1", "use 3 of 4"),
        ("--threshold 9 --shares 17 --share 1", "use 16 at most"),
        ("--threshold 2 --shares 3 --share 4", "there is no share 4 of 3 shares"),
        ("--threshold 2 --shares 3 --share 0", "use 1 to 16"),
        ("--threshold 2", "--shares"),
        ("", "--threshold, --shares and --share make it"),
    ] {
        let (_, said) = fails(folder.path(), &format!("key ceremony {line} box"));
        assert!(said.contains(words), "{line}: {said}");
        assert!(!folder.path().join("box").exists(), "{line}");
    }
}

#[test]
fn a_folder_is_of_one_box_and_of_one_procedure() {
    let boxes = Boxes::begin("ceremony", "box", 2, 3);
    let (_, said) = fails(boxes.at(), &boxes.begin_line(2, 1));
    assert!(said.contains("ceremony.secret is there already"), "{said}");
    let (_, said) = fails(boxes.at(), "key reshare box-1");
    assert!(said.contains("is of a ceremony: run \"peel key ceremony box-1\""), "{said}");
    // Two boxes that both began as share 2.
    let other = Boxes::begin("ceremony", "box", 2, 3);
    boxes.exchange(1);
    fs::copy(other.file(2, "round-1-from-share-2.txt"), boxes.file(1, "b.txt")).unwrap();
    assert!(boxes.fails(1).contains("two boxes began as share 2"));
    let lock = fs::File::open(boxes.file(3, "")).unwrap();
    lock.try_lock().unwrap();
    assert!(boxes.fails(3).contains("another peel runs in box-3"));
    drop(lock);
    // An empty folder.
    fs::create_dir(boxes.at().join("empty")).unwrap();
    let (_, said) = fails(boxes.at(), "key ceremony empty");
    assert!(said.contains("nothing was begun in empty"), "{said}");
}

#[test]
fn a_secret_that_is_damaged_or_open_is_named_and_not_shown() {
    let boxes = Boxes::begin("ceremony", "box", 2, 3);
    let file = boxes.file(1, "ceremony.secret");
    let whole = fs::read_to_string(&file).unwrap();
    let secrets: Vec<&str> = whole.lines().filter(|line| line.len() == 64).collect();
    for damaged in [
        whole.trim_end().trim_end_matches("SECRET").to_owned(),
        whole.replace("key:", "kez:"),
        whole.replace("share: 1", "share: 2"),
        String::new(),
    ] {
        fs::write(&file, damaged).unwrap();
        let said = boxes.fails(1);
        assert!(said.contains("ceremony.secret") && said.contains("begin anew"), "{said}");
        assert!(secrets.iter().all(|secret| !said.contains(secret)), "{said}");
    }
    fs::write(&file, &whole).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    assert!(boxes.fails(1).contains("chmod 600"));
    let listed = peel(boxes.at(), "key list box-1/ceremony.secret");
    assert!(!listed.status.success(), "it is no share: {}", said(&listed));
}

/// The last step can be done again: nothing is lost before the share is written.
#[test]
fn a_share_is_encrypted_unless_it_is_said_otherwise() {
    let boxes = Boxes::begin("ceremony", "box", 2, 3);
    boxes.exchange(3);
    let (_, said) = fails(boxes.at(), "key ceremony box-1");
    assert!(said.contains("--password-file, or --unencrypted"), "{said}");
    assert!(!boxes.file(1, "share").exists() && boxes.file(1, "ceremony.secret").exists());
    let password = boxes.at().join("password");
    fs::write(&password, "hush\n").unwrap();
    fs::set_permissions(&password, fs::Permissions::from_mode(0o600)).unwrap();
    // Half written, by a program that ended there.
    fs::write(boxes.file(1, "share.1.part"), "index = 1").unwrap();
    let told = done(boxes.at(), "key ceremony --password-file password box-1");
    assert!(!boxes.file(1, "share.1.part").exists());
    assert!(fs::read_to_string(boxes.file(1, "share")).unwrap().contains("encrypted:BLesk"));
    let listed = done(boxes.at(), "key list box-1/share");
    assert!(listed.contains(value(&told, "public_key_hash")) && listed.contains("  encrypted"));
    // Between the share and the end of the rest, the power failed.
    let again = Boxes::begin("ceremony", "box", 2, 3);
    again.exchange(3);
    let kept = fs::read(again.file(1, "ceremony.secret")).unwrap();
    let told = again.runs(1);
    fs::write(again.file(1, "ceremony.secret"), kept).unwrap();
    fs::set_permissions(again.file(1, "ceremony.secret"), fs::Permissions::from_mode(0o600))
        .unwrap();
    assert_eq!(again.runs(1), told);
    assert!(!again.file(1, "ceremony.secret").exists());
    // The same when it was overwritten already, and not yet removed.
    fs::write(again.file(1, "ceremony.secret"), [0; 500]).unwrap();
    fs::set_permissions(again.file(1, "ceremony.secret"), fs::Permissions::from_mode(0o600))
        .unwrap();
    assert_eq!(again.runs(1), told);
    assert!(!again.file(1, "ceremony.secret").exists());
    fs::write(again.file(1, "share"), "index = 1\nthreshold = 2\n").unwrap();
    let (_, said) = fails(again.at(), "key ceremony box-1");
    assert!(said.contains("no share of a key, or not all of it"), "{said}");
}

/// With the messages, it opens the share without its password.
#[test]
fn nothing_of_what_was_remembered_is_left() {
    let boxes = Boxes::begin("ceremony", "box", 2, 3);
    let mut all = Vec::new();
    for round in 1..=3 {
        // It can be found on the disk also when it has no name any more.
        all.push(fs::File::open(boxes.file(1, "ceremony.secret")).unwrap());
        fs::write(boxes.file(1, &format!("ceremony.secret.{round}.part")), "half a secret")
            .unwrap();
        boxes.spread(round);
        boxes.numbers().for_each(|number| drop(boxes.runs(number)));
    }
    for mut file in all {
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).unwrap();
        assert!(!bytes.is_empty() && bytes.iter().all(|byte| *byte == 0));
    }
    let names = fs::read_dir(boxes.file(1, "")).unwrap().flatten().map(|entry| entry.file_name());
    let left: Vec<_> = names.filter(|name| name.to_string_lossy().contains("secret")).collect();
    assert!(left.is_empty(), "{left:?}");
}

/// The person at a box runs the command again to read the fingerprint aloud.
#[test]
fn after_the_end_a_box_shows_the_fingerprint_of_its_own_message_alone() {
    let boxes = Boxes::begin("ceremony", "box", 2, 3);
    let told = boxes.complete();
    let own = fs::read_to_string(boxes.file(1, "round-3-from-share-1.txt")).unwrap();
    fs::write(boxes.file(1, "a.txt"), &own).unwrap();
    assert_eq!(&boxes.runs(1), told.first().unwrap(), "the same message");
    let other = Boxes::begin("ceremony", "box", 2, 3);
    other.complete();
    fs::copy(other.file(1, "round-3-from-share-1.txt"), boxes.file(1, "a.txt")).unwrap();
    let (_, said) = fails(boxes.at(), &boxes.line(1));
    assert!(said.contains("two different messages of round 3"), "{said}");
    assert!(said.contains("round-3-from-share-1.txt") && !said.contains("fingerprint  "), "{said}");
}

/// New boxes that have compared, and a folder for what old ones deal.
fn new_boxes(old: Boxes, needed: u8, count: u8) -> (Boxes, String) {
    let new = Boxes::in_folder(old.folder, "reshare", "new", needed, count);
    new.exchange(1);
    let told: Vec<String> = new.numbers().map(|number| new.runs(number)).collect();
    let fingerprint = told.first().map(|told| value(told, "fingerprint").to_owned()).unwrap();
    assert!(told.iter().all(|told| value(told, "fingerprint") == fingerprint));
    assert!(told.iter().all(|told| told.contains("no old share has dealt")), "{told:?}");
    fs::create_dir(new.at().join("old")).unwrap();
    for number in new.numbers() {
        let name = format!("round-1-from-share-{number}.txt");
        fs::copy(new.file(number, &name), new.at().join("old").join(name)).unwrap();
    }
    (new, fingerprint)
}

#[test]
fn new_boxes_get_new_shares_of_the_same_key() {
    let old = Boxes::begin("ceremony", "box", 2, 3);
    let hash = value(old.complete().first().unwrap(), "public_key_hash").to_owned();
    let (new, fingerprint) = new_boxes(old, 3, 4);
    let deal = |number: u8, more: &str| {
        format!("key reshare --dealers 1,3 --share-file box-{number}/share {more} old")
    };
    // Only shown, and refused for others.
    let told = done(new.at(), &deal(1, ""));
    assert!(told.contains("nothing was dealt") && told.contains(&fingerprint), "{told}");
    let other = format!("--new-boxes {}", "00".repeat(20));
    let (_, said) = fails(new.at(), &deal(1, &other));
    assert!(said.contains("not those that were compared"), "{said}");
    let compared = format!("--new-boxes {fingerprint}");
    let (_, said) = fails(new.at(), &deal(2, &compared));
    assert!(said.contains("this is share 2, and not one of the dealers"), "{said}");
    let dealt = |number: u8| new.at().join(format!("old/round-2-from-old-share-{number}.txt"));
    assert!(!dealt(1).exists() && !dealt(2).exists());
    for number in [1, 3] {
        let told = done(new.at(), &deal(number, &compared));
        assert!(told.contains("destroy"), "{told}");
        let message = fs::read(dealt(number)).unwrap();
        done(new.at(), &deal(number, &compared));
        assert_eq!(fs::read(dealt(number)).unwrap(), message, "it deals once");
        for box_number in new.numbers() {
            let name = format!("round-2-from-old-share-{number}.txt");
            fs::copy(dealt(number), new.file(box_number, &name)).unwrap();
        }
        let told = new.runs(1);
        let expected = ["no message of round 2 from old share 3", "no message of round 3"];
        assert!(told.contains(expected[usize::from(number == 3)]), "{told}");
    }
    new.numbers().for_each(|number| drop(new.runs(number)));
    new.spread(3);
    for number in new.numbers() {
        let told = new.runs(number);
        assert_eq!(value(&told, "public_key_hash"), hash);
        assert!(told.contains("destroy the old shares") && told.contains("peel watermark import"));
        let listed = done(new.at(), &format!("key list new-{number}/share"));
        assert!(listed.contains(&format!("share {number} of 4, 3 are needed")), "{listed}");
        // What is left to do is another thing for a new key: these boxes would sign beside the old ones.
        let (_, said) = fails(new.at(), &format!("key ceremony new-{number}"));
        assert!(said.contains(&format!("run \"peel key reshare new-{number}\"")), "{said}");
    }
}

#[test]
fn an_old_box_deals_only_when_all_new_ones_are_there() {
    let old = Boxes::begin("ceremony", "box", 2, 3);
    old.complete();
    let (new, fingerprint) = new_boxes(old, 2, 3);
    let deal =
        format!("key reshare --dealers 1,2 --share-file box-1/share --new-boxes {fingerprint} old");
    let file = new.at().join("old/round-1-from-share-3.txt");
    let message = fs::read(&file).unwrap();
    fs::remove_file(&file).unwrap();
    let (_, said) = fails(new.at(), &deal);
    assert!(said.contains("no message of round 1 from share 3; nothing is dealt before"), "{said}");
    fs::write(&file, message).unwrap();
    done(new.at(), &deal);
    // Another resharing needs another folder.
    let (_, said) = fails(new.at(), &deal.replace(" old", " box-1"));
    assert!(said.contains("no message of a new box is in box-1"), "{said}");
    let (code, said) = fails(new.at(), &deal.replace(" --share-file box-1/share", ""));
    assert!(code == Some(2) && said.contains("--share-file"), "{said}");
    let (code, said) =
        fails(new.at(), &deal.replace("--dealers", "--threshold 2 --shares 3 --share 1 --dealers"));
    assert!(code == Some(2) && said.contains("cannot be used with"), "{said}");
}

#[test]
fn an_encrypted_share_is_dealt_with_its_password() {
    let old = Boxes::begin("ceremony", "box", 2, 2);
    for (name, password) in [("password", "hush"), ("wrong", "hash")] {
        fs::write(old.at().join(name), password).unwrap();
        fs::set_permissions(old.at().join(name), fs::Permissions::from_mode(0o600)).unwrap();
    }
    old.exchange(3);
    done(old.at(), "key ceremony --password-file password box-1");
    let (new, fingerprint) = new_boxes(old, 2, 2);
    let deal = "key reshare --dealers 1,2 --share-file box-1/share --new-boxes";
    let line = |password: &str| format!("{deal} {fingerprint} {password} old");
    let (_, said) = fails(new.at(), &line("--password-file wrong"));
    assert!(said.contains("the password does not open") && !said.contains("hash"), "{said}");
    assert!(!new.at().join("old/round-2-from-old-share-1.txt").exists());
    done(new.at(), &line("--password-file password"));
    assert!(new.at().join("old/round-2-from-old-share-1.txt").exists());
}

/// Who carries the messages deals a key of his own in the name of old share 1, before the old box does.
#[test]
fn an_old_box_passes_no_foreign_deal_off_as_its_own() {
    let old = Boxes::begin("ceremony", "box", 2, 3);
    old.complete();
    let (new, fingerprint) = new_boxes(old, 2, 3);
    let evil = Boxes::begin("ceremony", "box", 2, 3);
    evil.complete();
    let evil_old = evil.at().join("old");
    fs::create_dir(&evil_old).unwrap();
    for number in new.numbers() {
        let name = format!("round-1-from-share-{number}.txt");
        fs::copy(new.at().join("old").join(&name), evil_old.join(&name)).unwrap();
    }
    let deal =
        format!("key reshare --dealers 1,2 --share-file box-1/share --new-boxes {fingerprint} old");
    done(evil.at(), &deal);
    let name = "round-2-from-old-share-1.txt";
    fs::copy(evil_old.join(name), new.at().join("old").join(name)).unwrap();
    let told = peel(new.at(), &deal);
    assert!(!told.status.success(), "it deals the enemy's key: {}", said(&told));
    // All that is public of it is this box's: only the random numbers are the enemy's.
    let path = new.at().join("old").join(name);
    fs::remove_file(&path).unwrap();
    done(new.at(), &deal);
    let own = fs::read_to_string(&path).unwrap();
    let folder = new.at().join("old");
    let texts = fs::read_dir(&folder).unwrap().map(|file| fs::read_to_string(file.unwrap().path()));
    let messages: Vec<Message> =
        texts.flat_map(|text| Message::read_all(&text.unwrap())).map(Result::unwrap).collect();
    let boxes = NewBoxes::gather(&messages).unwrap();
    let share = fs::read_to_string(new.at().join("box-1/share")).unwrap();
    let share = ShareFile::parse(&share).unwrap().open(None).unwrap();
    let dealers = [1, 2].map(|number| ShareIndex::new(number).unwrap());
    let mut numbers = StdRng::seed_from_u64(1);
    let forged = boxes.deal(&share, &dealers, boxes.fingerprint(), &mut numbers).unwrap();
    fs::write(&path, forged.to_text()).unwrap();
    let (_, told) = fails(new.at(), &deal);
    assert!(told.contains("slipped in"), "{told}");
    fs::remove_file(&path).unwrap();
    done(new.at(), &deal);
    assert_eq!(fs::read_to_string(&path).unwrap(), own, "it deals the same again");
}

/// It dealt with 1 and 2; then it is said to deal with 1 and 3, and is told that it does.
#[test]
fn an_old_box_does_not_say_that_it_dealt_with_others_than_it_did() {
    let old = Boxes::begin("ceremony", "box", 2, 3);
    old.complete();
    let (new, fingerprint) = new_boxes(old, 2, 3);
    let deal = |dealers: &str, fingerprint: &str| {
        format!(
            "key reshare --dealers {dealers} --share-file box-1/share --new-boxes {fingerprint} old"
        )
    };
    done(new.at(), &deal("1,2", &fingerprint));
    let (_, said) = fails(new.at(), &deal("1,2", &"00".repeat(20)));
    assert!(said.contains("not those that were compared"), "{said}");
    let (_, said) = fails(new.at(), &deal("1,3", &fingerprint));
    assert!(said.contains("dealt"), "{said}");
}
