//! A run made by hand, which every property allows, and the same run with one thing wrong in it, which one property does not.

use std::collections::BTreeMap;
use std::time::Duration;

use mock_services::{Auth, Call, Service};
use serde_json::{Value, json};

use super::{Ground, breaches};
use crate::json;
use crate::requirement::{Profile, Registry};
use crate::suite::Capabilities;
use crate::suite::case::Case;
use crate::suite::judge;
use crate::suite::observed::{Observed, StepObserved};
use crate::suite::prepare::Prepared;
use crate::suite::secrets::Secrets;
use crate::suite::target::{Answer, Exchange, HttpRequest};
use crate::suite::wire::Wire;

const TOKEN: &str = "tok0";
const ID: &str = "AAAAAAAAAAAAAAAAAAAAAA";
const SECRET: &str = "cal-tok+en/3f9a1c77==";

/// What a test changes.
struct Run {
    case: Case,
    observed: Observed,
}

fn manifest() -> Value {
    json!({"name": "fuzz-tok0", "version": "1.0.0", "actions": [{
        "name": "find", "type": "invoke_api", "method": "POST", "endpoint": "http://127.0.0.1:9/t/tok0/v1/find",
        "input_schema": {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]},
        "output_schema": {"type": "object", "required": ["slots"]}
    }]})
}

fn observation() -> Value {
    json!({"timestamp": "2026-04-01T09:00:00Z", "user_context": {"user_id": "U-tok0", "preferences": {}}, "environment": {"a": 1}})
}

fn exchange(
    method: &str,
    path: &str,
    body: Option<Value>,
    status: u16,
    answer: &Value,
) -> StepObserved {
    let mut request = HttpRequest::new(method, path);
    if let Some(body) = body {
        request = request.json(&body);
    }
    StepObserved {
        exchanges: vec![Exchange {
            request,
            outcome: Ok(Answer {
                status,
                headers: vec![("content-type".to_owned(), "application/json".to_owned())],
                body: answer.to_string().into_bytes(),
            }),
            duration: Duration::ZERO,
            answered: None,
        }],
        ..StepObserved::default()
    }
}

fn call(seq: u64, service: Service, path: &str, body: Value) -> Call {
    Call {
        seq,
        at: 0,
        token: Some(TOKEN.to_owned()),
        service,
        method: "POST".into(),
        path: path.into(),
        query: Vec::new(),
        headers: BTreeMap::from([
            ("content-type".to_owned(), "application/json".to_owned()),
            ("idempotency-key".to_owned(), format!("k{seq}")),
        ]),
        body,
        auth: Auth::Missing,
        status: 200,
        entry: Some(0),
        unmatched: None,
    }
}

/// A session that takes one step and is read.
fn run() -> Run {
    let document = manifest();
    let digest = json::digest(&document);
    let output = json!({"slots": [1]});
    let result = json!({"action_name": "find", "success": true, "output": output, "error": null});
    let after = json!({"timestamp": "2026-11-23T08:00:00.000Z", "user_context": {"user_id": "U-tok0", "preferences": {}},
        "environment": {"a": 1, "slots": [1]}, "last_result": result, "step": 1});
    let case: Case = serde_json::from_value(json!({
        "id": "SES-015-by-hand", "title": "t", "requirements": ["SES-015"], "needs": ["session"], "manifest": "control",
        "model": [{"emit": {"action": "find", "args": {"n": 1}}}],
        "services": {"calendar": {"script": [{"reply": {"json": output}}]}},
        "steps": [{"open": {}}, {"step": {}}, {"request": {"method": "GET", "path": "/sessions/${session}"}}]
    }))
    .expect("a case");
    let mut observed = Observed::new(
        TOKEN.to_owned(),
        Prepared {
            name: "fuzz-tok0".to_owned(),
            version: "1.0.0".to_owned(),
            digest: digest.clone(),
            document: document.clone(),
        },
    );
    observed.documents = BTreeMap::from([(digest.clone(), document)]);
    let creation = json!({"goal": {"description": "reach it"}, "observation": observation(), "max_steps": 3, "manifest": "fuzz-tok0@1.0.0"});
    let created = json!({"session_id": ID, "status": "active", "protocol_version": "2.0",
        "manifest": {"name": "fuzz-tok0", "version": "1.0.0", "digest": digest}});
    observed.steps = vec![
        exchange("POST", "/sessions", Some(creation), 201, &created),
        exchange(
            "POST",
            &format!("/sessions/{ID}/step"),
            None,
            200,
            &json!({"result": result, "steps_done": 1, "status": "active", "completed": false}),
        ),
        exchange(
            "GET",
            &format!("/sessions/{ID}"),
            None,
            200,
            &json!({"session_id": ID, "status": "active", "steps_done": 1, "observation": after}),
        ),
    ];
    let mut shown = observation();
    shown["timestamp"] = json!("2026-11-23T08:00:00.000Z");
    let action = manifest()["actions"][0].to_string();
    let prompt = json!({"model": "m", "messages": [
        {"role": "system", "content": format!("contract {action}")},
        {"role": "user", "content": format!("reach it {shown}")}
    ]});
    observed.calls = vec![
        call(1, Service::Model, "/v1/chat/completions", prompt),
        call(2, Service::Calendar, "/v1/find", json!({"n": 1})),
    ];
    Run { case, observed }
}

