//! `request_map` and `response_map`: how one JSON value is built from another.

use serde_json::Value;

use super::Pointer;
use super::report::Report;
use super::result_path::{parse, refuse_empty, refuse_overlaps};
use crate::json;

/// Target in the value that is built, and what goes there; in the document's order, no target covering another.
///
/// The empty target is the whole value and therefore stands alone.
#[derive(Debug, Clone, PartialEq)]
pub struct Mapping(pub Vec<(Pointer, Source)>);

/// What goes to a mapping's target.
#[derive(Debug, Clone, PartialEq)]
pub enum Source {
    /// The value at this place of the source.
    From(Pointer),
    /// This value, whatever the source is; written `{"const": value}`.
    Constant(Value),
}

impl Mapping {
    /// Reads the member at `pointer`; what is wrong goes to `report`.
    pub(super) fn read(value: &Value, pointer: &str, report: &mut Report) -> Option<Self> {
        let Value::Object(members) = value else {
            report.wrong_type(pointer, "an object of target pointers", value);
            return None;
        };
        refuse_empty(members, pointer, report);
        let mut entries = Vec::with_capacity(members.len());
        for (name, source) in members {
            let place = json::push(pointer, name);
            let target = parse(name, &place, report);
            let source = Source::read(source, &place, report);
            entries.extend(target.zip(source));
        }
        refuse_overlaps(&entries, pointer, report);
        Some(Self(entries))
    }
}

impl Source {
    fn read(value: &Value, place: &str, report: &mut Report) -> Option<Self> {
        match value {
            Value::String(text) => parse(text, place, report).map(Self::From),
            Value::Object(members) if members.len() == 1 && members.contains_key("const") => {
                members.get("const").cloned().map(Self::Constant)
            }
            Value::Object(_) => {
                report.refuse(
                    place,
                    "invalid_source",
                    "write {\"const\": value} and no other member for a constant",
                );
                None
            }
            other => {
                report.wrong_type(place, "a JSON pointer or {\"const\": value}", other);
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Mapping, Report, Source};
    use serde_json::{Value, json};

    fn read(value: &Value) -> Result<Mapping, Vec<(String, String)>> {
        let mut report = Report::default();
        let mapping = Mapping::read(value, "/m", &mut report);
        let violations: Vec<_> = report
            .into_violations()
            .into_iter()
            .map(|violation| (violation.pointer, violation.rule))
            .collect();
        match mapping {
            Some(mapping) if violations.is_empty() => Ok(mapping),
            _ => Err(violations),
        }
    }

    #[test]
    fn reads_pointers_and_constants() {
        let mapping = read(&json!({
            "/duration": "/duration_minutes",
            "/kind": {"const": "x"},
            "/none": {"const": null},
            "/nested/deep": {"const": {"const": 1}}
        }))
        .expect("loads");
        assert!(
            matches!(&mapping.0[0].1, Source::From(pointer) if pointer.tokens() == ["duration_minutes"])
        );
        assert_eq!(mapping.0[1].1, Source::Constant(json!("x")));
        assert_eq!(mapping.0[2].1, Source::Constant(Value::Null));
        assert_eq!(mapping.0[3].1, Source::Constant(json!({"const": 1})));
        assert!(read(&json!({"": "/data"})).is_ok());
    }

    #[test]
    fn refuses_what_is_neither() {
        for (value, pointer, rule) in [
            (json!({"/a": 1}), "/m/~1a", "type"),
            (json!({"/a": null}), "/m/~1a", "type"),
            (json!({"/a": {}}), "/m/~1a", "invalid_source"),
            (
                json!({"/a": {"const": 1, "x": 2}}),
                "/m/~1a",
                "invalid_source",
            ),
            (json!({"/a": "b"}), "/m/~1a", "invalid_pointer"),
            (json!({"a": "/b"}), "/m/a", "invalid_pointer"),
            (
                json!({"/a": "/x", "/a/b": "/y"}),
                "/m/~1a~1b",
                "overlapping_targets",
            ),
            (
                json!({"": "/x", "/b": "/y"}),
                "/m/~1b",
                "overlapping_targets",
            ),
            (json!({}), "/m", "minProperties"),
            (json!([]), "/m", "type"),
        ] {
            assert_eq!(
                read(&value),
                Err(vec![(pointer.to_owned(), rule.to_owned())]),
                "{value}"
            );
        }
    }
}
