//! Targets that take their manifest from a file: an instance for each case, and no process left.

mod processes;
mod program;

use std::path::PathBuf;
use std::process::Output;

use processes::{left, mark};
use program::{finished, program, told};

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
    finished(program(folder.path()).args(["run", "--cases", "cases", "--jobs", jobs, "--verbose"]))
}

#[test]
fn each_case_has_an_instance_with_its_manifest() {
    for jobs in ["1", "3"] {
        let mark = mark();
        let output = judge("'--manifest', '${manifest}'", jobs, &mark);
        let said = told(&output);
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
    let mark = mark();
    let output = judge("", "2", &mark);
    let said = told(&output);
    assert_ne!(output.status.code(), Some(0), "{said}");
    // What is asked without a manifest is answered all the same.
    assert!(said.contains("1 pass"), "{said}");
    assert_eq!(left(&mark), Vec::<String>::new());
}
