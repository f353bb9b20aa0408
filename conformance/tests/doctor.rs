//! The first five minutes: what `init` writes can be read and judged, and `doctor` tells each broken target apart, in one sentence, with
//! what to do, without a secret and without a process left.

mod processes;
mod program;
mod table;

use std::path::Path;
use std::process::Output;

use oap_conform::schema;
use processes::{left, mark};
use program::{finished, program, told};
use serde_json::Value;

/// What no output may hold.
const SECRETS: [&str; 3] = [
    "cal-tok+en/3f9a1c77",
    "eml-tok+en/8b2d4e01",
    "sk-test-model-key-0001",
];

/// One target: its mode, the exit code, the first look that is wrong, a part of what it says and of what mends it.
struct Row {
    mode: &'static str,
    code: i32,
    check: &'static str,
    says: &'static str,
    fix: &'static str,
}

const fn row(
    mode: &'static str,
    code: i32,
    check: &'static str,
    says: &'static str,
    fix: &'static str,
) -> Row {
    Row {
        mode,
        code,
        check,
        says,
        fix,
    }
}

const TABLE: [Row; 18] = [
    row(
        "nothing-listens",
        3,
        "listens",
        "nobody listens at http://127.0.0.1:",
        "the port that stands in PORT and in ${port}",
    ),
    row(
        "listens-elsewhere",
        3,
        "listens",
        "; the target listens on port ",
        "write ${port} in the command",
    ),
    row(
        "exits-at-once",
        3,
        "stays up",
        "the target ended before it was ready, with exit code 1",
        "start it by hand",
    ),
    row(
        "500-at-readiness",
        3,
        "ready",
        "GET /healthz answers 500",
        "answer GET /healthz with 200",
    ),
    row(
        "no-capabilities",
        1,
        "capabilities",
        "GET /capabilities answers 404",
        "spec/capabilities.md",
    ),
    row(
        "wrong-capabilities",
        1,
        "capabilities",
        "does not fit its schema: /profiles",
        "spec/schemas/capabilities.json",
    ),
    row(
        "no-registration",
        1,
        "manifest",
        "POST /manifests answers 405 method_not_allowed",
        "take manifests at POST /manifests",
    ),
    row(
        "refuses-the-manifest",
        1,
        "manifest",
        "POST /manifests answers 422 manifest_invalid; the manifest has 1 violation; at /actions/0/endpoint: is not https",
        "its endpoints lead to http://127.0.0.1",
    ),
    row(
        "wrong-digest",
        1,
        "manifest",
        "has the wrong digest",
        "section 4.3",
    ),
    row(
        "dies-at-the-manifest",
        1,
        "manifest",
        "POST /manifests: ",
        "see the target's log",
    ),
    row(
        "no-sessions",
        1,
        "session",
        "POST /sessions answers 404 not_found",
        "or do not declare session",
    ),
    row(
        "asks-another-model",
        1,
        "model",
        "the scripted model was not asked: POST /sessions/…/step answers 503 llm_unavailable",
        "below the address in OPENAI_BASE_URL, here http://127.0.0.1:",
    ),
    row(
        "hides-the-goal",
        1,
        "model",
        "its prompt shows neither the goal nor the observation",
        "MOD-004",
    ),
    row(
        "asks-by-another-name",
        1,
        "model",
        "was asked for 'gpt-4o', not for 'scripted-model'",
        "OPENAI_MODEL",
    ),
    row(
        "shows-another-key",
        1,
        "model",
        "with another value than the key in OPENAI_API_KEY",
        "Authorization: Bearer",
    ),
    row(
        "refuses-loopback",
        1,
        "services",
        "the calendar was not reached: the action ended with address_refused",
        "allow the addresses 127.0.0.0/8",
    ),
    row(
        "sends-no-token",
        1,
        "tokens",
        "the calendar was called without CALENDAR_TOKEN",
        "are in the target's environment: grant",
    ),
    row(
        "grants-no-token",
        1,
        "tokens",
        "missing_credential; CALENDAR_TOKEN is not granted",
        "grant CALENDAR_TOKEN, EMAIL_TOKEN and CRM_TOKEN to actions as secrets",
    ),
];

#[test]
fn each_broken_target_gets_its_sentence_and_what_mends_it() {
    table::each(&TABLE, looked_at);
}

