//! JSON Schema as the protocol uses it: the draft by `$schema` (absent: 2020-12), `format` asserted, nothing ever fetched
//! (`spec/schemas.md`).

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, OnceLock};

use jsonschema::meta::MetaValidator;
use jsonschema::{Draft, Registry, Retrieve, Uri, Validator};
use serde_json::Value;

use crate::diagnostic::Violation;
use crate::embedded;

mod visits;
mod weight;

use weight::Weight;

/// Most violations one check reports; a hostile value can break a schema in every element.
const MOST_VIOLATIONS: usize = 100;

/// A compiled schema; cheap to clone and to share.
#[derive(Clone)]
pub struct Schema(Arc<Compiled>);

struct Compiled {
    validator: Validator,
    weight: Weight,
}

impl fmt::Debug for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Schema")
    }
}

/// Why a document is not a usable schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SchemaError {
    /// What to do about it.
    pub message: String,
    /// Pointer into the schema document, as far as it is known.
    pub pointer: String,
}

impl fmt::Display for SchemaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for SchemaError {}

/// Compiles a schema of a stranger.
///
/// # Errors
/// The first of the defects that [`check`] finds.
pub fn compile(document: &Value) -> Result<Schema, SchemaError> {
    check(document).map_err(|defects| {
        let first = defects.into_iter().next();
        first.unwrap_or_else(|| SchemaError {
            message: "is no schema that can be used".to_owned(),
            pointer: String::new(),
        })
    })
}

/// Compiles a schema of a stranger, or finds everything that is wrong with it.
///
/// # Errors
/// At least one and at most 100 defects: the document is no valid schema of its draft, names a draft that is not
/// offered, refers to another document, to nothing or to itself, or could cause more work than a schema may.
pub fn check(document: &Value) -> Result<Schema, Vec<SchemaError>> {
    let defect = |message: &str, pointer: &str| SchemaError {
        message: message.to_owned(),
        pointer: pointer.to_owned(),
    };
    if !document.is_object() && !document.is_boolean() {
        return Err(vec![defect("a schema is an object or a boolean", "")]);
    }
    let named = document.get("$schema").and_then(Value::as_str);
    if named.is_some_and(|uri| !is_dialect(uri)) {
        return Err(vec![defect(
            "names a draft that is not offered; use 2020-12, 2019-09, 7, 6 or 4",
            "/$schema",
        )]);
    }
    let mut remote = Vec::new();
    remote_references(document, "", &mut remote);
    let mut defects: Vec<SchemaError> = remote
        .iter()
        .map(|pointer| {
            defect(
                "refers to another document, which is never fetched; put it under $defs",
                pointer,
            )
        })
        .collect();
    let errors = dialect(document);
    defects.extend(errors.iter_errors(document).map(|error| SchemaError {
        message: error.masked_with("the value").to_string(),
        pointer: error.instance_path().as_str().to_owned(),
    }));
    if !defects.is_empty() {
        defects.truncate(MOST_VIOLATIONS);
        return Err(defects);
    }
    // Weighed before it is built, since building alone can take a heavy one minutes.
    let weight = weight::weigh(document).map_err(|error| vec![error])?;
    build(document, None, weight).map_err(|error| vec![error])
}

/// The meta-schema of the document's draft.
fn dialect(document: &Value) -> MetaValidator<'static> {
    match draft(document) {
        Draft::Draft4 => jsonschema::draft4::meta::validator(),
        Draft::Draft6 => jsonschema::draft6::meta::validator(),
        Draft::Draft7 => jsonschema::draft7::meta::validator(),
        Draft::Draft201909 => jsonschema::draft201909::meta::validator(),
        _ => jsonschema::draft202012::meta::validator(),
    }
}

/// The schema of one of the protocol's own messages, `spec/schemas/<name>.json`, compiled once.
///
/// `None` when there is no such schema, or when it does not compile, which a test of this crate excludes.
pub fn named(name: &str) -> Option<&'static Schema> {
    static SCHEMAS: OnceLock<BTreeMap<String, Schema>> = OnceLock::new();
    SCHEMAS.get_or_init(compile_own).get(name)
}

