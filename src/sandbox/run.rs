//! One run, from a job to what came of it.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde_json::Value;
use wasmtime::{Store, Trap, UpdateDeadline};

use super::call::{self, Broken, Misuse};
use super::engine::Engine;
use super::host::Host;
use super::job::{Cancel, Failure, FailureCode, Finished, Job, Language, Program};
use super::limits::{Deadline, End, cancelled};
use super::reply;

/// The entry of an interpreter.
const INTERPRETER: &str = "oap_run";

/// Bytes that an interpreter's envelope may have beyond the result in it; a message is in one as well.
const ENVELOPE: usize = 16 * 1024;

/// What an interpreter is asked.
#[derive(Serialize)]
#[serde(untagged)]
enum Question<'a> {
    Run {
        code: &'a str,
        entrypoint: &'a str,
        arguments: &'a Value,
    },
    Check {
        code: &'a str,
        check: bool,
    },
}

/// Runs a job on this thread, until its end or `stop`.
pub(super) fn run(job: &Job, stop: &Cancel) -> Finished {
    let program = &job.program;
    let longest = job.limits.output;
    match program.language {
        Language::Wasm => {
            let (answer, used) = execute(job, &program.entrypoint, &job.arguments, longest, stop);
            used.with(answer.and_then(|text| reply::result(&text, longest)))
        }
        Language::JavaScript | Language::Python => {
            let question = Question::Run {
                code: &program.code,
                entrypoint: &program.entrypoint,
                arguments: &job.arguments,
            };
            interpret(job, &question, stop)
        }
    }
}

/// Whether the code of a job parses.
///
/// # Errors
/// The failure that says what is wrong with it; [`FailureCode::Busy`] when that could not be found out.
pub(super) fn check(job: &Job, networked: bool, stop: &Cancel) -> Result<(), Failure> {
    let Program { language, code, .. } = &job.program;
    let checked = match language {
        Language::Wasm => engine()?.module(code, networked).map(|_| ()),
        Language::JavaScript | Language::Python => {
            interpret(job, &Question::Check { code, check: true }, stop)
                .outcome
                .map(|_| ())
        }
    };
    checked.map_err(|failure| match failure.code {
        FailureCode::Cancelled => Failure::new(FailureCode::Busy, failure.message),
        _ => failure,
    })
}

fn interpret(job: &Job, question: &Question<'_>, stop: &Cancel) -> Finished {
    let longest = job.limits.output;
    let (answer, used) = execute(job, INTERPRETER, question, longest + ENVELOPE, stop);
    used.with(answer.and_then(|text| reply::unwrap(&text, longest)))
}

/// What a run used.
#[derive(Default)]
struct Used {
    logs: String,
    cpu: Duration,
    memory: usize,
    denied: bool,
}

impl Used {
    fn with(self, outcome: Result<Value, Failure>) -> Finished {
        Finished {
            outcome,
            logs: self.logs,
            cpu: self.cpu,
            memory: self.memory,
            denied: self.denied,
        }
    }
}

/// Calls `entry` of the job's module, in a new instance, and gives its text.
fn execute(
    job: &Job,
    entry: &str,
    input: &impl Serialize,
    longest: usize,
    stop: &Cancel,
) -> (Result<Vec<u8>, Failure>, Used) {
    match begin(job, input, stop) {
        Ok(prepared) => prepared.call(job, entry, longest, stop),
        Err(failure) => (Err(failure), Used::default()),
    }
}

/// All that takes time which is not the code's.
struct Prepared {
    engine: Arc<Engine>,
    module: wasmtime::InstancePre<Host>,
    input: Vec<u8>,
}

fn begin(job: &Job, input: &impl Serialize, stop: &Cancel) -> Result<Prepared, Failure> {
    if job.cancel.is_cancelled() || stop.is_cancelled() {
        return Err(cancelled());
    }
    let engine = engine()?;
    let module = match job.program.language {
        Language::Wasm => engine.module(&job.program.code, job.door.is_some())?,
        language => engine.guest(language).map_err(|_| broken_engine())?,
    };
    let input = serde_json::to_vec(input).map_err(|_| {
        Failure::new(
            FailureCode::Error,
            "the arguments cannot be written as JSON",
        )
    })?;
    Ok(Prepared {
        engine,
        module,
        input,
    })
}

