//! Takes fields off the front of what is to be signed, and says which field is short.

use crate::payload_error::PayloadError;

pub(crate) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader(bytes)
    }

    pub(crate) fn array<const N: usize>(
        &mut self,
        field: &'static str,
    ) -> Result<[u8; N], PayloadError> {
        let have = self.0.len();
        let (head, rest) =
            self.0.split_first_chunk().ok_or(PayloadError::Truncated { field, need: N, have })?;
        self.0 = rest;
        Ok(*head)
    }

    pub(crate) fn u8(&mut self, field: &'static str) -> Result<u8, PayloadError> {
        self.array(field).map(u8::from_be_bytes)
    }

    pub(crate) fn u16(&mut self, field: &'static str) -> Result<u16, PayloadError> {
        self.array(field).map(u16::from_be_bytes)
    }

    pub(crate) fn u32(&mut self, field: &'static str) -> Result<u32, PayloadError> {
        self.array(field).map(u32::from_be_bytes)
    }

    pub(crate) fn i32(&mut self, field: &'static str) -> Result<i32, PayloadError> {
        self.array(field).map(i32::from_be_bytes)
    }

    pub(crate) fn i64(&mut self, field: &'static str) -> Result<i64, PayloadError> {
        self.array(field).map(i64::from_be_bytes)
    }

    /// The next byte, which is not taken.
    pub(crate) fn peek(&self, field: &'static str) -> Result<u8, PayloadError> {
        let truncated = PayloadError::Truncated { field, need: 1, have: 0 };
        self.0.first().copied().ok_or(truncated)
    }

    /// Takes so many bytes.
    pub(crate) fn skip(&mut self, need: usize, field: &'static str) -> Result<(), PayloadError> {
        let have = self.0.len();
        self.0 = self.0.get(need..).ok_or(PayloadError::Truncated { field, need, have })?;
        Ok(())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes all that is left.
    pub(crate) fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.0)
    }

    /// How many bytes are left.
    pub(crate) fn left(&self) -> usize {
        self.0.len()
    }

    /// Nothing may be left.
    pub(crate) fn end(&self) -> Result<(), PayloadError> {
        if self.is_empty() { Ok(()) } else { Err(PayloadError::Trailing(self.left())) }
    }
}
