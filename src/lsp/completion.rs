//! What can be written at a cursor: members, values of enumerations, names of actions.

use std::borrow::Cow;
use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::context::{self, Context};
use super::members::{Members, Offered};
use super::position::Positions;
use super::recovered;
use super::server::Open;
use crate::document::Format;

/// Most proposals of one answer.
const MOST_ITEMS: usize = 200;

/// Kinds of proposals in the protocol.
const PROPERTY: u8 = 10;
const VALUE: u8 = 12;
const REFERENCE: u8 = 18;

/// The proposals for a place.
pub(super) fn at(open: &Open, positions: &Positions<'_>, offset: usize) -> Vec<Value> {
    let Some(context) = context::at(&open.text, open.format, offset) else {
        return Vec::new();
    };
    let members = Members::of(open.kind, open.json_ld, open.form);
    let range = positions.range(context.written);
    let mut items = Vec::new();
    if let Some(object) = &context.object {
        let present = present(open, object, &context);
        for member in members.offered(object, &around(open, object, &context)) {
            if !present.contains(&member.name) {
                items.push(member_item(&member, &context, open, offset, &range));
            }
        }
    }
    if let Some(pointer) = &context.value {
        for value in members.values(pointer) {
            items.push(value_item(&value, VALUE, &context, &range));
        }
        if names_an_action(pointer) {
            let beside = beside(open, pointer);
            let names = match open.action_names.as_slice() {
                // Of a text that never did read.
                [] => Cow::Owned(recovered::action_names(open, offset)),
                names => Cow::Borrowed(names),
            };
            let names = names.iter().map(String::as_str);
            for name in names.filter(|name| !beside.contains(name)) {
                items.push(value_item(&Value::from(name), REFERENCE, &context, &range));
            }
        }
    }
    let mut known = BTreeSet::new();
    items.retain(|item| known.insert(item.get("label").map(Value::to_string)));
    items.truncate(MOST_ITEMS);
    items
}

/// The members that an object is known to have: those around the cursor, and in a text that reads all of them.
fn around(open: &Open, object: &str, context: &Context) -> Map<String, Value> {
    let mut around = match &open.read {
        Ok(document) => document.value().pointer(object).and_then(Value::as_object),
        Err(_) => None,
    }
    .cloned()
    .unwrap_or_default();
    around.extend(context.around.clone());
    around
}

/// The names that stand in the list at a pointer's element already, but for the element itself.
fn beside<'o>(open: &'o Open, pointer: &str) -> Vec<&'o str> {
    let Some((list, own)) = pointer.rsplit_once('/') else {
        return Vec::new();
    };
    let list = match &open.read {
        Ok(document) => document.value().pointer(list).and_then(Value::as_array),
        Err(_) => None,
    };
    let each = list.into_iter().flatten().enumerate();
    each.filter(|(index, _)| own.parse() != Ok(*index))
        .filter_map(|(_, name)| name.as_str())
        .collect()
}

/// The names an object has, also below the cursor where the text reads.
fn present(open: &Open, object: &str, context: &Context) -> Vec<String> {
    let mut present = context.present.clone();
    if let Ok(document) = &open.read
        && let Some(Value::Object(members)) = document.value().pointer(object)
    {
        let written = open.text.get(context.written.start..context.written.end);
        let own = written.unwrap_or_default().trim_matches('"');
        present.extend(members.keys().filter(|name| *name != own).cloned());
    }
    present
}

/// Whether the text at a pointer is the name of an action of the same document.
fn names_an_action(pointer: &str) -> bool {
    let mut tokens = pointer.rsplit('/');
    let (last, up) = (tokens.next().unwrap_or_default(), tokens.next());
    matches!(last, "fallback_action" | "fallbackAction")
        || (last == "name" && matches!(up, Some("fallback_action" | "fallbackAction")))
        || (last.parse::<usize>().is_ok()
            && up == Some("actions")
            && pointer.starts_with("/intents/"))
}

fn member_item(
    member: &Offered,
    context: &Context,
    open: &Open,
    offset: usize,
    range: &Value,
) -> Value {
    let name = word(&Value::from(member.name.as_str()), context);
    let rest = open.text.get(context.written.end.max(offset)..);
    let has_colon = rest.is_some_and(|rest| rest.trim_start().starts_with(':'));
    let text = if has_colon { name } else { format!("{name}: ") };
    json!({
        "label": member.name,
        "kind": PROPERTY,
        "detail": if member.required { "required" } else { "optional" },
        "documentation": member.description,
        // What must be there is proposed first.
        "sortText": format!("{}{}", u8::from(!member.required), member.name),
        "filterText": if context.quoted { format!("\"{}\"", member.name) } else { member.name.clone() },
        "textEdit": {"range": range, "newText": text},
    })
}

fn value_item(value: &Value, kind: u8, context: &Context, range: &Value) -> Value {
    let label = value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned);
    let text = word(value, context);
    json!({
        "label": label,
        "kind": kind,
        "filterText": if context.quoted { &text } else { &label },
        "textEdit": {"range": range, "newText": text},
    })
}

/// A name or value as it is written at a place: in YAML without quotes, where it then says the same.
fn word(value: &Value, context: &Context) -> String {
    match value.as_str() {
        Some(text) if !context.quoted && is_plain(text) => text.to_owned(),
        _ => value.to_string(),
    }
}

/// Whether a word without quotes is this text in YAML, and neither a number, a boolean, null nor a sign.
fn is_plain(text: &str) -> bool {
    let word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | ':' | '/');
    let other = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"];
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && !text.ends_with(':')
        && text.chars().all(word)
        && !other.contains(&text.to_ascii_lowercase().as_str())
}

/// Characters after which a client asks by itself.
pub(super) fn triggers() -> Value {
    json!(["\"", ":", " ", "-", "[", "{", ","])
}

/// Whether a file is one that this server reads, by the language its editor gives it.
pub(super) fn format_of(language: &str, uri: &str) -> Format {
    match language {
        "yaml" => Format::Yaml,
        "json" | "jsonc" => Format::Json,
        _ => Format::of(std::path::Path::new(uri)),
    }
}
