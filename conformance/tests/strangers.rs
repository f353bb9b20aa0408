//! Foreign targets that are odd in one way each: the right exit code, one clear sentence, no secret shown, and no process left.

mod processes;
mod program;
mod table;

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use processes::{left, mark};
use program::{finished, program, told};

/// Longest time of one run; most of it is spent on starting two programs.
const BOUND: Duration = Duration::from_secs(60);

/// How long to wait for something that is sure to come.
const PATIENCE: Duration = Duration::from_secs(30);

/// Two cases that the well-behaved target passes: one about registration, one about nothing of the kind.
const TWO: &str = "CAP-005-health-of-core,REG-007-again";

/// The cases that are read: few, so that each run starts at once.
const CASES: [&str; 5] = [
    "capabilities/CAP-005-health-of-core.yaml",
    "registration/REG-007-again.yaml",
    "errors/ERR-001-every-error.yaml",
    "sessions/SES-007-ten-steps.yaml",
    "sessions/SES-018-bodies.yaml",
];

/// What no output may hold.
const SECRETS: [&str; 4] = [
    "cal-tok+en/3f9a1c77",
    "eml-tok+en/8b2d4e01",
    "sk-test-model-key-0001",
    "head-token-0001",
];

/// One target: its mode, the cases it meets, the exit code, and a part of what is said.
struct Row {
    mode: &'static str,
    filter: &'static str,
    definition: &'static str,
    code: i32,
    says: &'static str,
}

const fn row(mode: &'static str, filter: &'static str, code: i32, says: &'static str) -> Row {
    Row {
        mode,
        filter,
        definition: "",
        code,
        says,
    }
}

const fn with(row: Row, definition: &'static str) -> Row {
    Row { definition, ..row }
}

/// The table. In a pattern, `*` stands for anything within a line.
const TABLE: [Row; 23] = [
    row("well", TWO, 0, "2 cases, * assertions: 2 pass"),
    row("listens-late", TWO, 0, "2 pass"),
    row("slow-start", TWO, 0, "2 pass"),
    row("floods-its-output", TWO, 0, "2 pass"),
    row("ignores-signals", TWO, 0, "2 pass"),
    row("forks-children", TWO, 0, "2 pass"),
    row(
        "exits-at-once",
        TWO,
        3,
        "the target ended before it was ready, with exit code 3; the last that it wrote:",
    ),
    with(
        row(
            "never-ready",
            TWO,
            3,
            "the target is not ready after 1 s: nobody listens at http://127.0.0.1:*",
        ),
        "ready_timeout_s = 1",
    ),
    with(
        row(
            "listens-elsewhere",
            TWO,
            3,
            "it has to listen on the port that stands in PORT",
        ),
        "ready_timeout_s = 1",
    ),
    with(
        row(
            "always-503",
            TWO,
            3,
            "the target is not ready after 1 s: GET /healthz answers 503",
        ),
        "ready_timeout_s = 1",
    ),
    row(
        "dies-at-the-third",
        "REG-007-again",
        1,
        "the target ended by itself (exit code 7)",
    ),
    row(
        "dies-on-one-case",
        TWO,
        1,
        "2 cases, * assertions: 1 pass, 1 fail",
    ),
    row(
        "kills-itself",
        TWO,
        1,
        "the target ended by itself (signal 9, SIGKILL)",
    ),
    with(
        row(
            "kills-itself",
            "REG-007-again",
            1,
            "the target ended during the run, once: signal 9, SIGKILL",
        ),
        "[limits]\nrestarts = 0",
    ),
    with(
        row(
            "hangs",
            TWO,
            3,
            "the target hung and was ended after a restart, and is not started again",
        ),
        "[limits]\nrequest_ms = 300\nrestarts = 1",
    ),
    with(
        row(
            "hangs-at-close",
            "SES-018-bodies",
            1,
            "no answer within 300 ms",
        ),
        "[limits]\nrequest_ms = 300",
    ),
    row(
        "chunked-garbage",
        TWO,
        1,
        "the connection broke before the answer was complete",
    ),
    row(
        "no-http",
        TWO,
        1,
        "the connection broke before the answer was complete",
    ),
    row(
        "closes-sockets",
        TWO,
        1,
        "the connection broke before the answer was complete",
    ),
    row(
        "half-an-answer",
        TWO,
        1,
        "the connection broke before the answer was complete",
    ),
    row("endless-answer", TWO, 1, "the answer has more than * bytes"),
    row(
        "wrong-content-type",
        "ERR-001-every-error",
        1,
        "got      \"text/html\"",
    ),
    row(
        "leaks-in-a-header",
        TWO,
        1,
        "the value of CALENDAR_TOKEN, raw",
    ),
];

#[test]
fn odd_targets_are_told_apart_and_leave_nothing_behind() {
    table::each(&TABLE, judged);
}

