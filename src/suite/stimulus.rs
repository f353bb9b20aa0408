//! Stimuli of a case made into requests.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value, json};

use super::case::{self, Case, Stimulus};
use super::identity::Caller;
use super::prepare::{self, Origins};
use super::substitute::{self, Bindings, Unbound};
use super::target::HttpRequest;

/// Largest body that `repeat` may make, in bytes.
const MOST_REPEATED: usize = 64 << 20;

/// The goal of a session that names none.
const GOAL: &str = "Schedule a product demo with Alice and Bob";
/// The time of a session's first observation that names none.
const TIMESTAMP: &str = "2026-04-01T09:00:00Z";

/// What stays as it is in one segment of a path; `@` and `:` are common in references.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'@')
    .remove(b':')
    .remove(b'+');

/// Why a stimulus makes no request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// It names what nothing is bound to.
    Unbound(String),
    /// The case or the suite is at fault.
    Broken(String),
}

impl From<Unbound> for Refusal {
    fn from(unbound: Unbound) -> Self {
        Self::Unbound(unbound.0)
    }
}

/// An id as one segment of a path.
pub fn segment(id: &str) -> String {
    utf8_percent_encode(id, SEGMENT).to_string()
}

/// The request that a stimulus stands for.
///
/// # Errors
/// When it names what nothing is bound to, or cannot be made at all.
pub fn request(
    stimulus: &Stimulus,
    case: &Case,
    token: &str,
    origins: &Origins,
    bindings: &Bindings,
    caller: &Caller,
) -> Result<HttpRequest, Refusal> {
    let mut request = unsigned(stimulus, case, token, origins, bindings, caller)?;
    if let Some(authorization) = &caller.authorization {
        request.default_header("authorization", authorization);
    }
    Ok(request)
}

fn unsigned(
    stimulus: &Stimulus,
    case: &Case,
    token: &str,
    origins: &Origins,
    bindings: &Bindings,
    caller: &Caller,
) -> Result<HttpRequest, Refusal> {
    match stimulus {
        Stimulus::Open(patch) => {
            let mut patch = patch.clone();
            let headers = patch.shift_remove("$headers");
            let mut body = open_body(case, &caller.user);
            prepare::merge_patch(&mut body, &Value::Object(patch));
            let mut request = HttpRequest::new("POST", "/sessions");
            add_headers(&mut request, headers.as_ref(), bindings)?;
            Ok(request.json(&substitute::substitute(&body, bindings)?))
        }
        Stimulus::Step(call) => session_call(call, "step", bindings),
        Stimulus::Close(call) => session_call(call, "close", bindings),
        Stimulus::Answer(body) => {
            let mut body = body.clone();
            let headers = body.shift_remove("$headers");
            let session = bound(bindings, "session")?;
            let intervention = bound(bindings, "intervention")?;
            let path = format!(
                "/sessions/{}/interventions/{}",
                segment(&session),
                segment(&intervention)
            );
            let mut request = HttpRequest::new("POST", path);
            add_headers(&mut request, headers.as_ref(), bindings)?;
            Ok(request.json(&substitute::substitute(&Value::Object(body), bindings)?))
        }
        Stimulus::Execute(own) => {
            let body = json!({"user_id": caller.user, "manifest": "${manifest}"});
            workflow_call("/execute", body, own, bindings)
        }
        Stimulus::Resume(own) => {
            let mut own = own.clone();
            let body = json!({
                "open_action": bound_value(bindings, "resume")?,
                "state": bound_value(bindings, "resumed_state")?,
                "user_id": caller.user,
                "manifest": "${manifest}",
                "approval": {"id": bound(bindings, "approval")?, "decision": own.shift_remove("decision").unwrap_or_default()},
            });
            workflow_call("/execute", body, &own, bindings)
        }
        Stimulus::Plan(own) => {
            let body = json!({"goal": GOAL, "user_id": caller.user, "manifest": "${manifest}"});
            workflow_call("/plan", body, own, bindings)
        }
        Stimulus::Advance(_) => Err(Refusal::Broken("a clock is no target".to_owned())),
        Stimulus::Calibrate(_) | Stimulus::Processor(_) => Err(Refusal::Broken(
            "a measurement is many requests, made one by one".to_owned(),
        )),
        Stimulus::Register(register) => registration(register, token, origins, bindings),
        Stimulus::Request(raw) => raw_request(raw, bindings),
        Stimulus::Together(_) => Err(Refusal::Broken(
            "simultaneous requests are sent one by one".to_owned(),
        )),
    }
}

