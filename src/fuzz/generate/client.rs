//! What the client does: it opens, steps, answers, reads, closes, repeats itself, asks for several things at once, and gets things wrong.

use proptest::prelude::*;
use serde_json::{Map, json};

use super::manifest::FLAGS;
use super::{Brief, Feature, shape};
use crate::fuzz::vectors;
use crate::fuzz::world::{
    Action, Body, Call, Intent, Key, Kind, NOBODYS_SESSION, Node, Reaction, STRANGERS,
};

/// Longest body that is read (`spec/errors.md`, 2.4), and one more.
const TOO_LARGE: usize = (1 << 20) + 1;

/// Conditionals that are tried one after another are fewer; each is a call that asks no model.
const MOST_DECISIONS: usize = 12;

/// Levels of nesting beyond what is read.
const TOO_DEEP: usize = 65;

/// What a group of calls draws on.
#[derive(Clone)]
struct Ground {
    brief: Brief,
    actions: Vec<Action>,
    intents: Vec<Intent>,
}

/// The calls of a client, in groups.
pub(super) fn calls(
    brief: &Brief,
    actions: &[Action],
    intents: &[Intent],
) -> BoxedStrategy<Vec<Vec<Call>>> {
    let ground = Ground {
        brief: brief.clone(),
        actions: actions.to_vec(),
        intents: intents.to_vec(),
    };
    let second = brief.maybe(Feature::TwoSessions, 8, open(&ground, 1));
    let last = prop::option::weighted(
        0.7,
        key(brief).prop_map(|key| Call::Close { session: 0, key }),
    );
    let afterwards = if brief.has(Feature::Closes) {
        prop::collection::vec(group(&ground), 0..4).boxed()
    } else {
        Just(Vec::new()).boxed()
    };
    (
        open(&ground, 0),
        second,
        prop::collection::vec(group(&ground), 1..10),
        last,
        afterwards,
    )
        .prop_map(|(first, second, groups, last, afterwards)| {
            let single = |call: Call| vec![call];
            std::iter::once(single(first))
                .chain(second.map(single))
                .chain(groups.into_iter().flatten())
                .chain(last.map(single))
                .chain(afterwards.into_iter().flatten())
                .collect()
        })
        .boxed()
}

/// One group, or a few that belong together.
fn group(ground: &Ground) -> BoxedStrategy<Vec<Vec<Call>>> {
    let single = call(ground).prop_map(|call| vec![vec![call]]);
    let together = prop_oneof![
        3 => prop::collection::vec(step(&ground.brief), 2..5),
        2 => prop::collection::vec(call(ground), 2..4),
    ]
    .prop_map(|calls| vec![calls]);
    // The same again: a client whose connection broke.
    let again = (call(ground), "k[1-3]", any::<bool>(), any::<bool>()).prop_map(
        |(call, key, in_body, moved)| {
            let first = with_key(&call, &key, in_body);
            let second = with_key(&call, &key, in_body ^ moved);
            vec![vec![first], vec![second]]
        },
    );
    let again_at_once = (call(ground), "k[1-3]").prop_map(|(call, key)| {
        let call = with_key(&call, &key, false);
        vec![vec![call.clone(), call]]
    });
    let brief = &ground.brief;
    let both = if brief.has(Feature::Concurrency) {
        brief.weight(Feature::Idempotency, 2)
    } else {
        0
    };
    let stranger = (
        prop::sample::select(STRANGERS.to_vec()),
        session(brief),
        prop::sample::select(vec!["step", "step", "close", "read"]),
    )
        .prop_map(|(who, session, what)| vec![vec![Call::Stranger { who, session, what }]]);
    let decided = if ground.actions.iter().any(|action| !asks(action)) {
        brief.weight(Feature::Expressions, 8)
    } else {
        0
    };
    prop_oneof![
        12 => single,
        brief.weight(Feature::Strangers, 4) => stranger,
        decided => prop::collection::vec(decision(ground).prop_map(|call| vec![call]), 1..MOST_DECISIONS),
        brief.weight(Feature::Concurrency, 5) => together,
        brief.weight(Feature::Idempotency, 5) => again,
        both => again_at_once,
    ]
    .boxed()
}

