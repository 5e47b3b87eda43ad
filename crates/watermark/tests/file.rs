//! The store's file: what it survives, and what each damage is called.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use proptest::prelude::*;
use tezos::{
    ChainId, Curve, KeyForm, Kind, Level, Payload, PublicKeyHash, Signature, sample_payload,
};
use watermark::{
    AdvanceError, Decision, DiskError, LevelBound, Records, RecordsError, Store, StoreFailure,
};

fn key() -> PublicKeyHash {
    "tz1KqTpEZ7Yob7QbPE4Hy4Wo8fHG8LhKxZSx".parse().unwrap()
}

fn level(number: i64) -> Level {
    Level::try_from(number).unwrap()
}

fn attestation(level: u32, variant: u8) -> Payload {
    let bytes = sample_payload(Kind::Attestation, level, 0, variant);
    Payload::parse(&bytes, KeyForm::Slot).unwrap()
}

fn new_store(folder: &Path) -> PathBuf {
    let path = folder.join("watermark.db");
    let mut records = Records::open_or_create(&path).unwrap();
    records.add(key(), ChainId::MAINNET, Some(level(99))).unwrap();
    path
}

fn open_error(path: &Path) -> DiskError {
    match Store::open(path, LevelBound::NONE) {
        Err(StoreFailure::Disk(error)) => error,
        Err(other) => unreachable!("{other}"),
        Ok(_) => unreachable!("it opened"),
    }
}

fn signs(store: &Store, payload: &Payload) -> bool {
    let deadline = Instant::now() + Duration::from_secs(10);
    matches!(store.advance(&key(), payload, deadline), Ok(Decision::Sign(_)))
}

#[test]
fn a_missing_store_is_not_made_from_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("watermark.db");
    assert!(matches!(open_error(&path), DiskError::Missing { .. }));
    assert!(!path.exists());
}

#[test]
fn a_store_has_one_owner() {
    let folder = tempfile::tempdir().unwrap();
    let path = new_store(folder.path());
    let store = Store::open(&path, LevelBound::NONE).unwrap();
    assert!(matches!(open_error(&path), DiskError::Locked { .. }));
    assert!(matches!(Records::open(&path), Err(RecordsError::Disk(DiskError::Locked { .. }))));
    drop(store);
    Store::open(&path, LevelBound::NONE).unwrap();
}

#[test]
fn a_text_file_is_foreign() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("watermark.db");
    fs::write(&path, "not a database, but long enough to look at ".repeat(100)).unwrap();
    assert!(matches!(open_error(&path), DiskError::Foreign { .. }));
}

#[test]
fn an_empty_file_is_foreign() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("watermark.db");
    fs::write(&path, "").unwrap();
    assert!(matches!(open_error(&path), DiskError::Foreign { .. }));
}

#[test]
fn another_programs_database_is_foreign() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("watermark.db");
    let other = rusqlite::Connection::open(&path).unwrap();
    other.execute_batch("CREATE TABLE entry (key TEXT);").unwrap();
    drop(other);
    assert!(matches!(open_error(&path), DiskError::Foreign { .. }));
}

#[test]
fn a_later_schema_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = new_store(folder.path());
    let other = rusqlite::Connection::open(&path).unwrap();
    other.execute_batch("PRAGMA user_version = 5;").unwrap();
    drop(other);
    assert!(matches!(open_error(&path), DiskError::Newer { version: 5, known: 4, .. }));
}

#[test]
fn any_damaged_page_is_found_at_opening_or_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = new_store(folder.path());
    let whole = fs::read(&path).unwrap();
    let mut found = 0;
    for at in (100..whole.len()).step_by(13) {
        let mut damaged = whole.clone();
        damaged[at..whole.len().min(at + 4)].fill(0xa5);
        fs::write(&path, &damaged).unwrap();
        match Records::open(&path) {
            Err(RecordsError::Disk(DiskError::Corrupt { .. })) => found += 1,
            Err(other) => unreachable!("byte {at}: {other}"),
            Ok(records) => {
                let floor = records.entries().first().and_then(|entry| entry.floor);
                assert!(floor >= Some(level(99)), "byte {at}: a mark fell to {floor:?}");
            }
        }
    }
    assert!(found > 50, "only {found} damages were found");
}

