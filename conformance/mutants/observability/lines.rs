//! Mutants of sections 1 and 5: log lines.

use std::sync::Mutex;

use serde_json::{Map, Value};

use crate::mutants::{Mutant, held};
use crate::runtime::Parts;
use crate::runtime::error::Code;
use crate::runtime::prompt;
use crate::runtime::redact::Redactor;
use crate::runtime::sandbox::NOT_GRANTED;
use crate::runtime::telemetry::line::{self, Event, Facts};
use crate::runtime::telemetry::{Signal, TelemetryParts};

/// The mutants.
pub(super) fn mutants() -> Vec<Mutant> {
    vec![
        swap_telemetry!(
            "no-step-lines",
            "OBV-001",
            "writes no line for a step",
            fn logs(&self, facts: &Facts<'_>) -> bool {
                facts.event != Event::Step
            },
        ),
        swap_telemetry!(
            "only-the-first-step",
            "OBV-001",
            "writes a line for the first step of a session only",
            fn logs(&self, facts: &Facts<'_>) -> bool {
                facts.event != Event::Step || facts.step_number == Some(1)
            },
        ),
        swap_telemetry!(
            "lines-without-duration",
            "OBV-001",
            "does not say how long a step took",
            fn line(&self, facts: &Facts<'_>) -> Map<String, Value> {
                let mut line = line::members(facts);
                line.remove("duration_ms");
                line
            },
        ),
        swap_telemetry!(
            "failures-without-code",
            "OBV-001",
            "does not say in the line of a step why it failed",
            fn line(&self, facts: &Facts<'_>) -> Map<String, Value> {
                let mut line = line::members(facts);
                if facts.event == Event::Step {
                    line.remove("error_code");
                }
                line
            },
        ),
        swap_telemetry!(
            "no-node-lines",
            "OBV-002",
            "writes no line for a node",
            fn logs(&self, facts: &Facts<'_>) -> bool {
                facts.event != Event::Node
            },
        ),
        swap_telemetry!(
            "lines-without-trace",
            "OBV-003",
            "leaves the trace out of its lines",
            fn line(&self, facts: &Facts<'_>) -> Map<String, Value> {
                let mut line = line::members(facts);
                line.remove("trace_id");
                line
            },
        ),
        swap_telemetry!(
            "lines-broken-in-two",
            "OBV-004",
            "writes a line as JSON over several lines",
            fn written(&self, _event: Event, line: Map<String, Value>) -> String {
                serde_json::to_string_pretty(&line).unwrap_or_default()
            },
        ),
        swap_telemetry!(
            "lines-in-texts",
            "OBV-004",
            "puts a word before the object of a line",
            fn written(&self, _event: Event, line: Map<String, Value>) -> String {
                format!("INFO {}", line::written(line))
            },
        ),
        swap_telemetry!(
            "quotes-are-not-escaped",
            "OBV-004",
            "writes quotes in texts as they are",
            fn written(&self, _event: Event, line: Map<String, Value>) -> String {
                line::written(line).replace("\\\"", "\"")
            },
        ),
        swap_telemetry!(
            "step-numbers-from-zero",
            "OBV-005",
            "counts steps from 0 in its lines",
            fn line(&self, facts: &Facts<'_>) -> Map<String, Value> {
                let mut line = line::members(facts);
                if let (Event::Step, Some(number)) = (facts.event, facts.step_number) {
                    line.insert("step_number".to_owned(), number.saturating_sub(1).into());
                }
                line
            },
        ),
        swap_telemetry!(
            "other-action-names",
            "OBV-005",
            "writes names of actions in capitals",
            fn line(&self, facts: &Facts<'_>) -> Map<String, Value> {
                let mut line = line::members(facts);
                if let Some(name) = facts.action_name {
                    line.insert("action_name".to_owned(), name.to_uppercase().into());
                }
                line
            },
        ),
        swap_telemetry!(
            "every-step-succeeds",
            "OBV-005",
            "says of every step that it succeeded",
            fn line(&self, facts: &Facts<'_>) -> Map<String, Value> {
                let mut line = line::members(facts);
                if facts.success.is_some() {
                    line.insert("success".to_owned(), true.into());
                }
                line
            },
        ),
        swap_telemetry!(
            "no-security-lines",
            "OBV-006",
            "writes no line for what it refuses",
            fn logs(&self, facts: &Facts<'_>) -> bool {
                facts.event != Event::Security
            },
        ),
        swap_telemetry!(
            "security-without-code",
            "OBV-006",
            "does not say in a security line what it was",
            fn line(&self, facts: &Facts<'_>) -> Map<String, Value> {
                let mut line = line::members(facts);
                if facts.event == Event::Security {
                    line.remove("error_code");
                }
                line
            },
        ),
        swap_telemetry!(
            "paths-are-no-security",
            "OBV-006",
            "takes a refused path for an ordinary failure",
            fn is_security(&self, code: Code) -> bool {
                code != Code::PathRefused && line::is_security(code)
            },
        ),
        swap_telemetry!(
            "denied-calls-are-no-security",
            "OBV-006",
            "writes no line for a network call that sandboxed code was denied",
            fn logs(&self, facts: &Facts<'_>) -> bool {
                let denied = facts.error_code == Some(Code::SandboxNetworkDenied.name());
                facts.event != Event::Security || !denied
            },
        ),
        swap_telemetry!(
            "calls-without-grant-are-no-security",
            "OBV-006",
            "writes no line for a network call of code that has no grant at all",
            fn logs(&self, facts: &Facts<'_>) -> bool {
                facts.event != Event::Security || facts.refused != Some(NOT_GRANTED)
            },
        ),
        swap_telemetry!(
            "refused-text-in-full",
            "OBV-007",
            "repeats what it refused, however long it is",
            fn line(&self, facts: &Facts<'_>) -> Map<String, Value> {
                let mut line = line::members(facts);
                if let Some(refused) = facts.refused {
                    line.insert("refused".to_owned(), refused.into());
                }
                line
            },
        ),
        swap_telemetry!(
            "secrets-in-lines",
            "OBV-022",
            "redacts nothing in its lines",
            fn clean(&self, signal: Signal, redactor: &Redactor, text: &str) -> String {
                if signal == Signal::Log {
                    text.to_owned()
                } else {
                    redactor.text(text).into_owned()
                }
            },
        ),
        swap_telemetry!(
            "secrets-in-headers",
            "OBV-022",
            "passes a secret on in a header of the trace",
            fn clean(&self, signal: Signal, redactor: &Redactor, text: &str) -> String {
                if signal == Signal::Header {
                    text.to_owned()
                } else {
                    redactor.text(text).into_owned()
                }
            },
        ),
        swap_telemetry!(
            "arguments-in-lines",
            "OBV-023",
            "writes the plan of a step into its line",
            fn line(&self, facts: &Facts<'_>) -> Map<String, Value> {
                let mut line = line::members(facts);
                if let Some(plan) = facts.plan {
                    line.insert("plan".to_owned(), plan.clone());
                }
                line
            },
        ),
        swap_telemetry!(
            "outputs-in-lines",
            "OBV-023",
            "writes the result of a step into its line",
            fn line(&self, facts: &Facts<'_>) -> Map<String, Value> {
                let mut line = line::members(facts);
                if let Some(result) = facts.result {
                    line.insert("result".to_owned(), result.clone());
                }
                line
            },
        ),
        Mutant::part(
            "prompts-in-lines",
            "OBV-023",
            "writes the last prompts into the line of a step",
            Prompts(Mutex::default()),
        ),
        swap_telemetry!(
            "replies-in-lines",
            "OBV-023",
            "writes the beginning of a refused reply into its line",
            fn line(&self, facts: &Facts<'_>) -> Map<String, Value> {
                let mut line = line::members(facts);
                if let Some(refused) = facts.refused {
                    line.insert("refused".to_owned(), line::bounded(refused).into());
                }
                line
            },
        ),
    ]
}

/// Remembers what the model was asked last, of all sessions.
struct Prompts(Mutex<Vec<String>>);

impl TelemetryParts for Prompts {
    fn line(&self, facts: &Facts<'_>) -> Map<String, Value> {
        let mut line = line::members(facts);
        line.insert("prompt".to_owned(), held(&self.0).concat().into());
        line
    }
}

impl Parts for Prompts {
    fn telemetry(&self) -> &dyn TelemetryParts {
        self
    }

    fn question(&self, goal: &Value, observation: &Value) -> String {
        let question = prompt::question(goal, observation);
        let mut prompts = held(&self.0);
        prompts.push(question.clone());
        // As many as there are cases at the same time, and some more.
        let over = prompts.len().saturating_sub(8);
        prompts.drain(..over);
        question
    }
}