fn found(run: &Run) -> Vec<(&'static str, &'static str)> {
    let capabilities = Capabilities::of([Profile::Session]);
    let secrets = Secrets::new([("CALENDAR_TOKEN".to_owned(), SECRET.to_owned())]);
    let found = breaches(&Ground {
        case: &run.case,
        observed: &run.observed,
        again: None,
        capabilities: &capabilities,
        judge: judge::Ground {
            registry: Registry::embedded(),
            wire: Wire::embedded().expect("the spec parses"),
            secrets: &secrets,
        },
    });
    found
        .iter()
        .map(|breach| (breach.property, breach.requirement))
        .collect()
}

/// Changes the answer of a step of the case.
fn answer(run: &mut Run, step: usize, change: impl FnOnce(&mut u16, &mut Value)) {
    let exchange = &mut run.observed.steps[step].exchanges[0];
    let Ok(answer) = &mut exchange.outcome else {
        return;
    };
    let mut body = answer.json().unwrap_or_default();
    change(&mut answer.status, &mut body);
    answer.body = body.to_string().into_bytes();
}

#[test]
fn a_good_run_breaches_nothing() {
    assert_eq!(found(&run()), []);
}

/// One thing that is wrong with a run.
type Wrong = fn(&mut Run);

#[test]
fn each_wrong_deed_breaches_its_property() {
    let wrong: [(&str, Wrong); 16] = [
        ("statuses-follow-the-table", |run| {
            answer(run, 1, |_, body| body["status"] = json!("completed"))
        }),
        ("steps-are-counted-once", |run| {
            answer(run, 1, |_, body| body["steps_done"] = json!(2))
        }),
        ("results-follow-replies", |run| {
            answer(run, 1, |_, body| {
                body["result"]["output"] = json!({"slots": [2]})
            })
        }),
        ("observations-are-folds", |run| {
            answer(run, 2, |_, body| {
                body["observation"]["environment"]["more"] = json!(1)
            })
        }),
        ("reads-agree", |run| {
            answer(run, 2, |_, body| body["steps_done"] = json!(0))
        }),
        ("creations-are-as-asked", |run| {
            answer(run, 0, |_, body| {
                body["manifest"]["digest"] = json!(format!("sha256:{}", "0".repeat(64)))
            })
        }),
        ("requests-are-as-declared", |run| {
            run.observed.calls[1].body = json!({"n": 1, "time": 0})
        }),
        ("secrets-stay-out-of-requests", |run| {
            run.observed.calls[0].body["note"] = json!(SECRET)
        }),
        ("secrets-stay-out-of-answers", |run| {
            answer(run, 2, |_, body| body["x-note"] = json!(SECRET))
        }),
        ("prompts-show-the-present", |run| {
            run.observed.calls[0].body["messages"][1]["content"] =
                json!(observation().to_string().replace("2026-04", "2026-05"));
        }),
        ("time-goes-on", |run| {
            run.observed.calls[0].body["messages"][1]["content"] =
                json!(format!("reach it {}", observation()));
        }),
        ("refused-plans-have-no-effect", |run| {
            run.observed
                .calls
                .push(call(3, Service::Email, "/v1/send", json!({})));
        }),
        ("an-execution-is-one-request", |run| {
            let mut again = run.observed.calls[1].clone();
            again.seq = 3;
            run.observed.calls.push(again);
        }),
        ("nothing-makes-it-fall", |run| {
            answer(run, 1, |status, body| {
                *status = 500;
                *body = json!({"errorCode": "internal_error", "message": "m", "retryable": false});
            });
        }),
        ("errors-are-error-objects", |run| {
            answer(run, 2, |status, body| {
                *status = 404;
                *body = json!({"error": "gone"});
            });
        }),
        ("messages-fit-their-schemas", |run| {
            if let Ok(answer) = &mut run.observed.steps[2].exchanges[0].outcome {
                answer.headers.clear();
            }
        }),
    ];
    for (property, change) in wrong {
        let mut run = run();
        change(&mut run);
        let found = found(&run);
        assert!(
            found.iter().any(|(own, _)| *own == property),
            "{property} is not among {found:?}"
        );
    }
}

#[test]
fn an_invalid_plan_that_was_executed_is_seen() {
    let mut run = run();
    run.case.model = vec![json!({"emit": {"action": "find", "args": {"n": "x"}}})];
    run.observed.calls[1].body = json!({"n": "x"});
    let found = found(&run);
    assert!(!found.is_empty(), "nothing was found");
}
