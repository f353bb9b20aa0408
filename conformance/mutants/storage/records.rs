//! Mutants of sections 3.6 and 3.7: what is recorded of reads and writes, and what the store is told of a file.

use crate::mutants::Mutant;
use crate::runtime::error::ErrorObject;
use crate::runtime::files::{Verb, side_effect};
use crate::runtime::session::transcript::SideEffect;

/// The mutants.
pub fn mutants() -> Vec<Mutant> {
    [effects(), types()].into_iter().flatten().collect()
}

fn effects() -> Vec<Mutant> {
    vec![
        swap_storage!(
            "files-leave-no-effects",
            "STO-015",
            "records requests only, no files",
            fn side_effect(
                &self,
                _: Verb,
                _: &str,
                _: Option<&ErrorObject>,
                _: u64,
                _: String,
            ) -> Option<SideEffect> {
                None
            }
        ),
        swap_storage!(
            "reads-leave-no-effects",
            "STO-015",
            "records writes only",
            fn side_effect(
                &self,
                verb: Verb,
                target: &str,
                error: Option<&ErrorObject>,
                step_number: u64,
                at: String,
            ) -> Option<SideEffect> {
                (verb == Verb::Write)
                    .then(|| side_effect(verb, target, error, step_number, at))
                    .flatten()
            }
        ),
        swap_storage!(
            "failures-leave-no-effects",
            "STO-015",
            "records only what succeeded",
            fn side_effect(
                &self,
                verb: Verb,
                target: &str,
                error: Option<&ErrorObject>,
                step_number: u64,
                at: String,
            ) -> Option<SideEffect> {
                match error {
                    None => side_effect(verb, target, None, step_number, at),
                    Some(_) => None,
                }
            }
        ),
        swap_storage!(
            "refusals-are-effects",
            "STO-015",
            "records a read of what it refused to read",
            fn side_effect(
                &self,
                verb: Verb,
                target: &str,
                _: Option<&ErrorObject>,
                step_number: u64,
                at: String,
            ) -> Option<SideEffect> {
                side_effect(verb, target, None, step_number, at)
            }
        ),
        swap_storage!(
            "files-are-persons",
            "STO-015",
            "records files as effects of another kind",
            fn side_effect(
                &self,
                verb: Verb,
                target: &str,
                error: Option<&ErrorObject>,
                step_number: u64,
                at: String,
            ) -> Option<SideEffect> {
                let mut effect = side_effect(verb, target, error, step_number, at)?;
                effect.kind = "person";
                Some(effect)
            }
        ),
        swap_storage!(
            "methods-in-capitals",
            "STO-015",
            "records reads and writes as if they were methods of HTTP",
            fn side_effect(
                &self,
                verb: Verb,
                target: &str,
                error: Option<&ErrorObject>,
                step_number: u64,
                at: String,
            ) -> Option<SideEffect> {
                let mut effect = side_effect(verb, target, error, step_number, at)?;
                effect.method = effect.method.to_ascii_uppercase();
                Some(effect)
            }
        ),
    ]
}

fn types() -> Vec<Mutant> {
    vec![
        swap_storage!(
            "content-types-are-dropped",
            "STO-016",
            "does not tell the store the content type",
            fn object_type(&self, _: Option<String>) -> Option<String> {
                None
            }
        ),
        swap_storage!(
            "everything-is-plain-text",
            "STO-016",
            "tells the store that everything is plain text",
            fn object_type(&self, _: Option<String>) -> Option<String> {
                Some("text/plain".to_owned())
            }
        ),
    ]
}
