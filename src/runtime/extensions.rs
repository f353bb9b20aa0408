//! Extensions of the draft: which are offered, and what belongs to those that are not (`spec/extensions.md`).

use std::collections::BTreeSet;

use serde_json::Value;

use super::error::{Code, ErrorObject};
use crate::diagnostic::Violation;
use crate::manifest::{Kind, Manifest};
use crate::requirement::Extension;

/// What `extensions` of capabilities holds.
pub fn named(offered: &BTreeSet<Extension>) -> Value {
    offered
        .iter()
        .map(|extension| extension.name())
        .collect::<Vec<_>>()
        .into()
}

/// The members of a manifest that belong to extensions which are not offered.
pub fn unoffered_members(manifest: &Manifest, offered: &BTreeSet<Extension>) -> Vec<Violation> {
    if offered.contains(&Extension::Caching) {
        return Vec::new();
    }
    let apis = manifest
        .actions
        .iter()
        .filter_map(|action| match &action.kind {
            Kind::InvokeApi(api) => Some(api),
            _ => None,
        });
    apis.flat_map(|api| {
        let cache = api.cache.as_ref().map(|cache| ("cache", &cache.pointer));
        let batch = api.batch.as_ref().map(|batch| ("batch", &batch.pointer));
        cache.into_iter().chain(batch)
    })
    .map(|(member, pointer)| violation(pointer.clone(), member, Extension::Caching))
    .collect()
}

/// The members of a request for a session that belong to extensions which are not offered.
pub fn unoffered_wishes(body: &Value, offered: &BTreeSet<Extension>) -> Vec<Violation> {
    let wishes = [("budget", Extension::Cost)];
    wishes
        .into_iter()
        .filter(|(member, extension)| body.get(member).is_some() && !offered.contains(extension))
        .map(|(member, extension)| violation(format!("/{member}"), member, extension))
        .collect()
}

fn violation(pointer: String, member: &str, extension: Extension) -> Violation {
    Violation::new(
        pointer,
        Code::ProfileNotSupported.name(),
        format!("`{member}` needs the extension {extension} of draft-2.1"),
    )
}

/// The refusal of such members.
pub fn not_offered(violations: &[Violation]) -> ErrorObject {
    ErrorObject::new(
        Code::ProfileNotSupported,
        "an extension is needed that this runtime does not offer; GET /capabilities lists those that it does",
    )
    .with_violations(violations)
}
