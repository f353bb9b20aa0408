//! A failure as a story: what the client did, what the model said, what the services answered, and what broke.

use std::fmt::Write as _;

use mock_services::{Call as MockCall, Service};
use serde_json::Value;

use super::property::{self, Breach};
use super::world::{Action, Kind, Reply, Turn, World};
use crate::requirement::Registry;
use crate::suite::case::{Case, Stimulus};
use crate::suite::observed::Observed;
use crate::suite::report::text;
use crate::suite::secrets::Secrets;
use crate::suite::target::Exchange;

/// Most characters of one value.
const WIDTH: usize = 120;

/// Most calls of one service, or answers of the model, that are told.
const MOST: usize = 20;

/// What is told.
pub struct Subject<'a> {
    /// The world.
    pub world: &'a World,
    /// Its case.
    pub case: &'a Case,
    /// What happened.
    pub observed: &'a Observed,
    /// What broke.
    pub breach: &'a Breach,
    /// The requirements.
    pub registry: &'a Registry,
    /// What must not be told.
    pub secrets: &'a Secrets,
}

/// Tells it.
pub fn tell(subject: &Subject<'_>) -> String {
    let mut story = String::new();
    let mut line = |text: String| {
        // Writing to a string cannot fail.
        let _ = writeln!(story, "{text}");
    };
    let Subject {
        world,
        case,
        observed,
        breach,
        ..
    } = subject;
    line("  actions".to_owned());
    for action in &world.actions {
        line(format!("    {}", declared(action)));
    }
    for intent in &world.intents {
        line(format!(
            "    intent {}: {}",
            intent.name,
            intent.actions.join(", ")
        ));
    }
    line("  the client".to_owned());
    for (index, (step, seen)) in case.steps.iter().zip(&observed.steps).enumerate() {
        let stimuli: &[Stimulus] = match &step.stimulus {
            Stimulus::Together(inner) => inner,
            single => std::slice::from_ref(single),
        };
        let many = stimuli.len() > 1;
        for (inner, (stimulus, exchange)) in stimuli.iter().zip(&seen.exchanges).enumerate() {
            let number = if many {
                format!("{}{}", index + 1, letter(inner))
            } else {
                format!("{}", index + 1)
            };
            line(format!("    {number:<4}{}", sent(stimulus, exchange)));
            line(format!("        {}", answered(exchange)));
        }
        if many {
            line("        (at the same time)".to_owned());
        }
    }
    let (asked, served): (Vec<&MockCall>, Vec<&MockCall>) = observed
        .calls
        .iter()
        .partition(|call| call.service == Service::Model);
    if !asked.is_empty() {
        line("  the model".to_owned());
        for call in asked.iter().take(MOST) {
            line(format!("    {:<4}{}", call.seq, said(world, call)));
        }
        more(&mut line, asked.len());
    }
    if !served.is_empty() {
        line("  the services".to_owned());
        for call in served.iter().take(MOST) {
            line(format!("    {:<4}{}", call.seq, called(call)));
        }
        more(&mut line, served.len());
    }
    line("  what broke".to_owned());
    let pointer = if breach.pointer.is_empty() {
        String::new()
    } else {
        format!(", at {}", breach.pointer)
    };
    line(format!("    {}{pointer}", breach.place));
    line(format!("    expected {}", breach.expected));
    line(format!("    got      {}", text::value(&breach.got, WIDTH)));
    line(format!("    {}", breach.message));
    if let Some(property) = property::all().iter().find(|one| one.id == breach.property) {
        line(format!("    property: {}", property.title));
    }
    if let Some(requirement) = subject.registry.get(breach.requirement) {
        line(format!(
            "    {} (spec/{}.md): \"{}\"",
            requirement.id, requirement.section, requirement.quote
        ));
    }
    subject.secrets.redact_text(&story)
}

fn more(line: &mut impl FnMut(String), count: usize) {
    if count > MOST {
        line(format!("    and {} more", count - MOST));
    }
}

fn letter(place: usize) -> char {
    u8::try_from(place)
        .ok()
        .and_then(|place| b'a'.checked_add(place))
        .map_or('z', char::from)
}

