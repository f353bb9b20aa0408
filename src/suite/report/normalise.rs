//! What differs from run to run in a mismatch becomes a placeholder, so that equal findings are equal bytes.

use std::sync::OnceLock;

use regex::{Captures, Regex};
use serde_json::Value;

use crate::suite::case::Case;
use crate::suite::observed::Observed;
use crate::suite::prepare::Origins;
use crate::suite::secrets::Secrets;
use crate::suite::target::{Answer, Exchange};
use crate::suite::verdict::Mismatch;

/// Longest value in a report, in characters of its compact JSON.
const MOST_CHARACTERS: usize = 2_000;

/// Times that the mock calendar offers by itself; they are the same in every run.
const MOCK_TIMES: &str = "2026-04-03T10:00:00-07:00 2026-04-03T10:45:00-07:00 2026-04-04T14:00:00-07:00 2026-04-04T14:45:00-07:00 2026-04-01T09:00:00Z";

/// Headers whose values are made anew for each message.
const VOLATILE_HEADERS: [&str; 8] = [
    "content-length",
    "date",
    "etag",
    "idempotency-key",
    "traceparent",
    "tracestate",
    "user-agent",
    "x-request-id",
];

/// Replaces what differs from run to run.
#[derive(Debug, Clone, Default)]
pub struct Normaliser {
    /// Text and its placeholder, the longest first.
    literals: Vec<(String, String)>,
    /// Text of the case and its documents: times, ids and digests that stand in it are the case's own.
    known: String,
    secrets: Secrets,
}

impl Normaliser {
    /// A normaliser for one run of one case.
    pub fn new(
        case: &Case,
        observed: &Observed,
        origins: &Origins,
        model: &str,
        target: &str,
        secrets: &Secrets,
    ) -> Self {
        let mut literals = vec![
            (observed.token.clone(), "<token>".to_owned()),
            (observed.manifest.digest.clone(), "<digest>".to_owned()),
            (origins.calendar.clone(), "<calendar>".to_owned()),
            (origins.email.clone(), "<email>".to_owned()),
            (origins.crm.clone(), "<crm>".to_owned()),
            (
                origins.folder.clone().unwrap_or_default(),
                "<folder>".to_owned(),
            ),
            (model.to_owned(), "<model>".to_owned()),
            (target.to_owned(), "<target>".to_owned()),
        ];
        for digest in observed.documents.keys() {
            literals.push((digest.clone(), "<digest>".to_owned()));
        }
        let control = &observed.control.exchanges;
        let exchanges = control
            .iter()
            .chain(observed.steps.iter().flat_map(|step| &step.exchanges));
        for answer in exchanges
            .filter_map(Exchange::answer)
            .filter_map(Answer::json)
        {
            collect_ids(&answer, &mut literals);
        }
        let mut known = format!("{} {MOCK_TIMES} ", case.source);
        // The token makes a manifest's text another one in each run; only what has no token can be known.
        known.push_str(&observed.manifest.document.to_string());
        literals.retain(|(text, _)| text.len() > 3);
        literals.sort_by(|a, b| b.0.len().cmp(&a.0.len()).then(a.0.cmp(&b.0)));
        literals.dedup();
        Self {
            literals,
            known,
            secrets: secrets.clone(),
        }
    }

    /// A mismatch as it goes into the report: redacted, normalised, bounded.
    pub fn mismatch(&self, mismatch: Mismatch) -> Mismatch {
        let name = mismatch
            .pointer
            .rsplit('/')
            .next()
            .unwrap_or_default()
            .to_owned();
        let expected = bounded(self.member(&name, &mismatch.expected));
        let got = bounded(self.member(&name, &mismatch.got));
        let mut message = shortened(self.text(&mismatch.message));
        if expected == got {
            // A placeholder or a cut hides the difference, so that two runs give the same report.
            message.push_str("; the two differ in what is shown here as equal");
        }
        Mismatch {
            cites: mismatch.cites,
            place: self.text(&mismatch.place),
            pointer: self.text(&mismatch.pointer),
            expected,
            got,
            message,
            no_answer: mismatch.no_answer,
        }
    }

