//! Why a target is not ready to be judged: the way from its command to its first answers, its manifest, its model, its services and
//! its secrets, each looked at once, in order, with one sentence and what to do.
//!
//! Nothing here is a verdict: what is looked at is what nearly every case needs before it can say anything.

mod check;
mod listening;
mod model;
mod services;
mod start;
mod stores;
mod talk;
mod visit;

pub use check::{Check, Diagnosis, State};
pub use start::{command, elsewhere, finish, stdio};
pub use talk::{Subject, talk};
