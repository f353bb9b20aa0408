//! One action: the members that all types share, and those of each type but `invoke_api`.

use serde_json::Value;

use super::members::{Members, read_dotted_name, read_name, read_text};
use super::report::Report;
use super::{
    AccessControl, Action, Effect, Fallback, FileRoot, Kind, Plugin, ResultPath, Root, RunCode,
    Verification, invoke, reads, schemas,
};
use crate::expression::{Expression, Template};
use crate::schema::Schema;

/// What `limits` may ask for; more than the operator's ceiling has the effect of the ceiling.
const LIMIT: std::ops::RangeInclusive<u64> = 1..=u64::MAX;

/// Longest text of an expression, in bytes.
const MAX_EXPRESSION: usize = 4096;

pub(super) const KNOWN: &[&str] = &[
    "name",
    "type",
    "description",
    "input_schema",
    "output_schema",
    "result_path",
    "completes_goal",
    "feature_flag",
    "effects",
    "access_control",
    "conditional",
    "fallback_action",
];

/// The members of `limits`.
pub(super) const KNOWN_OF_LIMITS: &[&str] = &["cpu_ms", "memory_mib"];

/// The types, and the members that only actions of that type have.
pub(super) const TYPES: [(&str, &[&str]); 6] = [
    ("invoke_api", invoke::KNOWN),
    (
        "run_code",
        &["runtime", "code", "entrypoint", "limits", "network"],
    ),
    ("read_file", &["root"]),
    ("write_file", &["root"]),
    ("human_intervention", &["prompt"]),
    ("plugin", &["plugin_reference"]),
];

/// Reads the action at `pointer`; none when it breaks a rule, which is then reported.
pub(super) fn read(value: &Value, pointer: &str, report: &mut Report) -> Option<Action> {
    let members = Members::of(value, pointer, report)?;
    let name = members
        .require("name", report)
        .and_then(|(value, place)| read_name(value, &place, report));
    let mut kind = read_kind(&members, report);
    let description = members.free_text("description", report);
    let input = read_schema(&members, "input_schema", report);
    let output = read_schema(&members, "output_schema", report);
    let result_path = members
        .get("result_path")
        .and_then(|value| ResultPath::read(value, &members.place("result_path"), report));
    let completes_goal = members.flag("completes_goal", report);
    let feature_flag = members.text("feature_flag", report).map(str::to_owned);
    let access_control = members
        .get("access_control")
        .and_then(|value| AccessControl::read(value, &members.place("access_control"), report));
    let effects = read_effects(&members, access_control.as_ref(), report);
    reads::read(&members, kind.as_mut(), &effects, report);
    let conditional = read_conditional(&members, report);
    let fallback_action = members
        .get("fallback_action")
        .and_then(|value| Fallback::read(value, &members.place("fallback_action"), report));

    let (input_schema, input) = input?;
    let (output_schema, output) = output?;
    Some(Action {
        name: name?.to_owned(),
        description,
        kind: kind?,
        input_schema,
        output_schema,
        input,
        output,
        result_path,
        completes_goal,
        feature_flag,
        effects,
        access_control,
        conditional,
        fallback_action,
    })
}

fn read_schema(members: &Members<'_>, name: &str, report: &mut Report) -> Option<(Value, Schema)> {
    let (document, place) = members.require(name, report)?;
    let schema = schemas::compile(document, &place, report)?;
    Some((document.clone(), schema))
}

fn read_kind(members: &Members<'_>, report: &mut Report) -> Option<Kind> {
    let (value, place) = members.require("type", report)?;
    let Value::String(name) = value else {
        report.wrong_type(&place, "the name of an action type", value);
        return None;
    };
    let Some((_, own)) = TYPES.iter().find(|(known, _)| known == name) else {
        let names: Vec<_> = TYPES.iter().map(|(known, _)| *known).collect();
        report.refuse(&place, "enum", format!("write one of {}", names.join(", ")));
        // What else is wrong is told too, by the type that has most of the members.
        let (name, own) = likely_type(members)?;
        members.warn_unknown(&[KNOWN, own], name, report);
        read_members(name, members, report);
        return None;
    };
    members.warn_unknown(&[KNOWN, own], name, report);
    read_members(name, members, report)
}

/// The type of which an action has the most members, where there is one.
fn likely_type(members: &Members<'_>) -> Option<(&'static str, &'static [&'static str])> {
    let count = |own: &[&str]| {
        own.iter()
            .filter(|name| members.get(name).is_some())
            .count()
    };
    let most = TYPES.iter().map(|(_, own)| count(own)).max()?;
    let mut likely = TYPES.iter().filter(|(_, own)| count(own) == most);
    let (name, own) = likely.next().filter(|_| most > 0)?;
    likely.next().is_none().then_some((*name, *own))
}

/// Reads what only actions of one type have.
fn read_members(name: &str, members: &Members<'_>, report: &mut Report) -> Option<Kind> {
    match name {
        "invoke_api" => invoke::read(members, report).map(Kind::InvokeApi),
        "run_code" => read_run_code(members, report).map(Kind::RunCode),
        "read_file" => read_root(members, report).map(Kind::ReadFile),
        "write_file" => read_root(members, report).map(Kind::WriteFile),
        "human_intervention" => {
            let prompt = members.required_text("prompt", report)?;
            let template = Template::parse(prompt)
                .map_err(|error| {
                    let message = format!("{} (byte {})", error.message, error.offset);
                    report.refuse(&members.place("prompt"), "invalid_template", message);
                })
                .ok()?;
            Some(Kind::HumanIntervention {
                prompt: prompt.to_owned(),
                template,
            })
        }
        _ => {
            let reference = members.get("plugin_reference").and_then(|value| {
                read_dotted_name(value, &members.place("plugin_reference"), report)
            });
            Some(Kind::Plugin(Plugin {
                reference: reference.map(str::to_owned),
            }))
        }
    }
}

