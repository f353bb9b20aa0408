//! Keywords with schemas of which one, some, or none must be satisfied.

use serde_json::{Map, Value};

use super::annotations::asserts_nothing;
use super::types::{Types, listed};
use super::{Here, Walk, reference, under};
use crate::compat::change::At;
use crate::compat::{equal, member};
use crate::json;

/// Most alternatives that are held against each other.
const MOST_BRANCHES: usize = 64;

/// An alternative and its pointer.
struct Branch<'v> {
    schema: &'v Value,
    pointer: String,
    index: usize,
}

fn branches<'v>(keywords: &'v Map<String, Value>, keyword: &str, pointer: &str) -> Vec<Branch<'v>> {
    let list = keywords.get(keyword).and_then(Value::as_array);
    let each = list.into_iter().flatten().enumerate();
    each.map(|(index, schema)| Branch {
        schema,
        pointer: format!("{pointer}/{keyword}/{index}"),
        index,
    })
    .collect()
}

/// The keyword of a schema that is nothing but alternatives.
fn only_choice(keywords: &Map<String, Value>) -> Option<&'static str> {
    let mut asserting = keywords.keys().filter(|keyword| !asserts_nothing(keyword));
    let keyword = match asserting.next()?.as_str() {
        "anyOf" => "anyOf",
        "oneOf" => "oneOf",
        _ => return None,
    };
    asserting.next().is_none().then_some(keyword)
}

fn is_plain(keywords: &Map<String, Value>) -> bool {
    const NOT_PLAIN: [&str; 8] = [
        "$ref", "allOf", "anyOf", "oneOf", "not", "if", "then", "else",
    ];
    let plain = !NOT_PLAIN.iter().any(|name| keywords.contains_key(*name));
    plain && keywords.keys().any(|keyword| !asserts_nothing(keyword))
}

