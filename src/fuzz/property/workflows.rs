//! Calls of `POST /execute`, each by its own answer: what follows from the nodes, the results and the state that was sent, whatever the
//! nodes do (`spec/workflows.md`, sections 4, 7, 8 and 10). What holds of every answer is checked by the suite already.

use serde_json::{Map, Value, json};

use super::Ground;
use crate::fuzz::oracle::Surprise;
use crate::fuzz::vectors::{self, Comes};
use crate::requirement::Profile;
use crate::suite::matcher::{absent, same};

/// Codes of failures after which a fallback runs; those of the sandbox begin with `sandbox_`.
const FALLS_BACK: [&str; 6] = [
    "upstream_unreachable",
    "upstream_timeout",
    "upstream_status",
    "redirect_refused",
    "plugin_error",
    "storage_unavailable",
];

/// What is wrong with the answers to workflows.
pub(super) fn check(ground: &Ground<'_>) -> Vec<Surprise> {
    if !ground.capabilities.profiles.contains(&Profile::Workflow) {
        return Vec::new();
    }
    let mut found = Vec::new();
    let mut refused_only = true;
    let mut has_goal = false;
    for (index, (step, taken)) in ground
        .case
        .steps
        .iter()
        .zip(&ground.observed.steps)
        .enumerate()
    {
        let place = step.place(index);
        for exchange in &taken.exchanges {
            let path = exchange.request.path.split('?').next().unwrap_or_default();
            let sent: Value = serde_json::from_slice(&exchange.request.body).unwrap_or_default();
            has_goal |= sent.get("goal").is_some_and(|goal| !goal.is_null());
            let status = exchange.answer().map(|answer| answer.status);
            match path {
                "/execute" if exchange.request.method == "POST" => {
                    refused_only &= status.is_some_and(|status| {
                        (400..500).contains(&status) && status != 429 && status != 413
                    });
                }
                _ if path.starts_with("/sessions") || path == "/plan" => {
                    refused_only &= status.is_some_and(|status| status >= 400)
                }
                _ => {}
            }
            if path != "/execute" {
                continue;
            }
            let got = exchange
                .answer()
                .and_then(|answer| answer.json())
                .unwrap_or_default();
            let mut say = Saying {
                place: &place,
                step: (taken.exchanges.len() == 1).then_some(index),
                found: &mut found,
            };
            decided(ground, &sent, status, &got, &mut say);
            if status != Some(200) {
                continue;
            }
            answered(ground, &sent, &got, &mut say);
        }
    }
    let executes = ground
        .observed
        .steps
        .iter()
        .flat_map(|step| &step.exchanges);
    let any = executes
        .into_iter()
        .any(|exchange| exchange.request.path.starts_with("/execute"));
    let complete = ground.observed.stop.is_none();
    if any && complete && refused_only {
        let mut say = Saying {
            place: "services",
            step: None,
            found: &mut found,
        };
        if let Some(call) = ground.observed.calls.first() {
            let requirement = if call.service.name() == "model" && !has_goal {
                "WFL-084"
            } else {
                "WFL-039"
            };
            say.that(
                requirement,
                "",
                absent(),
                Value::from(format!("{} {}", call.method, call.path)),
                "was called although every workflow was refused",
            );
        }
    }
    found
}

struct Saying<'s> {
    place: &'s str,
    step: Option<usize>,
    found: &'s mut Vec<Surprise>,
}

impl Saying<'_> {
    fn that(
        &mut self,
        requirement: &str,
        pointer: &str,
        expected: Value,
        got: Value,
        message: &str,
    ) {
        self.found.push(Surprise {
            requirement: requirement.to_owned(),
            step: self.step,
            place: self.place.to_owned(),
            pointer: pointer.to_owned(),
            expected,
            got,
            message: message.to_owned(),
            expect: None,
        });
    }
}

