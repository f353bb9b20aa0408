//! Sandboxes whose limits do not hold, hold too early, or harm others (`spec/sandbox.md`, section 3).

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;

use super::super::{Mutant, held};
use super::isolation::{Retold, prefixed, retelling};
use crate::manifest::RunCode;
use crate::runtime::Parts;
use crate::runtime::sandbox::{Ceiling, Done, SandboxParts};
use crate::runtime::session::Call;
use crate::sandbox::{Failure, FailureCode, Finished, Job, Limits, Program, QueueKey, Sandbox};

const MIB: usize = 1024 * 1024;

/// All of them.
pub fn mutants() -> Vec<Mutant> {
    [time(), memory(), asked(), others()]
        .into_iter()
        .flatten()
        .collect()
}

/// The code of a failed run, if it failed.
fn code(finished: &Finished) -> Option<FailureCode> {
    finished.outcome.as_ref().err().map(|failure| failure.code)
}

/// Takes one failure for another outcome.
struct Mistaken {
    failure: FailureCode,
    told: fn() -> Result<Value, Failure>,
}

impl Retold for Mistaken {
    fn retold(&self, _job: &Job, mut finished: Finished) -> Finished {
        if code(&finished) == Some(self.failure) {
            finished.outcome = (self.told)();
        }
        finished
    }
}

fn time() -> Vec<Mutant> {
    vec![
        retelling(
            "takes-a-runaway-for-an-error",
            "SBX-013",
            "a run that used up its time fails with sandbox_error",
            Mistaken {
                failure: FailureCode::CpuLimit,
                told: || Err(Failure::new(FailureCode::Error, "the code failed")),
            },
        ),
        retelling(
            "takes-a-runaway-for-a-success",
            "SBX-013",
            "a run that used up its time is told as one that returned null",
            Mistaken {
                failure: FailureCode::CpuLimit,
                told: || Ok(Value::Null),
            },
        ),
        swap_sandbox!(
            "ends-short-runs",
            "SBX-013",
            "runs are ended with sandbox_cpu_limit before they did anything",
            fn limits(&self, code: &RunCode, ceiling: &Ceiling) -> Limits {
                let _ = (code, ceiling);
                Limits {
                    cpu: Duration::ZERO,
                    ..Limits::default()
                }
            }
        ),
        swap_sandbox!(
            "doubles-the-time",
            "SBX-014",
            "a run is ended after 400 ms of processor time",
            fn job(&self, mut job: Job) -> Job {
                job.limits.cpu *= 2;
                job
            }
        ),
        swap_sandbox!(
            "halves-the-time",
            "SBX-014",
            "a run is ended after 100 ms of processor time",
            fn job(&self, mut job: Job) -> Job {
                job.limits.cpu /= 2;
                job
            }
        ),
        retelling(
            "lets-code-catch-the-limit",
            "SBX-017",
            "the end of a run's time is an exception that the code may handle",
            Mistaken {
                failure: FailureCode::CpuLimit,
                told: || Ok(Value::from("handled")),
            },
        ),
        swap_sandbox!(
            "does-not-sleep",
            "SBX-018",
            "sleeping returns at once, and the clock shows nothing of it",
            fn job(&self, job: Job) -> Job {
                let job = prefixed(
                    job,
                    "import time as _time\n_time.sleep = lambda seconds: None",
                    "",
                );
                let code = job.program.code.replace("3600000000000", "0");
                Job {
                    program: Program {
                        code: code.into(),
                        ..job.program
                    },
                    ..job
                }
            }
        ),
        swap_sandbox!(
            "sleeps-by-counting",
            "SBX-018",
            "sleeping uses processor time",
            fn job(&self, job: Job) -> Job {
                prefixed(
                    job,
                    "import time as _time\ndef _count(seconds):\n    for _ in range(int(seconds) * 1000):\n        pass\n_time.sleep = _count",
                    "",
                )
            }
        ),
    ]
}

