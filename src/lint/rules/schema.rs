//! Rules of the group `schema`: what a valid schema says, and surely was not meant to say.

mod dialects;
mod keywords;
mod members;
mod patterns;
mod satisfiable;
#[cfg(test)]
mod tests;
mod types;
mod values;
pub(super) mod walk;

use crate::lint::rule::{Check, Found, Group, Preset, Rule, Severity};
use crate::lint::subject::Subject;

const ASSERTED: &str = "schemas.md#2-what-is-asserted";
const DIALECTS: &str = "schemas.md#1-dialects";
const REFERENCES: &str = "schemas.md#3-references";

/// A rule of `recommended` whose findings are errors: what it finds cannot work.
const fn broken(
    id: &'static str,
    clause: &'static str,
    run: fn(&Subject<'_>, &mut Found<'_>),
    summary: &'static str,
    why: &'static str,
) -> Rule {
    Rule {
        id,
        group: Group::Schema,
        severity: Severity::Error,
        preset: Preset::Recommended,
        clause,
        summary,
        why,
        check: Check::Manifest(run),
    }
}

/// A rule of `recommended` whose findings are warnings.
const fn suspect(
    id: &'static str,
    clause: &'static str,
    run: fn(&Subject<'_>, &mut Found<'_>),
    summary: &'static str,
    why: &'static str,
) -> Rule {
    Rule {
        severity: Severity::Warning,
        ..broken(id, clause, run, summary, why)
    }
}

/// A rule of `strict` whose findings are notes.
const fn could_be_better(
    id: &'static str,
    clause: &'static str,
    run: fn(&Subject<'_>, &mut Found<'_>),
    summary: &'static str,
    why: &'static str,
) -> Rule {
    Rule {
        severity: Severity::Note,
        preset: Preset::Strict,
        ..broken(id, clause, run, summary, why)
    }
}

