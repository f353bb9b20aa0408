//! Log lines: one JSON object each (`spec/observability.md` section 1).

use serde_json::{Map, Value};

use super::trace::TraceId;
use crate::runtime::error::Code;

/// Most characters of a text that stands in a line.
pub const LONGEST_TEXT: usize = 256;

/// What a line is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Event {
    /// A step of a session.
    Step,
    /// A node of a workflow.
    Node,
    /// Something was refused or ended.
    Security,
}

impl Event {
    /// The word in the line.
    pub fn name(self) -> &'static str {
        match self {
            Event::Step => "step",
            Event::Node => "node",
            Event::Security => "security",
        }
    }
}

/// All that is known of an event. The last three members are what a line must not hold (5.2); the runtime has them at hand, and
/// writes nothing of them.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// What the line is about.
    pub event: Event,
    /// When, as RFC 3339.
    pub at: &'a str,
    /// The session, if it is one.
    pub session_id: Option<&'a str>,
    /// The client's id of the request.
    pub request_id: Option<&'a str>,
    /// The trace.
    pub trace_id: Option<TraceId>,
    /// Number of the step, or position of the node.
    pub step_number: Option<u64>,
    /// The declared action.
    pub action_name: Option<&'a str>,
    /// From the start to the end.
    pub duration_ms: Option<u64>,
    /// Whether it succeeded.
    pub success: Option<bool>,
    /// The code of its failure.
    pub error_code: Option<&'a str>,
    /// The text that was refused: a reply, or what is told of a failure.
    pub refused: Option<&'a str>,
    /// The plan with its arguments.
    pub plan: Option<&'a Value>,
    /// The result with its output.
    pub result: Option<&'a Value>,
}

impl<'a> Facts<'a> {
    /// An event of which nothing else is known yet.
    pub fn of(event: Event, at: &'a str) -> Self {
        Self {
            event,
            at,
            session_id: None,
            request_id: None,
            trace_id: None,
            step_number: None,
            action_name: None,
            duration_ms: None,
            success: None,
            error_code: None,
            refused: None,
            plan: None,
            result: None,
        }
    }
}

/// The members of a line.
pub fn members(facts: &Facts<'_>) -> Map<String, Value> {
    let mut line = Map::new();
    line.insert("time".to_owned(), facts.at.into());
    line.insert("event".to_owned(), facts.event.name().into());
    let mut put = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            line.insert(name.to_owned(), value);
        }
    };
    let text = |text: &str| Value::from(bounded(text));
    put("session_id", facts.session_id.map(text));
    put("request_id", facts.request_id.map(text));
    put("trace_id", facts.trace_id.map(|id| id.to_string().into()));
    put("step_number", facts.step_number.map(Value::from));
    put("action_name", facts.action_name.map(text));
    put("duration_ms", facts.duration_ms.map(Value::from));
    put("success", facts.success.map(Value::from));
    put("error_code", facts.error_code.map(Value::from));
    line
}

/// The first characters of a text, as many as a line may hold.
pub fn bounded(text: &str) -> &str {
    match text.char_indices().nth(LONGEST_TEXT) {
        Some((end, _)) => text.get(..end).unwrap_or_default(),
        None => text,
    }
}

/// Whether a failure with this code is logged as `security` (1.6): a refused path, a denied network call, or an ended sandbox.
pub fn is_security(code: Code) -> bool {
    matches!(
        code,
        Code::PathRefused
            | Code::AddressRefused
            | Code::RedirectRefused
            | Code::SandboxNetworkDenied
            | Code::SandboxCpuLimit
            | Code::SandboxMemoryLimit
            | Code::SandboxOutputLimit
            | Code::SandboxCancelled
    )
}

/// The text of a line, without its end.
///
/// Whatever a reader takes for the end of a line, or a terminal for an order, is escaped: JSON lets a good deal of it stand.
pub fn written(line: Map<String, Value>) -> String {
    let text = Value::Object(line).to_string();
    let unsafe_char = |c: char| matches!(c, '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}');
    if !text.contains(unsafe_char) {
        return text;
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if unsafe_char(c) {
            escaped.push_str(&format!("\\u{:04x}", u32::from(c)));
        } else {
            escaped.push(c);
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_line_holds_what_is_known_and_nothing_of_plans_and_results() {
        let plan = json!({"action": "a", "args": {"x": "argument-1"}});
        let result = json!({"output": "output-1"});
        let facts = Facts {
            session_id: Some("s"),
            step_number: Some(3),
            action_name: Some("a"),
            duration_ms: Some(0),
            success: Some(false),
            error_code: Some("upstream_status"),
            refused: Some("refused-1"),
            plan: Some(&plan),
            result: Some(&result),
            ..Facts::of(Event::Step, "2026-01-01T00:00:00.000Z")
        };
        assert_eq!(
            written(members(&facts)),
            r#"{"time":"2026-01-01T00:00:00.000Z","event":"step","session_id":"s","step_number":3,"action_name":"a","duration_ms":0,"success":false,"error_code":"upstream_status"}"#
        );
    }

    #[test]
    fn a_line_is_one_line_whatever_is_in_it() {
        let hostile = "a\n\r\u{b}\u{c}\u{1b}[31m\u{7f}\u{85}\u{9b}\u{2028}\u{2029}\u{202e}\"\\é";
        let facts = Facts {
            action_name: Some(hostile),
            ..Facts::of(Event::Step, "t")
        };
        let text = written(members(&facts));
        assert!(!text.contains(|c: char| c.is_control()));
        assert!(!text.contains(['\u{2028}', '\u{2029}', '\u{202e}']));
        let read: Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(read["action_name"], hostile);
    }

    #[test]
    fn texts_are_cut_between_characters() {
        assert_eq!(bounded("é"), "é");
        assert_eq!(bounded(&"é".repeat(256)).chars().count(), 256);
        assert_eq!(bounded(&"é".repeat(257)).chars().count(), 256);
    }
}
