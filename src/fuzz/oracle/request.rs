//! The one HTTP request that an accepted plan becomes (`spec/actions.md`, section 2).

use mock_services::{Auth, Call, Service};
use reqwest::Url;
use serde_json::{Map, Value};

use super::agreement::{Declared, text};
use crate::suite::matcher::same;
use crate::suite::options::granted_secrets;

/// Shorter secrets are never granted.
const LEAST_SECRET: usize = 8;

/// The variable of the test environment, which is no secret.
const REGION: (&str, &str) = ("OAP_TEST_REGION", "eu");

/// What has to be sent.
#[derive(Debug, Clone, PartialEq)]
pub struct Wanted {
    /// The method.
    pub method: String,
    /// The path as the journal has it; `None`: it cannot be told.
    pub path: Option<String>,
    /// The body; `None` without one.
    pub body: Option<Value>,
    /// The pairs of the query in order; those of the endpoint come first.
    pub query: Vec<(String, String)>,
    /// Headers by lower-case name that are declared, with references replaced; those that cannot be told are left out.
    headers: Vec<(String, String)>,
    /// Whose credential is declared, `Some(None)`: nobody's; `None`: that cannot be told.
    auth: Option<Option<Service>>,
    /// Whether the manifest brings an `Idempotency-Key` of its own.
    own_key: bool,
}

/// Something that is not as it has to be: the rule, where in the request, what is wanted, what is there.
#[derive(Debug, Clone, PartialEq)]
pub struct Flaw {
    /// The rule.
    pub requirement: &'static str,
    /// JSON Pointer into the request as cases see it.
    pub pointer: String,
    /// What has to be there.
    pub expected: Value,
    /// What is there.
    pub got: Value,
}

/// What an action with these arguments sends under a token; `None`: that cannot be told.
pub fn wanted(action: &Declared, args: &Value, token: &str) -> Option<Wanted> {
    let definition = &action.definition;
    let method = text(definition, "method").to_owned();
    let endpoint = text(definition, "endpoint");
    let url = (!endpoint.contains("${"))
        .then(|| Url::parse(endpoint).ok())
        .flatten();
    let path = url.as_ref().and_then(|url| {
        let rest = url.path().strip_prefix(&format!("/t/{token}"))?;
        Some(if rest.is_empty() { "/" } else { rest }.to_owned())
    });
    let sent = match definition.get("request_map") {
        None => args.clone(),
        Some(map) => build(map.as_object()?, args)?,
    };
    let mut query: Vec<(String, String)> = url
        .map(|url| url.query_pairs().into_owned().collect())
        .unwrap_or_default();
    let mut body = None;
    if matches!(method.as_str(), "GET" | "DELETE") {
        for (name, value) in sent.as_object()? {
            pairs(name, value, &mut query);
        }
    } else {
        body = Some(sent);
    }
    let declared = definition.get("headers").and_then(Value::as_object);
    let headers: Vec<(String, Option<String>)> = declared
        .into_iter()
        .flatten()
        .map(|(name, value)| (name.to_ascii_lowercase(), value.as_str().and_then(replaced)))
        .collect();
    let is_named = headers.iter().any(|(name, _)| name == "authorization");
    let auth = match text(definition, "auth") {
        "" => (!is_named).then_some(None),
        "Bearer ${CALENDAR_TOKEN}" => Some(Some(Service::Calendar)),
        "Bearer ${EMAIL_TOKEN}" => Some(Some(Service::Email)),
        "Bearer ${CRM_TOKEN}" => Some(Some(Service::Crm)),
        _ => None,
    };
    Some(Wanted {
        own_key: headers.iter().any(|(name, _)| name == "idempotency-key"),
        headers: headers
            .into_iter()
            .filter_map(|(name, value)| Some((name, value?)))
            .collect(),
        method,
        path,
        body,
        query,
        auth,
    })
}

/// Whether every reference of an action leads to something that the operator has granted, so that it is sent at all.
pub fn is_sendable(action: &Declared) -> bool {
    let headers = action.definition.get("headers").and_then(Value::as_object);
    let headers = headers.into_iter().flatten().map(|(_, value)| value);
    let texts = headers.filter_map(Value::as_str);
    texts
        .chain([text(&action.definition, "auth")])
        .all(|text| replaced(text).is_some())
        && !text(&action.definition, "endpoint").contains("${")
}

