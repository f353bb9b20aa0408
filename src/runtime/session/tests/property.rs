//! Whatever clients, people, the model and services do, the record is consistent.

use proptest::prelude::*;

use super::*;

/// One move of a client, with what the world answers.
#[derive(Debug, Clone)]
enum Move {
    Step(Vec<usize>, usize),
    Answer(usize),
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let step =
        (prop::collection::vec(0_usize..12, 3), 0_usize..4).prop_map(|(r, o)| Move::Step(r, o));
    let answer = (0_usize..8).prop_map(Move::Answer);
    prop::collection::vec(prop_oneof![3 => step, 1 => answer], 0..12)
}

proptest! {
    #[test]
    fn whatever_happens_the_record_is_consistent(moves in moves(), max_steps in 1_u64..5, human in any::<bool>()) {
        let replies = [PROBE, BAD, ASK, DONE, "not json", r#"{"action":"finish","args":{}}"#, r#"{"action":"ASK","args":{}}"#,
            r#"{"action":"gated","args":{"n":1}}"#, r#"{"action":"gated","args":{}}"#, r#"{"action":"gated","args":{"n":2}}"#,
            r#"{"action":"backed","args":{}}"#, r#"{"action":"risky","args":{}}"#];
        let bodies = [
            json!({"output": "Europe/Berlin"}), json!({"output": 1}), json!({"decision": "reject"}), json!({}),
            json!({"output": {"retry": true}}), json!({"output": {"plan": {"action": "probe", "args": {}}}}),
            json!({"output": {"plan": {"finished": true}}}), json!({"decision": "approve"}),
        ];
        let mut stage = Stage::new(max_steps, human);
        for one in moves {
            stage.replies.clear();
            stage.outcomes.clear();
            stage.charges.clear();
            let before = stage.session.steps_done();
            let answer = match one {
                Move::Step(picked, outcome) => {
                    stage.replies.extend(picked.iter().map(|index| Ok(replies[*index].to_owned())));
                    stage.outcomes.push_back(match outcome {
                        0 => Ok(json!({"a": 1})),
                        1 => Ok(json!("text")),
                        2 => Ok(json!({"zone": {"echo": SECRET}})),
                        _ => Err(ErrorObject::new(Code::UpstreamTimeout, "late")),
                    });
                    // What a fallback gives.
                    stage.outcomes.push_back(Ok(json!({"b": outcome})));
                    stage.step()
                }
                Move::Answer(index) => {
                    stage.outcomes.push_back(Ok(json!({})));
                    stage.charges.push_back(if index % 2 == 0 { Ok(()) } else { Err(3) });
                    stage.answer(bodies[index].clone())
                }
            };
            let done = stage.session.steps_done();
            prop_assert!(done <= max_steps && done - before <= 1);
            prop_assert_eq!(done > before, answer.status == 200 && !answer.body["result"].is_null());
            if answer.status == 200 {
                prop_assert_eq!(answer.body["completed"] == true, answer.body["status"] == "completed");
                prop_assert_eq!(answer.body.get("pending").is_some(), answer.body["status"] == "awaiting_human");
            }
        }
        let manifest = Arc::clone(stage.session.manifest());
        let done = stage.session.steps_done();
        let transcript = stage.close();
        prop_assert_eq!(transcript["steps"].as_array().map(Vec::len), usize::try_from(done).ok());
        prop_assert!(replays(&manifest, &transcript));
        prop_assert!(!transcript.to_string().contains(SECRET));
        let violations = schema::named("transcript").expect("published").violations(&transcript);
        prop_assert!(violations.is_empty(), "{violations:?}");
    }
}
