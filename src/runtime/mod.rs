//! The reference interpreter: the profiles `core`, `session`, `human`, `workflow`, `access`,
//! `sandbox`, `storage` and `observability` over HTTP.
//!
//! Read from the edge inwards: [`http`](self) takes requests and makes answers, `runtime` holds what they share and performs
//! effects, [`session`] is the pure state machine, and [`parts`] names every decision that a requirement pins.

pub mod access;
pub mod answer;
mod charging;
pub mod clock;
pub mod config;
mod console;
pub mod credentials;
mod driver;
pub mod error;
mod events;
pub mod extensions;
pub mod files;
#[cfg(test)]
pub(crate) mod fixture;
mod held;
mod http;
pub mod idempotency;
mod invoke;
mod keeping;
mod listing;
mod load;
pub mod merge;
mod node_keys;
pub mod opening;
pub mod parts;
pub mod plan;
pub mod plugins;
pub mod prompt;
mod questions;
mod readiness;
pub mod reads;
mod recovery;
pub mod redact;
pub mod registry;
mod remembered;
pub mod request;
pub mod response;
#[expect(
    clippy::module_inception,
    reason = "the runtime is what the room is named for"
)]
mod runtime;
pub mod sandbox;
pub mod secret_source;
pub mod secrets;
pub mod session;
mod sessions;
mod shelf;
mod streams;
pub mod telemetry;
pub mod test_clock;
#[cfg(test)]
mod tests;
pub mod wire;
mod workflows;

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::diagnostic::Violation;
pub use access::{Auth, Caller, Network};
pub use answer::Answer;
pub use clock::Clock;
pub use config::{Config, KEEP_TRANSCRIPTS, Limits, offered_extensions, offered_profiles};
pub use files::Storage;
pub use held::held_bytes;
pub use parts::{Parts, Reference};
pub use plugins::PluginFolder;
pub use sandbox::{Ceiling, MOST_WORKERS, SandboxSettings, prepare_sandbox};
pub use secrets::Rotation;
pub use session::Session;
pub use telemetry::{LogSink, TelemetrySettings};

use runtime::Runtime;
use test_clock::TestClock;

/// Why a runtime did not start.
#[derive(Debug)]
pub enum StartError {
    /// The address cannot be listened on; most often another process has it.
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// The profiles cannot be declared together, or not at all.
    Profiles(String),
    /// A manifest needs a profile that is not offered.
    Manifest {
        /// Its name.
        name: String,
        /// The members concerned.
        violations: Vec<Violation>,
    },
    /// A manifest cannot be registered beside the others.
    Registration {
        /// Its name.
        name: String,
        /// Why.
        message: String,
    },
    /// The clock would be open to others than this machine.
    Clock(SocketAddr),
    /// The console would be open to others than this machine, with nobody's tokens to tell them apart.
    Console(SocketAddr),
    /// A plugin's descriptor, or the plugins folder, cannot be used.
    Plugin {
        /// The file, or the folder.
        file: String,
        /// What is wrong with it.
        message: String,
    },
    /// The settings of storage do not fit together.
    Storage(String),
    /// What the store keeps cannot be read.
    Store(String),
    /// The log cannot be written, or the collector cannot be addressed.
    Telemetry(String),
    /// The HTTP client cannot be set up.
    Client(String),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StartError::Listen { address, source } => {
                write!(
                    f,
                    "cannot listen on {address}: {source}; choose another address, or port 0"
                )
            }
            StartError::Profiles(reason) => {
                write!(
                    f,
                    "cannot declare these profiles: {reason}; choose core, session, human, workflow, access, sandbox, storage, observability, draft-2.1"
                )
            }
            StartError::Manifest { name, violations } => {
                write!(f, "manifest `{name}` needs profiles that are not offered:")?;
                violations
                    .iter()
                    .try_for_each(|violation| write!(f, " {violation};"))
            }
            StartError::Registration { name, message } => write!(f, "manifest `{name}`: {message}"),
            StartError::Clock(address) => write!(
                f,
                "{address} can be reached by others; the test clock listens on loopback addresses only, such as 127.0.0.1:0"
            ),
            StartError::Console(address) => write!(
                f,
                "{address} can be reached by others; without auth the console is served on loopback addresses only, such as 127.0.0.1:8080"
            ),
            StartError::Plugin { file, message } => write!(f, "plugin {file}: {message}"),
            StartError::Storage(message) => write!(f, "storage: {message}"),
            StartError::Store(message) => write!(f, "store: {message}"),
            StartError::Telemetry(message) => write!(f, "telemetry: {message}"),
            StartError::Client(message) => write!(f, "cannot set up the HTTP client: {message}"),
        }
    }
}

impl std::error::Error for StartError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            StartError::Listen { source, .. } => Some(source),
            _ => None,
        }
    }
}