/// A header with its references replaced; `None`: one of them cannot be.
fn replaced(value: &str) -> Option<String> {
    let granted = granted_secrets();
    let mut whole = String::new();
    let mut rest = value;
    while let Some((before, after)) = rest.split_once("${") {
        whole.push_str(before);
        let (name, tail) = after.split_once('}')?;
        let secret = granted.iter().find(|(own, _)| own == name);
        let value = match secret {
            Some((_, secret)) if secret.len() >= LEAST_SECRET && !secret.contains(['\r', '\n']) => {
                secret
            }
            None if name == REGION.0 => REGION.1,
            _ => return None,
        };
        if name == "OAP_TEST_BOUND" {
            return None;
        }
        whole.push_str(value);
        rest = tail;
    }
    whole.push_str(rest);
    Some(whole)
}

/// The value that a map builds; `None`: the spec does not say what becomes of it.
pub fn build(map: &Map<String, Value>, source: &Value) -> Option<Value> {
    let mut built = Value::Object(Map::new());
    for (target, entry) in map {
        let value = match entry {
            Value::String(pointer) => match source.pointer(pointer) {
                Some(value) => value.clone(),
                None if target.is_empty() => return None,
                None => continue,
            },
            entry => entry.get("const")?.clone(),
        };
        if target.is_empty() {
            return Some(value);
        }
        let mut here = &mut built;
        let names: Vec<String> = target
            .strip_prefix('/')?
            .split('/')
            .map(|token| token.replace("~1", "/").replace("~0", "~"))
            .collect();
        for name in names {
            let members = here.as_object_mut()?;
            here = members
                .entry(name)
                .or_insert_with(|| Value::Object(Map::new()));
        }
        *here = value;
    }
    Some(built)
}

fn pairs(name: &str, value: &Value, query: &mut Vec<(String, String)>) {
    let text = match value {
        Value::Null => return,
        Value::String(text) => text.clone(),
        Value::Array(elements) => {
            for element in elements {
                match element {
                    Value::Array(_) => query.push((name.to_owned(), element.to_string())),
                    element => pairs(name, element, query),
                }
            }
            return;
        }
        other => other.to_string(),
    };
    query.push((name.to_owned(), text));
}

impl Wanted {
    /// Whether a call could be this request: method and path, and what was sent.
    pub fn fits(&self, call: &Call) -> bool {
        self.method == call.method
            && self.path.as_ref().is_none_or(|path| *path == call.path)
            && self.flaws(call).is_empty()
    }

    /// Whether a call goes where this request has to go.
    pub fn is_near(&self, call: &Call) -> bool {
        self.path.as_ref().is_none_or(|path| *path == call.path)
    }

    /// What is wrong with the call that stands for this request.
    pub fn flaws(&self, call: &Call) -> Vec<Flaw> {
        let mut flaws = Vec::new();
        let mut say = |requirement, pointer: &str, expected: Value, got: Value| {
            flaws.push(Flaw {
                requirement,
                pointer: pointer.to_owned(),
                expected,
                got,
            });
        };
        if self.method != call.method {
            say(
                "ACT-003",
                "/method",
                Value::from(&*self.method),
                Value::from(&*call.method),
            );
        }
        if let Some(path) = &self.path
            && *path != call.path
        {
            say(
                "ACT-003",
                "/path",
                Value::from(&**path),
                Value::from(&*call.path),
            );
        }
        match &self.body {
            Some(body) => {
                if !same(body, &call.body) {
                    say(
                        "ACT-005",
                        "/body",
                        serde_json::json!({"$exact": body}),
                        call.body.clone(),
                    );
                }
                let kind = call.headers.get("content-type").map(String::as_str);
                let essence = kind.and_then(|kind| kind.split(';').next()).map(str::trim);
                if !essence.is_some_and(|essence| essence.eq_ignore_ascii_case("application/json"))
                {
                    let pointer = "/headers/content-type";
                    say(
                        "ACT-005",
                        pointer,
                        Value::from("application/json"),
                        Value::from(kind),
                    );
                }
            }
            None if !call.body.is_null() => {
                say("ACT-006", "/body", Value::Null, call.body.clone());
            }
            None => {}
        }
        if !same_pairs(&self.query, &call.query) {
            let shown = |pairs: &[(String, String)]| serde_json::json!(pairs);
            say("ACT-007", "/query", shown(&self.query), shown(&call.query));
        }
        let wanted = self.auth.map(|owner| match owner {
            None => Auth::Missing,
            Some(owner) if owner == call.service => Auth::Ok,
            // The credential of another service, which the manifest wants here.
            Some(_) => Auth::Wrong,
        });
        if let Some(wanted) = wanted
            && wanted != call.auth
        {
            let requirement = if wanted == Auth::Missing {
                "ACT-009"
            } else {
                "ACT-008"
            };
            say(
                requirement,
                "/auth",
                serde_json::json!(wanted),
                serde_json::json!(call.auth),
            );
        }
        for (name, value) in &self.headers {
            if call.headers.get(name) != Some(value) {
                let pointer = crate::json::push("/headers", name);
                say(
                    "ACT-008",
                    &pointer,
                    Value::from("the declared value"),
                    Value::from("another one, or none"),
                );
            }
        }
        if call.method != "GET" && !self.own_key && !call.headers.contains_key("idempotency-key") {
            let pointer = "/headers/idempotency-key";
            say(
                "IDM-011",
                pointer,
                serde_json::json!({"$type": "string"}),
                crate::suite::matcher::absent(),
            );
        }
        flaws
    }
}

