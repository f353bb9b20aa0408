//! What is said once, and what is said in addition.

use super::*;

const TOGETHER: &str = r#"
id: STP-001-together
title: both are answered alike
requirements: [STP-001]
needs: [session]
manifest: none
steps:
  - open: {}
  - together: [{step: {}}, {step: {}}]
    expect: {each: {status: 200}}
"#;

#[test]
fn equal_answers_to_simultaneous_requests_are_one_mismatch() {
    let with = |one: u16, other: u16| {
        let mut observed = nothing();
        let mut together = seen("POST", "/sessions/s/step", one, &json!({}));
        let second = exchange("POST", "/sessions/s/step", other, &json!({}));
        together.exchanges.push(second);
        observed.steps = vec![
            seen("POST", "/sessions", 201, &json!({"session_id": "s"})),
            together,
        ];
        let judgement = verdict_on(&case(TOGETHER), &observed);
        let of_each = judgement
            .mismatches
            .into_iter()
            .filter(|mismatch| mismatch.place.ends_with("each answer"));
        of_each.map(|mismatch| mismatch.got).collect::<Vec<_>>()
    };
    assert_eq!(with(200, 200), [] as [Value; 0]);
    assert_eq!(with(202, 202), [json!(202)]);
    assert_eq!(with(203, 202), [json!(202), json!(203)]);
}

#[test]
fn calls_of_a_service_are_listed_and_those_of_the_model_are_not() {
    let of = |judgement: &Judgement, place: &str, pointer: &str| {
        let found = judgement
            .mismatches
            .iter()
            .find(|mismatch| mismatch.place == place && mismatch.pointer == pointer);
        found.map(|mismatch| mismatch.message.clone())
    };
    let judgement = judged(|observed| {
        observed
            .calls
            .push(call("calendar", "POST", "/v1/events", json!({})));
        observed
            .calls
            .push(call("calendar", "GET", "/v1/events", json!({})));
        observed.calls.remove(0);
    });
    assert_eq!(
        of(&judgement, "calendar", "/calls").as_deref(),
        Some("is another value; called: POST /v1/events, GET /v1/events")
    );
    assert_eq!(
        of(&judgement, "model", "/calls").as_deref(),
        Some("is another value")
    );
    let mut silent = nothing();
    silent.steps = vec![
        seen("POST", "/sessions", 201, &json!({"session_id": "s"})),
        seen("POST", "/sessions/s/step", 200, &json!({"steps_done": 1})),
        seen(
            "POST",
            "/sessions/nobody/step",
            404,
            &json!({"errorCode": "session_not_found", "message": "m", "retryable": false}),
        ),
    ];
    let judgement = verdict_on(&case(CALL), &silent);
    assert_eq!(
        of(&judgement, "calendar", "/calls").as_deref(),
        Some("is another value; nothing was called")
    );
    let others = judgement
        .mismatches
        .iter()
        .filter(|mismatch| mismatch.pointer != "/calls" && mismatch.message.contains("called"));
    assert_eq!(others.count(), 0, "{judgement:#?}");
}

#[test]
fn a_target_that_ends_is_told_once() {
    let told = |silent: bool| {
        let judgement = judged(|observed| {
            observed.ended = Some("ended by signal 11");
            if silent {
                observed.steps.truncate(2);
                observed.steps[1].exchanges[0].outcome =
                    Err(SendError::TimedOut(std::time::Duration::from_secs(1)));
                observed.stop = Some(Stop::NoAnswer);
            }
        });
        assert_eq!(judgement.verdict, Verdict::Fail);
        let places = judgement
            .mismatches
            .iter()
            .filter(|mismatch| mismatch.no_answer)
            .map(|mismatch| mismatch.place.clone());
        places.collect::<Vec<_>>()
    };
    assert_eq!(told(false), ["target"]);
    assert_eq!(told(true), ["step 2 (step)"]);
}

#[test]
fn what_was_not_tried_any_more_is_not_missed() {
    let judgement = judged(|observed| {
        observed.steps.truncate(2);
        observed.steps[1].exchanges[0].outcome =
            Err(SendError::TimedOut(std::time::Duration::from_secs(1)));
        observed.stop = Some(Stop::NoAnswer);
        observed.calls.clear();
    });
    assert_eq!(judgement.mismatches.len(), 1, "{judgement:#?}");
    assert!(judgement.mismatches[0].no_answer);
}
