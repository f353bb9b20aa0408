//! Sandboxes that call code in another way (`spec/sandbox.md`, section 6).

use serde_json::{Value, json};

use super::super::Mutant;
use super::isolation::{Retold, prefixed, retelling};
use crate::manifest::RunCode;
use crate::runtime::sandbox::asked;
use crate::sandbox::{Finished, Job, Language, Program};

/// All of them.
pub fn mutants() -> Vec<Mutant> {
    [modules(), imports(), javascript(), python()]
        .into_iter()
        .flatten()
        .collect()
}

/// The program, which is entered by `generate` if it is in this language.
fn by_generate(language: Language, code: &RunCode, mistaken: Language) -> Program {
    let mut program = asked::program(language, code);
    if language == mistaken {
        "generate".clone_into(&mut program.entrypoint);
    }
    program
}

fn modules() -> Vec<Mutant> {
    vec![
        swap_sandbox!(
            "arguments-are-forgotten",
            "SBX-035",
            "calls code with an empty object",
            fn arguments(&self, _: &Value) -> Value {
                json!({})
            }
        ),
        swap_sandbox!(
            "modules-get-null",
            "SBX-035",
            "calls modules with null in place of an object",
            fn job(&self, mut job: Job) -> Job {
                if job.program.language == Language::Wasm {
                    job.arguments = Value::Null;
                }
                job
            }
        ),
        swap_sandbox!(
            "entrypoints-are-generate",
            "SBX-035",
            "enters modules by generate, whatever the entry point is",
            fn program(&self, language: Language, code: &RunCode) -> Program {
                by_generate(language, code, Language::Wasm)
            }
        ),
    ]
}

/// The job with its code changed, if it is in this language.
fn rewritten(mut job: Job, language: Language, change: impl Fn(&str) -> String) -> Job {
    if job.program.language == language {
        job.program.code = change(&job.program.code).into();
    }
    job
}

/// An import of a module in text form, as a function that traps.
fn stubbed(line: &str) -> String {
    match (
        line.trim().starts_with("(import"),
        line.find("(func $outside"),
    ) {
        (true, Some(at)) => {
            let function = line.get(at..).unwrap_or_default();
            let open = function.trim_end().strip_suffix("))").unwrap_or(function);
            format!("  {open} (unreachable))")
        }
        _ => line.to_owned(),
    }
}

fn imports() -> Vec<Mutant> {
    vec![
        swap_sandbox!(
            "wasi-lacks-a-function",
            "SBX-036",
            "has no sock_shutdown",
            fn job(&self, job: Job) -> Job {
                rewritten(job, Language::Wasm, |code| {
                    code.replace("\"sock_shutdown\"", "\"sock_shut\"")
                })
            }
        ),
        swap_sandbox!(
            "foreign-imports-are-stubbed",
            "SBX-036",
            "puts functions that trap in the place of those it does not have",
            fn program(&self, language: Language, code: &RunCode) -> Program {
                let mut program = asked::program(language, code);
                if language == Language::Wasm {
                    let lines: Vec<String> = program.code.lines().map(stubbed).collect();
                    program.code = lines.join("\n").into();
                }
                program
            }
        ),
    ]
}

/// A wait for what never comes is told as a result.
struct Patient;

impl Retold for Patient {
    fn retold(&self, job: &Job, mut finished: Finished) -> Finished {
        if job.program.code.contains("new Promise(() => {})") && finished.outcome.is_err() {
            finished.outcome = Ok(Value::Null);
        }
        finished
    }
}

fn javascript() -> Vec<Mutant> {
    vec![
        swap_sandbox!(
            "javascript-gets-arguments-one-by-one",
            "SBX-037",
            "spreads the arguments over parameters",
            fn job(&self, job: Job) -> Job {
                rewritten(job, Language::JavaScript, |code| {
                    format!(
                        "{code}\n{{ const own = generate; generate = given => own(...Object.values(given)); }}"
                    )
                })
            }
        ),
        swap_sandbox!(
            "promises-are-not-awaited",
            "SBX-037",
            "takes the promise itself for the result",
            fn job(&self, job: Job) -> Job {
                rewritten(job, Language::JavaScript, |code| {
                    format!(
                        "{code}\n{{ const own = generate; generate = given => {{ const result = own(given); return result instanceof Promise ? {{}} : result; }}; }}"
                    )
                })
            }
        ),
        retelling(
            "unsettled-promises-are-null",
            "SBX-037",
            "a promise that never settles is a result, null",
            Patient,
        ),
        swap_sandbox!(
            "scripts-call-generate",
            "SBX-037",
            "calls generate of a script, whatever the entry point is",
            fn program(&self, language: Language, code: &RunCode) -> Program {
                by_generate(language, code, Language::JavaScript)
            }
        ),
    ]
}

fn python() -> Vec<Mutant> {
    vec![
        swap_sandbox!(
            "python-gets-one-dictionary",
            "SBX-038",
            "passes the arguments as one dictionary by position",
            fn job(&self, job: Job) -> Job {
                rewritten(job, Language::Python, |code| {
                    format!(
                        "{code}\n_own = generate\ndef generate(**given):\n    return _own(given)\n"
                    )
                })
            }
        ),
        swap_sandbox!(
            "modules-call-generate",
            "SBX-038",
            "calls generate of a Python module, whatever the entry point is",
            fn program(&self, language: Language, code: &RunCode) -> Program {
                by_generate(language, code, Language::Python)
            }
        ),
        swap_sandbox!(
            "hashes-cannot-be-imported",
            "SBX-039",
            "has no hashlib",
            fn job(&self, job: Job) -> Job {
                prefixed(
                    job,
                    "import sys as _sys\n_sys.modules['hashlib'] = None",
                    "",
                )
            }
        ),
    ]
}
