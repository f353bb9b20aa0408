//! What edits make of a value: what the changed text must say.

use serde_json::{Map, Value};

use super::{Edit, EditError};
use crate::json;

/// The value after edits whose pointers all lead into `value` as it is.
pub(super) fn edited(value: &Value, edits: &[Edit]) -> Result<Value, EditError> {
    let mut wanted = value.clone();
    // From the end to the beginning, so that removed elements and renamed members do not mislead what comes before them; what lies
    // within a place that changes its name is done before that place.
    let mut order: Vec<&Edit> = edits.iter().collect();
    order.sort_by(|a, b| later_first(value, a.pointer(), b.pointer()));
    for edit in order {
        one(&mut wanted, edit)?;
    }
    Ok(wanted)
}

fn later_first(value: &Value, a: &str, b: &str) -> std::cmp::Ordering {
    let (a, b) = (positions(value, a), positions(value, b));
    b.cmp(&a)
}

/// The place of a pointer as a path of positions; those below a place come behind it.
fn positions(value: &Value, pointer: &str) -> Vec<usize> {
    let mut now = Some(value);
    let mut path = Vec::new();
    for token in pointer.split('/').skip(1) {
        let token = token.replace("~1", "/").replace("~0", "~");
        let (position, next) = match now {
            Some(Value::Array(elements)) => {
                let index = token.parse::<usize>().unwrap_or(usize::MAX);
                (index, elements.get(index))
            }
            Some(Value::Object(members)) => (
                members
                    .keys()
                    .position(|name| *name == token)
                    .unwrap_or(usize::MAX),
                members.get(&token),
            ),
            _ => (usize::MAX, None),
        };
        path.push(position);
        now = next;
    }
    path
}

fn one(value: &mut Value, edit: &Edit) -> Result<(), EditError> {
    let nowhere = || EditError::NoPlace(edit.pointer().to_owned());
    match edit {
        Edit::Replace {
            pointer,
            value: new,
        } => {
            *value.pointer_mut(pointer).ok_or_else(nowhere)? = new.clone();
        }
        Edit::Insert {
            pointer,
            name,
            value: new,
        } => match value.pointer_mut(pointer) {
            Some(Value::Object(members)) if !members.contains_key(name) => {
                members.insert(name.clone(), new.clone());
            }
            _ => return Err(nowhere()),
        },
        Edit::DropMark { .. } => {}
        Edit::KeepLast { pointer } => {
            value.pointer(pointer).ok_or_else(nowhere)?;
        }
        Edit::Rename { pointer, name } => {
            let (parent, old) = json::pop(pointer).ok_or_else(nowhere)?;
            match value.pointer_mut(parent) {
                Some(Value::Object(members))
                    if members.contains_key(&old) && !members.contains_key(name) =>
                {
                    let renamed: Map<String, Value> = std::mem::take(members)
                        .into_iter()
                        .map(|(key, member)| (if key == old { name.clone() } else { key }, member))
                        .collect();
                    *members = renamed;
                }
                _ => return Err(nowhere()),
            }
        }
        Edit::Remove { pointer } => {
            let (parent, last) = json::pop(pointer).ok_or_else(nowhere)?;
            match value.pointer_mut(parent) {
                Some(Value::Object(members)) => {
                    members.shift_remove(&last).ok_or_else(nowhere)?;
                }
                Some(Value::Array(elements)) => {
                    let index = last.parse::<usize>().ok();
                    let index = index.filter(|index| *index < elements.len());
                    elements.remove(index.ok_or_else(nowhere)?);
                }
                _ => return Err(nowhere()),
            }
        }
    }
    Ok(())
}
