//! Keywords for objects.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::annotations::is_anything;
use super::arrays::Unevaluated;
use super::bounds::Side;
use super::empty::accepts_nothing;
use super::types::Types;
use super::{ANYTHING, Here, Step, Steps, Walk, further};
use crate::compat::change::At;
use crate::compat::quoted;

const KEYWORDS: [&str; 11] = [
    "required",
    "properties",
    "patternProperties",
    "additionalProperties",
    "propertyNames",
    "minProperties",
    "maxProperties",
    "dependentRequired",
    "dependentSchemas",
    "dependencies",
    "unevaluatedProperties",
];

const ADDITIONAL: &str = "additionalProperties";
const UNEVALUATED: &str = "unevaluatedProperties";

fn members<'v>(keywords: &'v Map<String, Value>, keyword: &str) -> Option<&'v Map<String, Value>> {
    keywords.get(keyword).and_then(Value::as_object)
}

fn names<'v>(
    old: Option<&'v Map<String, Value>>,
    new: Option<&'v Map<String, Value>>,
) -> BTreeSet<&'v str> {
    let both = [old, new].into_iter().flatten();
    both.flat_map(Map::keys).map(String::as_str).collect()
}

fn texts(value: Option<&Value>) -> BTreeSet<&str> {
    let list = value.and_then(Value::as_array);
    list.into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect()
}

/// The schema of members that nothing declares, and its keyword.
fn rest(keywords: &Map<String, Value>) -> (&Value, &'static str) {
    match (keywords.get(ADDITIONAL), keywords.get(UNEVALUATED)) {
        (Some(rest), _) => (rest, ADDITIONAL),
        (None, Some(rest)) => (rest, UNEVALUATED),
        (None, None) => (&ANYTHING, ADDITIONAL),
    }
}

