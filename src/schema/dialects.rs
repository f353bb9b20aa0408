//! The drafts of JSON Schema that are offered, and their meta-schemas.

use std::sync::OnceLock;

use jsonschema::{Draft, Validator};
use serde_json::Value;

use super::Refuse;

/// The meta-schema of the document's draft, its formats asserted, so that a pattern that is no expression is found too.
pub(super) fn meta_schema(document: &Value) -> Option<&'static Validator> {
    static DIALECTS: [OnceLock<Option<Validator>>; 5] = [const { OnceLock::new() }; 5];
    let draft = draft(document);
    let (cell, uri) = match draft {
        Draft::Draft4 => (&DIALECTS[0], "http://json-schema.org/draft-04/schema#"),
        Draft::Draft6 => (&DIALECTS[1], "http://json-schema.org/draft-06/schema#"),
        Draft::Draft7 => (&DIALECTS[2], "http://json-schema.org/draft-07/schema#"),
        Draft::Draft201909 => (&DIALECTS[3], "https://json-schema.org/draft/2019-09/schema"),
        _ => (&DIALECTS[4], "https://json-schema.org/draft/2020-12/schema"),
    };
    let compiled = cell.get_or_init(|| {
        jsonschema::options()
            .with_draft(draft)
            .should_validate_formats(true)
            .with_retriever(Refuse)
            .build(&serde_json::json!({"$ref": uri}))
            .ok()
    });
    compiled.as_ref()
}

/// The draft by which a schema is read: that of its `$schema`, else 2020-12.
pub(crate) fn draft(document: &Value) -> Draft {
    let uri = document.get("$schema").and_then(Value::as_str);
    match uri.map(|uri| uri.trim_end_matches('#')) {
        Some("http://json-schema.org/draft-04/schema") => Draft::Draft4,
        Some("http://json-schema.org/draft-06/schema") => Draft::Draft6,
        Some("http://json-schema.org/draft-07/schema") => Draft::Draft7,
        Some("https://json-schema.org/draft/2019-09/schema") => Draft::Draft201909,
        _ => Draft::Draft202012,
    }
}

/// Whether a URI names a draft that is offered, and so a schema that is known without fetching it.
pub(in crate::schema) fn is_dialect(uri: &str) -> bool {
    matches!(
        uri.trim_end_matches('#'),
        "http://json-schema.org/draft-04/schema"
            | "http://json-schema.org/draft-06/schema"
            | "http://json-schema.org/draft-07/schema"
            | "https://json-schema.org/draft/2019-09/schema"
            | "https://json-schema.org/draft/2020-12/schema"
    )
}

/// Whether a reference leads to the meta-schema of a dialect. The depth of documents is bounded by their readers.
pub(super) fn names_a_dialect(value: &Value) -> bool {
    match value {
        Value::Object(members) => members.iter().any(|(name, member)| match member {
            Value::String(target) => {
                (name == "$ref" || name == "$dynamicRef") && is_dialect(target)
            }
            _ => names_a_dialect(member),
        }),
        Value::Array(elements) => elements.iter().any(names_a_dialect),
        _ => false,
    }
}