/// Whether both have the same values under each name, in the same order. The order of names is free.
fn same_pairs(one: &[(String, String)], other: &[(String, String)]) -> bool {
    let of = |pairs: &[(String, String)]| {
        let mut pairs: Vec<(String, String)> = pairs.to_vec();
        pairs.sort_by(|a, b| a.0.cmp(&b.0));
        pairs
    };
    of(one) == of(other)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fuzz::oracle::agreement::Agreement;
    use crate::fuzz::oracle::journal::sample_call;
    use serde_json::json;
    use std::collections::BTreeMap;

    fn of(extra: Value, args: Value) -> Wanted {
        let mut action = json!({"name": "a", "type": "invoke_api", "method": "POST", "endpoint": "http://127.0.0.1:1/t/T/v1/x",
            "auth": "Bearer ${CRM_TOKEN}", "input_schema": true, "output_schema": true});
        if let (Value::Object(own), Value::Object(extra)) = (&mut action, extra) {
            own.extend(extra);
        }
        let agreement = Agreement::new(&json!({"actions": [action]}));
        wanted(agreement.action("a").expect("declared"), &args, "T").expect("can be told")
    }

    fn call() -> Call {
        Call {
            headers: BTreeMap::from([
                ("content-type".to_owned(), "application/json".to_owned()),
                ("idempotency-key".to_owned(), "k".to_owned()),
            ]),
            ..sample_call(Service::Crm, "/v1/x", json!({"n": 1}))
        }
    }

    #[test]
    fn a_body_holds_the_arguments() {
        let wanted = of(json!({}), json!({"n": 1.0}));
        assert_eq!(wanted.flaws(&call()), []);
        let requirement = |change: fn(&mut Call)| {
            let mut changed = call();
            change(&mut changed);
            wanted.flaws(&changed).first().map(|flaw| flaw.requirement)
        };
        assert_eq!(
            requirement(|call| call.body = json!({"n": 1, "t": 0})),
            Some("ACT-005")
        );
        assert_eq!(
            requirement(|call| call.method = "GET".into()),
            Some("ACT-003")
        );
        assert_eq!(
            requirement(|call| call.auth = Auth::Missing),
            Some("ACT-008")
        );
        assert_eq!(
            requirement(|call| call.query = vec![("a".into(), "b".into())]),
            Some("ACT-007")
        );
        assert_eq!(
            requirement(|call| {
                call.headers.remove("idempotency-key");
            }),
            Some("IDM-011")
        );
    }

    #[test]
    fn a_query_has_one_pair_each() {
        let args = json!({"s": "x y", "n": null, "l": [1, [2]], "o": {"a": 1}, "e": []});
        let wanted = of(
            json!({"method": "GET", "endpoint": "http://h/t/T/q?fix=1"}),
            args,
        );
        let pairs: Vec<(&str, &str)> = wanted
            .query
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        let expected = [
            ("fix", "1"),
            ("s", "x y"),
            ("l", "1"),
            ("l", "[2]"),
            ("o", "{\"a\":1}"),
        ];
        assert_eq!(pairs, expected);
        assert_eq!((wanted.body, wanted.path.as_deref()), (None, Some("/q")));
    }

    #[test]
    fn maps_build_what_is_sent() {
        let map = json!({"/a/b": "/x", "/c": {"const": [1]}, "/d": "/missing"});
        let built = build(map.as_object().expect("a map"), &json!({"x": 7}));
        assert_eq!(built, Some(json!({"a": {"b": 7}, "c": [1]})));
        let whole = json!({"": "/x"});
        assert_eq!(
            build(whole.as_object().expect("a map"), &json!({"x": 7})),
            Some(json!(7))
        );
    }

    #[test]
    fn references_are_replaced_where_they_are_granted() {
        assert_eq!(replaced("${OAP_TEST_REGION}-1").as_deref(), Some("eu-1"));
        assert!(replaced("Bearer ${CRM_TOKEN}").is_some_and(|text| !text.contains('$')));
        for missing in [
            "${OAP_TEST_SHORT}",
            "${NOBODY}",
            "${OAP_TEST_MULTILINE}",
            "${OAP_TEST_BOUND}",
        ] {
            assert_eq!(replaced(missing), None, "{missing}");
        }
    }
}