impl Schema {
    /// Whether the value satisfies the schema.
    pub fn is_valid(&self, value: &Value) -> bool {
        self.0.validator.is_valid(value)
    }

    /// How large the schema is: its subschemas, each counted as often as references lead to it.
    pub fn places(&self) -> usize {
        self.0.weight.places()
    }

    /// Everything that is wrong with the value, at most 100 entries; the messages never quote it.
    pub fn violations(&self, value: &Value) -> Vec<Violation> {
        if self.is_valid(value) {
            return Vec::new();
        }
        if !self.0.weight.allows_listing(value) {
            return vec![Violation::new(
                "",
                "schema",
                "does not satisfy the schema, which is too recursive to say where",
            )];
        }
        self.0
            .validator
            .iter_errors(value)
            .take(MOST_VIOLATIONS)
            .map(|error| {
                Violation::new(
                    error.instance_path().as_str(),
                    error.kind().keyword(),
                    error.masked_with("the value").to_string(),
                )
            })
            .collect()
    }
}

const OWN_BASE: &str = "https://open-action.example/2.0/schemas/";

fn compile_own() -> BTreeMap<String, Schema> {
    let documents: Vec<(String, Value)> = embedded::list("spec/schemas/")
        .into_iter()
        .filter_map(|path| {
            let name = path.strip_prefix("spec/schemas/")?.strip_suffix(".json")?;
            let document = serde_json::from_str(&embedded::text(&path)?).ok()?;
            Some((name.to_owned(), document))
        })
        .collect();
    let mut registry = Registry::new().draft(Draft::Draft202012);
    for (name, document) in &documents {
        match registry.add(format!("{OWN_BASE}{name}.json"), document.clone()) {
            Ok(more) => registry = more,
            Err(_) => return BTreeMap::new(),
        }
    }
    let Ok(registry) = registry.retriever(Refuse).prepare() else {
        return BTreeMap::new();
    };
    documents
        .iter()
        .filter_map(|(name, document)| {
            Some((
                name.clone(),
                build(document, Some(&registry), Weight::OWN).ok()?,
            ))
        })
        .collect()
}

fn build(
    document: &Value,
    registry: Option<&Registry<'_>>,
    weight: Weight,
) -> Result<Schema, SchemaError> {
    let mut options = jsonschema::options()
        .with_draft(draft(document))
        .should_validate_formats(true)
        .with_retriever(Refuse);
    if let Some(registry) = registry {
        options = options.with_registry(registry);
    }
    options
        .build(document)
        .map(|validator| Schema(Arc::new(Compiled { validator, weight })))
        .map_err(|error| SchemaError {
            message: error.masked_with("the value").to_string(),
            pointer: error.instance_path().as_str().to_owned(),
        })
}

fn draft(document: &Value) -> Draft {
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
fn is_dialect(uri: &str) -> bool {
    matches!(
        uri.trim_end_matches('#'),
        "http://json-schema.org/draft-04/schema"
            | "http://json-schema.org/draft-06/schema"
            | "http://json-schema.org/draft-07/schema"
            | "https://json-schema.org/draft/2019-09/schema"
            | "https://json-schema.org/draft/2020-12/schema"
    )
}

/// Every `$ref` (or dynamic kin) that leaves the document, judged by its text: a resolver that is never asked cannot be tricked.
fn remote_references(value: &Value, pointer: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                let here = crate::json::push(pointer, name);
                match (name.as_str(), member) {
                    // Values under these keywords are data, not schemas.
                    ("const" | "enum" | "default" | "examples", _) => {}
                    ("$ref" | "$dynamicRef" | "$recursiveRef", Value::String(target)) => {
                        if !target.starts_with('#') && !is_dialect(target) {
                            found.push(here);
                        }
                    }
                    _ => remote_references(member, &here, found),
                }
            }
        }
        Value::Array(elements) => {
            for (index, element) in elements.iter().enumerate() {
                remote_references(
                    element,
                    &crate::json::push(pointer, &index.to_string()),
                    found,
                );
            }
        }
        _ => {}
    }
}

