//! Sandboxes that make something else of what code gives back, throws or writes (`spec/sandbox.md`, sections 7 and 8).

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::super::{Mutant, held};
use super::isolation::{Retold, prefixed, retelling};
use crate::diagnostic::Violation;
use crate::manifest::{Action, Kind};
use crate::runtime::redact::{Redactor, Site};
use crate::runtime::sandbox::{Done, SandboxParts, asked};
use crate::runtime::{Parts, response};
use crate::sandbox::{Failure, FailureCode, Finished, Job, Language, Program, QueueKey, Sandbox};
use crate::workflow::parts::WorkflowParts;

/// All of them.
pub fn mutants() -> Vec<Mutant> {
    [values(), messages(), ends(), logs(), agenda(), kept()]
        .into_iter()
        .flatten()
        .collect()
}

/// Tells runs of some code that failed as `sandbox_error` as successes.
struct Forgiven {
    /// Texts one of which the code must hold; none for any code.
    code: &'static [&'static str],
    /// The result that is told.
    told: fn(&Failure) -> Value,
}

impl Retold for Forgiven {
    fn retold(&self, job: &Job, mut finished: Finished) -> Finished {
        let code = &job.program.code;
        let meant = self.code.is_empty() || self.code.iter().any(|text| code.contains(text));
        if let Err(failure) = &finished.outcome
            && failure.code == FailureCode::Error
            && meant
        {
            finished.outcome = Ok((self.told)(failure));
        }
        finished
    }
}

/// What is wrong with an output, unless code made it.
fn mistaken(action: &Action, output: &Value) -> Vec<Violation> {
    match action.kind {
        Kind::RunCode(_) => Vec::new(),
        _ => response::check_output(action, output),
    }
}

/// Validates no result of code, neither in sessions nor in workflows.
struct AnyResult;

impl WorkflowParts for AnyResult {
    fn check_output(&self, action: &Action, output: &Value) -> Vec<Violation> {
        mistaken(action, output)
    }
}

impl Parts for AnyResult {
    fn workflow(&self) -> &dyn WorkflowParts {
        self
    }

    fn check_output(&self, action: &Action, output: &Value) -> Vec<Violation> {
        mistaken(action, output)
    }
}

fn values() -> Vec<Mutant> {
    vec![
        Mutant::part(
            "code-results-are-not-validated",
            "SBX-040",
            "takes any result of code, whatever the output schema says",
            AnyResult,
        ),
        swap_sandbox!(
            "results-become-texts",
            "SBX-040",
            "the result is the JSON text of what the code gave",
            fn outcome(
                &self,
                outcome: Result<Value, Failure>,
            ) -> Result<Value, crate::runtime::error::ErrorObject> {
                match outcome {
                    Ok(value) => Ok(Value::from(value.to_string())),
                    Err(failure) => Err(self.failure(&failure)),
                }
            }
        ),
        retelling(
            "what-is-not-json-is-made-json",
            "SBX-040",
            "writes what is not JSON down as a text",
            Forgiven {
                code: &[],
                told: |failure| Value::from(failure.message.as_str()),
            },
        ),
        retelling(
            "strange-values-become-null",
            "SBX-041",
            "makes null of what JSON has no word for",
            Forgiven {
                code: &[],
                told: |_| Value::Null,
            },
        ),
    ]
}

fn messages() -> Vec<Mutant> {
    vec![
        swap_sandbox!(
            "exceptions-say-nothing",
            "SBX-042",
            "the message of a failure is always the same",
            fn message(&self, _: &Failure) -> String {
                "the code failed".to_owned()
            }
        ),
        swap_sandbox!(
            "messages-have-stack-traces",
            "SBX-042",
            "the message of a failure is the whole stack trace",
            fn message(&self, failure: &Failure) -> String {
                let text = asked::message(failure);
                format!("Traceback (most recent call last):\n  in middle\n{text}")
            }
        ),
        swap_sandbox!(
            "messages-have-host-paths",
            "SBX-042",
            "the message of a failure says where the sandbox lies",
            fn message(&self, failure: &Failure) -> String {
                let text = asked::message(failure);
                format!("/usr/lib/oap/sandbox: {text}")
            }
        ),
        retelling(
            "exceptions-are-results",
            "SBX-042",
            "the text of an exception is the result",
            Forgiven {
                code: &[],
                told: |failure| json!({"error": failure.message}),
            },
        ),
    ]
}