    /// A value without secrets and with placeholders.
    pub fn value(&self, value: &Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.text(text)),
            Value::Array(elements) => elements.iter().map(|element| self.value(element)).collect(),
            Value::Object(members) => members
                .iter()
                .map(|(name, member)| (self.text(name), self.member(name, member)))
                .collect(),
            other => other.clone(),
        }
    }

    fn member(&self, name: &str, value: &Value) -> Value {
        if value.is_number() && name.ends_with("_ms") {
            return Value::from("<duration>");
        }
        if value.is_string() && VOLATILE_HEADERS.contains(&name) {
            return Value::from(format!("<{name}>"));
        }
        self.value(value)
    }

    /// A text without secrets and with placeholders.
    pub fn text(&self, text: &str) -> String {
        let mut text = self.secrets.redact_text(text);
        for (literal, placeholder) in &self.literals {
            if text.contains(literal.as_str()) {
                text = text.replace(literal.as_str(), placeholder);
            }
        }
        for (regex, placeholder) in volatile() {
            if let std::borrow::Cow::Owned(replaced) =
                regex.replace_all(&text, |found: &Captures<'_>| {
                    let found = &found[0];
                    if self.known.contains(found) {
                        found.to_owned()
                    } else {
                        (*placeholder).to_owned()
                    }
                })
            {
                text = replaced;
            }
        }
        text
    }
}

/// What is volatile by its form.
fn volatile() -> &'static [(Regex, &'static str)] {
    static VOLATILE: OnceLock<Vec<(Regex, &'static str)>> = OnceLock::new();
    VOLATILE.get_or_init(|| {
        [
            (
                r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)",
                "<time>",
            ),
            (
                r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT",
                "<time>",
            ),
            (
                r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}",
                "<uuid>",
            ),
            (r"sha256:[0-9a-f]{64}", "<digest>"),
            (r"(127\.0\.0\.1|localhost|\[::1\]):\d{2,5}", "<address>"),
            (r"oapt[0-9a-f]{16}", "<token>"),
        ]
        .into_iter()
        .filter_map(|(pattern, placeholder)| Some((Regex::new(pattern).ok()?, placeholder)))
        .collect()
    })
}

/// Ids that the target made up.
fn collect_ids(value: &Value, literals: &mut Vec<(String, String)>) {
    if let Some(id) = value.get("session_id").and_then(Value::as_str) {
        literals.push((id.to_owned(), "<session>".to_owned()));
    }
    if let Some(id) = value.pointer("/pending/id").and_then(Value::as_str) {
        literals.push((id.to_owned(), "<intervention>".to_owned()));
    }
    let transcript = value.get("transcript");
    if let Some(id) = transcript
        .and_then(|transcript| transcript.get("session_id"))
        .and_then(Value::as_str)
    {
        literals.push((id.to_owned(), "<session>".to_owned()));
    }
    let interventions = transcript.and_then(|transcript| transcript.get("interventions"));
    for one in interventions
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        if let Some(id) = one.get("id").and_then(Value::as_str) {
            literals.push((id.to_owned(), "<intervention>".to_owned()));
        }
    }
}

/// A value of the target's as it goes into the report where nothing in it is volatile: redacted and bounded.
pub fn shown(value: &Value, secrets: &Secrets) -> Value {
    bounded(secrets.redact(value))
}

fn bounded(value: Value) -> Value {
    let text = value.to_string();
    if text.len() <= MOST_CHARACTERS {
        return value;
    }
    Value::String(shortened(text))
}

