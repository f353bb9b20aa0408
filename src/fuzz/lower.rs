//! A world made into an ordinary case: what a person could have written, and `run` takes.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::world::{
    Action, Api, Body, Call, Key, Kind, NOBODYS_SESSION, Node, Reaction, Reply, Turn, World,
};
use super::write;
use crate::requirement::Registry;
use crate::suite::case::Case;
use crate::suite::{load, prepare, substitute};

/// The requirement of a case that no property was broken in yet: all rows of the table of a session's life.
pub const MAIN_REQUIREMENT: &str = "SES-015";

/// How often an address answers when its script is used up.
const FOR_EVER: &str = "any";

/// What a case is called, and what it is for.
#[derive(Debug, Clone, PartialEq)]
pub struct Label {
    /// Its main requirement.
    pub requirement: String,
    /// What follows the requirement in its id: lower-case letters, digits and single hyphens.
    pub slug: String,
    /// What must hold, in one sentence.
    pub title: String,
    /// For readers.
    pub notes: Option<String>,
}

impl Label {
    /// The label of a world as it was drawn.
    pub fn drawn(seed: u64, index: u64) -> Self {
        Self {
            requirement: MAIN_REQUIREMENT.to_owned(),
            slug: format!("fuzz-{seed}-{index}"),
            title: "every property holds in a generated world".to_owned(),
            notes: None,
        }
    }

    /// The id of the case.
    pub fn id(&self) -> String {
        format!("{}-{}", self.requirement, self.slug)
    }
}

/// The case file of a world, as a value. Its one expectation always holds: the properties judge, not the case.
pub fn document(world: &World, label: &Label) -> Value {
    let mut document = json!({
        "id": label.id(),
        "title": label.title,
        "requirements": [label.requirement],
        "needs": world.needs(),
        "manifest": {"use": "control", "patch": manifest(world)},
    });
    if let Some(notes) = &label.notes {
        document["notes"] = Value::from(notes.as_str());
    }
    if !world.environment.is_empty() {
        let environment = literal(&Value::Object(world.environment.clone()));
        document["session"] = json!({"environment": environment});
    }
    let access = access(world);
    if !access.is_empty() {
        document["access"] = Value::Object(access);
    }
    let mut model: Vec<Value> = world.model.iter().map(turn).collect();
    for entry in &mut model {
        entry["optional"] = json!(true);
    }
    let mut tail = turn(&world.tail);
    tail["times"] = json!(FOR_EVER);
    model.push(tail);
    document["model"] = Value::Array(model);
    let services = services(world);
    if !services.is_empty() {
        document["services"] = Value::Object(services);
    }
    document["steps"] = steps(world);
    document["expect"] = json!({"model": {"calls": {"$between": [0, 100_000]}}});
    document
}

/// Reads a case file's value as `run` reads a file.
///
/// # Errors
/// Everything that is wrong with it: then the generator is at fault.
pub fn case(document: &Value) -> Result<Case, String> {
    let id = document["id"].as_str().unwrap_or_default();
    let text = write::yaml(document);
    let file = format!("fuzz/{id}.yaml");
    let mut cases = load::read(&file, &text, Registry::embedded()).map_err(|errors| {
        let lines: Vec<String> = errors.iter().map(ToString::to_string).collect();
        lines.join("\n")
    })?;
    cases
        .pop()
        .ok_or_else(|| "the case file holds no case".to_owned())
}

/// Who calls, beside the plain caller.
fn access(world: &World) -> Map<String, Value> {
    let scopes = world.scopes.iter();
    let mut access: Map<String, Value> = scopes
        .map(|scopes| ("user".to_owned(), json!({"scopes": scopes})))
        .collect();
    for call in world.calls.iter().flatten() {
        if let Call::Stranger { who, .. } = call {
            let identity = match *who {
                "nobody" => json!({"none": true}),
                "basic" => json!({"raw": "Basic b2FwLXN0YXRpYy10b2tlbi0wMDAxOg=="}),
                "unsigned" => json!({"sign": "none"}),
                "forged" => json!({"sign": "wrong_key"}),
                "confused" => json!({"sign": "hs256_with_public_key"}),
                "late" => json!({"claims": {"exp": -3600}}),
                "early" => json!({"claims": {"nbf": 3600}}),
                "elsewhere" => json!({"claims": {"aud": "another-service"}}),
                _ => json!({"user": "B-${token}"}),
            };
            access.insert((*who).to_owned(), identity);
        }
    }
    access
}

