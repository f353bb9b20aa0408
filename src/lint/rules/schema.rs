//! Rules of the group `schema`: what a valid schema says, and surely was not meant to say.

mod dialects;
mod keywords;
mod members;
mod patterns;
mod ranges;
mod satisfiable;
#[cfg(test)]
mod tests;
mod types;
mod values;
pub(super) mod walk;

use crate::lint::rule::{Check, Group, Rule, Severity};

const ASSERTED: &str = "schemas.md#2-what-is-asserted";
const DIALECTS: &str = "schemas.md#1-dialects";
const REFERENCES: &str = "schemas.md#3-references";

const GROUP: Group = Group::Schema;

/// The rules of this group.
pub(super) const RULES: &[Rule] = &[
    GROUP.broken(
        "bounds_cross",
        ASSERTED,
        Check::Manifest(satisfiable::bounds_cross),
        "bounds leave no value between them",
        "A lower bound above the upper one, in one schema or in two of `allOf`, a range without a multiple of `multipleOf`, or more members \
         demanded than allowed admits nothing, so every call or every output is refused. Often two bounds were exchanged.",
    ),
    GROUP.broken(
        "enum_never_matches",
        ASSERTED,
        Check::Manifest(satisfiable::enum_never_matches),
        "no member of an `enum` has the type beside it",
        "A value must be a member and be of the type, and here none is both. Values are never converted: the text \"1\" is not the number 1.",
    ),
    GROUP.broken(
        "const_never_matches",
        ASSERTED,
        Check::Manifest(satisfiable::const_never_matches),
        "a constant contradicts the type or the `enum` beside it",
        "The only value that `const` admits is refused by its neighbour, so nothing is ever valid. Correct one of the two.",
    ),
    GROUP.broken(
        "required_but_forbidden",
        ASSERTED,
        Check::Manifest(satisfiable::required_but_forbidden),
        "a required member is forbidden by the same schema",
        "`additionalProperties: false` forbids what `properties` does not declare, so a required member that is missing there makes every object \
         invalid. It is often a slip in the name.",
    ),
    GROUP.broken(
        "false_schema",
        "schemas.md#1-dialects",
        Check::Manifest(satisfiable::false_schema),
        "a schema admits nothing",
        "`false` admits no value, and so does a `not` around a schema that admits all. An action with such an input can never be called, and one \
         with such an output always fails after its effect has happened.",
    ),
    GROUP.broken(
        "disjoint_types",
        ASSERTED,
        Check::Manifest(satisfiable::disjoint_types),
        "schemas that must hold together admit no type in common",
        "A value has one type, so it cannot satisfy two schemas of `allOf` with different types, nor branches that all contradict the type around \
         them. Use `anyOf` for a choice.",
    ),
    GROUP.warned(
        "dead_branch",
        ASSERTED,
        Check::Manifest(satisfiable::dead_branch),
        "a branch of a choice contradicts the type around it",
        "The branch is never taken: the type beside `anyOf` or `oneOf` holds for every branch. Widen the type if the branch was meant.",
    ),
    GROUP.broken(
        "empty_enum",
        ASSERTED,
        Check::Manifest(satisfiable::empty_enum),
        "an `enum` has no members",
        "A list of allowed values that is empty allows none. It comes from generators whose source was empty; leave it out or fill it.",
    ),
    GROUP.warned(
        "repeated_branch",
        ASSERTED,
        Check::Manifest(satisfiable::repeated_branch),
        "two branches are the same schema",
        "In `oneOf` what satisfies both is refused, so neither branch ever works. In `allOf` and `anyOf` the second one says nothing.",
    ),
    GROUP.warned(
        "required_undeclared",
        ASSERTED,
        Check::Manifest(members::required_undeclared),
        "a required member is not declared",
        "The model must send a member of which it knows nothing but the name, and anything passes as its value. It is often a slip in one of the \
         two names.",
    ),
    GROUP.warned(
        "contradictory_access",
        ASSERTED,
        Check::Manifest(members::contradictory_access),
        "a member is demanded where it cannot be",
        "A read-only member comes from the service, so a call cannot be made to send it; a write-only one never comes back, so an output cannot be \
         made to hold it.",
    ),
    GROUP.broken(
        "input_not_object",
        "PLN-001",
        Check::Manifest(members::input_not_object),
        "an input schema does not admit objects",
        "The arguments of a call are an object, whatever the schema says, so a schema of another type refuses every call. Put the one value under a \
         name.",
    ),
    GROUP.noted(
        "type_missing",
        ASSERTED,
        Check::Manifest(members::type_missing),
        "a schema bounds values of one type and does not name it",
        "`minLength` holds for texts only: a number, a list and null all pass. Name the type, so that the bound means what it seems to mean.",
    ),
    GROUP.noted(
        "default_not_filled_in",
        "SCH-008",
        Check::Manifest(members::default_not_filled_in),
        "an input has a default, which is never filled in",
        "A call carries the arguments of the plan and no others, so a service that relies on the default gets nothing. Tell the model in the \
         description what is assumed.",
    ),
    GROUP.noted(
        "output_admits_anything",
        ASSERTED,
        Check::Manifest(members::output_admits_anything),
        "an output schema admits every value",
        "Whatever the service sends goes into the observation and before the model, an error page included. Say which members are expected, with \
         their types.",
    ),
    GROUP.warned(
        "unknown_keyword",
        ASSERTED,
        Check::Manifest(keywords::unknown_keyword),
        "a keyword is none of JSON Schema",
        "Unknown keywords are ignored, so a misspelt bound bounds nothing and nobody is told. Correct the name, or begin it with `x-`.",
    ),
    GROUP.warned(
        "unknown_format",
        "SCH-006",
        Check::Manifest(keywords::unknown_format),
        "a format has a name that no draft knows",
        "An unknown format admits every value, so the check that was meant does not happen. Correct the name, or use a pattern.",
    ),
    GROUP.noted(
        "unasserted_format",
        "SCH-006",
        Check::Manifest(keywords::unasserted_format),
        "a format need not be asserted",
        "Every runtime asserts nine formats; others may be asserted or not, so the same value is valid here and refused there. Add a pattern or \
         bounds for what matters.",
    ),
    GROUP.warned(
        "keyword_without_effect",
        ASSERTED,
        Check::Manifest(keywords::keyword_without_effect),
        "a keyword does not look at values of the type beside it",
        "`minLength` on an integer asserts nothing: each keyword looks at values of its own type and lets all others pass. Use the keyword of the \
         type, or correct the type.",
    ),
    GROUP.warned(
        "keyword_without_partner",
        ASSERTED,
        Check::Manifest(keywords::keyword_without_partner),
        "a keyword asserts nothing without another one that is missing",
        "`then` without `if`, or `minContains` without `contains`, is ignored. Its partner was lost or misspelt.",
    ),
    GROUP.warned(
        "keyword_of_another_draft",
        "SCH-001",
        Check::Manifest(keywords::keyword_of_another_draft),
        "a keyword is not of the draft that the schema is read by",
        "Keywords of other drafts are ignored by a strict reader and obeyed by a lenient one, so runtimes disagree. A schema without `$schema` is \
         read by 2020-12.",
    ),
    GROUP.noted(
        "unanchored_pattern",
        ASSERTED,
        Check::Manifest(patterns::unanchored_pattern),
        "a pattern is not anchored",
        "A pattern matches anywhere within the text: `[0-9]{4}` admits \"x12345\". Begin it with `^` and end it with `$` if the whole text is meant.",
    ),
    GROUP.warned(
        "explosive_pattern",
        ASSERTED,
        Check::Manifest(patterns::explosive_pattern),
        "a pattern repeats what repeats itself",
        "`(a+)+` can divide a text in ever more ways, and an engine that tries them all stands still on a text that nearly matches; runtimes bound it and \
         then take the text as not matching. Let each repetition begin with something that the repeated part does not hold.",
    ),
    GROUP.warned(
        "pattern_not_ecma",
        ASSERTED,
        Check::Manifest(patterns::pattern_not_ecma),
        "a pattern is written for another engine",
        "Patterns are ECMA-262 expressions. `\\A`, `(?P<name>` and flags within the expression are of Python or Perl, and other readers refuse them or take \
         them for something else.",
    ),
    GROUP.noted(
        "unportable_pattern",
        ASSERTED,
        Check::Manifest(patterns::unportable_pattern),
        "a pattern needs an engine that looks around or back",
        "Engines of linear time have no look-around, no references back and often other Unicode tables. Two plain patterns under `allOf`, or one under `not`, \
         say the same everywhere.",
    ),
    GROUP.warned(
        "ref_siblings_ignored",
        REFERENCES,
        Check::Manifest(dialects::ref_siblings_ignored),
        "keywords beside a `$ref` are not read in this draft",
        "Up to draft 7 a `$ref` stands alone: bounds beside it are ignored, and the schema admits more than it seems to. Put the reference into `allOf`.",
    ),
    GROUP.noted(
        "missing_dialect",
        "SCH-001",
        Check::Manifest(dialects::missing_dialect),
        "a schema whose meaning depends on the draft does not name it",
        "Without `$schema` a runtime reads it by 2020-12, while editors and generators may take draft 7, where some keywords mean something else or \
         nothing. Name the draft.",
    ),
    Rule {
        severity: Severity::Note,
        ..GROUP.warned(
            "optional_dialect",
            "SCH-003",
            Check::Manifest(dialects::optional_dialect),
            "a schema is of a draft that a runtime need not know",
            "Every runtime knows draft 7 and 2020-12; the others it may refuse at registration. Write the schema for one of the two.",
        )
    },
    GROUP.noted(
        "definitions_keyword",
        DIALECTS,
        Check::Manifest(dialects::definitions_keyword),
        "definitions stand under their old name",
        "Since draft 2019-09 they stand under `$defs`. References to `#/definitions/…` still lead there, but a reader of the schema expects the name of \
         its draft.",
    ),
    Rule {
        severity: Severity::Note,
        ..GROUP.warned(
            "unused_definition",
            REFERENCES,
            Check::Manifest(dialects::unused_definition),
            "nothing refers to a definition",
            "It is shown to the model with the rest of the contract and means nothing. Often the reference to it was lost or misspelt.",
        )
    },
    GROUP.warned(
        "default_breaks_schema",
        "SCH-008",
        Check::Manifest(values::default_breaks_schema),
        "a default does not satisfy its own schema",
        "A model takes a default for a good value and sends it, and the call is refused. Correct the default or the schema.",
    ),
    GROUP.warned(
        "example_breaks_schema",
        ASSERTED,
        Check::Manifest(values::example_breaks_schema),
        "an example does not satisfy its schema",
        "Models follow examples more closely than rules, so a wrong example makes wrong calls. Correct the example or the schema.",
    ),
    GROUP.warned(
        "enum_member_breaks_schema",
        ASSERTED,
        Check::Manifest(values::enum_member_breaks_schema),
        "a member of an `enum` is refused by the rest of the schema",
        "The member is offered to the model and refused when it is chosen. `null` in the list also needs \"null\" in the type.",
    ),
    GROUP.warned(
        "duplicate_enum_member",
        ASSERTED,
        Check::Manifest(values::duplicate_enum_member),
        "an `enum` lists a value twice",
        "The second one means nothing and is often a slip for another value. 1 and 1.0 are the same value.",
    ),
    GROUP.warned(
        "imprecise_bound",
        "manifests.md#4-two-spellings",
        Check::Manifest(values::imprecise_bound),
        "a bound is beyond 2^53",
        "Most readers of JSON hold numbers as doubles, and the canonical form that digests are taken of does so too: beyond 2^53 neighbouring numbers are the \
         same, and the bound is not the same for all. Stay within, or pass such numbers as texts.",
    ),
];