#[test]
fn another_programs_database_with_our_version_number_is_foreign() {
    let folder = tempfile::tempdir().unwrap();
    let path = new_store(folder.path());
    let other = rusqlite::Connection::open(&path).unwrap();
    other.execute_batch("PRAGMA application_id = 42;").unwrap();
    drop(other);
    assert!(matches!(open_error(&path), DiskError::Foreign { .. }));
}

/// SQLite checks the shape of its pages, not what is in them.
#[test]
fn a_value_that_rots_is_damage_and_not_another_mark() {
    let rots = [
        "UPDATE entry SET floor = 5",
        "UPDATE entry SET floor = NULL",
        "UPDATE entry SET key = 'tz1gjaF81ZRRvdzjobyfVNsAeSC6PScjfQwN'",
        "INSERT INTO last VALUES ('tz1KqTpEZ7Yob7QbPE4Hy4Wo8fHG8LhKxZSx', 'NetXdQprcVkpaWU', 'block', 1, 0, NULL, NULL)",
    ];
    for rot in rots {
        let folder = tempfile::tempdir().unwrap();
        let path = new_store(folder.path());
        let other = rusqlite::Connection::open(&path).unwrap();
        other.execute_batch(rot).unwrap();
        drop(other);
        assert!(matches!(open_error(&path), DiskError::Corrupt { .. }), "{rot}");
    }
}

#[test]
fn a_row_that_makes_no_sense_is_damage() {
    let folder = tempfile::tempdir().unwrap();
    let path = new_store(folder.path());
    let other = rusqlite::Connection::open(&path).unwrap();
    other.execute_batch("UPDATE entry SET floor = -5;").unwrap();
    drop(other);
    assert!(matches!(open_error(&path), DiskError::Corrupt { .. }));
}

/// What a power cut leaves of the store at `path`, in another folder, if all of it was written.
fn after_a_power_cut(path: &Path, files: &[&str]) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("watermark.db");
    for end in files {
        let [from, to] = [path, &copy].map(|path| format!("{}{end}", path.display()));
        fs::copy(from, to).unwrap();
    }
    let database = rusqlite::Connection::open(&copy).unwrap();
    database.execute("UPDATE opening SET boot = 'before the power cut'", []).unwrap();
    drop(database);
    (folder, copy)
}

/// What counts is on disk before it is signed, and no other file is needed.
#[test]
fn what_was_signed_is_closed_after_a_power_cut() {
    let folder = tempfile::tempdir().unwrap();
    let path = new_store(folder.path());
    let store = Store::open(&path, LevelBound::NONE).unwrap();
    for number in (150..250).step_by(33) {
        assert!(signs(&store, &attestation(number, 1)));
        let (_folder, copy) = after_a_power_cut(&path, &["", "-reserved"]);
        let floor = Records::open(&copy).unwrap().entries()[0].floor;
        let number = i64::from(number);
        assert!(floor >= Some(level(number)) && floor <= Some(level(number + 1)), "{floor:?}");
        let store = Store::open(&copy, LevelBound::NONE).unwrap();
        assert!(!signs(&store, &attestation(number.try_into().unwrap(), 2)));
        assert!(signs(&store, &attestation((number + 2).try_into().unwrap(), 1)));
    }
}

