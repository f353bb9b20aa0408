//! Manifests of a case: a fixture, its changes, a name of its own, and endpoints that lead to the mocks. Raw values only.

mod fixtures;

use serde_json::{Map, Value};

use super::case::Changes;
use super::substitute::substitute_token;
use crate::json;

pub use fixtures::{fixture, fixture_holds};

/// Origins that fixtures print, and the service that stands in for each.
const PRINTED: [(&str, usize); 3] = [
    ("https://api.calendar.example.com", 0),
    ("https://api.email.example.com", 1),
    ("https://api.crm.example.com", 2),
];

/// The printed root of scheme `file:`; it leads into the folder that harness and target share.
pub const FILE_ROOT: &str = "file:///srv/notes/";

/// A printed root beside that folder, which the operator does not allow.
const ROOT_BESIDE: &str = "file:///srv/notes-beside/";

/// The printed root of scheme `s3:`; the mock object store has this bucket.
pub const OBJECT_ROOT: &str = "s3://notes-bucket/";

/// Where the mock services of a run listen, each without a trailing slash.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Origins {
    /// The calendar.
    pub calendar: String,
    /// The email service.
    pub email: String,
    /// The CRM.
    pub crm: String,
    /// The absolute path of the folder that harness and target share.
    pub folder: Option<String>,
}

/// A manifest that is ready to be registered.
#[derive(Debug, Clone, PartialEq)]
pub struct Prepared {
    /// The document to send.
    pub document: Value,
    /// Its name; empty when the document has none.
    pub name: String,
    /// Its version in three parts, as the answer must say it; empty when the document has none.
    pub version: String,
    /// The digest that the answer must hold.
    pub digest: String,
}

impl Prepared {
    /// The reference `name@version`.
    pub fn reference(&self) -> String {
        format!("{}@{}", self.name, self.version)
    }
}

/// Why a manifest cannot be prepared: a fault of the case or its fixture, never of the target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrepareError(pub String);

impl std::fmt::Display for PrepareError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for PrepareError {}

/// The manifest that is registered where a case names none: the positive control of its target.
pub fn control() -> Value {
    serde_json::json!({
        "name": "control",
        "version": "1.0.0",
        "actions": [{
            "name": "list_events",
            "type": "invoke_api",
            "endpoint": "https://api.calendar.example.com/v1/events",
            "method": "GET",
            "auth": "Bearer ${CALENDAR_TOKEN}",
            "input_schema": {"type": "object"},
            "output_schema": {"type": "object"}
        }]
    })
}

/// Applies changes to a document, then readies it.
///
/// # Errors
/// When a change names an action that the document does not have.
pub fn changed(
    mut document: Value,
    changes: &Changes,
    token: &str,
    origins: &Origins,
) -> Result<Prepared, PrepareError> {
    if let Some(patch) = &changes.patch {
        merge_patch(&mut document, patch);
    }
    for name in &changes.drop_actions {
        let actions = actions(&mut document)?;
        let before = actions.len();
        actions.retain(|action| action.get("name").and_then(Value::as_str) != Some(name));
        if actions.len() == before {
            return Err(unknown_action(name));
        }
    }
    for (name, patch) in &changes.action_patch {
        let action = actions(&mut document)?
            .iter_mut()
            .find(|action| action.get("name").and_then(Value::as_str) == Some(name))
            .ok_or_else(|| unknown_action(name))?;
        merge_patch(action, patch);
    }
    if !changes.add_actions.is_empty() {
        actions(&mut document)?.extend(changes.add_actions.iter().cloned());
    }
    Ok(ready(&document, token, origins))
}

