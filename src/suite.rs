//! The judge: it drives a runtime over HTTP like any stranger, looks at what the runtime answered and did, and says which sentences of
//! the spec hold.
//!
//! ```text
//! load → select → applicability → execute (against target and mocks) → judge → report
//! ```
//!
//! Everything left of `judge` only collects: an [`observed::Observed`] is plain data. Everything right of it only renders. The suite
//! never imports the runtime or the validator; what it knows of the protocol it has from `spec/`, raw JSON and its own twins
//! ([`replay`], [`prepare::snake_case`]).

pub mod applicability;
pub mod baseline;
pub mod case;
pub mod clock;
pub mod describe;
pub mod doctor;
pub mod event;
pub mod execute;
pub mod files;
pub mod gate;
pub mod identity;
pub mod invariants;
pub mod judge;
pub mod keep;
pub mod lanes;
pub mod load;
pub mod matcher;
pub mod matrix;
pub mod measure;
pub mod null;
pub mod observed;
pub mod offline;
pub mod options;
pub mod order;
pub mod prepare;
pub mod replay;
pub mod report;
pub mod revision;
pub mod runner;
pub mod secrets;
pub mod shard;
pub mod sight;
pub mod signals;
pub mod solo;
pub mod stimulus;
pub mod substitute;
pub mod target;
pub mod transcript;
pub mod verdict;
pub mod wire;
pub mod workflow;
pub mod yaml;

#[cfg(test)]
mod tests;

pub use applicability::Capabilities;
pub use case::Case;
pub use event::{Event, EventSink};
pub use options::{Options, Times};
pub use report::Report;
pub use runner::run;
pub use target::{HttpTarget, Target};
pub use verdict::{ExitCode, RunError, RunVerdict, Verdict};
