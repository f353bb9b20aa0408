//! Mutants of section 1.4: keys of stores.

use crate::mutants::Mutant;
use crate::runtime::error::ErrorObject;
use crate::runtime::files::StorageParts;
use crate::runtime::files::failure::{self, Failure};
use crate::runtime::{Parts, redact};

/// The mutants.
pub fn mutants() -> Vec<Mutant> {
    vec![
        swap!(
            "store-keys-are-not-known",
            "STO-004",
            "does not look for the keys of its stores in what it tells",
            fn secret_forms(&self, secret: &str) -> Vec<String> {
                forms(secret)
            }
        ),
        Mutant::part(
            "store-keys-in-errors",
            "STO-004",
            "names the key in the error when a store refuses it",
            Talkative,
        ),
        Mutant::config(
            "requests-of-nobody",
            "STO-004",
            "signs its requests with a key that nobody configured",
            |config| {
                if let Some(s3) = &mut config.storage.s3 {
                    s3.keys.id = "SOMEBODYELSESKEY0001".to_owned();
                }
            },
        ),
    ]
}

fn key() -> String {
    mock_services::Credentials::default().object_key
}

fn forms(secret: &str) -> Vec<String> {
    match secret == key() {
        true => Vec::new(),
        false => redact::encodings(secret),
    }
}

/// Tells its key, and does not redact it.
struct Talkative;

impl StorageParts for Talkative {
    fn store_error(&self, found: Failure) -> ErrorObject {
        let mut error = failure::error(found);
        if found == Failure::KeyRefused {
            error.message = format!("the store refuses the key {}", key());
        }
        error
    }
}

impl Parts for Talkative {
    fn storage(&self) -> &dyn StorageParts {
        self
    }

    fn secret_forms(&self, secret: &str) -> Vec<String> {
        forms(secret)
    }
}
