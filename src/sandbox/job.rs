//! What is asked of the sandbox, and what comes back.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::Value;

/// A language that code can be written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Language {
    /// A WebAssembly module of the caller's own.
    Wasm,
    /// A classic script.
    JavaScript,
    /// A Python 3.11 module.
    Python,
}

impl Language {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Wasm, Self::JavaScript, Self::Python];

    /// Its name as a code runtime, as capabilities and manifests spell it.
    pub fn runtime(self) -> &'static str {
        match self {
            Self::Wasm => "wasm",
            Self::JavaScript => "javascript",
            Self::Python => "python3.11",
        }
    }
}

/// What one run may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Processor time.
    pub cpu: Duration,
    /// Linear memory, the interpreter's own share included, in bytes.
    pub memory: usize,
    /// Bytes of JSON that the result may have.
    pub output: usize,
    /// Bytes of standard output and standard error that are kept; more is cut off.
    pub logs: usize,
    /// Bytes that the files of the temporary directory may hold together.
    pub file_bytes: usize,
    /// Files and directories that may be made.
    pub files: usize,
    /// Time from the start of the run, waits for granted network included.
    pub wall: Duration,
}

impl Default for Limits {
    /// Those of `spec/sandbox.md`, sections 2, 3 and 7.
    fn default() -> Self {
        const MIB: usize = 1024 * 1024;
        Self {
            cpu: Duration::from_millis(200),
            memory: 64 * MIB,
            output: MIB,
            logs: 64 * 1024,
            file_bytes: 16 * MIB,
            files: 1000,
            wall: Duration::from_secs(30),
        }
    }
}

/// A request of sandboxed code for something outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DoorRequest {
    /// HTTP method.
    pub method: String,
    /// Where to, absolute.
    pub url: String,
    /// Headers in order.
    pub headers: Vec<(String, String)>,
    /// The body; empty for none.
    pub body: Vec<u8>,
}

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DoorReply {
    /// HTTP status.
    pub status: u16,
    /// Headers by lower-case name, in order.
    pub headers: Vec<(String, String)>,
    /// The body, bounded.
    pub body: Vec<u8>,
}

/// Why nothing came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refused {
    /// No grant covers it; nothing was sent (`sandbox_network_denied`).
    Denied(String),
    /// It is granted, but the exchange failed (`upstream_unreachable`).
    Failed(String),
}

/// The one way out of the sandbox: applies the grant and keeps the journal (`spec/sandbox.md`, section 4).
pub trait Door: Send + Sync {
    /// Sends one request and waits for its answer, at most `patience`. Called on a thread that may block.
    ///
    /// # Errors
    /// When it is not granted, or fails.
    fn call(&self, request: DoorRequest, patience: Duration) -> Result<DoorReply, Refused>;
}

/// Ends a run from outside.
#[derive(Debug, Clone, Default)]
pub struct Cancel(Arc<AtomicBool>);

impl Cancel {
    /// Ends the run soon, or keeps it from beginning.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// Whether it was cancelled.
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// What is run.
#[derive(Debug, Clone)]
pub struct Program {
    /// Its language.
    pub language: Language,
    /// The text of `code` as the manifest has it; of a module base64 or WAT.
    pub code: Arc<str>,
    /// The function that is called.
    pub entrypoint: String,
}

/// One run.
#[derive(Clone)]
pub struct Job {
    /// What is run.
    pub program: Program,
    /// The arguments, an object.
    pub arguments: Value,
    /// What it may use.
    pub limits: Limits,
    /// What the clock shows at the start, in nanoseconds since 1970.
    pub clock_ns: u64,
    /// Where all chance comes from.
    pub seed: [u8; 32],
    /// The way out; without one there is none.
    pub door: Option<Arc<dyn Door>>,
    /// Ends it early.
    pub cancel: Cancel,
}

impl fmt::Debug for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Job")
            .field("language", &self.program.language)
            .field("limits", &self.limits)
            .field("door", &self.door.is_some())
            .finish_non_exhaustive()
    }
}

/// What kind of failure it was; [`FailureCode::name`] is contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureCode {
    /// The code failed, or its result is not JSON.
    Error,
    /// It used up its processor time.
    CpuLimit,
    /// It needed more memory than it may have.
    MemoryLimit,
    /// Its result is too long.
    OutputLimit,
    /// It wanted a network that is not granted.
    NetworkDenied,
    /// Its session was closed.
    Cancelled,
    /// There was no room for it, or none in time; nothing is said about the code.
    Busy,
}

impl FailureCode {
    /// The error code of `spec/errors.md`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Error => "sandbox_error",
            Self::CpuLimit => "sandbox_cpu_limit",
            Self::MemoryLimit => "sandbox_memory_limit",
            Self::OutputLimit => "sandbox_output_limit",
            Self::NetworkDenied => "sandbox_network_denied",
            Self::Cancelled => "sandbox_cancelled",
            Self::Busy => "capacity_exceeded",
        }
    }
}

/// Why a run has no result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The kind.
    pub code: FailureCode,
    /// What happened, without paths of the host.
    pub message: String,
}

impl Failure {
    /// A failure of this kind.
    pub fn new(code: FailureCode, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
        }
    }
}

/// What came of a run.
#[derive(Debug, Clone)]
pub struct Finished {
    /// The result, strict JSON; or why there is none.
    pub outcome: Result<Value, Failure>,
    /// What it wrote to standard output and standard error, in order; cut off at the limit, lossily decoded.
    pub logs: String,
    /// Processor time used; of a run shorter than a millisecond, the real time that it took.
    pub cpu: Duration,
    /// Highest size of its linear memory, in bytes.
    pub memory: usize,
    /// Whether a request of it was denied, without which it may have gone on.
    pub denied: bool,
}