/// One call.
fn call(ground: &Ground) -> BoxedStrategy<Call> {
    let brief = &ground.brief;
    let read = (
        session(brief),
        prop::sample::select(vec!["", "", "/transcript"]),
    )
        .prop_map(|(session, below)| Call::Read { session, below });
    let close =
        (session(brief), key(brief)).prop_map(|(session, key)| Call::Close { session, key });
    let asks = if ground.actions.iter().any(asks) {
        5
    } else {
        0
    };
    let execute = if ground.actions.is_empty() {
        0
    } else {
        brief.weight(Feature::Workflows, 4)
    };
    prop_oneof![
        10 => step(brief),
        asks => answer(ground),
        brief.weight(Feature::Answers, 3) => answer(ground),
        brief.weight(Feature::Reads, 3) => read,
        execute => workflow(ground),
        brief.weight(Feature::Refused, 3) => refused(),
        brief.weight(Feature::Refused, 1) => bad_open(),
        brief.weight(Feature::Closes, 1) => close,
        brief.weight(Feature::Registrations, 1) => registration(brief),
    ]
    .boxed()
}

/// Whether an action may ask a person.
fn asks(action: &Action) -> bool {
    action.approval || matches!(action.kind, Kind::Human { .. })
}

fn session(brief: &Brief) -> BoxedStrategy<usize> {
    prop_oneof![
        4 => Just(0_usize),
        brief.weight(Feature::TwoSessions, 3) => Just(1),
    ]
    .boxed()
}

fn key(brief: &Brief) -> BoxedStrategy<Option<Key>> {
    let good = ("k[1-3]", any::<bool>()).prop_map(|(key, in_body)| Key { key, in_body });
    let bad = Just(Key {
        key: "k".repeat(256),
        in_body: false,
    });
    let either = prop_oneof![
        12 => good,
        brief.weight(Feature::Refused, 1) => bad,
    ];
    brief.maybe(Feature::Idempotency, 5, either)
}

fn with_key(call: &Call, text: &str, in_body: bool) -> Call {
    let mut call = call.clone();
    let own = Some(Key {
        key: text.to_owned(),
        in_body,
    });
    match &mut call {
        Call::Open { key, .. }
        | Call::Step { key, .. }
        | Call::Answer { key, .. }
        | Call::Close { key, .. }
        | Call::Execute { key, .. }
        | Call::Register { key, .. } => *key = own,
        Call::BadOpen { .. } | Call::Read { .. } | Call::Stranger { .. } | Call::Raw { .. } => {}
    }
    call
}

fn open(ground: &Ground, session: usize) -> BoxedStrategy<Call> {
    let brief = &ground.brief;
    let names: Vec<String> = ground
        .intents
        .iter()
        .map(|intent| intent.name.clone())
        .collect();
    let intent = if names.is_empty() {
        Just(None).boxed()
    } else {
        prop::option::weighted(0.7, prop::sample::select(names)).boxed()
    };
    let flags = if brief.has(Feature::Flags) {
        prop::sample::subsequence(FLAGS.to_vec(), 0..=FLAGS.len()).boxed()
    } else {
        Just(Vec::new()).boxed()
    };
    let max_steps =
        prop::option::weighted(if brief.has(Feature::Limits) { 0.9 } else { 0.2 }, 1_u64..5);
    // A key of its own: another one's would leave the world without this session.
    let own = any::<bool>().prop_map(move |in_body| Key {
        key: format!("open{session}"),
        in_body,
    });
    let key = brief.maybe(Feature::Idempotency, 4, own);
    (max_steps, intent, flags, key)
        .prop_map(move |(max_steps, intent, flags, key)| Call::Open {
            session,
            max_steps,
            intent,
            flags: flags.into_iter().map(str::to_owned).collect(),
            key,
        })
        .boxed()
}

fn step(brief: &Brief) -> BoxedStrategy<Call> {
    let surplus = Map::from_iter([("note".to_owned(), json!("ignored"))]);
    (
        session(brief),
        key(brief),
        prop_oneof![8 => Just(Map::new()), 1 => Just(surplus)],
    )
        .prop_map(|(session, key, body)| Call::Step { session, key, body })
        .boxed()
}

