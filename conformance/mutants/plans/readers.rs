//! Readers that take more for a plan than is one, or less (`spec/plans.md`, section 1).

use serde_json::{Map, Value, json};

use crate::json::{self, Duplicates, Limits};
use crate::manifest::InvokeApi;
use crate::mutants::Mutant;
use crate::runtime::Parts;
use crate::runtime::error::ErrorObject;
use crate::runtime::plan::{self, Plan};
use crate::runtime::request::Rendered;

/// A mutant that reads replies in its own way.
pub(super) fn reader(
    name: &'static str,
    requirement: &'static str,
    behaviour: &'static str,
    read: fn(&str) -> Result<Plan, ErrorObject>,
) -> Mutant {
    struct Reader(fn(&str) -> Result<Plan, ErrorObject>);
    impl Parts for Reader {
        fn read_plan(&self, text: &str) -> Result<Plan, ErrorObject> {
            (self.0)(text)
        }
    }
    Mutant::part(name, requirement, behaviour, Reader(read))
}

/// The reference's reading, and where it refuses, that of what `mend` makes of the text.
fn mended(text: &str, mend: impl FnOnce(&str) -> String) -> Result<Plan, ErrorObject> {
    plan::read_plan(text).or_else(|error| plan::read_plan(&mend(text)).map_err(|_| error))
}

/// The reference's reading, and where it refuses, that of what `mend` makes of the value.
fn reshaped(text: &str, mend: impl FnOnce(Value) -> Value) -> Result<Plan, ErrorObject> {
    plan::read_plan(text).or_else(|error| match parsed(text) {
        Some(value) => plan::plan_of(mend(value)).map_err(|_| error),
        None => Err(error),
    })
}

fn parsed(text: &str) -> Option<Value> {
    json::read(text.as_bytes(), &Limits::DOCUMENT, Duplicates::Refuse).ok()
}

fn finish() -> Value {
    json!({"finished": true})
}

