//! What kind of computer it is.

use std::path::PathBuf;

use anyhow::{bail, ensure};

/// A board that QEMU has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Board {
    /// A PC.
    Amd64,
    /// QEMU's own board for a 64-bit ARM.
    Arm64,
}

impl Board {
    /// In Debian's words.
    pub(crate) fn from_name(name: &str) -> anyhow::Result<Board> {
        match name {
            "amd64" => Ok(Board::Amd64),
            "arm64" => Ok(Board::Arm64),
            _ => bail!("no architecture of the image: {name:?}"),
        }
    }

    /// Whether a kernel that QEMU starts itself finds the tables with the credentials of the tests. On ARM it is EFI that
    /// shows them.
    pub(crate) fn shows_credentials_to_a_kernel(self) -> bool {
        self == Board::Amd64
    }

    /// The program that is this board.
    pub(super) fn program(self) -> &'static str {
        match self {
            Board::Amd64 => "qemu-system-x86_64",
            Board::Arm64 => "qemu-system-aarch64",
        }
    }

    /// A PC has one processor: with two, Linux changed its own instructions under the other one's feet, and panicked at an
    /// "int3".
    pub(super) fn machine(self) -> &'static str {
        match self {
            Board::Amd64 => "-machine q35 -smp 1",
            Board::Arm64 => "-machine virt -smp 2",
        }
    }

    /// EFI, and its variables as they come.
    pub(super) fn firmware(self) -> anyhow::Result<[PathBuf; 2]> {
        let (files, package) = match self {
            Board::Amd64 => {
                (["/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd"], "ovmf")
            }
            Board::Arm64 => (
                ["/usr/share/AAVMF/AAVMF_CODE.fd", "/usr/share/AAVMF/AAVMF_VARS.fd"],
                "qemu-efi-aarch64",
            ),
        };
        let files = files.map(PathBuf::from);
        for file in &files {
            ensure!(file.is_file(), "{} is not here: apt-get install {package}", file.display());
        }
        Ok(files)
    }
}
