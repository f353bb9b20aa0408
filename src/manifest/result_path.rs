//! `result_path`: where an action's output goes in the observation.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::Pointer;
use super::report::Report;
use crate::json;

/// Where an output goes; every target lies below `/environment`, and no target covers another.
///
/// Whether a target leads through an array or a scalar depends on the observation, so that is refused
/// when the output is merged, not here: a token such as `0` or `-` may well name an object's member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ResultPath {
    /// The whole output goes to one place.
    Whole(Pointer),
    /// Parts of the output go to places of their own: (target, source in the output), in the document's order.
    Parts(Vec<(Pointer, Pointer)>),
}

impl ResultPath {
    /// Reads the member at `pointer`; what is wrong goes to `report`.
    pub(super) fn read(value: &Value, pointer: &str, report: &mut Report) -> Option<Self> {
        match value {
            Value::String(text) => target(text, pointer, report).map(Self::Whole),
            Value::Object(members) => {
                refuse_empty(members, pointer, report);
                let mut parts = Vec::with_capacity(members.len());
                for (name, source) in members {
                    let place = json::push(pointer, name);
                    let target = target(name, &place, report);
                    let source = source_pointer(source, &place, report);
                    parts.extend(target.zip(source));
                }
                refuse_overlaps(&parts, pointer, report);
                Some(Self::Parts(parts))
            }
            other => {
                report.wrong_type(pointer, "a JSON pointer or an object of pointers", other);
                None
            }
        }
    }
}

/// Reports a map without targets.
pub(super) fn refuse_empty(members: &Map<String, Value>, pointer: &str, report: &mut Report) {
    if members.is_empty() {
        let message = "name at least one target, or leave this member out";
        report.refuse(pointer, "minProperties", message);
    }
}

/// Reports every target that lies within another one, at whichever of the two stands later.
pub(super) fn refuse_overlaps<S>(parts: &[(Pointer, S)], pointer: &str, report: &mut Report) {
    let mut sorted: Vec<(usize, &Pointer)> =
        parts.iter().map(|(target, _)| target).enumerate().collect();
    sorted.sort_by_key(|(_, target)| *target);
    // In this order all targets below one follow it directly, so one pass finds them however many there are.
    let mut overlaps: BTreeMap<usize, usize> = BTreeMap::new();
    let mut upper: Option<(usize, &Pointer)> = None;
    for &(index, target) in &sorted {
        match upper {
            Some((above, covering)) if covering.covers(target) => {
                overlaps.insert(index.max(above), index.min(above));
            }
            _ => upper = Some((index, target)),
        }
    }
    for (later, earlier) in overlaps {
        let place = json::push(pointer, &parts[later].0.to_string());
        let other = &parts[earlier].0;
        report.refuse(
            &place,
            "overlapping_targets",
            format!("choose targets that do not lie within one another; \"{other}\" is the other"),
        );
    }
}

/// Parses a pointer into a source value.
pub(super) fn source_pointer(value: &Value, place: &str, report: &mut Report) -> Option<Pointer> {
    match value {
        Value::String(text) => parse(text, place, report),
        other => {
            report.wrong_type(place, "a JSON pointer", other);
            None
        }
    }
}

/// Parses a pointer; a malformed one is reported.
pub(super) fn parse(text: &str, place: &str, report: &mut Report) -> Option<Pointer> {
    Pointer::parse(text)
        .map_err(|why| report.refuse(place, "invalid_pointer", format!("{why}: {text:?}")))
        .ok()
}

fn target(text: &str, place: &str, report: &mut Report) -> Option<Pointer> {
    let target = parse(text, place, report)?;
    let below = matches!(target.tokens(), [first, second, ..] if first == "environment" && !second.is_empty());
    if !below {
        report.refuse(
            place,
            "outside_environment",
            format!(
                "let the target lie under /environment/, as in \"/environment/name\": {text:?}"
            ),
        );
    }
    below.then_some(target)
}

#[cfg(test)]
mod tests {
    use super::{Report, ResultPath};
    use serde_json::{Value, json};