/// A store is copied, or rescued, as a whole, or not at all.
#[test]
fn a_store_without_its_reservations_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = new_store(folder.path());
    let store = Store::open(&path, LevelBound::NONE).unwrap();
    let reserved = folder.path().join("watermark.db-reserved");
    let of_another_time = fs::read(&reserved).unwrap();
    assert!(signs(&store, &attestation(150, 1)));
    let (_folder, alone) = after_a_power_cut(&path, &[""]);
    assert!(matches!(open_error(&alone), DiskError::Incomplete { .. }));
    let open = Records::open(&alone);
    assert!(matches!(open, Err(RecordsError::Disk(DiskError::Incomplete { .. }))));

    store.close().unwrap();
    drop(store);
    let store = Store::open(&path, LevelBound::NONE).unwrap();
    let (_folder, copy) = after_a_power_cut(&path, &["", "-reserved"]);
    let database = rusqlite::Connection::open(&copy).unwrap();
    database.execute_batch("DELETE FROM entry; DELETE FROM last;").unwrap();
    drop(database);
    let DiskError::Incomplete { why, .. } = open_error(&copy) else { unreachable!() };
    assert!(why.contains("of other keys"), "{why}");

    let (_folder, copy) = after_a_power_cut(&path, &["", "-reserved"]);
    fs::write(copy.with_extension("db-reserved"), of_another_time).unwrap();
    let DiskError::Incomplete { why, .. } = open_error(&copy) else { unreachable!() };
    assert!(why.contains("not of the same time"), "{why}");

    store.close().unwrap();
    drop(store);
    fs::remove_file(&reserved).unwrap();
    assert!(signs(&Store::open(&path, LevelBound::NONE).unwrap(), &attestation(151, 1)));
}

/// Whatever rots in it is no lower mark; and once it was written twice, nothing is lost by one place that rots.
#[test]
fn reservations_that_rot_are_no_lower_marks() {
    let folder = tempfile::tempdir().unwrap();
    let path = new_store(folder.path());
    let store = Store::open(&path, LevelBound::NONE).unwrap();
    let reserved = folder.path().join("watermark.db-reserved");
    let places = |bytes: &[u8]| bytes.chunks(4096).map(<[u8]>::to_vec).collect::<Vec<_>>();
    assert!(signs(&store, &attestation(150, 1)));
    let end = Instant::now() + Duration::from_secs(20);
    let is_twice = || {
        let places = places(&fs::read(&reserved).unwrap());
        places[0] == places[1] && String::from_utf8_lossy(&places[0]).contains("151")
    };
    while !is_twice() {
        assert!(Instant::now() < end, "151 is reserved, and was not written twice");
        std::thread::sleep(Duration::from_millis(10));
    }
    let (_folder, copy) = after_a_power_cut(&path, &["", "-reserved"]);
    let whole = fs::read(&copy).unwrap();
    let good = fs::read(&reserved).unwrap();
    for at in (0..good.len()).filter(|at| good[*at] != 0).step_by(7) {
        let mut bad = good.clone();
        bad[at] ^= 1;
        fs::write(&copy, &whole).unwrap();
        fs::write(copy.with_extension("db-reserved"), bad).unwrap();
        let found = Records::open(&copy).unwrap().entries()[0].floor;
        assert_eq!(found, Some(level(151)), "byte {at}");
    }
}

/// As the error says.
#[test]
fn after_a_store_that_is_not_whole_another_can_be_made() {
    let folder = tempfile::tempdir().unwrap();
    let path = new_store(folder.path());
    drop(Store::open(&path, LevelBound::NONE).unwrap());
    let store = Store::open(&path, LevelBound::NONE).unwrap();
    let (_folder, copy) = after_a_power_cut(&path, &["", "-reserved"]);
    drop(store);
    fs::write(copy.with_extension("db-reserved"), "rotten").unwrap();
    let error = open_error(&copy).to_string();
    assert!(error.contains("move the store's files to another folder"), "{error}");
    for entry in fs::read_dir(copy.parent().unwrap()).unwrap() {
        let file = entry.unwrap().file_name();
        fs::rename(copy.with_file_name(&file), folder.path().join(file)).unwrap();
    }
    assert!(signs(
        &Store::open(&new_store(copy.parent().unwrap()), LevelBound::NONE).unwrap(),
        &attestation(100, 1)
    ));
}

