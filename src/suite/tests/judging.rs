//! The judge on observations written by hand.

mod counted;
mod told;

use serde_json::{Value, json};

use super::{CALL, REFUSAL, WISH, case, registry, wire};
use crate::suite::case::Case;
use crate::suite::judge::{Ground, Judgement, judge};
use crate::suite::observed::{ControlProblem, Observed, StepObserved, Stop};
use crate::suite::prepare::{self, Origins};
use crate::suite::secrets::Secrets;
use crate::suite::substitute::Bindings;
use crate::suite::target::{Answer, Exchange, HttpRequest, SendError};
use crate::suite::verdict::Verdict;

const TOKEN: &str = "oapt0123456789abcdef";
const SECRET: &str = "cal-tok+en/3f9a1c77==";

fn verdict_on(case: &Case, observed: &Observed) -> Judgement {
    let secrets = Secrets::new([("CALENDAR_TOKEN".to_owned(), SECRET.to_owned())]);
    let (registry, wire) = (registry(), wire());
    judge(
        case,
        observed,
        &Ground {
            registry: &registry,
            wire: &wire,
            secrets: &secrets,
        },
    )
}

fn seen(method: &str, path: &str, status: u16, body: &Value) -> StepObserved {
    StepObserved {
        exchanges: vec![exchange(method, path, status, body)],
        bindings: Bindings::from([("token".to_owned(), json!(TOKEN))]),
        ..StepObserved::default()
    }
}

fn exchange(method: &str, path: &str, status: u16, body: &Value) -> Exchange {
    Exchange {
        request: HttpRequest::new(method, path),
        outcome: Ok(Answer {
            status,
            headers: vec![("content-type".into(), "application/json".into())],
            body: body.to_string().into_bytes(),
        }),
        duration: std::time::Duration::ZERO,
        answered: None,
    }
}

fn nothing() -> Observed {
    Observed::new(
        TOKEN.to_owned(),
        prepare::ready(&prepare::control(), TOKEN, &Origins::default()),
    )
}

fn call(service: &str, method: &str, path: &str, body: Value) -> mock_services::Call {
    serde_json::from_value(json!({
        "seq": 1, "at": 0, "token": TOKEN, "service": service, "method": method, "path": path, "query": [], "headers": {},
        "body": body, "auth": "ok", "status": 200, "entry": null, "unmatched": null
    }))
    .expect("a call")
}

/// A run of the refusal case in which all is well.
fn good() -> Observed {
    let mut observed = nothing();
    observed.steps = vec![
        seen("POST", "/sessions", 201, &json!({"session_id": "s"})),
        seen(
            "POST",
            "/sessions/s/step",
            200,
            &json!({"result": null, "status": "completed"}),
        ),
        seen("POST", "/sessions/s/close", 200, &json!({})),
    ];
    let prompt = json!({"messages": [{"role": "user", "content": format!("goal [{TOKEN}]")}]});
    observed.calls = vec![
        call("model", "POST", "/v1/chat/completions", prompt.clone()),
        call("model", "POST", "/v1/chat/completions", prompt),
    ];
    observed.calls[1].seq = 2;
    observed
}

fn judged(change: impl FnOnce(&mut Observed)) -> Judgement {
    let mut observed = good();
    change(&mut observed);
    verdict_on(&case(REFUSAL), &observed)
}

#[test]
fn all_is_well() {
    let judgement = judged(|_| {});
    assert_eq!(judgement.verdict, Verdict::Pass, "{judgement:#?}");
    assert_eq!((judgement.assertions, judgement.reason), (6, None));
}

#[test]
fn an_answer_that_is_not_as_it_must_be() {
    let judgement = judged(|observed| {
        observed.steps[1] = seen(
            "POST",
            "/sessions/s/step",
            200,
            &json!({"result": {}, "status": "active"}),
        );
    });
    assert_eq!(judgement.verdict, Verdict::Fail);
    let pointers: Vec<_> = judgement
        .mismatches
        .iter()
        .map(|mismatch| mismatch.pointer.as_str())
        .collect();
    assert_eq!(pointers, ["/body/result", "/body/status"]);
    assert!(
        judgement
            .mismatches
            .iter()
            .all(|mismatch| mismatch.cites == ["ACT-001"] && mismatch.place == "step 2 (step)")
    );
}

#[test]
fn a_call_that_must_not_be() {
    let judgement = judged(|observed| {
        observed
            .calls
            .push(call("calendar", "POST", "/v1/events", json!({})))
    });
    assert_eq!(judgement.verdict, Verdict::Fail);
    assert_eq!(judgement.mismatches[0].pointer, "/calls");
    assert!(judgement.mismatches[0].message.contains("POST /v1/events"));
}

