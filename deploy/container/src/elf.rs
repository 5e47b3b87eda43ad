//! Would a program start in an image that has nothing else? Told from its header (elf(5)).

use std::path::Path;

use crate::architecture::Architecture;
use crate::error::PackError;

/// Why a program would not start.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Wrong {
    NotElf,
    OtherArchitecture,
    Dynamic,
}

impl Wrong {
    pub(crate) fn of(self, path: &Path, wanted: Architecture) -> PackError {
        let path = path.to_owned();
        match self {
            Wrong::NotElf => PackError::NotElf(path),
            Wrong::OtherArchitecture => PackError::OtherArchitecture { path, wanted },
            Wrong::Dynamic => PackError::Dynamic(path),
        }
    }
}

/// Accepts a static 64-bit program of `architecture`. A static program names no interpreter, which for others is the
/// dynamic linker.
pub(crate) fn check(elf: &[u8], architecture: Architecture) -> Result<(), Wrong> {
    /// Class 64-bit, little-endian.
    const MAGIC: &[u8] = b"\x7fELF\x02\x01";
    if !elf.starts_with(MAGIC) {
        return Err(Wrong::NotElf);
    }
    if half(elf, 18)? != machine(architecture) {
        return Err(Wrong::OtherArchitecture);
    }
    if segment_types(elf)?.contains(&INTERPRETER) { Err(Wrong::Dynamic) } else { Ok(()) }
}

/// `PT_INTERP`.
const INTERPRETER: u32 = 3;

/// `EM_X86_64` and `EM_AARCH64`.
fn machine(architecture: Architecture) -> u16 {
    match architecture {
        Architecture::Amd64 => 62,
        Architecture::Arm64 => 183,
    }
}

/// `p_type` of every program header.
fn segment_types(elf: &[u8]) -> Result<Vec<u32>, Wrong> {
    let (start, size, count) = (word(elf, 32)?, half(elf, 54)?, half(elf, 56)?);
    let at = |index: u16| start.checked_add(u64::from(index) * u64::from(size));
    (0..count).map(|index| segment_type(elf, at(index).ok_or(Wrong::NotElf)?)).collect()
}

fn segment_type(elf: &[u8], at: u64) -> Result<u32, Wrong> {
    bytes(elf, at).map(u32::from_le_bytes)
}

fn half(elf: &[u8], at: u64) -> Result<u16, Wrong> {
    bytes(elf, at).map(u16::from_le_bytes)
}

fn word(elf: &[u8], at: u64) -> Result<u64, Wrong> {
    bytes(elf, at).map(u64::from_le_bytes)
}

fn bytes<const N: usize>(elf: &[u8], at: u64) -> Result<[u8; N], Wrong> {
    let at = usize::try_from(at).ok().and_then(|at| elf.get(at..));
    at.and_then(<[u8]>::first_chunk).copied().ok_or(Wrong::NotElf)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A header and one program header.
    fn elf(machine: u16, segment: u32) -> Vec<u8> {
        let mut elf = vec![0; 64 + 56];
        elf[..6].copy_from_slice(b"\x7fELF\x02\x01");
        elf[18..20].copy_from_slice(&machine.to_le_bytes());
        elf[32..40].copy_from_slice(&64_u64.to_le_bytes());
        elf[54..56].copy_from_slice(&56_u16.to_le_bytes());
        elf[56..58].copy_from_slice(&1_u16.to_le_bytes());
        elf[64..68].copy_from_slice(&segment.to_le_bytes());
        elf
    }

    #[test]
    fn a_static_program_is_taken() {
        assert_eq!(check(&elf(62, 1), Architecture::Amd64), Ok(()));
        assert_eq!(check(&elf(183, 1), Architecture::Arm64), Ok(()));
    }

    #[test]
    fn a_program_that_needs_libraries_is_not() {
        assert_eq!(check(&elf(62, INTERPRETER), Architecture::Amd64), Err(Wrong::Dynamic));
    }

    #[test]
    fn a_program_of_another_architecture_is_not() {
        assert_eq!(check(&elf(183, 1), Architecture::Amd64), Err(Wrong::OtherArchitecture));
        assert_eq!(check(&elf(62, 1), Architecture::Arm64), Err(Wrong::OtherArchitecture));
    }

    #[test]
    fn what_is_no_program_is_refused_wherever_it_ends() {
        let whole = elf(62, 1);
        for length in 0..68 {
            assert_eq!(
                check(&whole[..length], Architecture::Amd64),
                Err(Wrong::NotElf),
                "{length}"
            );
        }
        assert_eq!(check(b"#!/bin/sh\nexec peel\n", Architecture::Amd64), Err(Wrong::NotElf));
    }

    #[test]
    fn the_program_of_this_test_is_linked_dynamically_and_told_so() {
        let here = std::env::current_exe().unwrap();
        let architecture =
            if cfg!(target_arch = "aarch64") { Architecture::Arm64 } else { Architecture::Amd64 };
        let error = crate::Program::read(&here, "/peel", architecture).unwrap_err();
        assert!(matches!(error, PackError::Dynamic(_)), "{error}");
    }
}
