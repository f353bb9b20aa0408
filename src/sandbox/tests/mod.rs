//! Runs as a caller has them, through [`Sandbox`].

mod fuzz;
mod interpreter_limits;
mod interpreters;
mod limits;
mod network;
mod queue;
mod reply;
mod wasm;

use std::sync::{Arc, mpsc};
use std::time::Duration;

use serde_json::{Value, json};

use super::{
    Cancel, Door, DoorReply, DoorRequest, FailureCode, Finished, Job, Language, Limits, Program,
    Refused, Sandbox, Settings,
};

/// Longest that a test waits for anything: on a fresh machine an interpreter is compiled first, by an unoptimised compiler.
const PATIENCE: Duration = Duration::from_secs(300);

/// 2026-01-02 03:04:05 UTC.
const CLOCK_NS: u64 = 1_767_323_045_000_000_000;

fn job(language: Language, code: &str, arguments: Value) -> Job {
    Job {
        program: Program {
            language,
            code: Arc::from(code),
            entrypoint: "generate".to_owned(),
        },
        arguments,
        limits: Limits::default(),
        clock_ns: CLOCK_NS,
        seed: [7; 32],
        door: None,
        cancel: Cancel::default(),
    }
}

fn python(code: &str) -> Job {
    job(Language::Python, code, json!({}))
}

fn javascript(code: &str) -> Job {
    job(Language::JavaScript, code, json!({}))
}

/// A job whose `generate` evaluates one expression.
fn expression(language: Language, expression: &str) -> Job {
    match language {
        Language::Python => python(&format!("def generate():\n    return {expression}\n")),
        _ => javascript(&format!("function generate() {{ return {expression}; }}")),
    }
}

/// The code of the failure that a run ended with.
fn code(finished: &Finished) -> Option<FailureCode> {
    finished.outcome.as_ref().err().map(|failure| failure.code)
}

/// A job of a module: memory of two pages, an `oap_alloc` that hands out from 1024 on, and `body`, which brings `generate`.
fn module(body: &str) -> Job {
    job(Language::Wasm, &wat(2, body), json!({}))
}

fn wat(pages: u32, body: &str) -> String {
    // Imports come first in a module.
    let (imports, body): (Vec<&str>, Vec<&str>) = body
        .lines()
        .map(str::trim)
        .partition(|line| line.starts_with("(import"));
    format!(
        r#"(module {imports}
          (memory (export "memory") {pages})
          (global $top (mut i32) (i32.const 1024))
          (func $alloc (export "oap_alloc") (param $len i32) (result i32) (local $at i32)
            (local.set $at (global.get $top))
            (global.set $top (i32.add (global.get $top) (local.get $len)))
            (local.get $at))
          {body})"#,
        imports = imports.join("\n"),
        body = body.join("\n"),
    )
}

/// A `generate` of these instructions, which end with an i64.
fn generate(instructions: &str) -> String {
    format!(
        "(func (export \"generate\") (param $ptr i32) (param $len i32) (result i64) {instructions})"
    )
}

/// Instructions that return the text of a data segment.
fn text(json: &str) -> (String, String) {
    let segment: String = json.bytes().map(|byte| format!("\\{byte:02x}")).collect();
    (
        format!("(data (i32.const 16) \"{segment}\")"),
        format!("(i64.const {})", (16_u64 << 32) | json.len() as u64),
    )
}

/// A `generate` that runs instructions and then returns `"done"`.
fn done_after(instructions: &str) -> String {
    let (segment, packed) = text("\"done\"");
    format!(
        "{segment}\n{}",
        generate(&format!("{instructions} {packed}"))
    )
}

fn run(job: Job) -> Finished {
    run_in(&Sandbox::start(Settings::default()), job)
}

fn run_in(sandbox: &Sandbox, job: Job) -> Finished {
    let (sender, receiver) = mpsc::channel();
    sandbox.submit("test", job, move |finished| {
        let _ = sender.send(finished);
    });
    receiver.recv_timeout(PATIENCE).expect("the run ends")
}

/// The code of the failure that a job ends with, and its message.
fn failure(job: Job) -> (FailureCode, String) {
    let finished = run(job);
    let failure = finished.outcome.expect_err("it fails");
    assert!(!failure.message.is_empty());
    assert!(!failure.message.contains("0x"), "{}", failure.message);
    (failure.code, failure.message)
}

fn result(job: Job) -> Value {
    run(job).outcome.expect("it succeeds")
}

/// A door made of a function.
struct Answers<F>(F);

impl<F> Door for Answers<F>
where
    F: Fn(DoorRequest) -> Result<DoorReply, Refused> + Send + Sync,
{
    fn call(&self, request: DoorRequest, _patience: Duration) -> Result<DoorReply, Refused> {
        (self.0)(request)
    }
}

fn door<F>(answers: F) -> Option<Arc<dyn Door>>
where
    F: Fn(DoorRequest) -> Result<DoorReply, Refused> + Send + Sync + 'static,
{
    Some(Arc::new(Answers(answers)))
}

fn empty_reply() -> DoorReply {
    DoorReply {
        status: 204,
        headers: Vec::new(),
        body: Vec::new(),
    }
}
