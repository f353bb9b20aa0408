//! Where the requests of a step went beside where its actions may send any: the endpoints of API actions, and the hosts that the manifest
//! grants to code (`spec/sandbox.md`, section 4; `spec/transcripts.md`, 6.2).

use serde_json::{Value, json};

use super::array;
use super::findings::Findings;
use super::ledger::Effects;
use super::rules::Action;

/// Every request of a step went to a host that one of its actions may call; all of them are looked at. Back comes whether one did not.
pub(super) fn check(actions: &[&Action], effects: &Effects, found: &mut Findings<'_>) -> bool {
    let of = |kind: &'static str| {
        let actions = actions.iter().copied();
        actions.filter(move |action| action.kind() == kind)
    };
    let (calls, runs) = (of("invoke_api").count() > 0, of("run_code").count() > 0);
    // What a plugin may call stands in its descriptor, and of those who read, write or ask it is told elsewhere that they call nobody.
    if of("plugin").count() > 0 || !(calls || runs) {
        return false;
    }
    let granted: Vec<&str> = of("run_code")
        .flat_map(|action| array(&action.definition, "network"))
        .filter_map(Value::as_str)
        .collect();
    let endpoints: Vec<_> = of("invoke_api")
        .map(|action| action.endpoint.as_ref())
        .collect();
    let may_call = |host: &str| {
        granted.iter().any(|own| own.eq_ignore_ascii_case(host))
            // One that cannot be read may be any.
            || endpoints.iter().any(|own| own.is_none_or(|own| own.is_at(host)))
    };
    let (requirement, message) = match (calls, granted.is_empty()) {
        (true, true) => ("TRN-013", "is at a host that no action of its step calls"),
        (false, true) => (
            "SBX-024",
            "was called by code to which no network is granted",
        ),
        (_, false) => (
            "SBX-026",
            "is at a host that the manifest does not grant to the code",
        ),
    };
    let shown = endpoints.iter().flatten().map(|own| own.shown());
    let expected: Vec<&str> = granted.iter().copied().chain(shown).collect();
    let expected = match expected.as_slice() {
        [] => json!({"$absent": true}),
        may => json!({"$any_of": may}),
    };
    let mut is_elsewhere = false;
    for (index, host) in effects.hosts.iter().filter(|(_, host)| !may_call(host)) {
        let place = format!("/side_effects/{index}/target");
        let got = json!(format!("a request to {host}"));
        found.say(requirement, place, expected.clone(), Some(&got), message);
        is_elsewhere = true;
    }
    is_elsewhere
}
