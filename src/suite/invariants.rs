//! What is checked in every case, whatever it is about: the shape of every answer, secrets in all that leaves, the transcript against
//! what was seen, and that the scripts were followed.

use std::collections::BTreeSet;

use mock_services::{Call, Service};
use serde_json::{Value, json};

use super::case::{Case, Expect, Stimulus};
use super::judge::Ground;
use super::matcher::absent;
use super::observed::Observed;
use super::options::OBJECT_KEY;
use super::secrets::Leak;
use super::target::Exchange;
use super::transcript;
use super::verdict::Mismatch;
use super::wire::{ERROR_STATUS, Finding, Wire};
use super::workflow;

/// No secret in any answer.
const SECRET_IN_ANSWER: &str = "SEC-010";
/// No secret in a prompt.
const SECRET_IN_PROMPT: &str = "SEC-011";
/// No two steps send services the same key.
const OUTGOING_KEY: &str = "IDM-011";
/// No secret in a request to a service but where it is declared.
const SECRET_IN_REQUEST: &str = "SEC-012";

/// No secret in what the operator is told.
const SECRET_IN_SIGNAL: &str = "OBV-022";

/// No key of a store in a result, transcript or error.
const KEY_OF_A_STORE: &str = "STO-004";

/// The goal and the observation stand in each prompt, and the token in both.
const PROMPT: [&str; 2] = ["MOD-004", "MOD-005"];

/// No token in the refusal of a caller.
const TOKEN_IN_REFUSAL: &str = "ACC-008";
/// No token in what else leaves.
const TOKEN_IN_STATE: &str = "WFL-061";
/// Shorter parts of a token would be found by chance.
const LEAST_TOKEN: usize = 16;

/// Most mismatches of one kind that one case reports.
const MOST: usize = 10;

/// Everything that is wrong apart from the case's own expectations. Unless the case was `complete`, scripts and transcript are left
/// out: they would only repeat that it was not.
pub fn check(
    case: &Case,
    observed: &Observed,
    ground: &Ground<'_>,
    complete: bool,
) -> Vec<Mismatch> {
    let mut found = Vec::new();
    let exchanges = exchanges(case, observed);
    for (place, exchange) in &exchanges {
        found.extend(wire(place, exchange, ground.wire));
        found.extend(
            workflow::check(exchange)
                .into_iter()
                // What holds a known secret cannot come back as it went.
                .filter(|finding| {
                    ground
                        .secrets
                        .in_value(&finding.difference.expected)
                        .is_empty()
                })
                .map(|finding| in_body(place, finding)),
        );
        found.extend(answer_secrets(place, exchange, ground));
        found.extend(caller_token(place, exchange));
    }
    found.extend(call_secrets(observed, ground));
    for (place, text) in &observed.signals.texts {
        found.extend(leaks(
            ground.secrets.in_text(text),
            place,
            "",
            SECRET_IN_SIGNAL,
        ));
    }
    found.extend(caller_tokens_passed_on(&exchanges, observed));
    found.extend(outgoing_keys(observed));
    if complete {
        found.extend(scripts(case, observed));
        if observed.transcript.is_some() {
            found.extend(
                transcript::check(observed, ground.secrets)
                    .into_iter()
                    .map(|finding| finding.at("transcript")),
            );
        }
    }
    known_citations(found, case, ground)
}

/// Whether a message that the harness made up itself is wrong: then the harness is, and not the target.
pub fn own_messages(case: &Case, observed: &Observed, wire: &Wire) -> Option<String> {
    case.steps
        .iter()
        .zip(&observed.steps)
        .filter(|(step, _)| {
            matches!(
                (&step.stimulus, &step.expect),
                (Stimulus::Open(_), Expect::Nothing)
            )
        })
        .flat_map(|(_, seen)| &seen.exchanges)
        .find_map(|exchange| {
            let body = serde_json::from_slice(&exchange.request.body).ok();
            let path = &exchange.request.path;
            let finding = wire
                .request(&exchange.request.method, path, body.as_ref())
                .into_iter()
                .next()?;
            Some(format!(
                "the harness sent a wrong {} {path}: {} {}",
                exchange.request.method, finding.difference.pointer, finding.difference.message
            ))
        })
}

