//! The sandbox: code of strangers in WebAssembly, with limits on everything that it can use (`spec/sandbox.md`).
//!
//! A [`Job`] is one run: a program, its arguments, and all that it may see of the world, which is nothing that the job does not
//! give. [`Sandbox`] runs jobs on its own threads, a fair queue before them, and tells what came of each as [`Finished`].
//!
//! Python and JavaScript run on interpreters that are WebAssembly themselves and are called like any other module. The room knows no
//! session and no manifest: who calls it decides on limits, grants, clocks and seeds.

mod cache;
mod call;
mod effort;
mod engine;
mod guests;
mod host;
mod intake;
mod job;
mod limits;
mod module;
mod oap_http;
mod precompiled;
mod queue;
mod reply;
mod run;
mod survey;
mod ticking;
mod wasi;
mod workers;

#[cfg(test)]
mod tests;

pub use engine::EngineError;
pub use guests::{Prepared, Progress};
#[doc(hidden)]
pub use intake::read as read_module;
pub use job::{
    Cancel, Door, DoorReply, DoorRequest, Failure, FailureCode, Finished, Job, Language, Limits,
    Program, Refused,
};
pub use queue::QueueKey;
pub use survey::{GuestFacts, Survey, survey};
pub use workers::{Sandbox, Settings};