fn memory() -> Vec<Mutant> {
    vec![
        swap_sandbox!(
            "one-gib-of-memory",
            "SBX-015",
            "a run may have 1 GiB",
            fn job(&self, mut job: Job) -> Job {
                job.limits.memory = 1024 * MIB;
                job
            }
        ),
        swap_sandbox!(
            "ten-mib-of-memory",
            "SBX-015",
            "a run has 10 MiB besides what the interpreter needs, never 64",
            fn job(&self, mut job: Job) -> Job {
                job.limits.memory = job.limits.memory.min(10 * MIB);
                job
            }
        ),
        swap_sandbox!(
            "one-page-too-many",
            "SBX-015",
            "a run may have one page more than its limit",
            fn job(&self, mut job: Job) -> Job {
                job.limits.memory += 65_536;
                job
            }
        ),
        retelling(
            "takes-want-of-memory-for-a-success",
            "SBX-015",
            "a run that is out of memory is told as one that returned null",
            Mistaken {
                failure: FailureCode::MemoryLimit,
                told: || Ok(Value::Null),
            },
        ),
        swap_sandbox!(
            "results-of-any-length",
            "SBX-020",
            "a result of 2 MiB is given",
            fn job(&self, mut job: Job) -> Job {
                job.limits.output = 64 * MIB;
                job
            }
        ),
        swap_sandbox!(
            "results-of-64-kib",
            "SBX-020",
            "a result of more than 64 KiB fails",
            fn job(&self, mut job: Job) -> Job {
                job.limits.output = 65_536;
                job
            }
        ),
    ]
}

fn asked() -> Vec<Mutant> {
    vec![
        swap_sandbox!(
            "ignores-limits-of-the-manifest",
            "SBX-016",
            "every run has the defaults, whatever the manifest says",
            fn limits(&self, code: &RunCode, ceiling: &Ceiling) -> Limits {
                let _ = (code, ceiling);
                Limits::default()
            }
        ),
        swap_sandbox!(
            "raises-memory-freely",
            "SBX-016",
            "memory_mib raises the limit beyond the ceiling",
            fn limits(&self, code: &RunCode, ceiling: &Ceiling) -> Limits {
                let _ = ceiling;
                Limits {
                    cpu: Duration::from_millis(code.cpu_ms.min(200)),
                    memory: usize::try_from(code.memory_mib).map_or(MIB, |mib| mib.min(1024) * MIB),
                    ..Limits::default()
                }
            }
        ),
        swap_sandbox!(
            "raises-time-freely",
            "SBX-016",
            "cpu_ms raises the limit beyond the ceiling",
            fn limits(&self, code: &RunCode, ceiling: &Ceiling) -> Limits {
                let _ = ceiling;
                Limits {
                    cpu: Duration::from_millis(code.cpu_ms.min(600)),
                    memory: usize::try_from(code.memory_mib).map_or(MIB, |mib| mib.min(64) * MIB),
                    ..Limits::default()
                }
            }
        ),
        Mutant::part(
            "compiles-for-ever",
            "SBX-021",
            "a module with very many functions, or branch tables, keeps all further calls waiting",
            Stuck(AtomicBool::new(false)),
        ),
    ]
}

/// Never done with one module.
struct Stuck(AtomicBool);

impl SandboxParts for Stuck {
    fn check_code(
        &self,
        sandbox: &Sandbox,
        program: &Program,
        networked: bool,
    ) -> Result<(), Failure> {
        let heavy = |part| program.code.matches(part).count() > 1000;
        if heavy("(func") || heavy("(br_table") {
            self.0.store(true, Ordering::Relaxed);
        }
        sandbox.check(program, networked)
    }

    fn submit(&self, sandbox: &Sandbox, key: &QueueKey, job: Job, done: Done) {
        if !self.0.load(Ordering::Relaxed) {
            return sandbox.submit(key, job, done);
        }
        done(Finished {
            outcome: Err(Failure::new(FailureCode::Error, "the compiler is busy")),
            logs: String::new(),
            cpu: Duration::ZERO,
            memory: 0,
            denied: false,
        });
    }
}

impl Parts for Stuck {
    fn sandbox(&self) -> &dyn SandboxParts {
        self
    }
}

