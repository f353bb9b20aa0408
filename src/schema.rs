//! JSON Schema as the protocol uses it: the draft by `$schema` (absent: 2020-12), `format` asserted, nothing ever fetched
//! (`spec/schemas.md`).

use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::sync::{Arc, OnceLock};

use jsonschema::{Draft, PatternOptions, Registry, Retrieve, Uri, ValidationError, Validator};
use referencing::SPECIFICATIONS;
use serde_json::Value;

use crate::diagnostic::Violation;
use crate::embedded;

pub mod bundled;
mod dialects;
mod visits;
mod weight;

pub(crate) use dialects::draft;
use dialects::{is_dialect, meta_schema, names_a_dialect};
use weight::Weight;

/// Most violations one check reports; a hostile value can break a schema in every element.
const MOST_VIOLATIONS: usize = 100;

/// Most errors of a meta-schema that are looked at for them.
const MOST_ERRORS: usize = 10 * MOST_VIOLATIONS;

/// Most bytes of their places and messages; a place can be as long as the document.
const MOST_TOLD: usize = 256 * 1024;

/// Most bytes of one message, which would else name every member that should not be there.
const LONGEST_MESSAGE: usize = 1024;

/// Most steps back of one expression on one text, after which it counts as not matching: a document has room for
/// thousands of texts, each of which can take so long.
const MOST_BACKTRACKING: usize = 10_000;

/// Most bytes that the places of all values of a document may have together for them to be told: each error is built with
/// its place, and under one long name there may be thousands.
const MOST_PLACES_BYTES: usize = 16 << 20;

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
    let document = &*with_local_references(document);
    let mut remote = Vec::new();
    remote_references(document, None, &mut remote);
    let mut told = Told::default();
    let mut defects: Vec<SchemaError> = remote
        .iter()
        .map(|pointer| {
            defect(
                "refers to another document, which is never fetched; put it under $defs",
                pointer,
            )
        })
        .take_while(|defect| told.may_tell(&defect.pointer, &defect.message))
        .collect();
    // Without a dialect's validator, which a test of this crate excludes, building still finds the first error.
    if let Some(dialect) = meta_schema(document).filter(|dialect| !dialect.is_valid(document)) {
        if !places_can_be_told(document) {
            return Err(vec![defect(
                "is no valid schema of its draft; its names are too long to say where",
                "",
            )]);
        }
        // A meta-schema made of several looks at one place in several ways, and says the same of it each time.
        let mut places = HashSet::new();
        let errors = dialect.iter_errors(document).take(MOST_ERRORS);
        let errors = errors
            .map(|error| SchemaError {
                message: sentence(&error),
                pointer: error.instance_path().as_str().to_owned(),
            })
            .filter(|defect| places.insert(defect.pointer.clone()))
            .take(MOST_VIOLATIONS);
        defects.extend(errors.take_while(|defect| told.may_tell(&defect.pointer, &defect.message)));
    }
    if !defects.is_empty() {
        defects.truncate(MOST_VIOLATIONS);
        return Err(defects);
    }
    // Weighed before it is built, since building alone can take a heavy one minutes.
    let weight = weight::weigh(document).map_err(|error| vec![error])?;
    build(document, None, weight).map_err(|error| vec![error])
}

/// The schema of one of the protocol's own messages, `spec/schemas/<name>.json`, compiled once; of a transcript also those of its
/// entries: `transcript#turn`, `#step`, `#intervention`, `#sideEffect`.
///
/// `None` when there is no such schema, or when it does not compile, which a test of this crate excludes.
pub fn named(name: &str) -> Option<&'static Schema> {
    static SCHEMAS: OnceLock<BTreeMap<String, Schema>> = OnceLock::new();
    SCHEMAS.get_or_init(compile_own).get(name)
}

