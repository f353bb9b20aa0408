//! From the command to the first answer.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::check::Diagnosis;
use super::listening;
use crate::suite::target::command::{LOOK, PAUSE, Plan, Unready, is_free, until_ready};
use crate::suite::target::process::Process;
use crate::suite::target::stdio::{self, StdioTarget};
use crate::suite::target::{HttpRequest, HttpTarget, SendError, Target};
use crate::suite::verdict::RunError;

/// What is looked at on the way of a command.
const OF_A_COMMAND: [&str; 5] = ["port", "program", "stays up", "listens", "ready"];

/// Starts a command and waits until it is ready. `None`: it is not, and nothing of it is left.
pub async fn command(plan: &Plan, diagnosis: &mut Diagnosis) -> Option<Arc<Process>> {
    let [port, program, up, listens, ready] = OF_A_COMMAND;
    let url = plan.http.base_url();
    if !is_free(&plan.http).await {
        diagnosis.wrong(
            port,
            format!("something listens at {url} before the target is started"),
            "end it, or write ${port} in the command in place of a fixed port",
        );
        diagnosis.skip_all(&[program, up, listens, ready], "the port is taken");
        return None;
    }
    diagnosis.ok(port, format!("{url} is free"));
    let process = match Process::start(&plan.launch) {
        Ok((process, _)) => process,
        Err(reason) => {
            diagnosis.wrong(
                program,
                reason,
                "install it, or name it by its path, as in .venv/bin/uvicorn; what a virtual environment brings is found when it is active",
            );
            diagnosis.skip_all(&[up, listens, ready], "the command was not started");
            return None;
        }
    };
    diagnosis.ok(
        program,
        format!("{} was started", plan.launch.words.join(" ")),
    );
    let outcome = until_ready(plan, &process).await;
    let log = || process.last_lines(&plan.secrets);
    let seconds = plan.ready_timeout.as_secs();
    let path = &plan.ready;
    match outcome {
        Ok(status) => {
            diagnosis.ok(up, "the process runs");
            diagnosis.ok(listens, format!("somebody listens at {url}"));
            ready_by(diagnosis, path, status);
            return Some(process);
        }
        Err(Unready::Ended(exit)) => {
            diagnosis.wrong_with(
                up,
                format!("the target ended before it was ready, with {exit}"),
                "start it by hand with the same command, and mend what it says; it gets PATH, HOME, LANG and the test environment only, so name what else it needs in [start] env or inherit",
                log(),
            );
            diagnosis.skip_all(&[listens, ready], "the target ended");
        }
        Err(Unready::Silent) => {
            let elsewhere = listening::ports(process.id(), &plan.launch.mark);
            diagnosis.ok(up, "the process runs");
            let (says, fix) = if elsewhere.is_empty() {
                (
                    format!("nobody listens at {url} after {seconds} s"),
                    "let it listen on the port that stands in PORT and in ${port}; if it takes longer, raise ready_timeout_s".to_owned(),
                )
            } else {
                let ports: Vec<String> = elsewhere.iter().map(u16::to_string).collect();
                (
                    format!(
                        "nobody listens at {url}; the target listens on port {} instead",
                        ports.join(", ")
                    ),
                    "let it listen on 127.0.0.1 and the port that stands in PORT; write ${port} in the command".to_owned(),
                )
            };
            diagnosis.wrong_with(listens, says, fix, log());
            diagnosis.skip(ready, "nobody listens");
        }
        Err(Unready::Status(status)) => {
            diagnosis.ok(up, "the process runs");
            diagnosis.ok(listens, format!("somebody listens at {url}"));
            diagnosis.wrong_with(
                ready,
                format!("GET {path} answers {status} after {seconds} s"),
                not_ready_fix(path),
                log(),
            );
        }
        Err(Unready::Broken(why)) => {
            diagnosis.ok(up, "the process runs");
            diagnosis.ok(listens, format!("somebody listens at {url}"));
            diagnosis.wrong_with(
                ready,
                format!("GET {path} after {seconds} s: {why}"),
                "answer it over HTTP/1.1 without asking model or services; see what it waits for",
                log(),
            );
        }
    }
    process.stop().await;
    None
}

