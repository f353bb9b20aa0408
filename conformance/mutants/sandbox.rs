//! Targets whose `run_code` breaks `spec/sandbox.md`.

mod calling;
mod definition;
mod determinism;
mod isolation;
mod limits;
mod network;
mod results;

use super::Mutant;

/// All of them.
pub fn mutants() -> Vec<Mutant> {
    [
        definition::mutants(),
        isolation::mutants(),
        limits::mutants(),
        network::mutants(),
        determinism::mutants(),
        calling::mutants(),
        results::mutants(),
    ]
    .into_iter()
    .flatten()
    .collect()
}
