//! What edits make of a value: what the changed text must say.

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::{Edit, EditError};
use crate::json;

/// The value after edits whose pointers all lead into `value` as it is.
pub(super) fn edited(value: &Value, edits: &[Edit]) -> Result<Value, EditError> {
    let mut wanted = value.clone();
    // From the end to the beginning, so that removed elements and renamed members do not mislead what comes before them; what lies
    // within a place that changes its name is done before that place.
    let mut order: Vec<&Edit> = edits.iter().collect();
    let mut known = Known::new();
    order
        .sort_by_cached_key(|edit| std::cmp::Reverse(positions(value, edit.pointer(), &mut known)));
    for edit in order {
        one(&mut wanted, edit)?;
    }
    Ok(wanted)
}

/// The positions of the members of objects that have many, by the object's address.
type Known<'v> = HashMap<*const Map<String, Value>, HashMap<&'v str, usize>>;

/// Most members that are looked through one by one.
const FEW: usize = 16;

/// The place of a pointer as a path of positions; those below a place come behind it.
fn positions<'v>(value: &'v Value, pointer: &str, known: &mut Known<'v>) -> Vec<usize> {
    let mut now = Some(value);
    let mut path = Vec::new();
    for token in pointer.split('/').skip(1) {
        let token = token.replace("~1", "/").replace("~0", "~");
        let (position, next) = match now {
            Some(Value::Array(elements)) => {
                let index = token.parse::<usize>().unwrap_or(usize::MAX);
                (index, elements.get(index))
            }
            Some(Value::Object(members)) => {
                let position = if members.len() <= FEW {
                    members.keys().position(|name| *name == token)
                } else {
                    let names = known.entry(std::ptr::from_ref(members)).or_insert_with(|| {
                        let names = members.keys().map(String::as_str).enumerate();
                        names.map(|(position, name)| (name, position)).collect()
                    });
                    names.get(token.as_str()).copied()
                };
                (position.unwrap_or(usize::MAX), members.get(&token))
            }
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
                    // The order of members says nothing, and to keep it would cost a look at each.
                    if let Some(member) = members.swap_remove(&old) {
                        members.insert(name.clone(), member);
                    }
                }
                _ => return Err(nowhere()),
            }
        }
        Edit::Remove { pointer } => {
            let (parent, last) = json::pop(pointer).ok_or_else(nowhere)?;
            match value.pointer_mut(parent) {
                Some(Value::Object(members)) => {
                    members.swap_remove(&last).ok_or_else(nowhere)?;
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
