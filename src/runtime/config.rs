//! How a runtime is set up.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use super::access::{Auth, Network};
use super::clock::Clock;
use super::files::Storage;
use super::plugins::PluginFolder;
use super::sandbox::SandboxSettings;
use super::secrets::Rotation;
use super::telemetry::TelemetrySettings;
use crate::manifest::Manifest;
use crate::model::ModelConfig;
use crate::requirement::{Extension, Profile};
use crate::store::Ledger;

/// Everything a runtime is told at its start.
#[derive(Clone)]
pub struct Config {
    /// Where to listen; port 0 picks a free one.
    pub listen: SocketAddr,
    /// Manifests registered at the start. A single one is what requests without a reference get.
    pub manifests: Vec<Manifest>,
    /// Granted secrets by name, for `auth` and `headers`. Those shorter than 8 characters count as not granted.
    pub secrets: BTreeMap<String, String>,
    /// Where secrets get new values from while the runtime runs.
    pub rotation: Rotation,
    /// Values that are no secrets, by name; the only ones an endpoint may hold.
    pub variables: BTreeMap<String, String>,
    /// The model.
    pub model: ModelConfig,
    /// Where plugins are found.
    pub plugins: PluginFolder,
    /// What is bounded.
    pub limits: Limits,
    /// How sandboxed code is run.
    pub sandbox: SandboxSettings,
    /// Where files may be, and how large they get.
    pub storage: Storage,
    /// How tokens are checked; `None`: everybody is the same anonymous subject.
    pub auth: Option<Auth>,
    /// The scopes of everybody, where no auth is configured.
    pub anonymous_scopes: BTreeSet<String>,
    /// Hosts, or hosts with a port, that a secret may be sent to, by the secret's name. One that is not listed may go anywhere.
    pub bound_secrets: BTreeMap<String, Vec<String>>,
    /// Blocks of addresses that calls of services may go to besides those out on the internet.
    pub allowed_networks: Vec<Network>,
    /// What time it is; keep a clone to move it.
    pub clock: Clock,
    /// The loopback address at which a test harness may move the clock; port 0 picks a free one.
    pub test_clock: Option<SocketAddr>,
    /// The profiles to offer; those of [`offered_profiles`] at most.
    pub profiles: BTreeSet<Profile>,
    /// The extensions to offer with the profile `draft-2.1`; those of [`offered_extensions`] at most.
    pub extensions: BTreeSet<Extension>,
    /// Where sessions, answers, manifests and transcripts outlive the process; `None`: they do not.
    pub ledger: Option<Arc<dyn Ledger>>,
    /// How long the ledger keeps transcripts of closed sessions.
    pub keep_transcripts: Duration,
    /// Where the signals of the profile `observability` go.
    pub telemetry: TelemetrySettings,
    /// Whether every active session is driven in the background.
    pub autorun: bool,
    /// Whether a user's preferences are carried from a closed session to the next.
    pub remember_preferences: bool,
    /// Whether the console is served. Without `auth` every call needs a token then that is made at the start.
    pub console: bool,
}

/// How long the ledger keeps transcripts where the operator does not say.
pub const KEEP_TRANSCRIPTS: Duration = Duration::from_hours(30 * 24);

/// The profiles that this runtime implements.
pub fn offered_profiles() -> BTreeSet<Profile> {
    BTreeSet::from([
        Profile::Core,
        Profile::Session,
        Profile::Human,
        Profile::Workflow,
        Profile::Access,
        Profile::Sandbox,
        Profile::SandboxPython,
        Profile::SandboxJavascript,
        Profile::SandboxWasm,
        Profile::SandboxNetwork,
        Profile::Storage,
        Profile::Observability,
        Profile::Draft21,
    ])
}

/// The extensions of the draft that this runtime implements.
pub fn offered_extensions() -> BTreeSet<Extension> {
    BTreeSet::from([Extension::Caching])
}

/// Bounds of everything that strangers can make grow.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Most open sessions that are held in memory; with a ledger others can be open besides, which are read again when they are called.
    pub sessions: usize,
    /// Most bytes of memory that these sessions hold together.
    pub session_bytes: usize,
    /// Most registered manifests.
    pub manifests: usize,
    /// Most bytes of memory that the documents of the registered manifests hold.
    pub manifest_bytes: usize,
    /// Most remembered idempotent answers.
    pub idempotent_answers: usize,
    /// Most bytes of memory of remembered idempotent answers.
    pub idempotent_bytes: usize,
    /// Most transcripts kept after the close; the oldest go first.
    pub transcripts: usize,
    /// Most bytes of memory of transcripts kept after the close.
    pub transcript_bytes: usize,
    /// Most bytes of memory one session may record before no further step is taken.
    pub session_record_bytes: usize,
    /// Most questions about workflows that wait for a person or are remembered.
    pub questions: usize,
    /// Most bytes of memory of these questions.
    pub question_bytes: usize,
    /// Most bytes of memory that the calls of workflows under way hold together, beyond which no further one begins.
    pub workflow_bytes: usize,
    /// Most remembered results of nodes with a key.
    pub node_results: usize,
    /// Most bytes of memory of these results.
    pub node_result_bytes: usize,
    /// Most subjects and actions whose rates are counted at the same time.
    pub rate_windows: usize,
    /// A session on which nothing is called for so long expires; not less than one hour.
    pub session_idle: Duration,
    /// Most sessions whose progress is told at the same time, as server-sent events; a caller that is known has a quarter at most.
    pub streams: usize,
    /// Most sessions that are stepped in the background at the same time.
    pub drives: usize,
    /// Most open connections; below the 1024 files that a process commonly gets, so that calls of others find one.
    pub connections: usize,
    /// How long a connection may be idle, its headers may take, and a client may leave an answer untaken.
    pub quiet_time: Duration,
    /// How long a body may take to arrive.
    pub body_time: Duration,
    /// How long steps in flight may take to end when the runtime shuts down.
    pub drain_time: Duration,
    /// How much of that code in the sandbox gets before it is cancelled: one that waits for hosts would need it all.
    pub code_drain_time: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        const MIB: usize = 1024 * 1024;
        Self {
            sessions: 10_000,
            session_bytes: 1024 * MIB,
            manifests: 4096,
            manifest_bytes: 256 * MIB,
            idempotent_answers: 10_000,
            idempotent_bytes: 128 * MIB,
            transcripts: 10_000,
            transcript_bytes: 512 * MIB,
            session_record_bytes: 64 * MIB,
            questions: 10_000,
            question_bytes: 256 * MIB,
            workflow_bytes: 1024 * MIB,
            node_results: 10_000,
            node_result_bytes: 128 * MIB,
            rate_windows: 100_000,
            session_idle: Duration::from_hours(24),
            streams: 256,
            drives: 16,
            connections: 800,
            quiet_time: Duration::from_secs(30),
            body_time: Duration::from_secs(30),
            drain_time: Duration::from_secs(30),
            code_drain_time: Duration::from_secs(5),
        }
    }
}