/// A call of the workflow profile: the members that a case gives take the place of those that the harness makes up.
///
/// A goal gets the token, so that the model's requests can be told apart.
fn workflow_call(
    path: &str,
    body: Value,
    own: &Map<String, Value>,
    bindings: &Bindings,
) -> Result<HttpRequest, Refusal> {
    // What an answer brought may hold `${…}` of its own; only what the case says is looked through.
    let mut made = Map::new();
    for (name, value) in body.as_object().into_iter().flatten() {
        let ready = match name.as_str() {
            "open_action" | "state" => value.clone(),
            _ => substitute::substitute(value, bindings)?,
        };
        made.insert(name.clone(), ready);
    }
    let mut own = own.clone();
    let headers = own.shift_remove("$headers");
    let dropped = own.shift_remove("$drop").unwrap_or_default();
    for (name, value) in &own {
        made.insert(name.clone(), substitute::substitute(value, bindings)?);
    }
    for name in dropped.as_array().into_iter().flatten() {
        made.shift_remove(name.as_str().unwrap_or_default());
    }
    let token = bound(bindings, "token")?;
    if let Some(Value::String(goal)) = made.get_mut("goal")
        && !goal.contains(&token)
    {
        goal.push_str(&format!(" [{token}]"));
    }
    let mut request = HttpRequest::new("POST", path);
    add_headers(&mut request, headers.as_ref(), bindings)?;
    Ok(request.json(&Value::Object(made)))
}

/// The body of `open` before the case's patch; `${…}` in it is replaced with the rest.
fn open_body(case: &Case, user: &str) -> Value {
    let session = &case.session;
    let mut goal = Map::new();
    let text = session.goal.as_deref().unwrap_or(GOAL);
    goal.insert("description".into(), format!("{text} [${{token}}]").into());
    if let Some(intent) = &session.intent {
        goal.insert("intent".into(), intent.as_str().into());
    }
    let mut body = json!({
        "goal": goal,
        "observation": {
            "timestamp": session.timestamp.as_deref().unwrap_or(TIMESTAMP),
            "user_context": {
                "user_id": user,
                "preferences": session.preferences.clone().unwrap_or_else(|| json!({})),
            },
            "environment": session.environment.clone().unwrap_or_else(|| json!({})),
        },
        "manifest": "${manifest}",
    });
    if let Some(most) = session.max_steps {
        body["max_steps"] = most.into();
    }
    if let Some(flags) = &session.flags {
        body["flags"] = flags.clone().into();
    }
    body
}

fn session_call(
    call: &case::Call,
    verb: &str,
    bindings: &Bindings,
) -> Result<HttpRequest, Refusal> {
    let session = match &call.session {
        Some(text) => substitute::substitute_text(text, bindings)?,
        None => bound(bindings, "session")?,
    };
    let mut request = HttpRequest::new("POST", format!("/sessions/{}/{verb}", segment(&session)));
    for (name, value) in &call.headers {
        request
            .headers
            .push((name.clone(), substitute::substitute_text(value, bindings)?));
    }
    match &call.body {
        Some(body) => Ok(request.json(&substitute::substitute(body, bindings)?)),
        None => Ok(request),
    }
}

fn registration(
    register: &case::Register,
    token: &str,
    origins: &Origins,
    bindings: &Bindings,
) -> Result<HttpRequest, Refusal> {
    let mut request = HttpRequest::new("POST", "/manifests");
    for (name, value) in &register.headers {
        request
            .headers
            .push((name.clone(), substitute::substitute_text(value, bindings)?));
    }
    if let Some(changes) = register.changes() {
        let prepared = prepare::fixture(&changes.fixture)
            .and_then(|document| prepare::changed(document, &changes, token, origins))
            .map_err(|error| Refusal::Broken(error.to_string()))?;
        return Ok(request.json(&prepared.document));
    }
    if let Some(document) = &register.document {
        return Ok(request.json(&prepare::ready(document, token, origins).document));
    }
    let text = prepare::ready(
        &Value::from(register.text.as_deref().unwrap_or_default()),
        token,
        origins,
    );
    request.body = text
        .document
        .as_str()
        .unwrap_or_default()
        .as_bytes()
        .to_vec();
    request.default_header("content-type", "application/json");
    Ok(request)
}

