//! What is known of one session from outside.

use std::sync::Arc;

use serde_json::{Value, json};

use super::agreement::{Agreement, Rights};
use crate::suite::matcher::same;
use crate::suite::replay;

/// A session.
#[derive(Debug, Clone)]
pub struct Session {
    /// Who opened it.
    pub owner: String,
    /// The manifest that it keeps.
    pub agreement: Arc<Agreement>,
    /// What decides which actions it may use.
    pub rights: Rights,
    /// The description of its goal.
    pub goal: String,
    /// Most steps.
    pub max_steps: u64,
    /// The status.
    pub status: String,
    /// Counted steps.
    pub steps: u64,
    /// The observation; its `timestamp` is that of the first one.
    pub observation: Value,
    /// The question that waits.
    pub pending: Option<Pending>,
    /// The ids of all questions so far.
    pub asked: Vec<String>,
    /// What became of each request to the model: the code of a refusal, or none.
    pub turns: Vec<Option<&'static str>>,
    /// Whether the model asked to be left alone.
    pub rests: bool,
    /// Whether something happened that the model of the protocol does not know; then nothing more is said of it.
    pub lost: bool,
    /// The transcript that a close answered.
    pub record: Option<Value>,
}

/// A question that waits.
#[derive(Debug, Clone, PartialEq)]
pub enum Pending {
    /// Of a `human_intervention`.
    Question {
        /// The action that asks.
        action: String,
    },
    /// Whether an action may run.
    Approval {
        /// The action.
        action: String,
        /// Its arguments.
        args: Value,
    },
    /// After three refused replies.
    Plan,
}

impl Pending {
    /// Its `kind`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Question { .. } => "human_intervention",
            Self::Approval { .. } => "approval",
            Self::Plan => "invalid_plan",
        }
    }
}

impl Session {
    /// Lays a result over the observation as the next step.
    ///
    /// # Errors
    /// When a successful output cannot be merged.
    pub fn count(&mut self, result: &Value) -> Result<(), String> {
        self.steps += 1;
        let kept = self
            .observation
            .get("timestamp")
            .cloned()
            .unwrap_or_default();
        let step = json!({"started_at": kept, "result": result, "step_number": self.steps});
        replay::apply(&mut self.observation, &step, &self.agreement.document)
    }

    /// Where an observation is not this session's, apart from its time; `None`: nowhere.
    pub fn differs(&self, shown: &Value) -> Option<&'static str> {
        let parts = [
            ("step", "/step"),
            ("last_result", "/last_result"),
            ("environment", "/environment"),
            ("user_context", "/user_context"),
        ];
        for (name, pointer) in parts {
            match (self.observation.get(name), shown.get(name)) {
                (None, None) => {}
                (Some(own), Some(other)) if same(own, other) => {}
                _ => return Some(pointer),
            }
        }
        let without = |value: &Value| {
            let mut members = value.as_object().cloned().unwrap_or_default();
            members.shift_remove("timestamp");
            Value::Object(members)
        };
        (!same(&without(&self.observation), &without(shown))).then_some("")
    }
}

/// The size of a value as the protocol counts it: its compact JSON, in bytes.
pub fn size(value: &Value) -> usize {
    value.to_string().len()
}

#[cfg(test)]
pub(super) fn sample() -> Session {
    let document = json!({"actions": [{"name": "find", "type": "invoke_api", "method": "GET", "input_schema": true, "output_schema": true}]});
    Session {
        owner: String::new(),
        agreement: Arc::new(Agreement::new(&document)),
        rights: Rights::default(),
        goal: "goal".to_owned(),
        max_steps: 2,
        status: "active".to_owned(),
        steps: 0,
        observation: json!({"timestamp": "t", "user_context": {"user_id": "u"}, "environment": {"a": 1}}),
        pending: None,
        asked: Vec::new(),
        turns: Vec::new(),
        rests: false,
        lost: false,
        record: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_result_is_folded_into_the_observation() {
        let mut session = sample();
        let result =
            json!({"action_name": "find", "success": true, "output": {"a": 2}, "error": null});
        session.count(&result).expect("merges");
        let shown = json!({"timestamp": "later", "user_context": {"user_id": "u"}, "environment": {"a": 2}, "last_result": result, "step": 1});
        assert_eq!(session.differs(&shown), None);
        let mut wrong = shown.clone();
        wrong["step"] = json!(2);
        assert_eq!(session.differs(&wrong), Some("/step"));
        let mut more = shown;
        more["extra"] = json!(1);
        assert_eq!(session.differs(&more), Some(""));
    }
}