fn answer(ground: &Ground) -> BoxedStrategy<Call> {
    let mut outputs = vec![json!({"retry": true}), json!("Europe/Berlin"), json!(null)];
    let mut plans = vec![
        json!({"plan": {"finished": true}}),
        json!({"plan": {"finished": false}}),
    ];
    for action in &ground.actions {
        if matches!(action.kind, Kind::Human { .. }) {
            outputs.extend(action.output.good.iter().take(2).cloned());
            outputs.extend(action.output.bad.iter().take(2).cloned());
        }
        let args = action.input.first();
        plans.push(json!({"plan": {"action": action.name, "args": args}}));
        if let Some(bad) = action.input.bad.first() {
            plans.push(json!({"plan": {"action": action.name, "args": bad}}));
        }
    }
    let reaction = prop_oneof![
        5 => prop::sample::select(outputs).prop_map(Reaction::Output),
        2 => prop::sample::select(plans).prop_map(Reaction::Output),
        3 => prop::sample::select(vec!["approve", "approve", "reject"])
            .prop_map(|decision| Reaction::Decision(decision.to_owned())),
        1 => prop::sample::select(vec![
            json!({}),
            json!({"output": 1, "decision": "reject"}),
            json!({"decision": "perhaps"}),
        ])
        .prop_map(Reaction::Body),
    ];
    (session(&ground.brief), reaction, key(&ground.brief))
        .prop_map(|(session, reaction, key)| Call::Answer {
            session,
            reaction,
            key,
        })
        .boxed()
}

fn workflow(ground: &Ground) -> BoxedStrategy<Call> {
    let brief = ground.brief.clone();
    let known: Vec<String> = ground
        .actions
        .iter()
        .filter(|action| !matches!(action.kind, Kind::Human { .. }) && !action.approval)
        .map(|action| action.name.clone())
        .collect();
    let fallbacks = known.clone();
    let node_brief = brief.clone();
    let node = prop::sample::select(ground.actions.clone())
        .prop_flat_map(move |action| {
            let mut inputs = action.input.good.clone();
            if node_brief.has(Feature::InvalidArguments) {
                inputs.extend(
                    action
                        .input
                        .bad
                        .iter()
                        .filter(|bad| bad.is_object())
                        .cloned(),
                );
            }
            let name = prop_oneof![
                9 => Just(action.name.clone()),
                node_brief.weight(Feature::UndeclaredActions, 1) => Just("undeclared".to_owned()),
            ];
            let conditionals = vec!["true", "false", "state.none is defined", "1 < 2"];
            let conditional =
                node_brief.maybe(Feature::Conditionals, 3, prop::sample::select(conditionals));
            let fallback = if fallbacks.is_empty() {
                Just(None).boxed()
            } else {
                let fallbacks = prop::sample::select(fallbacks.clone());
                node_brief.maybe(Feature::Fallbacks, 3, fallbacks)
            };
            (name, prop::sample::select(inputs), conditional, fallback)
        })
        .prop_map(|(name, input, conditional, fallback)| Node {
            name,
            input,
            conditional: conditional.map(str::to_owned),
            fallback,
        });
    let state = prop_oneof![
        2 => Just(Map::new()),
        1 => shape::plain_value().prop_map(|value| Map::from_iter([("own".to_owned(), value)])),
        1 => Just(Map::from_iter([("lastResult".to_owned(), json!({"p": "a", "q": 1}))])),
    ];
    (prop::collection::vec(node, 1..4), state, key(&brief))
        .prop_map(|(nodes, state, key)| Call::Execute { nodes, state, key })
        .boxed()
}

/// A workflow of one node with a conditional of which it is known what it comes to.
fn decision(ground: &Ground) -> BoxedStrategy<Call> {
    let plain = ground.actions.iter().filter(|action| !asks(action));
    let nodes: Vec<Node> = plain
        .map(|action| Node {
            name: action.name.clone(),
            input: action.input.first(),
            conditional: None,
            fallback: None,
        })
        .collect();
    if nodes.is_empty() {
        return step(&ground.brief);
    }
    (prop::sample::select(nodes), 0..vectors::all().len())
        .prop_map(|(mut node, place)| {
            let vector = vectors::all().get(place);
            node.conditional = vector.map(|vector| vector.conditional.clone());
            Call::Execute {
                nodes: vec![node],
                state: vector
                    .map(|vector| vector.state.clone())
                    .unwrap_or_default(),
                key: None,
            }
        })
        .boxed()
}

