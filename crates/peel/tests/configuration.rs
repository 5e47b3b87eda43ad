//! `docs/configuration.md` has every field of both files, and no other.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

const TEXT: &str = include_str!("../../../docs/configuration.md");
/// No field has this name.
const UNKNOWN: &str = "no_such_field";

/// The fields of a section, as the program lists them when one is not known.
fn understood(role: &str, section: &str) -> BTreeSet<String> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file.toml");
    let header = if section == "top level" { "" } else { section };
    fs::write(&file, format!("{header}\n{UNKNOWN} = 1\n")).unwrap();
    let peel = Command::new(env!("CARGO_BIN_EXE_peel"))
        .args([role, "check", "--config"])
        .arg(&file)
        .output()
        .unwrap();
    let said = String::from_utf8(peel.stderr).unwrap();
    let (_, expected) = said.split_once("expected ").unwrap_or_else(|| panic!("{section}: {said}"));
    let expected = expected.lines().next().unwrap();
    expected.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// The sections of one file in the document, each with its fields.
fn documented(file: &str) -> Vec<(String, BTreeSet<String>)> {
    let (_, text) = TEXT.split_once(&format!("\n## {file}\n")).unwrap();
    let text = text.split("\n## ").next().unwrap();
    let sections = text.split("\n### ").skip(1).map(|section| {
        let (title, rest) = section.split_once('\n').unwrap();
        let rows = rest.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
        (title.trim_matches('`').to_owned(), rows.map(str::to_owned).collect())
    });
    sections.collect()
}

#[test]
fn every_field_of_both_files_is_documented_and_no_other() {
    for role in ["signer", "gateway"] {
        let sections = documented(&format!("{role}.toml"));
        let mut titles: BTreeSet<String> = BTreeSet::new();
        for (section, fields) in &sections {
            let mut expected = understood(role, section);
            let own = section.trim_matches(['[', ']']);
            titles.insert(own.to_owned());
            // Sections are fields of what they are in, too: those have a table of their own.
            expected.retain(|field| {
                let nested =
                    if section == "top level" { field.clone() } else { format!("{own}.{field}") };
                !sections.iter().any(|(title, _)| title.trim_matches(['[', ']']) == nested)
            });
            assert_eq!(*fields, expected, "{role}.toml, {section}");
        }
        let top = understood(role, "top level");
        let tables = top.iter().filter(|field| !titles.contains(*field));
        let plain: BTreeSet<&String> = tables.collect();
        let named = sections.iter().find(|(title, _)| title == "top level").map(|(_, own)| own);
        assert!(
            plain.iter().all(|field| named.is_some_and(|named| named.contains(*field))),
            "{role}.toml: {plain:?}"
        );
    }
}