/// A requirement that the registry does not know cannot be cited; then the case's own speak.
fn known_citations(mut found: Vec<Mismatch>, case: &Case, ground: &Ground<'_>) -> Vec<Mismatch> {
    for mismatch in &mut found {
        mismatch
            .cites
            .retain(|id| ground.registry.get(id).is_some() || case.requirements.contains(id));
        if mismatch.cites.is_empty() {
            mismatch.cites = case.requirements.clone();
        }
    }
    found
}

/// Every exchange with its place. Simultaneous ones share it: which is answered first is chance.
fn exchanges<'o>(case: &Case, observed: &'o Observed) -> Vec<(String, &'o Exchange)> {
    let control = observed
        .control
        .exchanges
        .iter()
        .map(|exchange| ("registration".to_owned(), exchange));
    let steps =
        case.steps
            .iter()
            .zip(&observed.steps)
            .enumerate()
            .flat_map(|(index, (step, seen))| {
                let place = step.place(index);
                seen.exchanges
                    .iter()
                    .map(move |exchange| (place.clone(), exchange))
            });
    control.chain(steps).collect()
}

fn wire(place: &str, exchange: &Exchange, wire: &Wire) -> Vec<Mismatch> {
    let Some(answer) = exchange
        .answer()
        .filter(|_| exchange.request.method != "HEAD")
    else {
        return Vec::new();
    };
    let body = answer.json();
    wire.answer(
        &exchange.request.method,
        &exchange.request.path,
        answer.status,
        body.as_ref(),
    )
    .into_iter()
    .take(MOST)
    .map(|finding| {
        let of_status = finding.requirement == ERROR_STATUS;
        let mut mismatch = in_body(place, finding);
        if of_status {
            mismatch.pointer = "/status".to_owned();
        }
        mismatch
    })
    .collect()
}

fn in_body(place: &str, finding: Finding) -> Mismatch {
    let mut mismatch = finding.at(place);
    mismatch.pointer.insert_str(0, "/body");
    mismatch
}

/// What of a caller's token must not come back: the whole, and each part that tells something.
fn told_parts(exchange: &Exchange) -> Vec<&str> {
    exchange
        .request
        .headers
        .iter()
        .filter(|(name, _)| name.eq_ignore_ascii_case("authorization"))
        .filter_map(|(_, value)| value.strip_prefix("Bearer "))
        .flat_map(|token| std::iter::once(token).chain(token.split('.').skip(1)))
        .filter(|part| part.len() >= LEAST_TOKEN)
        .collect()
}

/// A caller's token in the answer to the caller.
fn caller_token(place: &str, exchange: &Exchange) -> Option<Mismatch> {
    let answer = exchange.answer()?;
    let body = String::from_utf8_lossy(&answer.body);
    let requirement = if answer.status == 401 {
        TOKEN_IN_REFUSAL
    } else {
        TOKEN_IN_STATE
    };
    let headers = answer.headers.iter().map(|(_, value)| value.as_str());
    let texts: Vec<&str> = headers.chain([body.as_ref()]).collect();
    told_parts(exchange)
        .iter()
        .any(|part| texts.iter().any(|text| text.contains(part)))
        .then(|| token_told(place, requirement))
}

/// Callers' tokens in what services and the model were sent.
fn caller_tokens_passed_on(
    exchanges: &[(String, &Exchange)],
    observed: &Observed,
) -> Option<Mismatch> {
    let parts: BTreeSet<&str> = exchanges
        .iter()
        .flat_map(|(_, exchange)| told_parts(exchange))
        .collect();
    let told = observed.calls.iter().find(|call| {
        let body = call.body.to_string();
        let headers = call.headers.values();
        let texts: Vec<&str> = headers.map(String::as_str).chain([body.as_str()]).collect();
        parts
            .iter()
            .any(|part| texts.iter().any(|text| text.contains(part)))
    })?;
    Some(token_told(told.service.name(), TOKEN_IN_STATE))
}

