//! The machine driven by hand: no clock, no model, no service.

mod access;
mod property;
mod workflow;

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::contract::Contracts;
use super::status::Status;
use super::transcript::SideEffect;
use super::{Effect, Execution, Input, Opening, Plugins, Session};
use crate::manifest::{Action, Manifest};
use crate::model::{ModelFailure, ModelReply};
use crate::runtime::access::{Caller, Uncharged};
use crate::runtime::answer::Answer;
use crate::runtime::error::{Code, ErrorObject};
use crate::runtime::fixture::{action, declared, manifest};
use crate::runtime::merge;
use crate::runtime::parts::Reference;
use crate::runtime::redact::{Redactor, encodings};
use crate::schema;
use crate::workflow::bound::Catalogue;

const SECRET: &str = "cal-tok+en/3f9a1c77==";

/// One plugin, `tools.note`.
struct OnePlugin;

impl Catalogue for OnePlugin {
    fn get(&self, name: &str) -> Option<Arc<Action>> {
        let note = || action("note", &json!({"output_schema": {"type": "string"}}));
        (name == "tools.note").then(note)
    }
}

/// A session with what the model and the service will say next.
struct Stage {
    session: Session,
    now: Timestamp,
    replies: VecDeque<Result<String, ModelFailure>>,
    /// How many of the next replies are told as cut off.
    cut_off: usize,
    outcomes: VecDeque<Result<Value, ErrorObject>>,
    caller: Caller,
    /// What the next charges of a rate come to; admitted when there is none.
    charges: VecDeque<Result<(), u64>>,
    /// The actions whose rates were charged.
    charged: Vec<String>,
    /// The actions that were wanted and not charged.
    spared: Vec<(String, Uncharged)>,
    prompts: Vec<String>,
    executed: usize,
    /// The actions that were executed, with their arguments.
    calls: Vec<(String, Value)>,
    /// What the code of each execution wrote, in order.
    logs: VecDeque<String>,
    archived: Option<Arc<Value>>,
}

impl Stage {
    fn new(max_steps: u64, human: bool) -> Self {
        let actions = [
            declared(
                "probe",
                &json!({"input_schema": {"type": "object", "properties": {"n": {"type": "integer"}}},
                                      "output_schema": {"type": "object"}}),
            ),
            declared("finish", &json!({"completes_goal": true})),
            question("ask", "Which zone?"),
            declared("gated", &json!({"conditional": "input.n > 1"})),
            declared("backed", &json!({"fallback_action": "probe"})),
            declared(
                "risky",
                &json!({"access_control": {"verification": "approval", "rate_limit": "1/s"}}),
            ),
        ];
        Self::of(
            &manifest(&json!({"actions": actions})),
            &[],
            max_steps,
            human,
        )
    }

    /// A session of a person who holds these scopes.
    fn of(manifest: &Manifest, scopes: &[&str], max_steps: u64, human: bool) -> Self {
        let caller = caller(scopes);
        let opening = Opening {
            id: "00000000-0000-4000-8000-000000000000".to_owned(),
            manifest: Arc::new(manifest.clone()),
            goal: json!({"description": "do it"}),
            observation: json!({"timestamp": "2026-01-01T00:00:00Z", "user_context": {"user_id": "U", "preferences": {}},
                                "environment": {"note": format!("has {SECRET}")}}),
            max_steps,
            flags: None,
            seed: None,
            redactor: Redactor::new(&encodings(SECRET)),
            caller: caller.clone(),
            plugins: Plugins(Arc::new(OnePlugin)),
            human,
            heaviest_record: 1 << 24,
            contracts: Contracts::default(),
        };
        let now = Timestamp::UNIX_EPOCH;
        Self {
            session: Session::open(&Reference, now, opening),
            now,
            replies: VecDeque::new(),
            cut_off: 0,
            outcomes: VecDeque::new(),
            caller,
            charges: VecDeque::new(),
            charged: Vec::new(),
            spared: Vec::new(),
            prompts: Vec::new(),
            executed: 0,
            calls: Vec::new(),
            logs: VecDeque::new(),
            archived: None,
        }
    }

