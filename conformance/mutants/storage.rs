//! Mutants of `spec/storage.md`.

use super::Mutant;

mod contents;
mod folders;
mod keys;
mod paths;
mod records;
mod roots;
mod stores;

/// The mutants.
pub fn mutants() -> Vec<Mutant> {
    [
        roots::mutants(),
        keys::mutants(),
        contents::mutants(),
        records::mutants(),
        folders::mutants(),
        paths::mutants(),
        stores::mutants(),
    ]
    .into_iter()
    .flatten()
    .collect()
}
