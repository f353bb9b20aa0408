//! Which schema judges which message: `spec/messages.toml`, and the closed list of `spec/error-codes.toml`.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use serde::Deserialize;
use serde_json::Value;

use super::matcher::{Difference, absent};
use super::verdict::Mismatch;
use crate::{embedded, schema};

/// Most violations of one message that are reported.
const MOST_VIOLATIONS: usize = 10;

/// Who sends a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// The client.
    Request,
    /// The runtime.
    Response,
}

#[derive(Debug, Clone, Deserialize)]
struct Message {
    #[serde(default)]
    method: String,
    #[serde(default)]
    path: String,
    #[serde(default)]
    status: String,
    direction: Direction,
    schema: String,
    requirement: String,
}

#[derive(Debug, Clone, Deserialize)]
struct Code {
    name: String,
    /// Absent: the code stands inside results and refusals only.
    #[serde(default)]
    status: Option<u16>,
    /// Further statuses that a section gives it.
    #[serde(default)]
    also: Vec<u16>,
    /// `true`, `false` or "varies".
    #[serde(default)]
    retryable: Option<toml::Value>,
}

#[derive(Deserialize)]
struct Messages {
    #[serde(default)]
    message: Vec<Message>,
}

#[derive(Deserialize)]
struct Codes {
    #[serde(default)]
    code: Vec<Code>,
}

/// The wire as the spec describes it.
#[derive(Debug, Clone, Default)]
pub struct Wire {
    messages: Vec<Message>,
    codes: BTreeMap<String, Code>,
}

/// What is wrong with a message, and which requirement says so.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// The requirement.
    pub requirement: String,
    /// What is wrong.
    pub difference: Difference,
}

impl Finding {
    /// It as a mismatch at a place of the case.
    pub(crate) fn at(self, place: &str) -> Mismatch {
        Mismatch {
            cites: vec![self.requirement],
            place: place.to_owned(),
            pointer: self.difference.pointer,
            expected: self.difference.expected,
            got: self.difference.got,
            message: self.difference.message,
            no_answer: false,
        }
    }
}

// Requirements of the error object that `messages.toml` does not name.
const ERROR_CODE: &str = "ERR-002";
pub(crate) const ERROR_STATUS: &str = "ERR-003";
const ERROR_RETRYABLE: &str = "ERR-004";