#[test]
fn setup_that_fails_is_not_the_cases_verdict() {
    let judgement = judged(|observed| {
        observed.steps = vec![seen(
            "POST",
            "/sessions",
            404,
            &json!({"errorCode": "session_not_found", "message": "m", "retryable": false}),
        )];
        observed.stop = Some(Stop::Unbound {
            step: 1,
            name: "session".into(),
        });
        observed.calls.clear();
    });
    assert_eq!(judgement.verdict, Verdict::SetupFailed, "{judgement:#?}");
    assert!(judgement.reason.expect("said").contains("step 1 (open)"));
    let judgement = judged(|observed| {
        observed.control.problem = Some(ControlProblem {
            soft: false,
            message: "refused".into(),
        });
    });
    assert_eq!(
        (judgement.verdict, judgement.assertions),
        (Verdict::SetupFailed, 0)
    );
    let judgement = judged(|observed| {
        observed.control.problem = Some(ControlProblem {
            soft: true,
            message: "wrong digest".into(),
        });
    });
    assert_eq!(judgement.verdict, Verdict::SetupFailed);
}

#[test]
fn a_wrong_shape_is_a_violation_even_while_setting_up() {
    if crate::schema::named("error").is_none() {
        return;
    }
    let judgement = judged(|observed| {
        observed.steps = vec![seen("POST", "/sessions", 500, &json!("Traceback"))];
        observed.stop = Some(Stop::Unbound {
            step: 1,
            name: "session".into(),
        });
    });
    assert_eq!(judgement.verdict, Verdict::Fail);
    assert!(
        judgement
            .mismatches
            .iter()
            .all(|mismatch| mismatch.cites == ["ERR-001"])
    );
}

#[test]
fn an_error_with_the_status_of_another_code() {
    if crate::schema::named("error").is_none() {
        return;
    }
    let judgement = judged(|observed| {
        let body = json!({"errorCode": "session_not_found", "message": "m", "retryable": false});
        observed.steps[2] = seen("POST", "/sessions/s/close", 400, &body);
    });
    assert_eq!(judgement.mismatches.len(), 1, "{judgement:#?}");
    assert_eq!(
        (
            judgement.mismatches[0].cites[0].as_str(),
            judgement.mismatches[0].pointer.as_str()
        ),
        ("ERR-003", "/status")
    );
}

#[test]
fn silence() {
    let judgement = judged(|observed| {
        observed.steps.truncate(2);
        observed.steps[1].exchanges[0].outcome =
            Err(SendError::TimedOut(std::time::Duration::from_secs(1)));
        observed.stop = Some(Stop::NoAnswer);
    });
    assert_eq!(judgement.verdict, Verdict::Fail);
    assert!(judgement.mismatches.len() == 1 && judgement.mismatches[0].no_answer);
    let judgement = judged(|observed| {
        observed.steps.truncate(1);
        observed.steps[0].exchanges[0].outcome = Err(SendError::Unreachable(String::new()));
        observed.stop = Some(Stop::NoAnswer);
    });
    assert_eq!(judgement.verdict, Verdict::SetupFailed);
    let judgement = judged(|observed| {
        observed.steps[1].exchanges[0].outcome = Err(SendError::Unsendable("no token".into()));
    });
    assert_eq!(judgement.verdict, Verdict::HarnessError);
}

#[test]
fn secrets_wherever_they_come_out() {
    let in_answer = judged(|observed| {
        observed.steps[2] = seen(
            "POST",
            "/sessions/s/close",
            200,
            &json!({"debug": [format!("Bearer {SECRET}")]}),
        );
    });
    assert_eq!(in_answer.mismatches[0].cites, ["SEC-010"]);
    assert_eq!(in_answer.mismatches[0].pointer, "/body/debug/0");
    let in_prompt = judged(|observed| {
        observed.calls[1].body =
            json!({"messages": [{"role": "user", "content": format!("[{TOKEN}] {SECRET}")}]});
    });
    assert_eq!(in_prompt.mismatches[0].cites, ["SEC-011"]);
    let in_request = judged(|observed| {
        observed.calls[0].service = mock_services::Service::Crm;
        observed.calls[0]
            .headers
            .insert("authorization".into(), format!("Bearer {SECRET}"));
        observed.calls[0]
            .headers
            .insert("x-debug".into(), SECRET.into());
    });
    let leaks: Vec<_> = in_request
        .mismatches
        .iter()
        .filter(|mismatch| mismatch.cites == ["SEC-012"])
        .collect();
    assert_eq!(leaks.len(), 1);
    assert_eq!(leaks[0].pointer, "/requests/0/headers/x-debug");
    for judgement in [in_answer, in_prompt, in_request] {
        assert!(!format!("{judgement:?}").contains(SECRET));
    }
}