/// Nothing is fetched, whatever a document names.
struct Refuse;

impl Retrieve for Refuse {
    fn retrieve(&self, _: &Uri<String>) -> Result<Value, Box<dyn std::error::Error + Send + Sync>> {
        Err("other documents are never fetched".into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn formats_are_asserted_in_every_draft() {
        for uri in [
            "http://json-schema.org/draft-04/schema#",
            "http://json-schema.org/draft-06/schema#",
            "http://json-schema.org/draft-07/schema#",
            "https://json-schema.org/draft/2019-09/schema",
            "https://json-schema.org/draft/2020-12/schema",
        ] {
            let schema = compile(&json!({"$schema": uri, "format": "email"})).expect(uri);
            assert!(schema.is_valid(&json!("a@example.com")), "{uri}");
            assert!(!schema.is_valid(&json!("not an address")), "{uri}");
        }
        let absent = compile(&json!({"format": "date-time"})).expect("compiles");
        assert!(!absent.is_valid(&json!("tomorrow")));
    }

    #[test]
    fn the_draft_decides_what_a_keyword_means() {
        // `prefixItems` came with 2020-12; before, an unknown keyword constrains nothing.
        let tuple = |uri: &str| json!({"$schema": uri, "prefixItems": [{"type": "string"}]});
        let old = compile(&tuple("http://json-schema.org/draft-07/schema#")).expect("compiles");
        let new =
            compile(&tuple("https://json-schema.org/draft/2020-12/schema")).expect("compiles");
        assert!(old.is_valid(&json!([1])));
        assert!(!new.is_valid(&json!([1])));
    }

    #[test]
    fn other_documents_are_refused_not_fetched() {
        let error = compile(&json!({"properties": {"a": {"$ref": "https://example.com/a.json"}}}))
            .expect_err("refused");
        assert_eq!(error.pointer, "/properties/a/$ref");
        assert!(compile(&json!({"$ref": "file:///etc/passwd"})).is_err());
        assert!(compile(&json!({"$schema": "https://example.com/own", "type": "string"})).is_err());
        assert!(compile(&json!({"$ref": "#/$defs/a", "$defs": {"a": true}})).is_ok());
        assert!(compile(&json!({"const": {"$ref": "https://example.com"}})).is_ok());
    }

    #[test]
    fn what_is_no_schema_is_refused_with_its_place() {
        assert!(compile(&json!("string")).is_err());
        let error = compile(&json!({"properties": {"a": {"type": "strin"}}})).expect_err("refused");
        assert_eq!(error.pointer, "/properties/a/type");
        assert!(compile(&json!({"pattern": "("})).is_err());
    }

    #[test]
    fn violations_name_place_and_keyword_and_never_the_value() {
        let schema =
            compile(&json!({"properties": {"to": {"format": "email"}}, "required": ["id"]}))
                .expect("compiles");
        let found = schema.violations(&json!({"to": "s3cret"}));
        let short: Vec<_> = found
            .iter()
            .map(|v| (v.pointer.as_str(), v.rule.as_str()))
            .collect();
        assert!(short.contains(&("/to", "format")) && short.contains(&("", "required")));
        assert!(found.iter().all(|v| !v.message.contains("s3cret")));
    }

    #[test]
    fn every_schema_of_the_spec_compiles_and_knows_its_own_name() {
        for path in embedded::list("spec/schemas/") {
            let Some(name) = path
                .strip_prefix("spec/schemas/")
                .and_then(|file| file.strip_suffix(".json"))
            else {
                continue;
            };
            let document: Value =
                serde_json::from_str(&embedded::text(&path).expect("listed")).expect(&path);
            assert_eq!(document["$id"], format!("{OWN_BASE}{name}.json"));
            assert!(named(name).is_some(), "{path} does not compile");
        }
    }
}
