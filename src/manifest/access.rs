//! `access_control`: scopes, rate and verification, read here and enforced under profile `access`.

use std::collections::HashSet;
use std::time::Duration;

use serde_json::Value;

use super::members::Members;
use super::report::Report;

/// Longest scope, in characters.
const MAX_SCOPE: usize = 128;

/// Most digits of a rate's number.
const MAX_DIGITS: usize = 9;

pub(super) const KNOWN: &[&str] = &["required_scopes", "rate_limit", "verification"];

/// Who may call an action, how often, and whether a person decides.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AccessControl {
    /// Scopes that the caller's token must all hold, each once.
    pub required_scopes: Vec<String>,
    /// How often one subject may call the action.
    pub rate_limit: Option<RateLimit>,
    /// Whether every call goes through a person.
    pub verification: Verification,
}

/// At most `count` calls in any window of this length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimit {
    /// At least one.
    pub count: u32,
    /// A second, minute, hour or day.
    pub window: Duration,
}

/// Whether every call goes through a person.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Verification {
    /// Calls run at once.
    #[default]
    None,
    /// Each call waits for a person's approval.
    Approval,
}

impl AccessControl {
    /// Reads the member at `pointer`; what is wrong goes to `report`.
    pub(super) fn read(value: &Value, pointer: &str, report: &mut Report) -> Option<Self> {
        let members = Members::of(value, pointer, report)?;
        members.warn_unknown(&[KNOWN], "access control", report);
        Some(Self {
            required_scopes: read_scopes(&members, report),
            rate_limit: members
                .get("rate_limit")
                .and_then(|value| RateLimit::read(value, &members.place("rate_limit"), report)),
            verification: read_verification(&members, report),
        })
    }
}

fn read_scopes(members: &Members<'_>, report: &mut Report) -> Vec<String> {
    let mut seen = HashSet::new();
    let mut scopes = Vec::new();
    for (element, place) in members.list("required_scopes", usize::MAX, report) {
        match element {
            Value::String(scope) if !is_scope(scope) => report.refuse(
                &place,
                "pattern",
                "write a scope of 1 to 128 characters without blank, quote or backslash, such as \"email:send\"",
            ),
            Value::String(scope) => {
                if seen.insert(scope.as_str()) {
                    scopes.push(scope.clone());
                }
            }
            other => report.wrong_type(&place, "a scope", other),
        }
    }
    scopes
}

/// Whether a text can be a scope: what separates scopes in a token, or quotes them, cannot stand in one.
fn is_scope(text: &str) -> bool {
    let barred = |next: char| next.is_whitespace() || next.is_control() || "\"'\\".contains(next);
    (1..=MAX_SCOPE).contains(&text.chars().count()) && !text.contains(barred)
}

fn read_verification(members: &Members<'_>, report: &mut Report) -> Verification {
    let Some(value) = members.get("verification") else {
        return Verification::None;
    };
    let place = members.place("verification");
    match value {
        Value::String(text) if text == "none" => Verification::None,
        Value::String(text) if text == "approval" => Verification::Approval,
        Value::String(_) => {
            report.refuse(&place, "enum", "write \"none\" or \"approval\"");
            Verification::None
        }
        other => {
            report.wrong_type(&place, "\"none\" or \"approval\"", other);
            Verification::None
        }
    }
}

impl RateLimit {
    /// Parses `N/s`, `N/sec`, `N/min`, `N/hour` or `N/day`, N from 1 to 999 999 999 without leading zero.
    pub fn parse(text: &str) -> Option<Self> {
        let (count, unit) = text.split_once('/')?;
        let plain = count.bytes().all(|byte| byte.is_ascii_digit()) && !count.starts_with('0');
        if !plain || count.len() > MAX_DIGITS {
            return None;
        }
        let count = count.parse().ok()?;
        let seconds = match unit {
            "s" | "sec" => 1,
            "min" => 60,
            "hour" => 60 * 60,
            "day" => 24 * 60 * 60,
            _ => return None,
        };
        Some(Self {
            count,
            window: Duration::from_secs(seconds),
        })
    }

    fn read(value: &Value, place: &str, report: &mut Report) -> Option<Self> {
        let Value::String(text) = value else {
            report.wrong_type(place, "a rate such as \"10/min\"", value);
            return None;
        };
        let rate = Self::parse(text);
        if rate.is_none() {
            report.refuse(
                place,
                "invalid_rate_limit",
                "write a whole number from 1, `/`, and `s`, `sec`, `min`, `hour` or `day`, such as \"10/min\"",
            );
        }
        rate
    }
}

#[cfg(test)]
mod tests {
    use super::{AccessControl, RateLimit, Report, Verification};
    use serde_json::{Value, json};
    use std::time::Duration;

    fn refusals(value: &Value) -> Vec<(String, String)> {
        let mut report = Report::default();
        AccessControl::read(value, "/a", &mut report);
        report
            .into_violations()
            .into_iter()
            .map(|violation| (violation.pointer, violation.rule))
            .collect()
    }

    #[test]
    fn rates() {
        for (text, count, seconds) in [
            ("10/min", 10, 60),
            ("1/s", 1, 1),
            ("2/sec", 2, 1),
            ("3/hour", 3, 3600),
            ("999999999/day", 999_999_999, 86400),
        ] {
            let expected = RateLimit {
                count,
                window: Duration::from_secs(seconds),
            };
            assert_eq!(RateLimit::parse(text), Some(expected), "{text}");
        }
        for wrong in [
            "",
            "/",
            "10",
            "10/",
            "/min",
            "0/min",
            "01/min",
            "-1/min",
            "+1/min",
            "1.5/s",
            "1 /s",
            "1/ s",
            "1/minute",
            "1/MIN",
            "1/m",
            "1/s/s",
            "1000000000/s",
            "１/s",
        ] {
            assert_eq!(RateLimit::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn reads_every_member() {
        let mut report = Report::default();
        let value = json!({"required_scopes": ["a:b", "c"], "rate_limit": "2/s", "verification": "approval"});
        let access = AccessControl::read(&value, "/a", &mut report).expect("loads");
        assert!(report.is_clean());
        assert_eq!(access.required_scopes, ["a:b", "c"]);
        assert_eq!(access.verification, Verification::Approval);
        assert_eq!(access.rate_limit.expect("loads").count, 2);
        assert_eq!(refusals(&json!({})), []);
    }

    #[test]
    fn refuses_with_the_place() {
        for (value, pointer, rule) in [
            (json!([]), "/a", "type"),
            (
                json!({"required_scopes": "x"}),
                "/a/required_scopes",
                "type",
            ),
            (
                json!({"required_scopes": [1]}),
                "/a/required_scopes/0",
                "type",
            ),
            (
                json!({"required_scopes": ["a b"]}),
                "/a/required_scopes/0",
                "pattern",
            ),
            (
                json!({"required_scopes": [""]}),
                "/a/required_scopes/0",
                "pattern",
            ),
            (json!({"rate_limit": 10}), "/a/rate_limit", "type"),
            (
                json!({"rate_limit": "10/week"}),
                "/a/rate_limit",
                "invalid_rate_limit",
            ),
            (json!({"verification": "maybe"}), "/a/verification", "enum"),
            (json!({"verification": true}), "/a/verification", "type"),
        ] {
            assert_eq!(
                refusals(&value),
                [(pointer.to_owned(), rule.to_owned())],
                "{value}"
            );
        }
    }
}