impl<'v> Walk<'v, '_> {
    pub(super) fn objects(&mut self, here: &Here<'v, '_>) {
        if !self.matters(here, Types::OBJECT, &KEYWORDS) {
            return;
        }
        self.required(here);
        self.properties(here);
        self.undeclared(here);
        self.pattern_properties(here);
        self.count(here, "minProperties", "min_properties", Side::Above);
        self.count(here, "maxProperties", "max_properties", Side::Below);
        let keyword = "propertyNames";
        match here.get(keyword) {
            (None, Some(_)) => {
                let message = "the names of members must satisfy a schema";
                self.tell("property_names_added", here, keyword, message);
            }
            (Some(_), None) => {
                let message = "the names of members are free";
                self.tell("property_names_removed", here, keyword, message);
            }
            (Some(old), Some(new)) => self.pair(old, new, &here.at.member(keyword), &None),
            (None, None) => {}
        }
        for keyword in ["dependentRequired", "dependentSchemas", "dependencies"] {
            self.dependent(here, keyword);
        }
    }

    fn required(&mut self, here: &Here<'v, '_>) {
        let (old, new) = here.get("required");
        let (old, new) = (texts(old), texts(new));
        let at = here.at.member("required");
        for name in new.difference(&old) {
            let message = format!("{} must be there", quoted(name));
            let at = at.called(name);
            self.tell_at("required_added", &at, here.steps, here.schemas, message);
        }
        for name in old.difference(&new) {
            let message = format!("{} may be absent", quoted(name));
            let at = at.called(name);
            self.tell_at("required_removed", &at, here.steps, here.schemas, message);
        }
    }

    /// The schema that judges a member which `properties` does not declare; none where several do.
    fn undeclared_schema(
        &mut self,
        keywords: &'v Map<String, Value>,
        name: &str,
    ) -> Option<&'v Value> {
        let mut found = None;
        for (pattern, schema) in members(keywords, "patternProperties").into_iter().flatten() {
            if self.matches(pattern, name) && found.replace(schema).is_some() {
                return None;
            }
        }
        Some(found.unwrap_or_else(|| rest(keywords).0))
    }

    fn matches(&mut self, pattern: &str, name: &str) -> bool {
        if !self.patterns.contains_key(pattern) {
            if self.budget.patterns == 0 {
                return false;
            }
            self.budget.patterns -= 1;
            if self.budget.patterns == 0 {
                self.cut_short(&self.root.clone());
                return false;
            }
            let compiled = crate::schema::compile(&serde_json::json!({"pattern": pattern}));
            self.patterns.insert(pattern.to_owned(), compiled.ok());
        }
        let compiled = self.patterns.get(pattern);
        compiled.is_some_and(|compiled| {
            let name = Value::from(name);
            compiled
                .as_ref()
                .is_some_and(|schema| schema.is_valid(&name))
        })
    }

    fn properties(&mut self, here: &Here<'v, '_>) {
        let keyword = "properties";
        let (old, new) = (members(here.old, keyword), members(here.new, keyword));
        for name in names(old, new) {
            let at = here.at.member(keyword).member(name);
            let steps = further(here.steps, Step::Member(name.to_owned()));
            let find = |members: Option<&'v Map<String, Value>>| members.and_then(|m| m.get(name));
            let (was, is) = match (find(old), find(new)) {
                (Some(old), Some(new)) => {
                    self.pair(old, new, &at, &steps);
                    continue;
                }
                (None, Some(new)) => (self.undeclared_schema(here.old, name), Some(new)),
                (old, _) => (old, self.undeclared_schema(here.new, name)),
            };
            let (Some(was), Some(is)) = (was, is) else {
                let message = "several expressions for names judge this member on one side";
                self.tell_at("schema_unproven", &at, here.steps, here.schemas, message);
                continue;
            };
            let added = find(old).is_none();
            self.declared(name, (was, is), &at, here, &steps, added);
        }
    }

    /// A member that is declared in one of two objects only, with the schemas that judge it in both.
    fn declared(
        &mut self,
        name: &str,
        (old, new): (&'v Value, &'v Value),
        at: &At,
        here: &Here<'v, '_>,
        steps: &Steps,
        added: bool,
    ) {
        let name = quoted(name);
        let undeclared = if added { old } else { new };
        let nothing = (
            accepts_nothing(self.old, old),
            accepts_nothing(self.new, new),
        );
        if nothing == (true, true) {
            let message = format!("{name} is refused either way");
            return self.tell_at("schema_respelled", at, here.steps, here.schemas, message);
        }
        let (kind, message) = match (added, undeclared) {
            _ if nothing.0 => ("property_allowed", format!("{name} is accepted too")),
            _ if nothing.1 => (
                "property_forbidden",
                format!("{name} is no longer accepted"),
            ),
            (true, _) => ("property_added", format!("{name} is declared")),
            (false, undeclared) if is_anything(undeclared) => (
                "property_removed",
                format!("{name} is no longer declared and may be anything"),
            ),
            // Other members must satisfy a schema, and so must this one now: what that changes is told below.
            (false, _) => (
                "schema_respelled",
                format!("{name} is no longer declared and is judged like undeclared members"),
            ),
        };
        // A declaration is news for all; of a schema for undeclared members only the difference is.
        let kind = match (added, is_anything(undeclared), kind) {
            (true, false, "property_added") => "schema_respelled",
            _ => kind,
        };
        self.tell_at(kind, at, here.steps, here.schemas, message);
        if kind == "schema_respelled" {
            self.pair(old, new, at, steps);
        }
    }

    fn undeclared(&mut self, here: &Here<'v, '_>) {
        let (old, new) = (rest(here.old), rest(here.new));
        if old.1 != UNEVALUATED && new.1 != UNEVALUATED {
            self.without_effect(here, UNEVALUATED);
            return self.undeclared_by(here, old, new);
        }
        let one_leaves_none = [here.old, here.new]
            .iter()
            .any(|keywords| keywords.contains_key(ADDITIONAL));
        let message =
            "which members are left for unevaluatedProperties, or how they are judged, differs";
        match self.unevaluated(here, UNEVALUATED) {
            _ if one_leaves_none && here.applies_in_place() => {
                self.tell("schema_unproven", here, UNEVALUATED, message);
            }
            _ if one_leaves_none => self.undeclared_by(here, old, new),
            Unevaluated::Same => {}
            Unevaluated::Closed => {
                let message = "what is not declared is refused";
                self.tell("unevaluated_properties_closed", here, UNEVALUATED, message);
            }
            Unevaluated::Opened => {
                let message = "what is not declared is accepted";
                self.tell("unevaluated_properties_opened", here, UNEVALUATED, message);
            }
            Unevaluated::Other if here.applies_in_place() => {
                self.tell("schema_unproven", here, UNEVALUATED, message);
            }
            Unevaluated::Other => {
                // A name that nobody declares.
                let steps = further(here.steps, Step::Member("undeclared".to_owned()));
                self.pair(old.0, new.0, &here.at.member(UNEVALUATED), &steps);
            }
        }
    }

    /// Compares the schemas of undeclared members, whichever keyword has them.
    fn undeclared_by(
        &mut self,
        here: &Here<'v, '_>,
        (old, of_old): (&'v Value, &str),
        (new, of_new): (&'v Value, &str),
    ) {
        let mut at = here.at.member(ADDITIONAL);
        at.old = crate::json::push(&here.at.old, of_old);
        at.new = crate::json::push(&here.at.new, of_new);
        let (was_closed, is_closed) = (
            accepts_nothing(self.old, old),
            accepts_nothing(self.new, new),
        );
        let (kind, message) = match (is_anything(old), is_anything(new)) {
            _ if was_closed && is_closed => return,
            _ if is_closed => (
                "additional_properties_closed",
                "undeclared members are refused",
            ),
            _ if was_closed => (
                "additional_properties_opened",
                "undeclared members are accepted",
            ),
            (true, true) => return,
            (true, false) => (
                "additional_properties_restricted",
                "undeclared members must satisfy a schema",
            ),
            (false, true) => (
                "additional_properties_freed",
                "undeclared members may be anything",
            ),
            (false, false) => {
                // A name that nobody declares.
                let steps = further(here.steps, Step::Member("undeclared".to_owned()));
                return self.pair(old, new, &at, &steps);
            }
        };
        self.tell_at(kind, &at, here.steps, here.schemas, message);
    }

    fn pattern_properties(&mut self, here: &Here<'v, '_>) {
        let keyword = "patternProperties";
        let (old, new) = (members(here.old, keyword), members(here.new, keyword));
        for pattern in names(old, new) {
            let at = here.at.member(keyword).member(pattern);
            let find =
                |members: Option<&'v Map<String, Value>>| members.and_then(|m| m.get(pattern));
            let (was, is) = match (find(old), find(new)) {
                (Some(old), Some(new)) => {
                    self.pair(old, new, &at, &None);
                    continue;
                }
                (was, is) => (was, is),
            };
            let added = was.is_none() && is.is_some();
            let without = if added { here.old } else { here.new };
            let rest = rest(without).0;
            let declared = self.declares(here, pattern);
            let (kind, message) = match rest {
                _ if declared => (
                    "schema_unproven",
                    "an expression for names differs that declared members match too",
                ),
                Value::Bool(false) if added => (
                    "pattern_property_allowed",
                    "members whose names match are accepted too",
                ),
                Value::Bool(false) => (
                    "pattern_property_forbidden",
                    "members whose names match are no longer accepted",
                ),
                rest if !is_anything(rest) => (
                    "schema_unproven",
                    "an expression for names differs, and other members must satisfy a schema",
                ),
                _ if added => (
                    "pattern_property_added",
                    "members whose names match must satisfy a schema",
                ),
                _ => (
                    "pattern_property_removed",
                    "members whose names match may be anything",
                ),
            };
            let message = format!("{} ({})", message, quoted(pattern));
            self.tell_at(kind, &at, here.steps, here.schemas, message);
        }
    }

    /// Whether a declared member, or another expression, may judge the same names.
    fn declares(&mut self, here: &Here<'v, '_>, pattern: &str) -> bool {
        let keyword = "patternProperties";
        if names(members(here.old, keyword), members(here.new, keyword)).len() > 1 {
            return true;
        }
        let keyword = "properties";
        let declared = names(members(here.old, keyword), members(here.new, keyword));
        declared.into_iter().any(|name| self.matches(pattern, name))
    }

    fn dependent(&mut self, here: &Here<'v, '_>, keyword: &str) {
        let (old, new) = (members(here.old, keyword), members(here.new, keyword));
        for trigger in names(old, new) {
            let at = here.at.member(keyword).member(trigger);
            let find =
                |members: Option<&'v Map<String, Value>>| members.and_then(|m| m.get(trigger));
            let (was, is) = (find(old), find(new));
            let lists = |value: Option<&Value>| value.is_none_or(Value::is_array);
            if lists(was) && lists(is) {
                let (was, is) = (texts(was), texts(is));
                for name in is.difference(&was) {
                    let message = format!("{} demands {}", quoted(trigger), quoted(name));
                    let at = at.called(name);
                    let kind = "dependent_required_added";
                    self.tell_at(kind, &at, here.steps, here.schemas, message);
                }
                for name in was.difference(&is) {
                    let message = format!("{} no longer demands {}", quoted(trigger), quoted(name));
                    let at = at.called(name);
                    let kind = "dependent_required_removed";
                    self.tell_at(kind, &at, here.steps, here.schemas, message);
                }
                continue;
            }
            match (was, is) {
                (None, _) => {
                    let message =
                        format!("with {} the object must satisfy a schema", quoted(trigger));
                    let kind = "dependent_schema_added";
                    self.tell_at(kind, &at, here.steps, here.schemas, message);
                }
                (_, None) => {
                    let message = format!(
                        "with {} the object need not satisfy a schema",
                        quoted(trigger)
                    );
                    let kind = "dependent_schema_removed";
                    self.tell_at(kind, &at, here.steps, here.schemas, message);
                }
                (Some(was), Some(is)) if was.is_array() || is.is_array() => {
                    let message = format!("what {} demands is of another form", quoted(trigger));
                    self.tell_at("schema_unproven", &at, here.steps, here.schemas, message);
                }
                (Some(was), Some(is)) => self.pair(was, is, &at, here.steps),
            }
        }
    }
}
