//! What the app tells about itself and its memory.

use super::App;

/// Class 1 ("baking"), 2.5.1.
pub(super) const VERSION: [u8; 4] = [1, 2, 5, 1];

/// The commit that the recorded app was built from, NUL-terminated.
pub(super) const GIT: &[u8] = b"v2.4.7-321-g50ec8cfc\0";

/// Name and version of the running app: format, two texts behind their lengths, one byte of flags.
pub(crate) fn app_info(name: &str, version: &str) -> Vec<u8> {
    [&[1], text(name).as_slice(), &text(version), &[1, 0]].concat()
}

fn text(text: &str) -> Vec<u8> {
    let bytes = text.bytes().take(usize::from(u8::MAX)).collect::<Vec<_>>();
    let length = u8::try_from(bytes.len()).unwrap_or(u8::MAX);
    [vec![length], bytes].concat()
}

impl App {
    pub(super) fn authorized_path(&self) -> Vec<u8> {
        self.memory.ram.baking_key.path.to_bytes()
    }

    pub(super) fn authorized_path_and_curve(&self) -> Vec<u8> {
        let curve = self.memory.ram.baking_key.curve.to_byte();
        std::iter::once(curve).chain(self.authorized_path()).collect()
    }

    pub(super) fn main_mark(&self) -> Vec<u8> {
        let main = &self.memory.ram.main;
        words(&[main.level, main.round])
    }

    pub(super) fn all_marks(&self) -> Vec<u8> {
        let kept = &self.memory.ram;
        let (main, test) = (&kept.main, &kept.test);
        words(&[main.level, main.round, test.level, test.round, kept.main_chain_id])
    }
}

fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_be_bytes()).collect()
}
