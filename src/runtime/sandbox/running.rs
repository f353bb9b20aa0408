//! One `run_code` action from its call to its result.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Value;
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, oneshot};
use tokio_util::sync::CancellationToken;

use super::asked::{self, LONGEST_MESSAGE};
use super::door::{NetworkDoor, Opened};
use super::kept::{self, Kept, KeptResult};
use super::{Ceiling, SandboxSettings};
use crate::manifest::RunCode;
use crate::runtime::error::{Code, ErrorObject};
use crate::runtime::redact::Site;
use crate::runtime::runtime::Runtime;
use crate::runtime::session::transcript::SideEffect;
use crate::runtime::session::{Call, Execution};
use crate::runtime::telemetry::{self, Begun, What, span};
use crate::sandbox::{Cancel, Door, Failure, FailureCode, Finished, Job, Sandbox, Settings};

/// Manifests whose code is looked at at the same time.
const LOOKS: usize = 4;

/// What the operator is told of code that wanted a network without a grant.
pub const NOT_GRANTED: &str = "no network is granted";

/// The sandbox of a runtime: its threads, and the runs that are under way.
pub struct Sandboxes {
    /// Runs code that sees no network.
    plain: Sandbox,
    /// Runs code with granted network apart from it: a slow host must not hold up those who wait for nobody.
    networked: Sandbox,
    ceiling: Ceiling,
    waiting: usize,
    under_way: AtomicUsize,
    runs: Mutex<HashMap<String, Vec<Run>>>,
    numbers: AtomicU64,
    looks: Semaphore,
    kept: Option<Kept>,
}

/// One run that may be ended from outside.
struct Run {
    number: u64,
    ending: Ending,
}

/// Ends one run, and what it waits for.
#[derive(Clone, Default)]
struct Ending {
    cancel: Cancel,
    token: CancellationToken,
}

impl Ending {
    fn end(&self) {
        self.cancel.cancel();
        self.token.cancel();
    }
}

impl Sandboxes {
    /// A sandbox that nothing was run in yet; its threads start with the first run.
    pub fn new(settings: &SandboxSettings) -> Self {
        let (workers, waiting) = (settings.workers.max(1), settings.waiting);
        let waiters = settings.networked_workers();
        Self {
            plain: Sandbox::start(Settings {
                workers,
                waiting,
                ..Settings::default()
            }),
            networked: Sandbox::start(Settings {
                workers: waiters,
                waiting,
                // A key's slow hosts hold its threads for long: half of them are left to the others.
                per_key: waiters / 2,
            }),
            ceiling: settings.ceiling,
            waiting: settings.waiting,
            under_way: AtomicUsize::new(0),
            runs: Mutex::default(),
            numbers: AtomicU64::new(0),
            looks: Semaphore::new(LOOKS),
            kept: settings.cache_results.then(Kept::default),
        }
    }

    /// Looks at code that is not run yet, on a thread that may block; a few manifests at the same time.
    ///
    /// `None` when looking came to nothing: what could not be looked at is found out when it runs.
    pub(in crate::runtime) async fn look<T: Send + 'static>(
        &self,
        look: impl FnOnce(&Sandbox) -> T + Send + 'static,
    ) -> Option<T> {
        // Closed by nobody.
        let _turn = self.looks.acquire().await;
        let sandbox = self.plain.clone();
        tokio::task::spawn_blocking(move || look(&sandbox))
            .await
            .ok()
    }

    /// How many runs are under way or waiting.
    #[cfg(test)]
    pub fn under_way(&self) -> usize {
        self.under_way.load(Ordering::Relaxed)
    }

    /// Ends the runs of a session.
    pub fn end(&self, session_id: &str) {
        for run in self.runs().get(session_id).into_iter().flatten() {
            run.ending.end();
        }
    }

    /// Ends all runs.
    pub fn end_all(&self) {
        for run in self.runs().values().flatten() {
            run.ending.end();
        }
    }

    fn runs(&self) -> MutexGuard<'_, HashMap<String, Vec<Run>>> {
        self.runs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a place among those under way.
    fn enter(&self, session_id: &str) -> Result<Place<'_>, ErrorObject> {
        let before = self.under_way.fetch_add(1, Ordering::Relaxed);
        let place = Place {
            sandboxes: self,
            session_id: session_id.to_owned(),
            number: self.numbers.fetch_add(1, Ordering::Relaxed),
            ending: Ending::default(),
        };
        if before >= self.waiting {
            return Err(ErrorObject::new(
                Code::CapacityExceeded,
                "as much code waits to run as this runtime allows; try again later",
            ));
        }
        let run = Run {
            number: place.number,
            ending: place.ending.clone(),
        };
        let mut runs = self.runs();
        runs.entry(place.session_id.clone()).or_default().push(run);
        drop(runs);
        Ok(place)
    }
}

/// A run's place among those under way. Whoever gives it up before the run is over ends the run.
struct Place<'s> {
    sandboxes: &'s Sandboxes,
    session_id: String,
    number: u64,
    ending: Ending,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.ending.end();
        self.sandboxes.under_way.fetch_sub(1, Ordering::Relaxed);
        let mut runs = self.sandboxes.runs();
        if let Some(own) = runs.get_mut(&self.session_id) {
            own.retain(|run| run.number != self.number);
            if own.is_empty() {
                runs.remove(&self.session_id);
            }
        }
    }
}

