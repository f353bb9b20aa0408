//! What will become of a node, as far as it is known before anything runs: the state that the caller hands over, and what the
//! nodes before it can add to that (`spec/workflows.md`, 7 and 8.1).
//!
//! A path of the state is *known* when no earlier node can change what it leads to. Expressions over known paths are evaluated,
//! and so is every part of another one that is evaluated whatever the rest gives. What fails so for certain is told as an error,
//! and what is likely to as a warning.

use std::cell::Cell;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::bound::BoundAction;
use super::input::required;
use crate::diagnostic::Violation;
use crate::expression::{Branch, Error, Form, Roots, Step, Template, is_true};
use crate::json::push;
use crate::manifest::Action;

/// Most expressions that are evaluated for one plan; each may take as long as in a run.
const MOST_EVALUATED: u32 = 1000;

/// Most things that are told of one node.
const MOST_TOLD: usize = 100;

/// The state that the nodes begin with.
#[derive(Debug, Clone, Copy)]
pub enum Start<'s> {
    /// Nobody says.
    Unknown,
    /// This, an object; that of a request, which is empty when it has none.
    Given(&'s Value),
}

/// What was foreseen of nodes.
#[derive(Debug, Default)]
pub(super) struct Foreseen {
    /// What will fail for certain.
    pub errors: Vec<Violation>,
    /// What is likely to.
    pub warnings: Vec<Violation>,
    /// Whether the node surely gets past its conditionals, so that its input is looked at whenever it is its turn.
    pub runs: bool,
}

/// Where the parts of a node stand in the document.
pub(super) struct Places<'p> {
    /// The node.
    pub node: &'p str,
    /// Its input, or the node.
    pub input: &'p str,
    /// Its own conditional; none where only the definition has one.
    pub conditional: Option<&'p str>,
    /// The question about it, with its template.
    pub prompt: Option<(&'p str, &'p Template)>,
}

/// The state ahead of a node.
pub(super) struct Ahead<'s> {
    start: Start<'s>,
    earlier: Vec<(String, Arc<Action>)>,
    /// Evaluations that are left.
    left: Cell<u32>,
}

/// What a part comes to.
enum Outcome {
    /// This, and the paths that it read in vain.
    Known(Option<Value>, Vec<String>),
    /// Only the run will tell.
    Open,
}

impl<'s> Ahead<'s> {
    /// Before the first node.
    pub fn new(start: Start<'s>) -> Self {
        Self {
            start,
            earlier: Vec::new(),
            left: Cell::new(MOST_EVALUATED),
        }
    }

    /// Goes on behind a node: it and its fallback may have added their outputs.
    pub fn pass(&mut self, action: &BoundAction) {
        for one in std::iter::once(action).chain(action.fallback.as_deref()) {
            self.earlier
                .push((one.label.clone(), Arc::clone(&one.action)));
        }
    }

    fn state(&self) -> Option<&'s Value> {
        match self.start {
            Start::Unknown => None,
            Start::Given(state) => Some(state),
        }
    }

    /// Looks at a node, in the order in which a run does.
    pub fn look(&self, action: &BoundAction, places: &Places<'_>) -> Foreseen {
        let given = Value::Object(action.input.clone().unwrap_or_default());
        let resolved;
        let mut look = Look {
            ahead: self,
            roots: Roots {
                state: self.state(),
                input: Some(&given),
                observation: None,
            },
            knows_input: true,
            certain: true,
            found: Foreseen::default(),
        };
        if look.conditions(action, places) {
            look.found.runs = look.certain;
            resolved = look.input(action, &given, places);
            if let Some((place, prompt)) = places.prompt {
                look.knows_input = resolved.is_some();
                look.roots.input = resolved.as_ref();
                look.template(prompt, place);
            }
        }
        look.found
    }

    fn knows_path(&self, steps: &[Step<'_>]) -> bool {
        let Start::Given(state) = self.start else {
            return false;
        };
        if self.earlier.is_empty() {
            return true;
        }
        match steps {
            [Step::Member("results"), Step::Member(name), ..] => {
                self.earlier.iter().all(|(label, _)| label != name)
            }
            [Step::Member("lastResult"), Step::Member(name), ..] => {
                // What was there may have been replaced as a whole.
                state.pointer(&push("/lastResult", name)).is_none() && !self.can_be_given(name)
            }
            [Step::Member(name), ..] => !matches!(*name, "results" | "lastResult" | "history"),
            _ => false,
        }
    }

    /// Whether an earlier output can have a member.
    fn can_be_given(&self, name: &str) -> bool {
        let mut each = self.earlier.iter();
        each.any(|(_, action)| can_have(&action.output_schema, name))
    }

    /// Whether an earlier output says that it may have a member, or does not say what it has.
    fn is_declared(&self, name: &str) -> bool {
        let mut each = self.earlier.iter();
        each.any(|(_, action)| declares(&action.output_schema, name))
    }
}

