//! The forms of the report.

use std::fs;

use serde_json::Value;

use super::{BAD, folder, good, json, lint, lint_only, out, put, told};

#[test]
fn the_edits_of_a_fix_mend_the_text() {
    let folder = folder("a.json", BAD);
    let report = json(&lint_only(folder.path(), &["a.json", "--format", "json"]));
    let findings = report["files"][0]["findings"].as_array().expect("findings");
    let fix = findings
        .iter()
        .find(|finding| finding["rule"] == "two_part_version")
        .map(|finding| &finding["fix"])
        .expect("a fix");
    assert_eq!(fix["safe"], true);
    let mut text = BAD.to_owned();
    for edit in fix["edits"].as_array().expect("edits").iter().rev() {
        let offset = |at: &Value| at["offset"].as_u64().expect("an offset") as usize;
        text.replace_range(
            offset(&edit["start"])..offset(&edit["end"]),
            edit["text"].as_str().expect("a text"),
        );
    }
    assert_eq!(text, BAD.replace("\"1.0\"", "\"1.0.0\""));
}

#[test]
fn sarif_has_rules_regions_and_fixes() {
    let folder = folder("a b.json", BAD);
    let output = lint_only(folder.path(), &["a b.json", "--format", "sarif"]);
    let log: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let run = &log["runs"][0];
    let rules = run["tool"]["driver"]["rules"].as_array().expect("rules");
    let results = run["results"].as_array().expect("results");
    assert_eq!((rules.len(), results.len()), (3, 3));
    for result in results {
        let index = result["ruleIndex"].as_u64().expect("an index") as usize;
        assert_eq!(rules[index]["id"], result["ruleId"]);
        let place = &result["locations"][0]["physicalLocation"];
        assert_eq!(place["artifactLocation"]["uri"], "a%20b.json");
        assert!(place["region"]["endColumn"].is_u64());
        assert!(result["partialFingerprints"]["oapLint/v1"].is_string());
    }
    let version = results
        .iter()
        .find(|result| result["ruleId"] == "two_part_version")
        .expect("the result");
    assert_eq!(version["level"], "warning");
    let region = &version["locations"][0]["physicalLocation"]["region"];
    assert_eq!(
        (
            &region["startLine"],
            &region["startColumn"],
            &region["endColumn"]
        ),
        (&Value::from(3), &Value::from(14), &Value::from(19))
    );
    let change = &version["fixes"][0]["artifactChanges"][0];
    assert!(
        change["replacements"][0]["insertedContent"]["text"]
            .as_str()
            .is_some_and(|text| text.contains("1.0.0"))
    );
}

#[test]
fn github_reads_one_command_a_line() {
    let name = "a,b:c%d\n::error::x.json";
    let folder = folder(name, BAD);
    let output = lint_only(folder.path(), &[name, "--format", "github"]);
    assert_eq!(output.status.code(), Some(1), "{}", told(&output));
    let text = out(&output);
    let commands: Vec<&str> = text.lines().filter(|line| line.starts_with("::")).collect();
    assert_eq!(commands.len(), 3, "{text}");
    let file = "file=a%2Cb%3Ac%25d\\n%3A%3Aerror%3A%3Ax.json,";
    assert_eq!(
        commands[2],
        format!(
            "::warning {file}line=3,endLine=3,col=14,endColumn=19,title=two_part_version::write the version as \"1.0.0\", which is \
             what it is taken for%0Aclause: MAN-004%0Ahelp: write \"1.0.0\" here"
        )
    );
    assert!(commands[0].starts_with(&format!(
        "::error {file}line=2,endLine=2,col=19,endColumn=25,title=duplicate_key::"
    )));
    assert!(
        text.lines()
            .last()
            .is_some_and(|line| line.ends_with("score 30")),
        "{text}"
    );
}

#[test]
fn junit_counts_failures_as_the_exit_code_does() {
    let folder = folder("a.json", BAD);
    put(folder.path(), "b.json", super::good());
    for (fail_on, failures) in [("error", 2), ("warning", 3), ("never", 0)] {
        let arguments = [
            "a.json",
            "b.json",
            "--format",
            "junit",
            "--fail-on",
            fail_on,
        ];
        let text = out(&lint_only(folder.path(), &arguments));
        let head = format!("tests=\"4\" skipped=\"0\" failures=\"{failures}\" errors=\"0\"");
        assert!(text.contains(&head), "{fail_on}: {text}");
    }
    let text = out(&lint_only(
        folder.path(),
        &["none.json", "--format", "junit"],
    ));
    assert!(text.contains("errors=\"1\""), "{text}");
}

#[test]
fn reports_go_into_files_too() {
    let folder = folder("a.json", BAD);
    let forms = ["text", "short", "json", "sarif", "github", "junit"];
    let mut arguments = vec!["a.json".to_owned(), "--format=short".to_owned()];
    for form in forms {
        arguments.push(format!("--report={form}=out/{form}"));
    }
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let output = lint_only(folder.path(), &arguments);
    assert_eq!(output.status.code(), Some(1), "{}", told(&output));
    for form in forms {
        let text = std::fs::read_to_string(folder.path().join("out").join(form)).expect(form);
        assert!(text.contains("two_part_version"), "{form}");
        assert!(!text.contains('\u{1b}'), "{form}");
    }
}

#[test]
fn the_step_of_the_action_annotates() {
    let folder = folder("agents/a.json", BAD);
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/.github/actions/lint/lint.sh");
    let mut command = std::process::Command::new("bash");
    command
        .arg(script)
        .current_dir(folder.path())
        .env("INPUT_BINARY", env!("CARGO_BIN_EXE_oap-conform"))
        .env("INPUT_PATHS", "agents/*.json")
        .env("INPUT_PRESET", "spec")
        .env("INPUT_SARIF", "out.sarif");
    let output = super::finished(&mut command);
    assert_eq!(output.status.code(), Some(1), "{}", told(&output));
    assert!(
        out(&output).starts_with("::error file=agents/a.json,line=2,"),
        "{}",
        told(&output)
    );
    assert!(folder.path().join("out.sarif").exists());
    // Nothing but the binary is needed where nothing is wrong.
    put(folder.path(), "agents/a.json", super::good());
    assert_eq!(super::finished(&mut command).status.code(), Some(0));
}

#[cfg(unix)]
#[test]
fn a_report_is_not_written_through_a_link() {
    let (folder, other) = (
        folder("good.json", &good()),
        tempfile::tempdir().expect("a folder"),
    );
    let victim = other.path().join("victim");
    fs::write(&victim, "old").expect("written");
    std::os::unix::fs::symlink(&victim, folder.path().join("report.json")).expect("a link");
    let output = lint(
        folder.path(),
        &["good.json", "--report", "json=report.json"],
    );
    assert_eq!(output.status.code(), Some(2), "{}", told(&output));
    assert_eq!(fs::read_to_string(&victim).expect("a text"), "old");
}

#[test]
fn what_cannot_be_read_has_no_score() {
    let folder = folder("good.json", &good());
    let output = lint(folder.path(), &["none.json", "--format", "json"]);
    assert_eq!(output.status.code(), Some(2), "{}", told(&output));
    let report: Value = serde_json::from_slice(&output.stdout).expect("a report");
    assert_eq!(report["summary"]["score"], Value::Null);
    let output = lint(folder.path(), &["none.json"]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.contains("no score") && !text.contains("100"), "{text}");
}