#[test]
fn a_store_that_is_replaced_in_use_is_noticed_and_has_no_second_owner() {
    for moved in ["", "-reserved"] {
        let folder = tempfile::tempdir().unwrap();
        let path = new_store(folder.path());
        let backup = fs::read(&path).unwrap();
        let store = Store::open(&path, LevelBound::NONE).unwrap();
        assert!(signs(&store, &attestation(220, 1)));
        let moved = PathBuf::from(format!("{}{moved}", path.display()));
        fs::rename(&moved, folder.path().join("away")).unwrap();
        fs::write(&moved, backup).unwrap();
        assert!(matches!(open_error(&path), DiskError::Locked { .. }));
        let (key, asked) = (key(), attestation(400, 1));
        let error = match store.advance(&key, &asked, Instant::now() + Duration::from_secs(10)) {
            Err(AdvanceError::Failed(StoreFailure::Disk(error))) => error,
            other => unreachable!("{other:?}"),
        };
        assert!(matches!(error, DiskError::Replaced { .. }), "{error}");
        fs::remove_file(&moved).unwrap();
        assert!(!signs(&store, &attestation(500, 1)));
    }
}

#[test]
fn the_log_of_a_lost_store_does_not_get_into_a_new_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("watermark.db");
    fs::write(path.with_extension("db-wal"), "left over").unwrap();
    let made = Records::open_or_create(&path);
    assert!(matches!(made, Err(RecordsError::Disk(DiskError::LeftOver { .. }))));
    assert!(!path.exists());
}

#[test]
fn an_import_opens_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut records = Records::open_or_create(&folder.path().join("watermark.db")).unwrap();
    let nothing = r#"{"peel_watermarks": 1, "entries": [{"key": "tz1KqTpEZ7Yob7QbPE4Hy4Wo8fHG8LhKxZSx",
        "chain": "NetXdQprcVkpaWU", "closed_up_to": null, "last": []}]}"#;
    let empty = records.merge(Records::parse_export(nothing).unwrap());
    assert!(matches!(empty, Err(RecordsError::Empty { .. })));
    assert!(records.entries().is_empty());

    let one_kind =
        nothing.replace("[]}]", r#"[{"kind": "attestation", "level": 7, "round": 0}]}]"#);
    records.merge(Records::parse_export(&one_kind).unwrap()).unwrap();
    let block = records.entries()[0].last(Kind::Block).unwrap().mark;
    assert_eq!(block, tezos::Mark::end_of(level(7)), "what it says nothing of is closed");
}

#[test]
fn a_clean_stop_keeps_marks_and_signatures() {
    let folder = tempfile::tempdir().unwrap();
    let path = new_store(folder.path());
    let asked = attestation(100, 1);
    let made = Signature::new(Curve::Ed25519, &[9; 64]).unwrap();
    let store = Store::open(&path, LevelBound::NONE).unwrap();
    assert!(signs(&store, &asked));
    store.keep(&key(), &asked, &made);
    store.close().unwrap();

    let store = Store::open(&path, LevelBound::NONE).unwrap();
    let key = key();
    let again = store.advance(&key, &asked, Instant::now());
    assert!(matches!(again, Ok(Decision::Again(signature)) if signature == made));
    assert!(matches!(
        store.advance(&key, &attestation(100, 2), Instant::now()),
        Err(AdvanceError::Refused(_))
    ));
}

#[test]
fn a_mark_goes_down_only_on_demand() {
    let folder = tempfile::tempdir().unwrap();
    let mut records = Records::open(&new_store(folder.path())).unwrap();
    let which = [(key(), ChainId::MAINNET)];
    assert!(matches!(records.raise(&which, level(98)), Err(RecordsError::Lower { .. })));
    records.raise(&which, level(200)).unwrap();
    assert_eq!(records.entries()[0].floor, Some(level(200)));
    records.lower(&which, level(50)).unwrap();
    assert_eq!(records.entries()[0].floor, Some(level(50)));
}

