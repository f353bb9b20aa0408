//! The bodies of `POST /execute` and `POST /plan` (`spec/workflows.md`, section 4).

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::node::Node;
use super::parts::WorkflowParts;
use super::reading::{self, Reading, scopes, text};
use super::schema;
use crate::diagnostic::Violation;
use crate::requirement::Profile;
use crate::runtime::error::{Code, ErrorObject};

/// The largest body of `POST /execute`, in bytes.
pub const LARGEST_BODY: usize = 4 * 1024 * 1024;

/// New plans of a call that says nothing about them.
const DEFAULT_REPLAN_MAX: u64 = 1;

/// A well-formed body of `POST /execute`.
#[derive(Debug, Clone)]
pub struct ExecuteRequest {
    /// The nodes, in order; at least one.
    pub nodes: Vec<Node>,
    /// Whether `open_action` is one node and not an array.
    pub single: bool,
    /// The state; `{}` when absent.
    pub state: Map<String, Value>,
    /// Who the workflow is for.
    pub user_id: String,
    /// The reference of the manifest.
    pub manifest: Option<String>,
    /// The intent that narrows it.
    pub intent: Option<String>,
    /// The scopes of the request's own `accessControl`, each once.
    pub required_scopes: Vec<String>,
    /// The starting time of sandbox clocks, as given.
    pub timestamp: Option<String>,
    /// The seed of sandboxed chance.
    pub seed: Option<u64>,
    /// The goal that allows new plans.
    pub goal: Option<String>,
    /// How many new plans may be asked for.
    pub replan_max: u32,
    /// How many entries of the history are kept.
    pub prune: Option<usize>,
    /// The decision about a question of an earlier call.
    pub approval: Option<Decision>,
    /// The body as it came.
    pub body: Value,
}

/// A person's decision about a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// The question's id.
    pub id: String,
    /// Whether the action may run.
    pub approve: bool,
}

/// A well-formed body of `POST /plan`.
#[derive(Debug, Clone)]
pub struct PlanRequest {
    /// What the plan is to reach.
    pub goal: String,
    /// Who the plan is for.
    pub user_id: String,
    /// The state; `{}` when absent.
    pub state: Map<String, Value>,
    /// The reference of the manifest.
    pub manifest: Option<String>,
    /// The intent that narrows it.
    pub intent: Option<String>,
    /// The body as it came.
    pub body: Value,
}

/// Reads the body of `POST /execute`: check 2 of section 6.
///
/// # Errors
/// The first of `unsupported_protocol_version`, `invalid_request` with every violation, `conditional_error` or
/// `template_error`, and `profile_not_supported`.
pub fn read_execute(
    parts: &dyn WorkflowParts,
    body: &Value,
    profiles: &[Profile],
) -> Result<ExecuteRequest, ErrorObject> {
    let canonical = schema::of_request(parts, body);
    reading::check_versions(parts, &canonical.value)?;
    refuse(
        &canonical.violations(parts, "execute-request"),
        "the body does not describe a call of a workflow",
    )?;
    let mut reading = Reading::new(parts, &canonical, body);
    let open_action = canonical.value.get("open_action").unwrap_or(&Value::Null);
    let nodes = reading.nodes(open_action, "/open_action");
    let access = body.get("accessControl");
    if access.is_some() {
        reading.need(Profile::Access, "/accessControl", "accessControl");
    }
    reading.finish(profiles)?;
    Ok(ExecuteRequest {
        nodes,
        single: !open_action.is_array(),
        state: object(body, "state"),
        user_id: text(body, "user_id").unwrap_or_default(),
        manifest: text(body, "manifest"),
        intent: text(body, "intent"),
        required_scopes: access.map(scopes).unwrap_or_default(),
        timestamp: text(body, "timestamp"),
        seed: number(body, "seed"),
        goal: text(body, "goal"),
        replan_max: number(body, "replan_max")
            .unwrap_or(DEFAULT_REPLAN_MAX)
            .try_into()
            .unwrap_or(u32::MAX),
        prune: number(body, "prune").map(|most| usize::try_from(most).unwrap_or(usize::MAX)),
        approval: parts.read_decision(body.get("approval"))?,
        body: body.clone(),
    })
}

