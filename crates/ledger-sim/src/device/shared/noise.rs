//! Garbage for the fault of that name.

/// Bytes without meaning, the same in every run (xorshift64).
#[derive(Debug)]
pub(super) struct Noise(u64);

impl Noise {
    pub(super) fn new() -> Self {
        Self(0x9e37_79b9_7f4a_7c15)
    }

    /// From 2 to 257 bytes.
    pub(super) fn garbage(&mut self) -> Vec<u8> {
        let length = 2 + usize::from(self.byte());
        (0..length).map(|_| self.byte()).collect()
    }

    fn byte(&mut self) -> u8 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        let [byte, ..] = self.0.to_be_bytes();
        byte
    }
}