fn declared(action: &Action) -> String {
    let what = match &action.kind {
        Kind::Api(api) => format!("{} {}/v1/{}", api.method, api.service, action.name),
        Kind::Human { .. } => "asks a person".to_owned(),
        Kind::Code { runtime, .. } => format!("code in {runtime}"),
        Kind::Read => "reads a file".to_owned(),
        Kind::Write => "writes a file".to_owned(),
    };
    let mut told = format!(
        "{}: {what}; takes {}, gives {}",
        action.name,
        text::value(&action.input.schema, WIDTH / 2),
        text::value(&action.output.schema, WIDTH / 2)
    );
    let mut add = |text: String| {
        told.push_str(", ");
        told.push_str(&text);
    };
    if let Some(path) = &action.result_path {
        add(format!("result_path {}", text::value(path, WIDTH / 2)));
    }
    if action.completes_goal {
        add("completes_goal".to_owned());
    }
    if let Some(flag) = &action.flag {
        add(format!("for the flag {flag}"));
    }
    if let Some(fallback) = &action.fallback {
        add(format!("else {fallback}"));
    }
    if let Some(conditional) = &action.conditional {
        add(format!("if {conditional}"));
    }
    if !action.scopes.is_empty() {
        add(format!("scopes {}", action.scopes.join(" ")));
    }
    if let Some(limit) = &action.rate_limit {
        add(format!("at most {limit}"));
    }
    if action.approval {
        add("after approval".to_owned());
    }
    if let Kind::Api(api) = &action.kind {
        if let Some(auth) = &api.auth {
            add(format!("auth {auth}"));
        }
        if !api.replies.is_empty() {
            let replies: Vec<String> = api.replies.iter().map(replied).collect();
            add(format!("answered {}", replies.join(", then ")));
        }
    }
    told
}

fn replied(reply: &Reply) -> String {
    match reply {
        Reply::Json(status, value) => format!("{status} {}", text::value(value, WIDTH / 2)),
        Reply::Text(words) => format!(
            "the text {}",
            text::value(&Value::from(words.as_str()), WIDTH / 2)
        ),
        Reply::Empty(status) => format!("{status} without a body"),
        Reply::Big(bytes) => format!("{bytes} bytes"),
        Reply::Late(ms) => format!("after {ms} ms"),
        Reply::Fault(fault) => format!("fault {fault}"),
        Reply::Redirect(status, None) => format!("{status} to its own origin"),
        Reply::Redirect(status, Some(service)) => format!("{status} to {service}"),
        Reply::Echo(_) => "its own credential".to_owned(),
    }
}

fn sent(stimulus: &Stimulus, exchange: &Exchange) -> String {
    let request = &exchange.request;
    let key = request
        .headers
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case("idempotency-key"))
        .map(|(_, key)| format!(" (Idempotency-Key {})", text::cut(text::one_line(key), 20)))
        .unwrap_or_default();
    let body = if request.body.is_empty() {
        String::new()
    } else {
        format!(" {}", shown(&request.body))
    };
    format!(
        "{} {} {}{key}{body}",
        stimulus.verb(),
        request.method,
        text::cut(text::one_line(&request.path), WIDTH)
    )
}

fn answered(exchange: &Exchange) -> String {
    match &exchange.outcome {
        Ok(answer) if answer.body.is_empty() => format!("-> {}", answer.status),
        Ok(answer) => format!("-> {} {}", answer.status, shown(&answer.body)),
        Err(error) => format!("-> {error}"),
    }
}

fn shown(body: &[u8]) -> String {
    text::cut(text::one_line(&String::from_utf8_lossy(body)), WIDTH * 2)
}

/// What the model said: the entry of the script that answered.
fn said(world: &World, call: &MockCall) -> String {
    let Some(entry) = call.entry else {
        let why = call.unmatched.as_deref().unwrap_or("no entry");
        return format!("(nothing: {})", text::cut(text::one_line(why), WIDTH));
    };
    let turn = world.model.get(entry).unwrap_or(&world.tail);
    match turn {
        Turn::Plan {
            action,
            args,
            extra,
        } => {
            let more: Vec<&str> = extra.keys().map(String::as_str).collect();
            let more = if more.is_empty() {
                String::new()
            } else {
                format!(" with {} besides", more.join(", "))
            };
            format!(
                "plan {} {}{more}",
                text::value(&Value::from(action.as_str()), WIDTH),
                text::value(args, WIDTH)
            )
        }
        Turn::Finish { .. } => "finished".to_owned(),
        Turn::Json(value) => text::value(value, WIDTH),
        Turn::Text(words) => format!(
            "the text {}",
            text::value(&Value::from(words.as_str()), WIDTH)
        ),
        Turn::Long { action, bytes } => format!("plan {action} with a text of {bytes} bytes"),
        Turn::Deep { action, levels } => format!("plan {action}, nested {levels} levels deep"),
        Turn::CutOff => "finished, cut off for its length".to_owned(),
        Turn::Fault(fault) => format!("(fault {fault})"),
        Turn::Status(status) => format!("(status {status})"),
    }
}

fn called(call: &MockCall) -> String {
    let query: Vec<String> = call
        .query
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    let query = if query.is_empty() {
        String::new()
    } else {
        format!("?{}", query.join("&"))
    };
    let body = if call.body.is_null() {
        String::new()
    } else {
        format!(" {}", text::value(&call.body, WIDTH))
    };
    let status = if call.status == 0 {
        "no whole answer".to_owned()
    } else {
        call.status.to_string()
    };
    format!(
        "{} {} {}{}{body} -> {status}",
        call.service,
        call.method,
        text::one_line(&call.path),
        text::cut(text::one_line(&query), WIDTH)
    )
}
