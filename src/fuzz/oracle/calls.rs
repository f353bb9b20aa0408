//! One exchange: which call it is, whether its body can be read, whether it repeats another one.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::{Map, Value};

use super::agreement::Agreement;
use super::body::{self, Body};
use super::said::Scripts;
use super::session::Session;
use super::surprise::{Seen, Surprise};
use super::walk::{Kept, State, own};
use crate::fuzz::property::Ground;
use crate::json;
use crate::suite::case::Identity;
use crate::suite::target::HttpRequest;

/// What exchanges are judged by.
pub struct Calls<'g> {
    /// The run.
    pub ground: &'g Ground<'g>,
    /// The manifests by digest.
    pub agreements: BTreeMap<&'g str, Arc<Agreement>>,
    /// The scripts.
    pub scripts: Scripts,
    /// Whether the target has the profile `access`.
    pub has_access: bool,
    /// Whether it has the profile `human`.
    pub has_people: bool,
}

impl Calls<'_> {
    /// What is not allowed about one exchange; the state is then the one after it.
    pub fn exchange(&self, state: &mut State<'_>, seen: &Seen<'_>) -> Vec<Surprise> {
        if state.lost {
            return Vec::new();
        }
        let request = &seen.exchange.request;
        let path = request.path.split('?').next().unwrap_or_default();
        let segments: Vec<&str> = path.split('/').skip(1).collect();
        if let Some(rule) = seen.barred
            && is_defined(&request.method, &segments)
        {
            let message = "has no valid token";
            let found = seen.refused(&[(401, "unauthenticated")], rule, message);
            state.lost |= found.is_some();
            return found.into_iter().collect();
        }
        if seen.answer.status >= 500 {
            // Whether a model failed is looked at where it was asked; nothing else may end so.
            let known = matches!(
                (seen.answer.status, seen.code().as_str()),
                (503, "llm_unavailable" | "capacity_exceeded")
            ) || (segments.first() == Some(&"plan") && seen.answer.status == 502);
            if !known {
                state.lost = true;
                let message = "is a fault of the runtime itself";
                let expected = serde_json::json!({"$between": [200, 499]});
                return vec![seen.surprise("ERR-014", "/status", expected, message)];
            }
        }
        if seen.code() == "capacity_exceeded" {
            return Vec::new();
        }
        match (request.method.as_str(), segments.as_slice()) {
            (
                "POST",
                ["sessions"]
                | ["sessions", _, "step" | "close"]
                | ["sessions", _, "interventions", _],
            ) => self.posted(state, seen, &segments),
            ("GET", ["sessions", id] | ["sessions", id, "transcript"]) => {
                self.read(state, seen, id, segments.len() == 3)
            }
            ("POST", ["sessions", id, "run"]) => {
                state.journal.mixed = true;
                if let Some(session) = state.sessions.get_mut(*id) {
                    session.lost = true;
                }
                Vec::new()
            }
            ("POST", ["execute" | "plan"]) => {
                if seen.answer.status < 400
                    || !matches!(seen.answer.status, 400 | 401 | 403 | 404 | 413 | 415 | 422)
                {
                    state.journal.mixed = true;
                }
                Vec::new()
            }
            (
                method,
                ["execute" | "plan" | "healthz" | "capabilities" | "manifests" | "sessions"]
                | ["manifests" | "sessions", _],
            ) => self.other_method(seen, method, &segments),
            (
                "POST" | "GET" | "PUT" | "DELETE" | "PATCH",
                ["sessions", _, "step" | "close" | "transcript"],
            ) => seen
                .refused(
                    &[
                        (405, "method_not_allowed"),
                        (404, "not_found"),
                        (404, "session_not_found"),
                        (401, ""),
                        (403, ""),
                    ],
                    "ERR-016",
                    "is a method that the path does not have",
                )
                .into_iter()
                .collect(),
            _ => Vec::new(),
        }
    }

    /// A method that a path of the specification does not have.
    fn other_method(&self, seen: &Seen<'_>, method: &str, segments: &[&str]) -> Vec<Surprise> {
        let defined: &[&str] = match segments {
            ["healthz" | "capabilities"] => &["GET", "HEAD"],
            ["execute" | "plan"] => &["POST"],
            ["manifests"] | ["sessions"] => &["GET", "POST", "HEAD"],
            ["manifests", _] => &["GET", "DELETE", "HEAD"],
            _ => &["GET", "HEAD", "DELETE"],
        };
        if defined.contains(&method) || matches!(method, "OPTIONS" | "HEAD" | "TRACE" | "CONNECT") {
            return Vec::new();
        }
        let allowed = [
            (405, "method_not_allowed"),
            (404, "not_found"),
            (404, "session_not_found"),
            (401, ""),
            (403, ""),
        ];
        seen.refused(
            &allowed,
            "ERR-016",
            "is a method that the path does not have",
        )
        .into_iter()
        .collect()
    }

    /// A call that takes a body and a key.
    fn posted(&self, state: &mut State<'_>, seen: &Seen<'_>, segments: &[&str]) -> Vec<Surprise> {
        let request = &seen.exchange.request;
        if self.has_access {
            match (seen.caller, seen.answer.status) {
                // Who has no right is refused, and nothing happens.
                (_, 401 | 403) if !self.ground.case.access.is_empty() => return Vec::new(),
                (None, 404) => return Vec::new(),
                (None, _) => {
                    state.lost = true;
                    return Vec::new();
                }
                _ => {}
            }
        }
        let sent = match body::read(request, self.ground.judge.wire) {
            Body::Good(sent) => sent,
            Body::Free => {
                // A second member of the same name may be taken or refused.
                if seen.answer.status < 400 {
                    state.lost = true;
                }
                return Vec::new();
            }
            Body::Bad(objection) => {
                let code = objection.code.unwrap_or_default();
                let status = match code {
                    "too_large" => 413,
                    "unsupported_media_type" => 415,
                    _ => 400,
                };
                // A session that is not there, or not to be stepped, may be told first.
                let mut allowed = vec![(status, code)];
                if objection.code.is_none() {
                    allowed.extend([(413, ""), (415, ""), (422, "")]);
                }
                if segments.len() > 1 {
                    allowed.extend([(404, ""), (409, ""), (400, "session_finished")]);
                } else {
                    allowed.extend([(404, ""), (422, "unsupported_protocol_version")]);
                }
                let found = seen.refused(
                    &allowed,
                    objection.requirement,
                    "is no body that this call takes",
                );
                state.lost |= found.is_some();
                state.vague.extend(names(request, seen.caller));
                return found.into_iter().collect();
            }
        };
        let sent = self.ground.judge.secrets.redact(&sent);
        let (in_header, in_body) = body::keys(request, &sent);
        let body_key = match &in_body {
            None => None,
            Some(Value::String(text)) => Some(text.clone()),
            Some(_) => Some(String::new()),
        };
        let keys: BTreeSet<String> = in_header.into_iter().chain(body_key).collect();
        if keys.len() > 1 || keys.iter().any(|key| !body::is_key(key)) {
            let requirement = if keys.len() > 1 { "IDM-003" } else { "IDM-001" };
            let allowed = [(400, "invalid_request"), (404, "session_not_found")];
            let found = seen.refused(
                &allowed,
                requirement,
                "brings a key that cannot be one, or two of them",
            );
            state.lost |= found.is_some();
            return found.into_iter().collect();
        }
        let bare = bare(sent.clone());
        let name = keys
            .into_iter()
            .next()
            .map(|key| scope(request, seen.caller, key));
        let canonical = json::canonical(&bare);
        if name.as_ref().is_some_and(|name| state.vague.contains(name)) {
            state.journal.mixed = true;
            match own(&request.path) {
                None => state.lost |= seen.answer.status < 400,
                Some(id) => {
                    if let Some(session) = state.sessions.get_mut(id) {
                        session.lost = true;
                    }
                }
            }
            return Vec::new();
        }
        let told = Kept {
            sent: canonical.clone(),
            status: seen.answer.status,
            body: seen.body(),
        };
        if state.shares && name.as_ref().and_then(|name| state.shared.get(name)) == Some(&told) {
            return Vec::new();
        }
        if let Some(kept) = name.as_ref().and_then(|name| state.kept.get(name)) {
            return repeated(kept, &canonical, seen).into_iter().collect();
        }
        if seen.rival && seen.answer.status == 409 && seen.code() == "conflict" {
            return Vec::new();
        }
        if seen.answer.status == 409 && seen.code() == "idempotency_conflict" {
            if seen.contested {
                // It came while the other ran, whose answer may be one that is not kept.
                return Vec::new();
            }
            let message = "is refused for a key that was not used with another body";
            let expected = serde_json::json!({"$not": "idempotency_conflict"});
            return vec![seen.surprise("IDM-004", "/body/errorCode", expected, message)];
        }
        let found = self.known(state, seen, segments, &bare);
        if let Some(name) = name {
            if is_final(seen) {
                state.kept.insert(name, told);
            } else if seen.grouped {
                state.shared.insert(name, told);
            }
        }
        found
    }

    fn known(
        &self,
        state: &mut State<'_>,
        seen: &Seen<'_>,
        segments: &[&str],
        sent: &Value,
    ) -> Vec<Surprise> {
        let Some(id) = own(&seen.exchange.request.path) else {
            return self.opened(state, seen, sent);
        };
        let Some(mut session) = state.sessions.remove(id) else {
            return unknown(seen).into_iter().collect();
        };
        let mine = !self.has_access || Some(session.owner.as_str()) == seen.caller;
        let found = if !mine {
            let message = "is a session of somebody else";
            seen.refused(&[(404, "session_not_found")], "ACC-010", message)
                .into_iter()
                .collect()
        } else if session.lost {
            state.journal.mixed = true;
            Vec::new()
        } else {
            self.on_session(state, &mut session, seen, segments, sent)
        };
        session.lost |= !found.is_empty();
        state.journal.mixed |= session.lost;
        state.sessions.insert(id.to_owned(), session);
        found
    }

    fn on_session(
        &self,
        state: &mut State<'_>,
        session: &mut Session,
        seen: &Seen<'_>,
        segments: &[&str],
        sent: &Value,
    ) -> Vec<Surprise> {
        match segments {
            [_, _, "step"] => self.stepped(&mut state.journal, session, seen),
            [_, _, "close"] => self.closed(session, seen),
            [_, _, _, question] => self.answered(&mut state.journal, session, seen, question, sent),
            _ => Vec::new(),
        }
    }

    /// The scopes that the caller of an exchange holds; `None`: nobody checks them.
    pub fn scopes(&self, seen: &Seen<'_>) -> Option<BTreeSet<String>> {
        if !self.has_access {
            return None;
        }
        let step = self.ground.case.steps.get(seen.step)?;
        let name = step.callers.first().cloned().flatten();
        let name = name.as_deref().unwrap_or("user");
        let plain = Identity::default();
        let identity = self.ground.case.access.get(name).unwrap_or(&plain);
        if identity.table || step.callers.len() > 1 {
            return None;
        }
        let mut scopes: BTreeSet<String> = identity.scopes.iter().cloned().collect();
        if name == "user" && !identity.bare {
            scopes.insert("manifest:write".to_owned());
        }
        Some(scopes)
    }
}