impl Schema {
    /// Whether the value satisfies the schema; one that would take too much work to check does not.
    pub fn is_valid(&self, value: &Value) -> bool {
        self.0.weight.allows_checking(value) && self.0.validator.is_valid(value)
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
        if !self.0.weight.allows_checking(value) {
            return vec![Violation::new(
                "",
                "schema",
                "takes too much work to check; make the value smaller or the schema simpler",
            )];
        }
        if !places_can_be_told(value) {
            return vec![Violation::new(
                "",
                "schema",
                "does not satisfy the schema; the value's names are too long to say where",
            )];
        }
        if !self.0.weight.allows_listing(value) {
            return vec![Violation::new(
                "",
                "schema",
                "does not satisfy the schema, which has too many branches to say where",
            )];
        }
        let mut told = Told::default();
        self.0
            .validator
            .iter_errors(value)
            .take(MOST_VIOLATIONS)
            .map(|error| {
                Violation::new(
                    error.instance_path().as_str(),
                    error.kind().keyword(),
                    sentence(&error),
                )
            })
            .take_while(|violation| told.may_tell(&violation.pointer, &violation.message))
            .collect()
    }
}

/// What an error says, without the value: its beginning where it is long.
fn sentence(error: &ValidationError<'_>) -> String {
    let mut message = error.masked_with("the value").to_string();
    if message.len() > LONGEST_MESSAGE {
        message.truncate(message.floor_char_boundary(LONGEST_MESSAGE - '…'.len_utf8()));
        message.push('…');
    }
    message
}

/// Whether the places of all values within this one have a sensible length together.
fn places_can_be_told(value: &Value) -> bool {
    fn count(value: &Value, above: usize, left: &mut usize) -> bool {
        let Some(rest) = left.checked_sub(above) else {
            return false;
        };
        *left = rest;
        match value {
            Value::Object(members) => members
                .iter()
                .all(|(name, member)| count(member, above + 1 + name.len(), left)),
            Value::Array(elements) => elements
                .iter()
                .all(|element| count(element, above + 6, left)),
            _ => true,
        }
    }
    count(value, 0, &mut MOST_PLACES_BYTES.clone())
}

/// Counts what was told: the first always may be, a further one while there is room.
#[derive(Default)]
struct Told(usize);

impl Told {
    fn may_tell(&mut self, pointer: &str, message: &str) -> bool {
        let first = self.0 == 0;
        self.0 += pointer.len() + message.len() + 1;
        first || self.0 <= MOST_TOLD
    }
}

/// Definitions that are looked up by their own names, since they stand alone where a transcript comes line by line.
const PARTS: [(&str, &str); 4] = [
    ("transcript", "turn"),
    ("transcript", "step"),
    ("transcript", "intervention"),
    ("transcript", "sideEffect"),
];

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
    let parts = PARTS.map(|(name, part)| {
        let part_of = serde_json::json!({"$ref": format!("{OWN_BASE}{name}.json#/$defs/{part}")});
        (format!("{name}#{part}"), part_of)
    });
    documents
        .iter()
        .chain(&parts)
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
    // Expressions that look around or back are tried out; the linear ones know no limit and need none.
    options = options
        .with_pattern_options(PatternOptions::fancy_regex().backtrack_limit(MOST_BACKTRACKING));
    // The validator has at hand what the draft of the document needs, and a reference may lead to another one's meta-schema.
    let registry = registry.or_else(|| names_a_dialect(document).then(|| &*SPECIFICATIONS));
    if let Some(registry) = registry {
        options = options.with_registry(registry);
    }
    options
        .build(document)
        .map(|validator| Schema(Arc::new(Compiled { validator, weight })))
        .map_err(|error| SchemaError {
            message: sentence(&error),
            pointer: error.instance_path().as_str().to_owned(),
        })
}

/// What follows the `#` in a reference that stays within the document: one that is a fragment only, or that has the
/// document's own `$id` before it.
pub fn local_fragment<'t>(document: &Value, target: &'t str) -> Option<&'t str> {
    if let Some(fragment) = target.strip_prefix('#') {
        return Some(fragment);
    }
    let rest = target.strip_prefix(own_name(document)?)?;
    if rest.is_empty() {
        return Some("");
    }
    rest.strip_prefix('#')
}