/// What the manifest is, as a merge patch.
fn manifest(world: &World) -> Value {
    let mut manifest = json!({
        "name": "fuzz",
        "version": "1.0.0",
        "actions": world.actions.iter().map(action).collect::<Vec<_>>(),
    });
    if !world.intents.is_empty() {
        manifest["intents"] = world
            .intents
            .iter()
            .map(|intent| json!({"name": intent.name, "actions": intent.actions}))
            .collect();
    }
    manifest
}

fn action(action: &Action) -> Value {
    let mut members = Map::new();
    let mut put = |name: &str, value: Value| {
        members.insert(name.to_owned(), value);
    };
    put("name", json!(action.name));
    match &action.kind {
        Kind::Api(api) => {
            put("type", json!("invoke_api"));
            let endpoint = format!("https://api.{}.example.com{}", api.service, path(action));
            put("endpoint", json!(endpoint));
            put("method", json!(api.method));
            if let Some(auth) = &api.auth {
                put("auth", json!(auth));
            }
            if !api.headers.is_empty() {
                let headers = api.headers.iter();
                let headers: Map<String, Value> = headers
                    .map(|(name, value)| (name.clone(), json!(value)))
                    .collect();
                put("headers", Value::Object(headers));
            }
            if let Some(timeout) = api.timeout_ms {
                put("timeout_ms", json!(timeout));
            }
            if let Some(map) = &api.request_map {
                put("request_map", map.clone());
            }
            if let Some(map) = &api.response_map {
                put("response_map", map.clone());
            }
        }
        Kind::Human { prompt } => {
            put("type", json!("human_intervention"));
            put("prompt", json!(prompt));
        }
        Kind::Code { runtime, code } => {
            put("type", json!("run_code"));
            put("runtime", json!(runtime));
            put("code", json!(code));
        }
        Kind::Read | Kind::Write => {
            let reads = matches!(action.kind, Kind::Read);
            put(
                "type",
                json!(if reads { "read_file" } else { "write_file" }),
            );
            put("root", json!("memory:fuzz/"));
        }
    }
    put("input_schema", action.input.schema.clone());
    put("output_schema", action.output.schema.clone());
    if let Some(target) = &action.result_path {
        put("result_path", target.clone());
    }
    if action.completes_goal {
        put("completes_goal", json!(true));
    }
    for (name, value) in [
        ("feature_flag", &action.flag),
        ("conditional", &action.conditional),
        ("fallback_action", &action.fallback),
    ] {
        if let Some(value) = value {
            put(name, json!(value));
        }
    }
    let mut access = Map::new();
    if !action.scopes.is_empty() {
        access.insert("required_scopes".to_owned(), json!(action.scopes));
    }
    if let Some(limit) = &action.rate_limit {
        access.insert("rate_limit".to_owned(), json!(limit));
    }
    if action.approval {
        access.insert("verification".to_owned(), json!("approval"));
    }
    if !access.is_empty() {
        put("access_control", Value::Object(access));
    }
    Value::Object(members)
}

fn path(action: &Action) -> String {
    format!("/v1/{}", action.name)
}

fn turn(turn: &Turn) -> Value {
    match turn {
        Turn::Plan {
            action,
            args,
            extra,
        } => {
            let mut plan = json!({"action": action, "args": args});
            for (name, value) in extra {
                plan[name] = value.clone();
            }
            json!({"emit": plan})
        }
        Turn::Finish { summary: None } => json!({"emit": {"finished": true}}),
        Turn::Finish {
            summary: Some(summary),
        } => json!({"emit": {"finished": true, "summary": summary}}),
        Turn::Json(value) => json!({"emit": value}),
        Turn::Text(text) => json!({"text": text}),
        Turn::Long { action, bytes } => {
            let text = json!({"$repeat": {"text": "x", "times": bytes}});
            json!({"emit": {"action": action, "args": {"text": text}}})
        }
        Turn::Deep { action, levels } => {
            let (open, close) = ("[".repeat(*levels), "]".repeat(*levels));
            let action = Value::from(action.as_str());
            json!({"text": format!("{{\"action\": {action}, \"args\": {{\"x\": {open}{close}}}}}")})
        }
        Turn::CutOff => json!({"emit": {"finished": true}, "finish_reason": "length"}),
        Turn::Fault(fault) => json!({"fault": fault}),
        Turn::Status(status) => json!({"fault": "status", "status": status}),
    }
}

