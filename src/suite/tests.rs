//! Tests of the suite as a whole: the judge on hand-written observations, the runner against a small runtime made for it.

mod ending;
mod fake;
mod gating;
mod judging;
mod reports;
mod running;

use super::case::Case;
use super::load;
use super::wire::Wire;
use crate::requirement::Registry;

/// A registry of a handful of requirements, so that tests do not hang on the spec's numbering.
pub(crate) fn registry() -> Registry {
    let mut registry = Registry::default();
    let entry = |id: &str, level: &str, profile: &str| {
        format!(
            "[[requirement]]\nid=\"{id}\"\nlevel=\"{level}\"\nprofile=\"{profile}\"\nquote=\"q\"\njudged=\"live\"\n"
        )
    };
    let text = [
        entry("ACT-001", "MUST", "session"),
        entry("SEC-010", "MUST", "session"),
        entry("SEC-011", "MUST", "session"),
        entry("SEC-012", "MUST", "session"),
        entry("STP-001", "MUST", "session"),
        entry("STP-002", "SHOULD", "session"),
        entry("ERR-001", "MUST", "core"),
        entry("ERR-003", "MUST", "core"),
        entry("MOD-004", "MUST", "session"),
        entry("TRN-011", "MUST", "session"),
        entry("HUM-001", "MUST", "human"),
        entry("IDM-011", "SHOULD", "session"),
    ]
    .concat();
    registry.add_section("steps", &text, "q");
    assert!(registry.problems().is_empty(), "{:?}", registry.problems());
    registry
}

/// A wire that knows errors only.
pub(crate) fn wire() -> Wire {
    Wire::parse(
        "[[message]]\nmethod=\"*\"\npath=\"*\"\nstatus=\"4xx|5xx\"\ndirection=\"response\"\nschema=\"error\"\nrequirement=\"ERR-001\"\n",
        "[[code]]\nname=\"session_not_found\"\nstatus=404\nretryable=false\n",
    )
    .expect("parses")
}

pub(crate) fn case(text: &str) -> Case {
    let id = text
        .lines()
        .find_map(|line| line.strip_prefix("id: "))
        .expect("an id")
        .to_owned();
    let mut cases = load::read(&format!("{id}.yaml"), text, &registry()).expect("loads");
    cases.remove(0)
}

/// Nothing is called when the plan names an action that does not exist.
pub(crate) const REFUSAL: &str = r#"
id: ACT-001-undeclared-action
title: an action that the manifest does not have is not executed
requirements: [ACT-001]
needs: [session]
manifest: none
model:
  - emit: {action: drop_tables, args: {}}
  - on: {saw_error: undeclared_action}
    emit: {finished: true}
steps:
  - open: {}
  - step: {}
    expect: {status: 200, body: {result: null, status: completed}}
  - close: {}
expect:
  services: {calendar: {calls: 0}}
  model: {calls: 2, requests: {$has: {text: {$has: "[${token}]"}}}}
"#;

/// A valid plan reaches the service once, with its credential.
pub(crate) const CALL: &str = r#"
id: STP-001-one-call
title: a valid plan is executed once
requirements: [STP-001]
needs: [session]
manifest: none
services:
  calendar: {seed: {events: [{start: "2026-04-03T10:00:00-07:00", end: "2026-04-03T10:45:00-07:00"}]}}
model:
  - emit: {action: list_events, args: {}}
steps:
  - open: {}
    save: {mine: /session_id}
  - name: the step
    step: {session: "${mine}"}
    expect:
      status: 200
      headers: {content-type: {$has: json}}
      body: {steps_done: 1, completed: false, result: {success: true, output: {events: [{start: {$type: string}}]}}}
  - step: {session: nobody}
    expect: {status: 404, body: {errorCode: session_not_found}}
    cites: [ERR-001]
expect:
  services:
    calendar: {calls: 1, requests: [{method: GET, path: /v1/events, auth: ok, query: {}}], state: {events: {$not: []}}}
"#;

/// Violating it is a warning.
pub(crate) const WISH: &str = r#"
id: STP-002-created
title: a session is answered with 201
requirements: [STP-002]
needs: [session]
manifest: none
steps:
  - open: {}
    expect: {status: 201, body: {session_id: {$pattern: "^[A-Za-z0-9_-]{22,}$"}}}
"#;