impl Prepared {
    fn call(
        self,
        job: &Job,
        entry: &str,
        longest: usize,
        stop: &Cancel,
    ) -> (Result<Vec<u8>, Failure>, Used) {
        // Outlives the store, whose instance has a place in the pool.
        let _ticking = self.engine.ticking();
        let deadline = Deadline::start(&job.limits, &job.cancel, stop);
        let mut store = Store::new(self.engine.wasmtime(), Host::new(job, deadline));
        store.limiter(|host| &mut host.meter);
        store.set_epoch_deadline(1);
        store.epoch_deadline_callback(|mut store| {
            let deadline = &mut store.data_mut().deadline;
            Ok(match deadline.look() {
                Some(_) => UpdateDeadline::Interrupt,
                None => UpdateDeadline::Continue(deadline.stride()),
            })
        });

        let called = self
            .module
            .instantiate(&mut store)
            .map_err(Broken::Trapped)
            .and_then(|instance| {
                if job.program.language == Language::Wasm {
                    call::initialize(&mut store, &instance)?;
                }
                call::call(&mut store, &instance, entry, &self.input, longest)
            });
        let cpu = store.data().deadline.told();
        let answer = match called {
            // The last look was a moment ago.
            Ok(_) if cpu > job.limits.cpu => {
                let deadline = &store.data().deadline;
                Err(deadline.failure(End::Cpu))
            }
            Ok(text) => Ok(text),
            Err(broken) => Err(failure(store.data(), job, broken)),
        };
        let used = Used {
            logs: store.data_mut().wasi.take_logs(),
            cpu,
            memory: store.data().meter.peak(),
            denied: store.data().outside.denied,
        };
        (answer, used)
    }
}

fn engine() -> Result<Arc<Engine>, Failure> {
    Engine::shared().map_err(|_| broken_engine())
}

/// The reason may name paths of this machine; the command shows it to who may know.
fn broken_engine() -> Failure {
    Failure::new(
        FailureCode::Busy,
        "the sandbox cannot start; run `oap-conform sandbox check`",
    )
}

/// The failure that a broken call is. What ended the run from outside comes first, then what the code was refused.
fn failure(host: &Host, job: &Job, broken: Broken) -> Failure {
    if let Some(end) = host.deadline.ended() {
        return host.deadline.failure(end);
    }
    let error = |message: String| Failure::new(FailureCode::Error, message);
    if let Some(code) = host.wasi.exit_code() {
        return error(format!("the code ended the program with exit code {code}"));
    }
    if matches!(broken, Broken::TooLong) {
        return reply::too_long(job.limits.output);
    }
    if host.meter.refused() {
        return host.meter.failure();
    }
    match broken {
        Broken::TooLong => reply::too_long(job.limits.output),
        Broken::Convention(message) => error(message),
        Broken::Trapped(cause) => {
            if cause.is::<wasmtime::PoolConcurrencyLimitError>() {
                return Failure::new(FailureCode::Busy, "the sandbox is busy; try again");
            }
            if let Some(misuse) = cause.downcast_ref::<Misuse>() {
                return error(misuse.to_string());
            }
            if host.outside.denied {
                return Failure::new(
                    FailureCode::NetworkDenied,
                    "the code needs a network that is not granted",
                );
            }
            let trap = cause.downcast_ref::<Trap>();
            if trap.is_none() && job.program.language != Language::Wasm {
                // The interpreters themselves do nothing that fails so; the machine did.
                return Failure::new(
                    FailureCode::Busy,
                    "the sandbox could not run the code; try again",
                );
            }
            error(trapped(trap, job.program.language))
        }
    }
}

/// What happened, in words without addresses.
fn trapped(trap: Option<&Trap>, language: Language) -> String {
    let what = match trap {
        None => return "the module could not be run".to_owned(),
        Some(Trap::StackOverflow) => return "the code calls itself too deeply".to_owned(),
        // An interpreter does this when it is told to abort.
        Some(Trap::UnreachableCodeReached) if language != Language::Wasm => {
            return "the code ended the program".to_owned();
        }
        Some(Trap::UnreachableCodeReached) => "unreachable code was reached",
        Some(Trap::MemoryOutOfBounds) => "memory was accessed that is not there",
        Some(Trap::TableOutOfBounds) => "an element of a table was used that is not there",
        Some(Trap::IndirectCallToNull) => "an empty element of a table was called",
        Some(Trap::BadSignature) => "a function was called as one of another type",
        Some(Trap::IntegerOverflow) => "an integer is too large",
        Some(Trap::IntegerDivisionByZero) => "an integer was divided by zero",
        Some(Trap::BadConversionToInteger) => "a number was converted that is no integer",
        _ => return "the code trapped".to_owned(),
    };
    format!("the code trapped: {what}")
}
