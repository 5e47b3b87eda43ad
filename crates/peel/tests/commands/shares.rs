//! `peel key split`: a tz4 key becomes shares.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::peel::{peel, said};

fn a_key(at: &Path) -> String {
    let made = peel(at, "key generate --output key --unencrypted");
    let said = said(&made);
    let hash = said.lines().find_map(|line| line.strip_prefix("public_key_hash  "));
    hash.unwrap().to_owned()
}

const SPLIT: &str = "key split --threshold 2 --shares 3 --output shares --unencrypted key";

#[test]
fn a_key_is_split_into_files_for_their_owner_alone_and_a_block_for_the_gateway() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let hash = a_key(at);
    let split = peel(at, SPLIT);
    let told = said(&split);
    assert!(split.status.success() && told.contains(&hash), "{told}");
    for words in ["[[shared_key]]", "threshold = 2", "index = 3", "destroy key", "shred -u"] {
        assert!(told.contains(words), "{words}: {told}");
    }
    for share in ["share-1", "share-2", "share-3"] {
        let file = at.join("shares").join(share);
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        let secret = fs::read_to_string(&file).unwrap();
        let secret = secret.lines().last().unwrap().split('"').nth(1).unwrap().to_owned();
        assert!(!told.contains(&secret), "a secret was shown");
    }
    assert_eq!(fs::metadata(at.join("shares")).unwrap().permissions().mode() & 0o777, 0o700);
    let listed = said(&peel(at, "key list shares/share-2"));
    assert!(listed.contains(&hash) && listed.contains("share 2 of 3, 2 are needed"), "{listed}");
    // The block is taken by a gateway once the signers have their names.
    let block: String = told
        .lines()
        .skip_while(|line| !line.starts_with("[[shared_key]]"))
        .take_while(|line| !line.starts_with("5."))
        .fold(String::new(), |all, line| all + line + "\n");
    let made = peel(at, "gateway init gateway");
    assert!(made.status.success(), "{}", said(&made));
    let key = |at: u8| {
        let made = peel(folder.path(), &format!("signer init home-{at}"));
        assert!(made.status.success(), "{}", said(&made));
        let told = said(&made);
        let key = told.split("--ssh-public-key '").nth(1).unwrap();
        key.split('\'').next().unwrap().to_owned()
    };
    let signers: String = (1..=3).map(|at| {
        let port = 8443 + u16::from(at);
        format!("[[signer]]\nname = \"NAME-OF-SIGNER-{at}\"\nssh_public_key = \"{}\"\nport = {port}\n", key(at).trim())
    }).collect();
    let file = at.join("gateway/gateway.toml");
    let text = fs::read_to_string(&file).unwrap() + &signers;
    let check = |block: &str| {
        fs::write(&file, format!("{text}\n{block}")).unwrap();
        said(&peel(folder.path(), "gateway check --config gateway/gateway.toml"))
    };
    let checked = check(&block);
    assert!(checked.contains(&format!("{hash}: 2 of 3 are needed")), "{checked}");
    assert!(checked.contains("share 3: signer NAME-OF-SIGNER-3"), "{checked}");
    assert!(!checked.contains("names no keys"), "which keys they have stands there: {checked}");
    for (wrong, words) in [
        (block.replace("SIGNER-3", "SIGNER-2"), "has two of them"),
        (block.replace("SIGNER-3", "SIGNER-4"), "there is no [[signer]] with the name"),
        (block.replace("threshold = 2", "threshold = 1"), "at least 2 shares have to be needed"),
        (block.replace("threshold = 2", "threshold = 3"), "fewer than 3 of these shares"),
        (block.replace("index = 3", "index = 2"), "the indices have to be 1 to 3"),
        (format!("{block}\n{block}"), "stands there twice"),
    ] {
        let checked = check(&wrong);
        assert!(checked.contains(words), "{words}: {checked}");
    }
}

#[test]
fn a_key_that_cannot_be_split_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    a_key(at);
    for (line, words) in [
        (SPLIT.replace("threshold 2", "threshold 1"), "one that is enough alone is the key"),
        (SPLIT.replace("shares 3", "shares 4"), "use 3 of 4"),
        (SPLIT.replace("shares 3", "shares 17"), "use 16 at most"),
        (SPLIT.replace(" key", " gone"), "cannot be read"),
    ] {
        let split = peel(at, &line);
        assert!(
            !split.status.success() && said(&split).contains(words),
            "{words}: {}",
            said(&split)
        );
        assert!(!at.join("shares").exists());
    }
    let made = peel(at, "key generate --curve ed25519 --output tz1 --unencrypted");
    assert!(made.status.success());
    let split = peel(at, &SPLIT.replace(" key", " tz1"));
    assert!(said(&split).contains("only such keys can be shared"), "{}", said(&split));
    // One of them is there already, from another key.
    fs::create_dir(at.join("shares")).unwrap();
    fs::write(at.join("shares/share-2"), "").unwrap();
    let split = peel(at, SPLIT);
    assert!(!split.status.success() && said(&split).contains("there already"), "{}", said(&split));
    assert_eq!(fs::read_dir(at.join("shares")).unwrap().count(), 1);
}