fn shortened(text: String) -> String {
    if text.len() <= MOST_CHARACTERS {
        return text;
    }
    let kept: String = text.chars().take(MOST_CHARACTERS).collect();
    format!("{kept}… ({} bytes in all)", text.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::suite::prepare;
    use serde_json::json;

    const TOKEN: &str = "oapt0123456789abcdef";

    fn normaliser() -> Normaliser {
        let mut case: Case = serde_json::from_value(json!({
            "id": "STP-001-a", "title": "t", "requirements": ["STP-001"], "manifest": "none", "steps": [{"step": {}}]
        }))
        .expect("a case");
        case.source = "start: 2026-05-05T10:00:00Z".to_owned();
        let origins = Origins {
            calendar: "http://127.0.0.1:4001".into(),
            email: "http://127.0.0.1:4002".into(),
            crm: "http://127.0.0.1:4003".into(),
            folder: None,
        };
        let prepared = prepare::ready(&prepare::control(), TOKEN, &origins);
        let mut observed = Observed::new(TOKEN.to_owned(), prepared);
        observed.steps.push(crate::suite::observed::StepObserved {
            exchanges: vec![Exchange {
                request: crate::suite::target::HttpRequest::new("POST", "/sessions"),
                outcome: Ok(Answer {
                    status: 201,
                    headers: Vec::new(),
                    body: br#"{"session_id":"sess-AbC_09xyz","pending":{"id":"ask-77"}}"#.to_vec(),
                }),
                duration: std::time::Duration::ZERO,
                answered: None,
            }],
            ..Default::default()
        });
        let secrets = Secrets::new([(
            "CALENDAR_TOKEN".to_owned(),
            "cal-tok+en/3f9a1c77==".to_owned(),
        )]);
        Normaliser::new(
            &case,
            &observed,
            &origins,
            "http://127.0.0.1:4000/v1",
            "http://127.0.0.1:5000",
            &secrets,
        )
    }

    #[test]
    fn everything_volatile_becomes_a_placeholder() {
        let normaliser = normaliser();
        for (text, expected) in [
            (format!("U-{TOKEN}"), "U-<token>"),
            (
                format!("http://127.0.0.1:4001/t/{TOKEN}/v1"),
                "<calendar>/t/<token>/v1",
            ),
            ("http://127.0.0.1:4000/v1/chat".into(), "<model>/chat"),
            (
                "http://127.0.0.1:5000/x 127.0.0.1:999".into(),
                "<target>/x <address>",
            ),
            (
                "/sessions/sess-AbC_09xyz/interventions/ask-77".into(),
                "/sessions/<session>/interventions/<intervention>",
            ),
            ("6f1c2f1e-7d0a-4b57-9f55-0123456789ab".into(), "<uuid>"),
            ("at 2026-11-22T03:00:00.123456Z".into(), "at <time>"),
            (format!("sha256:{}", "0a".repeat(32)), "<digest>"),
            ("Bearer cal-tok+en/3f9a1c77==".into(), "Bearer [REDACTED]"),
            ("oaptffffffffffffffff".into(), "<token>"),
        ] {
            assert_eq!(normaliser.text(&text), expected);
        }
    }

    #[test]
    fn a_difference_that_placeholders_hide_is_told() {
        let mismatch = Mismatch {
            cites: Vec::new(),
            place: "transcript".into(),
            pointer: "/steps/0/started_at".into(),
            expected: json!("2026-04-02T09:00:00Z"),
            got: json!("2026-04-02T09:00:01Z"),
            message: "is another value".into(),
            no_answer: false,
        };
        let shown = normaliser().mismatch(mismatch);
        assert_eq!(shown.expected, shown.got);
        assert!(shown.message.contains("differ"), "{}", shown.message);
    }

    #[test]
    fn what_the_case_itself_says_stays() {
        let normaliser = normaliser();
        for text in [
            "2026-05-05T10:00:00Z",
            "2026-04-03T10:00:00-07:00",
            "step 3",
            "404",
        ] {
            assert_eq!(normaliser.text(text), text);
        }
    }

    #[test]
    fn durations_and_volatile_headers_are_known_by_name() {
        let value = normaliser().value(&json!({"duration_ms": 12.5, "date": "x", "steps_done": 3, "headers": {"content-length": "71"}}));
        assert_eq!(
            value,
            json!({"duration_ms": "<duration>", "date": "<date>", "steps_done": 3, "headers": {"content-length": "<content-length>"}})
        );
    }

    #[test]
    fn long_values_are_cut() {
        let mismatch = normaliser().mismatch(Mismatch {
            cites: vec!["STP-001".into()],
            place: "step 1".into(),
            pointer: "/body/duration_ms".into(),
            expected: json!(5),
            got: json!("é".repeat(5_000)),
            message: String::new(),
            no_answer: false,
        });
        assert_eq!(mismatch.expected, "<duration>");
        assert!(mismatch.got.as_str().expect("text").chars().count() < 2_100);
    }
}