pub(super) fn mutants() -> Vec<Mutant> {
    vec![
        reader(
            "forgets-arguments",
            "PLN-001",
            "Takes the action of a plan and none of its arguments but the first.",
            |text| {
                let mut plan = plan::read_plan(text)?;
                if let plan::Wish::Act { args, .. } = &mut plan.wish {
                    let others: Vec<String> = args.keys().skip(1).cloned().collect();
                    for name in others {
                        args.shift_remove(&name);
                    }
                }
                Ok(plan)
            },
        ),
        reader(
            "knows-no-finish",
            "PLN-001",
            "Takes every reply for a plan of action, and a finish for an invalid one.",
            |text| match plan::read_plan(text) {
                Ok(plan) if plan.wish == plan::Wish::Finish => plan::plan_of(json!([])),
                read => read,
            },
        ),
        reader(
            "guesses-at-near-plans",
            "PLN-001",
            "Reads other dialects of tool calls as plans.",
            |text| {
                reshaped(text, |value| {
                    let member =
                        |names: [&str; 3]| names.iter().find_map(|name| value.get(*name)).cloned();
                    match member(["plan", "call", "step"]) {
                        Some(inner) => inner,
                        None => json!({
                            "action": member(["Action", "tool", "name"]),
                            "args": member(["Args", "arguments", "input"]),
                        }),
                    }
                })
            },
        ),
        Mutant::part(
            "digs-plans-out-of-prose",
            "PLN-002",
            "Cuts away whatever stands before the first and after the last brace.",
            Digs,
        ),
        reader(
            "takes-the-first-of-two-plans",
            "PLN-002",
            "Reads one JSON value and does not look at what follows.",
            |text| {
                mended(text, |text| {
                    let mut values = serde_json::Deserializer::from_str(text).into_iter::<Value>();
                    values
                        .next()
                        .and_then(Result::ok)
                        .unwrap_or_default()
                        .to_string()
                })
            },
        ),
        reader(
            "reads-almost-json",
            "PLN-002",
            "Drops comments and trailing commas, and takes single quotes and NaN.",
            |text| {
                mended(text, |text| {
                    text.replace("/* said twice */", "")
                        .replace(",}", "}")
                        .replace('\'', "\"")
                        .replace("NaN", "0")
                })
            },
        ),
        reader(
            "completes-cut-off-plans",
            "PLN-002",
            "Adds the braces that a reply lacks at its end.",
            |text| {
                mended(text, |text| format!("{text}}}"))
                    .or_else(|error| plan::read_plan(&format!("{text}}}}}")).map_err(|_| error))
            },
        ),
        reader(
            "takes-the-first-of-an-array",
            "PLN-004",
            "Takes the first element of an array for the plan.",
            |text| reshaped(text, |value| value.get(0).cloned().unwrap_or(value)),
        ),
        reader(
            "takes-scalars-for-a-finish",
            "PLN-004",
            "Takes a reply that is no object for the word that all is done.",
            |text| {
                reshaped(
                    text,
                    |value| if value.is_object() { value } else { finish() },
                )
            },
        ),
        reader(
            "takes-silence-for-a-finish",
            "PLN-004",
            "Takes a reply without text for the word that all is done.",
            |text| {
                mended(text, |text| {
                    if text.trim().is_empty() {
                        finish().to_string()
                    } else {
                        String::new()
                    }
                })
            },
        ),
        reader(
            "last-member-of-a-plan-wins",
            "PLN-005",
            "Reads a member that stands twice in a plan as its last one.",
            |text| {
                let read = json::read(text.as_bytes(), &Limits::DOCUMENT, Duplicates::KeepLast);
                plan::read_plan(text)
                    .or_else(|error| plan::plan_of(read.unwrap_or_default()).map_err(|_| error))
            },
        ),
        reader(
            "makes-up-arguments",
            "PLN-006",
            "Takes arguments that are absent, null or a list for none, and parses those in a string.",
            |text| {
                reshaped(text, |mut value| {
                    let args = match value.get("args") {
                        Some(Value::String(args)) => parsed(args).unwrap_or_default(),
                        _ => Value::Object(Map::new()),
                    };
                    if value.get("action").is_some_and(Value::is_string) {
                        value["args"] = args;
                    }
                    value
                })
            },
        ),
        reader(
            "unwraps-actions",
            "PLN-006",
            "Looks for the name of an action within a list or an object.",
            |text| {
                reshaped(text, |mut value| {
                    let name = match value.get("action") {
                        Some(Value::Array(names)) => names.first().cloned(),
                        Some(Value::Object(named)) => named.get("name").cloned(),
                        other => other.cloned(),
                    };
                    if let Some(name) = name {
                        value["action"] = name;
                    }
                    value
                })
            },
        ),
        reader(
            "acts-before-it-finishes",
            "PLN-007",
            "Carries out the action of a plan that says it is finished as well.",
            |text| {
                reshaped(text, |mut value| {
                    if let Some(members) = value.as_object_mut() {
                        members.shift_remove("finished");
                    }
                    value
                })
            },
        ),
        reader(
            "any-finished-finishes",
            "PLN-007",
            "Looks for the member `finished` and not at its value.",
            |text| {
                reshaped(text, |value| match value.get("finished") {
                    Some(_) if value.get("action").is_none() => finish(),
                    _ => value,
                })
            },
        ),
        reader(
            "reads-any-nesting",
            "PLN-008",
            "Reads replies nested beyond 64 levels.",
            |text| {
                let limits = Limits {
                    bytes: usize::MAX,
                    depth: 100,
                };
                let read = json::read(text.as_bytes(), &limits, Duplicates::Refuse);
                plan::read_plan(text)
                    .or_else(|error| plan::plan_of(read.unwrap_or_default()).map_err(|_| error))
            },
        ),
        Mutant::part(
            "reads-endless-replies",
            "PLN-008",
            "Reads replies of any length.",
            Endless,
        ),
        reader(
            "mixes-members-into-arguments",
            "PLN-009",
            "Takes the members beside `args` for arguments as well.",
            |text| {
                let mut plan = plan::read_plan(text)?;
                if let (plan::Wish::Act { args, .. }, Some(members)) =
                    (&mut plan.wish, plan.raw.as_object())
                {
                    for (name, member) in members {
                        if name != "action" && name != "args" && !args.contains_key(name) {
                            args.insert(name.clone(), member.clone());
                        }
                    }
                }
                Ok(plan)
            },
        ),
        Mutant::part(
            "sends-headers-of-the-plan",
            "PLN-009",
            "Sends the headers that a plan brings along with those of the manifest.",
            Obliging,
        ),
        reader(
            "runs-the-action-beside",
            "PLN-009",
            "Carries out an action that a plan hides in another member.",
            |text| {
                let plan = plan::read_plan(text)?;
                match plan.raw.get("then") {
                    Some(hidden) => plan::plan_of(hidden.clone()),
                    None => Ok(plan),
                }
            },
        ),
    ]
}

struct Digs;

impl Parts for Digs {
    fn strip_fence<'r>(&self, reply: &'r str) -> &'r str {
        match (reply.find('{'), reply.rfind('}')) {
            (Some(first), Some(last)) if first < last => &reply[first..=last],
            _ => reply,
        }
    }
}

struct Endless;

impl Parts for Endless {
    fn longest_reply(&self) -> usize {
        usize::MAX
    }
}

/// The argument under which a plan's headers travel to the request.
const CARRIED: &str = "\0headers";

struct Obliging;

impl Parts for Obliging {
    fn read_plan(&self, text: &str) -> Result<Plan, ErrorObject> {
        let mut plan = plan::read_plan(text)?;
        if let (plan::Wish::Act { args, .. }, Some(headers)) =
            (&mut plan.wish, plan.raw.get("headers"))
        {
            args.insert(CARRIED.to_owned(), headers.clone());
        }
        Ok(plan)
    }

    fn finish_request(&self, mut request: Rendered, _: &InvokeApi) -> Rendered {
        let mut body = request.body.as_deref().and_then(parsed).unwrap_or_default();
        let carried = body
            .as_object_mut()
            .and_then(|args| args.shift_remove(CARRIED));
        if let Some(Value::Object(headers)) = carried {
            let texts = headers
                .iter()
                .filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())));
            // A second Authorization would only be refused on the wire.
            request
                .headers
                .extend(texts.filter(|(name, _)| name != "Authorization"));
            request.body = Some(body.to_string());
        }
        request
    }
}
