//! The machine alone: services, model and people are closures and lists.

use std::collections::VecDeque;

use serde_json::json;

use super::*;
use crate::manifest::Action;
use crate::manifest::load;
use crate::runtime::error::Code;
use crate::runtime::fixture::declared;
use crate::runtime::idempotency::{Admission, Idempotency};
use crate::runtime::parts::Reference;
use crate::workflow::{check, request};

const PROFILES: [Profile; 5] = [
    Profile::Core,
    Profile::Session,
    Profile::Human,
    Profile::Workflow,
    Profile::Access,
];

struct NoPlugins;

impl Catalogue for NoPlugins {
    fn get(&self, _: &str) -> Option<Arc<Action>> {
        None
    }
}

/// One call with everything around it.
struct Bench<'a> {
    parts: &'a dyn Parts,
    manifest: Arc<Manifest>,
    terms: Terms,
    state: Value,
    scopes: &'a [&'a str],
    /// What services answer, by action; an action that is not listed gives its input back.
    fails: Vec<(&'a str, Code)>,
    outputs: Vec<(&'a str, Value)>,
    replies: VecDeque<Value>,
    rate_left: usize,
    nodes_known: Idempotency,
    executed: Vec<(String, Value)>,
    asked: usize,
    held: Option<Question>,
    rested: usize,
    call_ids: Vec<String>,
    /// What the code of each execution wrote, in order.
    logs: VecDeque<String>,
    clocks: Vec<(Timestamp, Option<u64>)>,
}

impl<'a> Bench<'a> {
    fn new() -> Self {
        let manifest = json!({"name": "m", "version": "1.0.0", "actions": [
            declared("give", &json!({})),
            declared("other", &json!({"input_schema": {"type": "object", "required": ["to"], "properties": {"to": {"type": "string"}}}})),
            declared("rare", &json!({"access_control": {"rate_limit": "1/min"}})),
            declared("secret", &json!({"access_control": {"required_scopes": ["s:use"]}})),
        ]});
        Self {
            parts: &Reference,
            manifest: Arc::new(load(&manifest).expect("valid")),
            terms: Terms {
                replan_max: 1,
                ..Terms::default()
            },
            state: json!({}),
            scopes: &[],
            fails: Vec::new(),
            outputs: Vec::new(),
            replies: VecDeque::new(),
            rate_left: 1,
            nodes_known: Idempotency::new(10, 1 << 20),
            executed: Vec::new(),
            asked: 0,
            held: None,
            rested: 0,
            call_ids: Vec::new(),
            logs: VecDeque::new(),
            clocks: Vec::new(),
        }
    }

    fn caller(&self) -> Caller {
        Caller::known("u", self.scopes.iter().map(|s| (*s).to_owned()).collect())
    }

    fn run(&mut self, nodes: &Value) -> Answer {
        let read = request::read_nodes(self.parts.workflow(), nodes, &PROFILES).expect("nodes");
        let bound = check::bind(
            self.parts.workflow(),
            read,
            &self.manifest,
            None,
            &NoPlugins,
        )
        .expect("bound");
        self.drive(!nodes.is_array(), Input::Begin(bound))
    }

    fn decide(&mut self, approve: bool) -> Answer {
        let question = self.held.take().expect("a question");
        self.state = question.answer.body["state"].clone();
        let decided = Decided {
            id: question.id,
            approve,
            pause: Arc::new(question.pause),
            sent_input: None,
        };
        self.drive(false, Input::Decided(decided))
    }

    fn drive(&mut self, single: bool, first: Input) -> Answer {
        let Value::Object(state) = self.state.clone() else {
            panic!("an object");
        };
        let mut workflow = Workflow::open(Opening {
            id: "run".to_owned(),
            approval_id: "question".to_owned(),
            caller: self.caller(),
            manifest: Arc::clone(&self.manifest),
            single,
            terms: self.terms.clone(),
            state,
        });
        let redactor = Redactor::new(&["secret-value"]);
        let around = Around {
            parts: self.parts,
            plugins: &NoPlugins,
            profiles: &PROFILES,
            redactor: &redactor,
            now: Timestamp::UNIX_EPOCH,
        };
        let mut input = first;
        loop {
            let mut next = None;
            for effect in workflow.step(&around, input) {
                assert!(next.is_none(), "only the last effect brings an input");
                next = Some(match effect {
                    Effect::Answer(answer) => return answer,
                    Effect::Hold(question) => {
                        let answer = question.answer.clone();
                        self.held = Some(*question);
                        return answer;
                    }
                    Effect::Keep(ticket, record) => {
                        ticket.complete(self.parts, &Answer::ok(record));
                        continue;
                    }
                    Effect::Rest => {
                        self.rested += 1;
                        Input::Rested
                    }
                    Effect::ChargeInVain(..) => panic!("nothing is charged in vain"),
                    Effect::Recall { scope, fingerprint } => {
                        let known = self.nodes_known.admit(scope, fingerprint, around.now);
                        Input::Recalled(match known {
                            Admission::Run(ticket) => Recollection::Fresh(ticket),
                            Admission::Repeat(answer) => {
                                Recollection::Stored(Value::clone(&answer.body))
                            }
                            Admission::Conflict => Recollection::Refused(ErrorObject::new(
                                Code::IdempotencyConflict,
                                "m",
                            )),
                            Admission::Wait(_) => panic!("nobody else runs"),
                        })
                    }
                    Effect::Charge(..) => Input::Charged(match self.rate_left {
                        0 => Err(7),
                        _ => {
                            self.rate_left -= 1;
                            Ok(())
                        }
                    }),
                    Effect::Execute(call) => {
                        let name = call.action.name.clone();
                        let output = self.outputs.iter().find(|(n, _)| *n == name);
                        let output = output.map_or(call.args.clone(), |(_, output)| output.clone());
                        let failure = self.fails.iter().find(|(n, _)| *n == name);
                        let outcome = match failure {
                            Some((_, code)) => Err(ErrorObject::new(*code, "m")),
                            None => Ok(output),
                        };
                        self.executed.push((name, call.args));
                        self.call_ids.push(call.session_id);
                        self.clocks.push((call.clock, call.seed));
                        Input::Executed(Execution {
                            outcome,
                            side_effects: Vec::new(),
                            logs: self.logs.pop_front(),
                        })
                    }
                    Effect::Ask(messages) => {
                        self.asked += 1;
                        assert!(messages.len() >= 2);
                        match self.replies.pop_front() {
                            Some(reply) => Input::Replied(ModelReply {
                                text: reply.to_string(),
                                finish_reason: None,
                                usage: None,
                            }),
                            None => Input::NotReplied(ModelFailure::new("gone")),
                        }
                    }
                });
            }
            input = next.expect("the last effect brings an input");
        }
    }
}

fn node(name: &str, patch: &Value) -> Value {
    let mut node = json!({"@type": "OpenAction:Action", "name": name});
    for (member, value) in patch.as_object().expect("a patch") {
        node[member] = value.clone();
    }
    node
}

fn code(answer: &Answer) -> &str {
    answer.body["error"]["errorCode"].as_str().unwrap_or("none")
}

#[test]
fn a_skipped_node_never_fails_for_its_templates() {
    let mut call = Bench::new();
    let skipped = node(
        "give",
        &json!({"conditional": "state.no", "input": {"a": "{{ state.no }}"}}),
    );
    let body = call.run(&json!([skipped])).body;
    assert_eq!(body["status"], "completed");
    assert_eq!(
        body["state"],
        json!({"history": [{"action": "give", "status": "skipped", "undefined": ["state.no"], "at": "1970-01-01T00:00:00.000Z"}]})
    );
    assert!(call.executed.is_empty());
}

#[test]
fn conditionals_and_templates_that_fail_execute_nothing_and_call_no_fallback() {
    for (patch, expected) in [
        (json!({"conditional": "state.no > 0"}), "conditional_error"),
        (json!({"input": {"a": "{{ state.no }}"}}), "template_error"),
        (json!({"input": {"a": "{{ 1 / 0 }}"}}), "template_error"),
    ] {
        let mut call = Bench::new();
        let mut failing = node("give", &patch);
        failing["fallbackAction"] = json!("rare");
        let answer = call.run(&failing);
        assert_eq!(code(&answer), expected);
        assert_eq!(answer.body["error"], answer.body["results"][0]["error"]);
        assert!(call.executed.is_empty());
    }
}

#[test]
fn defaults_fill_required_members_and_yield_to_what_is_given() {
    let mut call = Bench::new();
    call.state = json!({"lastResult": {"to": "last", "cc": "no"}});
    let nodes = json!([
        node("other", &json!({})),
        node("other", &json!({"input": {"to": "mine"}})),
        node("other", &json!({"input": {"to": null}})),
    ]);
    let answer = call.run(&nodes);
    assert_eq!(call.executed[0].1, json!({"to": "last"}));
    assert_eq!(call.executed[1].1, json!({"to": "mine"}));
    assert_eq!(call.executed.len(), 2);
    assert_eq!(code(&answer), "input_validation_failed");
    let history = &answer.body["state"]["history"];
    assert_eq!(history[0]["defaulted"], json!(["to"]));
    assert_eq!(history[1].get("defaulted"), None);
}

#[test]
fn outputs_are_laid_over_each_other_and_kept_apart_by_name() {
    let mut call = Bench::new();
    call.state = json!({"mine": [1], "results": {"old": 1}, "lastResult": 3});
    let nodes = json!([
        node("give", &json!({"input": {"a": 1, "b": 1}})),
        node("other", &json!({"input": {"to": "x", "b": 2}})),
    ]);
    let body = call.run(&nodes).body;
    let state = &body["state"];
    assert_eq!(state["lastResult"], json!({"a": 1, "b": 2, "to": "x"}));
    assert_eq!(
        state["results"],
        json!({"old": 1, "give": {"a": 1, "b": 1}, "other": {"to": "x", "b": 2}})
    );
    assert_eq!(state["mine"], json!([1]));
    let mut call = Bench::new();
    call.outputs = vec![("give", json!([1]))];
    call.state = json!({"lastResult": {"a": 1}});
    let body = call.run(&node("give", &json!({}))).body;
    assert_eq!(
        (&body["state"]["lastResult"], &body["result"]),
        (&json!([1]), &json!([1]))
    );
}

#[test]
fn secrets_of_replies_reach_neither_results_nor_state() {
    let mut call = Bench::new();
    call.outputs = vec![("give", json!({"echo": "Bearer secret-value"}))];
    let answer = call.run(&json!([
        node("give", &json!({})),
        node(
            "other",
            &json!({"input": {"to": "{{ state.lastResult.echo }}"}})
        ),
    ]));
    assert!(!answer.body.to_string().contains("secret-value"));
    assert_eq!(call.executed[1].1, json!({"to": "Bearer [REDACTED]"}));
}

#[test]
fn an_output_too_large_for_the_state_is_in_the_results_only() {
    let mut call = Bench::new();
    // Twice in the state and once in its history.
    call.outputs = vec![("give", json!({"big": "x".repeat(400_000)}))];
    call.state = json!({"lastResult": {"small": 1}, "mine": 2});
    let answer = call.run(&json!([
        node("other", &json!({"input": {"to": "a"}})),
        node("give", &json!({})),
        node("other", &json!({"input": {"to": "b"}})),
    ]));
    assert_eq!((answer.status, code(&answer)), (200, "state_too_large"));
    assert_eq!(answer.body["failed_index"], 1);
    assert_eq!(answer.body["results"][1]["success"], true);
    assert!(answer.body["results"][1]["output"]["big"].is_string());
    let state = &answer.body["state"];
    assert_eq!(state["lastResult"], json!({"small": 1, "to": "a"}));
    assert_eq!(state["results"], json!({"other": {"to": "a"}}));
    assert_eq!(state["history"][1]["status"], "failed");
    assert_eq!(state["history"][1]["error"], answer.body["error"]);
    assert_eq!(call.executed.len(), 2);
}

#[test]
fn what_does_not_fit_at_all_leaves_the_state_as_it_was() {
    let mut call = Bench::new();
    call.state = json!({"mine": "x".repeat((1 << 20) - 11)});
    let before = call.state.clone();
    let answer = call.run(&json!([node("give", &json!({}))]));
    assert_eq!((answer.status, code(&answer)), (200, "state_too_large"));
    assert_eq!(answer.body["state"], before);
    // A skip that cannot be written down is a refusal, since nothing was executed.
    let answer = call.run(&json!([node("give", &json!({"conditional": "false"}))]));
    assert_eq!(
        (answer.status, answer.body["errorCode"].as_str()),
        (413, Some("state_too_large"))
    );
}

#[test]
fn pruning_keeps_the_last_entries_and_counts_before_the_size_does() {
    let mut call = Bench::new();
    call.terms.prune = Some(1);
    call.state = json!({"history": [{"action": "x", "status": "executed", "at": "t", "result": "x".repeat(1_000_000)}]});
    let nodes = json!([
        node("give", &json!({"input": {"big": "y".repeat(100_000)}})),
        node("other", &json!({"input": {"to": "a"}})),
    ]);
    let body = call.run(&nodes).body;
    assert_eq!(body["status"], "completed");
    assert_eq!(body["state"]["history"].as_array().map(Vec::len), Some(1));
    assert_eq!(body["state"]["history"][0]["action"], "other");
}

#[test]
fn a_fallback_runs_once_with_the_first_input_or_its_own() {
    let mut call = Bench::new();
    call.fails = vec![("give", Code::UpstreamTimeout)];
    let saved = node(
        "give",
        &json!({"input": {"to": "{{ state.t }}"}, "fallbackAction": "other"}),
    );
    call.state = json!({"t": "{{ state.x }}"});
    let body = call.run(&json!([saved])).body;
    assert_eq!(body["status"], "completed");
    // Inserted text is not scanned again, in the fallback neither.
    assert_eq!(
        call.executed[1],
        ("other".to_owned(), json!({"to": "{{ state.x }}"}))
    );
    assert_eq!(
        body["results"][0]["attempts"].as_array().map(Vec::len),
        Some(2)
    );
    assert_eq!(
        body["state"]["results"],
        json!({"other": {"to": "{{ state.x }}"}})
    );
    let statuses: Vec<&Value> = body["state"]["history"]
        .as_array()
        .expect("a history")
        .iter()
        .map(|entry| &entry["status"])
        .collect();
    assert_eq!(statuses, ["failed", "fallback"]);

    let mut call = Bench::new();
    call.fails = vec![("give", Code::UpstreamTimeout)];
    let own = node("other", &json!({"input": {"to": "{{ state.t }}"}}));
    call.state = json!({"t": "own"});
    call.run(&json!([node("give", &json!({"fallbackAction": own}))]));
    assert_eq!(call.executed[1].1, json!({"to": "own"}));
}

#[test]
fn a_fallback_that_is_not_executed_leaves_the_first_error() {
    let conditional = node(
        "other",
        &json!({"conditional": "false", "input": {"to": "a"}}),
    );
    let broken = node("other", &json!({"input": {"to": "{{ state.no }}"}}));
    for fallback in [json!("other"), conditional, broken] {
        let mut call = Bench::new();
        call.fails = vec![("give", Code::UpstreamTimeout)];
        let answer = call.run(&node("give", &json!({"fallbackAction": fallback})));
        assert_eq!(code(&answer), "upstream_timeout");
        assert_eq!(call.executed.len(), 1);
        let result = &answer.body["results"][0];
        assert_eq!(
            (&result["action_name"], result.get("attempts")),
            (&json!("give"), None)
        );
        assert_eq!(
            answer.body["state"]["history"].as_array().map(Vec::len),
            Some(1)
        );
    }
    let mut call = Bench::new();
    call.fails = vec![("give", Code::UpstreamTimeout)];
    call.rate_left = 0;
    let answer = call.run(&node("give", &json!({"fallbackAction": "rare"})));
    assert_eq!((answer.status, code(&answer)), (200, "upstream_timeout"));
    assert_eq!(answer.body["results"][0].get("attempts"), None);
}

#[test]
fn a_fallback_that_fails_gives_its_own_error_and_ends_the_node() {
    let mut call = Bench::new();
    call.fails = vec![
        ("give", Code::UpstreamTimeout),
        ("rare", Code::UpstreamUnreachable),
    ];
    let answer = call.run(&node("give", &json!({"fallbackAction": "rare"})));
    assert_eq!(code(&answer), "upstream_unreachable");
    assert_eq!(call.executed.len(), 2);
    let history = &answer.body["state"]["history"];
    assert_eq!(history[1]["fallback_of"], "give");
    assert_eq!(history[1]["error"], answer.body["error"]);
    assert_eq!(
        answer.body["results"][0]["attempts"][1]["error"],
        answer.body["error"]
    );
}

#[test]
fn a_rate_is_charged_after_validation_only() {
    let mut call = Bench::new();
    let skipped = node("rare", &json!({"conditional": "false"}));
    let nodes = json!([skipped, skipped, node("rare", &json!({}))]);
    assert_eq!(call.run(&nodes).body["status"], "completed");
    let answer = call.run(&node("rare", &json!({})));
    assert_eq!(
        (answer.status, answer.body["errorCode"].as_str()),
        (429, Some("rate_limited"))
    );
    assert_eq!(answer.headers, [("retry-after", "7".to_owned())]);
}

#[test]
fn a_node_with_a_key_gives_its_stored_result_fallback_and_all() {
    let mut call = Bench::new();
    call.fails = vec![("give", Code::UpstreamTimeout)];
    let keyed = node(
        "give",
        &json!({"requestId": "k", "input": {"to": "a"}, "fallbackAction": "other"}),
    );
    let first = call.run(&keyed).body;
    let second = call.run(&keyed).body;
    assert_eq!(
        (&first["results"], &first["state"]),
        (&second["results"], &second["state"])
    );
    assert_eq!(call.executed.len(), 2);
    // A failure is not kept.
    let mut call = Bench::new();
    call.fails = vec![("give", Code::UpstreamTimeout)];
    let keyed = node("give", &json!({"requestId": "k"}));
    call.run(&keyed);
    call.run(&keyed);
    assert_eq!(call.executed.len(), 2);
    // The fallback under its own action's key does not wait for itself.
    let keyed = node(
        "give",
        &json!({"requestId": "k", "fallbackAction": node("other", &json!({"requestId": "k", "input": {"to": "a"}}))}),
    );
    assert_eq!(call.run(&keyed).body["status"], "completed");
}

#[test]
fn a_person_is_asked_about_what_would_run_and_nothing_else() {
    let ask = |action: Value| json!([{"@type": "OpenAction:HumanApproval", "prompt": "to {{ input.to }} or {{ state.x }}?", "action": action}]);
    for (action, status) in [
        (node("other", &json!({"conditional": "false"})), "completed"),
        (node("other", &json!({})), "failed"),
        (
            node("other", &json!({"input": {"to": "{{ state.no }}"}})),
            "failed",
        ),
        // The prompt cannot be resolved.
        (node("other", &json!({"input": {"to": "a"}})), "failed"),
    ] {
        let mut call = Bench::new();
        let answer = call.run(&ask(action));
        assert_eq!(
            (answer.status, &answer.body["status"]),
            (200, &json!(status))
        );
        assert!(call.executed.is_empty());
    }
    let mut call = Bench::new();
    call.state = json!({"x": [1], "to": "bob"});
    call.fails = vec![("other", Code::UpstreamTimeout)];
    let action = node(
        "other",
        &json!({"input": {"to": "{{ state.to }}"}, "fallbackAction": node("give", &json!({"input": {"fall": "{{ state.to }}"}}))}),
    );
    let asked = call.run(&ask(action.clone()));
    assert_eq!(asked.status, 202);
    assert_eq!(asked.body["approval"]["prompt"], "to bob or [1]?");
    assert_eq!(
        asked.body["approval"]["expires_at"],
        "1970-01-02T00:00:00.000Z"
    );
    assert_eq!(
        asked.body["approval"]["action"]["fallbackAction"]["input"],
        json!({"fall": "bob"})
    );
    assert_eq!(asked.body["resume"], ask(action));
    let done = call.decide(true).body;
    assert_eq!(done["status"], "completed");
    assert_eq!(
        call.executed[1],
        ("give".to_owned(), json!({"fall": "bob"}))
    );
    assert_eq!(
        done["state"]["history"][0]["approval"],
        json!({"id": "question", "by": "u"})
    );
}

#[test]
fn a_rejection_stops_the_call_and_asks_no_model() {
    let mut call = Bench::new();
    call.terms.goal = Some("g".to_owned());
    let question = json!({"@type": "OpenAction:HumanApproval", "prompt": "?", "action": node("give", &json!({"fallbackAction": "rare"}))});
    call.run(&json!([question, node("give", &json!({}))]));
    let answer = call.decide(false);
    assert_eq!(code(&answer), "human_rejected");
    assert_eq!(answer.body["state"]["history"][0]["status"], "rejected");
    assert_eq!(answer.body["failed_index"], 0);
    assert!(call.executed.is_empty());
    assert_eq!(call.asked, 0);
}

#[test]
fn new_plans_are_counted_over_an_approval() {
    let mut call = Bench::new();
    call.terms.goal = Some("g".to_owned());
    let question = json!({"@type": "OpenAction:HumanApproval", "prompt": "?", "action": node("give", &json!({}))});
    call.replies = VecDeque::from([json!([question])]);
    let asked = call.run(&json!([
        node("give", &json!({"conditional": "false"})),
        node("other", &json!({}))
    ]));
    assert_eq!((asked.status, call.asked), (202, 1));
    assert_eq!(asked.body["results"].as_array().map(Vec::len), Some(1));
    call.fails = vec![("give", Code::UpstreamTimeout)];
    assert_eq!(code(&call.decide(true)), "upstream_timeout");
    assert_eq!(call.asked, 1);
}

#[test]
fn bad_plans_end_the_call() {
    let skipped = node("give", &json!({"conditional": "false"}));
    let mut call = Bench::new();
    call.terms.goal = Some("g".to_owned());
    let secret = json!([node("secret", &json!({}))]);
    call.replies = VecDeque::from([json!({}), json!([node("none", &json!({}))]), secret.clone()]);
    let answer = call.run(&json!([node("give", &json!({})), skipped]));
    assert_eq!(
        (answer.status, code(&answer), call.asked),
        (200, "invalid_plan", 3)
    );
    assert_eq!(answer.body["failed_index"], 1);
    assert_eq!(call.executed.len(), 1);
    // With the scope the same plan runs.
    call.scopes = &["s:use"];
    call.replies = VecDeque::from([secret]);
    assert_eq!(call.run(&json!([skipped])).body["status"], "completed");
    let answer = call.run(&json!([skipped]));
    assert_eq!((answer.status, code(&answer)), (200, "llm_unavailable"));
}

#[test]
fn results_of_one_call_are_bounded() {
    let mut call = Bench::new();
    call.terms.prune = Some(0);
    // Five hundred thousand bytes of text are some forty times as much in memory.
    call.outputs = vec![("give", json!({"dense": vec![json!({"": 1}); 45_000]}))];
    let nodes = Value::Array(vec![node("give", &json!({})); 20]);
    let answer = call.run(&nodes);
    assert_eq!(code(&answer), "capacity_exceeded");
    assert!(call.executed.len() < 10);
}

/// Changes nothing of the rules but when a rate is charged.
struct ChargesEarly;

impl Parts for ChargesEarly {
    fn workflow(&self) -> &dyn WorkflowParts {
        self
    }
}

impl WorkflowParts for ChargesEarly {
    fn charges_after_validation(&self) -> bool {
        false
    }
}

#[test]
fn a_part_can_charge_early_and_the_rest_stays() {
    let mut call = Bench::new();
    call.parts = &ChargesEarly;
    call.run(&node("rare", &json!({"conditional": "false"})));
    assert_eq!(call.run(&node("rare", &json!({}))).status, 429);
    call.rate_left = 1;
    assert_eq!(
        call.run(&node("rare", &json!({}))).body["status"],
        "completed"
    );
    assert_eq!(call.executed.len(), 1);
}

#[test]
fn a_fallbacks_own_key_keeps_what_it_gave_by_itself() {
    let mut bench = Bench::new();
    bench.fails = vec![
        ("rare", Code::UpstreamStatus),
        ("secret", Code::UpstreamTimeout),
    ];
    bench.scopes = &["s:use"];
    let other = node("other", &json!({"requestId": "o", "input": {"to": "a"}}));
    let saved = |name: &str, patch: &Value| {
        let mut saved = node(name, patch);
        saved["fallbackAction"] = other.clone();
        json!([saved])
    };
    let first = bench.run(&saved("rare", &json!({"requestId": "r"})));
    assert_eq!(
        first.body["results"][0]["attempts"][0]["action_name"],
        "rare"
    );
    // In its own place it is an execution without a history.
    let alone = bench.run(&json!([other]));
    assert_eq!(
        alone.body["results"],
        json!([{"action_name": "other", "success": true, "output": {"to": "a"}, "error": null}])
    );
    let entries = alone.body["state"]["history"].as_array().expect("a list");
    assert_eq!(entries.len(), 1);
    assert_eq!(
        (&entries[0]["status"], entries[0].get("fallback_of")),
        (&json!("executed"), None)
    );
    // In another's place it saves that one, and the first node's failure is not told again.
    let again = bench.run(&saved("secret", &json!({})));
    let result = &again.body["results"][0];
    let names: Vec<&Value> = result["attempts"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|a| &a["action_name"])
        .collect();
    assert_eq!(names, [&json!("secret"), &json!("other")]);
    assert_eq!(result["attempts"][1].get("attempts"), None);
    let entries = again.body["state"]["history"].as_array().expect("a list");
    assert_eq!(entries.len(), 2);
    assert_eq!(
        (&entries[1]["status"], &entries[1]["fallback_of"]),
        (&json!("fallback"), &json!("secret"))
    );
    let names: Vec<&str> = bench
        .executed
        .iter()
        .map(|(name, _)| name.as_str())
        .collect();
    assert_eq!(names, ["rare", "other", "secret"]);
}

#[test]
fn a_fallback_to_the_same_action_is_another_call() {
    let mut bench = Bench::new();
    bench.fails = vec![("give", Code::UpstreamStatus)];
    bench.run(&node(
        "give",
        &json!({"fallbackAction": node("give", &json!({"input": {"n": 1}}))}),
    ));
    assert_eq!(bench.call_ids.len(), 2);
    assert_ne!(bench.call_ids[0], bench.call_ids[1]);
}

#[test]
fn nodes_that_do_nothing_outside_let_others_have_a_turn() {
    let mut bench = Bench::new();
    let skipped = node("give", &json!({"conditional": "false"}));
    let answer = bench.run(&Value::Array(vec![skipped; 5]));
    assert_eq!(answer.body["results"].as_array().map(Vec::len), Some(5));
    assert_eq!(bench.rested, 5);
}

#[test]
fn logs_stand_in_the_result_of_their_attempt() {
    let mut call = Bench::new();
    call.fails.push(("rare", Code::SandboxCpuLimit));
    call.logs.extend(["one".to_owned(), "two".to_owned()]);
    let saved = node("rare", &json!({"fallbackAction": "give"}));
    let body = call.run(&json!([saved, node("give", &json!({}))])).body;
    let results = &body["results"];
    assert_eq!(results[0]["attempts"][0]["logs"], "one");
    assert_eq!(results[0]["attempts"][1]["logs"], "two");
    assert_eq!(results[0]["logs"], "two");
    assert!(results[1].get("logs").is_none());
    assert!(!body["state"].to_string().contains("two"));
}

#[test]
fn code_gets_the_clock_and_the_seed_of_its_call() {
    let time: Timestamp = "2026-03-28T14:32:10.0071Z".parse().expect("a time");
    let mut call = Bench::new();
    call.terms.clock = Some(time);
    call.terms.seed = Some(7);
    call.run(&json!([node("give", &json!({})), node("give", &json!({}))]));
    assert_eq!(call.clocks, [(time, Some(7)), (time, Some(7))]);
    let cut: Timestamp = "2026-03-28T14:32:10.007Z".parse().expect("a time");
    assert_eq!(request::sandbox_clock(None, time), cut);
    let given = request::sandbox_clock(Some("2026-01-01T02:00:00.123456789+02:00"), time);
    assert_eq!(given.to_string(), "2026-01-01T00:00:00.123456789Z");
}