#[test]
fn an_export_comes_back_and_marks_only_rise() {
    let folder = tempfile::tempdir().unwrap();
    let path = new_store(folder.path());
    let store = Store::open(&path, LevelBound::NONE).unwrap();
    assert!(signs(&store, &attestation(100, 1)));
    store.close().unwrap();
    let mut records = Records::open(&path).unwrap();
    let exported = Records::parse_export(&records.export()).unwrap();
    assert_eq!(exported, records.entries());

    records.raise(&[(key(), ChainId::MAINNET)], level(300)).unwrap();
    records.merge(exported).unwrap();
    assert_eq!(records.entries()[0].floor, Some(level(300)));
    assert!(Records::parse_export("{}").is_err());
}

/// As after `kill -9`: nothing is written any more, and the lock is let go.
fn forsake(store: Store, path: &Path) -> PathBuf {
    let copy = path.with_file_name("crashed.db");
    for end in ["", "-wal", "-reserved"] {
        let [from, to] = [path, &copy].map(|path| format!("{}{end}", path.display()));
        let _ = fs::copy(from, to);
    }
    let recent = recent_of(&copy);
    let marks = fs::read(&recent).unwrap();
    drop(store);
    fs::write(recent, marks).unwrap();
    copy
}

/// Where the recent marks of the store at `path` are.
fn recent_of(path: &Path) -> PathBuf {
    let database = rusqlite::Connection::open(path).unwrap();
    let recent: String =
        database.query_row("SELECT recent FROM opening", [], |row| row.get(0)).unwrap();
    PathBuf::from(recent)
}

#[test]
fn a_crash_of_the_process_gives_up_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = new_store(folder.path());
    let store = Store::open(&path, LevelBound::NONE).unwrap();
    let (asked, made) = (attestation(100, 1), Signature::new(Curve::Ed25519, &[9; 64]).unwrap());
    assert!(signs(&store, &asked));
    store.keep(&key(), &asked, &made);
    assert!(signs(&store, &attestation(101, 1)));
    let crashed = forsake(store, &path);
    assert_eq!(Records::open(&crashed).unwrap().entries()[0].floor, Some(level(99)));
    let store = Store::open(&crashed, LevelBound::NONE).unwrap();
    assert!(!signs(&store, &attestation(100, 2)) && !signs(&store, &attestation(101, 2)));
    assert!(signs(&store, &attestation(102, 1)));
}

#[test]
fn what_an_operator_writes_after_a_crash_counts() {
    let folder = tempfile::tempdir().unwrap();
    let path = new_store(folder.path());
    let store = Store::open(&path, LevelBound::NONE).unwrap();
    assert!(signs(&store, &attestation(150, 1)));
    let crashed = forsake(store, &path);
    let mut records = Records::open(&crashed).unwrap();
    records.lower(&[(key(), ChainId::MAINNET)], level(100)).unwrap();
    drop(records);
    let store = Store::open(&crashed, LevelBound::NONE).unwrap();
    assert!(!signs(&store, &attestation(100, 1)));
    assert!(signs(&store, &attestation(101, 1)), "it was lowered, and stays so");
}

#[test]
fn nobody_else_can_read_a_store_or_hold_its_lock() {
    let folder = tempfile::tempdir().unwrap();
    let path = new_store(folder.path());
    let modes = || {
        let files = fs::read_dir(folder.path()).unwrap().map(Result::unwrap);
        let mode = |file: fs::DirEntry| {
            (file.file_name(), file.metadata().unwrap().permissions().mode() & 0o777)
        };
        files.map(mode).collect::<Vec<_>>()
    };
    let private = || modes().iter().all(|(_, mode)| *mode == 0o600);
    assert!(private(), "{:?}", modes());
    // As an earlier version left it.
    for end in ["", ".lock"] {
        let path = format!("{}{end}", path.display());
        fs::set_permissions(path, fs::Permissions::from_mode(0o644)).unwrap();
    }
    let store = Store::open(&path, LevelBound::NONE).unwrap();
    assert!(signs(&store, &attestation(100, 1)));
    assert!(modes().len() >= 4 && private(), "{:?}", modes());
}

