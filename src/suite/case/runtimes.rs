//! One case for each code runtime: what is the same for all stands once, and only the code differs.

use serde_json::{Map, Value};

use crate::requirement::Profile;

/// Languages that cases have code in: the name in ids, the `runtime` that manifests get, and the profile that is needed.
const LANGUAGES: [(&str, &str, Profile); 3] = [
    ("python", "python3", Profile::SandboxPython),
    ("javascript", "javascript", Profile::SandboxJavascript),
    ("wasm", "wasm", Profile::SandboxWasm),
];

/// One of the cases that a file stands for.
#[derive(Debug, Clone, PartialEq)]
pub struct Variant {
    /// The document of the case, with its own id and without `runtimes`.
    pub document: Value,
    /// Its language; `None` in a file without `runtimes`.
    pub language: Option<&'static str>,
}

/// Takes a document apart into the cases that it stands for.
///
/// Each language of `runtimes` maps names of actions to code; in its case these actions get `runtime` and `code`, the id ends in
/// `.<language>`, and `sandbox.<language>` is needed.
///
/// # Errors
/// Pointer and message, when an action that gets code is not among `add_actions` of the manifest.
pub fn variants(document: &Value) -> Result<Vec<Variant>, (String, String)> {
    let Some(runtimes) = document.get("runtimes").and_then(Value::as_object) else {
        return Ok(vec![Variant {
            document: document.clone(),
            language: None,
        }]);
    };
    let known = LANGUAGES
        .iter()
        .filter_map(|language| Some((language, runtimes.get(language.0)?.as_object()?)));
    known
        .map(|(&(language, runtime, profile), codes)| {
            Ok(Variant {
                document: variant(document, language, runtime, profile, codes)?,
                language: Some(language),
            })
        })
        .collect()
}

fn variant(
    document: &Value,
    language: &str,
    runtime: &str,
    profile: Profile,
    codes: &Map<String, Value>,
) -> Result<Value, (String, String)> {
    let mut document = document.clone();
    if let Value::Object(members) = &mut document {
        members.shift_remove("runtimes");
        if let Some(Value::String(id)) = members.get_mut("id") {
            id.push('.');
            id.push_str(language);
        }
        if let Value::Array(needs) = members
            .entry("needs")
            .or_insert_with(|| Value::Array(Vec::new()))
        {
            needs.push(profile.name().into());
        }
    }
    let mut given = codes.keys().map(String::as_str).collect::<Vec<_>>();
    fill(&mut document, runtime, codes, &mut given);
    match given.first() {
        None => Ok(document),
        Some(name) => Err((
            format!("/runtimes/{language}/{name}"),
            format!("no action '{name}' under add_actions waits for this code; add one"),
        )),
    }
}

/// Gives code to every action that waits for it, wherever in the case it is added to a manifest.
fn fill(value: &mut Value, runtime: &str, codes: &Map<String, Value>, given: &mut Vec<&str>) {
    match value {
        Value::Object(members) => {
            if let Some(Value::Array(actions)) = members.get_mut("add_actions") {
                for action in actions.iter_mut().filter_map(Value::as_object_mut) {
                    let name = action.get("name").and_then(Value::as_str);
                    let Some(code) = name.and_then(|name| codes.get(name)) else {
                        continue;
                    };
                    given.retain(|waiting| Some(*waiting) != name);
                    action.insert("runtime".to_owned(), runtime.into());
                    action.insert("code".to_owned(), code.clone());
                }
            }
            for member in members.values_mut() {
                fill(member, runtime, codes, given);
            }
        }
        Value::Array(elements) => {
            for element in elements {
                fill(element, runtime, codes, given);
            }
        }
        _ => {}
    }
}

/// The id in the file of a case that may be one of several.
pub fn id_in_file(id: &str) -> &str {
    id.split_once('.').map_or(id, |(file, _)| file)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn document() -> Value {
        json!({
            "id": "SBX-001-x",
            "needs": ["workflow"],
            "manifest": {"use": "m", "add_actions": [{"name": "compute", "type": "run_code"}, {"name": "other"}]},
            "runtimes": {"wasm": {"compute": "(module)"}, "python": {"compute": "def generate(): pass"}},
        })
    }

    #[test]
    fn a_file_without_runtimes_is_one_case() {
        let plain = json!({"id": "SBX-001-x"});
        let found = variants(&plain).expect("reads");
        assert_eq!(found.len(), 1);
        assert_eq!(
            (found[0].document.clone(), found[0].language),
            (plain, None)
        );
    }

    #[test]
    fn each_language_is_a_case_with_its_code() {
        let found = variants(&document()).expect("reads");
        let ids: Vec<_> = found
            .iter()
            .map(|variant| variant.document["id"].clone())
            .collect();
        assert_eq!(ids, ["SBX-001-x.python", "SBX-001-x.wasm"]);
        let python = &found[0].document;
        assert_eq!(python["needs"], json!(["workflow", "sandbox.python"]));
        assert_eq!(
            python["manifest"]["add_actions"][0],
            json!({"name": "compute", "type": "run_code", "runtime": "python3", "code": "def generate(): pass"})
        );
        assert_eq!(
            python["manifest"]["add_actions"][1],
            json!({"name": "other"})
        );
        assert_eq!(python.get("runtimes"), None);
        assert_eq!(id_in_file("SBX-001-x.python"), "SBX-001-x");
        assert_eq!(id_in_file("SBX-001-x"), "SBX-001-x");
    }

    #[test]
    fn code_that_no_action_waits_for_is_refused() {
        let mut document = document();
        document["runtimes"]["wasm"] = json!({"compute": "(module)", "conpute": "(module)"});
        let (pointer, message) = variants(&document).expect_err("refused");
        assert_eq!(pointer, "/runtimes/wasm/conpute");
        assert!(message.contains("conpute"));
    }
}
