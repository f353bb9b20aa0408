//! Scopes, rates and approvals in a session (`spec/access.md`, 3.8 to 3.10, 4.9, 5.2, 5.3).

use super::*;

fn stage(actions: &[Value], scopes: &[&str]) -> Stage {
    let manifest = manifest(&json!({"actions": actions}));
    Stage::of(&manifest, scopes, 9, true)
}

fn risky(patch: &Value) -> Value {
    let mut action = declared(
        "send",
        &json!({"access_control": {"verification": "approval", "required_scopes": ["email:send"]}}),
    );
    for (name, member) in patch.as_object().expect("a patch") {
        action[name] = member.clone();
    }
    action
}

#[test]
fn an_action_beyond_the_scopes_is_neither_offered_nor_run() {
    let actions = [
        declared("plain", &json!({})),
        declared(
            "guarded",
            &json!({"access_control": {"required_scopes": ["a:b", "c"]}}),
        ),
        declared("backed", &json!({"fallback_action": "guarded"})),
    ];
    let mut stage = stage(&actions, &["c"])
        .says(&[
            &plan("guarded", &json!({})),
            &plan("backed", &json!({})),
            &plan("plain", &json!({})),
        ])
        .gives(Ok(json!({})));
    assert_eq!(stage.step().body["steps_done"], 1);
    assert_eq!(stage.executed, 1);
    assert!(stage.prompts[0].contains("plain") && !stage.prompts[0].contains("guarded"));
    assert!(!stage.prompts[0].contains("backed"));
    assert!(
        stage.prompts[1].contains("insufficient_scope") && stage.prompts[1].contains(r#"["a:b"]"#)
    );
    let transcript = stage.close();
    assert_eq!(
        transcript["turns"][1]["refused"][0]["errorCode"],
        "insufficient_scope"
    );
}

#[test]
fn each_step_has_the_scopes_of_its_own_token() {
    let guarded = json!({"access_control": {"required_scopes": ["a"]}});
    let actions = [declared("plain", &json!({})), declared("guarded", &guarded)];
    let mut stage = stage(&actions, &[])
        .says(&[
            &plan("plain", &json!({})),
            &plan("guarded", &json!({})),
            &plan("guarded", &json!({})),
            &plan("plain", &json!({})),
        ])
        .gives(Ok(json!({})))
        .gives(Ok(json!({})))
        .gives(Ok(json!({})));
    stage.step();
    stage.caller = caller(&["a"]);
    assert_eq!(stage.step().body["result"]["action_name"], "guarded");
    stage.caller = caller(&["b"]);
    assert_eq!(stage.step().body["result"]["action_name"], "plain");
    let offered: Vec<bool> = stage
        .prompts
        .iter()
        .map(|prompt| prompt.contains(r#"{"name":"guarded""#))
        .collect();
    assert_eq!(offered, [false, true, false, false]);
    let transcript = stage.close();
    assert_eq!(
        transcript["contracts"].as_object().map(|all| all.len()),
        Some(2)
    );
    let first = &transcript["turns"][0]["contract"];
    assert_eq!(first, &transcript["turns"][2]["contract"]);
    assert_ne!(first, &transcript["turns"][1]["contract"]);
}

#[test]
fn the_scopes_of_the_intent_hold_for_each_action() {
    let document = manifest(&json!({
        "actions": [declared("plain", &json!({}))],
        "intents": [{"name": "book", "actions": ["plain"], "access_control": {"required_scopes": ["book"]}}],
    }));
    let mut stage = Stage::of(&document, &["book"], 9, true)
        .says(&[&plan("plain", &json!({})), "no", "no", "no"])
        .gives(Ok(json!({})));
    stage.session.goal["intent"] = json!("book");
    assert_eq!(stage.step().body["steps_done"], 1);
    stage.caller = caller(&[]);
    stage.replies.push_front(Ok(plan("plain", &json!({}))));
    assert_eq!(stage.step().body["status"], "awaiting_human");
    assert!(stage.prompts[2].contains("insufficient_scope"));
}

#[test]
fn beyond_the_rate_a_step_fails_and_counts() {
    let limited = json!({"access_control": {"rate_limit": "1/min"}, "fallback_action": "plain"});
    let mut gated = declared("gated", &limited);
    gated["conditional"] = json!("input.go");
    let actions = [
        declared("limited", &limited),
        gated,
        declared("plain", &json!({})),
    ];
    let mut stage = stage(&actions, &[])
        .says(&[
            &plan("limited", &json!({})),
            &plan("limited", &json!({})),
            &plan("gated", &json!({"go": false})),
            &plan("gated", &json!({"go": "x" })),
        ])
        .gives(Ok(json!({})))
        .gives(Ok(json!({})));
    stage.charges.extend([Ok(()), Err(17)]);
    assert_eq!(stage.step().body["result"]["success"], true);
    let answer = stage.step();
    let error = &answer.body["result"]["error"];
    assert_eq!(
        (answer.status, &error["errorCode"], &error["retryable"]),
        (200, &json!("rate_limited"), &json!(true))
    );
    assert_eq!(error["details"]["retry_after"], 17);
    assert_eq!(
        (&answer.body["steps_done"], &answer.body["status"]),
        (&json!(2), &json!("active"))
    );
    assert_eq!(stage.executed, 1, "and no fallback either");
    stage.step();
    assert_eq!(stage.spared, [("gated".to_owned(), Uncharged::Skipped)]);
    stage.step();
    assert_eq!(stage.charged, ["limited", "limited", "gated"]);
}

#[test]
fn a_question_can_be_limited() {
    let mut asking = question("ask", "Which zone?");
    asking["access_control"] = json!({"rate_limit": "1/day"});
    let mut stage = stage(&[asking], &[]).says(&[&plan("ask", &json!({}))]);
    stage.charges.push_back(Err(9));
    let answer = stage.step();
    assert_eq!(answer.body["result"]["error"]["errorCode"], "rate_limited");
    assert_eq!(answer.body["status"], "active");
}

#[test]
fn nothing_is_executed_before_it_is_approved() {
    let args = json!({"to": "alice"});
    let mut stage = stage(
        &[
            risky(&json!({"fallback_action": "text"})),
            declared("text", &json!({})),
        ],
        &["email:send"],
    )
    .says(&[&plan("send", &args)])
    .gives(Ok(json!({"id": 1})));
    let asked = stage.step();
    assert_eq!(
        (
            &asked.body["status"],
            &asked.body["result"],
            &asked.body["steps_done"]
        ),
        (&json!("awaiting_human"), &Value::Null, &json!(0))
    );
    let pending = &asked.body["pending"];
    assert_eq!(
        (&pending["kind"], &pending["action_name"], &pending["args"]),
        (&json!("approval"), &json!("send"), &args)
    );
    assert_eq!(pending["fallback_action"], "text");
    assert_eq!(
        schema::named("step")
            .expect("published")
            .violations(&asked.body),
        []
    );
    for body in [
        json!({"output": true}),
        json!({"decision": "yes"}),
        json!({}),
    ] {
        assert_eq!(
            code(&stage.answer(body)),
            (400, "invalid_request".to_owned())
        );
    }
    assert_eq!(stage.executed, 0);
    let answer = stage.answer(json!({"decision": "approve"}));
    assert_eq!(
        (
            &answer.body["result"]["output"],
            &answer.body["steps_done"],
            &answer.body["status"]
        ),
        (&json!({"id": 1}), &json!(1), &json!("active"))
    );
    assert_eq!(stage.calls, [("send".to_owned(), args)]);
    let transcript = stage.close();
    let asked = &transcript["interventions"][0];
    assert_eq!(
        (&asked["kind"], &asked["outcome"], &asked["step_number"]),
        (&json!("approval"), &json!("approved"), &json!(1))
    );
    assert_eq!(transcript["side_effects"][0]["status"], "approved");
    assert_eq!(
        schema::named("transcript")
            .expect("published")
            .violations(&transcript),
        []
    );
}

#[test]
fn what_is_not_approved_is_a_failed_step() {
    let mut stage = stage(
        &[
            risky(&json!({"fallback_action": "text"})),
            declared("text", &json!({})),
        ],
        &["email:send"],
    )
    .says(&[&plan("send", &json!({}))]);
    let asked = stage.step();
    let id = asked.body["pending"]["id"]
        .as_str()
        .expect("an id")
        .to_owned();
    let answer = stage.answer(json!({"decision": "reject"}));
    assert_eq!(
        answer.body["result"]["error"]["errorCode"],
        "human_rejected"
    );
    assert_eq!(
        (
            &answer.body["steps_done"],
            &answer.body["status"],
            stage.executed
        ),
        (&json!(1), &json!("active"), 0)
    );
    let late = stage.call(Input::Answered {
        caller: caller(&["email:send"]),
        id,
        body: json!({"decision": "approve"}),
    });
    assert_eq!(code(&late), (409, "intervention_answered".to_owned()));
    assert_eq!(stage.executed, 0);
    assert_eq!(stage.close()["interventions"][0]["outcome"], "rejected");
}

#[test]
fn whoever_approves_holds_the_scopes() {
    let mut stage = stage(&[risky(&json!({"completes_goal": true}))], &["email:send"])
        .says(&[&plan("send", &json!({}))])
        .gives(Ok(json!({})));
    stage.step();
    stage.caller = caller(&["email:read"]);
    let refused = stage.answer(json!({"decision": "approve"}));
    assert_eq!(code(&refused), (403, "insufficient_scope".to_owned()));
    assert_eq!(
        (stage.executed, stage.session.status()),
        (0, Status::AwaitingHuman)
    );
    stage.caller = caller(&["email:send"]);
    assert_eq!(
        stage.answer(json!({"decision": "approve"})).body["completed"],
        true
    );
}

#[test]
fn a_skipped_action_asks_nobody_and_a_question_is_not_approved() {
    let mut asking = question("ask", "Which zone?");
    asking["access_control"] = json!({"verification": "approval"});
    let mut stage = stage(
        &[risky(&json!({"conditional": "false"})), asking],
        &["email:send"],
    )
    .says(&[&plan("send", &json!({})), &plan("ask", &json!({}))]);
    assert_eq!(stage.step().body["result"]["status"], "skipped");
    assert_eq!(stage.step().body["pending"]["kind"], "human_intervention");
    assert_eq!(
        code(&stage.answer(json!({"decision": "approve"}))),
        (400, "invalid_request".to_owned())
    );
}

#[test]
fn the_rate_is_charged_after_the_approval() {
    let action =
        risky(&json!({"access_control": {"verification": "approval", "rate_limit": "1/s"}}));
    let mut stage = stage(&[action], &[]).says(&[&plan("send", &json!({}))]);
    stage.charges.push_back(Err(1));
    stage.step();
    assert!(stage.charged.is_empty());
    let answer = stage.answer(json!({"decision": "approve"}));
    assert_eq!(answer.body["result"]["error"]["errorCode"], "rate_limited");
    assert_eq!(
        (&answer.body["status"], &answer.body["steps_done"]),
        (&json!("active"), &json!(1))
    );
}

#[test]
fn a_plan_of_a_person_is_approved_like_any_other() {
    let mut stage = stage(
        &[risky(&json!({})), declared("text", &json!({}))],
        &["email:send"],
    )
    .says(&["no", "no", "no"])
    .gives(Ok(json!({})));
    stage.step();
    let plan = json!({"output": {"plan": {"action": "send", "args": {}}}});
    stage.caller = caller(&[]);
    let refused = stage.answer(plan.clone());
    assert_eq!(code(&refused), (422, "invalid_answer".to_owned()));
    assert_eq!(refused.body["details"]["reason"], "insufficient_scope");
    stage.caller = caller(&["email:send"]);
    let asked = stage.answer(plan);
    assert_eq!(asked.body["pending"]["kind"], "approval");
    assert_eq!(
        stage.answer(json!({"decision": "approve"})).body["steps_done"],
        1
    );
    let transcript = stage.close();
    assert_eq!(transcript["interventions"][1]["step_number"], 1);
    assert_eq!(transcript["interventions"][0].get("step_number"), None);
    assert_eq!(transcript["side_effects"][0]["step_number"], Value::Null);
}

#[test]
fn an_approval_is_cancelled_by_closing() {
    let mut stage = stage(&[risky(&json!({}))], &["email:send"]).says(&[&plan("send", &json!({}))]);
    stage.step();
    assert_eq!(stage.close()["interventions"][0]["outcome"], "cancelled");
    assert_eq!(stage.executed, 0);
}
