//! Mutants of `spec/schemas.md`: schemas that are compiled, or values that are judged, wrongly.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::Mutant;
use super::documents::{
    Loaded, each_schema, enforcing, overlooking, put, refusing, take_out, with_schemas, without,
};
use crate::diagnostic::Violation;
use crate::manifest::{self, Action, Manifest};
use crate::runtime::parts::Author;
use crate::runtime::session::Call;
use crate::runtime::{plan, response};

/// The mutants.
pub fn mutants() -> Vec<Mutant> {
    [dialects(), keywords(), formats(), values(), references()]
        .into_iter()
        .flatten()
        .collect()
}

const DRAFT_7: &str = "http://json-schema.org/draft-07/schema#";

/// The dialects that the schemas of a manifest name.
fn named(manifest: &Manifest) -> impl Iterator<Item = &str> {
    manifest
        .actions
        .iter()
        .flat_map(|action| [&action.input_schema, &action.output_schema])
        .filter_map(|schema| schema.get("$schema").and_then(Value::as_str))
}

/// Whether some schema refers to a place of which `is` holds.
fn refers(schema: &Value, is: fn(&str) -> bool) -> bool {
    match schema {
        Value::Object(members) => members.iter().any(|(name, member)| match member {
            Value::String(target) => name == "$ref" && is(target),
            member => refers(member, is),
        }),
        Value::Array(elements) => elements.iter().any(|element| refers(element, is)),
        _ => false,
    }
}

fn dialects() -> Vec<Mutant> {
    vec![
        enforcing(
            "draft-7-by-default",
            "SCH-001",
            "takes a schema without `$schema` for one of draft 7",
            |schema| {
                if let Value::Object(members) = schema {
                    members.entry("$schema").or_insert_with(|| json!(DRAFT_7));
                }
            },
        ),
        enforcing(
            "dialects-are-not-looked-at",
            "SCH-001",
            "takes every schema for one of 2020-12",
            |schema| take_out(schema, "/$schema"),
        ),
        swap!(
            "one-dialect-a-manifest",
            "SCH-002",
            "takes all schemas of a manifest for ones of the first dialect that is named",
            fn read_manifest(&self, document: &Value) -> Loaded {
                let manifest = manifest::load(document)?;
                let first = named(&manifest).next().map(str::to_owned);
                with_schemas(manifest, |schema| {
                    if let (Value::Object(members), Some(first)) = (schema, &first) {
                        members.insert("$schema".to_owned(), json!(first));
                    }
                })
            }
        ),
        refusing(
            "knows-two-dialects",
            "SCH-003",
            "refuses schemas of draft 4, draft 6 and 2019-09",
            |manifest, _| {
                named(manifest)
                    .any(|uri| {
                        ["draft-04", "draft-06", "2019-09"]
                            .iter()
                            .any(|old| uri.contains(old))
                    })
                    .then(|| {
                        Violation::new("/actions", "invalid_schema", "write 2020-12 or draft 7")
                    })
            },
        ),
        overlooking(
            "unknown-dialects-are-the-latest",
            "SCH-004",
            "takes a schema of a dialect that it does not know for one of 2020-12",
            |violation| violation.pointer.ends_with("/$schema"),
            |document, violation| take_out(document, &violation.pointer),
        ),
    ]
}