fn token_told(place: &str, requirement: &str) -> Mismatch {
    Mismatch {
        cites: vec![requirement.to_owned()],
        place: place.to_owned(),
        pointer: String::new(),
        expected: Value::from("no part of the caller's token"),
        got: Value::from("[REDACTED]"),
        message: "holds the caller's token or a part of it".to_owned(),
        no_answer: false,
    }
}

fn answer_secrets(place: &str, exchange: &Exchange, ground: &Ground<'_>) -> Vec<Mismatch> {
    let Some(answer) = exchange.answer() else {
        return Vec::new();
    };
    let mut found = leaks(
        ground.secrets.in_bytes(&answer.body),
        place,
        "/body",
        SECRET_IN_ANSWER,
    );
    for (name, value) in &answer.headers {
        found.extend(leaks(
            ground.secrets.in_text(value),
            place,
            &format!("/headers/{name}"),
            SECRET_IN_ANSWER,
        ));
    }
    found
}

fn call_secrets(observed: &Observed, ground: &Ground<'_>) -> Vec<Mismatch> {
    let declared = Declared::of(&observed.documents.values().collect::<Vec<_>>());
    let (mut models, mut services) = (0, std::collections::BTreeMap::new());
    let mut found = Vec::new();
    for call in &observed.calls {
        let (index, requirement) = if call.service == Service::Model {
            models += 1;
            (models - 1, SECRET_IN_PROMPT)
        } else {
            let count: &mut usize = services.entry(call.service).or_default();
            *count += 1;
            (*count - 1, SECRET_IN_REQUEST)
        };
        let place = call.service.name();
        let prefix = format!("/requests/{index}");
        found.extend(leaks(
            ground.secrets.in_value(&call.body),
            place,
            &format!("{prefix}/body"),
            requirement,
        ));
        for (name, value) in &call.headers {
            if !declared.header(call, name) {
                found.extend(leaks(
                    ground.secrets.in_text(value),
                    place,
                    &format!("{prefix}/headers/{name}"),
                    requirement,
                ));
            }
        }
        // Secrets never stand in an endpoint (SEC-002), so path and query have no exception.
        found.extend(leaks(
            ground.secrets.in_text(&call.path),
            place,
            &format!("{prefix}/path"),
            requirement,
        ));
        for (_, value) in &call.query {
            found.extend(leaks(
                ground.secrets.in_text(value),
                place,
                &format!("{prefix}/query"),
                requirement,
            ));
        }
    }
    found
}

/// Where the manifests of a case say that a credential goes.
struct Declared {
    headers: Vec<String>,
}

impl Declared {
    fn of(documents: &[&Value]) -> Self {
        let mut declared = Self {
            headers: vec!["authorization".to_owned()],
        };
        let actions = documents
            .iter()
            .filter_map(|document| document.get("actions").and_then(Value::as_array))
            .flatten();
        for action in actions {
            let names = action.get("headers").and_then(Value::as_object);
            for (name, value) in names.into_iter().flatten() {
                if value.as_str().is_some_and(|text| text.contains("${")) {
                    declared.headers.push(name.to_ascii_lowercase());
                }
            }
        }
        declared
    }

    /// The model gets its own key in `authorization`, or in the headers of the other two wires.
    fn header(&self, call: &Call, name: &str) -> bool {
        if call.service == Service::Model {
            return matches!(name, "authorization" | "x-api-key");
        }
        self.headers.iter().any(|own| own == name)
    }
}