/// The rules of this group.
pub(super) const RULES: &[Rule] = &[
    broken(
        "bounds_cross",
        ASSERTED,
        satisfiable::bounds_cross,
        "bounds leave no value between them",
        "A lower bound above the upper one, or more members demanded than allowed, admits nothing, so every call or every output is refused. \
         Often the two were exchanged.",
    ),
    broken(
        "enum_never_matches",
        ASSERTED,
        satisfiable::enum_never_matches,
        "no member of an `enum` has the type beside it",
        "A value must be a member and be of the type, and here none is both. Values are never converted: the text \"1\" is not the number 1.",
    ),
    broken(
        "const_never_matches",
        ASSERTED,
        satisfiable::const_never_matches,
        "a constant contradicts the type or the `enum` beside it",
        "The only value that `const` admits is refused by its neighbour, so nothing is ever valid. Correct one of the two.",
    ),
    broken(
        "required_but_forbidden",
        ASSERTED,
        satisfiable::required_but_forbidden,
        "a required member is forbidden by the same schema",
        "`additionalProperties: false` forbids what `properties` does not declare, so a required member that is missing there makes every object \
         invalid. It is often a slip in the name.",
    ),
    broken(
        "false_schema",
        "schemas.md#1-dialects",
        satisfiable::false_schema,
        "a schema admits nothing",
        "`false` admits no value, and so does a `not` around a schema that admits all. An action with such an input can never be called, and one \
         with such an output always fails after its effect has happened.",
    ),
    broken(
        "disjoint_types",
        ASSERTED,
        satisfiable::disjoint_types,
        "schemas that must hold together admit no type in common",
        "A value has one type, so it cannot satisfy two schemas of `allOf` with different types, nor branches that all contradict the type around \
         them. Use `anyOf` for a choice.",
    ),
    suspect(
        "dead_branch",
        ASSERTED,
        satisfiable::dead_branch,
        "a branch of a choice contradicts the type around it",
        "The branch is never taken: the type beside `anyOf` or `oneOf` holds for every branch. Widen the type if the branch was meant.",
    ),
    broken(
        "empty_enum",
        ASSERTED,
        satisfiable::empty_enum,
        "an `enum` has no members",
        "A list of allowed values that is empty allows none. It comes from generators whose source was empty; leave it out or fill it.",
    ),
    suspect(
        "repeated_branch",
        ASSERTED,
        satisfiable::repeated_branch,
        "two branches are the same schema",
        "In `oneOf` what satisfies both is refused, so neither branch ever works. In `allOf` and `anyOf` the second one says nothing.",
    ),
    suspect(
        "required_undeclared",
        ASSERTED,
        members::required_undeclared,
        "a required member is not declared",
        "The model must send a member of which it knows nothing but the name, and anything passes as its value. It is often a slip in one of the \
         two names.",
    ),
    suspect(
        "contradictory_access",
        ASSERTED,
        members::contradictory_access,
        "a member is demanded where it cannot be",
        "A read-only member comes from the service, so a call cannot be made to send it; a write-only one never comes back, so an output cannot be \
         made to hold it.",
    ),
    broken(
        "input_not_object",
        "PLN-001",
        members::input_not_object,
        "an input schema does not admit objects",
        "The arguments of a call are an object, whatever the schema says, so a schema of another type refuses every call. Put the one value under a \
         name.",
    ),
    could_be_better(
        "type_missing",
        ASSERTED,
        members::type_missing,
        "a schema bounds values of one type and does not name it",
        "`minLength` holds for texts only: a number, a list and null all pass. Name the type, so that the bound means what it seems to mean.",
    ),
    could_be_better(
        "default_not_filled_in",
        "SCH-008",
        members::default_not_filled_in,
        "an input has a default, which is never filled in",
        "A call carries the arguments of the plan and no others, so a service that relies on the default gets nothing. Tell the model in the \
         description what is assumed.",
    ),
    could_be_better(
        "output_admits_anything",
        ASSERTED,
        members::output_admits_anything,
        "an output schema admits every value",
        "Whatever the service sends goes into the observation and before the model, an error page included. Say which members are expected, with \
         their types.",
    ),
    suspect(
        "unknown_keyword",
        ASSERTED,
        keywords::unknown_keyword,
        "a keyword is none of JSON Schema",
        "Unknown keywords are ignored, so a misspelt bound bounds nothing and nobody is told. Correct the name, or begin it with `x-`.",
    ),
    suspect(
        "unknown_format",
        "SCH-006",
        keywords::unknown_format,
        "a format has a name that no draft knows",
        "An unknown format admits every value, so the check that was meant does not happen. Correct the name, or use a pattern.",
    ),
    could_be_better(
        "unasserted_format",
        "SCH-006",
        keywords::unasserted_format,
        "a format need not be asserted",
        "Every runtime asserts nine formats; others may be asserted or not, so the same value is valid here and refused there. Add a pattern or \
         bounds for what matters.",
    ),
    suspect(
        "keyword_without_effect",
        ASSERTED,
        keywords::keyword_without_effect,
        "a keyword does not look at values of the type beside it",
        "`minLength` on an integer asserts nothing: each keyword looks at values of its own type and lets all others pass. Use the keyword of the \
         type, or correct the type.",
    ),
    suspect(
        "keyword_without_partner",
        ASSERTED,
        keywords::keyword_without_partner,
        "a keyword asserts nothing without another one that is missing",
        "`then` without `if`, or `minContains` without `contains`, is ignored. Its partner was lost or misspelt.",
    ),
    suspect(
        "keyword_of_another_draft",
        "SCH-001",
        keywords::keyword_of_another_draft,
        "a keyword is not of the draft that the schema is read by",
        "Keywords of other drafts are ignored by a strict reader and obeyed by a lenient one, so runtimes disagree. A schema without `$schema` is \
         read by 2020-12.",
    ),
    could_be_better(
        "unanchored_pattern",
        ASSERTED,
        patterns::unanchored_pattern,
        "a pattern is not anchored",
        "A pattern matches anywhere within the text: `[0-9]{4}` admits \"x12345\". Begin it with `^` and end it with `$` if the whole text is meant.",
    ),
    suspect(
        "explosive_pattern",
        ASSERTED,
        patterns::explosive_pattern,
        "a pattern repeats what repeats itself",
        "`(a+)+` can divide a text in ever more ways, and an engine that tries them all stands still on a text that nearly matches; runtimes bound it and \
         then take the text as not matching. Let each repetition begin with something that the repeated part does not hold.",
    ),
    suspect(
        "pattern_not_ecma",
        ASSERTED,
        patterns::pattern_not_ecma,
        "a pattern is written for another engine",
        "Patterns are ECMA-262 expressions. `\\A`, `(?P<name>` and flags within the expression are of Python or Perl, and other readers refuse them or take \
         them for something else.",
    ),
    could_be_better(
        "unportable_pattern",
        ASSERTED,
        patterns::unportable_pattern,
        "a pattern needs an engine that looks around or back",
        "Engines of linear time have no look-around, no references back and often other Unicode tables. Two plain patterns under `allOf`, or one under `not`, \
         say the same everywhere.",
    ),
    suspect(
        "ref_siblings_ignored",
        REFERENCES,
        dialects::ref_siblings_ignored,
        "keywords beside a `$ref` are not read in this draft",
        "Up to draft 7 a `$ref` stands alone: bounds beside it are ignored, and the schema admits more than it seems to. Put the reference into `allOf`.",
    ),
    could_be_better(
        "missing_dialect",
        "SCH-001",
        dialects::missing_dialect,
        "a schema whose meaning depends on the draft does not name it",
        "Without `$schema` a runtime reads it by 2020-12, while editors and generators may take draft 7, where some keywords mean something else or \
         nothing. Name the draft.",
    ),
    Rule {
        severity: Severity::Note,
        ..suspect(
            "optional_dialect",
            "SCH-003",
            dialects::optional_dialect,
            "a schema is of a draft that a runtime need not know",
            "Every runtime knows draft 7 and 2020-12; the others it may refuse at registration. Write the schema for one of the two.",
        )
    },
    could_be_better(
        "definitions_keyword",
        DIALECTS,
        dialects::definitions_keyword,
        "definitions stand under their old name",
        "Since draft 2019-09 they stand under `$defs`. References to `#/definitions/…` still lead there, but a reader of the schema expects the name of \
         its draft.",
    ),
    Rule {
        severity: Severity::Note,
        ..suspect(
            "unused_definition",
            REFERENCES,
            dialects::unused_definition,
            "nothing refers to a definition",
            "It is shown to the model with the rest of the contract and means nothing. Often the reference to it was lost or misspelt.",
        )
    },
    suspect(
        "default_breaks_schema",
        "SCH-008",
        values::default_breaks_schema,
        "a default does not satisfy its own schema",
        "A model takes a default for a good value and sends it, and the call is refused. Correct the default or the schema.",
    ),
    suspect(
        "example_breaks_schema",
        ASSERTED,
        values::example_breaks_schema,
        "an example does not satisfy its schema",
        "Models follow examples more closely than rules, so a wrong example makes wrong calls. Correct the example or the schema.",
    ),
    suspect(
        "enum_member_breaks_schema",
        ASSERTED,
        values::enum_member_breaks_schema,
        "a member of an `enum` is refused by the rest of the schema",
        "The member is offered to the model and refused when it is chosen. `null` in the list also needs \"null\" in the type.",
    ),
    suspect(
        "duplicate_enum_member",
        ASSERTED,
        values::duplicate_enum_member,
        "an `enum` lists a value twice",
        "The second one means nothing and is often a slip for another value. 1 and 1.0 are the same value.",
    ),
    suspect(
        "imprecise_bound",
        "manifests.md#4-two-spellings",
        values::imprecise_bound,
        "a bound is beyond 2^53",
        "Most readers of JSON hold numbers as doubles, and the canonical form that digests are taken of does so too: beyond 2^53 neighbouring numbers are the \
         same, and the bound is not the same for all. Stay within, or pass such numbers as texts.",
    ),
];