fn raw_request(raw: &case::Request, bindings: &Bindings) -> Result<HttpRequest, Refusal> {
    let mut request = HttpRequest::new(
        &raw.method,
        substitute::substitute_text(&raw.path, bindings)?,
    );
    for (name, value) in &raw.headers {
        request
            .headers
            .push((name.clone(), substitute::substitute_text(value, bindings)?));
    }
    if let Some(body) = &raw.json {
        return Ok(request.json(&substitute::substitute(body, bindings)?));
    }
    request.body = if let Some(text) = &raw.text {
        substitute::substitute_text(text, bindings)?.into_bytes()
    } else if let Some(text) = &raw.base64 {
        STANDARD
            .decode(text)
            .map_err(|_| Refusal::Broken("base64 cannot be decoded; mend it".to_owned()))?
    } else if let Some(repeat) = &raw.repeat {
        if repeat.text.len().saturating_mul(repeat.times) > MOST_REPEATED {
            return Err(Refusal::Broken(format!(
                "repeat makes more than {MOST_REPEATED} bytes; repeat less"
            )));
        }
        let mut text = substitute::substitute_text(&repeat.before, bindings)?;
        text.push_str(&repeat.text.repeat(repeat.times));
        text.push_str(&substitute::substitute_text(&repeat.after, bindings)?);
        text.into_bytes()
    } else {
        return Ok(request);
    };
    request.default_header("content-type", "application/json");
    Ok(request)
}

fn add_headers(
    request: &mut HttpRequest,
    headers: Option<&Value>,
    bindings: &Bindings,
) -> Result<(), Refusal> {
    for (name, value) in headers.and_then(Value::as_object).into_iter().flatten() {
        let value = value.as_str().unwrap_or_default();
        request
            .headers
            .push((name.clone(), substitute::substitute_text(value, bindings)?));
    }
    Ok(())
}

fn bound_value(bindings: &Bindings, name: &str) -> Result<Value, Refusal> {
    let found = bindings.get(name).cloned();
    found.ok_or_else(|| Refusal::Unbound(name.to_owned()))
}

