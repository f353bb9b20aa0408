//! The manifests in `fixtures/`, read once: cases ask for the same few over and over.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use serde_json::Value;

use super::PrepareError;
use crate::{embedded, json};

/// A fixture as it was read.
struct Fixture {
    document: Value,
    /// The document without white space.
    text: String,
}

/// The fixture of that name in `fixtures/manifests/valid/`.
///
/// # Errors
/// When there is none, or it is not JSON.
pub fn fixture(name: &str) -> Result<Value, PrepareError> {
    kept(name).map(|fixture| fixture.document.clone())
}

/// Whether there is a fixture of that name that holds this text, white space apart.
pub fn fixture_holds(name: &str, text: &str) -> bool {
    kept(name).is_ok_and(|fixture| fixture.text.contains(text))
}

fn kept(name: &str) -> Result<Arc<Fixture>, PrepareError> {
    static KEPT: RwLock<BTreeMap<String, Arc<Fixture>>> = RwLock::new(BTreeMap::new());
    let known = KEPT.read().unwrap_or_else(PoisonError::into_inner);
    if let Some(fixture) = known.get(name) {
        return Ok(Arc::clone(fixture));
    }
    drop(known);
    let document = read(name)?;
    let text = document.to_string();
    let fixture = Arc::new(Fixture { document, text });
    // A development build reads them from the checkout, where one may change while cases are watched.
    if !cfg!(debug_assertions) {
        let mut known = KEPT.write().unwrap_or_else(PoisonError::into_inner);
        known.insert(name.to_owned(), Arc::clone(&fixture));
    }
    Ok(fixture)
}

fn read(name: &str) -> Result<Value, PrepareError> {
    let path = format!("fixtures/manifests/valid/{name}.json");
    let Some(text) = embedded::text(&path) else {
        return Err(PrepareError(format!(
            "there is no {path}; name a fixture that exists"
        )));
    };
    json::read(
        text.as_bytes(),
        &json::Limits::DOCUMENT,
        json::Duplicates::Refuse,
    )
    .map_err(|error| PrepareError(format!("{path}: {error}")))
}