/// What is not as the row says.
fn looked_at(row: &Row) -> Option<String> {
    let folder = tempfile::tempdir().expect("a folder");
    let mark = mark();
    define(folder.path(), row.mode, &mark);
    let output = finished(program(folder.path()).args(["doctor", "--format", "json"]));
    let said = told(&output);
    let mut wrong = problems(&output, &mark);
    if output.status.code() != Some(row.code) {
        wrong.push(format!("ended with {}, not {}", output.status, row.code));
    }
    let diagnosis: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    if let Some(schema) = schema::named("doctor") {
        wrong.extend(
            schema
                .violations(&diagnosis)
                .iter()
                .map(|violation| format!("{} {}", violation.pointer, violation.message)),
        );
    }
    match first_wrong(&diagnosis) {
        None => wrong.push("nothing is wrong".to_owned()),
        Some(check) => {
            for (member, expected) in [("check", row.check), ("says", row.says), ("fix", row.fix)] {
                let got = check[member].as_str().unwrap_or_default();
                if !got.contains(expected) {
                    wrong.push(format!("{member}: '{expected}' is not in '{got}'"));
                }
            }
        }
    }
    (!wrong.is_empty()).then(|| format!("{}: {}\n{said}", row.mode, wrong.join("; ")))
}

#[test]
fn a_target_that_is_ready_is_told_so() {
    let folder = tempfile::tempdir().expect("a folder");
    let mark = mark();
    define(folder.path(), "well", &mark);
    let output = finished(program(folder.path()).arg("doctor"));
    let said = told(&output);
    assert_eq!(output.status.code(), Some(0), "{said}");
    for line in [
        "oap-target.toml can be read",
        "declares core, session",
        "the scripted model was asked, with its key and name",
        "reached: calendar, email, crm",
        "right where a service was reached: calendar, email, crm",
        "no known secret stands in an answer or a prompt",
        ", 0 wrong, ",
        "next: oap-conform run",
    ] {
        assert!(said.contains(line), "'{line}' is not in\n{said}");
    }
    assert_eq!(problems(&output, &mark), Vec::<String>::new());
}

#[test]
fn a_secret_in_an_answer_is_told_without_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let mark = mark();
    define(folder.path(), "tells-a-secret", &mark);
    let output = finished(program(folder.path()).args(["doctor", "--format", "json"]));
    let diagnosis: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let check = first_wrong(&diagnosis).expect("something is wrong");
    assert_eq!(check["check"], "secrets", "{}", told(&output));
    let says = check["says"].as_str().expect("a sentence");
    assert!(
        says.contains(
            "POST /sessions/…/step, at /body/result/output/debug: the value of CALENDAR_TOKEN"
        ),
        "{says}"
    );
    assert_eq!(problems(&output, &mark), Vec::<String>::new());
}

#[test]
fn what_cannot_be_started_or_read_is_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("oap-target.toml");
    for (definition, code, check, says) in [
        (
            "[start]\ncommnd = 'x'",
            2,
            "definition",
            "oap-target.toml:2",
        ),
        (
            "[start]\ncommand = 'there-is-no-such-program'",
            3,
            "program",
            "there is no program 'there-is-no-such-program'",
        ),
    ] {
        std::fs::write(&file, definition).expect("written");
        let output = finished(program(folder.path()).args(["doctor", "--format", "json"]));
        assert_eq!(output.status.code(), Some(code), "{}", told(&output));
        let diagnosis: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        let wrong = first_wrong(&diagnosis).expect("something is wrong");
        assert_eq!(wrong["check"], check);
        let got = wrong["says"].as_str().unwrap_or_default();
        assert!(got.contains(says), "{got}");
    }
    std::fs::remove_file(&file).expect("removed");
    let output = finished(program(folder.path()).arg("doctor"));
    assert_eq!(output.status.code(), Some(2));
    assert!(told(&output).contains("oap-conform init"));
    let nobody = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let url = format!("http://{}", nobody.local_addr().expect("an address"));
    drop(nobody);
    let output = finished(program(folder.path()).args(["doctor", "--url", &url]));
    assert_eq!(output.status.code(), Some(3));
    assert!(told(&output).contains("start the runtime first"));
}

