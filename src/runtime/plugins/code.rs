//! Code that is a declared HTTP action: the members of `invoke_api`, as manifests spell them.

use serde_json::{Map, Value, json};

use super::descriptor::one_action;
use crate::json::{self, Duplicates, Limits};
use crate::manifest::{InvokeApi, Kind, Text};

/// Stands where a variable gives scheme and host, for the check of the rest.
const SOME_ORIGIN: &str = "https://plugin.example";

/// Reads the code of a plugin.
///
/// Unlike in a manifest, the endpoint may begin with a variable: the operator writes this file, and knows what it stands for.
///
/// # Errors
/// What is wrong.
pub(super) fn read(bytes: &[u8]) -> Result<InvokeApi, String> {
    let document = json::read(bytes, &Limits::DOCUMENT, Duplicates::Refuse)
        .map_err(|error| error.to_string())?;
    let Value::Object(mut members) = document else {
        return Err("the code is a JSON object".to_owned());
    };
    if members.get("type").and_then(Value::as_str) != Some("invoke_api") {
        return Err("/type: write \"invoke_api\"".to_owned());
    }
    let endpoint = variable_endpoint(&members)?;
    if let Some((_, rest)) = &endpoint {
        members.insert("endpoint".to_owned(), format!("{SOME_ORIGIN}{rest}").into());
    }
    for (name, value) in [
        ("name", json!("code")),
        ("input_schema", json!({})),
        ("output_schema", json!({})),
    ] {
        members.insert(name.to_owned(), value);
    }
    let action = one_action(Value::Object(members))?;
    let Kind::InvokeApi(mut api) = action.kind else {
        return Err("/type: write \"invoke_api\"".to_owned());
    };
    if let Some((text, _)) = endpoint {
        api.endpoint = text;
    }
    Ok(api)
}

/// An endpoint that begins with a variable, and what follows that.
fn variable_endpoint(members: &Map<String, Value>) -> Result<Option<(Text, String)>, String> {
    let Some(source) = members.get("endpoint").and_then(Value::as_str) else {
        return Ok(None);
    };
    let Some((_, rest)) = source
        .strip_prefix("${")
        .and_then(|rest| rest.split_once('}'))
    else {
        return Ok(None);
    };
    if !rest.starts_with('/') {
        return Err("/endpoint: go on with a path after the variable".to_owned());
    }
    Ok(Some((Text::parse(source)?, rest.to_owned())))
}
