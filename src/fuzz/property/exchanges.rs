//! What holds of every answer by itself: its media type, that it came, and what an error tells.

use serde_json::{Value, json};

use super::Ground;
use crate::fuzz::oracle::Surprise;
use crate::suite::matcher::absent;
use crate::suite::target::{Exchange, SendError};

/// Answers are JSON and say so.
const MEDIA_TYPE: &str = "CAP-001";
/// Whatever a client sends, the runtime goes on serving.
const GOES_ON: &str = "ERR-014";
/// A `405` names what is allowed.
const ALLOW: &str = "ERR-017";
/// A limit that waits says how long.
const RETRY_AFTER: &str = "ACC-030";
/// A refusal for want of a token says which kind of token.
const CHALLENGE: &str = "ACC-001";

/// What is wrong with single answers.
pub(super) fn check(ground: &Ground<'_>) -> Vec<Surprise> {
    let mut found = Vec::new();
    for (index, (step, taken)) in ground
        .case
        .steps
        .iter()
        .zip(&ground.observed.steps)
        .enumerate()
    {
        let place = step.place(index);
        let alone = taken.exchanges.len() == 1;
        for exchange in &taken.exchanges {
            let own =
                of(exchange)
                    .into_iter()
                    .map(|(requirement, pointer, expected, got, message)| Surprise {
                        requirement: requirement.to_owned(),
                        step: Some(index),
                        place: place.clone(),
                        pointer: pointer.to_owned(),
                        expect: alone.then(|| expectation(pointer, &expected)).flatten(),
                        expected,
                        got,
                        message: message.to_owned(),
                    });
            found.extend(own);
        }
    }
    if let Some(ended) = ground.observed.ended {
        found.push(Surprise {
            requirement: GOES_ON.to_owned(),
            step: None,
            place: "target".to_owned(),
            pointer: String::new(),
            expected: Value::from("a target that goes on"),
            got: absent(),
            message: ended.to_owned(),
            expect: None,
        });
    }
    found
}

type Flaw = (&'static str, &'static str, Value, Value, &'static str);

fn of(exchange: &Exchange) -> Vec<Flaw> {
    let answer = match &exchange.outcome {
        Ok(answer) => answer,
        Err(SendError::Broken(_) | SendError::Ended(_)) => {
            return vec![(
                GOES_ON,
                "",
                Value::from("an answer"),
                absent(),
                "got no whole answer: the connection broke",
            )];
        }
        Err(_) => return Vec::new(),
    };
    let mut flaws = Vec::new();
    let header = |name: &str| answer.header(name);
    let kind = header("content-type")
        .unwrap_or_default()
        .to_ascii_lowercase();
    let essence = kind.split(';').next().unwrap_or_default().trim().to_owned();
    let asked = exchange
        .request
        .headers
        .iter()
        .any(|(name, _)| name.eq_ignore_ascii_case("accept"));
    // Paths of the implementation's own can have any form.
    let path = exchange.request.path.split('?').next().unwrap_or_default();
    let of_protocol = [
        "/sessions",
        "/manifests",
        "/execute",
        "/plan",
        "/capabilities",
        "/healthz",
    ]
    .iter()
    .any(|own| {
        path == *own
            || path
                .strip_prefix(own)
                .is_some_and(|rest| rest.starts_with('/'))
    });
    if !answer.body.is_empty()
        && of_protocol
        && !asked
        && essence != "application/json"
        && exchange.request.method != "HEAD"
    {
        let pointer = "/headers/content-type";
        flaws.push((
            MEDIA_TYPE,
            pointer,
            json!({"$pattern": "^application/json"}),
            Value::from(kind),
            "is not the media type of JSON",
        ));
    }
    let wants = |status: u16, name: &str| answer.status == status && header(name).is_none();
    if wants(405, "allow") {
        flaws.push((
            ALLOW,
            "/headers/allow",
            json!({"$type": "string"}),
            absent(),
            "does not say which methods there are",
        ));
    }
    if wants(429, "retry-after") {
        flaws.push((
            RETRY_AFTER,
            "/headers/retry-after",
            json!({"$type": "string"}),
            absent(),
            "does not say when to come again",
        ));
    }
    if wants(401, "www-authenticate") {
        flaws.push((
            CHALLENGE,
            "/headers/www-authenticate",
            json!({"$pattern": "^Bearer"}),
            absent(),
            "does not ask for a bearer token",
        ));
    }
    flaws
}

fn expectation(pointer: &str, expected: &Value) -> Option<Value> {
    let name = pointer.strip_prefix("/headers/")?;
    Some(json!({"headers": {name: expected}}))
}
