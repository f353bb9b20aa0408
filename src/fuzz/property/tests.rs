//! A run made by hand, which every property allows, and the same run with one thing wrong in it, which one property does not.

use std::collections::BTreeMap;
use std::time::Duration;

use mock_services::{Auth, Call, Service};
use serde_json::{Value, json};

use super::{Ground, breaches};
use crate::fuzz::oracle::sample_call;
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
        token: Some(TOKEN.to_owned()),
        headers: BTreeMap::from([
            ("content-type".to_owned(), "application/json".to_owned()),
            ("idempotency-key".to_owned(), format!("k{seq}")),
        ]),
        auth: Auth::Missing,
        entry: Some(0),
        ..sample_call(service, path, body)
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
    found_of(run, &[Profile::Session])
}

fn found_of(run: &Run, profiles: &[Profile]) -> Vec<(&'static str, &'static str)> {
    let capabilities = Capabilities::of(profiles.iter().copied());
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

/// The same run with a workflow between the opening and the step, which called the same action, and was answered otherwise.
fn run_with_a_workflow() -> Run {
    let mut run = run();
    let mut case = serde_json::to_value(json!({
        "id": "SES-015-by-hand", "title": "t", "requirements": ["SES-015"], "needs": ["session"], "manifest": "control",
        "steps": [{"open": {}}, {"execute": {"open_action": []}}, {"step": {}}, {"request": {"method": "GET", "path": "/sessions/${session}"}}]
    }))
    .expect("a value");
    case["model"] = json!([{"emit": {"action": "find", "args": {"n": 1}}}]);
    case["services"] = json!({"calendar": {"script": [{"reply": {"status": 500}}, {"reply": {"json": {"slots": [1]}}}]}});
    run.case = serde_json::from_value(case).expect("a case");
    let answered = json!({"status": "failed", "results": []});
    let workflow = exchange("POST", "/execute", Some(json!({})), 200, &answered);
    run.observed.steps.insert(1, workflow);
    let mut first = call(1, Service::Calendar, "/v1/find", json!({"n": 1}));
    first.status = 500;
    run.observed.calls.insert(0, first);
    run.observed.calls[2].entry = Some(1);
    for (step, calls) in run.observed.steps.iter_mut().zip([0, 1, 3, 3]) {
        step.calls = Some(calls);
    }
    run
}

#[test]
fn what_a_workflow_called_is_no_call_of_a_later_step() {
    // The workflow's own answer is a sketch, and not judged here.
    let about_the_step = [
        "results-follow-replies",
        "requests-are-as-declared",
        "refused-plans-have-no-effect",
        "statuses-follow-the-table",
    ];
    let clean = found(&run_with_a_workflow());
    assert!(
        clean
            .iter()
            .all(|(property, _)| !about_the_step.contains(property)),
        "{clean:?}"
    );
    let mut stray = run_with_a_workflow();
    stray.observed.steps[3].calls = Some(4);
    let more = call(4, Service::Email, "/v1/send", json!({}));
    stray.observed.calls.push(more);
    let found = found(&stray);
    assert!(
        found
            .iter()
            .any(|(property, _)| *property == "refused-plans-have-no-effect"),
        "{found:?}"
    );
}

/// A run with two equal requests at the same time in place of its step, both answered so; the model failed once.
fn run_with_a_failing_model(second: &Value) -> Run {
    let mut run = run();
    run.case = serde_json::from_value(json!({
        "id": "SES-015-by-hand", "title": "t", "requirements": ["SES-015"], "needs": ["session"], "manifest": "control",
        "model": [{"fault": "status", "status": 429}],
        "steps": [{"open": {}}, {"together": [{"step": {}}, {"step": {}}]}]
    }))
    .expect("a case");
    let failed = json!({"errorCode": "llm_unavailable", "message": "m", "retryable": true});
    let path = format!("/sessions/{ID}/step");
    let body = Some(json!({"requestId": "k1"}));
    let mut together = exchange("POST", &path, body.clone(), 503, &failed);
    together
        .exchanges
        .extend(exchange("POST", &path, body, 503, second).exchanges);
    together.calls = Some(1);
    run.observed.steps[0].calls = Some(0);
    run.observed.steps.truncate(1);
    run.observed.steps.push(together);
    run.observed.calls.truncate(1);
    run
}

#[test]
fn equal_requests_at_the_same_time_can_share_an_answer_that_is_not_kept() {
    let failed = json!({"errorCode": "llm_unavailable", "message": "m", "retryable": true});
    assert_eq!(found(&run_with_a_failing_model(&failed)), []);
    // Another answer is one of a request that ran by itself, and then the model was asked twice.
    let other = json!({"errorCode": "llm_unavailable", "message": "another", "retryable": true});
    assert_ne!(found(&run_with_a_failing_model(&other)), []);
}

#[test]
fn the_key_of_a_refused_body_counts_as_used_or_not() {
    let mut run = run();
    let path = format!("/sessions/{ID}/interventions/iv");
    let gone = json!({"errorCode": "intervention_not_found", "message": "m", "retryable": false});
    let used = json!({"errorCode": "idempotency_conflict", "message": "m", "retryable": false});
    let first = exchange("POST", &path, Some(json!({"requestId": "k1"})), 404, &gone);
    let other = Some(json!({"requestId": "k1", "decision": "reject"}));
    let second = exchange("POST", &path, other, 409, &used);
    run.case = serde_json::from_value(json!({
        "id": "SES-015-by-hand", "title": "t", "requirements": ["SES-015"], "needs": ["session"], "manifest": "control",
        "steps": [{"open": {}}, {"request": {"method": "POST", "path": path}}, {"request": {"method": "POST", "path": path}}]
    }))
    .expect("a case");
    run.observed.steps.truncate(1);
    run.observed.steps.extend([first, second]);
    run.observed.calls.clear();
    let found = found(&run);
    assert!(
        found
            .iter()
            .all(|(property, _)| *property != "keys-belong-to-one-request"),
        "{found:?}"
    );
}

#[test]
fn a_conditional_comes_to_what_its_vector_says() {
    let judged = |result: Value| {
        let mut run = run();
        let sent = json!({"open_action": [{"name": "find", "input": {"n": 1}, "conditional": "not true"}], "state": rich()});
        let answered = json!({"protocolVersion": "2.0", "status": "completed", "state": rich(), "results": [result]});
        run.case = serde_json::from_value(json!({
            "id": "SES-015-by-hand", "title": "t", "requirements": ["SES-015"], "needs": ["workflow"], "manifest": "control",
            "steps": [{"execute": {"open_action": []}}]
        }))
        .expect("a case");
        run.observed.steps = vec![exchange("POST", "/execute", Some(sent), 200, &answered)];
        run.observed.calls.clear();
        let evidence = found_of(&run, &[Profile::Session, Profile::Workflow]);
        evidence
            .iter()
            .any(|(_, requirement)| requirement.starts_with("EXP"))
    };
    let ran =
        json!({"action_name": "find", "success": true, "output": {"slots": []}, "error": null});
    let mut skipped = ran.clone();
    skipped["output"] = Value::Null;
    skipped["status"] = json!("skipped");
    assert!(judged(ran), "a false conditional that was taken as true");
    assert!(!judged(skipped));
}

/// The state that the vector of `not true` has.
fn rich() -> Value {
    let vector = crate::fuzz::vectors::all().iter();
    let mut of_it = vector.filter(|vector| vector.conditional == "not true");
    of_it
        .next()
        .map(|vector| Value::Object(vector.state.clone()))
        .expect("a vector")
}