    fn says(mut self, replies: &[&str]) -> Self {
        self.replies
            .extend(replies.iter().map(|reply| Ok((*reply).to_owned())));
        self
    }

    fn gives(mut self, outcome: Result<Value, ErrorObject>) -> Self {
        self.outcomes.push_back(outcome);
        self
    }

    fn call(&mut self, first: Input) -> Answer {
        let mut input = first;
        loop {
            self.now += SignedDuration::from_millis(10);
            let mut next = None;
            for effect in self.session.step(&Reference, self.now, input) {
                match effect {
                    Effect::Reply(answer) => return answer,
                    Effect::Archive(transcript) => self.archived = Some(transcript),
                    Effect::Ask(attempt, messages) => {
                        self.prompts.push(
                            messages
                                .iter()
                                .map(|m| &*m.content)
                                .collect::<Vec<_>>()
                                .join("\n"),
                        );
                        next = Some(match self.replies.pop_front().expect("a scripted reply") {
                            Ok(text) => Input::Replied(
                                attempt,
                                ModelReply {
                                    text,
                                    finish_reason: self.cut_off.checked_sub(1).map(|left| {
                                        self.cut_off = left;
                                        "length".to_owned()
                                    }),
                                    usage: None,
                                },
                            ),
                            Err(failure) => Input::NotReplied(attempt, failure),
                        });
                    }
                    Effect::Charge(rate, launch) => {
                        self.charged.push(rate.action);
                        let charged = self.charges.pop_front().unwrap_or(Ok(()));
                        next = Some(Input::Charged(launch, charged));
                    }
                    Effect::Spare(rate, why) => self.spared.push((rate.action, why)),
                    Effect::Execute(flight) => {
                        self.executed += flight.calls.len();
                        let mut side_effects = Vec::new();
                        for call in &flight.calls {
                            self.calls
                                .push((call.action.name.clone(), call.args.clone()));
                            side_effects.push(sent(call.step_number));
                        }
                        let outcome = self.outcomes.pop_front().expect("a scripted outcome");
                        next = Some(Input::Executed(
                            flight,
                            Execution {
                                outcome,
                                side_effects,
                                logs: self.logs.pop_front(),
                            },
                        ));
                    }
                }
            }
            input = next.expect("an effect that leads on");
        }
    }

    fn step(&mut self) -> Answer {
        self.call(Input::Step(self.caller.clone()))
    }

    fn answer(&mut self, body: Value) -> Answer {
        let id = self
            .session
            .pending(&Reference)
            .map_or_else(String::new, |p| p["id"].as_str().unwrap_or("").to_owned());
        let caller = self.caller.clone();
        self.call(Input::Answered { caller, id, body })
    }

    fn close(&mut self) -> Value {
        let answer = self.call(Input::Close);
        assert_eq!(answer.status, 200);
        answer.body["transcript"].clone()
    }
}

fn caller(scopes: &[&str]) -> Caller {
    let scopes: BTreeSet<String> = scopes.iter().map(|&scope| scope.to_owned()).collect();
    Caller::known("U", scopes)
}

fn question(name: &str, prompt: &str) -> Value {
    json!({"type": "human_intervention", "name": name, "prompt": prompt, "result_path": "/environment/zone",
           "input_schema": {"type": "object"}, "output_schema": {"type": "string"}})
}

fn sent(step_number: u64) -> SideEffect {
    SideEffect {
        step_number: Some(step_number),
        kind: "http",
        method: "POST".to_owned(),
        target: "https://service.example.com/v1/things".to_owned(),
        status: Value::from(200),
        at: "2026-01-01T00:00:00Z".to_owned(),
    }
}

