//! Every expression of a document that parses, with what is known of its roots.

use std::collections::BTreeMap;
use std::rc::Rc;

use serde_json::{Map, Value};

use crate::expression::{Branch, Expression, Template};
use crate::json;
use crate::lint::Edit;
use crate::lint::rules::plan::nodes::{self, Place};
use crate::lint::subject::{DocumentKind, Subject};

/// Most expressions of one document that are looked at, but for those that stand in one action with the last.
const MOST_SITES: usize = 10_000;

/// Most templates of one string.
const MOST_TEMPLATES: usize = 1000;

/// Longest string that a change is offered for, in bytes.
const LONGEST_CHANGED: usize = 8192;

/// What is known of the root `input`.
#[derive(Debug, Clone, Copy)]
pub(super) enum Input<'s> {
    /// It satisfies this schema, in calls that are not refused for it.
    Schema(&'s Value),
    /// In a session it is that, in a workflow this: the input of a fallback that has its own.
    Either(&'s Value, &'s Map<String, Value>),
    /// It is this, before templates.
    Members(&'s Map<String, Value>),
    /// It is empty.
    Empty,
    Unknown,
}

/// The output schemas of the actions of a manifest, by name.
pub(super) type Outputs<'s> = Rc<BTreeMap<&'s str, &'s Value>>;

/// One expression and where it stands.
#[derive(Debug)]
pub(super) struct Site<'s> {
    /// The string that it is, or that holds it.
    pub pointer: String,
    /// That string.
    pub text: &'s str,
    /// Where in the string the expression begins: 0 of a conditional, behind the braces of a template.
    pub start: usize,
    pub expression: Expression,
    /// Whether nothing but its truth is looked at.
    pub is_condition: bool,
    /// Whether the string becomes text whatever the template's value is, as prompts do.
    pub is_prompt: bool,
    /// Whether it can be evaluated in a workflow, where `state` is.
    pub has_state: bool,
    /// Whether it can be evaluated in a session, where `observation` is.
    pub has_observation: bool,
    pub input: Input<'s>,
    /// None in a plan, whose manifest is not known.
    pub outputs: Option<Outputs<'s>>,
}

/// Roots and kind of what is found below.
#[derive(Clone)]
struct Frame<'s> {
    has_state: bool,
    has_observation: bool,
    input: Input<'s>,
    outputs: Option<Outputs<'s>>,
}

/// Every expression of the subject.
pub(super) fn sites<'s>(subject: &'s Subject<'_>) -> Vec<Site<'s>> {
    match subject.kind() {
        DocumentKind::Manifest => of_manifest(subject),
        DocumentKind::Plan => of_plan(subject),
        _ => Vec::new(),
    }
}

fn of_manifest<'s>(subject: &'s Subject<'_>) -> Vec<Site<'s>> {
    let mut sites = Vec::new();
    let list = subject.value().get("actions").and_then(Value::as_array);
    let actions: Vec<&Value> = list.into_iter().flatten().collect();
    let mut members = ["conditional", "prompt", "fallback_action"].into_iter();
    if !members.any(|name| actions.iter().any(|action| action.get(name).is_some())) {
        return sites;
    }
    let outputs = actions
        .iter()
        .filter_map(|action| Some((action.get("name")?.as_str()?, action.get("output_schema")?)));
    let outputs: Outputs<'s> = Rc::new(outputs.collect());
    for (index, action) in actions.into_iter().enumerate() {
        if sites.len() > MOST_SITES {
            break;
        }
        let pointer = format!("/actions/{index}");
        let frame = Frame {
            has_state: true,
            has_observation: true,
            input: action
                .get("input_schema")
                .map_or(Input::Unknown, Input::Schema),
            outputs: Some(Rc::clone(&outputs)),
        };
        if let Some(text) = action.get("conditional").and_then(Value::as_str) {
            condition(
                text,
                json::push(&pointer, "conditional"),
                &frame,
                &mut sites,
            );
        }
        let asks = action.get("type").and_then(Value::as_str) == Some("human_intervention");
        if let Some(text) = action
            .get("prompt")
            .and_then(Value::as_str)
            .filter(|_| asks)
        {
            // A workflow cannot use such an action.
            let frame = Frame {
                has_state: false,
                ..frame.clone()
            };
            templates(
                text,
                json::push(&pointer, "prompt"),
                true,
                &frame,
                &mut sites,
            );
        }
        let (mut place, mut at) = (pointer, action);
        while let Some(node) = at.get("fallback_action").filter(|node| node.is_object()) {
            place = json::push(&place, "fallback_action");
            let own = node.get("input").and_then(Value::as_object);
            let frame = Frame {
                input: match (own, frame.input) {
                    (Some(own), Input::Schema(schema) | Input::Either(schema, _)) => {
                        Input::Either(schema, own)
                    }
                    (Some(_), _) => Input::Unknown,
                    (None, input) => input,
                },
                ..frame.clone()
            };
            if let Some(text) = node.get("conditional").and_then(Value::as_str) {
                condition(text, json::push(&place, "conditional"), &frame, &mut sites);
            }
            if let Some(input) = node.get("input") {
                strings(input, json::push(&place, "input"), &mut |text, pointer| {
                    if sites.len() <= MOST_SITES {
                        templates(text, pointer, false, &frame, &mut sites);
                    }
                });
            }
            at = node;
        }
    }
    sites
}

