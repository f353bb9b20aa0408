//! Rules by names of the protocol's own.

use super::GROUP;
use crate::lint::{Check, Rule};

/// The rules.
pub(in crate::lint::rules) const RULES: &[Rule] = &[
    GROUP.refused(
        "duplicate_name",
        "MAN-008",
        Check::Loader,
        "two actions or two intents have one name",
        "A plan names an action by its name alone, so the second could never be meant. Give it another name.",
    ),
    GROUP.refused(
        "unknown_action",
        "MAN-014",
        Check::Loader,
        "a name is that of no action of the manifest",
        "An intent or a fallback can only lead to actions that the same manifest declares. Correct the name, or declare the action.",
    ),
    GROUP.refused(
        "invalid_version",
        "MAN-003",
        Check::Loader,
        "the manifest's version is no semantic version",
        "References choose the highest version, so versions must have an order: MAJOR.MINOR.PATCH, with a pre-release part if need be. \
         Build metadata is refused because two versions that differ in nothing else would be equal.",
    ),
    GROUP.warned(
        "two_part_version",
        "MAN-004",
        Check::Loader,
        "the manifest's version has two parts",
        "MAJOR.MINOR is taken as MAJOR.MINOR.0, in answers and references too. Write the three parts, so that what you read is what you wrote.",
    ),
    GROUP.refused(
        "unsupported_protocol_version",
        "MAN-005",
        Check::Loader,
        "the manifest is for another major version of the protocol",
        "A runtime of protocol 2 does not guess what another major version means. Write the manifest for \"2.0\", or leave the member out.",
    ),
    GROUP.refused(
        "mixed_spelling",
        "MAN-016",
        Check::Loader,
        "a member is in the spelling that the rest of the document does not use",
        "A document is in snake_case or in JSON-LD's camelCase. A member in the other spelling might be read over by one runtime and obeyed by \
         another, and it may be a safeguard. Spell it as the rest.",
    ),
    GROUP.warned(
        "unknown_member",
        "MAN-006",
        Check::Loader,
        "a member is none that the specification defines",
        "Unknown members are kept and do nothing, so a misspelt safeguard is silently absent. Correct the name, or begin it with `x-` when it is \
         your own.",
    ),
    GROUP.refused(
        "invalid_schema",
        "MAN-009",
        Check::Loader,
        "an input or output schema is no valid schema of its dialect",
        "Arguments and outputs are checked by this schema; one that cannot be compiled can check nothing. Dialects are told by `$schema`, and \
         without it keywords are those of 2020-12. References must lead somewhere, and not in a circle.",
    ),
    GROUP.refused(
        "remote_ref",
        "SCH-010",
        Check::Loader,
        "a reference leads out of the schema",
        "A contract on somebody else's server can change after it was checked, so nothing is ever fetched. Copy the schema under `$defs` and refer \
         to it there.",
    ),
    GROUP.refused(
        "invalid_pointer",
        "MAN-010",
        Check::Loader,
        "a text that should be a JSON Pointer is none",
        "Pointers begin with `/`, their tokens have `/` between them, and `~` stands only in `~0` and `~1`. The empty text is the whole value.",
    ),
    GROUP.refused(
        "outside_environment",
        "MAN-011",
        Check::Loader,
        "an output would be laid down outside of `/environment/`",
        "Outputs may change only the environment of the observation, never who the user is or what was said. Let the target lie below \
         `/environment/`.",
    ),
    GROUP.refused(
        "overlapping_targets",
        "MAN-012",
        Check::Loader,
        "two targets of one map overlap",
        "When one target lies within another, the result depends on which is written first. Choose targets apart from each other.",
    ),
    GROUP.refused(
        "invalid_source",
        "manifests.md#5-invoke_api",
        Check::Loader,
        "a source of a map is neither a pointer nor a constant",
        "A constant is an object whose only member is `const`; other members beside it would be dropped. Write a pointer, or the constant alone.",
    ),
    GROUP.refused(
        "invalid_endpoint",
        "MAN-018",
        Check::Loader,
        "an endpoint is no absolute http or https URL, or holds what it must not",
        "The runtime calls this URL as it stands. User information in it would be a credential in a manifest, and a fragment is never sent.",
    ),
    GROUP.refused(
        "invalid_root",
        "STO-024",
        Check::Loader,
        "a root has not the form of one, or might lead elsewhere than it says",
        "Operators allow roots by what they begin with, so a root must be read in one way only. `..`, `.`, `//`, `%2e`, a backslash, a host \
         or a query would let two readers find two places, one of them outside. Write scheme and folders plainly: `file:///srv/notes/`, \
         `s3://bucket/notes/`, `memory:notes/`.",
    ),
    GROUP.refused(
        "invalid_variable",
        "MAN-019",
        Check::Loader,
        "a `${` does not begin a reference to a variable",
        "`${NAME}` is replaced when the request is sent; what only looks like it would be sent as it stands, to a place nobody meant. There are no \
         defaults and no expressions in it.",
    ),
    GROUP.refused(
        "invalid_header",
        "manifests.md#5-invoke_api",
        Check::Loader,
        "a header's name or value is none that HTTP can carry",
        "A line break in a header would let its value begin another header or another request. Names are tokens, and values printable ASCII.",
    ),
    GROUP.refused(
        "forbidden_header",
        "manifests.md#5-invoke_api",
        Check::Loader,
        "a header belongs to the connection or is set elsewhere",
        "Framing and connection are the runtime's business, and a second `Authorization` beside `auth` would be ambiguous. Leave the header out.",
    ),
    GROUP.refused(
        "duplicate_header",
        "manifests.md#5-invoke_api",
        Check::Loader,
        "a header is given twice in different capitals",
        "Names of headers are the same whatever their case, so one of the two would be lost. Give it once.",
    ),
    GROUP.warned(
        "literal_credential",
        "secrets.md#1-variables",
        Check::Loader,
        "`auth` holds no reference to a variable",
        "A manifest is shown, stored and sent around, and whoever reads it has the credential. Refer to it by name, as in `Bearer ${TOKEN}`, and \
         let the operator give the value.",
    ),
    GROUP.warned(
        "effect_without_approval",
        "ACC-040",
        Check::Loader,
        "an action that costs money or does critical things runs without a person's approval",
        "A model can be wrong or misled, and such an action cannot easily be mended. Demand `\"verification\": \"approval\"` in its access control.",
    ),
    GROUP.refused(
        "invalid_rate_limit",
        "ACC-026",
        Check::Loader,
        "a rate limit has another form than `10/min`",
        "A limit that cannot be read would be none. Write a whole number, a slash, and `s`, `sec`, `min`, `hour` or `day`.",
    ),
    GROUP.refused(
        "invalid_expression",
        "EXP-002",
        Check::Loader,
        "a conditional does not parse",
        "A condition that cannot be evaluated guards nothing, so it is refused before anything runs. The language has paths, literals, operators and \
         filters, and no calls.",
    ),
    GROUP.refused(
        "invalid_template",
        "EXP-002",
        Check::Loader,
        "a template does not parse",
        "Between `{{` and `}}` stands one expression, which may hold filters. To write two braces as they are, write `{{ '{{' }}`.",
    ),
    GROUP.refused(
        "fallback_needs_approval",
        "ACC-039",
        Check::Loader,
        "a fallback would have to ask a person",
        "A fallback runs while another action fails, and nobody is asked in that moment. Name an action that runs without approval.",
    ),
    GROUP.refused(
        "cycle",
        "WFL-079",
        Check::Loader,
        "fallbacks lead back to the action they began at",
        "Actions whose fallbacks are each other would never end when both fail. Let the chain end somewhere.",
    ),
    GROUP.refused(
        "protected_term",
        "workflows.md#2-documents-and-their-vocabulary",
        Check::Loader,
        "a context gives a name of the vocabulary another meaning",
        "The terms of the published context are protected: a document that turns one into another could hide a safeguard. Choose another name.",
    ),
    GROUP.refused(
        "unsupported_context",
        "workflows.md#2-documents-and-their-vocabulary",
        Check::Loader,
        "a context declares what is not read",
        "Contexts within a term, containers other than lists, and names that stand for each other without end are not read, and what they hide could \
         be a safeguard. Let each name stand for an IRI.",
    ),
    GROUP.refused(
        "unsupported_keyword",
        "workflows.md#2-documents-and-their-vocabulary",
        Check::Loader,
        "a keyword of JSON-LD holds members that would not be read",
        "`@nest`, `@graph` and their like put members elsewhere than they stand, and those are not read there. Write the members into the object.",
    ),
    GROUP.refused(
        "not_a_read",
        "extensions.md#5-reading-less",
        Check::Loader,
        "`cache` or `batch` stands on an action that may do more than read",
        "A reply given again, or a call joined with others, is only right where nothing changes. Say `\"effects\": [\"read\"]` of an API action that \
         only reads, or leave the member out.",
    ),
    GROUP.refused(
        "not_an_array",
        "extensions.md#5-reading-less",
        Check::Loader,
        "the member that calls are joined by is no array that is always there",
        "Joined calls put their elements into one array, so each must have it: list it in `required` and give it the type `array`.",
    ),
];