/// Gives a document its own name (`<name>-<token>`), replaces `${token}` and leads the printed origins to the mocks.
///
/// A name that holds the token already, or is no text, stays: some cases are about just that.
pub fn ready(document: &Value, token: &str, origins: &Origins) -> Prepared {
    let mut document = redirect(&substitute_token(document, token), token, origins);
    if let Some(Value::String(name)) = document.get_mut("name")
        && !name.is_empty()
        && !name.contains(token)
    {
        *name = format!("{name}-{token}");
    }
    let text = |member: &str| {
        document
            .get(member)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    let version = three_parts(&text("version"));
    Prepared {
        name: text("name"),
        version,
        digest: json::digest(&snake_case(&document)),
        document,
    }
}

/// JSON Merge Patch, RFC 7386.
pub fn merge_patch(target: &mut Value, patch: &Value) {
    let Value::Object(changes) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    if let Value::Object(members) = target {
        for (name, change) in changes {
            if change.is_null() {
                members.remove(name);
            } else {
                merge_patch(members.entry(name.clone()).or_insert(Value::Null), change);
            }
        }
    }
}

/// The snake_case form that a digest is made of (`spec/manifests.md`, 4.3); a document in that spelling is its own form.
///
/// A twin of the validator's on purpose: the judge does not ask the judged.
pub fn snake_case(document: &Value) -> Value {
    let is_json_ld = document.get("@type").and_then(Value::as_str) == Some("OpenAction:Manifest");
    match document {
        Value::Object(members) if is_json_ld => Value::Object(
            members
                .iter()
                .filter(|(name, _)| !matches!(name.as_str(), "@context" | "@type"))
                .map(|(name, member)| match (name.as_str(), member) {
                    ("protocolVersion", _) => ("protocol_version".to_owned(), member.clone()),
                    ("actions", Value::Array(actions)) => {
                        (name.clone(), actions.iter().map(snake_action).collect())
                    }
                    ("intents", Value::Array(intents)) => {
                        (name.clone(), intents.iter().map(without_type).collect())
                    }
                    _ => (name.clone(), member.clone()),
                })
                .collect(),
        ),
        _ => document.clone(),
    }
}

fn without_type(value: &Value) -> Value {
    let mut value = value.clone();
    if let Value::Object(members) = &mut value {
        members.shift_remove("@type");
        members.shift_remove("@context");
    }
    value
}

fn snake_action(action: &Value) -> Value {
    let Value::Object(members) = action else {
        return action.clone();
    };
    let mut renamed = Map::new();
    for (name, member) in members {
        let name = match name.as_str() {
            "@context" | "@type" => continue,
            "actionType" => "type",
            "inputSchema" => "input_schema",
            "outputSchema" => "output_schema",
            "resultPath" => "result_path",
            "completesGoal" => "completes_goal",
            "featureFlag" => "feature_flag",
            "timeoutMs" => "timeout_ms",
            "requestMap" => "request_map",
            "responseMap" => "response_map",
            "fallbackAction" => "fallback_action",
            "accessControl" => "access_control",
            other => other,
        };
        let member = match (name, member) {
            ("access_control", Value::Object(inner)) => Value::Object(
                inner
                    .iter()
                    .map(|(name, value)| {
                        let name = match name.as_str() {
                            "requiredScopes" => "required_scopes",
                            "rateLimit" => "rate_limit",
                            other => other,
                        };
                        (name.to_owned(), value.clone())
                    })
                    .collect(),
            ),
            ("fallback_action", inner) if inner.is_object() => snake_action(inner),
            _ => member.clone(),
        };
        renamed.insert(name.to_owned(), member);
    }
    if !renamed.contains_key("type") {
        renamed.insert("type".to_owned(), Value::from("plugin"));
    }
    Value::Object(renamed)
}

/// A version in three parts.
pub(super) fn three_parts(version: &str) -> String {
    let numeric = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    match version.split_once('.') {
        Some((major, minor)) if numeric(major) && numeric(minor) => format!("{version}.0"),
        _ => version.to_owned(),
    }
}

/// What a case calls at a mock: its origin, and the case's own part of it.
pub fn led_to(origin: &str, token: &str) -> String {
    format!("{origin}/t/{token}")
}

/// Host and port of an origin.
pub fn address(origin: &str) -> &str {
    origin
        .split_once("://")
        .map_or(origin, |(_, address)| address)
}

/// The case's own root of scheme `file:`, with a slash at its end; the printed one where there is no folder.
pub fn file_root(token: &str, origins: &Origins) -> String {
    match &origins.folder {
        Some(folder) => format!("file://{folder}/{token}/root/"),
        None => FILE_ROOT.to_owned(),
    }
}

/// The case's own root of scheme `s3:`, with a slash at its end.
pub fn object_root(token: &str) -> String {
    format!("{OBJECT_ROOT}{token}/")
}

/// A text whose printed roots are the case's own. A root without its slash is one only if nothing else stands there.
fn rooted(text: String, token: &str, origins: &Origins) -> String {
    let (file, object) = (file_root(token, origins), object_root(token));
    for (printed, own) in [(FILE_ROOT, &file), (OBJECT_ROOT, &object)] {
        if text == printed.trim_end_matches('/') {
            return own.trim_end_matches('/').to_owned();
        }
    }
    let beside = match &origins.folder {
        Some(folder) => format!("file://{folder}-beside/"),
        None => ROOT_BESIDE.to_owned(),
    };
    text.replace(ROOT_BESIDE, &beside)
        .replace(FILE_ROOT, &file)
        .replace(OBJECT_ROOT, &object)
}

fn redirect(value: &Value, token: &str, origins: &Origins) -> Value {
    let targets = [&origins.calendar, &origins.email, &origins.crm];
    match value {
        Value::String(text) => {
            let mut text = text.clone();
            for (printed, index) in PRINTED {
                if text.contains(printed) {
                    text = text.replace(printed, &led_to(targets[index], token));
                }
                // A destination that sandboxed code is granted: host and port, nothing else.
                if text.strip_suffix(":443") == Some(address(printed)) {
                    text = address(targets[index]).to_owned();
                }
            }
            Value::String(rooted(text, token, origins))
        }
        Value::Array(elements) => elements
            .iter()
            .map(|element| redirect(element, token, origins))
            .collect(),
        Value::Object(members) => members
            .iter()
            .map(|(name, member)| (name.clone(), redirect(member, token, origins)))
            .collect(),
        other => other.clone(),
    }
}

fn actions(document: &mut Value) -> Result<&mut Vec<Value>, PrepareError> {
    document
        .get_mut("actions")
        .and_then(Value::as_array_mut)
        .ok_or_else(|| {
            PrepareError(
                "the manifest has no array `actions` to change; use patch alone".to_owned(),
            )
        })
}

fn unknown_action(name: &str) -> PrepareError {
    PrepareError(format!(
        "the fixture has no action '{name}'; name one that it has"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn origins() -> Origins {
        Origins {
            calendar: "http://127.0.0.1:1".into(),
            email: "http://127.0.0.1:2".into(),
            crm: "http://127.0.0.1:3".into(),
            folder: Some("/shared".into()),
        }
    }

    const TOKEN: &str = "oapt0123456789abcdef";

    #[test]
    fn a_document_gets_its_own_name_and_the_mocks_addresses() {
        let prepared = ready(&control(), TOKEN, &origins());
        assert_eq!(prepared.name, format!("control-{TOKEN}"));
        assert_eq!(prepared.reference(), format!("control-{TOKEN}@1.0.0"));
        assert_eq!(
            prepared.document["actions"][0]["endpoint"],
            format!("http://127.0.0.1:1/t/{TOKEN}/v1/events")
        );
        assert_eq!(
            prepared.document["actions"][0]["auth"],
            "Bearer ${CALENDAR_TOKEN}"
        );
        assert_eq!(prepared.digest, json::digest(&prepared.document));
        let own = ready(
            &json!({"name": "x-${token}", "version": "2.0"}),
            TOKEN,
            &origins(),
        );
        assert_eq!(
            (own.name, own.version),
            (format!("x-{TOKEN}"), "2.0.0".to_owned())
        );
        assert_eq!(
            ready(&json!({"name": 5}), TOKEN, &origins()).document,
            json!({"name": 5})
        );
    }

    #[test]
    fn printed_roots_become_the_cases_own() {
        for (printed, own) in [
            (
                "file:///srv/notes/",
                format!("file:///shared/{TOKEN}/root/"),
            ),
            ("file:///srv/notes", format!("file:///shared/{TOKEN}/root")),
            (
                "file:///srv/notes/a/",
                format!("file:///shared/{TOKEN}/root/a/"),
            ),
            (
                "file:///srv/notes-beside/",
                "file:///shared-beside/".to_owned(),
            ),
            ("file:///srv/notes2", "file:///srv/notes2".to_owned()),
            ("s3://notes-bucket/", format!("s3://notes-bucket/{TOKEN}/")),
            ("s3://notes-bucket", format!("s3://notes-bucket/{TOKEN}")),
            ("s3://notes-bucket-2/", "s3://notes-bucket-2/".to_owned()),
            ("memory:scratch/", "memory:scratch/".to_owned()),
        ] {
            let document = json!({"actions": [{"root": printed}]});
            let prepared = ready(&document, TOKEN, &origins());
            assert_eq!(prepared.document["actions"][0]["root"], own, "{printed}");
        }
    }

    #[test]
    fn changes_apply_in_their_order() {
        let changes = Changes {
            patch: Some(json!({"version": "1.1.0", "description": "d"})),
            action_patch: [(
                "list_events".to_owned(),
                json!({"method": "POST", "auth": null}),
            )]
            .into(),
            add_actions: vec![json!({"name": "second"})],
            ..Changes::default()
        };
        let document = changed(control(), &changes, TOKEN, &origins())
            .expect("applies")
            .document;
        assert_eq!(document["version"], "1.1.0");
        assert_eq!(document["actions"][0]["method"], "POST");
        assert_eq!(document["actions"][0].get("auth"), None);
        assert_eq!(document["actions"][1]["name"], "second");
    }

    #[test]
    fn a_change_of_what_is_not_there_is_refused() {
        for changes in [
            Changes {
                drop_actions: vec!["gone".into()],
                ..Changes::default()
            },
            Changes {
                action_patch: [("gone".to_owned(), json!({}))].into(),
                ..Changes::default()
            },
        ] {
            let error = changed(control(), &changes, TOKEN, &origins()).expect_err("refused");
            assert!(error.0.contains("'gone'"));
        }
        assert!(fixture("there-is-no-such-fixture").is_err());
    }

    #[test]
    fn merge_patch_follows_its_rfc() {
        for (target, patch, result) in [
            (json!({"a": "b"}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": "b"}), json!({"a": null}), json!({})),
            (
                json!({"a": [1]}),
                json!({"a": [2, 3]}),
                json!({"a": [2, 3]}),
            ),
            (
                json!({"a": {"b": 1, "c": 2}}),
                json!({"a": {"b": null}}),
                json!({"a": {"c": 2}}),
            ),
            (
                json!([1]),
                json!({"a": null, "b": {"c": null}}),
                json!({"b": {}}),
            ),
            (json!({"a": 1}), json!("c"), json!("c")),
        ] {
            let mut patched = target;
            merge_patch(&mut patched, &patch);
            assert_eq!(patched, result);
        }
    }

    #[test]
    fn both_spellings_have_one_digest() {
        let snake = json!({
            "name": "m", "version": "1.0.0", "protocol_version": "2.0", "x-own": {"inputSchema": 1},
            "actions": [{"name": "a", "type": "plugin", "input_schema": {"inputSchema": {}}, "output_schema": true,
                         "timeout_ms": 5, "access_control": {"required_scopes": ["s"], "rate_limit": "1/s"}}]
        });
        let camel = json!({
            "@context": "https://open-action.example/2.0/context.jsonld", "@type": "OpenAction:Manifest",
            "version": "1.0.0", "name": "m", "protocolVersion": "2.0", "x-own": {"inputSchema": 1},
            "actions": [{"@type": "OpenAction:Action", "name": "a", "inputSchema": {"inputSchema": {}}, "outputSchema": true,
                         "timeoutMs": 5, "accessControl": {"requiredScopes": ["s"], "rateLimit": "1/s"}}]
        });
        assert_eq!(json::digest(&snake_case(&camel)), json::digest(&snake));
        assert_eq!(snake_case(&snake), snake);
    }
}
