//! Kubernetes and Helm, built with Go from what `tests/cluster` says of them, and kept outside of the checkout.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs, process};

use crate::{Failure, root, start};

/// A program of one Go module.
struct Program {
    name: &'static str,
    /// What is built: the module's own package, or one that it requires.
    package: &'static str,
    /// Without cgo, so that it needs nothing of the machine it runs on; without the machine's folders in it.
    flags: &'static [&'static str],
}

/// Versions are told to the linker, as the projects' own builds do.
const PROGRAMS: [Program; 2] = [
    Program {
        name: "kubernetes",
        package: ".",
        flags: &[
            "-trimpath",
            "-tags=providerless",
            "-ldflags=-s -w -X k8s.io/component-base/version.gitVersion=v1.36.3 \
             -X k8s.io/component-base/version.gitMajor=1 -X k8s.io/component-base/version.gitMinor=36",
        ],
    },
    Program {
        name: "helm",
        package: "helm.sh/helm/v3/cmd/helm",
        flags: &[
            "-trimpath",
            "-ldflags=-s -w -X helm.sh/helm/v3/internal/version.version=v3.21.4 \
             -X helm.sh/helm/v3/pkg/chartutil.k8sVersionMajor=1 \
             -X helm.sh/helm/v3/pkg/chartutil.k8sVersionMinor=36 \
             -X helm.sh/helm/v3/pkg/lint/rules.k8sVersionMajor=1 \
             -X helm.sh/helm/v3/pkg/lint/rules.k8sVersionMinor=36",
        ],
    },
];

/// What `go.mod` asks for.
const OLDEST: [u32; 2] = [1, 26];

/// Kubernetes and Helm, from the cache where they are there.
pub(crate) fn programs() -> Result<[PathBuf; 2], Failure> {
    let [kubernetes, helm] = &PROGRAMS;
    Ok([kubernetes.cached()?, helm.cached()?])
}

impl Program {
    fn cached(&self) -> Result<PathBuf, Failure> {
        let folder = cache()?;
        let file = folder.join(format!("{}-{:016x}", self.name, self.key()?));
        if !file.is_file() {
            fs::create_dir_all(&folder).map_err(|error| failure(&folder, &error))?;
            self.build(&file)?;
        }
        Ok(file)
    }

    /// Another name until it is whole: a build that breaks leaves nothing that is taken for one.
    fn build(&self, file: &Path) -> Result<(), Failure> {
        check_go()?;
        println!(
            "\n{} is built and kept in {}: once on this machine, some eight minutes for all",
            self.name,
            file.display()
        );
        let unfinished = file.with_extension(process::id().to_string());
        let mut go = Command::new("go");
        go.arg("build").args(self.flags).arg("-o").arg(&unfinished).arg(self.package);
        go.current_dir(self.module()).env("CGO_ENABLED", "0").env("GOFLAGS", "-mod=readonly");
        start(&mut go)?;
        fs::rename(&unfinished, file).map_err(|error| failure(file, &error))
    }

    fn module(&self) -> PathBuf {
        root().join("tests/cluster").join(self.name)
    }

    /// Changes with everything that goes into the build but Go itself.
    fn key(&self) -> Result<u64, Failure> {
        let mut all = self.flags.concat().into_bytes();
        for name in ["go.mod", "go.sum", "main.go"] {
            let file = self.module().join(name);
            all.extend(fs::read(&file).map_err(|error| failure(&file, &error))?);
        }
        Ok(fnv1a(&all))
    }
}

/// <http://www.isthe.com/chongo/tech/comp/fnv/>: against mistakes, not against malice.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

fn cache() -> Result<PathBuf, Failure> {
    let own = env::var_os("XDG_CACHE_HOME").filter(|folder| !folder.is_empty()).map(PathBuf::from);
    let usual = || Some(PathBuf::from(env::var_os("HOME")?).join(".cache"));
    let folder = own.or_else(usual);
    let folder = folder.ok_or_else(|| Failure("neither XDG_CACHE_HOME nor HOME is set".into()))?;
    Ok(folder.join("peel"))
}

fn check_go() -> Result<(), Failure> {
    let cure = "Kubernetes is built with Go 1.26 or later, and Debian's golang is older: install it from \
                https://go.dev/dl";
    let told = Command::new("go").args([OsStr::new("env"), OsStr::new("GOVERSION")]).output();
    let told = told.map_err(|error| Failure(format!("go cannot be started ({error}); {cure}")))?;
    let version = String::from_utf8_lossy(&told.stdout).trim().to_owned();
    match parse(&version) {
        Some(found) if found >= OLDEST => Ok(()),
        _ => Err(Failure(format!("this Go is {version:?}; {cure}"))),
    }
}

/// `go1.26.8`, `go1.27rc1`.
fn parse(version: &str) -> Option<[u32; 2]> {
    let mut parts = version.strip_prefix("go")?.split(|c: char| !c.is_ascii_digit());
    Some([parts.next()?.parse().ok()?, parts.next()?.parse().ok()?])
}

fn failure(file: &Path, error: &std::io::Error) -> Failure {
    Failure(format!("{}: {error}", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_older_go_is_seen() {
        assert_eq!(parse("go1.26.8"), Some([1, 26]));
        assert_eq!(parse("go1.27rc1"), Some([1, 27]));
        assert!(parse("go1.19.8") < Some(OLDEST));
        assert_eq!(parse("devel"), None);
    }

    #[test]
    fn a_changed_source_is_another_program() {
        assert_eq!(fnv1a(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv1a(b"a"), 0xaf63_dc4c_8601_ec8c);
    }
}