fn keywords() -> Vec<Mutant> {
    vec![
        enforcing(
            "arrays-are-any-size",
            "SCH-005",
            "does not enforce the keywords of arrays",
            |schema| {
                without(
                    schema,
                    &[
                        "minItems",
                        "maxItems",
                        "uniqueItems",
                        "contains",
                        "items",
                        "prefixItems",
                    ],
                )
            },
        ),
        enforcing(
            "numbers-and-texts-are-unbounded",
            "SCH-005",
            "does not enforce bounds of numbers, and lengths and patterns of strings",
            |schema| {
                let bounds = [
                    "minimum",
                    "maximum",
                    "exclusiveMinimum",
                    "exclusiveMaximum",
                    "multipleOf",
                ];
                without(schema, &bounds);
                without(schema, &["minLength", "maxLength", "pattern"]);
            },
        ),
        enforcing(
            "additional-members-pass",
            "SCH-005",
            "does not enforce which further members an object may have",
            |schema| {
                without(
                    schema,
                    &[
                        "additionalProperties",
                        "unevaluatedProperties",
                        "propertyNames",
                    ],
                )
            },
        ),
        enforcing(
            "combinations-pass",
            "SCH-005",
            "does not enforce combined schemas, conditions and fixed values",
            |schema| {
                without(
                    schema,
                    &["allOf", "anyOf", "oneOf", "not", "if", "enum", "const"],
                )
            },
        ),
        swap!(
            "lengths-are-of-utf-16",
            "SCH-005",
            "counts a character beyond the first plane as two",
            fn check_arguments(&self, action: &Action, args: &Value, _: Author) -> Vec<Violation> {
                plan::check_arguments(action, &in_utf_16(args))
            }
        ),
        swap!(
            "outputs-are-looked-at-from-outside",
            "SCH-005",
            "checks the type of an output and nothing that lies within",
            fn check_output(&self, action: &Action, output: &Value) -> Vec<Violation> {
                let mut violations = response::check_output(action, output);
                violations
                    .retain(|violation| violation.pointer.is_empty() && violation.rule == "type");
                violations
            }
        ),
    ]
}

/// The value with two signs for each character that UTF-16 writes with two units.
fn in_utf_16(value: &Value) -> Value {
    match value {
        Value::String(text) => {
            let units = text.chars().map(|sign| {
                if sign.len_utf16() == 2 {
                    "\u{e000}\u{e000}".to_owned()
                } else {
                    sign.into()
                }
            });
            Value::String(units.collect())
        }
        Value::Array(elements) => elements.iter().map(in_utf_16).collect(),
        Value::Object(members) => members
            .iter()
            .map(|(name, member)| (name.clone(), in_utf_16(member)))
            .collect(),
        other => other.clone(),
    }
}

fn formats() -> Vec<Mutant> {
    vec![
        enforcing(
            "formats-are-annotations",
            "SCH-006",
            "does not enforce formats",
            |schema| without(schema, &["format"]),
        ),
        enforcing(
            "formats-of-draft-7-are-annotations",
            "SCH-006",
            "enforces formats in 2020-12 only",
            |schema| {
                if schema.get("$schema").is_some_and(|uri| *uri == DRAFT_7) {
                    without(schema, &["format"]);
                }
            },
        ),
    ]
}

fn values() -> Vec<Mutant> {
    vec![
        swap!(
            "arguments-are-coerced",
            "SCH-007",
            "accepts arguments that would satisfy the schema as values of another type",
            fn check_arguments(&self, action: &Action, args: &Value, _: Author) -> Vec<Violation> {
                plan::check_arguments(
                    action,
                    &coerced(args, |value| plan::check_arguments(action, value)),
                )
            }
        ),
        swap!(
            "outputs-are-coerced",
            "SCH-007",
            "accepts outputs that would satisfy the schema as values of another type",
            fn check_output(&self, action: &Action, output: &Value) -> Vec<Violation> {
                response::check_output(
                    action,
                    &coerced(output, |value| response::check_output(action, value)),
                )
            }
        ),
        swap!(
            "fractions-of-zero-are-fractions",
            "SCH-007",
            "does not take 1.0 for an integer",
            fn check_arguments(&self, action: &Action, args: &Value, _: Author) -> Vec<Violation> {
                let mut violations = plan::check_arguments(action, args);
                let properties = action
                    .input_schema
                    .get("properties")
                    .and_then(Value::as_object);
                for (name, schema) in properties.into_iter().flatten() {
                    if schema.get("type") == Some(&json!("integer"))
                        && args.get(name).is_some_and(Value::is_f64)
                    {
                        violations.push(Violation::new(
                            format!("/{name}"),
                            "type",
                            "write an integer",
                        ));
                    }
                }
                violations
            }
        ),
        swap!(
            "defaults-are-filled-in",
            "SCH-008",
            "sends the defaults of arguments that the plan does not have",
            fn calls(&self, mut call: Call) -> Vec<Call> {
                let properties = call
                    .action
                    .input_schema
                    .get("properties")
                    .and_then(Value::as_object);
                let defaults: Map<String, Value> = properties
                    .into_iter()
                    .flatten()
                    .filter_map(|(name, schema)| {
                        Some((name.clone(), schema.get("default")?.clone()))
                    })
                    .collect();
                if let Value::Object(args) = &mut call.args {
                    for (name, default) in defaults {
                        args.entry(name).or_insert(default);
                    }
                }
                vec![call]
            }
        ),
    ]
}