/// The plan of an action with these arguments.
fn plan(action: &str, args: &Value) -> String {
    json!({"action": action, "args": args}).to_string()
}

const PROBE: &str = r#"{"action":"probe","args":{"n":1},"why":"extra"}"#;
const BAD: &str = r#"{"action":"probe","args":{"n":"x"}}"#;
const ASK: &str = r#"{"action":"ask","args":{}}"#;
const DONE: &str = r#"{"finished":true}"#;

fn code(answer: &Answer) -> (u16, String) {
    (
        answer.status,
        answer.body["errorCode"]
            .as_str()
            .unwrap_or("none")
            .to_owned(),
    )
}

#[test]
fn a_step_merges_counts_and_is_recorded() {
    let mut stage = Stage::new(10, true).says(&[PROBE]).gives(Ok(
        json!({"slots": [1], "echo": format!("Bearer {SECRET}")}),
    ));
    let answer = stage.step();
    assert_eq!(answer.status, 200);
    assert_eq!(
        (&answer.body["steps_done"], &answer.body["completed"]),
        (&json!(1), &json!(false))
    );
    let environment = stage.session.observation()["environment"].clone();
    assert_eq!(
        environment,
        json!({"note": "has [REDACTED]", "slots": [1], "echo": "Bearer [REDACTED]"})
    );
    let transcript = stage.close();
    assert_eq!(transcript["steps"][0]["plan"]["why"], "extra");
    assert_eq!(transcript["turns"][0]["step_number"], 1);
    assert_eq!(
        transcript["final_observation"],
        transcript["steps"][0]["observation"]
    );
    assert_eq!(
        transcript["final_observation"]["timestamp"],
        transcript["steps"][0]["started_at"]
    );
    assert!(!transcript.to_string().contains(SECRET) && !stage.prompts.concat().contains(SECRET));
}

#[test]
fn a_refused_reply_is_shown_again_and_nothing_runs() {
    let mut stage = Stage::new(10, true)
        .says(&[BAD, "no json", PROBE])
        .gives(Ok(json!({})));
    assert_eq!(stage.step().body["steps_done"], 1);
    assert_eq!((stage.prompts.len(), stage.executed), (3, 1));
    assert!(
        stage.prompts[1].contains("input_validation_failed")
            && stage.prompts[1].contains("\"pointer\":\"/n\"")
    );
    assert!(stage.prompts[2].contains("no json") && stage.prompts[2].contains("invalid_plan"));
    assert!(!stage.prompts[0].contains("input_validation_failed"));
}

