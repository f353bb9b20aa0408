//! Mutants of `spec/observability.md`.

use super::Mutant;

mod lines;
mod metrics;
mod spans;
mod traces;

/// The mutants.
pub fn mutants() -> Vec<Mutant> {
    [
        lines::mutants(),
        traces::mutants(),
        spans::mutants(),
        metrics::mutants(),
    ]
    .into_iter()
    .flatten()
    .collect()
}