/// What is not as the row says.
fn judged(row: &Row) -> Option<String> {
    let folder = place();
    let mark = mark();
    define(folder.path(), row.mode, &mark, row.definition);
    let began = Instant::now();
    let output = finished(
        program(folder.path())
            .args([
                "run", "--cases", "cases", "--filter", row.filter, "--seed", "1",
            ])
            .args(["--keep", "kept", "--report", "json=report.json"]),
    );
    let took = began.elapsed();
    let said = told(&output);
    let written = said.clone() + &everything_below(folder.path());
    let mut wrong = Vec::new();
    if output.status.code() != Some(row.code) {
        wrong.push(format!("ended with {}, not {}", output.status, row.code));
    }
    if !matches(&said, row.says) {
        wrong.push(format!("does not say '{}'", row.says));
    }
    for secret in SECRETS.iter().filter(|secret| written.contains(**secret)) {
        wrong.push(format!("shows {secret}"));
    }
    if took > BOUND {
        wrong.push(format!("took {took:?}"));
    }
    let left = left(&mark);
    if !left.is_empty() {
        wrong.push(format!("left behind {}", left.join(", ")));
    }
    (!wrong.is_empty()).then(|| format!("{}: {}\n{said}", row.mode, wrong.join("; ")))
}

#[test]
fn a_run_that_is_interrupted_ends_its_target() {
    for signal in ["INT", "TERM", "HUP"] {
        let folder = place();
        let mark = mark();
        define(folder.path(), "never-ready", &mark, "ready_timeout_s = 100");
        let child = program(folder.path())
            .args(["run", "--cases", "cases", "--filter", TWO])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it starts");
        let mut child = Killed(Some(child));
        until(|| !left(&mark).is_empty());
        let id = child.0.as_ref().expect("not taken").id().to_string();
        let sent = Command::new("kill").args(["-s", signal, &id]).status();
        assert!(sent.expect("kill runs").success());
        let output = child.0.take().expect("not taken").wait_with_output();
        let output = output.expect("it ends");
        assert_eq!(output.status.code(), Some(5), "{signal}: {}", told(&output));
        assert!(
            told(&output).contains("interrupted; no verdict"),
            "{signal}"
        );
        assert_eq!(left(&mark), Vec::<String>::new(), "{signal}");
    }
}

#[test]
fn a_port_that_is_taken_is_told_before_anything_is_started() {
    let taken = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let url = format!("http://{}", taken.local_addr().expect("an address"));
    let folder = place();
    let mark = mark();
    let more = format!("[connect]\nbase_url = '{url}'");
    define(folder.path(), "well", &mark, &more);
    let output =
        finished(program(folder.path()).args(["run", "--cases", "cases", "--filter", TWO]));
    assert_eq!(output.status.code(), Some(3));
    let says = format!("the port is taken: something listens at {url}");
    assert!(told(&output).contains(&says), "{}", told(&output));
    assert_eq!(left(&mark), Vec::<String>::new());
}

#[test]
fn a_target_that_somebody_else_started_and_that_hangs_ends_the_run() {
    let folder = place();
    let free = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let address = free.local_addr().expect("an address");
    drop(free);
    let mut odd = Command::new("python3");
    odd.arg(script()).args(["hangs", &mark()]);
    odd.env("PORT", address.port().to_string());
    let _odd = Killed(Some(odd.spawn().expect("python3 starts")));
    until(|| std::net::TcpStream::connect(address).is_ok());
    let url = format!("http://{address}");
    let output = finished(program(folder.path()).args([
        "run",
        "--cases",
        "cases",
        "--filter",
        TWO,
        "--url",
        &url,
        "--timeout",
        "300",
    ]));
    assert_eq!(output.status.code(), Some(3), "{}", told(&output));
    let says = format!("the target at {url} answers no more, not even GET /healthz");
    assert!(told(&output).contains(&says), "{}", told(&output));
}

#[test]
fn a_command_line_is_all_that_is_needed_and_headers_come_from_the_environment() {
    let folder = place();
    let mark = mark();
    let words = format!("python3 '{}' well {mark}", script().display());
    let arguments = [
        "run",
        "--command",
        &words,
        "--cases",
        "cases",
        "--filter",
        TWO,
    ];
    let output = finished(
        program(folder.path())
            .args(arguments)
            .args(["--header-env", "Authorization=MY_HEADER"])
            .env("MY_HEADER", "Bearer head-token-0001"),
    );
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
    assert!(!told(&output).contains("head-token-0001"));
    let missing = finished(
        program(folder.path())
            .args(arguments)
            .args(["--header-env", "Authorization=NOT_SET_AT_ALL"]),
    );
    assert_eq!(missing.status.code(), Some(2));
    assert!(told(&missing).contains("the environment variable NOT_SET_AT_ALL is not set"));
    assert_eq!(left(&mark), Vec::<String>::new());
}

