//! What may stand within an action's own schemas: keywords of JSON Schema.

/// Keywords of JSON Schema that are offered within an action's schemas, with what they say.
pub(super) const KEYWORDS: [(&str, &str); 24] = [
    ("$ref", "Another schema of this document, `#/$defs/…`."),
    ("$defs", "Schemas to refer to."),
    (
        "type",
        "`object`, `array`, `string`, `number`, `integer`, `boolean` or `null`, or several of them.",
    ),
    ("description", "What the value means; the model reads it."),
    ("properties", "Schemas of the members, by name."),
    ("required", "Names of members that must be there."),
    (
        "additionalProperties",
        "Schema of members that `properties` does not name; `false` refuses them.",
    ),
    ("items", "Schema of the elements."),
    ("prefixItems", "Schemas of the first elements, in order."),
    ("enum", "The values that are allowed."),
    ("const", "The only value that is allowed."),
    (
        "default",
        "The value that is meant when there is none; for people, nothing fills it in.",
    ),
    ("examples", "Values that show what is meant."),
    ("minimum", "Least number."),
    ("maximum", "Greatest number."),
    ("minLength", "Least length of a text, in code points."),
    ("maxLength", "Greatest length of a text, in code points."),
    (
        "pattern",
        "Regular expression that a text must match somewhere.",
    ),
    (
        "format",
        "Form of a text, asserted: `date-time`, `date`, `email`, `uri`, `uuid`, …",
    ),
    ("minItems", "Least number of elements."),
    ("maxItems", "Greatest number of elements."),
    ("uniqueItems", "Whether no two elements may be equal."),
    ("anyOf", "At least one of these schemas."),
    ("oneOf", "Exactly one of these schemas."),
];

/// Values of some keywords of JSON Schema.
pub(super) const TYPES: [&str; 7] = [
    "object", "array", "string", "number", "integer", "boolean", "null",
];
pub(super) const FORMATS: [&str; 12] = [
    "date-time",
    "date",
    "time",
    "duration",
    "email",
    "hostname",
    "ipv4",
    "ipv6",
    "uri",
    "uuid",
    "json-pointer",
    "regex",
];

/// The rest of a pointer that leads into an action's own schema.
pub(super) fn within_schema(pointer: &str) -> Option<&str> {
    [
        "/input_schema",
        "/output_schema",
        "/inputSchema",
        "/outputSchema",
    ]
    .iter()
    .find_map(|name| {
        let at = pointer.find(name)?;
        let rest = pointer.get(at + name.len()..)?;
        (rest.is_empty() || rest.starts_with('/')).then_some(rest)
    })
}