/// What came of a single node with a conditional of which it is known what it comes to (`spec/workflows.md`, 6.3 and section 7.2).
fn decided(
    ground: &Ground<'_>,
    sent: &Value,
    status: Option<u16>,
    got: &Value,
    say: &mut Saying<'_>,
) {
    let node = match sent.get("open_action") {
        Some(Value::Array(nodes)) if nodes.len() == 1 => &nodes[0],
        _ => return,
    };
    let none = json!({});
    let vector = node
        .get("conditional")
        .and_then(Value::as_str)
        .and_then(|text| vectors::of(text, sent.get("state").unwrap_or(&none)));
    let own = definition(ground, text(node, "name"));
    // Another conditional of its own can skip it too.
    let (Some(vector), Some(true)) = (vector, own.map(|own| own.get("conditional").is_none()))
    else {
        return;
    };
    let code = |at: &str| got.pointer(at).and_then(Value::as_str);
    let came = match status {
        Some(400) if code("/errorCode") == Some("conditional_error") => Comes::Refused,
        Some(200) if code("/results/0/status") == Some("skipped") => Comes::False,
        Some(200) if code("/results/0/error/errorCode") == Some("conditional_error") => {
            Comes::Fails
        }
        Some(200) => Comes::True,
        _ => return,
    };
    if came != vector.comes {
        say.that(
            &vector.requirement,
            "/body",
            Value::from(format!("{:?}", vector.comes).to_lowercase()),
            Value::from(format!("{came:?}").to_lowercase()),
            &format!(
                "is not what the conditional {} comes to",
                vector.conditional
            ),
        );
    }
}

fn answered(ground: &Ground<'_>, sent: &Value, got: &Value, say: &mut Saying<'_>) {
    let single;
    let nodes: &[Value] = match sent.get("open_action") {
        Some(Value::Array(nodes)) => nodes,
        Some(node) => {
            single = [node.clone()];
            &single
        }
        None => return,
    };
    let results = got
        .get("results")
        .and_then(Value::as_array)
        .map(Vec::as_slice)
        .unwrap_or_default();
    let plans_again = sent.get("goal").is_some() || sent.get("approval").is_some();
    let failed = |result: &Value| result.get("success") == Some(&Value::Bool(false));
    if let Some(index) = results.iter().position(failed)
        && index + 1 < results.len()
        && !plans_again
    {
        let pointer = format!("/body/results/{}", index + 1);
        say.that(
            "WFL-022",
            &pointer,
            absent(),
            results[index + 1].clone(),
            "is the result of a node after one that failed",
        );
    }
    if plans_again {
        return;
    }
    let is_completed = got.get("status").and_then(Value::as_str) == Some("completed");
    if results.len() > nodes.len() || (is_completed && results.len() != nodes.len()) {
        say.that(
            "WFL-020",
            "/body/results",
            Value::from(nodes.len()),
            Value::from(results.len()),
            "has not one result for each node that was reached",
        );
        return;
    }
    if is_completed && results.iter().any(failed) {
        say.that(
            "WFL-018",
            "/body/status",
            Value::from("failed"),
            Value::from("completed"),
            "is the status of a call in which a node failed",
        );
    }
    for (index, (node, result)) in nodes.iter().zip(results).enumerate() {
        of_node(ground, node, result, index, say);
    }
    let prunes = sent.get("prune").is_some();
    folded(sent, got, results, prunes, say);
}

/// One node and its result.
fn of_node(ground: &Ground<'_>, node: &Value, result: &Value, index: usize, say: &mut Saying<'_>) {
    let name = text(node, "name");
    let pointer = format!("/body/results/{index}");
    let skipped = result.get("status").and_then(Value::as_str) == Some("skipped");
    let attempts = result.get("attempts").and_then(Value::as_array);
    if let Some(attempts) = attempts {
        let code = attempts
            .first()
            .and_then(|first| first.pointer("/error/errorCode"))
            .and_then(Value::as_str)
            .unwrap_or_default();
        if !FALLS_BACK.contains(&code) && !code.starts_with("sandbox_") {
            let requirement = if matches!(code, "output_validation_failed" | "invalid_response") {
                "WFL-071"
            } else {
                "WFL-072"
            };
            say.that(
                requirement,
                &format!("{pointer}/attempts"),
                absent(),
                Value::from(code),
                "has a fallback after a failure that has none",
            );
        }
        let last = attempts
            .last()
            .map(|last| text(last, "action_name"))
            .unwrap_or_default();
        if attempts.len() != 2 || last != text(result, "action_name") {
            say.that(
                "WFL-077",
                &format!("{pointer}/attempts"),
                Value::from("both attempts"),
                Value::from(attempts.len()),
                "does not hold both attempts in order",
            );
        }
        return;
    }
    if !name.is_empty()
        && node.get("pluginReference").is_none()
        && text(result, "action_name") != name
    {
        let got = result.get("action_name").cloned().unwrap_or_else(absent);
        say.that(
            "WFL-010",
            &format!("{pointer}/action_name"),
            Value::from(name),
            got,
            "is not the name of the node",
        );
    }
    if skipped {
        let plain = node.get("conditional").is_none()
            && definition(ground, name).is_some_and(|own| own.get("conditional").is_none());
        if plain {
            say.that(
                "WFL-045",
                &format!("{pointer}/status"),
                absent(),
                Value::from("skipped"),
                "skips a node that has no conditional",
            );
        }
        return;
    }
    let Some(definition) = definition(ground, name) else {
        return;
    };
    let success = result.get("success") == Some(&Value::Bool(true));
    let compiled = |member: &str| crate::schema::compile(definition.get(member)?).ok();
    if let Some(schema) = compiled("output_schema").filter(|_| success) {
        let output = result.get("output").unwrap_or(&Value::Null);
        if !schema.is_valid(output) {
            say.that(
                "WFL-044",
                &format!("{pointer}/output"),
                Value::from("as the output schema of the action says"),
                output.clone(),
                "is an output that breaks its schema",
            );
        }
    }
    let input = node
        .get("input")
        .cloned()
        .unwrap_or_else(|| Value::Object(Map::new()));
    // Templates and defaults can change it; a member that the schema requires can come from the state.
    let required = definition
        .pointer("/input_schema/required")
        .and_then(Value::as_array);
    let fills = required.is_some_and(|names| {
        let mut names = names.iter().filter_map(Value::as_str);
        names.any(|name| input.get(name).is_none())
    });
    if input.to_string().contains("{{") || fills {
        return;
    }
    if let Some(schema) = compiled("input_schema")
        && !schema.is_valid(&input)
        && success
    {
        say.that(
            "WFL-041",
            &format!("{pointer}/success"),
            Value::Bool(false),
            Value::Bool(true),
            "executes an input that breaks its schema",
        );
    }
}

