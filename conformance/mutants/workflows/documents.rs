//! Mutants of section 2: types, prefixes, contexts and spellings.

use std::borrow::Cow;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::Value;

use crate::diagnostic::Violation;
use crate::json;
use crate::manifest::vocabulary::Vocabulary;
use crate::manifest::{self, Manifest};
use crate::mutants::Mutant;
use crate::requirement::Profile;
use crate::workflow::node::NodeType;
use crate::workflow::schema;

/// The mutants.
pub fn mutants() -> Vec<Mutant> {
    [types(), manifests(), members()]
        .into_iter()
        .flatten()
        .collect()
}

type Loaded = Result<Manifest, Vec<Violation>>;

/// Members whose snake_case spelling is a mistake in nodes and requests.
const SNAKE_CASE: [&str; 4] = [
    "fallback_action",
    "access_control",
    "plugin_reference",
    "request_id",
];

fn types() -> Vec<Mutant> {
    vec![
        swap_workflow!(
            "types-only-by-short-name",
            "WFL-001",
            "does not know a node by the full IRI of its type",
            fn node_type(&self, vocabulary: &Vocabulary<'_>, value: &Value) -> Option<NodeType> {
                let full = value.to_string().contains("vocab#");
                schema::node_type(vocabulary, value).filter(|_| !full)
            }
        ),
        swap_workflow!(
            "types-only-as-text",
            "WFL-001",
            "does not know a node whose type stands in an array",
            fn node_type(&self, vocabulary: &Vocabulary<'_>, value: &Value) -> Option<NodeType> {
                schema::node_type(vocabulary, value).filter(|_| value.is_string())
            }
        ),
        swap_workflow!(
            "prefixes-mean-nothing",
            "WFL-002",
            "does not look at the prefixes that a node's context declares",
            fn node_type(&self, _: &Vocabulary<'_>, value: &Value) -> Option<NodeType> {
                schema::node_type(&Vocabulary::default(), value)
            }
        ),
        swap_workflow!(
            "any-prefix-will-do",
            "WFL-002",
            "looks only at what stands behind the last colon or hash of a type",
            fn node_type(&self, vocabulary: &Vocabulary<'_>, value: &Value) -> Option<NodeType> {
                schema::node_type(vocabulary, value).or_else(|| by_suffix(value, &[':', '#']))
            }
        ),
        swap_workflow!(
            "unknown-contexts-bring-prefixes",
            "WFL-004",
            "takes a prefix that no known context declares for one of the vocabulary",
            fn node_type(&self, vocabulary: &Vocabulary<'_>, value: &Value) -> Option<NodeType> {
                schema::node_type(vocabulary, value).or_else(|| by_suffix(value, &[':']))
            }
        ),
        swap_workflow!(
            "aliases-are-foreign",
            "WFL-003",
            "takes a node's member under an alias of the context for one that nobody defined",
            fn member_name<'n>(&self, vocabulary: &Vocabulary<'_>, name: &'n str) -> Cow<'n, str> {
                if name.contains(':') {
                    vocabulary.member(name)
                } else {
                    Cow::Borrowed(name)
                }
            }
        ),
        swap_workflow!(
            "prefixed-members-are-foreign",
            "WFL-003",
            "takes a node's member with a prefix for one that nobody defined",
            fn member_name<'n>(&self, _: &Vocabulary<'_>, name: &'n str) -> Cow<'n, str> {
                Cow::Borrowed(name)
            }
        ),
    ]
}

