//! Mutants of `spec/expressions.md`: runtimes that read one rule of the language otherwise.

use super::Mutant;

mod evaluator;
mod flaws;
mod readings;
mod roots;
mod told;

/// The mutants.
pub fn mutants() -> Vec<Mutant> {
    [
        evaluator::mutants(),
        readings::mutants(),
        roots::mutants(),
        told::mutants(),
    ]
    .into_iter()
    .flatten()
    .collect()
}
