//! "HMAC": a secret of the key, without the key; no prompt.

use sha2::{Digest as _, Sha512};

use super::command::Keyed;
use super::{App, Reply};
use crate::bytes::Bytes;
use crate::keys::hmac_sha256;
use crate::path::{KeyName, Path};
use crate::status::Status;

/// What the key signs to make the secret (`src/apdu_hmac.c`): the SHA-256 of a quotation.
const SIGNED: [u8; 32] = [
    0x6c, 0x4e, 0x7e, 0x70, 0x6c, 0x54, 0xd3, 0x67, 0xc8, 0x7a, 0x8d, 0x89, 0xc1, 0x6a, 0xdf, 0xe0,
    0x6c, 0xb5, 0x68, 0x0c, 0xb7, 0xd1, 0x8e, 0x62, 0x5a, 0x90, 0x47, 0x5e, 0xc0, 0xdb, 0xdb, 0x9f,
];

impl App {
    /// HMAC-SHA256 over the data behind the path; the secret is the SHA-512 of a signature.
    pub(super) fn hmac(&mut self, command: &Keyed<'_>) -> Result<Reply, Status> {
        let mut bytes = Bytes::new(command.data);
        let mut path = Path::EMPTY;
        path.read(&mut bytes).ok_or(Status::WRONG_VALUES)?;
        let signature = self.derive(&KeyName { curve: command.curve, path })?.sign_digest(&SIGNED);
        self.scratch.overwrite(&signature);
        let secret = Sha512::digest(&signature);
        Ok(Reply::Data(hmac_sha256(&secret, &[bytes.rest()]).to_vec()))
    }
}
