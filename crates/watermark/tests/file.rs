//! The store's file: what it survives, and what each damage is called.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tezos::{
    ChainId, Curve, KeyForm, Kind, Level, Payload, PublicKeyHash, Signature, sample_payload,
};
use watermark::{AdvanceError, DiskError, Leave, Records, RecordsError, Store, StoreFailure};

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
    match Store::open(path) {
        Err(StoreFailure::Disk(error)) => error,
        Err(other) => unreachable!("{other}"),
        Ok(_) => unreachable!("it opened"),
    }
}

fn signs(store: &Store, payload: &Payload) -> bool {
    let deadline = Instant::now() + Duration::from_secs(10);
    matches!(store.advance(&key(), payload, deadline), Ok(Leave::Sign(_)))
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
    let store = Store::open(&path).unwrap();
    assert!(matches!(open_error(&path), DiskError::Locked { .. }));
    assert!(matches!(Records::open(&path), Err(RecordsError::Disk(DiskError::Locked { .. }))));
    drop(store);
    Store::open(&path).unwrap();
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
    other.execute_batch("PRAGMA user_version = 2;").unwrap();
    drop(other);
    assert!(matches!(open_error(&path), DiskError::Newer { version: 2, known: 1, .. }));
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

/// Waits until the log is written back, which happens soon after a commit; nobody else waits for it.
fn await_written_back(path: &Path) {
    let end = Instant::now() + Duration::from_secs(10);
    while fs::metadata(path.with_extension("db-wal")).is_ok_and(|log| log.len() > 0) {
        assert!(Instant::now() < end, "the log is not written back");
        std::thread::yield_now();
    }
}

/// SQLite takes a damaged log for a shorter one, and a file may be copied or rescued without it.
#[test]
fn the_file_alone_tells_what_was_signed() {
    let folder = tempfile::tempdir().unwrap();
    let path = new_store(folder.path());
    let store = Store::open(&path).unwrap();
    for number in (150..250).step_by(33) {
        assert!(signs(&store, &attestation(number, 1)));
        await_written_back(&path);
        let alone = folder.path().join(format!("alone-{number}.db"));
        fs::copy(&path, &alone).unwrap();
        let floor = Records::open(&alone).unwrap().entries()[0].floor.unwrap();
        assert!(floor >= level(i64::from(number)), "{number} was signed, and it says {floor}");
    }
}

#[test]
fn a_store_that_is_replaced_in_use_is_noticed_and_has_no_second_owner() {
    let folder = tempfile::tempdir().unwrap();
    let path = new_store(folder.path());
    let backup = fs::read(&path).unwrap();
    let store = Store::open(&path).unwrap();
    assert!(signs(&store, &attestation(220, 1)));
    await_written_back(&path);
    for end in ["db", "db-wal"] {
        let from = path.with_extension(end);
        let _ = fs::rename(&from, folder.path().join(format!("away.{end}")));
    }
    fs::write(&path, backup).unwrap();
    assert!(matches!(open_error(&path), DiskError::Locked { .. }));
    let (key, asked) = (key(), attestation(400, 1));
    let error = match store.advance(&key, &asked, Instant::now() + Duration::from_secs(10)) {
        Err(AdvanceError::Failed(StoreFailure::Disk(error))) => error,
        other => unreachable!("{other:?}"),
    };
    assert!(matches!(error, DiskError::Replaced { .. }), "{error}");
    fs::remove_file(&path).unwrap();
    assert!(!signs(&store, &attestation(500, 1)));
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
    let store = Store::open(&path).unwrap();
    assert!(signs(&store, &asked));
    store.keep(&key(), &asked, &made);
    store.close().unwrap();

    let store = Store::open(&path).unwrap();
    let key = key();
    let again = store.advance(&key, &asked, Instant::now());
    assert!(matches!(again, Ok(Leave::Again(signature)) if signature == made));
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
    let store = Store::open(&path).unwrap();
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
