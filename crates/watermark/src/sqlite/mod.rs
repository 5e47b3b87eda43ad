//! Entries in a SQLite file: the file, its lock and its identity. The rows are in [`rows`].
//!
//! It is written when a store is edited, when a signer takes it, and when it gives it back; not while it signs.
//!
//! WAL with `synchronous=FULL`: a commit has returned from `fsync` when it returns. Then the log is
//! written back into the file and emptied: SQLite takes a damaged log for a shorter one. A lock file beside the
//! store, and SQLite's own exclusive lock, let one process have it at a time; a file that is replaced
//! under its owner is noticed before the next commit.

mod rows;

use std::fs::{self, File, Permissions, TryLockError};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rusqlite::{Connection, ErrorCode, OpenFlags, Row, Transaction, params};

use crate::disk::{DiskError, FileId};
use crate::entry::Entry;
use crate::paths::{Moment, OWNER_ONLY, beside, reached, sync_all, sync_folder_of};
use crate::sqlite::rows::{EntryRow, LastRow, write_entry};

/// A store's file, open and locked.
#[derive(Debug)]
pub(crate) struct SqliteDisk {
    path: PathBuf,
    connection: Connection,
    file: FileId,
    _lock: PlaceLock,
}

/// "Peel" in ASCII: the application id in the file's header.
const APPLICATION_ID: i64 = 0x5065_656c;
const SCHEMA_VERSION: i64 = 4;

const SCHEMA: &str = "
    CREATE TABLE entry (
        key       TEXT NOT NULL,     -- public key hash, tz…
        chain     TEXT NOT NULL,     -- Net…
        floor     INTEGER,           -- nothing at or below this level is signed
        reserved  INTEGER,           -- of versions 1 to 3: everything up to this level may have been signed
        checksum  TEXT NOT NULL,     -- BLAKE2b-256 of all that is kept of key and chain, hex
        raised_at INTEGER,           -- when the highest level last rose, seconds since 1970
        known_block_level    INTEGER,  -- the last block of known form
        known_block_protocol INTEGER,  -- and the number of its protocol on the chain
        upgraded_to INTEGER,           -- the lowest protocol number of a block of unknown form
        PRIMARY KEY (key, chain)
    ) STRICT;
    CREATE TABLE last (
        key       TEXT NOT NULL,
        chain     TEXT NOT NULL,
        kind      TEXT NOT NULL,     -- block, preattestation, attestation
        level     INTEGER NOT NULL,
        round     INTEGER NOT NULL,
        digest    TEXT,              -- BLAKE2b-256 of what was signed, hex
        signature TEXT,              -- Base58Check
        PRIMARY KEY (key, chain, kind)
    ) STRICT;
    CREATE TABLE opening (           -- one row while a signer has the store: what counts is in its other files
        name      TEXT NOT NULL,     -- which those have in them
        boot      TEXT NOT NULL,     -- of the machine
        recent    TEXT               -- the file of recent marks, if there is one
    ) STRICT;
";

/// What version 2 has and version 1 had not.
const FROM_VERSION_1: &str = "
    BEGIN;
    ALTER TABLE entry ADD COLUMN raised_at INTEGER;
    CREATE TABLE opening (name TEXT NOT NULL, boot TEXT NOT NULL) STRICT;
    PRAGMA user_version = 2;
    COMMIT;
";

/// What version 3 has and version 2 had not.
const FROM_VERSION_2: &str = "
    BEGIN;
    ALTER TABLE entry ADD COLUMN known_block_level INTEGER;
    ALTER TABLE entry ADD COLUMN known_block_protocol INTEGER;
    ALTER TABLE entry ADD COLUMN upgraded_to INTEGER;
    PRAGMA user_version = 3;
    COMMIT;
";

/// In version 4 an opening makes the file of reservations count. One of version 3 has none, and its reservations are in
/// its rows: they count as signed.
const FROM_VERSION_3: &str = "
    BEGIN;
    DELETE FROM opening;
    ALTER TABLE opening ADD COLUMN recent TEXT;
    PRAGMA user_version = 4;
    COMMIT;
";

/// One time that a store is opened by a signer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Opening {
    /// Like no other.
    pub(crate) name: String,
    /// The boot id of the machine.
    pub(crate) boot: String,
    /// Where its recent marks are, if anywhere.
    pub(crate) recent: Option<PathBuf>,
}

