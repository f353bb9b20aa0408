//! Keywords that assert nothing, and those that nobody knows.

use serde_json::Value;

use super::{Here, Walk};

/// Keywords that assert nothing, with the kind that tells of them.
const ANNOTATIONS: [(&str, &str); 18] = [
    ("title", "title_changed"),
    ("description", "schema_description_changed"),
    ("$comment", "comment_changed"),
    ("examples", "examples_changed"),
    ("example", "examples_changed"),
    ("default", ""),
    ("deprecated", ""),
    ("readOnly", "read_only_changed"),
    ("writeOnly", "write_only_changed"),
    ("contentEncoding", "content_changed"),
    ("contentMediaType", "content_changed"),
    ("contentSchema", "content_changed"),
    ("$id", "schema_name_changed"),
    ("id", "schema_name_changed"),
    ("$anchor", "schema_name_changed"),
    ("$dynamicAnchor", "schema_name_changed"),
    ("$recursiveAnchor", "schema_name_changed"),
    ("$vocabulary", "schema_name_changed"),
];

/// Keywords that are compared elsewhere.
const ASSERTIONS: [&str; 44] = [
    "$schema",
    "$defs",
    "definitions",
    "$ref",
    "$dynamicRef",
    "$recursiveRef",
    "type",
    "enum",
    "const",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "minLength",
    "maxLength",
    "pattern",
    "format",
    "minItems",
    "maxItems",
    "uniqueItems",
    "items",
    "prefixItems",
    "additionalItems",
    "contains",
    "minContains",
    "maxContains",
    "unevaluatedItems",
    "required",
    "properties",
    "patternProperties",
    "additionalProperties",
    "propertyNames",
    "minProperties",
    "maxProperties",
    "dependentRequired",
    "dependentSchemas",
    "dependencies",
    "unevaluatedProperties",
    "allOf",
    "anyOf",
    "oneOf",
    "not",
    "if",
];

/// Whether a keyword asserts nothing by itself.
pub(super) fn asserts_nothing(keyword: &str) -> bool {
    matches!(keyword, "$schema" | "$defs" | "definitions")
        || !(ASSERTIONS.contains(&keyword) || keyword == "then" || keyword == "else")
}

/// Whether a schema accepts every value, as far as that is plain to see.
pub(super) fn is_anything(schema: &Value) -> bool {
    match schema {
        Value::Bool(anything) => *anything,
        Value::Object(keywords) => keywords.keys().all(|keyword| asserts_nothing(keyword)),
        _ => false,
    }
}

impl<'v> Walk<'v, '_> {
    pub(super) fn annotations(&mut self, here: &Here<'v, '_>) {
        for (keyword, kind) in ANNOTATIONS {
            if !here.differs(keyword) {
                continue;
            }
            match keyword {
                "default" => {
                    let (kind, message) = match here.get(keyword) {
                        (None, _) => ("default_added", "a default is named"),
                        (_, None) => ("default_removed", "no default is named any more"),
                        _ => ("default_changed", "another default is named"),
                    };
                    self.tell(kind, here, keyword, message);
                }
                "deprecated" => {
                    let marked = |value: Option<&Value>| value == Some(&Value::Bool(true));
                    let (kind, message) = match here.get(keyword) {
                        (old, new) if marked(old) == marked(new) => (
                            "annotation_changed",
                            "the mark is written in another way".to_owned(),
                        ),
                        (_, new) if marked(new) => {
                            ("deprecated_added", "marked as deprecated".to_owned())
                        }
                        _ => (
                            "deprecated_removed",
                            "no longer marked as deprecated".to_owned(),
                        ),
                    };
                    self.tell(kind, here, keyword, message);
                }
                _ => {
                    let message = format!("{keyword} differs");
                    self.tell(kind, here, keyword, message);
                }
            }
        }
        // That of the whole is compared with the whole.
        let whole = here.at.old == self.root.old || here.at.new == self.root.new;
        if !whole && here.differs("$schema") {
            let message = "another draft is named within the schema";
            self.tell("dialect_changed", here, "$schema", message);
        }
        let known = |name: &str| {
            ASSERTIONS.contains(&name)
                || matches!(name, "then" | "else")
                || ANNOTATIONS.iter().any(|(keyword, _)| *keyword == name)
        };
        let mut names: Vec<&str> = here
            .old
            .keys()
            .chain(here.new.keys())
            .map(String::as_str)
            .filter(|name| !known(name) && here.differs(name))
            .collect();
        names.sort_unstable();
        names.dedup();
        for name in names {
            let message = "a keyword differs that no draft defines";
            self.tell("annotation_changed", here, name, message);
        }
    }
}
