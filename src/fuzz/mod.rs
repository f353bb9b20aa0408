//! Property-based testing of any runtime over the wire: generated worlds, run as ordinary cases, judged by properties that hold of every run.
//!
//! ```text
//! generate → World → lower → Case → suite::execute → Observed → properties → shrink → story, case file
//! ```
//!
//! A failing world is an ordinary case by construction, and the case is run by the suite's own `execute`: there is no second
//! harness. What is allowed is known by [`property`] and the model below it, written from the prose, apart from any runtime.

pub mod campaign;
pub mod coverage;
pub mod generate;
pub mod known;
pub mod lower;
pub mod oracle;
pub mod property;
pub mod report;
pub mod shrink;
pub mod story;
pub mod trial;
mod vectors;
pub mod world;
mod write;

pub use campaign::{Plan, Watch, fuzz};
pub use known::Known;
pub use report::{Failure, Outcome};