impl SqliteDisk {
    /// Makes a new, empty store at `path`: in a file beside it, linked there when it is whole.
    pub(crate) fn create(path: &Path) -> Result<(), DiskError> {
        if path.exists() {
            return Err(DiskError::Exists { path: path.to_owned() });
        }
        let _lock = take_lock(path)?;
        for log in ["-wal", "-journal"].map(|end| beside(path, end)) {
            if log.exists() {
                return Err(DiskError::LeftOver { path: log });
            }
        }
        let beside = beside(path, ".new");
        let failed = |error: &std::io::Error| DiskError::from_io(path, error);
        if beside.exists() {
            fs::remove_file(&beside).map_err(|error| failed(&error))?;
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE;
        // SQLite gives its log the mode of the file.
        File::options()
            .create_new(true)
            .write(true)
            .mode(OWNER_ONLY)
            .open(&beside)
            .map_err(|error| failed(&error))?;
        Connection::open_with_flags(&beside, flags)
            .and_then(|connection| write_schema(&connection))
            .map_err(|error| from_sqlite(path, &error))?;
        File::open(&beside).and_then(|file| sync_all(&file)).map_err(|error| failed(&error))?;
        // Unlike a rename, this never takes the place of a store that appeared meanwhile.
        fs::hard_link(&beside, path).map_err(|error| failed(&error))?;
        fs::remove_file(&beside).map_err(|error| failed(&error))?;
        sync_folder_of(path).map_err(|error| failed(&error))
    }

    /// Opens, locks and checks the store at `path`.
    pub(crate) fn open(path: &Path) -> Result<SqliteDisk, DiskError> {
        if !path.exists() {
            return Err(DiskError::Missing { path: path.to_owned() });
        }

        let sqlite = |error: rusqlite::Error| from_sqlite(path, &error);
        let lock = take_lock(path)?;
        let file = FileId::of(path)?;
        let connection =
            Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE).map_err(sqlite)?;
        let disk = SqliteDisk { path: path.to_owned(), connection, file, _lock: lock };

        disk.connection.busy_timeout(std::time::Duration::ZERO).map_err(sqlite)?;
        disk.check_identity()?;
        disk.lock()?;
        disk.check_integrity()?;
        disk.upgrade()?;
        disk.close_to_others()?;
        disk.write_back()?;
        Ok(disk)
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    fn sqlite(&self, error: &rusqlite::Error) -> DiskError {
        from_sqlite(&self.path, error)
    }

    fn pragma(&self, name: &str) -> Result<i64, DiskError> {
        self.connection
            .pragma_query_value(None, name, |row| row.get(0))
            .map_err(|error| self.sqlite(&error))
    }

    fn check_identity(&self) -> Result<(), DiskError> {
        let path = self.path.clone();
        let id = self.pragma("application_id")?;
        if id != APPLICATION_ID {
            let found = if id == 0 {
                "a database without a name".to_owned()
            } else {
                format!("application id {id:#x}")
            };
            return Err(DiskError::Foreign { path, found });
        }
        match self.pragma("user_version")? {
            1..=SCHEMA_VERSION => Ok(()),
            version if version > SCHEMA_VERSION => {
                Err(DiskError::Newer { path, version, known: SCHEMA_VERSION })
            }
            version => Err(DiskError::Foreign { path, found: format!("schema version {version}") }),
        }
    }

    /// Takes the file for as long as it is open.
    fn lock(&self) -> Result<(), DiskError> {
        if self.connection.is_readonly("main").map_err(|error| self.sqlite(&error))? {
            return Err(DiskError::ReadOnly { path: self.path.clone() });
        }
        let take = || {
            self.connection.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
            let mode: String =
                self.connection
                    .pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))?;
            self.connection.pragma_update(None, "synchronous", "FULL")?;
            self.connection.execute_batch("BEGIN EXCLUSIVE; COMMIT;")?;
            Ok(mode)
        };
        match take().map_err(|error: rusqlite::Error| self.sqlite(&error))?.as_str() {
            "wal" => Ok(()),
            mode => Err(DiskError::Io {
                path: self.path.clone(),
                detail: format!("SQLite keeps its journal as {mode}, not as wal"),
            }),
        }
    }

    /// Brings a store of an earlier version up to this one.
    fn upgrade(&self) -> Result<(), DiskError> {
        let upgrades = [(1, FROM_VERSION_1), (2, FROM_VERSION_2), (3, FROM_VERSION_3)];
        for (version, upgrade) in upgrades {
            if self.pragma("user_version")? == version {
                self.connection.execute_batch(upgrade).map_err(|error| self.sqlite(&error))?;
            }
        }
        Ok(())
    }

    /// A store that an earlier version made could be read by every user.
    fn close_to_others(&self) -> Result<(), DiskError> {
        for end in ["", "-wal", "-shm", "-reserved", ".lock"] {
            let path = beside(&self.path, end);
            let Ok(found) = fs::metadata(&path) else { continue };
            if found.permissions().mode() & 0o077 != 0 {
                fs::set_permissions(&path, Permissions::from_mode(OWNER_ONLY))
                    .map_err(|error| DiskError::from_io(&path, &error))?;
            }
        }
        Ok(())
    }

    /// The opening that did not end with a clean stop; none after one.
    pub(crate) fn last_opening(&self) -> Result<Option<Opening>, DiskError> {
        let read = |row: &Row<'_>| {
            let recent: Option<String> = row.get(2)?;
            Ok(Opening { name: row.get(0)?, boot: row.get(1)?, recent: recent.map(PathBuf::from) })
        };
        Ok(self.rows("SELECT name, boot, recent FROM opening", read)?.pop())
    }

    /// Writes these entries as all that counts, durable.
    pub(crate) fn finish(&mut self, entries: &[Entry]) -> Result<(), DiskError> {
        self.write(|transaction| {
            transaction.execute("DELETE FROM opening", [])?;
            entries.iter().try_for_each(|entry| write_entry(transaction, entry))
        })
    }

    /// Writes the opening that begins, durable: from then on what counts is in its files.
    pub(crate) fn begin(&mut self, opening: &Opening) -> Result<(), DiskError> {
        let Opening { name, boot, recent } = opening;
        let recent = recent.as_ref().map(|path| path.to_string_lossy());
        self.write(|transaction| {
            let values = params![name, boot, recent];
            transaction.execute("INSERT INTO opening VALUES (?, ?, ?)", values)?;
            Ok(())
        })
    }

    /// A transaction, durable in the file itself when it returns.
    fn write(
        &mut self,
        write: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<()>,
    ) -> Result<(), DiskError> {
        self.check_place()?;
        reached(Moment::Commit).map_err(|error| DiskError::from_io(&self.path, &error))?;
        self.commit(write)?;
        self.write_back()
    }

    /// A transaction, durable in the log when it returns.
    fn commit(
        &mut self,
        write: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<()>,
    ) -> Result<(), DiskError> {
        let written = self.connection.transaction().and_then(|transaction| {
            write(&transaction)?;
            transaction.commit()
        });
        written.map_err(|error| from_sqlite(&self.path, &error))
    }

    /// Empties the log into the file.
    fn write_back(&self) -> Result<(), DiskError> {
        let busy: i64 = self
            .connection
            .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))
            .map_err(|error| self.sqlite(&error))?;
        if busy == 0 { Ok(()) } else { Err(DiskError::Locked { path: self.path.clone() }) }
    }

    /// Whether the file at the path is still the one that was opened.
    pub(crate) fn check_place(&self) -> Result<(), DiskError> {
        self.file.check(&self.path)
    }

    fn check_integrity(&self) -> Result<(), DiskError> {
        let detail: String = self
            .connection
            .pragma_query_value(None, "quick_check", |row| row.get(0))
            .map_err(|error| self.sqlite(&error))?;
        if detail == "ok" { Ok(()) } else { Err(self.corrupt(detail)) }
    }

    fn corrupt(&self, detail: impl Into<String>) -> DiskError {
        DiskError::Corrupt { path: self.path.clone(), detail: detail.into() }
    }

    /// Everything in the store.
    pub(crate) fn load(&self) -> Result<Vec<Entry>, DiskError> {
        let rows = self.rows(EntryRow::SELECT, EntryRow::read)?;
        let nonsense = || self.corrupt("a row makes no sense");
        let mut entries = Vec::with_capacity(rows.len());
        for row in &rows {
            entries.push(row.parse().ok_or_else(nonsense)?);
        }
        for row in self.rows(LastRow::SELECT, LastRow::read)? {
            row.add_to(&mut entries).ok_or_else(nonsense)?;
        }
        for (entry, row) in entries.iter().zip(&rows) {
            if !row.has_checksum_of(entry) {
                return Err(self.corrupt(format!("the checksum of {} does not match", entry.key)));
            }
        }
        Ok(entries)
    }

    fn rows<T>(
        &self,
        sql: &str,
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, DiskError> {
        let query = || {
            let mut statement = self.connection.prepare(sql)?;
            statement.query_map([], read)?.collect::<rusqlite::Result<Vec<T>>>()
        };
        query().map_err(|error| match error.sqlite_error_code() {
            // Not the columns, or not the types, that we wrote.
            None | Some(ErrorCode::Unknown) => self.corrupt(error.to_string()),
            Some(_) => self.sqlite(&error),
        })
    }
}

