//! `POST /sessions` (`spec/sessions.md`, section 1).

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Value, json};

use super::agreement::{Rights, text};
use super::calls::Calls;
use super::session::Session;
use super::surprise::{Seen, Surprise};
use super::walk::State;

/// Steps of a session that names no limit.
const STEPS: u64 = 10;

/// Members of a creation that the model of the protocol knows.
const KNOWN: [&str; 7] = [
    "goal",
    "observation",
    "max_steps",
    "manifest",
    "flags",
    "seed",
    "requestId",
];

impl Calls<'_> {
    /// A creation with a body of the right shape.
    pub(super) fn opened(
        &self,
        state: &mut State<'_>,
        seen: &Seen<'_>,
        sent: &Value,
    ) -> Vec<Surprise> {
        let observed = self.ground.observed;
        let members = sent.as_object();
        let is_known = members
            .is_some_and(|members| members.keys().all(|name| KNOWN.contains(&name.as_str())));
        let reference = observed.manifest.reference();
        let named = sent.get("manifest").and_then(Value::as_str);
        let body = seen.body();
        let digest = body
            .pointer("/manifest/digest")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let status = seen.answer.status;
        if !(200..300).contains(&status) {
            let own = self.agreements.get(observed.manifest.digest.as_str());
            let intent = sent.pointer("/goal/intent").and_then(Value::as_str);
            let is_declared =
                intent.is_none_or(|intent| own.is_some_and(|own| own.has_intent(intent)));
            let user = sent
                .pointer("/observation/user_context/user_id")
                .and_then(Value::as_str);
            let is_own = !self.has_access || user == seen.caller;
            if named != Some(&reference) || !is_known || !is_own || self.is_replaced() {
                return Vec::new();
            }
            if !is_declared {
                return seen
                    .refused(
                        &[(404, "intent_not_found")],
                        "SES-008",
                        "names an intent that the manifest does not have",
                    )
                    .into_iter()
                    .collect();
            }
            let message = "is refused although its body is well-formed";
            return vec![seen.surprise(
                "SES-001",
                "/status",
                json!({"$between": [200, 299]}),
                message,
            )];
        }
        let Some(id) = body.get("session_id").and_then(Value::as_str) else {
            return vec![seen.surprise(
                "SES-001",
                "/body/session_id",
                json!({"$type": "string"}),
                "names no session",
            )];
        };
        let Some(agreement) = self.agreements.get(digest) else {
            // A session with a manifest that this case did not register: nothing of it can be foreseen.
            state.journal.mixed = true;
            if named == Some(&reference) && !self.is_replaced() {
                let expected = Value::from(observed.manifest.digest.as_str());
                return vec![seen.surprise(
                    "SES-003",
                    "/body/manifest/digest",
                    expected,
                    "is not the manifest that was named",
                )];
            }
            return Vec::new();
        };
        let mut found = Vec::new();
        if named == Some(&reference) && !self.is_replaced() {
            let own = Value::from(observed.manifest.digest.as_str());
            found.extend(seen.wants(
                "SES-003",
                "/body/manifest/digest",
                own,
                "is not the manifest that was named",
            ));
        }
        found.extend(seen.wants(
            "SES-003",
            "/body/status",
            Value::from("active"),
            "is not the status of a new session",
        ));
        let intent = sent.pointer("/goal/intent").and_then(Value::as_str);
        if intent.is_some_and(|intent| !agreement.has_intent(intent)) {
            let message = "opens a session with an intent that the manifest does not have";
            found.push(seen.surprise("SES-008", "/status", Value::from(404), message));
        }
        if state.sessions.contains_key(id) {
            found.push(seen.surprise(
                "SES-004",
                "/body/session_id",
                json!({"$not": id}),
                "is the id of another session",
            ));
        }
        let flags = sent
            .get("flags")
            .and_then(Value::as_array)
            .into_iter()
            .flatten();
        let flags: BTreeSet<String> = flags.filter_map(Value::as_str).map(str::to_owned).collect();
        let session = Session {
            owner: seen.caller.unwrap_or_default().to_owned(),
            agreement: Arc::clone(agreement),
            rights: Rights {
                intent: intent.map(str::to_owned),
                flags,
                scopes: None,
            },
            goal: text(sent.get("goal").unwrap_or(&Value::Null), "description").to_owned(),
            max_steps: sent
                .get("max_steps")
                .and_then(Value::as_u64)
                .unwrap_or(STEPS),
            status: "active".to_owned(),
            steps: 0,
            observation: sent.get("observation").cloned().unwrap_or_default(),
            pending: None,
            asked: Vec::new(),
            turns: Vec::new(),
            rests: false,
            lost: !is_known || !found.is_empty(),
            record: None,
        };
        state.sessions.insert(id.to_owned(), session);
        found
    }

    /// Whether the case removes or registers manifests itself.
    fn is_replaced(&self) -> bool {
        self.ground.case.without_manifest()
            || self
                .ground
                .observed
                .steps
                .iter()
                .flat_map(|step| &step.exchanges)
                .any(|exchange| {
                    exchange.request.method == "DELETE"
                        && exchange.request.path.starts_with("/manifests/")
                })
    }
}
