//! `docs/configuration.md` has every field of both files, and no other.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use crate::peel::fails;

const TEXT: &str = include_str!("../../../../docs/configuration.md");
/// What is in no section.
const TOP_LEVEL: &str = "top level";
/// No field has this name.
const UNKNOWN: &str = "no_such_field";

/// The fields of a section, as the program lists them when one is not known.
fn understood(role: &str, section: &str) -> BTreeSet<String> {
    let folder = tempfile::tempdir().unwrap();
    let header = if section == TOP_LEVEL { "" } else { section };
    fs::write(folder.path().join("file.toml"), format!("{header}\n{UNKNOWN} = 1\n")).unwrap();
    let (_, said) = fails(folder.path(), &format!("{role} check --config file.toml"));
    let (_, expected) = said.split_once("expected ").unwrap_or_else(|| panic!("{section}: {said}"));
    let expected = expected.lines().next().unwrap();
    expected.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// The sections of one file in the document, each with its fields; the top level always.
fn documented(file: &str) -> BTreeMap<String, BTreeSet<String>> {
    let (_, text) = TEXT.split_once(&format!("\n## {file}\n")).unwrap();
    let text = text.split("\n## ").next().unwrap();
    let sections = text.split("\n### ").skip(1).map(|section| {
        let (title, rest) = section.split_once('\n').unwrap();
        let rows = rest.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
        (title.trim_matches('`').to_owned(), rows.map(str::to_owned).collect())
    });
    [(TOP_LEVEL.to_owned(), BTreeSet::new())].into_iter().chain(sections).collect()
}

/// As other sections name it: `tunnel.gateway` for `[[tunnel.gateway]]`.
fn name(section: &str) -> &str {
    section.trim_matches(['[', ']'])
}

#[test]
fn every_field_of_both_files_is_documented_and_no_other() {
    for role in ["signer", "gateway"] {
        let sections = documented(&format!("{role}.toml"));
        for (section, fields) in &sections {
            let prefix = if section == TOP_LEVEL { "" } else { &format!("{}.", name(section)) };
            // A section is a field of what it is in, and has a table of its own.
            let is_section = |field: &String| {
                sections.keys().any(|section| name(section) == format!("{prefix}{field}"))
            };
            let mut expected = understood(role, section);
            expected.retain(|field| !is_section(field));
            assert_eq!(*fields, expected, "{role}.toml, {section}");
        }
    }
}