#[test]
fn three_refusals_wait_for_a_person_or_fail() {
    let mut attended = Stage::new(10, true).says(&[BAD, BAD, r#"{"action":"PROBE","args":{}}"#]);
    let answer = attended.step();
    assert_eq!(
        (answer.status, &answer.body["status"]),
        (200, &json!("awaiting_human"))
    );
    assert_eq!(
        answer.body["pending"]["refusals"][2]["errors"][0]["errorCode"],
        "undeclared_action"
    );
    assert_eq!(attended.executed, 0);
    let mut unattended = Stage::new(10, false).says(&[BAD, BAD, BAD]);
    assert_eq!(unattended.step().body["status"], "failed");
    assert_eq!(
        code(&unattended.step()),
        (400, "session_finished".to_owned())
    );
}

#[test]
fn a_person_rescues_a_session_in_each_way() {
    let stuck = || Stage::new(10, true).says(&[BAD, BAD, BAD]);
    let mut retried = stuck().says(&[PROBE]).gives(Ok(json!({})));
    retried.step();
    assert_eq!(
        code(&retried.answer(json!({"output": {"retry": false}}))),
        (422, "invalid_answer".to_owned())
    );
    assert_eq!(
        retried.answer(json!({"output": {"retry": true}})).body["status"],
        "active"
    );
    assert_eq!(retried.step().body["steps_done"], 1);

    let mut planned = stuck().gives(Ok(json!({"by": "person"})));
    planned.step();
    let invalid =
        planned.answer(json!({"output": {"plan": {"action": "probe", "args": {"n": "x"}}}}));
    assert_eq!(code(&invalid), (422, "invalid_answer".to_owned()));
    assert_eq!(
        invalid.body["details"]["violations"][0]["pointer"],
        "/output/plan/args/n"
    );
    let taken = planned.answer(json!({"output": {"plan": {"action": "probe", "args": {"n": 2}}}}));
    assert_eq!(
        (
            taken.status,
            &taken.body["result"]["success"],
            &taken.body["status"]
        ),
        (200, &json!(true), &json!("active"))
    );

    let mut rejected = stuck();
    rejected.step();
    assert_eq!(
        rejected.answer(json!({"decision": "reject"})).body["status"],
        "failed"
    );
}

#[test]
fn a_question_is_answered_once() {
    let mut stage = Stage::new(10, true).says(&[ASK]);
    let asked = stage.step();
    let id = asked.body["pending"]["id"]
        .as_str()
        .expect("an id")
        .to_owned();
    assert_eq!(code(&stage.step()), (409, "awaiting_human".to_owned()));
    assert_eq!(
        code(&stage.answer(json!({"output": 3}))),
        (422, "invalid_answer".to_owned())
    );
    assert_eq!(
        code(&stage.answer(json!({"output": "x", "decision": "reject"}))),
        (400, "invalid_request".to_owned())
    );
    let answer = stage.answer(json!({"output": "Europe/Berlin"}));
    assert_eq!(
        (&answer.body["steps_done"], &answer.body["result"]["output"]),
        (&json!(1), &json!("Europe/Berlin"))
    );
    assert_eq!(
        stage.session.observation()["environment"]["zone"],
        "Europe/Berlin"
    );
    let late = stage.call(Input::Answered {
        caller: caller(&[]),
        id,
        body: json!({"output": "again"}),
    });
    assert_eq!(code(&late), (409, "intervention_answered".to_owned()));
    let unknown = stage.call(Input::Answered {
        caller: caller(&[]),
        id: "iv_none".to_owned(),
        body: json!({"output": "x"}),
    });
    assert_eq!(code(&unknown), (404, "intervention_not_found".to_owned()));
}

#[test]
fn a_rejected_question_is_a_failed_step() {
    let mut stage = Stage::new(10, true).says(&[ASK]);
    stage.step();
    let answer = stage.answer(json!({"decision": "reject"}));
    assert_eq!(
        answer.body["result"]["error"]["errorCode"],
        "human_rejected"
    );
    assert_eq!(
        (&answer.body["steps_done"], &answer.body["status"]),
        (&json!(1), &json!("active"))
    );
    let transcript = stage.close();
    assert_eq!(transcript["interventions"][0]["outcome"], "rejected");
    assert_eq!(transcript["side_effects"][0]["status"], "rejected");
}

#[test]
fn the_limit_holds_and_completion_comes_before_it() {
    let mut stage = Stage::new(1, true)
        .says(&[PROBE])
        .gives(Err(ErrorObject::new(Code::UpstreamTimeout, "late")));
    let last = stage.step();
    assert_eq!(
        (&last.body["status"], &last.body["result"]["success"]),
        (&json!("active"), &json!(false))
    );
    let over = stage.step();
    assert_eq!(
        (over.status, &over.body["status"], &over.body["result"]),
        (200, &json!("max_steps_reached"), &Value::Null)
    );
    assert_eq!(code(&stage.step()), (400, "session_finished".to_owned()));
    assert_eq!(stage.prompts.len(), 1);
    let mut complete = Stage::new(1, true)
        .says(&[r#"{"action":"finish","args":{}}"#])
        .gives(Ok(json!("ok")));
    assert_eq!(complete.step().body["completed"], true);
    let mut finished = Stage::new(1, true).says(&[DONE]);
    let answer = finished.step();
    assert_eq!(
        (&answer.body["completed"], &answer.body["steps_done"]),
        (&json!(true), &json!(0))
    );
}

#[test]
fn a_failing_model_changes_nothing() {
    let mut stage = Stage::new(5, true);
    stage.replies.push_back(Err(ModelFailure {
        retry_after: Some("3".to_owned()),
        ..ModelFailure::new("down")
    }));
    stage.replies.push_back(Ok(PROBE.to_owned()));
    let stage = &mut stage.gives(Ok(json!({})));
    let before = stage.session.observation().clone();
    let failed = stage.step();
    assert_eq!(code(&failed), (503, "llm_unavailable".to_owned()));
    assert_eq!(failed.headers, [("retry-after", "3".to_owned())]);
    assert_eq!(
        (stage.session.observation(), stage.session.status()),
        (&before, Status::Active)
    );
    // While the model asks to be left alone it is not asked, and there is no turn.
    let resting = stage.step();
    assert_eq!(code(&resting), (503, "llm_unavailable".to_owned()));
    assert_eq!(resting.headers, [("retry-after", "3".to_owned())]);
    assert_eq!(stage.replies.len(), 1);
    stage.now += SignedDuration::from_secs(3);
    assert_eq!(stage.step().body["steps_done"], 1);
}

#[test]
fn a_reply_that_was_cut_off_is_no_plan() {
    let mut stage = Stage::new(5, true);
    stage.cut_off = 1;
    stage.replies.push_back(Ok(PROBE.to_owned()));
    stage.replies.push_back(Ok(PROBE.to_owned()));
    let stage = &mut stage.gives(Ok(json!({})));
    assert_eq!(stage.step().body["steps_done"], 1);
    assert!(stage.replies.is_empty(), "it was asked twice");
}

#[test]
fn invalid_and_oversized_outputs_leave_the_environment_alone() {
    let huge = json!({"big": "x".repeat(1024 * 1024)});
    for (outcome, expected) in [
        (json!("no object"), "output_validation_failed"),
        (huge, "observation_too_large"),
    ] {
        let mut stage = Stage::new(5, true).says(&[PROBE]).gives(Ok(outcome));
        let before = stage.session.observation()["environment"].clone();
        let answer = stage.step();
        assert_eq!(answer.body["result"]["error"]["errorCode"], expected);
        assert_eq!(stage.session.observation()["environment"], before);
        assert_eq!(
            stage.session.observation()["last_result"],
            answer.body["result"]
        );
    }
}

#[test]
fn closing_cancels_a_question_and_ends_everything() {
    let mut stage = Stage::new(5, true).says(&[ASK]);
    stage.step();
    let transcript = stage.close();
    assert_eq!(
        (
            &transcript["status"],
            &transcript["interventions"][0]["outcome"]
        ),
        (&json!("awaiting_human"), &json!("cancelled"))
    );
    assert!(stage.archived.is_some());
    assert_eq!(code(&stage.step()), (404, "session_not_found".to_owned()));
    assert_eq!(
        code(&stage.answer(json!({"output": "x"}))),
        (404, "session_not_found".to_owned())
    );
    assert_eq!(
        code(&stage.call(Input::Close)),
        (404, "session_not_found".to_owned())
    );
}

#[test]
fn a_session_left_alone_expires() {
    let mut stage = Stage::new(5, true).says(&[ASK]);
    stage.step();
    assert!(
        stage
            .session
            .step(&Reference, stage.now, Input::LeftAlone)
            .is_empty()
    );
    assert_eq!(stage.session.status(), Status::Expired);
    assert_eq!(code(&stage.step()), (400, "session_finished".to_owned()));
    assert_eq!(stage.close()["status"], "expired");
}

#[test]
fn answers_and_transcripts_satisfy_the_published_schemas() {
    let mut stage = Stage::new(9, true)
        .says(&[BAD, PROBE, ASK, BAD, BAD, BAD, DONE])
        .gives(Ok(json!({"a": 1})));
    let check = |name: &str, value: &Value| {
        let schema = schema::named(name).unwrap_or_else(|| panic!("no schema {name}"));
        assert_eq!(schema.violations(value), [], "{name}: {value:#}");
    };
    check("step", &stage.step().body);
    check("step", &stage.step().body);
    check(
        "intervention",
        &stage.answer(json!({"output": "Europe/Berlin"})).body,
    );
    check("step", &stage.step().body);
    check("error", &stage.step().body);
    check(
        "intervention",
        &stage.answer(json!({"output": {"retry": true}})).body,
    );
    check("step", &stage.step().body);
    check("error", &stage.step().body);
    check("transcript", &stage.close());
}

/// Replays a transcript as `spec/transcripts.md` 4.5 says.
fn replays(manifest: &Manifest, transcript: &Value) -> bool {
    let mut observation = transcript["initial_observation"].clone();
    for step in transcript["steps"].as_array().expect("steps") {
        let name = step["result"]["action_name"].as_str().expect("a name");
        let action = manifest.action(name).expect("declared");
        if step["result"]["success"] == true && step["result"]["status"] != "skipped" {
            observation =
                merge::merge(&observation, action, &step["result"]["output"]).expect("merges");
        }
        let number = step["step_number"].as_u64().expect("a number");
        let at = step["started_at"].as_str().expect("a time");
        observation = merge::observe_step(observation, at, number, &step["result"]);
        if observation != step["observation"] {
            return false;
        }
    }
    observation == transcript["final_observation"]
}

#[test]
fn logs_of_all_attempts_stand_in_the_step_and_nowhere_else() {
    let mut stage = Stage::new(5, true)
        .says(&[r#"{"action":"backed","args":{}}"#, PROBE])
        .gives(Err(ErrorObject::new(Code::SandboxError, "m")))
        .gives(Ok(json!({"a": 1})))
        .gives(Ok(json!({"a": 2})));
    stage
        .logs
        .extend(["first ".to_owned(), "second".to_owned()]);
    let answer = stage.step();
    assert!(answer.body["result"].get("logs").is_none());
    assert_eq!(stage.step().status, 200);
    let transcript = stage.close();
    assert_eq!(transcript["steps"][0]["logs"], "first second");
    assert!(transcript["steps"][1].get("logs").is_none());
    let rest = transcript["final_observation"].to_string();
    assert!(!rest.contains("second"), "{rest}");
}

#[test]
fn a_step_after_a_long_history_keeps_no_more_than_one_after_a_short_one() {
    let mut stage = Stage::new(10_000, true);
    let mut kept = Vec::new();
    for _ in 0..300 {
        let plan = r#"{"action":"probe","args":{"n":1}}"#;
        stage.replies.push_back(Ok(plan.to_owned()));
        stage.outcomes.push_back(Ok(json!({"found": [1, 2]})));
        assert_eq!(stage.step().status, 200);
        let record = stage.session.record();
        kept.push((record.weight, record.changes.len()));
    }
    let grown = |step: usize| {
        (
            kept[step].0 - kept[step - 1].0,
            kept[step].1 - kept[step - 1].1,
        )
    };
    // Numbers of steps with as many digits.
    assert_eq!(grown(120), grown(290));
    let (early, late) = (grown(20), grown(290));
    assert!(
        late.0 <= early.0 + 8 && late.1 == early.1,
        "{early:?} {late:?}"
    );
    // The contract is one text for all of them.
    let turns = &stage.session.record().turns;
    let contract = |index: usize| &turns[index].messages[0].content;
    assert!((1..300).all(|index| Arc::ptr_eq(contract(0), contract(index))));
    assert_eq!(stage.session.record().refused, 0);
}