/// The name that a document gives itself; a fragment is no name of a document.
fn own_name(document: &Value) -> Option<&str> {
    let name = document.get(id_keyword(document))?.as_str()?;
    let name = name.strip_suffix('#').unwrap_or(name);
    (!name.is_empty() && !name.contains('#')).then_some(name)
}

fn id_keyword(document: &Value) -> &'static str {
    match draft(document) {
        Draft::Draft4 => "id",
        _ => "$id",
    }
}

/// The document with references by its own name written without it, so that all that follows judges fragments only.
fn with_local_references(document: &Value) -> Cow<'_, Value> {
    let Some(name) = own_name(document) else {
        return Cow::Borrowed(document);
    };
    let mut local = document.clone();
    if let Value::Object(members) = &mut local {
        let id = id_keyword(document);
        members
            .iter_mut()
            .for_each(|(keyword, member)| localise(keyword, member, name, id));
    }
    Cow::Owned(local)
}

/// Writes references by `name` without it, but for those in embedded documents, where a fragment would mean these.
fn localise(keyword: &str, value: &mut Value, name: &str, id: &str) {
    match (keyword, value) {
        ("const" | "enum" | "default" | "examples", _) => {}
        ("$ref" | "$dynamicRef" | "$recursiveRef", Value::String(target)) => {
            let rest = target.strip_prefix(name);
            if let Some(rest) = rest.filter(|rest| rest.is_empty() || rest.starts_with('#')) {
                *target = format!("#{}", rest.trim_start_matches('#'));
            }
        }
        // Names under these keywords are the author's, not keywords.
        (
            "properties" | "patternProperties" | "dependentSchemas" | "$defs" | "definitions",
            Value::Object(named),
        ) => named
            .values_mut()
            .for_each(|schema| localise("", schema, name, id)),
        (_, Value::Object(members)) => {
            let inner = members.get(id).and_then(Value::as_str);
            if inner.is_none_or(|inner| inner.is_empty() || inner.starts_with('#')) {
                members
                    .iter_mut()
                    .for_each(|(keyword, member)| localise(keyword, member, name, id));
            }
        }
        (_, Value::Array(elements)) => elements
            .iter_mut()
            .for_each(|element| localise("", element, name, id)),
        _ => {}
    }
}

/// The way to a part of a document, written out only where something is found.
struct Trail<'t> {
    up: Option<&'t Trail<'t>>,
    token: Cow<'t, str>,
}

impl Trail<'_> {
    fn pointer(&self) -> String {
        let above = self.up.map_or_else(String::new, Trail::pointer);
        crate::json::push(&above, &self.token)
    }
}

/// Every `$ref` (or dynamic kin) that leaves the document, judged by its text: a resolver that is never asked cannot be
/// tricked. Stops when more is found than is told.
fn remote_references(value: &Value, up: Option<&Trail<'_>>, found: &mut Vec<String>) {
    let below: Vec<(Cow<'_, str>, &Value)> = match value {
        Value::Object(members) => members
            .iter()
            .map(|(name, member)| (Cow::from(name), member))
            .collect(),
        Value::Array(elements) => elements
            .iter()
            .enumerate()
            .map(|(index, element)| (Cow::from(index.to_string()), element))
            .collect(),
        _ => return,
    };
    let is_object = value.is_object();
    for (token, member) in below {
        if found.len() >= MOST_VIOLATIONS {
            return;
        }
        match (token.as_ref(), member) {
            // Values under these keywords are data, not schemas.
            ("const" | "enum" | "default" | "examples", _) if is_object => {}
            ("$ref" | "$dynamicRef" | "$recursiveRef", Value::String(target)) if is_object => {
                if !target.starts_with('#') && !is_dialect(target) {
                    found.push(Trail { up, token }.pointer());
                }
            }
            _ => remote_references(member, Some(&Trail { up, token }), found),
        }
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
mod properties;
#[cfg(test)]
mod tests;
