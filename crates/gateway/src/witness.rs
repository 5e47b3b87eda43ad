//! Up to where each key was answered, as this gateway has seen it.
//!
//! A store at home cannot know that it is a copy, or a backup that was put back: it would sign again what the other
//! one signed. The gateway remembers for each key and chain the highest level that was answered through it, and
//! by which process. A process is asked for a level that was reached before only if it is the same one, or if its
//! store had come as far when it connected. The gateway can only withhold by this, which it always could.

use std::collections::{HashMap, HashSet};
use std::fs::{self, DirBuilder, File, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use daemon::Shutdown;
use parking_lot::{Mutex, MutexGuard};
use serde::{Deserialize, Serialize};
use shares::ShareIndex;
use signer_api::Marks;
use tezos::{ChainId, Kind, Level, PublicKeyHash};
use thiserror::Error;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::sleep;

/// What is remembered. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Witness(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    answered: Mutex<HashMap<Place, Answered>>,
    changed: watch::Sender<()>,
    /// The folder in which it is kept, and its lock; none: in memory only.
    kept: Option<(PathBuf, File)>,
}

/// The highest level that was answered, by which signer, and by which process of it, if that is known.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Answered {
    level: Level,
    signer: Option<String>,
    process: Option<String>,
}

/// What has marks of its own: a key on a chain, or a share of a key that is in shares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Place {
    key: PublicKeyHash,
    chain: ChainId,
    share: Option<ShareIndex>,
}

impl Place {
    /// Whether what was answered at `other` counts here: at the same place, and between a whole key and its shares.
    fn is_held_to(&self, other: &Place) -> bool {
        let is_of_one = (self.key, self.chain) == (other.key, other.chain);
        is_of_one && (self.share == other.share || self.share.is_none() || other.share.is_none())
    }
}

/// The key, chain, kind and level of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Position {
    pub(crate) key: PublicKeyHash,
    pub(crate) chain: ChainId,
    pub(crate) kind: Kind,
    pub(crate) level: Level,
    /// Which share of the key is asked; none where a signer has all of it.
    pub(crate) share: Option<ShareIndex>,
}

impl Position {
    fn place(self) -> Place {
        Place { key: self.key, chain: self.chain, share: self.share }
    }
}

/// A store that is behind what was answered.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "its store is behind: level {answered} was answered for {key} on {chain}, and it is at {}. It is a copy, or a \
     backup that was put back. If another computer with this key is running, stop one of them for good; then \
     run \"peel watermark set --level LEVEL\" with the chain's present level, and start it again. If the mark \
     was lowered on purpose: \"peel gateway forget {key}\"",
    reached.map_or_else(|| "no level at all".to_owned(), |level| format!("level {level}"))
)]
pub(crate) struct Behind {
    key: PublicKeyHash,
    chain: ChainId,
    answered: Level,
    reached: Option<Level>,
}

/// A file of what was answered that cannot be used. *Failed*.
#[derive(Debug, Error)]
#[error("{}: {why} (it remembers up to where each key was answered)", path.display())]
pub struct WitnessFileError {
    path: PathBuf,
    why: String,
}

/// More keys and chains than a signer has. Each signer has so many for itself: none fills the others' with chains of its own
/// invention.
const MAX_OF_A_SIGNER: usize = 256;
/// Between two writes of the file.
const WRITE_PAUSE: Duration = Duration::from_secs(1);
/// For the last one.
const LAST_WRITE: Duration = Duration::from_secs(2);
const FILE: &str = "answered.json";
const LOCK: &str = "answered.lock";

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    key: String,
    chain: String,
    level: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    share: Option<u8>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    signer: Option<String>,
}

