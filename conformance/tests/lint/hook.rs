//! The hook of `.pre-commit-hooks.yaml`, as git runs it before a commit.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output};

use super::{BAD, finished, good, put, told};

/// What the hook of this id runs, with the program of this build in the place of the installed one.
fn entry(id: &str) -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/.pre-commit-hooks.yaml");
    let text = fs::read_to_string(path).expect("the hooks");
    let hook = text
        .split("- id: ")
        .find(|hook| hook.lines().next() == Some(id))
        .expect("the hook");
    let entry = hook
        .lines()
        .find_map(|line| line.trim().strip_prefix("entry: "))
        .expect("its entry");
    entry.replace(
        "oap-conform ",
        concat!("'", env!("CARGO_BIN_EXE_oap-conform"), "' "),
    )
}

fn git(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new("git");
    command
        .current_dir(folder)
        .args([
            "-c",
            "user.name=x",
            "-c",
            "user.email=x@example.com",
            "-c",
            "core.hooksPath=.git/hooks",
        ])
        .args(["-c", "commit.gpgsign=false"])
        .args(arguments)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_SYSTEM", "/dev/null")
        .env_remove("GIT_DIR")
        .env_remove("GIT_INDEX_FILE");
    finished(&mut command)
}

fn repository(id: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let made = git(folder.path(), &["init", "--quiet"]);
    assert!(made.status.success(), "{}", told(&made));
    let hook = folder.path().join(".git/hooks/pre-commit");
    put(
        folder.path(),
        ".git/hooks/pre-commit",
        format!(
            "#!/bin/sh\nset -e\ngit diff --cached --name-only -z --diff-filter=ACM -- '*.json' '*.yaml' '*.yml' | xargs -0 -r {}\n",
            entry(id)
        ),
    );
    fs::set_permissions(&hook, fs::Permissions::from_mode(0o755)).expect("a mode");
    folder
}

#[test]
fn a_commit_with_a_bad_manifest_is_refused() {
    let repository = repository("oap-lint");
    let folder = repository.path();
    put(folder, "agents/desk.json", BAD);
    put(folder, "package.json", r#"{"name": "x"}"#);
    put(folder, "notes.yaml", "- a\n- b: [\n");
    git(folder, &["add", "."]);
    let refused = git(folder, &["commit", "--quiet", "-m", "x"]);
    assert!(!refused.status.success(), "{}", told(&refused));
    assert!(
        told(&refused).contains("--> agents/desk.json:2:19"),
        "{}",
        told(&refused)
    );
    // Nothing is found in what is somebody else's, and it is told apart.
    assert!(
        told(&refused)
            .contains("\n2 files are no documents of this protocol: notes.yaml, package.json\n"),
        "{}",
        told(&refused)
    );

    put(folder, "agents/desk.json", good());
    git(folder, &["add", "."]);
    let taken = git(folder, &["commit", "--quiet", "-m", "x"]);
    assert!(taken.status.success(), "{}", told(&taken));
}

#[test]
fn the_other_hook_mends_first() {
    let repository = repository("oap-lint-fix");
    let folder = repository.path();
    let two_parts = good().replace("\"1.0.0\"", "\"1.0\"");
    put(folder, "desk.json", two_parts);
    git(folder, &["add", "."]);
    let done = git(folder, &["commit", "--quiet", "-m", "x"]);
    assert!(done.status.success(), "{}", told(&done));
    let text = fs::read_to_string(folder.join("desk.json")).expect("a text");
    assert_eq!(text, good());
}