fn others() -> Vec<Mutant> {
    vec![
        retelling(
            "recursion-spoils-the-next-run",
            "SBX-019",
            "after recursion without end the sandbox is broken for the next run",
            Spoiled(AtomicBool::new(false)),
        ),
        Mutant::part(
            "fails-runs-beside-a-runaway",
            "SBX-022",
            "while a run takes its time, runs of others are refused",
            Crowded(Arc::new(AtomicUsize::new(0))),
        ),
        Mutant::part(
            "runaways-go-first",
            "SBX-022",
            "small runs wait until a runaway has ended and its fallback too",
            Waiting,
        ),
        swap_sandbox!(
            "one-line-for-all",
            "SBX-022",
            "runs wait in one line, in the order in which they came",
            fn queue_key(&self, call: &Call) -> QueueKey {
                let _ = call;
                QueueKey::from("all")
            }
        ),
        Mutant::part(
            "sessions-stay-broken",
            "SBX-023",
            "once a limit ended a run, every further run of its session fails",
            Broken(Arc::default()),
        ),
    ]
}

/// Broken for good after the first failure: cases that run side by side must not mend it for each other.
struct Spoiled(AtomicBool);

impl Retold for Spoiled {
    fn retold(&self, _job: &Job, mut finished: Finished) -> Finished {
        let failed = finished.outcome.is_err();
        if self.0.fetch_or(failed, Ordering::Relaxed) {
            let failure = Failure::new(FailureCode::Error, "the stack is used up");
            finished.outcome = Err(failure);
        }
        finished
    }
}

/// One run at a time, and no other beside it.
struct Crowded(Arc<AtomicUsize>);

impl SandboxParts for Crowded {
    fn submit(&self, sandbox: &Sandbox, key: &QueueKey, job: Job, done: Done) {
        let running = Arc::clone(&self.0);
        if running.fetch_add(1, Ordering::AcqRel) > 0 {
            running.fetch_sub(1, Ordering::AcqRel);
            return done(Finished {
                outcome: Err(Failure::new(FailureCode::Error, "another run is under way")),
                logs: String::new(),
                cpu: Duration::ZERO,
                memory: 0,
                denied: false,
            });
        }
        sandbox.submit(key, job, move |finished| {
            running.fetch_sub(1, Ordering::AcqRel);
            done(finished);
        });
    }
}

impl Parts for Crowded {
    fn sandbox(&self) -> &dyn SandboxParts {
        self
    }
}

/// Small runs come last.
struct Waiting;

/// Longer than two runaways take on one thread.
const AFTER_RUNAWAYS: Duration = Duration::from_millis(900);

impl SandboxParts for Waiting {
    fn submit(&self, sandbox: &Sandbox, key: &QueueKey, job: Job, done: Done) {
        let code = &job.program.code;
        let endless = ["while True", "for (;;)", "$for_ever"];
        if endless.iter().any(|part| code.contains(part)) {
            return sandbox.submit(key, job, done);
        }
        let (sandbox, key) = (sandbox.clone(), key.clone());
        std::thread::spawn(move || {
            std::thread::sleep(AFTER_RUNAWAYS);
            sandbox.submit(&key, job, done);
        });
    }
}

impl Parts for Waiting {
    fn sandbox(&self) -> &dyn SandboxParts {
        self
    }
}

/// Sessions whose runs met a limit.
struct Broken(Arc<Mutex<BTreeSet<QueueKey>>>);

impl SandboxParts for Broken {
    /// A session's own, whatever the reference makes of it: by it the session is known again.
    fn queue_key(&self, call: &Call) -> QueueKey {
        QueueKey::from(call.session_id.as_str())
    }

    fn submit(&self, sandbox: &Sandbox, key: &QueueKey, job: Job, done: Done) {
        let (own, broken) = (key.clone(), Arc::clone(&self.0));
        sandbox.submit(key, job, move |mut finished| {
            let met = matches!(
                code(&finished),
                Some(FailureCode::CpuLimit | FailureCode::MemoryLimit)
            );
            if met {
                held(&broken).insert(own);
            } else if held(&broken).contains(&own) {
                let failure = Failure::new(FailureCode::Error, "the session's sandbox is gone");
                finished.outcome = Err(failure);
            }
            done(finished);
        });
    }
}

impl Parts for Broken {
    fn sandbox(&self) -> &dyn SandboxParts {
        self
    }
}