#[test]
fn in_production_nothing_that_needs_a_script_is_observed_and_no_run_is_conformant() {
    let folder = place();
    let mark = mark();
    define(
        folder.path(),
        "hangs-at-close",
        &mark,
        "[inject]\nmodel = false",
    );
    let run = |filter: &str| {
        let output =
            finished(program(folder.path()).args(["run", "--cases", "cases", "--filter", filter]));
        (output.status.code(), told(&output))
    };
    let (code, said) = run(TWO);
    assert_eq!(code, Some(4), "{said}");
    assert!(
        said.contains("2 pass") && said.contains("INCOMPLETE"),
        "{said}"
    );
    let (code, said) = run("SES-007-ten-steps");
    assert_eq!(code, Some(4), "{said}");
    assert!(
        said.contains("the target asks a model of its own"),
        "{said}"
    );
    assert_eq!(left(&mark), Vec::<String>::new());
}

#[test]
fn what_the_maker_says_stays_in_the_denominators() {
    let folder = place();
    let mark = mark();
    let cannot = "[[cannot.requirements]]\nid = 'REG-007'\nreason = 'not before spring'";
    define(folder.path(), "well", &mark, cannot);
    let output =
        finished(program(folder.path()).args(["run", "--cases", "cases", "--filter", TWO]));
    let said = told(&output);
    assert_eq!(output.status.code(), Some(4), "{said}");
    assert!(
        said.contains("not before spring") && said.contains("1 of 2 MUST"),
        "{said}"
    );
}

#[test]
fn a_definition_that_cannot_be_used_is_wrong_usage() {
    let start = "[start]\ncommand = ['true']\n";
    for (text, says) in [
        (
            "[start]\ncommand = ['x']\nenviron = {}\n".to_owned(),
            "error: oap-target.toml:3: unknown member `environ`, expected one of `command`",
        ),
        (
            format!("{start}[[cannot.requirements]]\nid = 'REG-999'\nreason = 'x'\n"),
            "[cannot] names REG-999, and there is no such requirement or case",
        ),
        (
            format!("{start}[secrets]\nDB = 'NOT_SET_AT_ALL'\n"),
            "the environment variable NOT_SET_AT_ALL is not set",
        ),
        (format!("{start}cwd = 'nowhere'\n"), "there is no folder"),
        (
            "[start]\ncommand = ['no-such-program-here']\n".to_owned(),
            "there is no program 'no-such-program-here'",
        ),
    ] {
        let folder = place();
        std::fs::write(folder.path().join("oap-target.toml"), &text).expect("written");
        let output = finished(program(folder.path()).args(["run", "--cases", "cases"]));
        let said = told(&output);
        assert_eq!(output.status.code(), Some(2), "{text}\n{said}");
        assert!(said.contains(says), "{text}\n{said}");
    }
}

/// A folder to run in, with the cases.
fn place() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let all = Path::new(env!("CARGO_MANIFEST_DIR")).join("conformance/cases");
    for name in CASES {
        let to = folder.path().join("cases").join(name);
        std::fs::create_dir_all(to.parent().expect("a section")).expect("made");
        std::fs::copy(all.join(name), to).expect("copied");
    }
    folder
}

fn script() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("conformance/targets/odd/odd.py")
}

/// Members of `[start]` come first, whole tables after them.
fn define(folder: &Path, mode: &str, mark: &str, more: &str) {
    let script = script();
    let script = script.display();
    let text = format!(
        "[start]\ncommand = ['python3', '{script}', '{mode}', '{mark}']\nstop_timeout_s = 1\n{more}\n"
    );
    std::fs::write(folder.join("oap-target.toml"), text).expect("written");
}

/// All that a run wrote into its folder.
fn everything_below(folder: &Path) -> String {
    let mut text = String::new();
    for entry in std::fs::read_dir(folder).expect("readable").flatten() {
        if entry.path().is_dir() {
            text += &everything_below(&entry.path());
        } else {
            text += &String::from_utf8_lossy(&std::fs::read(entry.path()).expect("readable"));
        }
    }
    text
}

/// Whether a line of the text matches, `*` standing for anything.
fn matches(text: &str, pattern: &str) -> bool {
    text.lines().any(|line| {
        let mut rest = line;
        pattern.split('*').all(|part| match rest.find(part) {
            Some(at) => {
                rest = &rest[at + part.len()..];
                true
            }
            None => false,
        })
    })
}

fn until(mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "it never came");
        std::thread::yield_now();
    }
}

/// A child that does not outlive its test.
struct Killed(Option<Child>);

impl Drop for Killed {
    fn drop(&mut self) {
        if let Some(mut child) = self.0.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