#[test]
fn what_init_writes_is_short_and_ready() {
    let folder = tempfile::tempdir().expect("a folder");
    let mark = mark();
    let command = command_of("well", &mark);
    let init = |more: &[&str]| {
        let mut program = program(folder.path());
        finished(program.args(["init", "--command", &command]).args(more))
    };
    let at = |name: &str| folder.path().join(name);
    let output = init(&["--ci", "github"]);
    let said = told(&output);
    assert_eq!(output.status.code(), Some(0), "{said}");
    let workflow = ".github/workflows/oap-conform.yml";
    for name in ["oap-target.toml", "oap-baseline.toml", workflow] {
        assert!(said.contains(&format!("wrote {name}")), "{said}");
        assert!(at(name).is_file(), "{name}");
    }
    assert!(said.contains("next: oap-conform doctor"), "{said}");
    let text = std::fs::read_to_string(at("oap-target.toml")).expect("read");
    let counts = |line: &&str| !line.trim().is_empty() && !line.starts_with('#');
    assert!(text.lines().filter(counts).count() < 10, "{text}");
    let action = std::fs::read_to_string(at(workflow)).expect("read");
    assert!(action.contains("/.github/actions/conform@v"), "{action}");

    let output = finished(program(folder.path()).arg("doctor"));
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
    assert_eq!(problems(&output, &mark), Vec::<String>::new());
    let output = finished(program(folder.path()).args(["run", "--dry"]));
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));

    let output = init(&["--ci", "none"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(told(&output).contains("oap-target.toml exists, and nothing was written"));
    std::fs::write(at("oap-baseline.toml"), "# mine").expect("written");
    let output = init(&["--ci", "gitlab", "--force"]);
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
    let kept = std::fs::read_to_string(at("oap-baseline.toml")).expect("read");
    assert_eq!(kept, "# mine");
    assert!(at(".gitlab-ci.yml").is_file());
}

#[test]
fn init_knows_the_other_ways_and_refuses_what_cannot_be_read() {
    for (arguments, code, part) in [
        (
            vec!["--url", "http://127.0.0.1:8080"],
            0,
            "base_url = \"http://127.0.0.1:8080\"",
        ),
        (
            vec!["--stdio", "python3 adapter.py"],
            0,
            "stdio = \"python3 adapter.py\"",
        ),
        (vec!["--command", "sh -c 'echo \"a\"'"], 0, "[start]"),
        (vec!["--command", "sh -c 'open"], 2, ""),
        (vec!["--command", "x ${prot}"], 2, ""),
        (vec![], 2, ""),
    ] {
        let folder = tempfile::tempdir().expect("a folder");
        let output = finished(program(folder.path()).arg("init").args(&arguments));
        let said = told(&output);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
        let text = std::fs::read_to_string(folder.path().join("oap-target.toml"));
        match text {
            Ok(text) => assert!(code == 0 && text.contains(part), "{text}"),
            Err(_) => assert_ne!(code, 0, "{arguments:?} wrote nothing"),
        }
    }
}

fn first_wrong(diagnosis: &Value) -> Option<&Value> {
    let checks = diagnosis["checks"].as_array()?;
    checks.iter().find(|check| check["state"] == "wrong")
}

fn command_of(mode: &str, mark: &str) -> String {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("conformance/targets/odd/unready.py");
    format!("python3 {} {mode} {mark}", script.display())
}

fn define(folder: &Path, mode: &str, mark: &str) {
    let command = command_of(mode, mark);
    let silent = ["nothing-listens", "listens-elsewhere", "500-at-readiness"].contains(&mode);
    // Long enough for an interpreter to start on a busy machine, and short where nothing is to come.
    let patience = if silent { 6 } else { 30 };
    let text = format!("[start]\ncommand = \"{command}\"\nready_timeout_s = {patience}\n");
    std::fs::write(folder.join("oap-target.toml"), text).expect("written");
}

/// Secrets that are shown, and processes that are left.
fn problems(output: &Output, mark: &str) -> Vec<String> {
    let said = told(output);
    let shown = SECRETS.iter().filter(|secret| said.contains(**secret));
    let mut problems: Vec<String> = shown.map(|secret| format!("shows {secret}")).collect();
    problems.extend(left(mark).into_iter().map(|it| format!("left {it}")));
    problems
}