/// Executes code as one action.
pub(in crate::runtime) async fn run(runtime: &Runtime, call: &Call, code: &RunCode) -> Execution {
    let sandboxes = runtime.sandboxes();
    let place = match sandboxes.enter(&call.session_id) {
        Ok(place) => place,
        Err(error) => return Execution::refused(error),
    };
    let rules = runtime.parts().sandbox();
    let begun = telemetry::current().map(|scope| scope.begin(What::Sandbox));
    let door = rules
        .opens_door(code)
        .then(|| Arc::new(door(runtime, call, code, &place.ending, begun.clone())));
    let job = match job(runtime, call, code, &place.ending, door.clone()) {
        Ok(job) => job,
        Err(error) => return Execution::refused(error),
    };
    let finished = finish(runtime, call, job).await;
    drop(place);
    if let Some(begun) = &begun {
        tell_denial(begun, call, &finished, door.as_deref());
    }
    let effects = door.map(|door| door.effects()).unwrap_or_default();
    let execution = landed(runtime, finished, effects);
    if let Some(begun) = begun {
        let error = execution.outcome.as_ref().err();
        let error = error.map(|error| error.code.name().to_owned());
        begun.end(|span| span::sandbox(span, &call.action.name, error));
    }
    execution
}

/// The job that a call of a definition comes to.
fn job(
    runtime: &Runtime,
    call: &Call,
    code: &RunCode,
    ending: &Ending,
    door: Option<Arc<NetworkDoor>>,
) -> Result<Job, ErrorObject> {
    let rules = runtime.parts().sandbox();
    // Registration has refused what is not offered; a plugin's module comes here without it.
    let language = rules
        .language(runtime.profiles(), &code.runtime)
        .ok_or_else(|| {
            ErrorObject::new(Code::SandboxError, "this code runtime is not offered here")
        })?;
    let program = rules.program(language, code);
    let arguments = rules.arguments(&call.args);
    Ok(rules.job(Job {
        seed: rules.seed(&program.code, &arguments, call.seed),
        program,
        arguments,
        limits: rules.limits(code, &runtime.sandboxes().ceiling),
        clock_ns: rules.clock_ns(call.clock),
        door: door.map(|door| door as Arc<dyn Door>),
        cancel: ending.cancel.clone(),
    }))
}

fn door(
    runtime: &Runtime,
    call: &Call,
    code: &RunCode,
    ending: &Ending,
    begun: Option<Begun>,
) -> NetworkDoor {
    let parts = runtime.shared_parts();
    let allowed = parts
        .access()
        .allowed_networks(runtime.allowed_networks(), &call.action);
    let opened = Opened {
        client: runtime.services().clone(),
        clock: runtime.clock().clone(),
        network: code.network.clone(),
        reachable: parts.sandbox().reachable(&allowed),
        step_number: call.step_number,
        action: call.action.name.clone(),
        run: begun,
        ended: ending.token.clone(),
        parts,
    };
    NetworkDoor::new(opened, Handle::current())
}

/// Runs a job, or finds the result of one like it.
async fn finish(runtime: &Runtime, call: &Call, job: Job) -> Finished {
    let sandboxes = runtime.sandboxes();
    let rules = runtime.parts().sandbox();
    let networked = job.door.is_some();
    let shelf = sandboxes
        .kept
        .as_ref()
        .filter(|_| rules.keeps_result(networked));
    let key = shelf.map(|_| kept::key(&job));
    if let (Some(shelf), Some(key)) = (shelf, &key)
        && let Some(known) = shelf.get(key)
    {
        return Finished {
            outcome: Ok(known.output.clone()),
            logs: known.logs.clone(),
            cpu: std::time::Duration::ZERO,
            memory: 0,
            denied: false,
        };
    }
    let sandbox = if networked {
        &sandboxes.networked
    } else {
        &sandboxes.plain
    };
    let (done, finished) = oneshot::channel();
    let done = Box::new(move |finished| {
        // Whoever asked may have gone.
        let _ = done.send(finished);
    });
    rules.submit(sandbox, &rules.queue_key(call), job, done);
    let finished = finished.await.unwrap_or_else(|_| Finished {
        outcome: Err(Failure::new(
            FailureCode::Error,
            "the sandbox failed; the code may not be at fault",
        )),
        logs: String::new(),
        cpu: std::time::Duration::ZERO,
        memory: 0,
        denied: false,
    });
    // One that was denied something is told of each time.
    if let (Some(shelf), Some(key), Ok(output), false) =
        (shelf, key, &finished.outcome, finished.denied)
    {
        let kept = KeptResult {
            output: output.clone(),
            logs: finished.logs.clone(),
        };
        shelf.put(key, kept);
    }
    finished
}

/// Tells the operator that code was denied the network, unless its door has told so: the code may have gone on without.
fn tell_denial(begun: &Begun, call: &Call, finished: &Finished, door: Option<&NetworkDoor>) {
    let ended =
        matches!(&finished.outcome, Err(failure) if failure.code == FailureCode::NetworkDenied);
    if (finished.denied || ended) && !door.is_some_and(NetworkDoor::has_told) {
        begun.denied(call.step_number, &call.action.name, NOT_GRANTED);
    }
}

/// What a run comes to as an execution.
fn landed(runtime: &Runtime, finished: Finished, side_effects: Vec<SideEffect>) -> Execution {
    let parts = runtime.parts();
    let clean = |site, text: &str| parts.redact_text(site, runtime.redactor(), text);
    let outcome: Result<Value, ErrorObject> = parts.sandbox().outcome(finished.outcome);
    let outcome = outcome.map_err(|mut error| {
        // First redacted, then cut: half a secret would pass unseen.
        error.message = asked::cut(clean(Site::ServiceReply, &error.message), LONGEST_MESSAGE);
        error
    });
    Execution {
        outcome,
        side_effects,
        logs: parts.sandbox().logs(clean(Site::Logs, &finished.logs)),
    }
}
