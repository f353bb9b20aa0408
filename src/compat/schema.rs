//! Two schemas compared: both are walked side by side, and each keyword says whether it accepts more or less than before.
//!
//! A schema is taken as the conjunction of its own keywords, of what it refers to and of its `allOf`; parts are compared with parts, so
//! that the whole accepts no less (or no more) when no part does. What cannot be compared so is told as not shown compatible.

mod annotations;
mod arrays;
mod bounds;
mod choices;
mod dialect;
mod empty;
pub(super) mod number;
mod objects;
mod parts;
pub(super) mod reference;
mod scalars;
pub(super) mod types;

use std::collections::{HashMap, HashSet};

use serde_json::{Map, Value};

use super::change::{At, Changes, Direction, Level};
use super::{counterexample, equal};
use crate::schema::Schema;
use types::Types;

/// How much may be compared in one pair of documents.
#[derive(Debug, Clone)]
pub(super) struct Budget {
    /// Pairs of subschemas.
    pairs: usize,
    /// Expressions that names of members are held against.
    patterns: usize,
    /// What looking for counterexamples may cost.
    pub candidates: counterexample::Budget,
}

impl Default for Budget {
    fn default() -> Self {
        Self {
            pairs: 200_000,
            patterns: 20_000,
            candidates: counterexample::Budget::default(),
        }
    }
}

/// The schema that accepts everything, where a keyword is absent.
pub(super) static ANYTHING: Value = Value::Bool(true);

/// The way into a value of the schema's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// A member of an object.
    Member(String),
    /// An element of an array.
    Element(usize),
}

/// Where in the values of a schema a subschema applies; `None` where that is no single place.
pub(super) type Steps = Option<Vec<Step>>;

/// A change with what it takes to look for a counterexample.
#[derive(Debug)]
pub(super) struct Found<'v> {
    pub index: usize,
    pub steps: Steps,
    pub old: &'v Value,
    pub new: &'v Value,
}

/// One comparison of two schemas.
struct Walk<'v, 'c> {
    old: &'v Value,
    new: &'v Value,
    root: &'c At,
    direction: Direction,
    changes: &'c mut Changes,
    budget: &'c mut Budget,
    /// Pairs that were compared, by where they lie in memory: a definition that is used twice is compared once. With
    /// whether anything was told of it.
    seen: HashMap<(usize, usize), bool>,
    /// The same of single parts.
    compared: HashMap<(usize, usize), bool>,
    /// How often a pair was met again of which something had been told, or that is being compared.
    met_again: usize,
    /// Parts of each side that were compared with something.
    met: (HashSet<usize>, HashSet<usize>),
    patterns: HashMap<String, Option<Schema>>,
    found: Vec<Found<'v>>,
}

/// Two objects of keywords that are compared.
struct Here<'v, 'a> {
    old: &'v Map<String, Value>,
    new: &'v Map<String, Value>,
    /// The schemas that they are.
    schemas: (&'v Value, &'v Value),
    at: &'a At,
    steps: &'a Steps,
    /// Types that both accept: a keyword for others makes no difference.
    shared: Types,
}

impl<'v> Here<'v, '_> {
    fn get(&self, keyword: &str) -> (Option<&'v Value>, Option<&'v Value>) {
        (self.old.get(keyword), self.new.get(keyword))
    }

    /// Whether a keyword of either applies schemas to the value itself, so that it may know members and elements too.
    fn applies_in_place(&self) -> bool {
        applies_in_place(self.old) || applies_in_place(self.new)
    }

    fn differs(&self, keyword: &str) -> bool {
        match self.get(keyword) {
            (None, None) => false,
            (Some(old), Some(new)) => !equal(old, new),
            _ => true,
        }
    }
}

/// Compares two schemas of an action.
pub(super) fn compare(
    old: &Value,
    new: &Value,
    direction: Direction,
    at: &At,
    budget: &mut Budget,
    changes: &mut Changes,
) {
    if equal(old, new) {
        return;
    }
    let before = changes.len();
    // What a draft ignores makes no difference.
    let (read_old, ignored_old) = dialect::effective(old);
    let (read_new, ignored_new) = dialect::effective(new);
    let (read_old, read_new) = (&*read_old, &*read_new);
    let mut walk = Walk {
        old: read_old,
        new: read_new,
        root: at,
        direction,
        changes,
        budget,
        seen: HashMap::new(),
        compared: HashMap::new(),
        met_again: 0,
        met: Default::default(),
        patterns: HashMap::new(),
        found: Vec::new(),
    };
    walk.dialect();
    walk.content();
    walk.pair(read_old, read_new, at, &Some(Vec::new()));
    walk.definitions();
    walk.ignored(&ignored_old, &ignored_new);
    let found = std::mem::take(&mut walk.found);
    if changes.len() == before {
        let message = "the schema is written in another way and accepts the same";
        changes.add_to_schema("schema_respelled", direction, at, message);
        return;
    }
    counterexample::show(old, new, direction, &found, &mut budget.candidates, changes);
}

