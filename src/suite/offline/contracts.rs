//! Contracts against the manifest: every action that the session may use is in it, with its description and its schemas, and none that it
//! may not (`spec/model.md`, 1.1).

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::findings::Findings;
use super::head::Head;
use super::ledger::{Mark, mark};
use super::prompts::holds;
use super::rules::{Action, Rules};
use super::text;
use crate::suite::secrets::REDACTED;
use crate::suite::sight::objects_in;

/// JSON texts of one contract that are looked at; a manifest has 1000 actions at most, with two schemas each.
const MOST: usize = 4_000;

impl Rules {
    /// A contract has every action that the session may use, and none that it may not.
    pub(super) fn contract(
        &self,
        digest: &str,
        contract: &str,
        head: &Head,
        found: &mut Findings<'_>,
    ) {
        let place = crate::json::push("/contracts", digest);
        let got = json!(contract);
        let allowed = |name: &str, action: &Action| self.forbidden(name, action, head).is_none();
        let intent = head.intent.as_deref().and_then(|name| self.intent(name));
        let guarded = intent.is_some_and(|intent| intent.get("access_control").is_some());
        let shown = Shown::of(contract);
        for (name, action) in &self.actions {
            // Whose scopes the caller lacks it is not shown; those of the intent and of the fallbacks count with it (access.md 3.1).
            let open = !guarded && !self.is_guarded(&action.definition);
            let may_use = allowed(name, action);
            if may_use && open && !contract.contains(name.as_str()) {
                let message = "does not hold an action that the session may use";
                found.say(
                    "MOD-001",
                    &*place,
                    json!({"$has": name}),
                    Some(&got),
                    message,
                );
            }
            if may_use && open && contract.contains(name.as_str()) {
                shown.all_of(action, contract, &place, found);
            }
            if may_use || !contract.contains(&format!("\"{name}\"")) {
                continue;
            }
            let elsewhere = self.actions.iter().any(|(other, action)| {
                allowed(other, action) && action.text.contains(name.as_str())
            });
            if !elsewhere {
                let message = "holds an action that the session may not use";
                let expected = json!({"$not": {"$has": name}});
                found.say("MOD-002", &*place, expected, Some(&got), message);
            }
        }
    }
}

/// The objects that a contract shows as JSON text, by their marks; `None`: not all could be looked at.
struct Shown(Option<BTreeSet<Mark>>);

impl Shown {
    fn of(contract: &str) -> Self {
        let (objects, is_whole) = objects_in(contract, MOST, |_| true);
        // What was taken out of a schema for a secret can be anything.
        if !is_whole || contract.contains(REDACTED) {
            return Self(None);
        }
        let mut marks = BTreeSet::new();
        objects
            .iter()
            .for_each(|(_, object)| within(object, &mut marks));
        Self(Some(marks))
    }

    /// The contract shows the description and the schemas of an action.
    fn all_of(&self, action: &Action, contract: &str, place: &str, found: &mut Findings<'_>) {
        let Some(marks) = &self.0 else { return };
        let mut say = |expected: Value, message: &str| {
            found.say("MOD-001", place, expected, Some(&json!(contract)), message);
        };
        let description = text(&action.definition, "description");
        if !holds(contract, description) {
            let expected = json!({"$has": description});
            say(
                expected,
                "does not hold the description of an action that the session may use",
            );
        }
        for member in ["input_schema", "output_schema"] {
            let schema = action
                .definition
                .get(member)
                .filter(|schema| schema.is_object());
            if let Some(schema) = schema.filter(|schema| !marks.contains(&mark(schema))) {
                let message =
                    "does not hold a schema of an action that the session may use as it is";
                say(json!({"$has": schema.to_string()}), message);
            }
        }
    }
}

/// The marks of an object and of all that are within it.
fn within(value: &Value, marks: &mut BTreeSet<Mark>) {
    match value {
        Value::Object(members) => {
            marks.insert(mark(value));
            members.values().for_each(|member| within(member, marks));
        }
        Value::Array(elements) => elements.iter().for_each(|element| within(element, marks)),
        _ => {}
    }
}