/// The value with every member that is found fault with read as a value of another type, where it can be.
fn coerced(value: &Value, faults: impl Fn(&Value) -> Vec<Violation>) -> Value {
    let mut result = value.clone();
    for fault in faults(value) {
        let Some(wrong) = value.pointer(&fault.pointer) else {
            continue;
        };
        let other = match wrong {
            Value::String(text) => serde_json::from_str(text).unwrap_or_else(|_| json!([text])),
            Value::Bool(truth) => json!(u8::from(*truth)),
            Value::Number(number) if fault.rule == "type" => json!(number.to_string()),
            Value::Number(number) => json!(number.as_f64() != Some(0.0)),
            _ => continue,
        };
        put(&mut result, &fault.pointer, other);
    }
    result
}

fn references() -> Vec<Mutant> {
    vec![
        enforcing(
            "references-allow-anything",
            "SCH-009",
            "does not follow references",
            |schema| without(schema, &["$ref"]),
        ),
        enforcing(
            "references-end-at-the-second-level",
            "SCH-009",
            "follows a recursive reference once",
            |schema| {
                let mut inner = schema.clone();
                each_schema(&mut inner, &|members| {
                    members.retain(|name, target| name != "$ref" || target != "#");
                });
                each_schema(schema, &|members| {
                    if members.get("$ref").is_some_and(|target| target == "#") {
                        *members = inner.as_object().cloned().unwrap_or_default();
                    }
                });
            },
        ),
        overlooking(
            "remote-references-allow-anything",
            "SCH-010",
            "accepts a reference to another document and enforces nothing for it",
            |violation| violation.rule == "remote_ref",
            |document, violation| take_out(document, &violation.pointer),
        ),
        swap!(
            "remote-references-are-fetched",
            "SCH-010",
            "fetches what a schema refers to before it refuses the reference",
            fn read_manifest(&self, document: &Value) -> Loaded {
                tokio::task::block_in_place(|| fetch_all(document));
                manifest::load(document)
            }
        ),
        refusing(
            "meta-schemas-are-remote",
            "SCH-010",
            "refuses references to the meta-schemas of dialects that it knows",
            |_, document| {
                refers(document, |target| target.contains("json-schema.org/"))
                    .then(|| Violation::new("/actions", "remote_ref", "refer to this schema only"))
            },
        ),
    ]
}

/// Asks the servers of this machine for every document that a schema refers to; what they say is no matter.
fn fetch_all(value: &Value) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                match member
                    .as_str()
                    .and_then(|target| target.strip_prefix("http://")?.split_once('/'))
                {
                    Some((host, path)) if name == "$ref" => {
                        // A server that is not there is not asked.
                        let _ = fetch(host, path);
                    }
                    _ => fetch_all(member),
                }
            }
        }
        Value::Array(elements) => elements.iter().for_each(fetch_all),
        _ => {}
    }
}

fn fetch(host: &str, path: &str) -> std::io::Result<usize> {
    let patience = Some(Duration::from_millis(500));
    if !host.starts_with("127.0.0.1:") {
        return Ok(0);
    }
    let mut stream = TcpStream::connect(host)?;
    stream.set_read_timeout(patience)?;
    write!(
        stream,
        "GET /{path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n"
    )?;
    let mut reply = [0; 64];
    stream.read(&mut reply)
}
