//! The command line as programs see it: exit codes, JSON, the line that says where a server listens.

mod files;
mod program;
mod reports;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use oap_conform::schema;
use serde_json::Value;

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_oap-conform"));
    command.args(arguments);
    for name in [
        "OPENAI_BASE_URL",
        "OPENAI_API_KEY",
        "OPENAI_MODEL",
        "OAP_MODEL_TIMEOUT_MS",
        "OAP_MODEL_WIRE",
        "OAP_MODEL_STREAM",
    ] {
        command.env_remove(name);
    }
    command
}

/// Runs in a folder of its own, since `run` remembers failures in the current one.
fn run(arguments: &[&str]) -> Output {
    let folder = tempfile::tempdir().expect("a folder");
    command(arguments)
        .current_dir(folder.path())
        .output()
        .expect("the binary runs")
}

fn code(output: &Output) -> i32 {
    output.status.code().expect("an exit code")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("UTF-8")
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
        panic!(
            "{error}\n{}\n{}",
            text(&output.stdout),
            text(&output.stderr)
        )
    })
}

/// One sentence that says what to do, and the exit code.
fn refused(arguments: &[&str], exit: i32, says: &str) {
    let output = run(arguments);
    let stderr = text(&output.stderr);
    assert_eq!(code(&output), exit, "{arguments:?}: {stderr}");
    assert!(stderr.contains(says), "{arguments:?}: {stderr}");
}

fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .and_then(|listener| listener.local_addr())
        .expect("a port")
        .port()
}

/// A server of the command line; it is killed when this is dropped.
struct Server {
    child: Child,
    lines: BufReader<std::process::ChildStdout>,
}

impl Server {
    fn start(command: &mut Command) -> Self {
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("it starts");
        let lines = BufReader::new(child.stdout.take().expect("piped"));
        Self { child, lines }
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.lines.read_line(&mut line).expect("a line");
        line.trim_end().to_owned()
    }

    fn signal(&self) {
        let ended = Command::new("kill")
            .arg(self.child.id().to_string())
            .status()
            .expect("kill runs");
        assert!(ended.success());
    }