    fn read(value: &Value) -> Result<ResultPath, Vec<(String, String)>> {
        let mut report = Report::default();
        let path = ResultPath::read(value, "/p", &mut report);
        let violations: Vec<_> = report
            .into_violations()
            .into_iter()
            .map(|violation| (violation.pointer, violation.rule))
            .collect();
        match path {
            Some(path) if violations.is_empty() => Ok(path),
            _ => {
                assert!(!violations.is_empty(), "refused without a word: {value}");
                Err(violations)
            }
        }
    }

    #[test]
    fn reads_both_forms() {
        assert!(matches!(
            read(&json!("/environment/slots")),
            Ok(ResultPath::Whole(_))
        ));
        let Ok(ResultPath::Parts(parts)) = read(&json!({
            "/environment/calendar/free_slots": "/slots",
            "/environment/calendar/count": "/meta/0/-",
            "/environment/whole": ""
        })) else {
            panic!("refused");
        };
        assert_eq!(
            parts[0].0.tokens(),
            ["environment", "calendar", "free_slots"]
        );
        assert_eq!(parts[0].1.tokens(), ["slots"]);
        assert!(parts[2].1.is_root());
    }

    #[test]
    fn digits_and_dash_are_names_until_an_array_is_met() {
        assert!(read(&json!("/environment/0")).is_ok());
        assert!(read(&json!("/environment/list/-")).is_ok());
        assert!(read(&json!("/environment/a~1b/~0")).is_ok());
    }

    #[test]
    fn targets_lie_below_the_environment() {
        for wrong in [
            "",
            "/",
            "/environment",
            "/environment/",
            "/environment//x",
            "/environmental/x",
            "/Environment/x",
            "/user_context/x",
            "/timestamp",
        ] {
            let expected = vec![("/p".to_owned(), "outside_environment".to_owned())];
            assert_eq!(read(&json!(wrong)), Err(expected), "{wrong}");
        }
    }

    #[test]
    fn refuses_overlaps_malformed_pointers_and_other_types() {
        for (value, pointer, rule) in [
            (
                json!({"/environment/a": "/x", "/environment/a/b": "/y"}),
                "/p/~1environment~1a~1b",
                "overlapping_targets",
            ),
            (
                json!({"/environment/a/b": "/x", "/environment/a": "/y"}),
                "/p/~1environment~1a",
                "overlapping_targets",
            ),
            (
                json!({"/environment/a": "x"}),
                "/p/~1environment~1a",
                "invalid_pointer",
            ),
            (
                json!({"/environment/a": "/x~2"}),
                "/p/~1environment~1a",
                "invalid_pointer",
            ),
            (
                json!({"environment/a": "/x"}),
                "/p/environment~1a",
                "invalid_pointer",
            ),
            (json!({"/environment/a": 1}), "/p/~1environment~1a", "type"),
            (
                json!({"/environment": "/x"}),
                "/p/~1environment",
                "outside_environment",
            ),
            (json!({}), "/p", "minProperties"),
            (json!(["/environment/a"]), "/p", "type"),
            (json!(null), "/p", "type"),
            (json!("environment/a"), "/p", "invalid_pointer"),
        ] {
            assert_eq!(
                read(&value),
                Err(vec![(pointer.to_owned(), rule.to_owned())]),
                "{value}"
            );
        }
        assert!(read(&json!({"/environment/a": "/x", "/environment/ab": "/y"})).is_ok());
    }

    #[test]
    fn each_overlap_is_told_once_and_many_targets_take_no_time() {
        let many = (0..40_000).map(|n| (format!("/environment/t{n}"), json!("")));
        let mut many: serde_json::Map<_, _> = many.collect();
        assert!(read(&Value::Object(many.clone())).is_ok());
        many.insert("/environment/t7/x".to_owned(), json!(""));
        many.insert("/environment/t7/x/y".to_owned(), json!(""));
        let told = read(&Value::Object(many)).expect_err("refused");
        let pointers: Vec<_> = told.iter().map(|(pointer, _)| pointer.as_str()).collect();
        assert_eq!(
            pointers,
            ["/p/~1environment~1t7~1x", "/p/~1environment~1t7~1x~1y"]
        );
    }
}