fn of_plan<'s>(subject: &'s Subject<'_>) -> Vec<Site<'s>> {
    let mut sites = Vec::new();
    for node in nodes::nodes(subject) {
        let own = node.get("input").and_then(Value::as_object);
        let input = match (own, node.place) {
            (Some(own), _) => Input::Members(own),
            (None, Place::Fallback(_)) => Input::Unknown,
            (None, _) => Input::Empty,
        };
        let mut frame = Frame {
            has_state: true,
            has_observation: false,
            input,
            outputs: None,
        };
        if let Some(text) = node.text("conditional") {
            condition(text, node.pointer_of("conditional"), &frame, &mut sites);
        }
        if let Some(input) = node.get("input") {
            strings(input, node.pointer_of("input"), &mut |text, pointer| {
                if sites.len() <= MOST_SITES {
                    templates(text, pointer, false, &frame, &mut sites);
                }
            });
        }
        if let Some(text) = node.text("prompt") {
            // There it is the resolved one of the action, with its defaults.
            frame.input = Input::Unknown;
            templates(text, node.pointer_of("prompt"), true, &frame, &mut sites);
        }
    }
    sites
}

fn condition<'s>(text: &'s str, pointer: String, frame: &Frame<'s>, sites: &mut Vec<Site<'s>>) {
    if let Ok(expression) = Expression::parse(text) {
        sites.push(Site {
            pointer,
            text,
            start: 0,
            expression,
            is_condition: true,
            is_prompt: false,
            has_state: frame.has_state,
            has_observation: frame.has_observation,
            input: frame.input,
            outputs: frame.outputs.clone(),
        });
    }
}

fn templates<'s>(
    text: &'s str,
    pointer: String,
    is_prompt: bool,
    frame: &Frame<'s>,
    sites: &mut Vec<Site<'s>>,
) {
    if !text.contains("{{") {
        return;
    }
    let Ok(template) = Template::parse(text) else {
        return;
    };
    sites.extend(
        template
            .expressions()
            .take(MOST_TEMPLATES)
            .map(|(start, expression)| Site {
                pointer: pointer.clone(),
                text,
                start,
                expression: expression.clone(),
                is_condition: false,
                is_prompt,
                has_state: frame.has_state,
                has_observation: frame.has_observation,
                input: frame.input,
                outputs: frame.outputs.clone(),
            }),
    );
}

/// Hands every string of a value to `take`, with its pointer.
pub(in crate::lint::rules) fn strings<'s>(
    value: &'s Value,
    pointer: String,
    take: &mut dyn FnMut(&'s str, String),
) {
    let mut open = vec![(pointer, value)];
    while let Some((pointer, value)) = open.pop() {
        match value {
            Value::String(text) => take(text, pointer),
            Value::Array(elements) => {
                let each = elements.iter().enumerate();
                open.extend(each.map(|(index, value)| (format!("{pointer}/{index}"), value)));
            }
            Value::Object(members) => {
                let each = members.iter();
                open.extend(each.map(|(name, value)| (json::push(&pointer, name), value)));
            }
            _ => {}
        }
    }
}

impl Site<'_> {
    /// Where in the string a part stands, as far as it is written in its canonical form; else from its beginning to the end.
    pub fn span(&self, part: Branch<'_>) -> (usize, usize) {
        let start = self.start + part.at();
        let end = self.start + self.expression.text().len();
        let canonical = part.to_string();
        let written = self.text.get(start..end).unwrap_or_default();
        if written.starts_with(&canonical) {
            (start, start + canonical.len())
        } else {
            (start.min(end), end)
        }
    }

    /// The whole expression.
    pub fn whole(&self) -> (usize, usize) {
        let text = self.expression.text();
        let begin = text.len() - text.trim_start().len();
        (self.start + begin, self.start + text.trim_end().len())
    }

    /// The edit that writes `new` over some bytes of the string, when what comes out still parses.
    pub fn rewritten(&self, (start, end): (usize, usize), new: &str) -> Option<Vec<Edit>> {
        if self.text.len() > LONGEST_CHANGED {
            return None;
        }
        let (before, after) = (self.text.get(..start)?, self.text.get(end..)?);
        let text = format!("{before}{new}{after}");
        let parses = if self.is_condition {
            Expression::parse(&text).is_ok()
        } else {
            Template::parse(&text).is_ok()
        };
        parses.then(|| {
            vec![Edit::Replace {
                pointer: self.pointer.clone(),
                value: Value::String(text),
            }]
        })
    }
}
