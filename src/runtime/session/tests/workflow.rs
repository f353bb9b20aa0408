//! Conditionals, fallbacks and prompts in a session (`spec/workflows.md`, section 15).

use super::*;

fn stage(actions: &[Value]) -> Stage {
    let manifest = manifest(&json!({"actions": actions}));
    Stage::of(&manifest, &[], 9, true)
}

fn timeout() -> Result<Value, ErrorObject> {
    Err(ErrorObject::new(Code::UpstreamTimeout, "late"))
}

#[test]
fn a_false_conditional_skips_and_the_step_counts() {
    let gated = declared(
        "gated",
        &json!({"conditional": "observation.environment.ready and input.n > 1", "completes_goal": true}),
    );
    let args = json!({"n": 2});
    let mut stage = stage(&[gated, declared("ready", &json!({}))])
        .says(&[
            &plan("gated", &args),
            &plan("ready", &json!({})),
            &plan("gated", &json!({"n": 1})),
            &plan("gated", &args),
        ])
        .gives(Ok(json!({"ready": true})))
        .gives(Ok(json!({"ran": true})));
    let skipped = stage.step();
    let expected = json!({"action_name": "gated", "success": true, "output": null, "error": null, "status": "skipped"});
    assert_eq!(skipped.body["result"], expected);
    assert_eq!(
        (&skipped.body["steps_done"], &skipped.body["status"]),
        (&json!(1), &json!("active"))
    );
    assert_eq!(stage.session.observation()["last_result"], expected);
    assert_eq!(stage.executed, 0);
    stage.step();
    assert_eq!(stage.step().body["result"]["status"], "skipped");
    assert_eq!(stage.step().body["completed"], true);
    assert_eq!(stage.executed, 2);
    let transcript = stage.close();
    assert_eq!(transcript["steps"].as_array().map(Vec::len), Some(4));
    assert_eq!(transcript["side_effects"].as_array().map(Vec::len), Some(2));
}

#[test]
fn a_conditional_that_fails_is_no_false_one() {
    let failing = json!({"conditional": "input.missing > 1", "fallback_action": "probe"});
    let mut stage = stage(&[declared("gated", &failing), declared("probe", &json!({}))])
        .says(&[&plan("gated", &json!({}))]);
    let answer = stage.step();
    assert_eq!(
        answer.body["result"]["error"]["errorCode"],
        "conditional_error"
    );
    assert_eq!((&answer.body["steps_done"], stage.executed), (&json!(1), 0));
}

#[test]
fn the_clock_of_a_conditional_is_that_of_the_step() {
    let late = declared(
        "late",
        &json!({"conditional": "observation.timestamp > '1970-01-01T00:00:00.000Z' and observation.timestamp < '1971'"}),
    );
    let mut stage = stage(&[late])
        .says(&[&plan("late", &json!({}))])
        .gives(Ok(json!({})));
    assert_eq!(stage.step().body["result"].get("status"), None);
    assert_eq!(stage.executed, 1);
}

#[test]
fn a_fallback_is_one_step_with_both_attempts() {
    let actions = [
        declared("first", &json!({"fallback_action": "second"})),
        declared(
            "second",
            &json!({"result_path": "/environment/second", "completes_goal": true}),
        ),
    ];
    let mut stage = stage(&actions)
        .says(&[&plan("first", &json!({"text": "{{ input.x }}"}))])
        .gives(timeout())
        .gives(Ok(json!({"id": 7})));
    let answer = stage.step();
    let result = &answer.body["result"];
    assert_eq!(
        (
            &result["action_name"],
            &result["success"],
            &result["output"]
        ),
        (&json!("second"), &json!(true), &json!({"id": 7}))
    );
    assert_eq!(result["attempts"][0]["action_name"], "first");
    assert_eq!(
        result["attempts"][0]["error"]["errorCode"],
        "upstream_timeout"
    );
    assert_eq!(
        result["attempts"][1],
        json!({"action_name": "second", "success": true, "output": {"id": 7}, "error": null})
    );
    assert_eq!(
        (&answer.body["steps_done"], &answer.body["completed"]),
        (&json!(1), &json!(true))
    );
    let args = json!({"text": "{{ input.x }}"});
    assert_eq!(
        stage.calls,
        [
            ("first".to_owned(), args.clone()),
            ("second".to_owned(), args)
        ]
    );
    assert_eq!(
        stage.session.observation()["environment"]["second"],
        json!({"id": 7})
    );
    let manifest = Arc::clone(stage.session.manifest());
    let transcript = stage.close();
    let numbers: Vec<&Value> = transcript["side_effects"]
        .as_array()
        .expect("effects")
        .iter()
        .map(|effect| &effect["step_number"])
        .collect();
    assert_eq!(numbers, [1, 1]);
    assert!(replays(&manifest, &transcript));
    let violations = schema::named("transcript")
        .expect("published")
        .violations(&transcript);
    assert_eq!(violations, []);
}

#[test]
fn a_fallback_that_fails_gives_its_own_error() {
    let actions = [
        declared("first", &json!({"fallback_action": "second"})),
        declared("second", &json!({"fallback_action": "third"})),
        declared("third", &json!({})),
    ];
    let mut stage = stage(&actions)
        .says(&[&plan("first", &json!({}))])
        .gives(timeout())
        .gives(Err(ErrorObject::new(Code::UpstreamStatus, "no")));
    let result = stage.step().body["result"].clone();
    assert_eq!(result["error"]["errorCode"], "upstream_status");
    assert_eq!(result["attempts"].as_array().map(Vec::len), Some(2));
    assert_eq!(stage.executed, 2, "no fallback of a fallback");
}