/// Another version of the manifest, or one that has to be refused.
fn registration(brief: &Brief) -> BoxedStrategy<Call> {
    let patches = vec![
        json!({"version": "1.1.0"}),
        json!({"description": "another text under the same version"}),
        json!({"actions": []}),
        json!({"version": "one"}),
        json!({"actions": null}),
        json!({"protocol_version": "3.0", "version": "3.0.0"}),
    ];
    (prop::sample::select(patches), key(brief))
        .prop_map(|(patch, key)| Call::Register {
            patch: patch.as_object().cloned().unwrap_or_default(),
            key: key.map(|key| Key {
                in_body: false,
                ..key
            }),
        })
        .boxed()
}

fn bad_open() -> BoxedStrategy<Call> {
    prop::sample::select(vec![
        json!({"goal": null}),
        json!({"goal": {"description": ""}}),
        json!({"goal": {"intent": "there-is-no-such-intent"}}),
        json!({"max_steps": 0}),
        json!({"max_steps": 1.5}),
        json!({"max_steps": 10001}),
        json!({"max_steps": "7"}),
        json!({"observation": null}),
        json!({"observation": {"timestamp": "yesterday"}}),
        json!({"observation": {"user_context": {"user_id": null}}}),
        json!({"observation": {"environment": []}}),
        json!({"observation": {"step": 1}}),
        json!({"observation": {"last_result": {}}}),
        json!({"manifest": "there-is-no-such-manifest@1.0.0"}),
        json!({"flags": "beta"}),
        json!({"protocol_version": "3.0"}),
        json!({"seed": -1}),
    ])
    .prop_map(|patch| Call::BadOpen {
        patch: patch.as_object().cloned().unwrap_or_default(),
    })
    .boxed()
}

/// A request that has to be refused, whatever went before it.
fn refused() -> BoxedStrategy<Call> {
    let raw = |method: &'static str, path: &str, body: Body| Call::Raw {
        method,
        path: path.to_owned(),
        content_type: None,
        body,
    };
    let text = |text: &str| Body::Text(text.to_owned());
    let nobody = format!("/sessions/{NOBODYS_SESSION}");
    let deep = format!("{}{}", "[".repeat(TOO_DEEP), "]".repeat(TOO_DEEP));
    let step = "/sessions/{session}/step";
    let mut all = vec![
        raw("POST", step, text("{")),
        raw("POST", step, text("[]")),
        raw("POST", step, text("\"step\"")),
        raw("POST", step, text("{} {}")),
        raw("POST", step, text("{\"requestId\": NaN}")),
        raw("POST", step, text("{\"requestId\": 1}")),
        raw("POST", step, text("{\"requestId\": \"\"}")),
        raw("POST", step, text("{\"x\": \"\\ud800\"}")),
        raw("POST", step, text(&format!("{{\"x\": {deep}}}"))),
        raw("POST", step, Body::Base64("eyJ4IjoiwyJ9")),
        raw("POST", step, Body::Long(TOO_LARGE)),
        raw("GET", step, Body::None),
        raw("DELETE", step, Body::None),
        raw("POST", "/sessions", text("null")),
        raw("POST", "/sessions", text("{\"goal\": 1}")),
        raw("PUT", "/sessions", text("{}")),
        raw("POST", &format!("{nobody}/step"), Body::None),
        raw("POST", &format!("{nobody}/close"), Body::None),
        raw("GET", &nobody, Body::None),
        raw(
            "POST",
            &format!("{nobody}/interventions/iv1"),
            text("{\"output\": 1}"),
        ),
        raw(
            "POST",
            "/sessions/{session}/interventions/iv-never-asked",
            text("{\"output\": 1}"),
        ),
        raw("GET", "/there/is/no/such/path", Body::None),
        raw(
            "GET",
            "/manifests/there-is-no-such-manifest@1.0.0",
            Body::None,
        ),
        raw("GET", "/sessions/%00", Body::None),
        raw("GET", "/sessions/..%2f..%2fetc", Body::None),
    ];
    all.push(Call::Raw {
        method: "POST",
        path: step.to_owned(),
        content_type: Some("text/plain".to_owned()),
        body: text("{}"),
    });
    prop::sample::select(all).boxed()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_goes_onto_every_call_that_takes_one() {
        let step = Call::Step {
            session: 0,
            key: None,
            body: Map::new(),
        };
        let Call::Step { key, .. } = with_key(&step, "k1", true) else {
            panic!("a step stays a step");
        };
        assert_eq!(
            key,
            Some(Key {
                key: "k1".to_owned(),
                in_body: true
            })
        );
    }
}
