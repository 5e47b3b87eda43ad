//! Everything that has to hold before a change lands.

use std::path::Path;
use std::time::Instant;
use std::{env, fs};

use crate::packages::{self, Package, is_installed};
use crate::{Failure, root, run, run_with};

/// Debian packages that the build and the tests use, and a program of each, or the file of one that has none.
const NEEDED: [Package; 20] = [
    ("gcc", "cc"),
    ("util-linux", "unshare"),
    ("iproute2", "ip"),
    ("openssh-client", "ssh"),
    ("openssh-server", "sshd"),
    ("autossh", "autossh"),
    ("rsync", "rsync"),
    ("chromium", "chromium"),
    ("prometheus", "promtool"),
    ("prometheus-node-exporter", "prometheus-node-exporter"),
    ("faketime", "faketime"),
    ("openssl", "openssl"),
    ("curl", "curl"),
    ("nodejs", "node"),
    ("npm", "npm"),
    ("modemmanager", "mmcli"),
    ("network-manager", "nmcli"),
    ("dbus-daemon", "dbus-daemon"),
    ("python3-dbusmock", "/usr/lib/python3/dist-packages/dbusmock/__init__.py"),
    ("nut-server", "upsd"),
];
/// Where tests write down what they skipped: `lab::skip`.
const SKIPPED: &str = "PEEL_SKIPPED";

/// A step: what it is for, and what it runs.
type Step = (&'static str, fn(&Path) -> Result<(), Failure>);

const STEPS: [Step; 6] = [
    ("programs that the tests use", |_| packages::install(&NEEDED)),
    ("format", |_| run("cargo", &["fmt", "--all", "--check"])),
    ("lints", |_| {
        run(
            "cargo",
            &["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"],
        )
    }),
    ("bans, licences and sources of what is linked in", cargo_deny),
    ("documentation", |_| {
        let words = ["doc", "--workspace", "--no-deps", "--locked", "--document-private-items"];
        run_with("cargo", &words, &[("RUSTDOCFLAGS", Path::new("-D warnings"))])
    }),
    ("every test", |skipped| {
        run_with("cargo", &["test", "--workspace", "--locked"], &[(SKIPPED, skipped)])
    }),
];

pub(crate) fn run_all() -> Result<(), Failure> {
    println!(
        "Six steps. On two quiet cores the first time some 14 minutes, a third of them compiling; then 9."
    );
    let skipped = root().join("target/skipped.txt");
    // It is there if the last run skipped something.
    let _ = fs::remove_file(&skipped);
    let started = Instant::now();
    for (at, (what, step)) in STEPS.iter().enumerate() {
        println!(
            "\n=== {} of {}: {what} ({} s so far)",
            at + 1,
            STEPS.len(),
            started.elapsed().as_secs()
        );
        step(&skipped)?;
    }
    sum_up(&skipped, started)
}

/// A test that did nothing has shown nothing.
fn sum_up(skipped: &Path, started: Instant) -> Result<(), Failure> {
    let lines = fs::read_to_string(skipped).unwrap_or_default();
    let count = lines.lines().count();
    println!("\nDone after {} s. Skipped: {count}", started.elapsed().as_secs());
    lines.lines().for_each(|line| println!("  {line}"));
    if count > 0 && env::var_os("CI").is_some() {
        return Err(Failure(format!("{count} were skipped, and this is CI")));
    }
    Ok(())
}

/// Its database of advisories is not asked: the test has to give the same answer tomorrow, and without a
/// network. It takes minutes to build, so it is run where it is; `.ci/run` installs it.
fn cargo_deny(skipped: &Path) -> Result<(), Failure> {
    if is_installed("cargo-deny") {
        return run("cargo", &["deny", "--locked", "check", "bans", "licenses", "sources"]);
    }
    let line = "cargo-deny is not here: cargo install --locked cargo-deny\n";
    print!("{line}");
    let written = fs::create_dir_all(root().join("target")).and_then(|()| fs::write(skipped, line));
    written.map_err(|error| Failure(format!("{}: {error}", skipped.display())))
}
