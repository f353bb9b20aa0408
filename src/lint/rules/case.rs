//! Rules of the group `case`: cases of the suite.

mod document;

use crate::lint::rule::{Check, Found, Group, Preset, Rule, Severity};
use crate::lint::subject::Subject;

const VERDICT: &str = "README.md#from-a-sentence-to-a-verdict";
const OBSERVED: &str = "harness.md#4-what-is-observed";
const PROFILES: &str = "README.md#profiles";

type Run = fn(&Subject<'_>, &mut Found<'_>);

/// It is refused when cases are read.
const fn refused(
    id: &'static str,
    clause: &'static str,
    run: Run,
    summary: &'static str,
    why: &'static str,
) -> Rule {
    Rule {
        id,
        group: Group::Case,
        severity: Severity::Error,
        preset: Preset::Spec,
        clause,
        summary,
        why,
        check: Check::Other(run),
    }
}

/// The rules of this group.
pub(super) const RULES: &[Rule] = &[
    refused(
        "case_shape",
        VERDICT,
        document::shape,
        "a case does not have the published shape",
        "A case file that does not satisfy its schema is refused, and with it the whole run. Members and their types are in \
         spec/schemas/case.json, which editors can check while you type.",
    ),
    refused(
        "unknown_case_member",
        VERDICT,
        document::unknown_members,
        "a case has a member that there is not",
        "A misspelt `expect` would be an expectation that nobody checks, so unknown members are refused. Correct the name; remarks belong into \
         `notes`.",
    ),
    refused(
        "unknown_requirement",
        VERDICT,
        document::requirements,
        "a case speaks for a requirement that there is not",
        "A verdict has to name the sentence that it is about. Ids are never renumbered, so this one was mistyped or never there. The tables in \
         spec/requirements/ have them all.",
    ),
    refused(
        "case_id_of_another",
        VERDICT,
        document::id,
        "the id of a case does not begin with its first requirement",
        "The first requirement is the main one, and the id says which that is, in reports and in the name of the file. Let both agree.",
    ),
    refused(
        "case_without_expectation",
        OBSERVED,
        document::expectations,
        "a case expects nothing",
        "Whatever the target does, the case passes, so it proves nothing. Expect something of an answer, of the services, the model, the \
         files or the transcript.",
    ),
    refused(
        "cites_without_expectation",
        OBSERVED,
        document::cites,
        "a step has `cites` or `setup`, and expects nothing",
        "Both say of an expectation for what it speaks. Without one they look like a check that is not there. Add `expect`, or drop them.",
    ),
    refused(
        "unknown_profile",
        PROFILES,
        document::profiles,
        "`needs` or `lacks` names a profile that there is not",
        "No target declares it, so the case would never apply, or always. Write one of the profiles; extensions of the draft belong into \
         `extensions`.",
    ),
    Rule {
        severity: Severity::Warning,
        preset: Preset::Recommended,
        ..refused(
            "case_never_applies",
            PROFILES,
            document::contradictions,
            "a case needs and lacks the same profile or extension",
            "No target can have it and not have it, so the case is never run, and counts as if it did not apply. Keep one of the two.",
        )
    },
    refused(
        "transcript_without_close",
        OBSERVED,
        document::transcripts,
        "a case expects a transcript, and no step closes the session",
        "The transcript comes with the answer to the close, and without one there is none to judge. Add a `close` step.",
    ),
    Rule {
        severity: Severity::Note,
        preset: Preset::Strict,
        ..refused(
            "case_without_kills",
            VERDICT,
            document::kills,
            "a case names no mutant that it kills",
            "A check that was never seen to fail may be unable to. Break the rule in a mutant on purpose, and name it, so that the self-test \
             proves the case anew on each change.",
        )
    },
];