/// How often code is cancelled while the runtime stops.
const CANCELLING: Duration = Duration::from_millis(200);

/// A runtime that listens. Dropped without [`Running::shutdown`] it stops accepting and is left to itself.
pub struct Running {
    /// Where it listens, with the port that was picked.
    pub addr: SocketAddr,
    runtime: Arc<Runtime>,
    clock: Option<TestClock>,
    stop: CancellationToken,
    /// From when on nobody is refused any more either.
    end: CancellationToken,
    server: JoinHandle<()>,
}

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Running")
            .field("addr", &self.addr)
            .finish_non_exhaustive()
    }
}

/// Starts a runtime with these parts; it answers as soon as this returns.
///
/// # Errors
/// When the address is taken, a manifest cannot be registered, or the HTTP client cannot be set up.
pub async fn start(config: Config, parts: Arc<dyn Parts>) -> Result<Running, StartError> {
    let address = config.listen;
    let clock = match config.test_clock {
        Some(listen) => Some(test_clock::open(listen, config.clock.clone()).await?),
        None => None,
    };
    let start_manifests = config.manifests.clone();
    let vault = config.rotation.vault.clone();
    let runtime = Arc::new(Runtime::new(config, parts)?);
    let kept = runtime.read_manifests(true).await;
    kept.map_err(|error| StartError::Store(error.message))?;
    for manifest in start_manifests {
        let name = manifest.name.clone();
        let refused = |error: error::ErrorObject| StartError::Registration {
            name,
            message: sandbox::intake::told(&error),
        };
        match runtime.check_code_of(Arc::new(manifest)).await {
            // What cannot be looked at here and now is found out when it runs.
            Err(error) if error.code != error::Code::CapacityExceeded => {
                return Err(refused(error));
            }
            _ => {}
        }
    }
    let listen = |source| StartError::Listen { address, source };
    let listener = TcpListener::bind(address).await.map_err(listen)?;
    let addr = listener.local_addr().map_err(listen)?;
    let stop = CancellationToken::new();
    if runtime.ledger().is_some() {
        tokio::spawn(recovery::keep_house(Arc::clone(&runtime), stop.clone()));
    }
    if let Some(vault) = vault {
        tokio::spawn(secrets::keep_renewing(
            Arc::clone(&runtime),
            vault,
            stop.clone(),
        ));
    }
    if runtime.autorun() {
        tokio::spawn(Arc::clone(&runtime).take_on_all());
    }
    let end = CancellationToken::new();
    let late = http::door::Late {
        refusal: http::refusal(Arc::clone(&runtime)),
        end: end.clone(),
    };
    let limits = runtime.limits();
    let server = tokio::spawn(http::door::serve(
        listener,
        http::router(Arc::clone(&runtime)),
        limits.connections,
        limits.quiet_time,
        stop.clone(),
        Some(late),
    ));
    Ok(Running {
        addr,
        runtime,
        clock,
        stop,
        end,
        server,
    })
}

impl Running {
    /// Where a test harness may move the clock, if anywhere.
    pub fn clock_url(&self) -> Option<String> {
        let clock = self.clock.as_ref()?;
        Some(format!("http://{}", clock.addr))
    }

    /// The token that the console and every other call needs, where no auth is configured and the console is served.
    pub fn console_token(&self) -> Option<&str> {
        self.runtime.console()?.token()
    }

    /// Drains: calls in flight end (within the configured time, code in the sandbox within its own), whoever comes meanwhile is
    /// answered 503, then the server stops.
    pub async fn shutdown(mut self) {
        let limits = self.runtime.limits();
        let code_time = limits.code_drain_time.min(limits.drain_time);
        self.runtime.start_draining();
        self.stop.cancel();
        self.runtime.tasks().close();
        if timeout(code_time, self.runtime.tasks().wait())
            .await
            .is_err()
        {
            // Whoever has not ended by then is given up.
            let rest = limits.drain_time.saturating_sub(code_time);
            let _ = timeout(rest, self.end_code()).await;
        }
        self.runtime.sandboxes().end_all();
        if let Some(telemetry) = self.runtime.telemetry() {
            telemetry.flush().await;
        }
        self.end.cancel();
        if timeout(Duration::from_secs(1), &mut self.server)
            .await
            .is_err()
        {
            self.server.abort();
        }
    }

    /// Cancels code until all calls in flight have ended: a call may come to its code late, after a slow service.
    async fn end_code(&self) {
        let ended = self.runtime.tasks().wait();
        let mut ended = std::pin::pin!(ended);
        loop {
            self.runtime.sandboxes().end_all();
            if timeout(CANCELLING, &mut ended).await.is_ok() {
                return;
            }
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.cancel();
        self.end.cancel();
        // Nobody waits any more for what goes on without a call.
        self.runtime.stopping().cancel();
    }
}