fn bound(bindings: &Bindings, name: &str) -> Result<String, Refusal> {
    bindings
        .get(name)
        .and_then(Value::as_str)
        .map(str::to_owned)
        .ok_or_else(|| Refusal::Unbound(name.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn case(extra: Value) -> Case {
        let mut value = json!({
            "id": "STP-001-a", "title": "t", "requirements": ["STP-001"], "manifest": "none",
            "steps": [{"step": {}}]
        });
        prepare::merge_patch(&mut value, &extra);
        serde_json::from_value(value).expect("a case")
    }

    fn bindings() -> Bindings {
        [
            ("token", "oapt01"),
            ("manifest", "m@1.0.0"),
            ("session", "s 1/x"),
            ("intervention", "i1"),
        ]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), Value::from(value)))
        .collect()
    }

    fn made(step: Value, extra: Value) -> Result<HttpRequest, Refusal> {
        let step: case::Step = serde_json::from_value(step).expect("a step");
        request(
            &step.stimulus,
            &case(extra),
            "oapt01",
            &Origins::default(),
            &bindings(),
            &Caller {
                user: "U-oapt01".to_owned(),
                authorization: Some("Bearer t".to_owned()),
            },
        )
    }

    fn body(request: &HttpRequest) -> Value {
        serde_json::from_slice(&request.body).expect("json")
    }

    #[test]
    fn open_carries_the_token_twice_and_takes_a_patch() {
        let request = made(
            json!({"open": {"max_steps": 3, "observation": {"timestamp": null}, "$headers": {"Idempotency-Key": "k-${token}"}}}),
            json!({"session": {"goal": "Do it", "intent": "i", "flags": ["f"], "environment": {"a": 1}}}),
        )
        .expect("made");
        let body = body(&request);
        assert_eq!(
            body["goal"],
            json!({"description": "Do it [oapt01]", "intent": "i"})
        );
        assert_eq!(body["observation"]["user_context"]["user_id"], "U-oapt01");
        assert_eq!(body["observation"].get("timestamp"), None);
        assert_eq!(
            (&body["manifest"], &body["max_steps"], &body["flags"]),
            (&json!("m@1.0.0"), &json!(3), &json!(["f"]))
        );
        assert!(
            request
                .headers
                .contains(&("Idempotency-Key".into(), "k-oapt01".into()))
        );
        assert!(
            request
                .headers
                .contains(&("content-type".into(), "application/json".into()))
        );
    }

    #[test]
    fn workflow_calls_take_members_as_they_are() {
        let nodes = json!([{"@type": "OpenAction:Action", "name": "x", "input": null}]);
        let step = json!({"execute": {"open_action": nodes, "state": {"a": null}, "goal": "Do it", "$drop": ["manifest"], "$headers": {"x": "${token}"}}});
        let request = made(step, json!({})).expect("made");
        assert_eq!(
            body(&request),
            json!({"user_id": "U-oapt01", "open_action": nodes, "state": {"a": null}, "goal": "Do it [oapt01]"})
        );
        let header = |name: &str, value: &str| {
            request
                .headers
                .contains(&(name.to_owned(), value.to_owned()))
        };
        assert!(header("x", "oapt01") && header("authorization", "Bearer t"));
        assert_eq!(
            made(json!({"resume": {"decision": "approve"}}), json!({})).expect_err("no 202 yet"),
            Refusal::Unbound("resume".into())
        );
        let plan = made(json!({"plan": {}}), json!({})).expect("made");
        assert_eq!(plan.path, "/plan");
        assert!(
            body(&plan)["goal"]
                .as_str()
                .is_some_and(|goal| goal.ends_with("[oapt01]"))
        );
    }

    #[test]
    fn calls_on_a_session_escape_its_id() {
        let request = made(json!({"step": {"body": {"requestId": "r"}}}), json!({})).expect("made");
        assert_eq!(request.path, "/sessions/s%201%2Fx/step");
        assert_eq!(body(&request), json!({"requestId": "r"}));
        let request = made(json!({"close": {"session": "other"}}), json!({})).expect("made");
        assert_eq!(
            (request.path.as_str(), request.body.len()),
            ("/sessions/other/close", 0)
        );
        let request =
            made(json!({"answer": {"output": {"a": "${token}"}}}), json!({})).expect("made");
        assert_eq!(request.path, "/sessions/s%201%2Fx/interventions/i1");
        assert_eq!(body(&request), json!({"output": {"a": "oapt01"}}));
    }

    #[test]
    fn registrations_are_readied_or_raw() {
        let request = made(
            json!({"register": {"document": {"name": "x", "auth": "${CALENDAR_TOKEN}"}}}),
            json!({}),
        )
        .expect("made");
        assert_eq!(
            body(&request),
            json!({"name": "x-oapt01", "auth": "${CALENDAR_TOKEN}"})
        );
        let request = made(json!({"register": {"text": "{\"name\": \"${token}\", ", "headers": {"content-type": "text/plain"}}}), json!({})).expect("made");
        assert_eq!(request.body, b"{\"name\": \"oapt01\", ");
        assert_eq!(
            request.headers.first(),
            Some(&("content-type".to_owned(), "text/plain".to_owned()))
        );
    }

    #[test]
    fn raw_requests_take_any_body() {
        let request = made(
            json!({"request": {"method": "POST", "path": "/x/${token}", "base64": "/w=="}}),
            json!({}),
        )
        .expect("made");
        assert_eq!(
            (request.path.as_str(), request.body.as_slice()),
            ("/x/oapt01", [0xff].as_slice())
        );
        let request = made(json!({"request": {"method": "POST", "path": "/x", "repeat": {"text": "ab", "times": 3}}}), json!({})).expect("made");
        assert_eq!(request.body, b"ababab");
        let within = json!({"text": "ab", "times": 2, "before": "<${token}>", "after": "!"});
        let request = made(
            json!({"request": {"method": "POST", "path": "/x", "repeat": within}}),
            json!({}),
        )
        .expect("made");
        assert_eq!(request.body, b"<oapt01>abab!");
        assert!(made(json!({"request": {"method": "POST", "path": "/x", "repeat": {"text": "ab", "times": 1_000_000_000}}}), json!({})).is_err());
        let request = made(
            json!({"request": {"method": "GET", "path": "/healthz"}}),
            json!({}),
        )
        .expect("made");
        assert_eq!(request.headers.len(), 1, "the caller's token alone");
        assert!(request.body.is_empty());
    }

    #[test]
    fn what_is_not_bound_is_told() {
        let refused =
            made(json!({"step": {"session": "${other}"}}), json!({})).expect_err("refused");
        assert_eq!(refused, Refusal::Unbound("other".into()));
    }
}