/// The lock that goes with the place, whatever file is there; held until it is dropped.
///
/// A program that is being started has a copy of every open file for a moment, and a lock goes with its last copy: so
/// it is given back, and not only closed. Else the next owner of the store would find it held.
#[derive(Debug)]
struct PlaceLock(File);

impl Drop for PlaceLock {
    fn drop(&mut self) {
        // If that fails, it ends with the file.
        let _ = self.0.unlock();
    }
}

fn take_lock(path: &Path) -> Result<PlaceLock, DiskError> {
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(OWNER_ONLY)
        .open(beside(path, ".lock"));
    let file = file.map_err(|error| DiskError::from_io(path, &error))?;
    match file.try_lock() {
        Ok(()) => Ok(PlaceLock(file)),
        Err(TryLockError::WouldBlock) => Err(DiskError::Locked { path: path.to_owned() }),
        Err(TryLockError::Error(error)) => Err(DiskError::from_io(path, &error)),
    }
}

fn write_schema(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch(&format!(
        "PRAGMA journal_mode = DELETE;
         PRAGMA synchronous = FULL;
         PRAGMA application_id = {APPLICATION_ID};
         PRAGMA user_version = {SCHEMA_VERSION};
         BEGIN; {SCHEMA} COMMIT;"
    ))
}

