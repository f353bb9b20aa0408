//! Targets that take their manifest from a file: an instance for each case, and no process left.

use std::path::PathBuf;
use std::process::{Command, Output};

/// Cases with manifests of their own, with the model, and one that registers.
const CASES: [&str; 5] = [
    "capabilities/CAP-002-profiles",
    "plans/PLN-010-undeclared",
    "plans/PLN-014-bad-email-in-a-list",
    "registration/REG-007-again",
    "steps/STP-008-completes-the-goal",
];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Judges the reference as it is started with a manifest; `start` are further words of its command.
fn judge(start: &str, jobs: &str, mark: &str) -> Output {
    let folder = tempfile::tempdir().expect("a folder");
    for case in CASES {
        let file = format!("{case}.yaml");
        let to = folder.path().join("cases").join(&file);
        std::fs::create_dir_all(to.parent().expect("a folder")).expect("made");
        std::fs::copy(root().join("conformance/cases").join(&file), to).expect(case);
    }
    let definition = format!(
        "[start]\ncommand = ['{}', 'serve', '--listen', '127.0.0.1:${{port}}', '--allow-address', '127.0.0.0/8', '--auth', '{}', \
         '--secret', 'CALENDAR_TOKEN', '--secret', 'EMAIL_TOKEN', '--secret', 'CRM_TOKEN', '--variable', 'MARK={mark}', {start}]\n\
         ready_timeout_s = 60\n[manifest]\ndelivery = 'file'\n",
        env!("CARGO_BIN_EXE_oap-conform"),
        root().join("fixtures/harness/auth.toml").display(),
    );
    std::fs::write(folder.path().join("oap-target.toml"), definition).expect("written");
    Command::new(env!("CARGO_BIN_EXE_oap-conform"))
        .args(["run", "--cases", "cases", "--jobs", jobs, "--verbose"])
        .current_dir(folder.path())
        .output()
        .expect("the binary runs")
}

fn said(output: &Output) -> String {
    format!(
        "{}\n{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

fn left(mark: &str) -> Vec<String> {
    let entries = std::fs::read_dir("/proc").expect("/proc");
    entries
        .filter_map(|entry| std::fs::read(entry.ok()?.path().join("cmdline")).ok())
        .map(|line| String::from_utf8_lossy(&line).replace('\0', " "))
        .filter(|line| line.contains(mark))
        .collect()
}

#[test]
fn each_case_has_an_instance_with_its_manifest() {
    for jobs in ["1", "3"] {
        let mark = format!("lane-{jobs}-{}", std::process::id());
        let output = judge("'--manifest', '${manifest}'", jobs, &mark);
        let said = said(&output);
        assert!(said.contains("5 cases, "), "{said}");
        assert!(said.contains(" 4 pass, 1 not_implemented"), "{said}");
        assert!(
            said.contains("the target takes its manifest from a file"),
            "{said}"
        );
        assert_eq!(output.status.code(), Some(4), "{said}");
        assert_eq!(left(&mark), Vec::<String>::new());
    }
}

#[test]
fn a_target_that_does_not_take_the_file_passes_nothing_that_needs_it() {
    let mark = format!("lane-deaf-{}", std::process::id());
    let output = judge("", "2", &mark);
    let said = said(&output);
    assert_ne!(output.status.code(), Some(0), "{said}");
    // What is asked without a manifest is answered all the same.
    assert!(said.contains("1 pass"), "{said}");
    assert_eq!(left(&mark), Vec::<String>::new());
}
