//! Why a reply was refused, beside what the reply says (`spec/plans.md`, sections 1 and 2; `spec/access.md`, 3.8), and what the next
//! prompt must say of it.

use serde_json::{Value, json};

use super::findings::Findings;
use super::head::Head;
use super::rules::Rules;
use super::turns::{Plan, is_plain};
use super::{array, text};

/// Codes with which a reply can be refused (`spec/plans.md`; `spec/access.md`, 3.8).
pub(super) const REFUSALS: [&str; 4] = [
    "invalid_plan",
    "undeclared_action",
    "input_validation_failed",
    "insufficient_scope",
];

/// Reasons of one refusal, and places within its arguments, that are looked for in the next prompt.
const MOST_OWED: usize = 8;

/// Keywords whose violations are at the very value that they are about, whoever checks.
const PLAIN: [&str; 14] = [
    "type",
    "enum",
    "const",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "minLength",
    "maxLength",
    "pattern",
    "format",
    "minItems",
    "maxItems",
];

/// What the checks of a plan come to.
#[derive(Debug, Default)]
pub(super) struct Reasons {
    /// The codes with which it can be refused; none: it cannot.
    pub codes: Vec<&'static str>,
    /// Places within the arguments that each validator names.
    pub places: Vec<String>,
}

/// What the prompt after a refusal must hold, with the requirement (`spec/plans.md`, 3.2).
pub(super) type Owed = Vec<(&'static str, String)>;

/// Looks at why a reply was refused; back comes what the next prompt of the step call must hold.
pub(super) fn check(
    turn: &Value,
    plan: Option<&Result<Plan, &'static str>>,
    head: &Head,
    rules: Option<&Rules>,
    pointer: &str,
    found: &mut Findings<'_>,
) -> Owed {
    let reasons = reasons(turn, plan, head, rules);
    let mut owed = Owed::new();
    for (at, refusal) in array(turn, "refused").enumerate() {
        let code = text(refusal, "errorCode");
        let place = format!("{pointer}/refused/{at}/errorCode");
        let got = refusal.get("errorCode");
        if !REFUSALS.contains(&code) {
            let message = "is no code with which a reply is refused";
            let expected = json!({"$any_of": REFUSALS});
            found.say("TRN-005", place, expected, got, message);
            continue;
        }
        if code != "invalid_plan" && turn.get("reply").is_none_or(Value::is_null) {
            let message = "is missing, though what it planned was refused";
            let place = format!("{pointer}/reply");
            let expected = json!({"$type": "string"});
            found.say("TRN-005", place, expected, turn.get("reply"), message);
        } else if let Some(reasons) = &reasons
            && !reasons.codes.contains(&code)
        {
            let (expected, message) = if reasons.codes.is_empty() {
                let message = "is no reason: the reply is a plan that nothing forbids";
                (json!({"$absent": true}), message)
            } else {
                let message = "is not the reason for which this reply is refused";
                (json!({"$any_of": reasons.codes}), message)
            };
            found.say("TRN-005", place, expected, got, message);
        }
        if owed.len() < MOST_OWED {
            owed.push(("PLN-018", code.to_owned()));
        }
        if code == "input_validation_failed" {
            let details = refusal.get("details").unwrap_or(&Value::Null);
            let named = array(details, "violations").map(|one| text(one, "pointer"));
            let known = reasons.iter().flat_map(|reasons| &reasons.places);
            let places = named.chain(known.map(String::as_str));
            // Others can be written in several ways.
            let plain = |place: &&str| !place.is_empty() && is_plain(&place.replace('/', ""));
            for place in places.filter(plain).take(MOST_OWED) {
                let place = ("PLN-019", place.to_owned());
                if !owed.contains(&place) {
                    owed.push(place);
                }
            }
        }
    }
    owed
}

/// The reasons that there can be; `None`: that cannot be told.
fn reasons(
    turn: &Value,
    plan: Option<&Result<Plan, &'static str>>,
    head: &Head,
    rules: Option<&Rules>,
) -> Option<Reasons> {
    let only = |code: &'static str| {
        Some(Reasons {
            codes: vec![code],
            places: Vec::new(),
        })
    };
    // Not every runtime strips a fence.
    let reply = text(turn, "reply").trim();
    let is_fenced = reply.starts_with("```");
    match plan {
        None | Some(Err(_)) => only("invalid_plan"),
        Some(Ok(_)) if is_fenced && array(turn, "refused").any(is_invalid) => only("invalid_plan"),
        Some(Ok(Plan::Finish)) => Some(Reasons::default()),
        Some(Ok(Plan::Action(plan))) => match rules {
            Some(rules) => Some(rules.reasons(plan, head)),
            // Which of the others it is only the manifest tells.
            None => Some(Reasons {
                codes: REFUSALS.into_iter().skip(1).collect(),
                places: Vec::new(),
            }),
        },
    }
}

fn is_invalid(refusal: &Value) -> bool {
    text(refusal, "errorCode") == "invalid_plan"
}

/// Whether a violation of a keyword is told at the same place by each validator.
pub(super) fn is_told_alike(keyword: &str) -> bool {
    PLAIN.contains(&keyword)
}