/// It was left by a power cut: the reservation was in the row, and there was no other file.
#[test]
fn a_store_of_the_third_version_that_was_in_use_is_closed_up_to_its_reservation() {
    let folder = tempfile::tempdir().unwrap();
    let path = new_store(folder.path());
    drop(Records::open(&path).unwrap());
    let other = rusqlite::Connection::open(&path).unwrap();
    let version_3 = format!(
        "ALTER TABLE opening DROP COLUMN recent; PRAGMA user_version = 3;
         INSERT INTO opening VALUES ('name', 'boot');
         UPDATE entry SET raised_at = NULL, reserved = 121, checksum = '{CHECKSUM_OF_VERSION_3}';"
    );
    other.execute_batch(&version_3).unwrap();
    drop(other);
    assert_eq!(Records::open(&path).unwrap().entries()[0].floor, Some(level(121)));
    let store = Store::open(&path, LevelBound::NONE).unwrap();
    assert!(!signs(&store, &attestation(121, 1)));
    assert!(signs(&store, &attestation(122, 1)));
}

#[test]
fn a_store_of_the_first_version_is_brought_up_to_this_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = new_store(folder.path());
    let mut records = Records::open(&path).unwrap();
    let before = records.export();
    records.raise(&[(key(), ChainId::MAINNET)], level(120)).unwrap();
    drop(records);
    let other = rusqlite::Connection::open(&path).unwrap();
    let version_1 = format!(
        "DROP TABLE opening; ALTER TABLE entry DROP COLUMN raised_at;
         ALTER TABLE entry DROP COLUMN known_block_level;
         ALTER TABLE entry DROP COLUMN known_block_protocol;
         ALTER TABLE entry DROP COLUMN upgraded_to; PRAGMA user_version = 1;
         UPDATE entry SET floor = 99, checksum = '{CHECKSUM_OF_VERSION_1}';"
    );
    other.execute_batch(&version_1).unwrap();
    drop(other);
    let records = Records::open(&path).unwrap();
    let without_time = |text: &str| {
        text.lines().filter(|line| !line.contains("raised_at")).collect::<Vec<_>>().join("\n")
    };
    assert_eq!(without_time(&records.export()), without_time(&before));
    drop(records);
    assert!(signs(&Store::open(&path, LevelBound::MAINNET).unwrap(), &attestation(100, 1)));
}

/// What a key signed, and the protocol of its last block, are kept and exported.
#[test]
fn the_last_block_that_was_understood_is_kept_and_exported() {
    let folder = tempfile::tempdir().unwrap();
    let path = new_store(folder.path());
    let store = Store::open(&path, LevelBound::NONE).unwrap();
    let block = sample_payload(Kind::Block, 100, 0, 1);
    assert!(signs(&store, &Payload::parse(&block, KeyForm::Slot).unwrap()));
    store.close().unwrap();
    drop(store);
    let records = Records::open(&path).unwrap();
    let known =
        |entries: &[watermark::Entry]| entries[0].protocols.known.map(|block| block.protocol);
    assert_eq!(known(records.entries()), Some(24));
    assert_eq!(known(&Records::parse_export(&records.export()).unwrap()), Some(24));
}

/// Of the entry of [`new_store`], as the program of that time wrote it.
const CHECKSUM_OF_VERSION_1: &str =
    "20f584b15c8824957bd7d1c01456a944a2c1bcfa04d6b6ebb115bb66be59d977";

/// Of that entry with the reservation, without a time.
const CHECKSUM_OF_VERSION_3: &str =
    "882e843b9624f15871f1ac775d720b71c4f5e1979d7723e51cb58da91a9ebece";

