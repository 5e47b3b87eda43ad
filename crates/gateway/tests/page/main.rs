//! The status page in a real browser: what it looks like, whether it is accessible, and whether it keeps up.
//!
//! Pictures of it, on a phone and on a desk, light and dark, are left in the target folder, `tmp/status-page/`.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod sample;
mod server;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::{LazyLock, Mutex, PoisonError};

use crate::server::Server;

/// Runs a program to its end.
///
/// # Panics
/// When it is not installed: a test that was skipped would prove nothing.
fn finish(program: &str, package: &str, command: &mut Command) -> Output {
    let ran = command.stdin(Stdio::null()).output();
    assert!(ran.is_ok(), "{program}: {ran:?}: apt-get install {package}");
    ran.unwrap()
}

/// What drives the browser, once for all tests.
static DRIVER: LazyLock<PathBuf> = LazyLock::new(driver);

/// The same, installed as its lock file says.
fn driver() -> PathBuf {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/page");
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("page");
    fs::create_dir_all(&folder).unwrap();
    let lock = fs::read(from.join("package-lock.json")).unwrap();
    let is_installed = fs::read(folder.join("installed")).is_ok_and(|there| there == lock);
    for file in ["package.json", "package-lock.json", "look.mjs"] {
        fs::copy(from.join(file), folder.join(file)).unwrap();
    }
    if !is_installed {
        let words = ["ci", "--ignore-scripts", "--no-audit", "--no-fund"];
        let ran = finish("npm", "npm", Command::new("npm").args(words).current_dir(&folder));
        let told = String::from_utf8_lossy(&ran.stderr);
        assert!(ran.status.success(), "npm has not fetched the driver: {told}");
        fs::write(folder.join("installed"), lock).unwrap();
    }
    folder.join("look.mjs")
}

/// One browser at a time: five on two cores take each other's time, until Chromium gives up drawing a long page for its picture.
static ALONE: Mutex<()> = Mutex::new(());

/// One rule of the page, looked at in Chromium.
fn look(rule: &str) {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let pictures = Path::new(env!("CARGO_TARGET_TMPDIR")).join("status-page");
    fs::create_dir_all(&pictures).unwrap();
    let server = Server::start();
    let mut node = Command::new("node");
    node.arg(&*DRIVER).args([rule, &server.url()]).arg(pictures);
    let ran = finish("node", "nodejs", &mut node);
    let [told, wrong] = [&ran.stdout, &ran.stderr].map(|text| String::from_utf8_lossy(text));
    assert!(ran.status.success(), "{told}{wrong}");
}

#[test]
fn it_fits_a_phone_and_a_desk_and_is_accessible() {
    look("accessible");
}

#[test]
fn without_javascript_everything_is_there() {
    look("without-javascript");
}

#[test]
fn it_keeps_up_and_keeps_focus_scroll_and_what_is_unfolded() {
    look("live");
}

#[test]
fn it_says_since_when_it_is_old_and_catches_up() {
    look("old");
}

#[test]
fn what_a_hostile_signer_says_does_nothing_in_a_browser() {
    look("hostile");
}
