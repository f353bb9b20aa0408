//! Rules of the group `case`: cases of the suite.

mod document;

use crate::lint::rule::{Check, Group, Preset, Rule, Severity};

const VERDICT: &str = "README.md#from-a-sentence-to-a-verdict";
const OBSERVED: &str = "harness.md#4-what-is-observed";
const PROFILES: &str = "README.md#profiles";

const GROUP: Group = Group::Case;

/// The rules of this group.
pub(super) const RULES: &[Rule] = &[
    GROUP.refused(
        "case_shape",
        VERDICT,
        Check::Other(document::shape),
        "a case does not have the published shape",
        "A case file that does not satisfy its schema is refused, and with it the whole run. Members and their types are in \
         spec/schemas/case.json, which editors can check while you type.",
    ),
    GROUP.refused(
        "case_not_loadable",
        VERDICT,
        Check::Told,
        "the suite does not take a case",
        "A matcher that does not compile, a name that no step has bound, a manifest or a mutant that there is not, or a file that is \
         called otherwise than its case: a schema cannot see these, and the suite refuses the whole run, or proves nothing.",
    ),
    GROUP.refused(
        "unknown_case_member",
        VERDICT,
        Check::Other(document::unknown_members),
        "a case has a member that there is not",
        "A misspelt `expect` would be an expectation that nobody checks, so unknown members are refused. Correct the name; remarks belong into \
         `notes`.",
    ),
    GROUP.refused(
        "unknown_requirement",
        VERDICT,
        Check::Other(document::requirements),
        "a case speaks for a requirement that there is not",
        "A verdict has to name the sentence that it is about. Ids are never renumbered, so this one was mistyped or never there. The tables in \
         spec/requirements/ have them all.",
    ),
    GROUP.refused(
        "case_id_of_another",
        VERDICT,
        Check::Other(document::id),
        "the id of a case does not begin with its first requirement",
        "The first requirement is the main one, and the id says which that is, in reports and in the name of the file. Let both agree.",
    ),
    GROUP.refused(
        "case_without_expectation",
        OBSERVED,
        Check::Other(document::expectations),
        "a case expects nothing",
        "Whatever the target does, the case passes, so it proves nothing. Expect something of an answer, of the services, the model, the \
         files or the transcript.",
    ),
    GROUP.refused(
        "cites_without_expectation",
        OBSERVED,
        Check::Other(document::cites),
        "a step has `cites` or `setup`, and expects nothing",
        "Both say of an expectation for what it speaks. Without one they look like a check that is not there. Add `expect`, or drop them.",
    ),
    GROUP.refused(
        "unknown_profile",
        PROFILES,
        Check::Other(document::profiles),
        "`needs` or `lacks` names a profile that there is not",
        "No target declares it, so the case would never apply, or always. Write one of the profiles; extensions of the draft belong into \
         `extensions`.",
    ),
    Rule {
        severity: Severity::Warning,
        preset: Preset::Recommended,
        ..GROUP.refused(
            "case_never_applies",
            PROFILES,
            Check::Other(document::contradictions),
            "a case needs and lacks the same profile or extension",
            "No target can have it and not have it, so the case is never run, and counts as if it did not apply. Keep one of the two.",
        )
    },
    GROUP.refused(
        "transcript_without_close",
        OBSERVED,
        Check::Other(document::transcripts),
        "a case expects a transcript, and no step closes the session",
        "The transcript comes with the answer to the close, and without one there is none to judge. Add a `close` step.",
    ),
    Rule {
        severity: Severity::Note,
        preset: Preset::Strict,
        ..GROUP.refused(
            "case_without_kills",
            VERDICT,
            Check::Other(document::kills),
            "a case names no mutant that it kills",
            "A check that was never seen to fail may be unable to. Break the rule in a mutant on purpose, and name it, so that the self-test \
             proves the case anew on each change.",
        )
    },
];