/// Whether it is a call that needs a token wherever tokens are looked at.
fn is_defined(method: &str, segments: &[&str]) -> bool {
    matches!(
        (method, segments),
        (
            "POST",
            ["sessions" | "execute"] | ["sessions", _, "step" | "close"]
        ) | ("GET", ["sessions", _])
    )
}

/// What a key counts for (`spec/idempotency.md`, 1.3).
fn scope(request: &HttpRequest, caller: Option<&str>, key: String) -> [String; 4] {
    let caller = caller.unwrap_or_default().to_owned();
    [caller, request.method.clone(), request.path.clone(), key]
}

/// What of a body counts for its key (`spec/idempotency.md`, 2.2).
fn bare(mut body: Value) -> Value {
    if let Value::Object(members) = &mut body {
        members.shift_remove("requestId");
    }
    body
}

/// Whether two requests have a key in common and other bodies.
pub(super) fn contest(
    one: (&HttpRequest, Option<&str>),
    other: (&HttpRequest, Option<&str>),
) -> bool {
    let keys = names(one.0, one.1);
    let said = |request: &HttpRequest| {
        let body: Value =
            serde_json::from_slice(&request.body).unwrap_or_else(|_| Value::from(Map::new()));
        json::canonical(&bare(body))
    };
    names(other.0, other.1).iter().any(|key| keys.contains(key)) && said(one.0) != said(other.0)
}