/// When the clocks of sandboxed code start: the request's `timestamp`, or the whole millisecond at which it came.
pub fn sandbox_clock(timestamp: Option<&str>, now: Timestamp) -> Timestamp {
    // Its form was checked with the body's.
    let given = timestamp.and_then(|text| text.parse().ok());
    given.unwrap_or_else(|| Timestamp::from_millisecond(now.as_millisecond()).unwrap_or(now))
}

/// Reads the body of `POST /plan`.
///
/// # Errors
/// `unsupported_protocol_version`, or `invalid_request` with every violation.
pub fn read_plan_request(
    parts: &dyn WorkflowParts,
    body: &Value,
    profiles: &[Profile],
) -> Result<PlanRequest, ErrorObject> {
    // It has no member of a further profile.
    let _ = profiles;
    reading::check_versions(parts, body)?;
    refuse(
        &parts.check_shape("plan-request", body),
        "the body does not ask for a plan",
    )?;
    Ok(PlanRequest {
        goal: text(body, "goal").unwrap_or_default(),
        user_id: text(body, "user_id").unwrap_or_default(),
        state: object(body, "state"),
        manifest: text(body, "manifest"),
        intent: text(body, "intent"),
        body: body.clone(),
    })
}

/// Reads nodes that stand alone, such as a model's plan (4.2.4). How many there may be is the caller's business.
///
/// # Errors
/// As [`read_execute`]; pointers lead into the nodes.
pub fn read_nodes(
    parts: &dyn WorkflowParts,
    value: &Value,
    profiles: &[Profile],
) -> Result<Vec<Node>, ErrorObject> {
    let canonical = schema::of_nodes(parts, value);
    reading::check_versions(parts, &canonical.value)?;
    let wanted = if value.is_array() { "nodes" } else { "node" };
    refuse(
        &canonical.violations(parts, wanted),
        "these are not nodes of a workflow",
    )?;
    let mut reading = Reading::new(parts, &canonical, value);
    let nodes = reading.nodes(&canonical.value, "");
    reading.finish(profiles)?;
    Ok(nodes)
}

/// The decision of a resumed call; none when it is no resumed one (12.2, 12.2.8).
///
/// # Errors
/// `invalid_request` for another decision than the two.
pub fn read_decision(approval: Option<&Value>) -> Result<Option<Decision>, ErrorObject> {
    let Some(approval) = approval else {
        return Ok(None);
    };
    let approve = match approval.get("decision").and_then(Value::as_str) {
        Some("approve") => true,
        Some("reject") => false,
        _ => {
            let message = "write \"approve\" or \"reject\"";
            let violation = Violation::new("/approval/decision", "enum", message);
            return Err(
                ErrorObject::new(Code::InvalidRequest, message).with_violations(&[violation])
            );
        }
    };
    Ok(Some(Decision {
        id: text(approval, "id").unwrap_or_default(),
        approve,
    }))
}

fn refuse(violations: &[Violation], message: &str) -> Result<(), ErrorObject> {
    if violations.is_empty() {
        return Ok(());
    }
    Err(ErrorObject::new(Code::InvalidRequest, message).with_violations(violations))
}

fn object(members: &Value, name: &str) -> Map<String, Value> {
    let found = members.get(name).and_then(Value::as_object);
    found.cloned().unwrap_or_default()
}

/// A member that is a whole number; as in JSON Schema 3.0 is one.
fn number(members: &Value, name: &str) -> Option<u64> {
    let value = members.get(name)?;
    value.as_u64().or_else(|| {
        let number = value.as_f64()?;
        let whole = number.fract() == 0.0 && (0.0..=u64::MAX as f64).contains(&number);
        whole.then_some(number as u64)
    })
}
