//! The threads that run code, and the door to them.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Map, Value};

use super::engine::{Engine, EngineError};
use super::job::{Cancel, Failure, FailureCode, Finished, Job, Language, Limits, Program};
use super::queue::{QueueKey, Ran, Turns};
use super::run;

/// Stack of a worker: code may use 2 MiB of it, our own functions called by the code the rest.
const STACK: usize = 8 * 1024 * 1024;

/// The key of checks; a session's own key cannot collide with it, whatever it is, other than by taking turns.
const CHECKS: &str = "\0check";

/// Processor time that parsing may take.
const CHECK_CPU: Duration = Duration::from_secs(2);

/// What is said when there is no room.
const BUSY: &str = "the sandbox is busy; try again";

/// How long a check waits for its turn and its end.
const CHECK_PATIENCE: Duration = Duration::from_secs(60);

/// How much runs at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// Threads that run code, at least one. More than there are processors is sensible: a run that waits for a granted network
    /// holds its thread, and one that burns processor time then shares the processor with others instead of going before them.
    pub workers: usize,
    /// Jobs that may wait; one more is refused at once.
    pub waiting: usize,
    /// Threads that one key can hold at a time; never all of them, if there are two.
    pub per_key: usize,
}

impl Default for Settings {
    /// Twice as many workers as processors, between 8 and 32, all but one for a key; 10 000 waiting jobs.
    fn default() -> Self {
        let processors = thread::available_parallelism().map_or(1, usize::from);
        Self {
            workers: (2 * processors).clamp(8, 32),
            waiting: 10_000,
            per_key: usize::MAX,
        }
    }
}

/// Runs code of strangers. Cheap to make and to clone: threads start when there is something to do, and end when the last clone
/// is dropped, which also ends what is running and cancels what is waiting.
#[derive(Clone)]
pub struct Sandbox {
    handle: Arc<Handle>,
}

impl std::fmt::Debug for Sandbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sandbox")
            .field("settings", &self.handle.shared.settings)
            .finish_non_exhaustive()
    }
}

impl Sandbox {
    /// A sandbox without threads; they come with the jobs.
    pub fn start(settings: Settings) -> Self {
        let shared = Arc::new(Shared {
            settings,
            state: Mutex::new(State {
                turns: Turns::new(),
                workers: 0,
                idle: 0,
                closed: false,
            }),
            changed: Condvar::new(),
            stop: Cancel::default(),
        });
        Self {
            handle: Arc::new(Handle { shared }),
        }
    }

    /// Makes engine and interpreters ready, which takes seconds on a machine that has not done so before; `watch` is told of
    /// each step. Blocks. Not needed: the first run of a language does the same.
    ///
    /// # Errors
    /// When there is no engine, or an interpreter cannot be made ready.
    pub fn prepare(&self, watch: &dyn Fn(&str)) -> Result<(), EngineError> {
        let engine = Engine::shared()?;
        for language in [Language::JavaScript, Language::Python] {
            engine.prepare(language, &|progress| watch(&progress.to_string()))?;
        }
        Ok(())
    }

    /// Runs a job when its turn comes. Turns go round the keys, so that a key with many jobs delays no other; those whose last
    /// job met its limit come after those whose did not. Jobs of one key begin in order, and never hold all workers. `done` is
    /// called exactly once: on a worker, or on this thread when the job is refused because too many wait
    /// ([`FailureCode::Busy`]).
    pub fn submit(
        &self,
        key: impl Into<QueueKey>,
        job: Job,
        done: impl FnOnce(Finished) + Send + 'static,
    ) {
        let refused = |code, message: &str| Finished {
            outcome: Err(Failure::new(code, message)),
            logs: String::new(),
            cpu: Duration::ZERO,
            memory: 0,
            denied: false,
        };
        let task = Box::new(move |turn: Turn<'_>| {
            let began = Instant::now();
            let finished = match turn {
                Turn::Refused(message) => refused(FailureCode::Busy, message),
                Turn::Run(stop) => catch_unwind(AssertUnwindSafe(|| run::run(&job, stop)))
                    // What a panic says is for developers and stands on standard error.
                    .unwrap_or_else(|_| refused(FailureCode::Error, "the sandbox failed")),
            };
            let ran = ran(&finished, began.elapsed() >= job.limits.wall);
            done(finished);
            ran
        });
        self.handle.shared.push(&key.into(), task);
    }

    /// Whether code can be registered: that of an interpreter parses, a module validates and imports only what it is given
    /// (`networked`: `oap.http` too). Runs none of it. Blocks until its turn came, at most a minute.
    ///
    /// # Errors
    /// What is wrong with the code; [`FailureCode::Busy`] when that could not be found out, which says nothing about the code.
    pub fn check(&self, program: &Program, networked: bool) -> Result<(), Failure> {
        let job = Job {
            program: program.clone(),
            arguments: Value::Object(Map::new()),
            limits: Limits {
                cpu: CHECK_CPU,
                ..Limits::default()
            },
            clock_ns: 0,
            seed: [0; 32],
            door: None,
            cancel: Cancel::default(),
        };
        let cancel = job.cancel.clone();
        let (sender, receiver) = mpsc::sync_channel(1);
        let task = Box::new(move |turn: Turn<'_>| {
            let checked = match turn {
                Turn::Refused(message) => Err(Failure::new(FailureCode::Busy, message)),
                Turn::Run(stop) => {
                    catch_unwind(AssertUnwindSafe(|| run::check(&job, networked, stop)))
                        .unwrap_or_else(|_| {
                            Err(Failure::new(FailureCode::Error, "the sandbox failed"))
                        })
                }
            };
            // Nobody may be waiting any more.
            let _ = sender.send(checked);
            Ran::Not
        });
        self.handle.shared.push(&CHECKS.into(), task);
        receiver.recv_timeout(CHECK_PATIENCE).unwrap_or_else(|_| {
            cancel.cancel();
            Err(Failure::new(FailureCode::Busy, BUSY))
        })
    }

    /// Runs a job on this thread, without a queue; for measurements. The thread needs 4 MiB of stack, which a program's first
    /// one has.
    pub fn run(&self, job: &Job) -> Finished {
        run::run(job, &self.handle.shared.stop)
    }
}

