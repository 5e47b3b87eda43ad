//! A share's file.
#![no_main]

use libfuzzer_sys::fuzz_target;
use shares::ShareFile;

fuzz_target!(|text: &str| {
    let Ok(file) = ShareFile::parse(text) else { return };
    let again = ShareFile::parse(&file.to_text()).expect("what is written can be read");
    assert_eq!(*again.to_text(), *file.to_text(), "a file has one text");
    if !file.is_encrypted() {
        let share = file.open(None).expect("it was checked when it was read");
        assert!(share.group() == file.group() && share.index() == file.index());
    }
});