/// Two requests of an action that differ cannot be one step's, so their keys differ too, unless a manifest declares the key.
fn outgoing_keys(observed: &Observed) -> Vec<Mismatch> {
    const KEY: &str = "idempotency-key";
    let is_declared = observed
        .documents
        .values()
        .filter_map(|document| document.get("actions").and_then(Value::as_array))
        .flatten()
        .filter_map(|action| action.get("headers").and_then(Value::as_object))
        .any(|headers| headers.keys().any(|name| name.eq_ignore_ascii_case(KEY)));
    if is_declared {
        return Vec::new();
    }
    let keyed: Vec<(&Call, &str)> = observed
        .calls
        .iter()
        .filter(|call| call.service != Service::Model && call.method != "GET")
        .filter_map(|call| {
            let (_, key) = call.headers.iter().find(|(name, _)| name.as_str() == KEY)?;
            Some((call, key.as_str()))
        })
        .collect();
    let same = |one: &Call, other: &Call| {
        (one.service, &one.path, &one.body) == (other.service, &other.path, &other.body)
    };
    keyed
        .iter()
        .enumerate()
        .filter(|(index, (call, key))| {
            keyed[..*index]
                .iter()
                .any(|(before, used)| used == key && !same(before, call))
        })
        .map(|(_, (call, key))| Mismatch {
            cites: vec![OUTGOING_KEY.to_owned()],
            place: call.service.name().to_owned(),
            pointer: format!("/headers/{KEY}"),
            expected: json!({"$not": key}),
            got: Value::from(*key),
            message: format!(
                "{} {} has the key of another step's request",
                call.method, call.path
            ),
            no_answer: false,
        })
        .take(MOST)
        .collect()
}

fn leaks(leaks: Vec<Leak>, place: &str, prefix: &str, requirement: &str) -> Vec<Mismatch> {
    leaks
        .into_iter()
        .take(MOST)
        .map(|leak| Mismatch {
            cites: std::iter::once(requirement)
                .chain((leak.name == OBJECT_KEY).then_some(KEY_OF_A_STORE))
                .map(str::to_owned)
                .collect(),
            place: place.to_owned(),
            pointer: format!("{prefix}{}", leak.pointer),
            expected: json!({"$not": {"$has": format!("the value of {}", leak.name)}}),
            got: Value::from(format!("the value of {}, {}", leak.name, leak.encoding)),
            message: "lets a secret out".to_owned(),
            no_answer: false,
        })
        .collect()
}

fn scripts(case: &Case, observed: &Observed) -> Vec<Mismatch> {
    let mismatch =
        |place: String, pointer: String, expected: Value, got: Value, message: String| Mismatch {
            cites: case.requirements.clone(),
            place,
            pointer,
            expected,
            got,
            message,
            no_answer: false,
        };
    let mut found = Vec::new();
    for call in observed
        .calls
        .iter()
        .filter(|call| call.unmatched.is_some())
    {
        let index = observed
            .calls
            .iter()
            .filter(|other| other.service == call.service && other.seq < call.seq)
            .count();
        found.push(mismatch(
            call.service.name().to_owned(),
            format!("/requests/{index}"),
            Value::from("a request that the script foresees"),
            Value::from(format!("{} {}", call.method, call.path)),
            call.unmatched.clone().unwrap_or_default(),
        ));
    }
    for entry in &observed.unused {
        found.push(mismatch(
            format!("script of {}", entry.service),
            format!("/{}", entry.index),
            Value::from(format!("used {} times", entry.times)),
            Value::from(format!("used {} times", entry.used)),
            format!("nothing asked for: {}", entry.summary),
        ));
    }
    for call in observed
        .strays
        .iter()
        .filter(|call| call.service == Service::Model)
    {
        let mut stray = mismatch(
            call.service.name().to_owned(),
            String::new(),
            Value::from(
                "a request that carries the session's goal and observation, and so its token",
            ),
            absent(),
            format!("{} {} carries no known token", call.method, call.path),
        );
        stray.cites = PROMPT.map(str::to_owned).to_vec();
        found.push(stray);
    }
    found.truncate(MOST);
    found
}