impl<'v> Walk<'v, '_> {
    /// Tells a change of the keyword at a place.
    fn tell(&mut self, kind: &str, here: &Here<'v, '_>, keyword: &str, message: impl Into<String>) {
        let at = here.at.member(keyword);
        self.tell_at(kind, &at, here.steps, here.schemas, message);
    }

    fn tell_at(
        &mut self,
        kind: &str,
        at: &At,
        steps: &Steps,
        (old, new): (&'v Value, &'v Value),
        message: impl Into<String>,
    ) {
        let told = self
            .changes
            .add_to_schema(kind, self.direction, at, message);
        if let Some(index) = told
            && self.changes.level(index) == Level::Breaking
        {
            self.found.push(Found {
                index,
                steps: steps.clone(),
                old,
                new,
            });
        }
    }

    /// Compares two schemas with all that belongs to them.
    fn pair(&mut self, old: &'v Value, new: &'v Value, at: &At, steps: &Steps) {
        // What accepts everything is one value on both sides.
        if std::ptr::eq(old, new) {
            return;
        }
        let place = |schema: &Value| std::ptr::from_ref(schema).addr();
        let key = (place(old), place(new));
        if let Some(told) = self.seen.get(&key) {
            self.met_again += usize::from(*told);
            return;
        }
        self.seen.insert(key, true);
        if self.budget.pairs == 0 {
            return;
        }
        self.budget.pairs -= 1;
        if self.budget.pairs == 0 {
            return self.cut_short(at);
        }
        let before = self.told();
        self.parts(old, new, at, steps);
        let told = self.told() != before;
        self.seen.insert(key, told);
    }

    fn cut_short(&mut self, at: &At) {
        let message = "the schemas are too large or refer too often to compare to the end";
        self.changes
            .add_to_schema("comparison_cut_short", self.direction, at, message);
    }

    /// Grows whenever something is told, or was told before of what is met again; words for people do not count.
    fn told(&self) -> usize {
        self.changes.besides_words() + self.met_again
    }

    /// Compares the keywords of two schemas without what they refer to and without `allOf`.
    fn own(&mut self, old: &'v Value, new: &'v Value, at: &At, steps: &Steps) {
        static EMPTY: std::sync::OnceLock<Map<String, Value>> = std::sync::OnceLock::new();
        let keywords = |schema: &'v Value| match schema {
            Value::Object(keywords) => Some(keywords),
            Value::Bool(true) => Some(EMPTY.get_or_init(Map::new)),
            _ => None,
        };
        let schemas = (old, new);
        let (Some(old), Some(new)) = (keywords(old), keywords(new)) else {
            let kind = match (old, new) {
                (Value::Bool(false), Value::Bool(false)) => return,
                (Value::Bool(false), Value::Object(_) | Value::Bool(_)) => "schema_no_longer_false",
                (Value::Object(_) | Value::Bool(_), Value::Bool(false)) => "schema_became_false",
                _ if equal(old, new) => return,
                _ => "schema_unproven",
            };
            let message = match kind {
                "schema_no_longer_false" => "values are accepted here, and none was",
                "schema_became_false" => "no value is accepted here any more",
                _ => "this is no schema, and it differs",
            };
            return self.tell_at(kind, at, steps, schemas, message);
        };
        let mut here = Here {
            old,
            new,
            schemas,
            at,
            steps,
            shared: Types::ALL,
        };
        self.annotations(&here);
        if self.as_choices(&here) {
            return;
        }
        here.shared = self.types_and_values(&here);
        self.numbers(&here);
        self.strings(&here);
        self.arrays(&here);
        self.objects(&here);
        self.choices(&here);
        self.others(&here);
    }

    /// Whether a keyword for some types makes a difference; told, when it differs and makes none.
    fn matters(&mut self, here: &Here<'v, '_>, types: Types, keywords: &[&str]) -> bool {
        if here.shared.meets(types) {
            return true;
        }
        for keyword in keywords.iter().filter(|keyword| here.differs(keyword)) {
            let message = format!("{keyword} differs, and no accepted value is of its type");
            self.tell("ineffective_keyword_changed", here, keyword, message);
        }
        false
    }

    /// Whether two parts accept the same for sure: they are written the same, and all that they refer to is the same too.
    fn same(&self, old: &Value, new: &Value) -> bool {
        equal(old, new)
            && (reference::refers_to_definitions_only(old)
                && ["$defs", "definitions"].iter().all(|name| {
                    match (self.old.get(name), self.new.get(name)) {
                        (None, None) => true,
                        (Some(old), Some(new)) => equal(old, new),
                        _ => false,
                    }
                })
                || !reference::refers(old))
    }
}

/// Whether a keyword applies schemas to the value itself.
fn applies_in_place(keywords: &Map<String, Value>) -> bool {
    const APPLICATORS: [&str; 11] = [
        "$ref",
        "$dynamicRef",
        "$recursiveRef",
        "allOf",
        "anyOf",
        "oneOf",
        "if",
        "not",
        "dependencies",
        "dependentSchemas",
        "contains",
    ];
    APPLICATORS.iter().any(|name| keywords.contains_key(*name))
}

/// The schema under a keyword; the one that accepts everything where it is absent.
fn under<'v>(keywords: &'v Map<String, Value>, keyword: &str) -> &'v Value {
    keywords.get(keyword).unwrap_or(&ANYTHING)
}

/// The steps one further.
fn further(steps: &Steps, step: Step) -> Steps {
    let mut steps = steps.clone()?;
    steps.push(step);
    Some(steps)
}
