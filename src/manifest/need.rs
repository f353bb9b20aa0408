//! Which members of a manifest belong to a profile beyond `core`.

use serde::Serialize;
use serde_json::Value;

use super::check::Checked;
use super::report::Report;
use super::{Kind, Verification};
use crate::requirement::Profile;

/// A member that a runtime without its profile must refuse.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Need {
    /// The profile it belongs to.
    pub profile: Profile,
    /// Pointer into the document as given; for a type that is left out, to the action.
    pub pointer: String,
    /// The action type, or the member's name as the document spells it.
    pub member: String,
}

/// Where the code of a `run_code` action stands; pointers into the document as given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CodePlace {
    /// The action, by its place among the actions.
    pub action: usize,
    /// Pointer to its `runtime`.
    pub runtime: String,
    /// Pointer to its `code`.
    pub code: String,
}

/// The places of checked actions' code.
pub(super) fn codes(checked: &Checked, report: &Report) -> Vec<CodePlace> {
    let actions = checked.actions.iter().enumerate();
    let coded = actions.filter(|(_, action)| matches!(action.kind, Kind::RunCode(_)));
    let place = |(action, _)| {
        let at = |member: &str| report.original(&format!("/actions/{action}/{member}"));
        CodePlace {
            action,
            runtime: at("runtime"),
            code: at("code"),
        }
    };
    coded.map(place).collect()
}

/// The needs of checked actions, in the document's order.
pub(super) fn find(checked: &Checked, document: &Value, report: &Report) -> Vec<Need> {
    let mut needs = Vec::new();
    let mut need = |profile, pointer: String, member: &str| {
        needs.push(Need {
            profile,
            pointer: report.original(&pointer),
            member: report.spelled(member).to_owned(),
        });
    };
    for (index, action) in checked.actions.iter().enumerate() {
        let at = |member: &str| format!("/actions/{index}/{member}");
        match &action.kind {
            Kind::InvokeApi(_) => {}
            Kind::HumanIntervention { prompt, .. } => {
                need(Profile::Human, at("type"), action.kind.name());
                if prompt.contains("{{") {
                    need(Profile::Workflow, at("prompt"), "prompt");
                }
            }
            Kind::RunCode(code) => {
                need(Profile::Sandbox, at("type"), action.kind.name());
                if !code.network.is_empty() {
                    need(Profile::SandboxNetwork, at("network"), "network");
                }
            }
            Kind::ReadFile(_) | Kind::WriteFile(_) => {
                need(Profile::Storage, at("type"), action.kind.name());
            }
            Kind::Plugin(_) => need(Profile::Workflow, at("type"), action.kind.name()),
        }
        // Presence decides, not content: an empty `access_control` is one that must not be ignored.
        for (profile, member) in [
            (Profile::Access, "access_control"),
            (Profile::Workflow, "conditional"),
            (Profile::Workflow, "fallback_action"),
        ] {
            let declared = document.pointer(&format!("/actions/{index}/{member}"));
            if declared.is_some() {
                need(profile, at(member), member);
            }
        }
        // Without people in the loop nobody could ever approve.
        let control = action.access_control.as_ref();
        if control.is_some_and(|control| control.verification == Verification::Approval) {
            let place = at("access_control/verification");
            need(Profile::Human, place, "verification");
        }
    }
    for (index, intent) in checked.intents.iter().enumerate() {
        if intent.access_control.is_some() {
            let place = format!("/intents/{index}/access_control");
            need(Profile::Access, place, "access_control");
        }
    }
    needs
}
