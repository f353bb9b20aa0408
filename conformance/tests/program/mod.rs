//! The program itself, run to its end.

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use serde_json::Value;

/// Longest time of one run.
const BOUND: Duration = Duration::from_secs(120);

/// The program, to be run in this folder.
pub fn program(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_oap-conform"));
    command
        .current_dir(folder)
        .env("NO_COLOR", "1")
        .stdin(Stdio::null());
    command
}

/// Runs to its end, which is not waited for without limit.
pub fn finished(command: &mut Command) -> Output {
    let child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    let id = child.id().to_string();
    let (done, ended) = std::sync::mpsc::channel::<()>();
    let watchdog = std::thread::spawn(move || {
        if ended.recv_timeout(BOUND).is_err() {
            let _ = Command::new("kill").args(["-s", "KILL", &id]).status();
        }
    });
    let output = child.wait_with_output().expect("it ends");
    let _ = done.send(());
    watchdog.join().expect("no panic");
    output
}

/// Both streams.
pub fn told(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    text(&output.stdout) + &text(&output.stderr)
}

/// Runs a command of the program in a folder with a report as JSON: its exit code, the report, and what it said.
#[allow(
    dead_code,
    reason = "each test has this module for itself, and not all ask for reports"
)]
pub fn reported(folder: &Path, command: &str, arguments: &[&str]) -> (Option<i32>, Value, String) {
    let report = folder.join("report.json");
    let output = finished(
        program(folder)
            .arg(command)
            .args(arguments)
            .arg("--report")
            .arg(format!("json={}", report.display())),
    );
    let text = std::fs::read_to_string(&report).unwrap_or_default();
    let report = serde_json::from_str(&text).unwrap_or_default();
    (output.status.code(), report, told(&output))
}