#[test]
fn keys_that_two_steps_share() {
    let shared = |bodies: [Value; 2]| {
        let judgement = judged(|observed| {
            for body in bodies {
                let mut sent = call("email", "POST", "/v1/send", body);
                sent.headers.insert("idempotency-key".into(), "k".into());
                observed.calls.push(sent);
            }
        });
        let of_keys = |mismatch: &&crate::suite::verdict::Mismatch| mismatch.cites == ["IDM-011"];
        judgement.mismatches.iter().filter(of_keys).count()
    };
    assert_eq!(shared([json!({"n": 1}), json!({"n": 2})]), 1);
    assert_eq!(
        shared([json!({"n": 1}), json!({"n": 1})]),
        0,
        "a repetition of one step"
    );
}

#[test]
fn scripts_are_strict() {
    let unmatched =
        judged(|observed| observed.calls[1].unmatched = Some("entry 1 wants saw_error".into()));
    assert_eq!(unmatched.verdict, Verdict::Fail);
    assert_eq!(
        (
            unmatched.mismatches[0].place.as_str(),
            unmatched.mismatches[0].pointer.as_str()
        ),
        ("model", "/requests/1")
    );
    let unused = judged(|observed| {
        observed.unused.push(
            serde_json::from_value(json!({"service": "model", "index": 1, "summary": "emit finished", "used": 0, "times": 1})).expect("an entry"),
        );
    });
    assert_eq!(unused.mismatches[0].place, "script of model");
}

#[test]
fn only_a_should_is_a_warning() {
    let mut observed = nothing();
    observed.steps = vec![seen(
        "POST",
        "/sessions",
        200,
        &json!({"session_id": "a-very-long-session-identifier"}),
    )];
    let judgement = verdict_on(&case(WISH), &observed);
    assert_eq!(
        (judgement.verdict, judgement.mismatches.len()),
        (Verdict::Warn, 1)
    );
}

#[test]
fn own_citations_and_names_are_kept() {
    let mut observed = nothing();
    observed.steps = vec![
        seen("POST", "/sessions", 201, &json!({"session_id": "s"})),
        seen(
            "POST",
            "/sessions/s/step",
            500,
            &json!({"errorCode": "session_not_found", "message": "m", "retryable": false}),
        ),
        seen(
            "POST",
            "/sessions/nobody/step",
            200,
            &json!({"errorCode": "other"}),
        ),
    ];
    let judgement = verdict_on(&case(CALL), &observed);
    let of = |place: &str| -> Vec<&str> {
        judgement
            .mismatches
            .iter()
            .filter(|mismatch| mismatch.place.starts_with(place) && mismatch.pointer == "/status")
            .map(|mismatch| mismatch.cites[0].as_str())
            .collect()
    };
    assert!(of("step 2 (the step)").contains(&"STP-001"));
    assert_eq!(of("step 3"), ["ERR-001"]);
}

#[test]
fn simultaneous_answers_are_counted() {
    let text = r#"
id: STP-001-together
title: only one of two steps runs
requirements: [STP-001]
needs: [session]
manifest: none
steps:
  - open: {}
  - together: [{step: {}}, {step: {}}]
    expect: {each: {status: {$any_of: [200, 409]}}, tally: [{of: {status: 200}, is: 1}]}
"#;
    let with = |one: u16, other: u16| {
        let mut observed = nothing();
        let mut together = seen("POST", "/sessions/s/step", one, &json!({}));
        together.exchanges.push(exchange(
            "POST",
            "/sessions/s/step",
            other,
            &json!({"errorCode": "session_not_found", "message": "m", "retryable": false}),
        ));
        observed.steps = vec![
            seen("POST", "/sessions", 201, &json!({"session_id": "s"})),
            together,
        ];
        verdict_on(&case(text), &observed)
    };
    assert_eq!(with(200, 200).mismatches[0].pointer, "/tally/0");
    assert_eq!(
        with(200, 202).mismatches[0].place,
        "step 2 (together), each answer"
    );
    assert!(
        with(200, 409)
            .mismatches
            .iter()
            .all(|mismatch| mismatch.cites != ["STP-001"])
    );
}

#[test]
fn answers_before_another_are_counted_by_arrival() {
    let text = r#"
id: STP-001-together
title: the others do not wait for the first
requirements: [STP-001]
needs: [session]
manifest: none
steps:
  - open: {}
  - together: [{step: {}}, {step: {}}, {step: {}}]
    expect: {tally: [{of: {status: 200}, before: 0, is: 2}]}
"#;
    let in_order = |places: [usize; 3]| {
        let mut observed = nothing();
        let mut together = seen("POST", "/sessions/s/step", 200, &json!({}));
        for _ in 1..3 {
            together
                .exchanges
                .push(exchange("POST", "/sessions/s/step", 200, &json!({})));
        }
        for (exchange, place) in together.exchanges.iter_mut().zip(places) {
            exchange.answered = Some(place);
        }
        observed.steps = vec![
            seen("POST", "/sessions", 201, &json!({"session_id": "s"})),
            together,
        ];
        let judgement = verdict_on(&case(text), &observed);
        judgement
            .mismatches
            .iter()
            .any(|mismatch| mismatch.pointer == "/tally/0")
    };
    assert!(!in_order([2, 0, 1]));
    assert!(in_order([1, 0, 2]));
    assert!(in_order([0, 1, 2]));
}