impl Witness {
    /// One that has seen nothing, or what is kept in `directory`.
    pub(crate) fn open(directory: Option<&Path>) -> Result<Witness, WitnessFileError> {
        let kept = directory.map(|directory| Ok((directory.to_owned(), take(directory)?)));
        let kept = kept.transpose()?;
        let answered = directory.map(read).transpose()?.unwrap_or_default();
        Ok(Witness(Arc::new(Inner {
            answered: Mutex::new(answered),
            changed: watch::Sender::new(()),
            kept,
        })))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Place, Answered>> {
        self.0.answered.lock()
    }

    /// A copy of what is known now. It is taken before a signer is asked for its marks: what is answered
    /// meanwhile must not count against it.
    pub(crate) fn seen(&self) -> Seen {
        Seen(self.lock().clone())
    }

    /// Notes that a request was answered by a process of a signer.
    pub(crate) fn note(&self, position: Position, signer: &str, process: Option<&str>) {
        let (place, level) = (position.place(), position.level);
        let (by, process) = (Some(signer.to_owned()), process.map(str::to_owned));
        let new = Answered { level, signer: by, process };
        let mut answered = self.lock();
        match answered.get_mut(&place) {
            Some(before) if before.level > level => return,
            Some(before) => *before = new,
            None => {
                let is_its = |other: &&Answered| other.signer == new.signer;
                if answered.values().filter(is_its).count() >= MAX_OF_A_SIGNER {
                    drop(answered);
                    return tell_of_too_many(position, signer);
                }
                answered.insert(place, new);
            }
        }
        drop(answered);
        self.0.changed.send_replace(());
    }

    /// Whether a process that had come as far as `marks` when it connected may be asked for this.
    pub(crate) fn check(&self, position: Position, marks: &Marks) -> Result<(), Behind> {
        let place = position.place();
        let answered = self.lock();
        let mut related = answered.iter().filter(|(other, _)| place.is_held_to(other));
        related.try_for_each(|(other, answered)| {
            let is_same = answered.process.as_ref() == Some(&marks.process);
            if position.level > answered.level || is_same {
                return Ok(());
            }
            behind(*other, answered, marks).map_or(Ok(()), Err)
        })
    }

    /// Keeps its file up to date until shutdown, if it has one.
    pub(crate) async fn keep(self, shutdown: Shutdown) {
        let Some((directory, _lock)) = &self.0.kept else { return shutdown.requested().await };
        let mut changed = self.0.changed.subscribe();
        loop {
            let is_over = tokio::select! {
                Ok(()) = changed.changed() => false,
                () = shutdown.requested() => true,
            };
            let (rows, directory) = (self.rows(), directory.clone());
            let writing = tokio::task::spawn_blocking(move || write(&directory, &rows));
            if let Err(error) = writing_ends(writing, &shutdown).await {
                tracing::warn!("what was answered cannot be written down: {error}");
            }
            if is_over {
                return;
            }
            // The last change is written when it is over.
            let _ = tokio::time::timeout(WRITE_PAUSE, shutdown.requested()).await;
        }
    }

    fn rows(&self) -> Vec<Row> {
        let answered = self.lock();
        let row = |(place, answered): (&Place, &Answered)| Row {
            key: place.key.to_string(),
            chain: place.chain.to_string(),
            level: answered.level.into(),
            share: place.share.map(ShareIndex::number),
            signer: answered.signer.clone(),
        };
        answered.iter().map(row).collect()
    }
}

fn tell_of_too_many(position: Position, signer: &str) {
    let Position { key, chain, .. } = position;
    tracing::error!(
        signer,
        "what it answers for {key} on {chain} is not remembered, as it has answered for {MAX_OF_A_SIGNER} keys and chains: \
         a copy of its store would not be noticed. \"peel gateway forget\" frees those that it has no more"
    );
}

/// At a stop a disk that has stopped answering is not waited for without an end.
async fn writing_ends(
    mut writing: JoinHandle<io::Result<()>>,
    shutdown: &Shutdown,
) -> io::Result<()> {
    let stuck = async {
        shutdown.requested().await;
        sleep(LAST_WRITE).await;
    };
    tokio::select! {
        written = &mut writing => written.unwrap_or_else(|error| Err(io::Error::other(error))),
        () = stuck => Err(io::ErrorKind::TimedOut.into()),
    }
}

/// What was answered at some moment.
#[derive(Debug)]
pub(crate) struct Seen(HashMap<Place, Answered>);

impl Seen {
    /// Whether a store that says this of itself is as far as what was answered for its keys: those that it names, or for
    /// the share that it has of one.
    pub(crate) fn check(
        &self,
        marks: &Marks,
        share_of: impl Fn(&PublicKeyHash) -> Option<ShareIndex>,
    ) -> Result<(), Behind> {
        let has = |place: &Place| {
            let is_named = marks.reached.iter().any(|(own, ..)| *own == place.key);
            let own = Place { share: share_of(&place.key), ..*place };
            is_named && own.is_held_to(place)
        };
        let own = self.0.iter().filter(|(place, _)| has(place));
        let mut behind = own.filter_map(|(place, answered)| behind(*place, answered, marks));
        behind.next().map_or(Ok(()), Err)
    }
}

fn behind(Place { key, chain, .. }: Place, answered: &Answered, marks: &Marks) -> Option<Behind> {
    let own = marks.reached.iter().find(|(own, on, _)| (*own, *on) == (key, chain));
    let reached = own.map(|(.., level)| *level);
    (reached < Some(answered.level)).then_some(Behind {
        key,
        chain,
        answered: answered.level,
        reached,
    })
}

/// Forgets what was answered for a key. Returns false if nothing was known. Not while a gateway runs.
///
/// # Errors
/// When the file cannot be read or written, or a gateway has it.
pub fn forget(directory: &Path, key: &PublicKeyHash) -> Result<bool, WitnessFileError> {
    let forgotten = write_anew(directory, |answered| {
        let before = answered.len();
        answered.retain(|place, _| place.key != *key);
        answered.len() < before
    })?;
    Ok(forgotten.unwrap_or(false))
}

/// Does to the folder what a gateway does that starts and stops. Returns for how many keys it remembers something; none if
/// the folder is not there: nothing is made then.
///
/// # Errors
/// When a gateway could not use it, or one has it.
pub fn check_state(directory: &Path) -> Result<Option<usize>, WitnessFileError> {
    write_anew(directory, |answered| {
        let keys: HashSet<PublicKeyHash> = answered.keys().map(|place| place.key).collect();
        keys.len()
    })
}

/// Reads what is kept, has `change` look at it, and writes it again; none if the folder is not there.
fn write_anew<T>(
    directory: &Path,
    change: impl FnOnce(&mut HashMap<Place, Answered>) -> T,
) -> Result<Option<T>, WitnessFileError> {
    if !directory.exists() {
        return Ok(None);
    }
    let witness = Witness::open(Some(directory))?;
    let found = change(&mut witness.lock());
    write(directory, &witness.rows()).map_err(|error| unusable(&directory.join(FILE), &error))?;
    Ok(Some(found))
}

fn unusable(path: &Path, error: &io::Error) -> WitnessFileError {
    let why = format!(
        "{error}; the gateway's user has to be able to write there: check the owner and the disk"
    );
    WitnessFileError { path: path.to_owned(), why }
}

fn senseless(path: &Path, error: &str) -> WitnessFileError {
    let why = format!(
        "{error}; move the file away, and the gateway begins a new one: until a key was answered once more, a copy of its signer's \
         store is not noticed"
    );
    WitnessFileError { path: path.to_owned(), why }
}

/// The folder, for this process alone.
fn take(directory: &Path) -> Result<File, WitnessFileError> {
    let failed = |error: io::Error| unusable(directory, &error);
    DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(failed)?;
    let lock = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(directory.join(LOCK));
    let lock = lock.map_err(failed)?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => {
            let why = "a gateway is running with it; stop that first".to_owned();
            Err(WitnessFileError { path: directory.to_owned(), why })
        }
        Err(TryLockError::Error(error)) => Err(failed(error)),
    }
}