/// Registers what does not parse, and tells its runs as successes.
struct Unparsed;

impl SandboxParts for Unparsed {
    fn check_code(&self, _: &Sandbox, _: &Program, _: bool) -> Result<(), Failure> {
        Ok(())
    }

    fn submit(&self, sandbox: &Sandbox, key: &QueueKey, job: Job, done: Done) {
        let told = move |mut finished: Finished| {
            if finished.outcome.is_err() {
                finished.outcome = Ok(Value::Null);
            }
            done(finished);
        };
        sandbox.submit(key, job, told);
    }
}

impl Parts for Unparsed {
    fn sandbox(&self) -> &dyn SandboxParts {
        self
    }
}

/// The job with a function of the language in the place of an entry point that the code does not declare.
fn borrowed(mut job: Job) -> Job {
    let name = &job.program.entrypoint;
    let after = match job.program.language {
        Language::Python => format!(
            "import builtins\nif '{name}' not in globals() and hasattr(builtins, '{name}'):\n    \
             {name} = lambda **given: getattr(builtins, '{name}')(*given.values())\n"
        ),
        Language::JavaScript => format!(
            "if (typeof {name} === 'function') {{ const own = {name}; globalThis.{name} = given => own(given); }}"
        ),
        Language::Wasm => String::new(),
    };
    job.program.code = format!("{}\n{after}", job.program.code).into();
    job
}

fn ends() -> Vec<Mutant> {
    vec![
        swap_sandbox!(
            "entry-points-of-the-language",
            "SBX-043",
            "calls what the language has under the name of an entry point that the code does not declare",
            fn job(&self, job: Job) -> Job {
                borrowed(job)
            }
        ),
        retelling(
            "missing-entry-points-are-null",
            "SBX-043",
            "code that cannot be called as asked gives null",
            Forgiven {
                code: &[],
                told: |_| Value::Null,
            },
        ),
        Mutant::part(
            "syntax-errors-are-null",
            "SBX-043",
            "code that does not parse gives null",
            Unparsed,
        ),
        retelling(
            "exits-are-null",
            "SBX-043",
            "a program that ends itself gives null",
            Forgiven {
                code: &["exit", "Exit", "KeyboardInterrupt"],
                told: |_| Value::Null,
            },
        ),
    ]
}

/// Changes the logs of runs.
struct Noted<F>(F);

impl<F: Fn(&mut Finished) + Send + Sync> Retold for Noted<F> {
    fn retold(&self, _: &Job, mut finished: Finished) -> Finished {
        (self.0)(&mut finished);
        finished
    }
}

/// Most bytes of logs that pile up.
const PILE: usize = 8 * 1024;

fn piling() -> Noted<impl Fn(&mut Finished) + Send + Sync> {
    let pile = Mutex::new(String::new());
    Noted(move |finished: &mut Finished| {
        let mut pile = held(&pile);
        pile.push_str(&finished.logs);
        if pile.len() > PILE {
            pile.clear();
        }
        finished.logs.clone_from(&pile);
    })
}