impl<'v> Walk<'v, '_> {
    /// Compares a schema that was, or became, one of several alternatives; tells whether it did.
    pub(super) fn as_choices(&mut self, here: &Here<'v, '_>) -> bool {
        let whole = |schema: &'v Value, pointer: &str| {
            vec![Branch {
                schema,
                pointer: pointer.to_owned(),
                index: 0,
            }]
        };
        let at = here.at;
        let (old, new, keyword) = match (only_choice(here.old), only_choice(here.new)) {
            (None, Some(keyword)) if is_plain(here.old) => (
                whole(here.schemas.0, &at.old),
                branches(here.new, keyword, &at.new),
                keyword,
            ),
            (Some(keyword), None) if is_plain(here.new) => (
                branches(here.old, keyword, &at.old),
                whole(here.schemas.1, &at.new),
                keyword,
            ),
            _ => return false,
        };
        // Without one that is alike this is another schema.
        let alike = old.iter().any(|one| {
            let mut others = new.iter();
            others.any(|other| label(self.old, one.schema) == label(self.new, other.schema))
        });
        if alike {
            self.alternatives(here, old, new, keyword);
        }
        alike
    }

    pub(super) fn choices(&mut self, here: &Here<'v, '_>) {
        let has = |keywords: &Map<String, Value>, keyword: &str| keywords.contains_key(keyword);
        let crossed = |one: &str, other: &str| {
            has(here.old, one)
                && !has(here.old, other)
                && !has(here.new, one)
                && has(here.new, other)
        };
        let of = |one: &str, other: &str| {
            (
                branches(here.old, one, &here.at.old),
                branches(here.new, other, &here.at.new),
            )
        };
        let at_both = |one: &str, other: &str| At {
            old: json::push(&here.at.old, one),
            new: json::push(&here.at.new, other),
            // One name for both ways.
            path: json::push(&here.at.path, "anyOf"),
        };
        if crossed("anyOf", "oneOf") {
            let (old, new) = of("anyOf", "oneOf");
            self.alternatives(here, old, new, "anyOf");
            let message = "a value may satisfy only one of the alternatives";
            let (kind, at) = ("any_of_became_one_of", at_both("anyOf", "oneOf"));
            return self.tell_at(kind, &at, here.steps, here.schemas, message);
        }
        if crossed("oneOf", "anyOf") {
            let (old, new) = of("oneOf", "anyOf");
            self.alternatives(here, old, new, "anyOf");
            let message = "a value may satisfy more than one of the alternatives";
            let (kind, at) = ("one_of_became_any_of", at_both("oneOf", "anyOf"));
            return self.tell_at(kind, &at, here.steps, here.schemas, message);
        }
        for (keyword, added, removed) in [
            ("anyOf", "any_of_added", "any_of_removed"),
            ("oneOf", "one_of_added", "one_of_removed"),
        ] {
            match (has(here.old, keyword), has(here.new, keyword)) {
                (true, true) => {
                    let (old, new) = of(keyword, keyword);
                    self.alternatives(here, old, new, keyword);
                }
                (false, true) => {
                    let message = "alternatives must be satisfied as well";
                    self.tell(added, here, keyword, message);
                }
                (true, false) => {
                    let message = "alternatives need not be satisfied any more";
                    self.tell(removed, here, keyword, message);
                }
                (false, false) => {}
            }
        }
    }

    /// Compares two lists of alternatives.
    fn alternatives(
        &mut self,
        here: &Here<'v, '_>,
        old: Vec<Branch<'v>>,
        new: Vec<Branch<'v>>,
        keyword: &str,
    ) {
        if old.len() > MOST_BRANCHES || new.len() > MOST_BRANCHES {
            let message = "there are too many alternatives to compare";
            return self.tell("schema_unproven", here, keyword, message);
        }
        let distinct =
            keyword == "anyOf" || (are_disjoint(self.old, &old) && are_disjoint(self.new, &new));
        let (added, removed) = match keyword {
            "anyOf" => ("any_of_branch_added", "any_of_branch_removed"),
            _ => ("one_of_branch_added", "one_of_branch_removed"),
        };
        let mut all_same = old.len() == new.len();
        let mut left: Vec<Option<Branch<'v>>> = new.into_iter().map(Some).collect();
        let mut unpaired = Vec::new();
        for branch in old {
            let same = left.iter().position(|other| {
                let other = other.as_ref();
                other.is_some_and(|other| equal(branch.schema, other.schema))
            });
            match same
                .and_then(|index| left.get_mut(index))
                .and_then(Option::take)
            {
                Some(other) => {
                    all_same &= self.same(branch.schema, other.schema);
                    self.alternative(here, &branch, &other, keyword);
                }
                None => unpaired.push(branch),
            }
        }
        for branch in unpaired {
            all_same = false;
            let wanted = label(self.old, branch.schema);
            let alike = left.iter().position(|other| {
                let other = other.as_ref();
                other.is_some_and(|other| label(self.new, other.schema) == wanted)
            });
            match alike
                .and_then(|index| left.get_mut(index))
                .and_then(Option::take)
            {
                Some(other) => self.alternative(here, &branch, &other, keyword),
                None => {
                    let mut at = here.at.member(keyword).called(&wanted);
                    at.old = branch.pointer;
                    let message = "an alternative is gone";
                    self.tell_at(removed, &at, here.steps, here.schemas, message);
                }
            }
        }
        for branch in left.into_iter().flatten() {
            all_same = false;
            let wanted = label(self.new, branch.schema);
            let mut at = here.at.member(keyword).called(&wanted);
            at.new = branch.pointer;
            self.tell_at(
                added,
                &at,
                here.steps,
                here.schemas,
                "there is one more alternative",
            );
        }
        if !all_same && !distinct {
            let message = "the alternatives differ, and a value may satisfy more than one of them";
            self.tell("one_of_overlap", here, keyword, message);
        }
    }

    fn alternative(
        &mut self,
        here: &Here<'v, '_>,
        old: &Branch<'v>,
        new: &Branch<'v>,
        keyword: &str,
    ) {
        let mut name = label(self.old, old.schema);
        if name.is_empty() {
            name = old.index.to_string();
        }
        let mut at = here.at.member(keyword).called(&name);
        at.old.clone_from(&old.pointer);
        at.new.clone_from(&new.pointer);
        self.pair(old.schema, new.schema, &at, here.steps);
    }

    /// Compares `not`, conditions, and references whose target depends on who asks.
    pub(super) fn others(&mut self, here: &Here<'v, '_>) {
        let keyword = "not";
        match here.get(keyword) {
            (None, Some(_)) => {
                let message = "values that satisfy a schema are refused";
                self.tell("not_added", here, keyword, message);
            }
            (Some(_), None) => {
                let message = "values that satisfy a schema are no longer refused";
                self.tell("not_removed", here, keyword, message);
            }
            (Some(old), Some(new)) if !self.same(old, new) => {
                let message = "values that satisfy another schema are refused";
                self.tell("not_changed", here, keyword, message);
            }
            _ => {}
        }
        self.condition(here);
        for keyword in ["$dynamicRef", "$recursiveRef"] {
            let target = here.get(keyword);
            if target != (None, None) {
                // Whatever it leads to, the whole schemas differ.
                let message = "a reference whose target depends on where it is met";
                self.tell("schema_unproven", here, keyword, message);
            }
        }
    }

    fn condition(&mut self, here: &Here<'v, '_>) {
        let whole = |keywords: &Map<String, Value>| {
            keywords.contains_key("if")
                && (keywords.contains_key("then") || keywords.contains_key("else"))
        };
        match (whole(here.old), whole(here.new)) {
            (false, false) => {
                for keyword in ["if", "then", "else"] {
                    if here.differs(keyword) {
                        let message = format!("{keyword} differs and has no effect by itself");
                        self.tell("ineffective_keyword_changed", here, keyword, message);
                    }
                }
            }
            (false, true) => {
                let message = "values that satisfy a schema must satisfy another";
                self.tell("condition_added", here, "if", message);
            }
            (true, false) => {
                let message = "values that satisfy a schema need not satisfy another any more";
                self.tell("condition_removed", here, "if", message);
            }
            (true, true) => {
                if !self.same(under(here.old, "if"), under(here.new, "if")) {
                    let message = "what decides is another schema";
                    return self.tell("condition_changed", here, "if", message);
                }
                for keyword in ["then", "else"] {
                    let at = here.at.member(keyword);
                    let (old, new) = (under(here.old, keyword), under(here.new, keyword));
                    self.pair(old, new, &at, here.steps);
                }
            }
        }
    }
}