#[test]
fn what_cannot_run_instead_leaves_the_first_failure() {
    let strict = json!({"input_schema": {"type": "object", "required": ["n"]}});
    let shut = json!({"conditional": "false"});
    let limited = json!({"access_control": {"rate_limit": "1/s"}});
    let flagged = json!({"feature_flag": "beta"});
    for second in [strict, shut, limited, flagged] {
        let actions = [
            declared("first", &json!({"fallback_action": "second"})),
            declared("second", &second),
        ];
        let mut stage = stage(&actions)
            .says(&[&plan("first", &json!({}))])
            .gives(timeout());
        stage.charges.push_back(Err(5));
        let result = stage.step().body["result"].clone();
        assert_eq!(result["action_name"], "first", "{second}");
        assert_eq!(result["error"]["errorCode"], "upstream_timeout", "{second}");
        assert_eq!(result.get("attempts"), None, "{second}");
        assert_eq!(stage.executed, 1, "{second}");
    }
}

#[test]
fn a_fallback_does_not_run_after_an_effect() {
    let actions = [
        declared(
            "first",
            &json!({"fallback_action": "second", "output_schema": {"type": "object"}}),
        ),
        declared("second", &json!({})),
    ];
    for outcome in [
        Ok(json!("no object")),
        Err(ErrorObject::new(Code::InvalidResponse, "no JSON")),
        Err(ErrorObject::new(Code::MissingCredential, "unset")),
    ] {
        let mut stage = stage(&actions)
            .says(&[&plan("first", &json!({}))])
            .gives(outcome);
        assert_eq!(stage.step().body["result"]["success"], false);
        assert_eq!(stage.executed, 1);
    }
}

#[test]
fn a_fallback_node_brings_its_own_input_or_a_plugin() {
    let node = json!({"name": "second", "input": {"to": "{{ input.to }}", "zone": "{{ observation.environment.note }}"}});
    let plugin = json!({"plugin_reference": "tools.note"});
    let run = |fallback: &Value| {
        let actions = [
            declared("first", &json!({"fallback_action": fallback})),
            declared("second", &json!({})),
        ];
        let mut stage = stage(&actions)
            .says(&[&plan("first", &json!({"to": ["a"]}))])
            .gives(timeout())
            .gives(Ok(json!("done")));
        let result = stage.step().body["result"].clone();
        (result, stage.calls)
    };
    let (result, calls) = run(&node);
    assert_eq!(result["action_name"], "second");
    assert_eq!(calls[1].1, json!({"to": ["a"], "zone": "has [REDACTED]"}));
    let (result, calls) = run(&plugin);
    assert_eq!(
        (&result["action_name"], &result["success"]),
        (&json!("tools.note"), &json!(true))
    );
    assert_eq!(calls[1], ("note".to_owned(), json!({"to": ["a"]})));
}

#[test]
fn prompts_are_resolved_and_arguments_are_not() {
    let asking = question(
        "ask",
        "Is {{ input.zone }} right for {{ observation.user_context.user_id }}?",
    );
    let mut stage = stage(&[asking, declared("echo", &json!({}))])
        .says(&[
            &plan("ask", &json!({"zone": "{{ 1 + 1 }}"})),
            &plan("echo", &json!({"text": "{{ 1 + 1 }}"})),
            &plan("ask", &json!({})),
        ])
        .gives(Ok(json!({})));
    let asked = stage.step();
    assert_eq!(
        asked.body["pending"]["prompt"],
        "Is {{ 1 + 1 }} right for U?"
    );
    assert_eq!(
        asked.body["pending"]["args"],
        json!({"zone": "{{ 1 + 1 }}"})
    );
    assert_eq!(stage.answer(json!({"output": "yes"})).body["steps_done"], 1);
    stage.step();
    assert_eq!(stage.calls[0].1, json!({"text": "{{ 1 + 1 }}"}));
    let failed = stage.step();
    assert_eq!(
        failed.body["result"]["error"]["errorCode"],
        "template_error"
    );
    assert_eq!(
        (&failed.body["status"], &failed.body["steps_done"]),
        (&json!("active"), &json!(3))
    );
    let transcript = stage.close();
    assert_eq!(
        transcript["interventions"].as_array().map(Vec::len),
        Some(1)
    );
    assert_eq!(
        transcript["interventions"][0]["prompt"],
        "Is {{ 1 + 1 }} right for U?"
    );
}

#[test]
fn a_prompt_without_text_is_not_asked() {
    let mut stage =
        stage(&[question("ask", "{{ input.text }}")]).says(&[&plan("ask", &json!({"text": ""}))]);
    let answer = stage.step();
    assert_eq!(
        answer.body["result"]["error"]["errorCode"],
        "template_error"
    );
    assert_eq!(answer.body["status"], "active");
}

#[test]
fn a_question_with_a_false_conditional_is_skipped() {
    let mut asking = question("ask", "Which zone?");
    asking["conditional"] = json!("input.needed");
    let mut stage = stage(&[asking]).says(&[&plan("ask", &json!({"needed": false}))]);
    let answer = stage.step();
    assert_eq!(answer.body["result"]["status"], "skipped");
    assert_eq!(answer.body["status"], "active");
}

#[test]
fn a_plan_of_a_person_can_be_skipped_too() {
    let mut stage = stage(&[
        declared("gated", &json!({"conditional": "false"})),
        declared("probe", &json!({})),
    ])
    .says(&["no", "no", "no"]);
    stage.step();
    let answer = stage.answer(json!({"output": {"plan": {"action": "gated", "args": {}}}}));
    assert_eq!(
        (&answer.body["result"]["status"], &answer.body["status"]),
        (&json!("skipped"), &json!("active"))
    );
    let transcript = stage.close();
    assert_eq!(transcript["side_effects"][0]["step_number"], 1);
    assert_eq!(transcript["interventions"][0]["step_number"], 1);
}
