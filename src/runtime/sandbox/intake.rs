//! Code in manifests, looked at before it is registered (`spec/sandbox.md`, 1.2 and 1.3).

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::{SandboxParts, asked};
use crate::diagnostic::Violation;
use crate::manifest::{CodePlace, Kind, MAX_VIOLATIONS, Manifest, RunCode};
use crate::requirement::Profile;
use crate::runtime::error::{Code, ErrorObject};
use crate::runtime::parts::Parts;
use crate::sandbox::{Failure, FailureCode, Language, Sandbox};

/// How long the code of one manifest is looked at; what is left then is found out when it runs.
const LONGEST_LOOK: Duration = Duration::from_secs(10);

/// Longest message about code, in bytes; there may be a hundred.
const LONGEST_DEFECT: usize = 1024;

/// The definitions whose `runtime` is not offered; a runtime without any sandbox refuses them for want of the profile.
pub fn unsupported_runtimes(
    rules: &(impl SandboxParts + ?Sized),
    manifest: &Manifest,
    profiles: &[Profile],
) -> Vec<Violation> {
    if !profiles.contains(&Profile::Sandbox) {
        return Vec::new();
    }
    let offered = rules.runtimes(profiles).join(", ");
    codes(manifest)
        .filter(|(code, _)| rules.language(profiles, &code.runtime).is_none())
        .take(MAX_VIOLATIONS)
        .map(|(code, place)| {
            let message = format!("{:?} is not offered; choose from {offered}", code.runtime);
            Violation::new(
                place.runtime.clone(),
                Code::UnsupportedRuntime.name(),
                message,
            )
        })
        .collect()
}

/// The definitions of a manifest with code, and where they stand.
fn codes(manifest: &Manifest) -> impl Iterator<Item = (&RunCode, &CodePlace)> {
    let code = |place: &CodePlace| match &manifest.actions.get(place.action)?.kind {
        Kind::RunCode(code) => Some(code),
        _ => None,
    };
    let places = manifest.codes().iter();
    places.filter_map(move |place| Some((code(place)?, place)))
}

/// Whether a document that was not read yet may have code to look at: some string in it names the type, however it is spelled.
pub fn may_have_code(document: &Value) -> bool {
    match document {
        Value::String(text) => text == "run_code",
        Value::Array(elements) => elements.iter().any(may_have_code),
        Value::Object(members) => members.values().any(may_have_code),
        _ => false,
    }
}

/// A refusal with each of its violations, for who starts a runtime.
pub fn told(error: &ErrorObject) -> String {
    let violations = error.details.get("violations").and_then(Value::as_array);
    let each = violations.into_iter().flatten().map(|violation| {
        let text = |member: &str| violation.get(member).and_then(Value::as_str);
        format!(
            "{}: {}",
            text("pointer").unwrap_or_default(),
            text("message").unwrap_or_default()
        )
    });
    std::iter::once(error.message.clone())
        .chain(each)
        .collect::<Vec<_>>()
        .join("; ")
}

/// Whether there is code to look at.
pub fn has_code(manifest: &Manifest) -> bool {
    !manifest.codes().is_empty()
}

/// Code as it was looked at: its language, text and entry point, and whether it may have the network.
type Looked = (Language, Arc<str>, String, bool);

/// Code that does not parse, and modules that cannot be run, as far as they are listed in one answer. Blocks.
///
/// # Errors
/// `capacity_exceeded` when some code could not be looked at for want of room, and no other is known to be wrong.
pub fn code_defects(
    parts: &dyn Parts,
    sandbox: &Sandbox,
    manifest: &Manifest,
    profiles: &[Profile],
) -> Result<Vec<Violation>, ErrorObject> {
    let rules = parts.sandbox();
    let began = Instant::now();
    let mut known: HashMap<Looked, Result<(), Failure>> = HashMap::new();
    let mut found = Vec::new();
    let mut busy = None;
    for (code, place) in codes(manifest) {
        let Some(language) = rules.language(profiles, &code.runtime) else {
            continue;
        };
        let networked = rules.opens_door(code);
        let program = rules.program(language, code);
        let key = (
            language,
            Arc::clone(&program.code),
            program.entrypoint.clone(),
            networked,
        );
        let late = !known.contains_key(&key) && began.elapsed() > LONGEST_LOOK;
        if late || found.len() >= MAX_VIOLATIONS {
            break;
        }
        let checked = known
            .entry(key)
            .or_insert_with(|| rules.check_code(sandbox, &program, networked));
        match checked {
            Ok(()) => {}
            // It says nothing about the code, and would be as wrong an answer tomorrow as it is today.
            Err(failure) if failure.code == FailureCode::Busy => {
                busy.get_or_insert_with(|| rules.failure(failure));
            }
            Err(failure) => found.push(Violation::new(
                place.code.clone(),
                "invalid_code",
                asked::cut(failure.message.clone(), LONGEST_DEFECT),
            )),
        }
    }
    match busy {
        Some(error) if found.is_empty() => Err(error),
        _ => Ok(found),
    }
}