/// An entry of an export document.
fn document(entries: &[(i64, &[(&str, i64)])]) -> String {
    let entry = |(closed, lasts): &(i64, &[(&str, i64)])| {
        let last = |(kind, level): &(&str, i64)| {
            format!(r#"{{"kind": "{kind}", "level": {level}, "round": 0}}"#)
        };
        let lasts: Vec<String> = lasts.iter().map(last).collect();
        format!(
            r#"{{"key": "{}", "chain": "NetXdQprcVkpaWU", "closed_up_to": {closed}, "last": [{}]}}"#,
            key(),
            lasts.join(",")
        )
    };
    let entries: Vec<String> = entries.iter().map(entry).collect();
    format!(r#"{{"peel_watermarks": 1, "entries": [{}]}}"#, entries.join(","))
}

#[test]
fn of_two_entries_or_marks_for_the_same_the_higher_one_counts() {
    let folder = tempfile::tempdir().unwrap();
    let mut records = Records::open(&new_store(folder.path())).unwrap();
    let twice = document(&[(900, &[]), (200, &[("block", 1700), ("block", 1300)])]);
    records.merge(Records::parse_export(&twice).unwrap()).unwrap();
    let entry = &records.entries()[0];
    assert_eq!(entry.floor, Some(level(900)));
    assert_eq!(entry.last(Kind::Block).unwrap().mark.level, level(1700));
}

#[test]
fn of_two_members_with_one_name_in_a_file_of_octez_the_higher_one_counts() {
    let folder = tempfile::tempdir().unwrap();
    let mark = |level: u32| format!(r#"{{"level": {level}, "round": 0}}"#);
    let (key, chain) = (key(), "NetXdQprcVkpaWU");
    let text = format!(
        r#"{{"{chain}": {{"{key}": {}, "{key}": {}}}, "{chain}": {{"{key}": {}}}}}"#,
        mark(900),
        mark(200),
        mark(300)
    );
    fs::write(folder.path().join("block_high_watermarks"), text).unwrap();
    let entries = watermark::OctezFiles::read(folder.path()).unwrap().entries;
    assert_eq!(entries[0].last(Kind::Block).unwrap().mark.level, level(900));
}

proptest! {
    /// Whatever is imported, in whatever order: of all that was known or is said, the highest stays.
    #[test]
    fn no_import_lowers_anything(
        documents in prop::collection::vec(
            prop::collection::vec(
                (0_i64..9, prop::collection::vec((0_usize..3, 0_i64..9), 0..5)), 1..4), 1..4)
    ) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("watermark.db");
        let mut records = Records::open_or_create(&path).unwrap();
        let (mut floor, mut highest) = (None, [None; 3]);
        for entries in documents {
            let named: Vec<(i64, Vec<(&str, i64)>)> = entries
                .iter()
                .map(|(closed, lasts)| {
                    let name = |(kind, level): &(usize, i64)| (Kind::ALL[*kind].name(), *level);
                    (*closed, lasts.iter().map(name).collect())
                })
                .collect();
            let named: Vec<(i64, &[(&str, i64)])> =
                named.iter().map(|(closed, lasts)| (*closed, lasts.as_slice())).collect();
            for (closed, lasts) in &entries {
                floor = floor.max(Some(level(*closed)));
                for (kind, last) in lasts {
                    highest[*kind] = highest[*kind].max(Some(level(*last)));
                }
            }
            records.merge(Records::parse_export(&document(&named)).unwrap()).unwrap();
            let entry = &records.entries()[0];
            prop_assert!(entry.floor >= floor);
            for (kind, highest) in Kind::ALL.into_iter().zip(highest) {
                let last = entry.last(kind).map(|last| last.mark.level);
                prop_assert!(last >= highest, "{kind}: {last:?} < {highest:?}");
            }
        }
    }
}