impl Wire {
    /// The wire of the spec this binary carries.
    ///
    /// # Errors
    /// When one of its files does not parse: the suite itself is at fault.
    pub fn embedded() -> Result<&'static Wire, String> {
        static WIRE: OnceLock<Result<Wire, String>> = OnceLock::new();
        WIRE.get_or_init(|| {
            let text = |path: &str| embedded::text(path).unwrap_or_default();
            Wire::parse(&text("spec/messages.toml"), &text("spec/error-codes.toml"))
        })
        .as_ref()
        .map_err(Clone::clone)
    }

    /// Reads the two files.
    ///
    /// # Errors
    /// When one does not parse.
    pub fn parse(messages: &str, codes: &str) -> Result<Self, String> {
        let messages: Messages =
            toml::from_str(messages).map_err(|error| format!("spec/messages.toml: {error}"))?;
        let codes: Codes =
            toml::from_str(codes).map_err(|error| format!("spec/error-codes.toml: {error}"))?;
        Ok(Self {
            messages: messages.message,
            codes: codes
                .code
                .into_iter()
                .map(|code| (code.name.clone(), code))
                .collect(),
        })
    }

    /// What is wrong with an answer.
    pub fn answer(
        &self,
        method: &str,
        path: &str,
        status: u16,
        body: Option<&Value>,
    ) -> Vec<Finding> {
        let Some(message) = self.find(Direction::Response, method, path, status) else {
            return Vec::new();
        };
        let mut findings = self.judge(message, body);
        if findings.is_empty()
            && let Some(body) = body
        {
            if status >= 400 {
                findings.extend(self.error(Some(status), body));
            } else if let Some(inner) = body.pointer("/result/error") {
                findings.extend(self.error(None, inner).map(|mut finding| {
                    finding.difference.pointer.insert_str(0, "/result/error");
                    finding
                }));
            }
        }
        findings
    }

    /// What is wrong with a request that the harness itself makes up.
    pub fn request(&self, method: &str, path: &str, body: Option<&Value>) -> Vec<Finding> {
        self.find(Direction::Request, method, path, 0)
            .map(|message| self.judge(message, body))
            .unwrap_or_default()
    }

    fn judge(&self, message: &Message, body: Option<&Value>) -> Vec<Finding> {
        let finding = |difference| Finding {
            requirement: message.requirement.clone(),
            difference,
        };
        let Some(schema) = schema::named(&message.schema) else {
            return Vec::new();
        };
        let Some(body) = body else {
            return vec![finding(Difference {
                pointer: String::new(),
                expected: by_schema(&message.schema),
                got: absent(),
                message: "there is no JSON body".to_owned(),
            })];
        };
        schema
            .violations(body)
            .into_iter()
            .take(MOST_VIOLATIONS)
            .map(|violation| {
                finding(Difference {
                    got: body
                        .pointer(&violation.pointer)
                        .cloned()
                        .unwrap_or_else(absent),
                    expected: by_schema(&message.schema),
                    message: format!("{} ({})", violation.message, violation.rule),
                    pointer: violation.pointer,
                })
            })
            .collect()
    }

    /// The error object's code is of the closed list, and status and `retryable` are the code's own.
    /// Inside a result there is no status to compare.
    pub(super) fn error(&self, status: Option<u16>, body: &Value) -> Option<Finding> {
        let name = body.get("errorCode").and_then(Value::as_str)?;
        if self.codes.is_empty() {
            return None;
        }
        let finding =
            |requirement: &str, pointer: &str, expected: Value, got: Value, message: &str| {
                Some(Finding {
                    requirement: requirement.to_owned(),
                    difference: Difference {
                        pointer: pointer.to_owned(),
                        expected,
                        got,
                        message: message.to_owned(),
                    },
                })
            };
        let Some(code) = self.codes.get(name) else {
            return finding(
                ERROR_CODE,
                "/errorCode",
                serde_json::json!({"$any_of": ["a code of spec/error-codes.toml"]}),
                Value::from(name),
                "is not in the closed list of codes",
            );
        };
        let allowed: Vec<u16> = code.status.iter().chain(&code.also).copied().collect();
        if let Some(status) = status.filter(|status| !allowed.contains(status)) {
            return finding(
                ERROR_STATUS,
                "/status",
                serde_json::json!({"$any_of": allowed}),
                Value::from(status),
                &format!("is not the status of {name}"),
            );
        }
        if let Some(own) = code.retryable.as_ref().and_then(toml::Value::as_bool)
            && body.get("retryable") != Some(&Value::Bool(own))
        {
            return finding(
                ERROR_RETRYABLE,
                "/retryable",
                Value::Bool(own),
                body.get("retryable").cloned().unwrap_or_else(absent),
                &format!("is not what the table says of {name}"),
            );
        }
        None
    }

    /// The most exact entry: a literal path before a template, a full status before a class.
    fn find(
        &self,
        direction: Direction,
        method: &str,
        path: &str,
        status: u16,
    ) -> Option<&Message> {
        let path = path.split('?').next().unwrap_or(path);
        self.messages
            .iter()
            .filter(|message| message.direction == direction)
            .filter(|message| {
                message.method == method || matches!(message.method.as_str(), "" | "*")
            })
            .filter_map(|message| {
                let of_path = path_rank(&message.path, path)?;
                let of_status = match direction {
                    Direction::Request => 0,
                    Direction::Response => status_rank(&message.status, status)?,
                };
                Some((of_path, of_status, message))
            })
            .max_by_key(|(of_path, of_status, _)| (*of_path, *of_status))
            .map(|(_, _, message)| message)
    }
}

