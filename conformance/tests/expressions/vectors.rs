//! Reads `fixtures/expressions/` as `fixtures/README.md` says. Nothing here knows an evaluator.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::rc::Rc;

use serde_json::{Map, Value};

/// One vector.
pub struct Vector {
    pub id: String,
    pub requirement: String,
    pub kind: Kind,
    pub text: String,
    pub state: Option<Rc<Value>>,
    pub observation: Option<Rc<Value>>,
    pub input: Option<Rc<Value>>,
    pub expected: Outcome,
    pub offset: Option<usize>,
    pub undefined_paths: Option<Vec<String>>,
}

/// What the text of a vector is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    Expression,
    Template,
}

/// What an evaluation gives.
#[derive(Clone, Debug)]
pub enum Outcome {
    Value(Value),
    Undefined,
    Error(String),
}

impl Outcome {
    pub fn new<E>(result: Result<Option<Value>, E>, reason: impl Fn(&E) -> &str) -> Outcome {
        match result {
            Ok(Some(value)) => Outcome::Value(value),
            Ok(None) => Outcome::Undefined,
            Err(error) => Outcome::Error(reason(&error).to_owned()),
        }
    }

    pub fn is_same(&self, other: &Outcome) -> bool {
        match (self, other) {
            (Outcome::Value(value), Outcome::Value(other)) => same(value, other),
            (Outcome::Undefined, Outcome::Undefined) => true,
            (Outcome::Error(reason), Outcome::Error(other)) => reason == other,
            _ => false,
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Outcome::Value(value) => value.to_string(),
            Outcome::Undefined => "undefined".to_owned(),
            Outcome::Error(reason) => format!("error {reason}"),
        };
        if text.len() > 200 {
            return write!(
                formatter,
                "{}… ({} bytes)",
                text.chars().take(100).collect::<String>(),
                text.len()
            );
        }
        formatter.write_str(&text)
    }
}

/// Whether two values are the same, integers and doubles told apart: an implementation that can tell them apart must.
pub fn same(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => match (left.as_i64(), right.as_i64()) {
            (Some(left), Some(right)) => left == right,
            (None, None) => left.as_f64() == right.as_f64(),
            _ => false,
        },
        (Value::Array(left), Value::Array(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(l, r)| same(l, r))
        }
        (Value::Object(left), Value::Object(right)) => {
            left.len() == right.len()
                && left
                    .iter()
                    .all(|(name, value)| right.get(name).is_some_and(|other| same(value, other)))
        }
        _ => left == right,
    }
}

/// The folder of the vectors.
pub fn folder() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/expressions")
}

/// The files that hold vectors, by name.
pub fn files() -> BTreeMap<String, Value> {
    let mut files = BTreeMap::new();
    for entry in std::fs::read_dir(folder()).expect("the folder is there") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().expect("a name").to_string_lossy();
        if name.ends_with(".json") && !name.starts_with("jinja-") {
            let text = std::fs::read_to_string(&path).expect("text");
            let document = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{name}: {e}"));
            files.insert(name.into_owned(), document);
        }
    }
    files
}

/// All vectors, those about limits last, since they take longest.
pub fn all() -> Vec<Vector> {
    let mut files: Vec<(String, Value)> = files().into_iter().collect();
    files.sort_by_key(|(name, _)| name.starts_with("limits"));
    let mut vectors = Vec::new();
    for (_, document) in &files {
        let states: BTreeMap<&str, Rc<Value>> = document["states"]
            .as_object()
            .expect("states")
            .iter()
            .map(|(name, state)| (name.as_str(), Rc::new(expand(state))))
            .collect();
        for vector in document["vectors"].as_array().expect("vectors") {
            vectors.push(read(vector, &states));
        }
    }
    vectors
}

fn read(vector: &Value, states: &BTreeMap<&str, Rc<Value>>) -> Vector {
    let text = |name: &str| vector[name].as_str().map(str::to_owned);
    let root = |name: &str| vector.get(name).map(|value| Rc::new(expand(value)));
    let (kind, written) = match (vector.get("expression"), vector.get("template")) {
        (Some(written), None) => (Kind::Expression, written),
        (None, Some(written)) => (Kind::Template, written),
        _ => panic!("one of expression and template: {vector}"),
    };
    let expected = match (vector.get("value"), vector.get("undefined"), text("error")) {
        (Some(value), None, None) => Outcome::Value(expand(value)),
        (None, Some(Value::Bool(true)), None) => Outcome::Undefined,
        (None, None, Some(reason)) => Outcome::Error(reason),
        _ => panic!("one of value, undefined and error: {vector}"),
    };
    Vector {
        id: text("id").expect("an id"),
        requirement: text("requirement").expect("a requirement"),
        kind,
        text: joined(written),
        state: match vector["use"].as_str() {
            Some(name) => Some(Rc::clone(&states[name])),
            None => root("state"),
        },
        observation: root("observation"),
        input: root("input"),
        expected,
        offset: vector["offset"].as_u64().map(|offset| offset as usize),
        undefined_paths: vector.get("undefined_paths").map(|paths| {
            let paths = paths.as_array().expect("paths").iter();
            paths
                .map(|path| path.as_str().expect("a path").to_owned())
                .collect()
        }),
    }
}

/// A text, or the parts of one: each a text, or a text and how often it stands there.
fn joined(written: &Value) -> String {
    let Some(parts) = written.as_array() else {
        return written.as_str().expect("a text").to_owned();
    };
    let part = |part: &Value| match part {
        Value::String(text) => text.clone(),
        repeated => repeated[0]
            .as_str()
            .expect("a text")
            .repeat(repeated[1].as_u64().expect("a number") as usize),
    };
    parts.iter().map(part).collect()
}

/// A value with its long texts (`$parts`) and arrays (`$times`) written out.
fn expand(value: &Value) -> Value {
    match value {
        Value::Array(elements) => Value::Array(elements.iter().map(expand).collect()),
        Value::Object(members) => {
            if let Some(parts) = members.get("$parts") {
                return Value::String(joined(parts));
            }
            if let Some(times) = members.get("$times") {
                let count = times[1].as_u64().expect("a number") as usize;
                return Value::Array(vec![expand(&times[0]); count]);
            }
            let members = members
                .iter()
                .map(|(name, value)| (name.clone(), expand(value)));
            Value::Object(members.collect::<Map<String, Value>>())
        }
        other => other.clone(),
    }
}
