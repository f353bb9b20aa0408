//! Mounted files.

use std::path::Path;

use super::*;

fn followed(path: &Path) -> Secrets {
    let rotation = Rotation {
        files: BTreeMap::from([("A".to_owned(), path.to_owned())]),
        vault: None,
    };
    secrets(&[("A", FIRST)], &[], &rotation)
}

fn write(path: &Path, text: &str) {
    std::fs::write(path, text).expect("written");
}

fn value(secrets: &Secrets) -> String {
    let credentials = secrets.credentials();
    credentials.secret("A").expect("granted").to_owned()
}

#[test]
fn the_next_request_has_what_the_file_has() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a");
    write(&path, FIRST);
    let secrets = followed(&path);
    assert_eq!(value(&secrets), FIRST);
    // Of the same length and within one tick of the clock of a file system.
    for number in 10..30 {
        let next = format!("value-number-{number}");
        write(&path, &format!("{next}\n"));
        assert_eq!(value(&secrets), next);
    }
    assert!(is_found(secrets.redactor(), FIRST));
}

#[cfg(unix)]
#[test]
fn a_link_that_is_swapped_leads_to_the_new_value() {
    use std::os::unix::fs::symlink;
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    for (version, text) in [("v1", FIRST), ("v2", SECOND)] {
        std::fs::create_dir(at(version)).expect("made");
        write(&at(version).join("a"), text);
    }
    symlink("v1", at("data")).expect("linked");
    symlink("data/a", at("a")).expect("linked");
    let secrets = followed(&at("a"));
    assert_eq!(value(&secrets), FIRST);
    symlink("v2", at("next")).expect("linked");
    std::fs::rename(at("next"), at("data")).expect("swapped");
    assert_eq!(value(&secrets), SECOND);
}

#[test]
fn the_last_good_value_stays_and_trouble_is_told_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a");
    write(&path, SECOND);
    let secrets = followed(&path);
    assert_eq!(secrets.look(), Vec::<String>::new());
    let bad: [(&str, &dyn Fn()); 3] = [
        ("more than", &|| write(&path, &"x".repeat(70_000))),
        ("UTF-8", &|| {
            std::fs::write(&path, b"\xff-not-text-at-all").expect("written");
        }),
        ("cannot read", &|| {
            std::fs::remove_file(&path).expect("gone")
        }),
    ];
    for (said, breaks) in bad {
        breaks();
        let warnings = secrets.look();
        assert_eq!(warnings.len(), 1, "{warnings:?}");
        assert!(warnings[0].contains(said) && warnings[0].contains('A'));
        assert_eq!(secrets.look(), Vec::<String>::new());
        assert_eq!(value(&secrets), SECOND);
    }
    write(&path, "third-value-of-a");
    assert_eq!(secrets.look(), Vec::<String>::new());
    assert_eq!(value(&secrets), "third-value-of-a");
}

#[test]
fn a_file_that_is_empty_for_a_moment_takes_nothing_away() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a");
    write(&path, "");
    let secrets = followed(&path);
    assert_eq!(value(&secrets), FIRST);
    write(&path, SECOND);
    assert_eq!(value(&secrets), SECOND);
}

#[test]
fn what_is_no_file_is_not_opened_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let secrets = followed(folder.path());
    assert_eq!(secrets.look(), Vec::<String>::new());
    assert_eq!(value(&secrets), FIRST);
}