fn read(directory: &Path) -> Result<HashMap<Place, Answered>, WitnessFileError> {
    let path = directory.join(FILE);
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(HashMap::new()),
        Err(error) => return Err(unusable(&path, &error)),
    };
    let rows: Vec<Row> =
        serde_json::from_str(&text).map_err(|error| senseless(&path, &error.to_string()))?;
    let parse = |row: &Row| {
        let share = row.share.map(ShareIndex::new).transpose().ok()?;
        let (key, chain) = (row.key.parse().ok()?, row.chain.parse().ok()?);
        let (level, signer) = (Level::try_from(row.level).ok()?, row.signer.clone());
        Some((Place { key, chain, share }, Answered { level, signer, process: None }))
    };
    let answered: Option<_> = rows.iter().map(parse).collect();
    answered.ok_or_else(|| senseless(&path, "a row makes no sense"))
}

/// Whole or not at all.
fn write(directory: &Path, rows: &[Row]) -> io::Result<()> {
    let (path, new) = (directory.join(FILE), directory.join("answered.json.new"));
    // Of a process that was killed; and not what another user, of a folder that all may write to, would have written to.
    match fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let file = File::options().write(true).create_new(true).mode(0o600).open(&new)?;
    serde_json::to_writer_pretty(&file, rows)?;
    file.sync_all()?;
    fs::rename(new, path)
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    use std::thread;

    use rustix::process::Uid;

    use super::*;

    fn key() -> PublicKeyHash {
        "tz1YPSCGWXwBdTncK2aCctSZAXWvGsGwVJqU".parse().unwrap()
    }

    fn position(level: i64) -> Position {
        let (chain, level) = (ChainId::MAINNET, Level::try_from(level).unwrap());
        Position { key: key(), chain, kind: Kind::Block, level, share: None }
    }

    fn no_shares(_: &PublicKeyHash) -> Option<ShareIndex> {
        None
    }

    fn marks(process: &str, level: i64) -> Marks {
        let reached = vec![(key(), ChainId::MAINNET, Level::try_from(level).unwrap())];
        Marks { process: process.to_owned(), reached }
    }

    #[test]
    fn a_store_that_is_behind_is_named_and_one_that_is_not_is_not() {
        let witness = Witness::open(None).unwrap();
        witness.note(position(800), "home", Some("first"));
        assert!(witness.seen().check(&marks("copy", 799), no_shares).is_err());
        assert!(witness.seen().check(&marks("again", 800), no_shares).is_ok());
        let other = Marks { process: "other".to_owned(), reached: Vec::new() };
        assert!(witness.seen().check(&other, no_shares).is_ok(), "it has not this key");
    }

    #[test]
    fn a_level_that_was_answered_is_asked_of_that_process_only() {
        let witness = Witness::open(None).unwrap();
        witness.note(position(800), "home", Some("first"));
        // It connected at 700, and has answered since.
        assert!(witness.check(position(800), &marks("first", 700)).is_ok());
        assert!(witness.check(position(800), &marks("second", 799)).is_err());
        assert!(witness.check(position(795), &marks("second", 799)).is_err());
        assert!(witness.check(position(801), &marks("second", 799)).is_ok());
        assert!(witness.check(position(800), &marks("restarted", 800)).is_ok());
    }

    #[test]
    fn what_is_kept_outlives_the_process_and_can_be_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let witness = Witness::open(Some(folder.path())).unwrap();
        witness.note(position(800), "home", Some("first"));
        write(folder.path(), &witness.rows()).unwrap();
        assert!(forget(folder.path(), &key()).unwrap_err().to_string().contains("is running"));
        drop(witness);
        let witness = Witness::open(Some(folder.path())).unwrap();
        assert!(
            witness.check(position(800), &marks("first", 799)).is_err(),
            "no process is remembered"
        );
        drop(witness);
        assert!(forget(folder.path(), &key()).unwrap());
        assert!(!forget(folder.path(), &key()).unwrap());
        let witness = Witness::open(Some(folder.path())).unwrap();
        assert!(witness.check(position(800), &marks("first", 1)).is_ok());
        drop(witness);
        fs::write(folder.path().join(FILE), "nonsense").unwrap();
        assert!(Witness::open(Some(folder.path())).is_err());
    }

    #[test]
    fn what_is_kept_is_written_to_a_file_of_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let precious = folder.path().join("precious");
        fs::write(&precious, "of another").unwrap();
        std::os::unix::fs::symlink(&precious, folder.path().join("answered.json.new")).unwrap();
        assert!(!forget(folder.path(), &key()).unwrap());
        assert_eq!(fs::read_to_string(precious).unwrap(), "of another");
        for name in [FILE, LOCK] {
            let file = fs::symlink_metadata(folder.path().join(name)).unwrap();
            assert_eq!(file.mode() & 0o777, 0o600, "{name}");
        }
    }

    /// A volume of Kubernetes is root's, and all may write to it.
    #[test]
    fn a_gateway_keeps_its_state_in_a_folder_of_another_user() {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), Permissions::from_mode(0o2777)).unwrap();
        let gateway = || {
            if fs::metadata(folder.path()).unwrap().uid() == 0 {
                rustix::thread::set_thread_uid(Uid::from_raw(65532)).unwrap();
            }
            check_state(folder.path()).map(|keys| keys.unwrap())
        };
        // The other user is this thread's alone.
        assert_eq!(thread::scope(|scope| scope.spawn(gateway).join()).unwrap().unwrap(), 0);
        assert!(fs::exists(folder.path().join(FILE)).unwrap());
    }

    /// The chains are of its client's invention, and it says that it signs on each.
    #[test]
    fn a_signer_that_answers_for_any_number_of_chains_takes_no_place_of_anothers() {
        let folder = tempfile::tempdir().unwrap();
        let witness = Witness::open(Some(folder.path())).unwrap();
        let other: PublicKeyHash = "tz1KqTpEZ7Yob7QbPE4Hy4Wo8fHG8LhKxZSx".parse().unwrap();
        for number in 0..2000_u32 {
            let chain = ChainId::from_bytes(number.to_be_bytes());
            witness.note(Position { key: other, chain, ..position(800) }, "liar", Some("liar"));
        }
        assert_eq!(witness.rows().len(), MAX_OF_A_SIGNER);
        write(folder.path(), &witness.rows()).unwrap();
        drop(witness);
        let witness = Witness::open(Some(folder.path())).unwrap();
        witness.note(position(800), "home", Some("first"));
        assert!(witness.seen().check(&marks("copy", 799), no_shares).is_err());
    }

    #[test]
    fn which_share_answered_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let [first, second] = [1, 2].map(|number| Some(ShareIndex::new(number).unwrap()));
        let witness = Witness::open(Some(folder.path())).unwrap();
        witness.note(Position { share: first, ..position(800) }, "home", Some("box1"));
        write(folder.path(), &witness.rows()).unwrap();
        drop(witness);
        let witness = Witness::open(Some(folder.path())).unwrap();
        let again = Position { share: first, ..position(800) };
        assert!(witness.check(again, &marks("box1", 799)).is_err());
        // Each share has marks of its own: the second was not needed at 800, and may be at 700.
        let other = Position { share: second, ..position(700) };
        assert!(witness.check(other, &marks("box2", 699)).is_ok());
        assert!(witness.seen().check(&marks("box2", 699), |_| second).is_ok());
    }
}
