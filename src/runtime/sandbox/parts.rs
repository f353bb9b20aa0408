//! Every decision of the runtime that `spec/sandbox.md` pins, as one replaceable method; see [`crate::runtime::parts`].
//!
//! What happens inside a run is the [sandbox](crate::sandbox)'s own; here is what it is told, and what is made of its answer.

use jiff::Timestamp;
use reqwest::Url;
use serde_json::Value;

use super::{Ceiling, asked, intake};
use crate::diagnostic::Violation;
use crate::manifest::{Manifest, RunCode};
use crate::requirement::Profile;
use crate::runtime::access::Network;
use crate::runtime::error::ErrorObject;
use crate::runtime::parts::Reference;
use crate::runtime::session::Call;
use crate::runtime::session::transcript::SideEffect;
use crate::sandbox::{Failure, Finished, Job, Language, Limits, Program, QueueKey, Sandbox};

/// What is told of a run when it is over.
pub type Done = Box<dyn FnOnce(Finished) + Send>;

/// The replaceable decisions about sandboxed code.
pub trait SandboxParts: Send + Sync {
    // --- 1: definition ---

    /// The code runtimes that are named in capabilities (1.1).
    fn runtimes(&self, profiles: &[Profile]) -> Vec<&'static str> {
        asked::runtimes(profiles)
    }

    /// The language that a definition's `runtime` means, if it is offered (1.2).
    fn language(&self, profiles: &[Profile], runtime: &str) -> Option<Language> {
        asked::language(profiles, runtime)
    }

    /// The definitions whose `runtime` is not offered (1.2).
    fn unsupported_runtimes(&self, manifest: &Manifest, profiles: &[Profile]) -> Vec<Violation> {
        intake::unsupported_runtimes(self, manifest, profiles)
    }

    /// Whether code can be registered; blocks (1.3, 3.9, 6.2).
    ///
    /// # Errors
    /// What keeps it from being registered; [`crate::sandbox::FailureCode::Busy`] when that could not be found out now.
    fn check_code(
        &self,
        sandbox: &Sandbox,
        program: &Program,
        networked: bool,
    ) -> Result<(), Failure> {
        sandbox.check(program, networked)
    }

    /// What is run (1.4, 6).
    fn program(&self, language: Language, code: &RunCode) -> Program {
        asked::program(language, code)
    }

    /// What the code is called with: the validated arguments (6.3, 6.4).
    fn arguments(&self, args: &Value) -> Value {
        args.clone()
    }

    // --- 2, 3: isolation and limits ---

    /// What a run may use (3.1, 3.3, 3.4, 3.8, 7.5).
    fn limits(&self, code: &RunCode, ceiling: &Ceiling) -> Limits {
        asked::limits(code, ceiling)
    }

    /// The last look at a job before it is handed over (2, 3, 5).
    fn job(&self, job: Job) -> Job {
        job
    }

    /// Whose turn a run takes in the queue (3.10).
    fn queue_key(&self, call: &Call) -> QueueKey {
        asked::queue_key(call)
    }

    /// Hands a job over; it runs on a thread of the sandbox, and this returns at once (2.1, 3.10).
    fn submit(&self, sandbox: &Sandbox, key: &QueueKey, job: Job, done: Done) {
        sandbox.submit(key, job, done);
    }

    /// Whether closing a session ends its run (3, after 3.11).
    fn close_ends_runs(&self) -> bool {
        true
    }

    // --- 4: network ---

    /// Whether a run gets a way out at all (4.1).
    fn opens_door(&self, code: &RunCode) -> bool {
        !code.network.is_empty()
    }

    /// Whether a request may go there, at first and after each redirect (4.2, 4.3).
    fn granted(&self, network: &[String], to: &Url) -> bool {
        asked::granted(network, to)
    }

    /// The closed blocks of addresses that granted requests may go to: the operator's (4.4).
    fn reachable(&self, configured: &[Network]) -> Vec<Network> {
        configured.to_vec()
    }

    /// The effect of a granted request, as it is recorded (4.5).
    fn recorded(&self, effect: SideEffect) -> Option<SideEffect> {
        Some(effect)
    }

    // --- 5: determinism ---

    /// What the clock shows at the start, in nanoseconds since 1970 (5.2).
    fn clock_ns(&self, start: Timestamp) -> u64 {
        asked::clock_ns(start)
    }

    /// Where all chance of a run comes from (5.3, 5.4).
    fn seed(&self, code: &str, arguments: &Value, seed: Option<u64>) -> [u8; 32] {
        asked::seed(code, arguments, seed)
    }

    // --- 7: results ---

    /// What a run came to (7.1 to 7.4).
    fn outcome(&self, outcome: Result<Value, Failure>) -> Result<Value, ErrorObject> {
        outcome.map_err(|failure| self.failure(&failure))
    }

    /// The error object of a failure (7, table of codes).
    fn failure(&self, failure: &Failure) -> ErrorObject {
        asked::failure(failure, self.message(failure))
    }

    /// The message of a failure (7.3).
    fn message(&self, failure: &Failure) -> String {
        asked::message(failure)
    }

    /// What is kept of standard output and standard error, redacted already (7.5, 7.6).
    fn logs(&self, logs: String) -> Option<String> {
        asked::logs(logs)
    }

    /// Whether a result may be remembered where the operator asks for it; `networked` if it may hang on others' answers (8.2).
    fn keeps_result(&self, networked: bool) -> bool {
        !networked
    }
}

impl SandboxParts for Reference {}