/// A look at one node.
struct Look<'a, 's> {
    ahead: &'a Ahead<'s>,
    roots: Roots<'a>,
    knows_input: bool,
    /// Whether what is looked at is reached for certain once the node is.
    certain: bool,
    found: Foreseen,
}

impl<'a> Look<'a, '_> {
    fn tell(&mut self, place: &str, rule: &str, message: String) {
        let list = match self.certain {
            true => &mut self.found.errors,
            false => &mut self.found.warnings,
        };
        if list.len() < MOST_TOLD {
            list.push(Violation::new(place, rule, message));
        }
    }

    fn warn(&mut self, place: &str, rule: &str, message: String) {
        if self.found.warnings.len() < MOST_TOLD {
            let warning = Violation::new(place, rule, message);
            self.found.warnings.push(warning);
        }
    }

    /// Whether the node may get past its conditionals.
    fn conditions(&mut self, action: &BoundAction, places: &Places<'_>) -> bool {
        let last = action.conditions.len().saturating_sub(1);
        for (index, condition) in action.conditions.iter().enumerate() {
            let own = places.conditional.filter(|_| index == last);
            let place = own.unwrap_or(places.node);
            let whose = if own.is_some() {
                ""
            } else {
                "of the definition "
            };
            let whole = condition.expression.survey();
            match self.outcome(whole) {
                Err(error) => {
                    let message = format!("the conditional {whose}will fail: {}", error.message);
                    self.tell(place, "conditional_error", message);
                    return false;
                }
                Ok(Outcome::Known(value, undefined)) => {
                    if is_true(value.as_ref()) {
                        continue;
                    }
                    if let Some(first) = undefined.first() {
                        let message = format!(
                            "the conditional {whose}is never true, since nothing gives `{first}`"
                        );
                        self.warn(place, "never_true", message);
                    }
                    return false;
                }
                Ok(Outcome::Open) => self.certain = false,
            }
            self.constants(whole, place, "conditional_error");
        }
        true
    }

    /// Looks at the templates of an input and at what it lacks; answers the resolved one, where all of it is known.
    fn input(&mut self, action: &BoundAction, given: &Value, places: &Places<'_>) -> Option<Value> {
        let before = self.found.errors.len() + self.found.warnings.len();
        let mut known = before < MOST_TOLD;
        each_template(given, places.input, &mut |template, place| {
            known &= self.template(template, place);
        });
        let fails = self.found.errors.len() + self.found.warnings.len() > before;
        let missing: Vec<String> = required(&action.action.input_schema)
            .into_iter()
            .filter(|name| given.get(name).is_none())
            .collect();
        let mut filled = Map::new();
        for name in missing {
            let Start::Given(state) = self.ahead.start else {
                known = false;
                continue;
            };
            let there = state
                .get("lastResult")
                .and_then(|last| last.as_object()?.get(&name));
            match there {
                Some(value) => {
                    known &= self.ahead.earlier.is_empty();
                    filled.insert(name, value.clone());
                }
                None if self.ahead.is_declared(&name) => known = false,
                None if self.ahead.can_be_given(&name) => {
                    known = false;
                    let message = format!(
                        "`{name}` is required, and no output before this is declared to have it"
                    );
                    self.warn(places.input, "required", message);
                }
                None => {
                    known = false;
                    let message = format!(
                        "`{name}` is required, and neither the input nor state.lastResult will have it"
                    );
                    self.tell(places.input, "required", message);
                }
            }
        }
        if !known || fails {
            return None;
        }
        let mut resolved = action.templates.resolve(given, &self.roots).ok()?;
        if let Value::Object(members) = &mut resolved {
            members.extend(filled);
        }
        for violation in action.action.input.violations(&resolved) {
            let place = format!("{}{}", places.input, violation.pointer);
            self.tell(&place, &violation.rule, violation.message);
        }
        Some(resolved)
    }

    /// Looks at a text with templates; answers whether all of it is known.
    fn template(&mut self, template: &Template, place: &str) -> bool {
        let mut known = true;
        for (_, expression) in template.expressions() {
            let whole = expression.survey();
            match self.outcome(whole) {
                Err(error) => {
                    let message = format!("the template will fail: {}", error.message);
                    self.tell(place, "template_error", message);
                    return false;
                }
                Ok(Outcome::Known(Some(_), _)) => {}
                Ok(Outcome::Known(None, undefined)) => {
                    let name = match undefined.first() {
                        Some(first) => first.clone(),
                        None => whole.to_string(),
                    };
                    let message = format!(
                        "the template will fail: nothing gives `{name}`; check the name, or give a value with `default`"
                    );
                    self.tell(place, "template_error", message);
                    return false;
                }
                Ok(Outcome::Open) => {
                    known = false;
                    self.undeclared(whole, place);
                }
            }
            self.constants(whole, place, "template_error");
        }
        known
    }

    /// Warns of a template that is a member of the last result which no output is declared to have.
    fn undeclared(&mut self, whole: Branch<'_>, place: &str) {
        let Form::Path("state", steps) = whole.form() else {
            return;
        };
        let [Step::Member("lastResult"), Step::Member(name), ..] = steps.as_slice() else {
            return;
        };
        let Start::Given(state) = self.ahead.start else {
            return;
        };
        if state.pointer(&push("/lastResult", name)).is_none() && !self.ahead.is_declared(name) {
            let message =
                format!("`{name}` may be missing: no output before this is declared to have it");
            self.warn(place, "template_error", message);
        }
    }

    /// Warns of parts that fail whenever they are evaluated.
    fn constants(&mut self, whole: Branch<'_>, place: &str, rule: &str) {
        let failing = whole
            .all()
            .into_iter()
            .find_map(|part| part.constant()?.err());
        if let Some(error) = failing {
            let message = format!(
                "a part of this fails whenever it is reached: {}",
                error.message
            );
            self.warn(place, rule, message);
        }
    }

    /// Evaluates what can be. Recursion ends with the nesting of the text.
    fn outcome(&self, part: Branch<'a>) -> Result<Outcome, Error> {
        let Some(left) = self.ahead.left.get().checked_sub(1) else {
            return Ok(Outcome::Open);
        };
        if part.all().into_iter().all(|part| self.knows(part)) {
            self.ahead.left.set(left);
            let outcome = part.evaluate(&self.roots)?;
            let value = outcome.value.map(std::borrow::Cow::into_owned);
            return Ok(Outcome::Known(value, outcome.undefined));
        }
        for inner in surely(part) {
            self.outcome(inner)?;
        }
        Ok(Outcome::Open)
    }

    fn knows(&self, part: Branch<'_>) -> bool {
        match part.form() {
            Form::Path("state", steps) => self.ahead.knows_path(&steps),
            Form::Path("input", _) => self.knows_input,
            _ => true,
        }
    }
}