/// The keys of a request whose body is refused, as far as they can be read.
pub(super) fn names(request: &HttpRequest, caller: Option<&str>) -> Vec<[String; 4]> {
    let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
    let (in_header, in_body) = body::keys(request, &body);
    let in_body = in_body.and_then(|key| key.as_str().map(str::to_owned));
    let keys = in_header.into_iter().chain(in_body);
    keys.map(|key| scope(request, caller, key)).collect()
}

/// An id that names no session.
pub(super) fn unknown(seen: &Seen<'_>) -> Option<Surprise> {
    if seen.exchange.request.path.contains('%') {
        return None;
    }
    let mut allowed = vec![(404, "session_not_found"), (401, ""), (403, "")];
    if seen.exchange.request.path.contains("/interventions/") {
        // Without the profile `human` there is no such path.
        allowed.push((404, "not_found"));
    }
    seen.refused(&allowed, "SES-013", "names a session that there is not")
}

fn repeated(kept: &Kept, canonical: &str, seen: &Seen<'_>) -> Option<Surprise> {
    if kept.sent != canonical {
        let allowed = [(409, "idempotency_conflict")];
        return seen.refused(&allowed, "IDM-006", "has the key of another body");
    }
    let requirement = if kept.status >= 400 {
        "IDM-008"
    } else {
        "IDM-005"
    };
    let message = "is not the answer that this key was given before";
    seen.wants(requirement, "/status", Value::from(kept.status), message)
        .or_else(|| seen.wants(requirement, "/body", kept.body.clone(), message))
}

/// Whether an answer is kept for repetitions (`spec/idempotency.md`, 2.3).
fn is_final(seen: &Seen<'_>) -> bool {
    match seen.answer.status {
        202 => false,
        200..=299 => true,
        401 | 409 | 429 => false,
        400..=499 => seen.body().get("retryable") != Some(&Value::Bool(true)),
        _ => false,
    }
}
