//! Workflows: a list of nodes that runs over a state handed in and back (`spec/workflows.md`).
//!
//! Read in the order of a request: [`request`] and [`node`] make typed nodes out of its body, [`check`] binds them to what the
//! manifest and the plugins declare ([`bound`]), and the run goes on from there. Nothing in this room has a clock, chance
//! or a socket; [`parts`] names every decision that a requirement pins.

pub mod approvals;
pub mod bound;
pub mod check;
pub mod compile;
pub mod fallback;
mod foresee;
pub mod history;
pub mod input;
pub mod node;
pub mod parts;
pub mod reading;
pub mod replan;
pub mod request;
pub mod run;
pub mod schema;
pub mod state;
pub mod translate;
mod written;

#[cfg(test)]
mod tests;
