//! `run_code` in the runtime: what a definition and a call make of a job of the [sandbox](crate::sandbox), and what its end makes
//! of the result (`spec/sandbox.md`).
//!
//! [`parts`] names every decision, [`asked`] has them as pure functions; `running` hands jobs over and waits, [`door`] is the
//! granted way to the network, [`intake`] looks at code when a manifest is registered, and `kept` remembers results for operators
//! who want that.

pub mod asked;
pub mod door;
pub mod intake;
mod kept;
pub mod parts;
pub(super) mod running;
mod settings;

pub use parts::{Done, SandboxParts};
pub use running::{NOT_GRANTED, Sandboxes};
pub use settings::{Ceiling, MOST_WORKERS, SandboxSettings};

use crate::sandbox::{EngineError, Sandbox, Settings};

/// Makes the interpreters ready for this machine, once for all runtimes of the process; `watch` is told what is being made.
/// Blocks, for seconds where nothing is in the cache yet.
///
/// Nobody has to call it: the first run that needs an interpreter waits for it otherwise.
///
/// # Errors
/// When the engine cannot be set up here.
pub fn prepare_sandbox(watch: &dyn Fn(&str)) -> Result<(), EngineError> {
    Sandbox::start(Settings::default()).prepare(watch)
}