fn logs() -> Vec<Mutant> {
    vec![
        swap_sandbox!(
            "logs-are-lost",
            "SBX-044",
            "keeps nothing of what code writes",
            fn logs(&self, _: String) -> Option<String> {
                None
            }
        ),
        swap_sandbox!(
            "silent-runs-have-logs",
            "SBX-044",
            "gives an empty text where nothing was written",
            fn logs(&self, logs: String) -> Option<String> {
                Some(asked::logs(logs).unwrap_or_default())
            }
        ),
        swap_sandbox!(
            "only-standard-output-is-kept",
            "SBX-044",
            "keeps nothing of standard error",
            fn job(&self, job: Job) -> Job {
                let mut job = prefixed(
                    job,
                    "import sys as _sys\nclass _Nowhere:\n    def write(self, text): pass\n    def flush(self): pass\n_sys.stderr = _Nowhere()",
                    "console.error = () => {};",
                );
                let code = &job.program.code;
                job.program.code = code
                    .replace("(call $put (i32.const 2)", "(call $put (i32.const 9)")
                    .into();
                job
            }
        ),
        retelling(
            "logs-pile-up",
            "SBX-044",
            "the logs of a run have those of the runs before it too",
            piling(),
        ),
        retelling(
            "failed-runs-have-no-logs",
            "SBX-044",
            "keeps nothing of what failed code wrote",
            Noted(|finished: &mut Finished| {
                if finished.outcome.is_err() {
                    finished.logs.clear();
                }
            }),
        ),
        swap!(
            "logs-are-not-redacted",
            "SBX-044",
            "the logs of code tell the credentials that it wrote",
            fn redact_text(&self, site: Site, redactor: &Redactor, text: &str) -> String {
                match site {
                    Site::Logs => text.to_owned(),
                    _ => redactor.text(text).into_owned(),
                }
            },
            fn redact_value(&self, site: Site, redactor: &Redactor, value: Value) -> Value {
                match site {
                    Site::Answer | Site::Transcript => value,
                    _ => redactor.value(value),
                }
            }
        ),
        swap_sandbox!(
            "logs-have-no-bound",
            "SBX-044",
            "keeps more than 64 KiB of logs",
            fn logs(&self, logs: String) -> Option<String> {
                (!logs.is_empty()).then_some(logs)
            }
        ),
        swap_sandbox!(
            "logs-have-one-kibibyte",
            "SBX-044",
            "keeps the first KiB of logs only",
            fn logs(&self, mut logs: String) -> Option<String> {
                logs.truncate(logs.floor_char_boundary(1024));
                asked::logs(logs)
            }
        ),
        retelling(
            "much-output-is-a-failure",
            "SBX-045",
            "code that writes more than 64 KiB fails",
            Noted(|finished: &mut Finished| {
                if finished.logs.len() >= asked::LONGEST_LOGS {
                    let failure = Failure::new(FailureCode::OutputLimit, "too much output");
                    finished.outcome = Err(failure);
                }
            }),
        ),
    ]
}

fn agenda() -> Vec<Mutant> {
    vec![
        retelling(
            "agendas-are-empty",
            "SBX-046",
            "texts that code makes come back empty",
            Noted(|finished: &mut Finished| {
                if let Ok(Value::String(text)) = &mut finished.outcome {
                    text.clear();
                }
            }),
        ),
        retelling(
            "printed-code-makes-an-agenda",
            "SBX-046",
            "code that asks a model of its own is given an agenda",
            Forgiven {
                code: &["import openai"],
                told: |_| Value::from("Agenda: to be decided"),
            },
        ),
    ]
}

/// Results by code and arguments.
#[derive(Default)]
struct Shelf(Arc<Mutex<BTreeMap<String, Finished>>>);

impl SandboxParts for Shelf {
    fn submit(&self, sandbox: &Sandbox, key: &QueueKey, job: Job, done: Done) {
        let name = format!("{} {} {:?}", job.program.code, job.arguments, job.seed);
        let known = held(&self.0).get(&name).cloned();
        if let Some(finished) = known {
            done(finished);
            return;
        }
        let shelf = Arc::clone(&self.0);
        let told = move |finished: Finished| {
            held(&shelf).insert(name, finished.clone());
            done(finished);
        };
        sandbox.submit(key, job, told);
    }
}

impl Parts for Shelf {
    fn sandbox(&self) -> &dyn SandboxParts {
        self
    }
}

fn kept() -> Vec<Mutant> {
    vec![Mutant::part(
        "results-are-always-kept",
        "SBX-047",
        "gives a result again that nobody asked to keep, be it made of others' answers",
        Shelf::default(),
    )]
}