/// The parts that are evaluated whatever the others give.
fn surely(part: Branch<'_>) -> Vec<Branch<'_>> {
    match part.form() {
        Form::And(parts) | Form::Or(parts) => parts.into_iter().take(1).collect(),
        // What stands in parentheses may be a default, which is only looked at where there is nothing.
        Form::Filtered(base, _) => vec![base],
        _ => part.parts(),
    }
}

/// Every text of a value with a template in it, with its place. As deep as the document.
fn each_template(value: &Value, place: &str, take: &mut impl FnMut(&Template, &str)) {
    match value {
        Value::String(text) => {
            if let Ok(template) = Template::parse(text)
                && !template.is_literal()
            {
                take(&template, place);
            }
        }
        Value::Array(elements) => {
            for (index, element) in elements.iter().enumerate() {
                each_template(element, &push(place, &index.to_string()), take);
            }
        }
        Value::Object(members) => {
            for (name, member) in members {
                each_template(member, &push(place, name), take);
            }
        }
        _ => {}
    }
}

/// Whether a value that satisfies a schema can be an object with a member.
fn can_have(schema: &Value, name: &str) -> bool {
    let Value::Object(keywords) = schema else {
        return *schema != Value::Bool(false);
    };
    // In some drafts nothing else counts beside a reference.
    if keywords.contains_key("$ref") {
        return true;
    }
    let is_object = match keywords.get("type") {
        Some(Value::String(only)) => only == "object",
        Some(Value::Array(several)) => several.iter().any(|one| one == "object"),
        _ => true,
    };
    let own = keywords.get("properties").and_then(|all| all.get(name));
    let is_closed = keywords.get("additionalProperties") == Some(&Value::Bool(false))
        && !keywords.contains_key("patternProperties");
    is_object && own != Some(&Value::Bool(false)) && (own.is_some() || !is_closed)
}

/// Whether a schema says that there may be a member, or leaves open which there are.
fn declares(schema: &Value, name: &str) -> bool {
    if !can_have(schema, name) {
        return false;
    }
    let open = [
        "$ref",
        "$dynamicRef",
        "allOf",
        "anyOf",
        "oneOf",
        "if",
        "patternProperties",
        "additionalProperties",
        "dependentSchemas",
    ];
    let Some(properties) = schema.get("properties") else {
        return true;
    };
    properties.get(name).is_some() || open.iter().any(|keyword| schema.get(keyword).is_some())
}