    fn terminate(mut self) -> i32 {
        self.signal();
        self.child
            .wait()
            .expect("it ends")
            .code()
            .expect("a code, not a signal")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn get(address: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(address).expect("it listens");
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n"
    )
    .expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    answer
}

#[test]
fn the_reference_is_conformant_and_the_report_keeps_its_schema() {
    // Sandboxed code runs slowly in a build without optimisation: the gate judges all profiles with the program as users have it.
    let mut args = vec!["run", "--format", "json", "--seed", "1", "--jobs", "2"];
    let profiles = ["core", "session", "human", "workflow", "access", "storage"];
    args.extend(profiles.iter().flat_map(|name| ["--profile", name]));
    let output = run(&args);
    let report = json(&output);
    let failed: Vec<&Value> = report["cases"]
        .as_array()
        .expect("cases")
        .iter()
        .filter(|case| case["verdict"] != "pass" && case["verdict"] != "not_applicable")
        .collect();
    assert!(failed.is_empty(), "{failed:#?}");
    assert_eq!(
        (code(&output), &report["verdict"]),
        (0, &Value::from("conformant"))
    );
    let violations = schema::named("report")
        .expect("a schema")
        .violations(&report);
    assert!(violations.is_empty(), "{violations:#?}");
    assert!(report["totals"]["cases"].as_u64().expect("a count") >= 130);
    assert!(report["totals"]["assertions"].as_u64().expect("a count") >= 500);
}

#[test]
fn two_runs_give_the_same_report_outside_run() {
    let without_run = |seed: &str, jobs: &str| {
        let output = run(&[
            "run",
            "--format",
            "json",
            "--seed",
            seed,
            "--jobs",
            jobs,
            "--filter",
            "sessions,plans",
        ]);
        let mut report = json(&output);
        report.as_object_mut().expect("an object").remove("run");
        report.to_string()
    };
    assert_eq!(without_run("1", "1"), without_run("2", "4"));
}

#[test]
fn a_dead_url_is_exit_3_and_nothing_passes() {
    let url = format!("http://127.0.0.1:{}", free_port());
    let output = run(&["run", "--url", &url, "--format", "json"]);
    assert_eq!(code(&output), 3, "{}", text(&output.stderr));
    assert!(!text(&output.stdout).contains("\"pass\""));
    assert!(
        text(&output.stderr).contains(&url),
        "{}",
        text(&output.stderr)
    );
}

#[test]
fn wrong_usage_is_exit_2_with_one_sentence() {
    refused(&["run", "--filter", "no-such-case"], 2, "no case");
    refused(&["list", "--filter", "no-such-case"], 2, "no case");
    refused(
        &["run", "--url", "http://192.0.2.1:9"],
        2,
        "--allow-destructive",
    );
    refused(&["run", "--url", "ftp://127.0.0.1"], 2, "http");
    refused(
        &["run", "--url", "http://user:pw@127.0.0.1:9"],
        2,
        "user or password",
    );
    refused(&["run", "--jobs", "0"], 2, "--jobs");
    refused(&["run", "--repeat", "0"], 2, "--repeat");
    refused(&["run", "--profile", "cores"], 2, "no profile 'cores'");
    refused(&["run", "--report", "xml=out"], 2, "no format 'xml'");
    refused(&["run", "--last-failed"], 2, "last");
    refused(&["run", "--cases", "/no/such/folder"], 2, "/no/such/folder");
    refused(&["show", "no-such-case"], 2, "no-such-case");
    refused(&["explain", "STP-999"], 2, "STP-999");
    refused(
        &["selftest", "--filter", "no-such-case"],
        2,
        "no case or mutant",
    );
    refused(&["run", "--mutant", "no-such-mutant"], 2, "no-such-mutant");
    refused(
        &["serve", "--manifest", "/no/such/file"],
        2,
        "/no/such/file",
    );
    refused(&["serve", "--secret", "OPENAI_API_KEY"], 2, "model's key");
    refused(&["mock", "--script", "/no/such/file"], 2, "/no/such/file");
    refused(&["frobnicate"], 2, "frobnicate");
}

#[test]
fn a_busy_port_is_exit_3() {
    let busy = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let address = busy.local_addr().expect("an address").to_string();
    refused(&["serve", "--listen", &address], 3, &address);
    refused(&["mock", "--model-listen", &address], 3, &address);
    let url = format!("http://127.0.0.1:{}", free_port());
    refused(
        &["run", "--url", &url, "--model-listen", &address],
        3,
        &address,
    );
}

#[test]
fn every_error_of_a_case_folder_is_told_with_file_and_line() {
    let folder = tempfile::tempdir().expect("a folder");
    let write =
        |name: &str, text: &str| std::fs::write(folder.path().join(name), text).expect("written");
    write("one.yaml", "id: STP-001-a\ntitle: t\nsurprise: 1\n");
    write("two.yaml", "id: [\n");
    let cases = folder.path().display().to_string();
    let output = run(&["run", "--cases", &cases]);
    let stderr = text(&output.stderr);
    assert_eq!(code(&output), 2, "{stderr}");
    assert!(
        stderr.contains("one.yaml:") && stderr.contains("two.yaml:"),
        "{stderr}"
    );
}

#[test]
fn serve_says_where_it_listens_answers_and_drains() {
    let manifest =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/manifests/valid/meetbot.json");
    let manifest = manifest.display().to_string();
    let mut server = Server::start(&mut command(&[
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--manifest",
        &manifest,
    ]));
    let line = server.line();
    let address = line
        .strip_prefix("listening on http://")
        .expect(&line)
        .to_owned();
    assert!(get(&address, "/healthz").starts_with("HTTP/1.1 200"));
    assert!(get(&address, "/manifests").contains("\"MeetBot\""));
    assert_eq!(server.terminate(), 0);
    assert!(
        TcpStream::connect(&address).is_err(),
        "nothing listens afterwards"
    );
}

/// What a new connection is told.
fn told(address: &str) -> String {
    let mut late = TcpStream::connect(address).expect("it listens until it ends");
    let mut answer = Vec::new();
    write!(
        late,
        "GET /capabilities HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n"
    )
    .expect("sent");
    // Whoever is turned away may find the connection broken off behind the answer.
    let _ = late.read_to_end(&mut answer);
    text(&answer)
}

#[test]
fn serve_gives_up_what_is_in_flight_at_the_second_signal() {
    let service = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let endpoint = format!("http://{}/", service.local_addr().expect("an address"));
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("manifest.json");
    let manifest = serde_json::json!({"name": "slow", "version": "1.0.0", "actions": [
        {"type": "invoke_api", "name": "wait", "endpoint": endpoint, "method": "GET",
         "input_schema": {"type": "object"}, "output_schema": {}}]});
    std::fs::write(&path, manifest.to_string()).expect("written");
    let mut server = Server::start(&mut command(&[
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--allow-address",
        "127.0.0.0/8",
        "--manifest",
        &path.display().to_string(),
    ]));
    let line = server.line();
    let address = line.strip_prefix("listening on http://").expect(&line);
    let body = serde_json::json!({"user_id": "U", "manifest": "slow", "open_action": {"@type": "OpenAction:Action", "name": "wait", "input": {}}});
    let body = body.to_string();
    let mut client = TcpStream::connect(address).expect("it listens");
    write!(
        client,
        "POST /execute HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .expect("sent");
    // The service never answers; the call would wait for it as long as an action may.
    let _call = service.accept().expect("the call");
    server.signal();
    // It drains once whoever comes late is told so.
    while !told(address).starts_with("HTTP/1.1 503") {
        std::thread::yield_now();
    }
    assert_eq!(server.terminate(), 0);
    let mut answer = Vec::new();
    // Broken off or closed, without an answer.
    let _ = client.read_to_end(&mut answer);
    assert_eq!(text(&answer), "");
}

#[test]
fn serve_refuses_a_broken_manifest_with_every_violation() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("manifest.json");
    std::fs::write(
        &path,
        r#"{"name": "x", "version": "1.0.0", "actions": [{"name": "1"}]}"#,
    )
    .expect("written");
    let output = run(&[
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--manifest",
        &path.display().to_string(),
    ]);
    let stderr = text(&output.stderr);
    assert_eq!(code(&output), 2, "{stderr}");
    assert!(
        stderr.contains("/actions/0/name") && stderr.contains("input_schema"),
        "{stderr}"
    );
}

#[test]
fn a_runtime_that_listens_is_judged_by_its_url() {
    let model = format!("127.0.0.1:{}", free_port());
    let clock = format!("127.0.0.1:{}", free_port());
    let calendar = format!("127.0.0.1:{}", free_port());
    let plugins = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/plugins");
    let auth = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/harness/auth.toml");
    let mut server = Server::start(
        command(&[
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--variable",
            "OAP_TEST_REGION=eu",
            "--variable",
            &format!("OAP_TEST_PLUGIN_ORIGIN=http://{calendar}"),
            "--plugins",
            plugins,
            "--auth",
            auth,
            "--allow-address",
            "127.0.0.0/8",
            "--secret",
            "CALENDAR_TOKEN",
            "--secret",
            "EMAIL_TOKEN",
            "--secret",
            "CRM_TOKEN",
            "--secret",
            "OAP_TEST_BOUND",
            "--bind-secret",
            "OAP_TEST_BOUND=bound.example.com",
            "--test-clock",
            &clock,
        ])
        .env("OAP_TEST_JWT_HS256", "oap-test-hs256-key-0123456789abcdef")
        .env("OAP_TEST_STATIC_TOKEN", "oap-static-token-0001")
        .env("OAP_TEST_BOUND", "bound-secret-7d1f/+a==")
        .env("OPENAI_BASE_URL", format!("http://{model}/v1"))
        .env("OPENAI_API_KEY", "sk-test-model-key-0001")
        .env("OAP_MODEL_TIMEOUT_MS", "1000")
        .env("CALENDAR_TOKEN", "cal-tok+en/3f9a1c77==")
        .env("EMAIL_TOKEN", "eml-tok+en/8b2d4e01==")
        .env("CRM_TOKEN", "crm-tok+en/5c7e9a22=="),
    );
    let line = server.line();
    let url = line.strip_prefix("listening on ").expect(&line).to_owned();
    let output = run(&[
        "run",
        "--url",
        &url,
        "--model-listen",
        &model,
        "--calendar-listen",
        &calendar,
        "--clock",
        &format!("http://{clock}"),
        "--filter",
        "sessions,human,ACC-00,ACC-01,ACC-027",
        "--format",
        "json",
    ]);
    let report = json(&output);
    assert_eq!(code(&output), 0, "{report:#}");
    assert_eq!(report["run"]["selection"]["partial"], true);
    assert_eq!(server.terminate(), 0);
}

#[test]
fn expressions_are_evaluated_and_errors_point_at_their_place() {
    let folder = tempfile::tempdir().expect("a folder");
    let state = folder.path().join("state.json");
    std::fs::write(&state, r#"{"slots": [{"start": "10:00"}]}"#).expect("written");
    let state = state.display().to_string();
    let eval = |expression: &str, more: &[&str]| {
        let mut words = vec!["eval", expression, "--state", &state];
        words.extend(more);
        let output = run(&words);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (code(&output), text(&output.stdout), text(&output.stderr))
    };
    assert_eq!(eval("state.slots[0].start", &[]).1.trim(), "\"10:00\"");
    let (code, shown, note) = eval("state.missing.length", &[]);
    assert_eq!((code, shown.trim()), (0, "undefined"));
    assert!(note.contains("state.missing"), "{note}");
    let (code, _, error) = eval("state.slots > 1", &[]);
    assert_eq!(code, 1);
    let caret = error.lines().find(|line| line.trim_end().ends_with('^'));
    let at = caret.and_then(|line| line.find('^'));
    let shown = error.lines().find_map(|line| line.find("state.slots"));
    assert!(
        at.zip(shown).is_some_and(|(at, shown)| at >= shown),
        "{error}"
    );
    let (code, shown, _) = eval("1 +", &["--json"]);
    let parsed: Value = serde_json::from_str(&shown).expect("JSON");
    assert_eq!(
        (code, &parsed["error"]["reason"]),
        (1, &Value::from("syntax"))
    );
    assert_eq!(
        eval("at {{ state.slots[0].start }}", &["--template"])
            .1
            .trim(),
        "\"at 10:00\""
    );
}

#[test]
fn the_mock_services_run_on_their_own() {
    let folder = tempfile::tempdir().expect("a folder");
    let script = folder.path().join("script.yaml");
    std::fs::write(&script, "model:\n  - emit: {finished: true}\n").expect("written");
    let mut server = Server::start(&mut command(&[
        "mock",
        "--script",
        &script.display().to_string(),
    ]));
    let model = server.line();
    let address = model
        .trim_start_matches("model")
        .trim()
        .trim_start_matches("http://")
        .trim_end_matches("/v1")
        .to_owned();
    while server.line() != "ready" {}
    assert!(get(&address, "/__mock/health").starts_with("HTTP/1.1 200"));
    assert!(get(&address, "/__mock/default/unused").contains("finished"));
    assert_eq!(server.terminate(), 0);
}

#[test]
fn coverage_is_complete_and_keeps_its_schema() {
    let output = run(&["coverage", "--format", "json", "--check"]);
    let coverage = json(&output);
    assert_eq!(code(&output), 0, "{:#}", coverage["problems"]);
    let violations = schema::named("coverage-report")
        .expect("a schema")
        .violations(&coverage);
    assert!(violations.is_empty(), "{violations:#?}");
    assert_eq!(coverage["mission"]["rows"], 299);
    assert_eq!(coverage["mission"]["open"], Value::Array(Vec::new()));
}

#[test]
fn list_show_and_explain_work_offline() {
    let listed = json(&run(&["list", "--format", "json"]));
    let cases = listed.as_array().expect("a list");
    assert!(cases.len() >= 130);
    let id = cases[0]["id"].as_str().expect("an id");
    assert!(text(&run(&["show", id]).stdout).contains(id));
    let requirement = cases[0]["requirements"][0].as_str().expect("an id");
    let explained = run(&["explain", requirement]);
    assert!(
        text(&explained.stdout).contains(id),
        "{}",
        text(&explained.stdout)
    );
    assert_eq!(
        json(&run(&["explain", requirement, "--format", "json"]))["id"],
        requirement
    );
}

#[test]
fn a_dry_run_says_what_would_apply_and_asks_nothing_of_the_target() {
    let output = run(&["run", "--dry", "--filter", "sessions", "--format", "json"]);
    assert_eq!(code(&output), 0, "{}", text(&output.stderr));
    let planned = json(&output);
    assert!(
        planned
            .as_array()
            .expect("a list")
            .iter()
            .all(|case| case["id"].is_string())
    );
}

#[test]
fn a_report_is_written_where_it_is_asked_for() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("out/report.json");
    let output = run(&[
        "run",
        "--filter",
        "capabilities",
        "--report",
        &format!("json={}", path.display()),
    ]);
    assert_eq!(code(&output), 0, "{}", text(&output.stdout));
    let written: Value =
        serde_json::from_slice(&std::fs::read(&path).expect("written")).expect("JSON");
    assert_eq!(written["verdict"], "conformant");
    assert!(text(&output.stdout).contains("CONFORMANT"));
}

#[test]
fn the_verdict_is_the_same_on_each_wire_of_the_model() {
    for wire in ["openai", "anthropic", "cohere"] {
        for stream in [None, Some("--model-stream")] {
            let arguments = [
                "run",
                "--reference",
                "--model-wire",
                wire,
                "--filter",
                "MOD,TRN-004",
            ];
            let arguments: Vec<&str> = arguments.into_iter().chain(stream).collect();
            let output = run(&arguments);
            assert_eq!(code(&output), 0, "{arguments:?}: {}", text(&output.stdout));
        }
    }
    refused(
        &["run", "--model-wire", "smoke"],
        2,
        "openai, anthropic or cohere",
    );
}