/// What a task is told.
enum Turn<'a> {
    /// To run, until the cancel.
    Run(&'a Cancel),
    /// That it will not run, and why.
    Refused(&'a str),
}

type Task = Box<dyn FnOnce(Turn<'_>) -> Ran + Send>;

/// What a run's end says about its key.
fn ran(finished: &Finished, waited_out: bool) -> Ran {
    match &finished.outcome {
        Err(failure) => match failure.code {
            FailureCode::CpuLimit => Ran::TooLong,
            FailureCode::Cancelled | FailureCode::Busy => Ran::Not,
            _ if waited_out => Ran::TooLong,
            _ => Ran::InTime,
        },
        Ok(_) => Ran::InTime,
    }
}

/// Shared by all clones; its end is the end of the threads.
struct Handle {
    shared: Arc<Shared>,
}

impl Drop for Handle {
    fn drop(&mut self) {
        // Nobody waits for the threads: the last clone may be dropped on one of them.
        self.shared.stop.cancel();
        self.shared.lock().closed = true;
        self.shared.changed.notify_all();
    }
}

struct Shared {
    settings: Settings,
    state: Mutex<State>,
    changed: Condvar,
    /// Ends every run.
    stop: Cancel,
}

struct State {
    turns: Turns<Task>,
    workers: usize,
    idle: usize,
    closed: bool,
}

impl Shared {
    /// No code of strangers and no callback runs under the lock, so a poisoned one is whole.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One key leaves a worker to the others, if there are two.
    fn most_of_a_key(&self) -> usize {
        let Settings {
            workers, per_key, ..
        } = self.settings;
        per_key.min(workers.saturating_sub(1)).max(1)
    }

    fn push(self: &Arc<Self>, key: &QueueKey, task: Task) {
        let mut state = self.lock();
        if state.turns.waiting() >= self.settings.waiting {
            drop(state);
            task(Turn::Refused(BUSY));
            return;
        }
        state.turns.push(key, task);
        if state.turns.waiting() > state.idle && state.workers < self.settings.workers.max(1) {
            let shared = Arc::clone(self);
            let spawned = thread::Builder::new()
                .name(format!("sandbox-{}", state.workers + 1))
                .stack_size(STACK)
                .spawn(move || shared.work());
            if spawned.is_ok() {
                state.workers += 1;
            } else if state.workers == 0 {
                // Nobody else would ever run it.
                let task = state.turns.next(usize::MAX);
                if let Some((key, _)) = &task {
                    state.turns.finished(key, Ran::Not);
                }
                drop(state);
                if let Some((_, task)) = task {
                    task(Turn::Refused("the sandbox has no thread; try again"));
                }
                return;
            }
        }
        drop(state);
        self.changed.notify_one();
    }

    /// The life of a worker.
    fn work(&self) {
        while let Some((key, task)) = self.take() {
            // A callback of the caller's that panics must not cost a worker.
            let ran = catch_unwind(AssertUnwindSafe(|| task(Turn::Run(&self.stop))));
            let mut state = self.lock();
            state.turns.finished(&key, ran.unwrap_or(Ran::Not));
            let closed = state.closed;
            drop(state);
            // The key may have had to wait for this; and at the end everybody sees that nothing is left.
            if closed {
                self.changed.notify_all();
            } else {
                self.changed.notify_one();
            }
        }
    }

    /// Waits for a task; `None` when there will be none.
    fn take(&self) -> Option<(QueueKey, Task)> {
        let most = self.most_of_a_key();
        let mut state = self.lock();
        loop {
            if let Some(next) = state.turns.next(most) {
                return Some(next);
            }
            if state.closed && state.turns.waiting() == 0 {
                return None;
            }
            state.idle += 1;
            state = self
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
            state.idle -= 1;
        }
    }
}