fn by_schema(name: &str) -> Value {
    Value::from(format!("as spec/schemas/{name}.json says"))
}

/// How exactly a template fits a path: the number of literal segments, or `None`. `*` and an empty template fit any.
fn path_rank(template: &str, path: &str) -> Option<usize> {
    if matches!(template, "" | "*") {
        return Some(0);
    }
    let (template, path): (Vec<_>, Vec<_>) =
        (template.split('/').collect(), path.split('/').collect());
    if template.len() != path.len() {
        return None;
    }
    let mut literal = 1;
    for (wanted, own) in template.iter().zip(&path) {
        if wanted.starts_with('{') {
            if own.is_empty() {
                return None;
            }
        } else if wanted == own {
            literal += 1;
        } else {
            return None;
        }
    }
    Some(literal)
}

/// How exactly one of the alternatives fits a status: 2 for the number, 1 for its class, 0 for any.
fn status_rank(alternatives: &str, status: u16) -> Option<usize> {
    if matches!(alternatives, "" | "*") {
        return Some(0);
    }
    alternatives
        .split('|')
        .filter_map(|one| match one.trim() {
            one if one == status.to_string() => Some(2),
            one if one.len() == 3
                && one.ends_with("xx")
                && one.starts_with(&(status / 100).to_string()) =>
            {
                Some(1)
            }
            _ => None,
        })
        .max()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn wire() -> Wire {
        Wire::parse(
            r#"
            [[message]]
            method = "POST"
            path = "/sessions/{id}/step"
            status = "200"
            direction = "response"
            schema = "step"
            requirement = "STP-001"
            [[message]]
            method = "*"
            path = "*"
            status = "4xx|5xx"
            direction = "response"
            schema = "error"
            requirement = "ERR-001"
            "#,
            r#"
            [[code]]
            name = "session_not_found"
            status = 404
            retryable = false
            "#,
        )
        .expect("parses")
    }

    #[test]
    fn the_most_exact_entry_judges() {
        let wire = wire();
        let schema = |method: &str, path: &str, status| {
            wire.find(Direction::Response, method, path, status)
                .map(|message| message.schema.as_str())
        };
        assert_eq!(schema("POST", "/sessions/abc/step?x=1", 200), Some("step"));
        assert_eq!(schema("POST", "/sessions/abc/step", 503), Some("error"));
        assert_eq!(schema("POST", "/sessions//step", 200), None);
        assert_eq!(schema("GET", "/sessions/abc/step", 200), None);
        assert_eq!(schema("GET", "/nowhere", 404), Some("error"));
    }

    #[test]
    fn errors_follow_the_closed_list() {
        let wire = wire();
        let requirement = |status, code: &str, retryable| {
            wire.error(
                Some(status),
                &json!({"errorCode": code, "message": "m", "retryable": retryable}),
            )
            .map(|finding| finding.requirement)
        };
        assert_eq!(requirement(404, "session_not_found", false), None);
        assert_eq!(
            requirement(404, "gone_fishing", false).as_deref(),
            Some("ERR-002")
        );
        assert_eq!(
            requirement(400, "session_not_found", false).as_deref(),
            Some("ERR-003")
        );
        assert_eq!(
            requirement(404, "session_not_found", true).as_deref(),
            Some("ERR-004")
        );
    }

    #[test]
    fn a_missing_body_is_a_finding() {
        if schema::named("error").is_none() {
            return;
        }
        let findings = wire().answer("GET", "/x", 404, None);
        assert_eq!(findings.len(), 1);
        assert_eq!(findings[0].requirement, "ERR-001");
        assert!(wire().answer("GET", "/x", 200, None).is_empty());
    }

    #[test]
    fn the_spec_itself_parses() {
        assert!(Wire::embedded().is_ok(), "{:?}", Wire::embedded().err());
    }
}