/// Starts an adapter and waits until it says that it is ready. `None`: it does not, and nothing of it is left.
pub async fn stdio(plan: stdio::Plan, diagnosis: &mut Diagnosis) -> Option<Arc<StdioTarget>> {
    let words = plan.launch.words.join(" ");
    match StdioTarget::start(plan).await {
        Ok(target) => {
            diagnosis.ok("program", format!("{words} was started"));
            diagnosis.ok("ready", "the adapter says that it is ready");
            diagnosis.ready = true;
            Some(target)
        }
        Err(RunError::Usage(reason)) => {
            diagnosis.wrong("program", reason, "install it, or name it by its path");
            diagnosis.skip("ready", "the adapter was not started");
            None
        }
        Err(error) => {
            diagnosis.ok("program", format!("{words} was started"));
            let (says, log) = with_lines(&error.to_string());
            diagnosis.wrong_with(
                "ready",
                says,
                "mend what it says; its first line has to be {\"ready\": true, \"protocol\": \"oap-stdio/1\"}, and all else that it writes belongs on standard error (spec/stdio.md)",
                log,
            );
            None
        }
    }
}

/// Looks at a target that somebody else started.
pub async fn elsewhere(http: &HttpTarget, patience: Duration, diagnosis: &mut Diagnosis) {
    let url = http.base_url();
    let deadline = Instant::now() + patience;
    let path = "/healthz";
    loop {
        let exchange = http.send(HttpRequest::new("GET", path), LOOK).await;
        let over = Instant::now() + PAUSE >= deadline;
        match &exchange.outcome {
            Ok(answer) if answer.status < 500 => {
                diagnosis.ok("listens", format!("somebody listens at {url}"));
                ready_by(diagnosis, path, answer.status);
                return;
            }
            _ if !over => tokio::time::sleep(PAUSE).await,
            Err(SendError::Unreachable(_)) => {
                diagnosis.wrong(
                    "listens",
                    format!("nobody listens at {url}"),
                    "start the runtime first, or let the suite start it with --command",
                );
                diagnosis.skip("ready", "nobody listens");
                return;
            }
            outcome => {
                diagnosis.ok("listens", format!("somebody listens at {url}"));
                let says = match outcome {
                    Ok(answer) => format!("GET {path} answers {}", answer.status),
                    Err(error) => format!("GET {path}: {error}"),
                };
                diagnosis.wrong("ready", says, not_ready_fix(path));
                return;
            }
        }
    }
}

/// Looks whether a started target outlived what it was asked, and ends it.
pub async fn finish(process: &Process, plan: &Plan, diagnosis: &mut Diagnosis) {
    if let Some(exit) = process.exit() {
        diagnosis.wrong_with(
            "still up",
            format!("the target ended while it was asked, with {exit}"),
            "mend what it says; no request may end a runtime",
            process.last_lines(&plan.secrets),
        );
    }
    process.stop().await;
}

fn ready_by(diagnosis: &mut Diagnosis, path: &str, status: u16) {
    diagnosis.ready = true;
    let says = match status {
        200 => format!("GET {path} answers 200"),
        _ => format!(
            "GET {path} answers {status}: somebody is there; CAP-005 wants 200 with {{\"status\": \"ok\"}}"
        ),
    };
    diagnosis.ok("ready", says);
}

fn not_ready_fix(path: &str) -> String {
    format!(
        "answer GET {path} with 200 and {{\"status\": \"ok\"}} as soon as work is accepted, or name another path in [start] ready"
    )
}

/// A message, and the lines that stand below it.
fn with_lines(message: &str) -> (String, Vec<String>) {
    let mut lines = message.lines();
    let first = lines.next().unwrap_or_default();
    let first = first.trim_end_matches("; the last that it wrote:");
    let rest = lines
        .map(|line| line.trim_start().trim_start_matches("| ").to_owned())
        .collect();
    (first.to_owned(), rest)
}
