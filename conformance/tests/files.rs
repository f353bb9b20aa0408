//! Files that the command line is given and that are none: refused in bounded time, and never taken for what was not asked for.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::program::{finished, program, told};
use super::{code, text};

/// One case, so that a run of the reference is short.
const ONE: [&str; 3] = ["run", "--filter", "CAP-005-health-of-core"];

/// What a run says that judges the reference and was not told to.
const REFERENCE: &str = "judging the built-in reference";

/// Wrong usage that is told with the file and the reason, and no verdict.
fn refused(folder: &Path, arguments: &[&str], says: [&str; 2]) {
    let output = finished(program(folder).args(arguments));
    let said = told(&output);
    let ended = output.status.code();
    assert_eq!(ended, Some(2), "{arguments:?}: {said}");
    for part in says {
        assert!(said.contains(part), "{arguments:?}: {said}");
    }
    assert!(output.stdout.is_empty(), "{arguments:?}: {said}");
    assert!(!said.contains(REFERENCE), "{arguments:?}: {said}");
}

/// A pipe into which nobody writes.
fn pipe(folder: &Path, name: &str) -> PathBuf {
    let path = folder.join(name);
    let made = Command::new("mkfifo").arg(&path).status();
    assert!(made.expect("mkfifo runs").success());
    path
}

#[test]
fn a_pipe_is_refused_wherever_a_report_or_a_baseline_is_read() {
    let folder = tempfile::tempdir().expect("a folder");
    let here = folder.path();
    pipe(here, "pipe");
    let says = ["pipe", "it is a pipe; name a file"];
    for arguments in [
        &["report", "pipe"][..],
        &["diff", "pipe", "pipe"],
        &["merge", "pipe"],
        &["baseline", "init", "pipe"],
        &["run", "--baseline", "pipe"],
        &["run", "--target", "pipe"],
    ] {
        refused(here, arguments, says);
    }
}

#[test]
fn a_definition_that_cannot_be_read_does_not_mean_the_reference() {
    let link = |folder: &Path, name: &str| {
        std::os::unix::fs::symlink("nowhere.toml", folder.join(name)).expect("linked");
    };
    let folder = |folder: &Path, name: &str| {
        std::fs::create_dir(folder.join(name)).expect("made");
    };
    let pipe = |folder: &Path, name: &str| {
        pipe(folder, name);
    };
    type Make<'m> = &'m dyn Fn(&Path, &str);
    let odd: [(&str, Make<'_>); 3] = [
        ("No such file", &link),
        ("it is a folder", &folder),
        ("it is a pipe", &pipe),
    ];
    for (why, make) in odd {
        let place = tempfile::tempdir().expect("a folder");
        let here = place.path();
        make(here, "oap-target.toml");
        refused(here, &ONE, ["cannot read oap-target.toml", why]);
        // Nor is a run without its baseline what was meant.
        let place = tempfile::tempdir().expect("a folder");
        let here = place.path();
        let definition = "[start]\ncommand = ['true']\n";
        std::fs::write(here.join("oap-target.toml"), definition).expect("written");
        make(here, "oap-baseline.toml");
        refused(here, &ONE, ["cannot read oap-baseline.toml", why]);
    }
}

#[test]
fn who_judges_the_reference_without_naming_it_is_told() {
    let folder = tempfile::tempdir().expect("a folder");
    for (more, is_told) in [
        (&[][..], true),
        (&["--reference"], false),
        (&["--mutant", "skips-input-validation"], false),
    ] {
        let output = finished(program(folder.path()).args(ONE).args(more));
        let stderr = text(&output.stderr);
        assert_eq!(code(&output), 0, "{more:?}: {stderr}");
        assert_eq!(stderr.contains(REFERENCE), is_told, "{more:?}: {stderr}");
        assert!(!text(&output.stdout).contains(REFERENCE), "{more:?}");
    }
}