fn services(world: &World) -> Map<String, Value> {
    let mut services: Map<String, Value> = Map::new();
    let mut add = |service: &str, entry: Value| {
        let script = services
            .entry(service.to_owned())
            .or_insert_with(|| json!({"script": []}));
        if let Some(Value::Array(entries)) = script.get_mut("script") {
            entries.push(entry);
        }
    };
    let mut strangers = BTreeSet::new();
    for action in &world.actions {
        let Kind::Api(api) = &action.kind else {
            continue;
        };
        for reply in &api.replies {
            let mut entry = answer(reply, action);
            entry["on"] = json!({"path": path(action)});
            entry["optional"] = json!(true);
            add(api.service, entry);
        }
        add(api.service, for_ever(&path(action), action));
        if redirects(api, None) {
            add(api.service, for_ever(&moved(action), action));
        }
        for stranger in ["calendar", "email", "crm"] {
            if redirects(api, Some(stranger)) {
                strangers.insert(stranger);
            }
        }
    }
    // Whoever goes where it was sent by another origin finds an answer there, and is found out by it.
    for stranger in strangers {
        let entry = json!({"on": {"path": STOLEN}, "reply": {"json": {}}, "times": FOR_EVER});
        add(stranger, entry);
    }
    services
}

/// Where a redirect to another origin leads.
const STOLEN: &str = "/v1/stolen";

fn moved(action: &Action) -> String {
    format!("{}/moved", path(action))
}

fn redirects(api: &Api, service: Option<&str>) -> bool {
    let to = |reply: &Reply| matches!(reply, Reply::Redirect(_, to) if *to == service);
    api.replies.iter().any(to)
}

fn for_ever(path: &str, action: &Action) -> Value {
    json!({"on": {"path": path}, "reply": {"json": action.output.first()}, "times": FOR_EVER})
}

fn answer(reply: &Reply, action: &Action) -> Value {
    match reply {
        Reply::Json(status, value) => json!({"reply": {"status": status, "json": value}}),
        Reply::Text(text) => json!({"reply": {"text": text}}),
        Reply::Empty(status) => json!({"reply": {"status": status}}),
        Reply::Big(bytes) => {
            json!({"reply": {"json": {"$repeat": {"text": "x", "times": bytes}}}})
        }
        Reply::Late(ms) => json!({"reply": {"json": action.output.first()}, "delay_ms": ms}),
        Reply::Fault(fault) => json!({"fault": fault}),
        Reply::Redirect(status, None) => {
            json!({"redirect": {"to": moved(action), "status": status}})
        }
        Reply::Redirect(status, Some(service)) => {
            json!({"redirect": {"to": format!("{service}:{STOLEN}"), "status": status}})
        }
        Reply::Echo(encoding) => {
            let echo = format!("{{{{credential{encoding}}}}}");
            let mut body = action.output.first();
            match body.as_object_mut() {
                Some(members) => {
                    members.insert("echo".to_owned(), json!(echo));
                }
                None => body = json!(echo),
            }
            json!({"reply": {"json": body}})
        }
    }
}

/// The steps of a case, and which sessions are known in them.
struct Steps {
    opened: BTreeSet<usize>,
}

fn steps(world: &World) -> Value {
    let mut steps = Steps {
        opened: BTreeSet::new(),
    };
    let lowered = world.calls.iter().map(|group| steps.group(group));
    lowered.collect()
}

impl Steps {
    fn group(&mut self, group: &[Call]) -> Value {
        let mut lowered = match group {
            [call] => self.call(call),
            calls => {
                let together: Vec<Value> = calls.iter().map(|call| self.call(call)).collect();
                json!({"together": together})
            }
        };
        // The first of simultaneous answers is the one that names are taken from.
        if let Some(Call::Open { session, .. }) = group.first() {
            let mut save = Map::new();
            if self.opened.is_empty() {
                // Until a question is asked, an answer goes to an id that was never one.
                save.insert("intervention".to_owned(), json!("/session_id"));
            }
            if self.opened.insert(*session) {
                save.insert(format!("s{session}"), json!("/session_id"));
                lowered["save"] = Value::Object(save);
            }
        }
        lowered
    }

