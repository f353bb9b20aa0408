//! Mutants of `spec/access.md`.

use super::Mutant;

mod addresses;
mod grants;
mod identity;
mod rates;
mod scopes;
mod sessions;
mod tokens;
mod verification;

/// The mutants.
pub fn mutants() -> Vec<Mutant> {
    [
        tokens::mutants(),
        identity::mutants(),
        scopes::mutants(),
        sessions::mutants(),
        rates::mutants(),
        verification::mutants(),
        addresses::mutants(),
        grants::mutants(),
    ]
    .into_iter()
    .flatten()
    .collect()
}
