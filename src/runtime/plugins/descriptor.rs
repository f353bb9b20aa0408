//! Descriptors: a plugin's name, schemas and access control, and where its code is.

use serde_json::{Map, Value, json};

use super::{folder, module};
use crate::json::{self, Duplicates, Limits};
use crate::manifest::{self, Action};

/// The members that a descriptor has in common with an action of a manifest.
const OF_ACTIONS: [&str; 5] = [
    "name",
    "description",
    "input_schema",
    "output_schema",
    "access_control",
];

/// A descriptor that can be used.
pub(super) struct Described {
    /// The plugin as an action of type `plugin`.
    pub(super) action: Action,
    /// The file of the code, below the folder.
    pub(super) code: String,
    /// The function that is called, where the code is a module.
    pub(super) entrypoint: String,
}

/// Reads the descriptor in `file`, which has the plugin's name.
///
/// # Errors
/// What is wrong, and where.
pub(super) fn read(file: &str, bytes: &[u8]) -> Result<Described, String> {
    let document = json::read(bytes, &Limits::DOCUMENT, Duplicates::Refuse)
        .map_err(|error| error.to_string())?;
    let Value::Object(members) = document else {
        return Err("a descriptor is a JSON object".to_owned());
    };
    if let Some(unknown) = members.keys().find(|name| {
        !OF_ACTIONS.contains(&name.as_str())
            && !["code", "entrypoint"].contains(&name.as_str())
            && !name.starts_with("x-")
    }) {
        // A misspelled safeguard must not be read over.
        return Err(format!("{unknown:?} is no member of a descriptor"));
    }
    let code = match members.get("code") {
        Some(Value::String(code)) if folder::stays_inside(code) => code.clone(),
        Some(_) => {
            return Err("/code: name a file inside the plugins folder".to_owned());
        }
        None => return Err("add \"code\", the file with the plugin's code".to_owned()),
    };
    let entrypoint = match members.get("entrypoint") {
        None => module::ENTRYPOINT.to_owned(),
        Some(Value::String(name)) if module::is_module(&code) && manifest::is_function(name) => {
            name.clone()
        }
        Some(_) if !module::is_module(&code) => {
            return Err("/entrypoint: leave it out; only a module has one".to_owned());
        }
        Some(_) => {
            return Err("/entrypoint: name a function that the module exports".to_owned());
        }
    };
    let action = read_action(&members)?;
    if !manifest::is_dotted_name(&action.name) {
        return Err(
            "/name: write letters, digits and `_` in parts with dots between, 128 characters at most".to_owned(),
        );
    }
    if file.strip_suffix(".json") != Some(&action.name) {
        return Err(format!("call the file {}.json, as the plugin", action.name));
    }
    Ok(Described {
        action,
        code,
        entrypoint,
    })
}

/// An action is what manifests say it is; so is a descriptor.
fn read_action(members: &Map<String, Value>) -> Result<Action, String> {
    let mut action = Map::from_iter([("type".to_owned(), Value::from("plugin"))]);
    for (name, value) in members {
        if OF_ACTIONS.contains(&name.as_str()) {
            action.insert(name.clone(), value.clone());
        }
    }
    one_action(Value::Object(action))
}

/// The action of a manifest that has only this one.
///
/// # Errors
/// Everything that is wrong with it, with pointers into the action.
pub(super) fn one_action(action: Value) -> Result<Action, String> {
    let document = json!({"name": "plugin", "version": "1.0.0", "actions": [action]});
    let mut loaded = manifest::load(&document).map_err(|violations| {
        let told = violations.iter().map(|violation| {
            let place = violation.pointer.strip_prefix("/actions/0");
            let place = place.unwrap_or(&violation.pointer);
            format!("{place}: {}", violation.message)
        });
        told.collect::<Vec<_>>().join("; ")
    })?;
    let action = loaded.actions.pop().map(std::sync::Arc::unwrap_or_clone);
    action.ok_or_else(|| "there is no action in it".to_owned())
}
