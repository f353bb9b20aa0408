//! Which properties there are, and the requirements that each speaks for.

use super::Property;
use crate::requirement::Registry;

/// A property as a line of the list.
const fn property(
    id: &'static str,
    title: &'static str,
    requirements: &'static [&'static str],
) -> Property {
    Property {
        id,
        title,
        requirements,
    }
}

/// Every property. A requirement stands in one of them at most; the last speaks for all others.
pub(super) static ALL: [Property; 41] = [
    property(
        "nothing-invalid-is-executed",
        "only a plan that passes every check is executed, whatever the model or a person wrote",
        &[
            "PLN-014", "PLN-001", "PLN-002", "PLN-003", "PLN-004", "PLN-005", "PLN-006", "PLN-007",
            "PLN-008", "PLN-009", "PLN-010", "PLN-011", "PLN-012", "PLN-013", "PLN-016", "MOD-015",
            "HUM-003", "HUM-012", "SES-009", "WFL-116",
        ],
    ),
    property(
        "refused-plans-have-no-effect",
        "a call of a service belongs to an accepted plan, and a refused reply leaves no trace",
        &["PLN-015", "PLN-020", "STP-003"],
    ),
    property(
        "the-model-is-asked-again",
        "after a refused reply the model is asked again, with the reply and its errors, three times in each step call",
        &["PLN-017", "PLN-018", "PLN-019", "PLN-022"],
    ),
    property(
        "three-refusals-end-the-call",
        "after a third refused reply the session waits for a person or has failed",
        &["PLN-021", "HUM-011"],
    ),
    property(
        "prompts-show-the-present",
        "each prompt holds the contract, the goal and the present observation, and nothing else of the past",
        &[
            "MOD-005", "MOD-001", "MOD-002", "MOD-003", "MOD-004", "MOD-006", "ACC-022",
        ],
    ),
    property(
        "models-are-asked-as-declared",
        "the model is asked in its format, with its own key, and bounded",
        &[
            "MOD-007", "MOD-008", "MOD-009", "MOD-010", "MOD-011", "MOD-013", "MOD-014", "MOD-016",
            "MOD-017",
        ],
    ),
    property(
        "a-failing-model-changes-nothing",
        "a step call whose model fails is 503 and leaves the session as it was",
        &["STP-017", "MOD-012"],
    ),
    property(
        "requests-are-as-declared",
        "what is sent to a service is what the manifest and the arguments say",
        &[
            "ACT-003", "ACT-005", "ACT-006", "ACT-007", "ACT-008", "ACT-009", "ACT-010", "SEC-001",
            "SEC-002", "IDM-011",
        ],
    ),
    property(
        "an-execution-is-one-request",
        "no request is sent a second time for one execution, and redirects are followed as declared",
        &["ACT-004", "ACT-019", "ACT-020", "ACT-021"],
    ),
    property(
        "results-follow-replies",
        "the result of an action is what its service's reply gives, success or failure",
        &[
            "ACT-011", "ACT-001", "ACT-002", "ACT-012", "ACT-013", "ACT-014", "ACT-015", "ACT-016",
            "ACT-017", "ACT-018", "SEC-003", "SEC-004", "SEC-005", "SEC-006",
        ],
    ),
    property(
        "invalid-outputs-are-never-merged",
        "an output that breaks its schema fails the action and reaches nothing",
        &["ACT-022", "ACT-023", "WFL-044"],
    ),
    property(
        "observations-are-folds",
        "the observation is the first one with every result laid over it in order",
        &[
            "OBS-009", "OBS-002", "OBS-003", "OBS-005", "OBS-006", "OBS-007", "OBS-008", "OBS-010",
            "OBS-011", "OBS-012", "OBS-013", "OBS-014", "OBS-015",
        ],
    ),
    property(
        "time-goes-on",
        "times are those at which things happened, and never go back",
        &["OBS-004"],
    ),
    property(
        "statuses-follow-the-table",
        "the status of a session changes only as the table of transitions says",
        &[
            "SES-015", "STP-001", "STP-002", "STP-007", "STP-008", "STP-009", "STP-010", "PLN-024",
            "SES-016",
        ],
    ),
    property(
        "steps-are-counted-once",
        "each attempted action counts as one step, and nothing else does",
        &["STP-004", "STP-005", "STP-006"],
    ),
    property(
        "limits-hold",
        "no session takes more steps than it may, and the end is told once",
        &["STP-011", "STP-012", "STP-013", "STP-014", "SES-007"],
    ),
    property(
        "steps-do-not-overlap",
        "simultaneous calls on one session end as if made one after another",
        &["STP-015", "STP-016", "SES-019", "HUM-010", "IDM-009"],
    ),
    property(
        "creations-are-as-asked",
        "a well-formed creation opens a session with the manifest, the goal and the limit that it names",
        &[
            "SES-001", "SES-002", "SES-003", "SES-004", "SES-008", "SES-010",
        ],
    ),
    property(
        "equal-runs-are-equal",
        "sessions do not touch each other, and two equal runs give equal answers",
        &["SES-011"],
    ),
    property(
        "reads-agree",
        "a session reads as it was told to be, and reading changes nothing",
        &["SES-012"],
    ),
    property(
        "unknown-sessions-are-not-found",
        "every call on an unknown session is 404 session_not_found",
        &["SES-013"],
    ),
    property(
        "closed-sessions-stay-closed",
        "every session can be closed once, and a closed one takes no step and no answer",
        &["SES-021", "SES-018", "SES-020", "SES-022"],
    ),
    property(
        "nothing-accepted-is-lost",
        "what was told is in the transcript: each turn, step, question and effect",
        &[
            "TRN-009", "TRN-001", "TRN-002", "TRN-003", "TRN-004", "TRN-005", "TRN-010", "HUM-016",
        ],
    ),
    property(
        "transcripts-replay",
        "the steps of a transcript laid over its first observation give the last one",
        &["TRN-011"],
    ),
    property(
        "transcripts-are-exact",
        "messages, contracts, tokens and effects of a transcript are those that were seen",
        &["TRN-007", "TRN-006", "TRN-008", "TRN-012", "TRN-013"],
    ),
    property(
        "questions-are-asked-and-taken",
        "a question is shown as declared, and takes one fitting answer",
        &[
            "HUM-001", "HUM-002", "HUM-004", "HUM-005", "HUM-006", "HUM-007", "HUM-008", "HUM-009",
            "HUM-017",
        ],
    ),
    property(
        "people-can-help-a-plan",
        "a person's plan, retry or refusal takes the place of three refused replies",
        &["HUM-013", "HUM-014", "HUM-015"],
    ),
    property(
        "approvals-are-not-bypassed",
        "an action that wants an approval runs after one and never without",
        &[
            "ACC-036", "ACC-035", "ACC-037", "ACC-038", "ACC-039", "WFL-086", "WFL-094",
        ],
    ),
    property(
        "rights-are-checked",
        "nobody uses an action, a session or a registration that the token gives no right to",
        &[
            "ACC-021", "ACC-001", "ACC-009", "ACC-010", "ACC-011", "ACC-012", "ACC-014", "ACC-015",
            "ACC-016", "ACC-017", "ACC-018", "ACC-019", "ACC-020", "ACC-023", "ACC-024", "ACC-025",
        ],
    ),
    property(
        "rates-hold",
        "no more calls than a rate allows, and the refusal says when to come again",
        &[
            "ACC-027", "ACC-028", "ACC-029", "ACC-030", "ACC-031", "ACC-032", "ACC-034",
        ],
    ),
    property(
        "fallbacks-are-as-declared",
        "a fallback runs once, after the failures that have one, and both attempts are told",
        &[
            "WFL-114", "WFL-063", "WFL-070", "WFL-071", "WFL-072", "WFL-073", "WFL-074", "WFL-075",
            "WFL-076", "WFL-077", "WFL-078",
        ],
    ),
    property(
        "skips-are-skips",
        "what a false conditional skips has no effect, and nothing else is skipped",
        &["WFL-112", "WFL-045", "WFL-046", "WFL-113"],
    ),
    property(
        "workflows-fold-their-results",
        "nodes run in order until one fails, and the state is the fold of their results",
        &[
            "WFL-057", "WFL-010", "WFL-017", "WFL-018", "WFL-019", "WFL-020", "WFL-021", "WFL-022",
            "WFL-039", "WFL-041", "WFL-053", "WFL-054", "WFL-055", "WFL-056", "WFL-058", "WFL-059",
            "WFL-060", "WFL-062", "WFL-066", "WFL-067", "WFL-068", "WFL-069", "WFL-084",
        ],
    ),
    property(
        "retries-never-act-twice",
        "a request with a key that was used gets the answer that it got before",
        &["IDM-005", "IDM-001", "IDM-002", "IDM-007", "IDM-008"],
    ),
    property(
        "keys-belong-to-one-request",
        "a key of another body, or two keys at once, are refused, and a key counts on one path only",
        &["IDM-006", "IDM-003", "IDM-004"],
    ),
    property(
        "errors-are-error-objects",
        "every error is an error object with a known code, its status and its retryable",
        &["ERR-001", "ERR-002", "ERR-003", "ERR-004", "ERR-005"],
    ),
    property(
        "hostile-bodies-are-refused",
        "a body that is not what a call takes is refused by name and has no effect",
        &[
            "ERR-012", "ERR-006", "ERR-007", "ERR-008", "ERR-009", "ERR-010", "ERR-011", "ERR-013",
            "ERR-015", "ERR-016", "ERR-017", "SES-005", "SES-006", "OBS-001", "CAP-008", "CAP-009",
        ],
    ),
    property(
        "nothing-makes-it-fall",
        "whatever is sent, the runtime answers, and never with a fault of its own",
        &["ERR-014"],
    ),
    property(
        "secrets-stay-out-of-answers",
        "no known secret is in an answer, a transcript or a signal, in no encoding, and nothing else is redacted",
        &[
            "SEC-010", "SEC-008", "SEC-009", "SEC-013", "SEC-014", "OBV-022", "STO-004", "ACC-008",
            "WFL-061",
        ],
    ),
    property(
        "secrets-stay-out-of-requests",
        "no known secret is in a prompt, or in a request to a service other than where it is declared",
        &["SEC-012", "SEC-011"],
    ),
    property(
        "messages-fit-their-schemas",
        "every other message is as its schema and its requirement say",
        &[],
    ),
];

/// The property that speaks for a requirement.
pub(super) fn of(requirement: &str) -> &'static Property {
    ALL.iter()
        .find(|property| property.requirements.contains(&requirement))
        .unwrap_or(&ALL[ALL.len() - 1])
}

/// A requirement of the protocol by its id.
pub(super) fn name(requirement: &str) -> Option<&'static str> {
    Registry::embedded()
        .get(requirement)
        .map(|known| known.id.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn each_property_has_a_name_and_known_requirements_of_its_own() {
        let mut ids = BTreeSet::new();
        let mut requirements = BTreeSet::new();
        for property in &ALL {
            assert!(ids.insert(property.id), "{} stands twice", property.id);
            for requirement in property.requirements {
                assert!(name(requirement).is_some(), "{requirement} is unknown");
                assert!(
                    requirements.insert(requirement),
                    "{requirement} stands twice"
                );
            }
        }
        assert!(ALL.len() >= 20);
    }

    #[test]
    fn every_requirement_belongs_to_one() {
        assert_eq!(of("PLN-014").id, "nothing-invalid-is-executed");
        assert_eq!(of("SBX-001").id, "messages-fit-their-schemas");
    }
}