fn from_sqlite(path: &Path, error: &rusqlite::Error) -> DiskError {
    let (path, detail) = (path.to_owned(), error.to_string());
    match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => {
            DiskError::Foreign { path, found: "no SQLite database".to_owned() }
        }
        Some(ErrorCode::DatabaseCorrupt) => DiskError::Corrupt { path, detail },
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => DiskError::Locked { path },
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied | ErrorCode::CannotOpen) => {
            DiskError::ReadOnly { path }
        }
        Some(ErrorCode::DiskFull) => DiskError::Full { path },
        Some(ErrorCode::SystemIoFailure) => why_io_failed(path, detail),
        Some(_) | None => DiskError::Io { path, detail },
    }
}

/// SQLite calls a full disk an I/O error when it cannot make its log: write something to find out.
fn why_io_failed(path: PathBuf, detail: String) -> DiskError {
    let probe = beside(&path, ".probe");
    let written = fs::write(&probe, [0; 64 * 1024]);
    // It may not have come into being.
    let _ = fs::remove_file(&probe);
    match written {
        Ok(()) => DiskError::Io { path, detail },
        Err(error) => DiskError::from_io(&path, &error),
    }
}

#[cfg(test)]
mod tests {
    use tezos::Level;

    use super::*;

    fn closed_up_to(level: i64) -> Entry {
        let key = "tz1KqTpEZ7Yob7QbPE4Hy4Wo8fHG8LhKxZSx".parse().unwrap();
        Entry::new(key, tezos::ChainId::MAINNET, Level::try_from(level).ok())
    }

    /// The copy is what a program has that is just being started.
    #[test]
    fn a_store_that_was_closed_is_free_although_a_copy_of_its_lock_is_open() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("watermark.db");
        SqliteDisk::create(&path).unwrap();
        let disk = SqliteDisk::open(&path).unwrap();
        let _copy = disk._lock.0.try_clone().unwrap();
        let held = SqliteDisk::open(&path).unwrap_err();
        assert!(matches!(held, DiskError::Locked { .. }), "{held}");
        drop(disk);
        SqliteDisk::open(&path).unwrap();
    }

    /// A power cut may leave any part of what was written since the last fsync, and anything behind.
    #[test]
    fn a_torn_commit_leaves_the_one_before() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("watermark.db");
        SqliteDisk::create(&path).unwrap();
        let mut disk = SqliteDisk::open(&path).unwrap();
        disk.commit(|transaction| write_entry(transaction, &closed_up_to(101))).unwrap();
        let first = fs::read(beside(&path, "-wal")).unwrap().len();
        disk.commit(|transaction| write_entry(transaction, &closed_up_to(501))).unwrap();
        let (main, log) = (fs::read(&path).unwrap(), fs::read(beside(&path, "-wal")).unwrap());
        assert!(log.len() > first && first > 0);

        for cut in (first..=log.len()).step_by(97) {
            for garbage in [0, 64] {
                let torn = folder.path().join("torn.db");
                fs::write(&torn, &main).unwrap();
                let mut rest = log[..cut].to_vec();
                rest.extend(std::iter::repeat_n(0xa5, garbage));
                fs::write(beside(&torn, "-wal"), rest).unwrap();
                let entries = SqliteDisk::open(&torn).unwrap().load().unwrap();
                let floor = entries[0].floor.map(i64::from);
                assert!(matches!(floor, Some(101 | 501)), "cut at {cut}: {floor:?}");
            }
        }
    }
}