/// The schema that a lone reference leads to.
fn resolved<'v>(root: &'v Value, schema: &'v Value) -> &'v Value {
    const LONGEST: usize = 16;
    let mut schema = schema;
    for _ in 0..LONGEST {
        let target = member(schema, "$ref").and_then(Value::as_str);
        match target.and_then(|target| reference::follow(root, target)) {
            Some((next, _)) => schema = next,
            None => break,
        }
    }
    schema
}

/// The one value that a member must have, for those that must be there.
fn tags<'v>(root: &'v Value, schema: &'v Value) -> Vec<(&'v str, Vec<&'v Value>)> {
    let required = member(schema, "required").and_then(Value::as_array);
    let names = required.into_iter().flatten().filter_map(Value::as_str);
    let find = |name: &'v str| {
        let property = member(member(schema, "properties")?, name)?;
        let values = listed(resolved(root, property).as_object()?)?;
        Some((name, values))
    };
    names.filter_map(find).collect()
}

/// What tells an alternative from others: its definition, its title, a member with one value, its values, or its types.
fn label(root: &Value, schema: &Value) -> String {
    if let Some(target) = member(schema, "$ref").and_then(Value::as_str) {
        return target.to_owned();
    }
    let one = |values: &[&Value]| match values {
        [value] => Some(value.to_string()),
        _ => None,
    };
    for (name, values) in tags(root, schema) {
        if let Some(value) = one(&values) {
            return format!("{name}={value}");
        }
    }
    let Some(keywords) = schema.as_object() else {
        return schema.to_string();
    };
    if let Some(value) = listed(keywords).and_then(|values| one(&values)) {
        return value;
    }
    match keywords.get("type") {
        Some(Value::String(name)) => name.clone(),
        Some(names) => names.to_string(),
        None => String::new(),
    }
}

/// Whether no value satisfies two of the alternatives, for sure.
fn are_disjoint(root: &Value, branches: &[Branch<'_>]) -> bool {
    let schemas: Vec<&Value> = branches
        .iter()
        .map(|branch| resolved(root, branch.schema))
        .collect();
    schemas.iter().enumerate().all(|(index, one)| {
        let others = schemas.iter().skip(index + 1);
        let mut others = others;
        others.all(|other| excludes(root, one, other))
    })
}

fn excludes(root: &Value, one: &Value, other: &Value) -> bool {
    let (Value::Object(old), Value::Object(new)) = (one, other) else {
        return *one == Value::Bool(false) || *other == Value::Bool(false);
    };
    let (types_one, types_other) = (Types::of(old), Types::of(new));
    if !types_one.meets(types_other) {
        return true;
    }
    let apart = |one: &[&Value], other: &[&Value]| {
        !one.iter()
            .any(|one| other.iter().any(|other| equal(one, other)))
    };
    if let (Some(one), Some(other)) = (listed(old), listed(new)) {
        return apart(&one, &other);
    }
    // A member that both must have tells objects apart, and nothing else may satisfy both.
    let objects = types_one.within(Types::OBJECT) || types_other.within(Types::OBJECT);
    let others = tags(root, other);
    objects
        && tags(root, one).iter().any(|(name, values)| {
            let mut others = others.iter();
            others.any(|(same, theirs)| name == same && apart(values, theirs))
        })
}