    /// What stands for a session in a path.
    fn session(&self, session: usize) -> String {
        if self.opened.contains(&session) {
            format!("${{s{session}}}")
        } else {
            NOBODYS_SESSION.to_owned()
        }
    }

    /// The id of the question that was asked last.
    fn question(&self) -> &'static str {
        if self.opened.is_empty() {
            "iv-never-asked"
        } else {
            "${intervention}"
        }
    }

    fn call(&self, call: &Call) -> Value {
        match call {
            Call::Open {
                max_steps,
                intent,
                flags,
                key,
                ..
            } => {
                let mut body = Map::new();
                if let Some(most) = max_steps {
                    body.insert("max_steps".to_owned(), json!(most));
                }
                if let Some(intent) = intent {
                    body.insert("goal".to_owned(), json!({"intent": intent}));
                }
                if !flags.is_empty() {
                    body.insert("flags".to_owned(), json!(flags));
                }
                json!({"open": keyed(body, key.as_ref())})
            }
            Call::BadOpen { patch } => {
                let mut body = json!({
                    "goal": {"description": "Get it done [${token}]"},
                    "observation": {
                        "timestamp": "2026-04-01T09:00:00Z",
                        "user_context": {"user_id": "${user}", "preferences": {}},
                        "environment": {},
                    },
                    "manifest": "${manifest}",
                });
                prepare::merge_patch(&mut body, &Value::Object(patch.clone()));
                json!({"request": {"method": "POST", "path": "/sessions", "json": body}})
            }
            Call::Step { session, key, body } => {
                json!({"step": self.on_session(*session, body.clone(), key.as_ref())})
            }
            Call::Close { session, key } => {
                json!({"close": self.on_session(*session, Map::new(), key.as_ref())})
            }
            Call::Answer {
                session,
                reaction,
                key,
            } => {
                let mut body = match reaction {
                    Reaction::Output(output) => json!({"output": literal(output)}),
                    Reaction::Decision(decision) => json!({"decision": decision}),
                    Reaction::Body(body) => literal(body),
                };
                let path = format!(
                    "/sessions/{}/interventions/{}",
                    self.session(*session),
                    self.question()
                );
                let mut request = json!({"method": "POST", "path": path});
                match key {
                    Some(Key { key, in_body: true }) => body["requestId"] = json!(own(key)),
                    Some(key) => request["headers"] = header(key),
                    None => {}
                }
                request["json"] = body;
                json!({"request": request})
            }
            Call::Read { session, below } => {
                let path = format!("/sessions/{}{below}", self.session(*session));
                json!({"request": {"method": "GET", "path": path}})
            }
            Call::Stranger { who, session, what } => {
                let session = self.session(*session);
                let (method, below) = match *what {
                    "step" => ("POST", "/step"),
                    "close" => ("POST", "/close"),
                    _ => ("GET", ""),
                };
                let path = format!("/sessions/{session}{below}");
                json!({"request": {"method": method, "path": path}, "as": who})
            }
            Call::Execute { nodes, state, key } => {
                let mut body = Map::new();
                let nodes: Vec<Value> = nodes.iter().map(node).collect();
                body.insert("open_action".to_owned(), Value::Array(nodes));
                if !state.is_empty() {
                    let state = literal(&Value::Object(state.clone()));
                    body.insert("state".to_owned(), state);
                }
                json!({"execute": keyed(body, key.as_ref())})
            }
            Call::Register { patch, key } => {
                // A document of its own under the same name; the action is the plainest there is.
                let mut document = json!({
                    "name": "fuzz",
                    "version": "1.0.0",
                    "actions": [{
                        "name": "other", "type": "invoke_api", "method": "GET",
                        "endpoint": "https://api.calendar.example.com/v1/events",
                        "input_schema": {"type": "object"}, "output_schema": {},
                    }],
                });
                prepare::merge_patch(&mut document, &Value::Object(patch.clone()));
                let mut register = json!({"document": document});
                if let Some(key) = key {
                    register["headers"] = header(key);
                }
                json!({"register": register})
            }
            Call::Raw {
                method,
                path,
                content_type,
                body,
            } => {
                let path = path.replace("{session}", &self.session(0));
                let mut request = json!({"method": method, "path": path});
                if let Some(content_type) = content_type {
                    request["headers"] = json!({"content-type": content_type});
                }
                match body {
                    Body::None => {}
                    Body::Text(text) => request["text"] = json!(text),
                    Body::Base64(text) => request["base64"] = json!(text),
                    Body::Long(bytes) => {
                        request["repeat"] = json!({"text": "x", "times": bytes, "before": "{\"x\": \"", "after": "\"}"});
                    }
                }
                json!({"request": request})
            }
        }
    }

    fn on_session(&self, session: usize, mut body: Map<String, Value>, key: Option<&Key>) -> Value {
        let mut call = json!({"session": self.session(session)});
        match key {
            Some(Key { key, in_body: true }) => {
                body.insert("requestId".to_owned(), json!(own(key)));
            }
            Some(key) => call["headers"] = header(key),
            None => {}
        }
        if !body.is_empty() {
            call["body"] = Value::Object(body);
        }
        call
    }
}

