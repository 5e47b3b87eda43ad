//! How an NBD connection begins, "fixed newstyle" (`doc/proto.md` of the NBD project).

use std::io::{self, Read, Write};

use super::nbd::{LONGEST, bytes};

const MAGIC: &[u8; 8] = b"NBDMAGIC";
const OPTION: &[u8; 8] = b"IHAVEOPT";
const REPLY: u64 = 0x0003_e889_0455_65a9;

/// Fixed newstyle, no zeros after the handshake.
const HANDSHAKE: u16 = 1 | 2;
/// The export has flags, and can be flushed. Without "force unit access", QEMU flushes instead.
const EXPORT: u16 = 1 | 4;

const OPTION_ABORT: u32 = 2;
const OPTION_GO: u32 = 7;
const ACKNOWLEDGED: u32 = 1;
const INFO: u32 = 3;
const UNSUPPORTED: u32 = (1 << 31) | 1;
const INFO_EXPORT: u16 = 0;
const INFO_BLOCK_SIZE: u16 = 3;

/// Longer than any option that QEMU sends.
const LONGEST_OPTION: u32 = 4096;

/// Until the client takes the disk, whatever it calls it.
pub(super) fn negotiate(mut stream: impl Read + Write, size: u64) -> io::Result<()> {
    stream.write_all(&[&MAGIC[..], OPTION, &HANDSHAKE.to_be_bytes()].concat())?;
    let _flags: [u8; 4] = bytes(&mut stream)?;
    loop {
        let option = read_option(&mut stream)?;
        let mut reply = |kind: u32, data: &[u8]| {
            let length = u32::try_from(data.len()).map_err(io::Error::other)?;
            let head = [option.to_be_bytes(), kind.to_be_bytes(), length.to_be_bytes()];
            stream.write_all(&[&REPLY.to_be_bytes(), head.as_flattened(), data].concat())
        };
        match option {
            OPTION_GO => {
                reply(INFO, &export(size))?;
                reply(INFO, &block_size())?;
                return reply(ACKNOWLEDGED, &[]);
            }
            OPTION_ABORT => {
                reply(ACKNOWLEDGED, &[])?;
                return Err(io::ErrorKind::ConnectionAborted.into());
            }
            _ => reply(UNSUPPORTED, &[])?,
        }
    }
}

fn read_option(stream: &mut impl Read) -> io::Result<u32> {
    let magic: [u8; 8] = bytes(stream)?;
    let option = u32::from_be_bytes(bytes(stream)?);
    let length = u32::from_be_bytes(bytes(stream)?);
    if magic != *OPTION || length > LONGEST_OPTION {
        return Err(io::ErrorKind::InvalidData.into());
    }
    io::copy(&mut stream.take(length.into()), &mut io::sink())?;
    Ok(option)
}

fn export(size: u64) -> Vec<u8> {
    [&INFO_EXPORT.to_be_bytes()[..], &size.to_be_bytes(), &EXPORT.to_be_bytes()].concat()
}

/// At least, best, and at most.
fn block_size() -> Vec<u8> {
    let sizes = [512, 4096, LONGEST].map(u32::to_be_bytes);
    [&INFO_BLOCK_SIZE.to_be_bytes(), sizes.as_flattened()].concat()
}
