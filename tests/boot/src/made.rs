//! What `cargo xtask test boot` has made before.

use std::env;
use std::path::PathBuf;

use anyhow::Context;

use crate::machine::{Board, Firmware};

/// What the computer is made of.
#[derive(Debug, Clone)]
pub(crate) struct Made {
    /// What kind of computer the image is for.
    pub(crate) board: Board,
    /// The program, for the gateway outside.
    pub(crate) peel: PathBuf,
    /// The image for the computer at home; it is only read.
    pub(crate) image: PathBuf,
    /// For a PC only.
    pub(crate) package: Option<Package>,
}

/// A small Debian in which the package is installed.
#[derive(Debug, Clone)]
pub(crate) struct Package {
    /// Its disk; it is only read.
    pub(crate) debian: PathBuf,
    kernel: PathBuf,
    initrd: PathBuf,
    /// An archive with the packages `before.deb` and `now.deb`.
    pub(crate) archive: PathBuf,
}

/// Boots are quicker with fewer words on a serial console, without the kernel's care for a real processor, and without logins
/// (which load the modules of a screen).
const COMMAND_LINE: &str = "root=/dev/vda rw rootfstype=ext4 console=ttyS0 quiet mitigations=off cryptomgr.notests \
                            systemd.show_status=0 \
                            systemd.mask=systemd-logind.service systemd.mask=getty.target";

impl Made {
    pub(crate) fn from_environment() -> anyhow::Result<Made> {
        let board = Board::from_name(&env::var("PEEL_BOOT_BOARD").context(CURE)?)?;
        let package = match board {
            Board::Amd64 => Some(Package::from_environment()?),
            Board::Arm64 => None,
        };
        Ok(Made { board, peel: path("PEEL")?, image: path("IMAGE")?, package })
    }
}

impl Package {
    fn from_environment() -> anyhow::Result<Package> {
        Ok(Package {
            debian: path("DEBIAN")?,
            kernel: path("KERNEL")?,
            initrd: path("INITRD")?,
            archive: path("PACKAGES")?,
        })
    }

    /// What starts the small Debian.
    pub(crate) fn kernel(&self) -> Firmware {
        Firmware::Kernel {
            kernel: self.kernel.clone(),
            initrd: self.initrd.clone(),
            command_line: COMMAND_LINE.to_owned(),
        }
    }
}

const CURE: &str = "run the tests with \"cargo xtask test boot\"";

fn path(name: &str) -> anyhow::Result<PathBuf> {
    let name = format!("PEEL_BOOT_{name}");
    env::var_os(&name).map(PathBuf::from).with_context(|| format!("{name} is not set; {CURE}"))
}