fn manifests() -> Vec<Mutant> {
    vec![
        swap!(
            "manifests-only-by-short-name",
            "WFL-001",
            "refuses a manifest whose types are full IRIs or arrays",
            fn read_manifest(&self, document: &Value) -> Loaded {
                let mut types = vec![document.get("@type")];
                let actions = document.get("actions").and_then(Value::as_array);
                types.extend(
                    actions
                        .into_iter()
                        .flatten()
                        .map(|action| action.get("@type")),
                );
                let short = |kind: &Value| kind.as_str().is_some_and(|kind| !kind.contains("://"));
                if types.into_iter().flatten().all(short) {
                    manifest::load(document)
                } else {
                    Err(vec![Violation::new(
                        "/@type",
                        "const",
                        "write the short name",
                    )])
                }
            }
        ),
        swap!(
            "prefixes-of-manifests-mean-nothing",
            "WFL-002",
            "reads a manifest without its context",
            fn read_manifest(&self, document: &Value) -> Loaded {
                let mut document = document.clone();
                if let Some(members) = document.as_object_mut() {
                    members.shift_remove("@context");
                }
                manifest::load(&document)
            }
        ),
        swap!(
            "digests-of-the-types",
            "WFL-003",
            "counts the way in which types are written into the digest",
            fn read_manifest(&self, document: &Value) -> Loaded {
                let mut loaded = manifest::load(document)?;
                let actions = document.get("actions").and_then(Value::as_array);
                let mut types: Vec<&Value> = document.get("@type").into_iter().collect();
                types.extend(
                    actions
                        .into_iter()
                        .flatten()
                        .filter_map(|action| action.get("@type")),
                );
                if types.iter().any(|kind| {
                    !kind
                        .as_str()
                        .is_some_and(|kind| kind.starts_with("OpenAction:"))
                }) {
                    loaded.digest = json::digest(document);
                }
                Ok(loaded)
            }
        ),
        swap!(
            "contexts-are-fetched",
            "WFL-004",
            "fetches the contexts that a manifest names",
            fn read_manifest(&self, document: &Value) -> Loaded {
                let actions = document.get("actions").and_then(Value::as_array);
                let places = actions.into_iter().flatten().chain([document]);
                for context in places.filter_map(|place| place.get("@context")) {
                    let several = context.as_array().map(Vec::as_slice);
                    let all = several.unwrap_or(std::slice::from_ref(context));
                    all.iter().filter_map(Value::as_str).for_each(fetch);
                }
                manifest::load(document)
            }
        ),
    ]
}

fn members() -> Vec<Mutant> {
    vec![
        swap_workflow!(
            "snake-case-members-are-read-over",
            "WFL-005",
            "ignores safeguards in snake_case like any unknown member",
            fn check_shape(&self, schema: &str, value: &Value) -> Vec<Violation> {
                let mut found = schema::check_shape(schema, value);
                found.retain(|violation| {
                    !SNAKE_CASE
                        .iter()
                        .any(|name| violation.pointer.ends_with(name))
                });
                found
            }
        ),
        swap_workflow!(
            "approvals-without-people",
            "WFL-006",
            "takes human approvals although it does not declare the profile human",
            fn supports(&self, profiles: &[Profile], profile: Profile) -> bool {
                profile == Profile::Human || profiles.contains(&profile)
            }
        ),
        swap_workflow!(
            "access-control-without-access",
            "WFL-006",
            "takes access control although it does not declare the profile access",
            fn supports(&self, profiles: &[Profile], profile: Profile) -> bool {
                profile == Profile::Access || profiles.contains(&profile)
            }
        ),
    ]
}

/// The type by what stands behind the last of these characters; an IRI has no prefix.
fn by_suffix(value: &Value, before: &[char]) -> Option<NodeType> {
    let text = value.as_str()?;
    if before.len() == 1 && text.contains("//") {
        return None;
    }
    match text.rsplit(before).next()? {
        "Action" => Some(NodeType::Action),
        "HumanApproval" => Some(NodeType::Approval),
        _ => None,
    }
}

/// Asks for a document and does not care what comes.
fn fetch(iri: &str) {
    let Some((host, path)) = iri
        .strip_prefix("http://")
        .and_then(|rest| rest.split_once('/'))
    else {
        return;
    };
    let Ok(mut stream) = TcpStream::connect(host) else {
        return;
    };
    let _ = stream.set_read_timeout(Some(Duration::from_secs(1)));
    let asked = write!(
        stream,
        "GET /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
    );
    if asked.is_ok() {
        let _ = stream.read(&mut [0; 64]);
    }
}