fn read_run_code(members: &Members<'_>, report: &mut Report) -> Option<RunCode> {
    let runtime = members.required_text("runtime", report);
    if let Some(runtime) = runtime
        && !is_runtime(runtime)
    {
        report.refuse(
            &members.place("runtime"),
            "pattern",
            "write \"wasm\", \"javascript\", \"python3\" or \"python3.x\" with a number for x",
        );
    }
    let code = members.required_text("code", report);
    let entrypoint = members.text("entrypoint", report).unwrap_or("generate");
    if !is_function(entrypoint) {
        report.refuse(
            &members.place("entrypoint"),
            "pattern",
            "write a function's name: letters, digits and `_`, not beginning with a digit",
        );
    }
    let place = members.place("limits");
    let limits = members
        .get("limits")
        .and_then(|value| Members::of(value, &place, report));
    let mut limit = |name, default| match &limits {
        Some(limits) => limits.integer(name, LIMIT, default, report),
        None => default,
    };
    let cpu_ms = limit("cpu_ms", 200);
    let memory_mib = limit("memory_mib", 64);
    if let Some(limits) = &limits {
        limits.warn_unknown(&[KNOWN_OF_LIMITS], "limits", report);
    }
    let network = read_network(members, report);
    Some(RunCode {
        runtime: runtime?.to_owned(),
        code: code?.to_owned(),
        entrypoint: entrypoint.to_owned(),
        cpu_ms,
        memory_mib,
        network,
    })
}

fn read_network(members: &Members<'_>, report: &mut Report) -> Vec<String> {
    let mut network = Vec::new();
    for (element, place) in members.list("network", usize::MAX, report) {
        let Some(text) = read_text(element, &place, report) else {
            continue;
        };
        let defect = if !super::endpoint::is_host_and_port(text) {
            "write a destination as host:port, such as \"api.example.com:443\""
        } else if !super::endpoint::is_as_read(text) {
            "write the address or port as URLs have it once they are read, such as 127.0.0.1:80 or [::ffff:7f00:1]:80; this one would match none"
        } else {
            network.push(text.to_owned());
            continue;
        };
        report.refuse(&place, "pattern", defect);
    }
    network
}

fn is_runtime(name: &str) -> bool {
    let python = |minor: &str| !minor.is_empty() && minor.bytes().all(|byte| byte.is_ascii_digit());
    matches!(name, "wasm" | "javascript" | "python3")
        || name.strip_prefix("python3.").is_some_and(python)
}

/// Whether a name is a function's in each of the languages.
pub fn is_function(name: &str) -> bool {
    let mut bytes = name.bytes();
    let begins = bytes
        .next()
        .is_some_and(|first| first.is_ascii_alphabetic() || first == b'_');
    begins && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

fn read_root(members: &Members<'_>, report: &mut Report) -> Option<FileRoot> {
    let root = members.required_text("root", report)?;
    let place = members.place("root");
    if let Err(refusal) = root.parse::<Root>() {
        report.refuse(&place, refusal.rule, refusal.message);
        return None;
    }
    Some(FileRoot {
        root: root.to_owned(),
        pointer: report.original(&place),
    })
}

/// Reads an expression; one that does not parse is refused here, so that nothing is found out later.
pub(super) fn read_conditional(members: &Members<'_>, report: &mut Report) -> Option<Expression> {
    let text = members.text("conditional", report)?;
    let place = members.place("conditional");
    if text.len() > MAX_EXPRESSION {
        let message = format!("write at most {MAX_EXPRESSION} bytes");
        report.refuse(&place, "maxLength", message);
        return None;
    }
    Expression::parse(text)
        .map_err(|error| {
            let message = format!("{} (byte {})", error.message, error.offset);
            report.refuse(&place, "invalid_expression", message);
        })
        .ok()
}

fn read_effects(
    members: &Members<'_>,
    access_control: Option<&AccessControl>,
    report: &mut Report,
) -> Vec<Effect> {
    let approved =
        access_control.is_some_and(|access| access.verification == Verification::Approval);
    let mut effects = Vec::new();
    for (element, place) in members.list("effects", usize::MAX, report) {
        let Value::String(name) = element else {
            report.wrong_type(&place, "an effect's name", element);
            continue;
        };
        let Some(effect) = Effect::ALL
            .into_iter()
            .find(|effect| effect.as_str() == name)
        else {
            let names = Effect::ALL.map(Effect::as_str).join(", ");
            report.refuse(&place, "enum", format!("write one of {names}"));
            continue;
        };
        if matches!(effect, Effect::Cost | Effect::Critical) && !approved {
            report.warn(
                &place,
                "effect_without_approval",
                "let a person approve such an action: \"verification\": \"approval\"",
            );
        }
        if effects.contains(&effect) {
            report.refuse(
                &members.place("effects"),
                "uniqueItems",
                format!("name {name:?} once"),
            );
        } else {
            effects.push(effect);
        }
    }
    effects
}