#[test]
fn figures_are_judged_in_place_of_answers_and_what_is_unseen_is_not_judged() {
    let text = r#"
id: STP-001-measured
title: it costs as much as it may
requirements: [STP-001]
needs: [session]
manifest: none
steps:
  - processor: {run: {}, idle: {}, times: 3}
    expect: {body: {cpu_ms: {$between: [150, 300]}}}
"#;
    let with = |figures: Option<Value>, stop: Option<Stop>| {
        let mut observed = nothing();
        let mut measured = seen("POST", "/execute", 200, &json!({}));
        measured.measured = figures;
        observed.steps = vec![measured];
        observed.stop = stop;
        verdict_on(&case(text), &observed)
    };
    let own = |judgement: &Judgement| {
        judgement
            .mismatches
            .iter()
            .any(|mismatch| mismatch.pointer == "/body/cpu_ms")
    };
    assert!(!own(&with(Some(json!({"cpu_ms": 201})), None)));
    assert!(own(&with(Some(json!({"cpu_ms": 2000})), None)));
    assert!(own(&with(None, None)));
    let unseen = with(None, Some(Stop::Unseen("nobody told which process".into())));
    assert_eq!(unseen.verdict, Verdict::NotObserved);
}

#[test]
fn a_saved_value_must_be_there() {
    let mut observed = nothing();
    let mut open = seen("POST", "/sessions", 201, &json!({"session_id": "s"}));
    open.missing.push(("mine".into(), "/session_id".into()));
    observed.steps = vec![open];
    observed.stop = Some(Stop::Unbound {
        step: 1,
        name: "mine".into(),
    });
    assert_eq!(
        verdict_on(&case(CALL), &observed).verdict,
        Verdict::SetupFailed
    );
}

#[test]
fn the_suites_own_faults_are_not_the_targets() {
    let broken = Observed::broken(TOKEN, "the mocks refuse the script".into());
    assert_eq!(
        verdict_on(&case(REFUSAL), &broken).verdict,
        Verdict::HarnessError
    );
}

#[test]
fn a_transcript_that_does_not_replay() {
    let text = r#"
id: TRN-011-replay
title: the transcript replays
requirements: [TRN-011]
needs: [session]
manifest: none
steps:
  - open: {}
  - close: {}
expect:
  transcript: {session_id: s}
"#;
    let result = json!({"action_name": "list_events", "success": true, "output": {"events": []}, "error": null});
    let initial =
        json!({"timestamp": "2026-04-01T09:00:00Z", "user_context": {}, "environment": {}});
    let last = json!({"timestamp": "2026-04-01T09:00:01Z", "user_context": {}, "environment": {"events": []}, "last_result": result, "step": 1});
    let transcript = json!({
        "session_id": "s", "initial_observation": initial, "turns": [],
        "steps": [{"step_number": 1, "started_at": "2026-04-01T09:00:01Z", "plan": {}, "result": result, "observation": last}],
        "final_observation": last, "side_effects": [], "contracts": {},
        "usage": {"model_calls": 0, "prompt_tokens": 0, "completion_tokens": 0}
    });
    let with = |transcript: &Value| {
        let mut observed = nothing();
        let mut open = seen("POST", "/sessions", 201, &json!({"session_id": "s"}));
        open.exchanges[0].request = HttpRequest::new("POST", "/sessions")
            .json(&json!({"goal": null, "observation": initial}));
        observed.steps = vec![
            open,
            seen(
                "POST",
                "/sessions/s/close",
                200,
                &json!({"transcript": transcript}),
            ),
        ];
        observed.transcript = Some(transcript.clone());
        verdict_on(&case(text), &observed)
    };
    let replay = |judgement: &Judgement| {
        judgement
            .mismatches
            .iter()
            .filter(|mismatch| mismatch.message.contains("replay"))
            .map(|mismatch| mismatch.pointer.clone())
            .collect::<Vec<_>>()
    };
    assert!(replay(&with(&transcript)).is_empty());
    let mut lying = transcript.clone();
    lying["final_observation"]["environment"]["events"] = json!([1]);
    assert_eq!(
        replay(&with(&lying)),
        ["/final_observation/environment/events"]
    );
    assert_eq!(with(&lying).verdict, Verdict::Fail);
}