/// The body of a stimulus that takes its headers as a member.
fn keyed(mut body: Map<String, Value>, key: Option<&Key>) -> Value {
    match key {
        Some(Key { key, in_body: true }) => {
            body.insert("requestId".to_owned(), json!(own(key)));
        }
        Some(key) => {
            body.insert("$headers".to_owned(), header(key));
        }
        None => {}
    }
    Value::Object(body)
}

fn header(key: &Key) -> Value {
    json!({"Idempotency-Key": own(&key.key)})
}

/// A key as it is sent: where nobody is told from anybody, the keys of two worlds must not meet.
fn own(key: &str) -> String {
    // One that is too long has to be refused as it stands.
    if key.len() > LONGEST_KEY {
        key.to_owned()
    } else {
        format!("{key}-${{token}}")
    }
}

/// Longest key that a runtime takes (`spec/idempotency.md`, 1.1).
const LONGEST_KEY: usize = 255;

fn node(node: &Node) -> Value {
    let mut value = json!({
        "@type": "OpenAction:Action",
        "name": node.name,
        "input": literal(&node.input),
    });
    for (name, text) in [
        ("conditional", &node.conditional),
        ("fallbackAction", &node.fallback),
    ] {
        if let Some(text) = text {
            value[name] = json!(text);
        }
    }
    value
}

/// A value in which `${name}` stands for itself: in steps the harness would put something in its place.
fn literal(value: &Value) -> Value {
    match value {
        Value::String(text) => Value::String(literal_text(text)),
        Value::Array(items) => items.iter().map(literal).collect(),
        Value::Object(members) => members
            .iter()
            .map(|(name, value)| (literal_text(name), literal(value)))
            .collect(),
        other => other.clone(),
    }
}

fn literal_text(text: &str) -> String {
    let mut names = substitute::names(&Value::from(text));
    names.sort_unstable();
    names.dedup();
    names.iter().fold(text.to_owned(), |text, name| {
        let reference = format!("${{{name}}}");
        text.replace(&reference, &format!("${reference}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fuzz::generate::{Offer, draw};
    use crate::requirement::Profile;
    use crate::suite::Capabilities;
    use crate::suite::substitute::{Bindings, substitute};

    fn offer() -> Offer {
        let mut capabilities = Capabilities::of(Profile::ALL);
        capabilities.runtimes = vec!["javascript".to_owned(), "python3.13".to_owned()];
        Offer::of(&capabilities)
    }

    #[test]
    fn every_world_is_a_case_that_loads() {
        for index in 0..1000 {
            let world = draw(7, index, &offer()).expect("a world");
            let document = document(&world, &Label::drawn(7, index));
            let case = case(&document).unwrap_or_else(|errors| panic!("{index}: {errors}"));
            assert_eq!(case.steps.len(), world.calls.len());
            assert!(
                case.needs
                    .iter()
                    .copied()
                    .collect::<BTreeSet<_>>()
                    .is_superset(&world.needs())
            );
        }
    }

    #[test]
    fn references_of_the_protocol_pass_the_harness_as_they_are() {
        for text in ["${A} and $${A}", "${A}${A}${B}", "$ {x} ${", "plain"] {
            let once = literal(&json!([text, {text: 1}]));
            let bound = Bindings::new();
            if text == "${A} and $${A}" {
                // A dollar before a reference cannot be written, and no generator writes one.
                continue;
            }
            assert_eq!(substitute(&once, &bound), Ok(json!([text, {text: 1}])));
        }
    }
}