/// The state as the fold of the results.
fn folded(sent: &Value, got: &Value, results: &[Value], prunes: bool, say: &mut Saying<'_>) {
    let none = json!({});
    let before = sent.get("state").unwrap_or(&none);
    let after = got.get("state").unwrap_or(&none);
    let code = got.pointer("/error/errorCode").and_then(Value::as_str);
    if code == Some("state_too_large") {
        return;
    }
    let mut last = before.get("lastResult").cloned();
    let mut named = before
        .get("results")
        .and_then(Value::as_object)
        .cloned()
        .unwrap_or_default();
    let mut entries = 0;
    for result in results {
        let skipped = result.get("status").is_some();
        entries += result
            .get("attempts")
            .and_then(Value::as_array)
            .map_or(1, Vec::len);
        if result.get("success") != Some(&Value::Bool(true)) || skipped {
            continue;
        }
        let output = result.get("output").cloned().unwrap_or_default();
        named.insert(text(result, "action_name").to_owned(), output.clone());
        last = Some(match (last, output) {
            (None, Value::Object(new)) => Value::Object(new),
            (Some(Value::Object(mut old)), Value::Object(new)) => {
                old.extend(new);
                Value::Object(old)
            }
            (_, output) => output,
        });
    }
    // What holds a secret comes back otherwise than it went.
    let whole = after.to_string();
    if whole.contains(crate::suite::secrets::REDACTED) {
        return;
    }
    if let Some(last) = last {
        let got = after.get("lastResult").cloned().unwrap_or_else(absent);
        if !same(&last, &got) {
            say.that(
                "WFL-057",
                "/body/state/lastResult",
                json!({"$exact": last}),
                got,
                "is not the fold of the outputs",
            );
        }
    }
    for (name, output) in &named {
        let got = after
            .get("results")
            .and_then(|results| results.get(name))
            .cloned()
            .unwrap_or_else(absent);
        if !same(output, &got) {
            let pointer = crate::json::push("/body/state/results", name);
            say.that(
                "WFL-059",
                &pointer,
                json!({"$exact": output}),
                got,
                "is not the last output of the action",
            );
        }
    }
    let count = |state: &Value| {
        state
            .get("history")
            .and_then(Value::as_array)
            .map_or(0, Vec::len)
    };
    let (expected, told) = (count(before) + entries, count(after));
    if !prunes && told != expected {
        say.that(
            "WFL-062",
            "/body/state/history",
            Value::from(expected),
            Value::from(told),
            "has not one entry for each attempt",
        );
    }
}

/// The definition of an action in the manifest of the case.
fn definition<'g>(ground: &'g Ground<'_>, name: &str) -> Option<&'g Value> {
    let digest = &ground.observed.manifest.digest;
    let document = ground.observed.documents.get(digest)?;
    let mut actions = document.get("actions")?.as_array()?.iter();
    actions.find(|action| text(action, "name") == name)
}

fn text<'a>(value: &'a Value, member: &str) -> &'a str {
    value
        .get(member)
        .and_then(Value::as_str)
        .unwrap_or_default()
}
