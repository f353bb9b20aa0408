//! Manifests: actions of every type that the target offers, and intents. Each is one that has to be accepted.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{Brief, Feature, service, shape};
use crate::fuzz::world::{Action, Api, Intent, Kind, Shape};

/// Scopes that actions ask for and callers hold.
pub(super) const SCOPES: [&str; 3] = ["calendar:write", "email:send", "crm:read"];

/// The flags that actions ask for and sessions carry.
pub(super) const FLAGS: [&str; 2] = ["beta", "night"];

/// The services that actions call.
const SERVICES: [&str; 3] = ["calendar", "email", "crm"];

/// Values of `auth`: the service's own credential, another's, one that is not granted, and none.
const AUTH: [&str; 6] = [
    "Bearer ${CALENDAR_TOKEN}",
    "Bearer ${EMAIL_TOKEN}",
    "Bearer ${CRM_TOKEN}",
    "Bearer ${OPENAI_API_KEY}",
    "Bearer ${OAP_FUZZ_NOT_SET}",
    "Bearer plain-text",
];

/// The actions of a manifest.
pub(super) fn actions(brief: &Brief) -> BoxedStrategy<Vec<Action>> {
    let most = if brief.has(Feature::ManyActions) {
        6
    } else {
        2
    };
    let brief = brief.clone();
    prop::collection::vec(action(&brief), 1..=most)
        .prop_map(|mut actions| {
            for (place, action) in actions.iter_mut().enumerate() {
                action.name = format!("a{}", place + 1);
            }
            settle_fallbacks(&mut actions);
            actions
        })
        .boxed()
}

/// A fallback is a later API action that asks nobody and has none of its own: so there are no circles.
fn settle_fallbacks(actions: &mut [Action]) {
    let fit: Vec<Option<String>> = actions
        .iter()
        .map(|action| {
            let fits = matches!(action.kind, Kind::Api(_))
                && !action.approval
                && action.fallback.is_none();
            fits.then(|| action.name.clone())
        })
        .collect();
    for (place, action) in actions.iter_mut().enumerate() {
        if action.fallback.is_some() {
            let later = fit.iter().skip(place + 1).flatten().next();
            action.fallback = later.cloned();
        }
    }
}

fn action(brief: &Brief) -> BoxedStrategy<Action> {
    let rich = brief.has(Feature::Schemas);
    let (kind_brief, rest) = (brief.clone(), brief.clone());
    (shape::object(rich), shape::output(rich))
        .prop_flat_map(move |(input, output)| {
            (kind(&kind_brief, &input, &output), Just((input, output)))
        })
        .prop_flat_map(move |(kind, (input, output))| {
            let choice = |feature: Feature, weight: f64| {
                let weight = if rest.has(feature) { weight } else { 0.0 };
                prop::bool::weighted(weight)
            };
            let flag = rest.maybe(Feature::Flags, 4, prop::sample::select(FLAGS.to_vec()));
            let conditionals = vec!["true", "false", "1 == 1", "1 > 2"];
            let conditional =
                rest.maybe(Feature::Conditionals, 4, prop::sample::select(conditionals));
            let scopes = if rest.has(Feature::Scopes) {
                prop::sample::subsequence(SCOPES.to_vec(), 0..=1).boxed()
            } else {
                Just(Vec::new()).boxed()
            };
            let limits = vec!["1/day", "2/hour", "100/s"];
            let rate_limit = rest.maybe(Feature::RateLimits, 4, prop::sample::select(limits));
            (
                Just((kind, input, output)),
                result_path(&rest),
                choice(Feature::CompletesGoal, 0.3),
                flag,
                choice(Feature::Fallbacks, 0.5),
                conditional,
                scopes,
                rate_limit,
                choice(Feature::Approvals, 0.3),
            )
        })
        .prop_map(
            |(
                (kind, input, output),
                result_path,
                completes_goal,
                flag,
                fallback,
                conditional,
                scopes,
                rate_limit,
                approval,
            )| {
                // A question goes through a person as it is, and what a person says has no fallback.
                let runs = !matches!(kind, Kind::Human { .. });
                let is_file = matches!(kind, Kind::Read | Kind::Write);
                Action {
                    name: String::new(),
                    input: if is_file { file_input(&kind) } else { input },
                    output: if is_file {
                        Shape::any(json!({}))
                    } else {
                        output
                    },
                    result_path,
                    completes_goal,
                    flag: flag.map(str::to_owned),
                    fallback: (fallback && runs).then(String::new),
                    conditional: conditional.map(str::to_owned),
                    scopes: scopes.into_iter().map(str::to_owned).collect(),
                    rate_limit: rate_limit.filter(|_| runs).map(str::to_owned),
                    approval: approval && runs,
                    kind,
                }
            },
        )
        .boxed()
}

/// The arguments of a file action: paths that are good, that are not there, and that must be refused.
fn file_input(kind: &Kind) -> Shape {
    let reads = matches!(kind, Kind::Read);
    let input = |path: &str| {
        if reads {
            json!({"path": path})
        } else {
            json!({"path": path, "content": "text"})
        }
    };
    let paths = ["note.txt", "a/b.txt", "../note.txt", "a//b", "%2e%2e/x"];
    let required = if reads {
        vec!["path"]
    } else {
        vec!["path", "content"]
    };
    Shape {
        schema: json!({"type": "object", "properties": {"path": {"type": "string"}}, "required": required}),
        good: paths.map(input).to_vec(),
        bad: vec![json!({}), json!({"path": 1})],
    }
}

fn kind(brief: &Brief, input: &Shape, output: &Shape) -> BoxedStrategy<Kind> {
    let human = Just(Kind::Human {
        prompt: "Shall I go on?".to_owned(),
    });
    let code = if brief.runtimes.is_empty() {
        Just(Kind::Read).boxed()
    } else {
        code(brief, output)
    };
    let code_weight = if brief.runtimes.is_empty() {
        0
    } else {
        brief.weight(Feature::Code, 2)
    };
    prop_oneof![
        6 => api(brief, input, output).prop_map(|api| Kind::Api(Box::new(api))),
        brief.weight(Feature::Human, 3) => human,
        code_weight => code,
        brief.weight(Feature::Files, 1) => Just(Kind::Read),
        brief.weight(Feature::Files, 1) => Just(Kind::Write),
    ]
    .boxed()
}

fn api(brief: &Brief, input: &Shape, output: &Shape) -> BoxedStrategy<Api> {
    let brief = brief.clone();
    let (input, output) = (input.clone(), output.clone());
    (
        prop::sample::select(SERVICES.to_vec()),
        prop_oneof![
            3 => Just("POST"),
            2 => Just("GET"),
            1 => prop::sample::select(vec!["PUT", "PATCH", "DELETE"]),
        ],
    )
        .prop_flat_map(move |(service, method)| {
            let own = match service {
                "calendar" => AUTH[0],
                "email" => AUTH[1],
                _ => AUTH[2],
            };
            let auth = prop_oneof![
                6 => Just(Some(own.to_owned())),
                brief.weight(Feature::Credentials, 3) => prop::sample::select(AUTH.to_vec()).prop_map(|text| Some(text.to_owned())),
                brief.weight(Feature::Credentials, 2) => Just(None),
            ];
            let headers = if brief.has(Feature::Credentials) {
                let header = prop::sample::select(vec![
                    ("X-Trace", "fuzz"),
                    ("X-Key", "${CRM_TOKEN}"),
                    ("X-Multiline", "${OAP_TEST_MULTILINE}"),
                ]);
                prop::collection::vec(header, 0..2).boxed()
            } else {
                Just(Vec::new()).boxed()
            };
            let replies = service::replies(&brief, &output);
            let maps = (request_map(&brief, &input), response_map(&brief, &output));
            (Just((service, method)), auth, headers, maps, replies)
        })
        .prop_map(|((service, method), auth, headers, maps, replies)| Api {
            service,
            method,
            auth,
            headers: headers
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
            timeout_ms: service::is_slow(&replies).then_some(service::SHORT_MS),
            request_map: maps.0,
            response_map: maps.1,
            replies,
        })
        .boxed()
}

/// A `response_map`: the reply as it is, one that keeps its first member, or one that says the same whatever the reply is.
fn response_map(brief: &Brief, output: &Shape) -> BoxedStrategy<Option<Value>> {
    let first = output.first();
    let mut maps = vec![json!({"": ""}), json!({"": {"const": first}})];
    if let Some(name) = first.as_object().and_then(|members| members.keys().next()) {
        let pointer = crate::json::push("", name);
        let mut map = json!({"/added/deep": {"const": [1]}});
        map[&pointer] = json!(pointer);
        maps.push(map);
    }
    brief.maybe(Feature::ResponseMaps, 4, prop::sample::select(maps))
}

/// A `request_map` that renames the first argument and adds a constant.
fn request_map(brief: &Brief, input: &Shape) -> BoxedStrategy<Option<Value>> {
    let mut map = json!({"/source": {"const": "fuzz"}});
    let first = input.first();
    if let Some(name) = first.as_object().and_then(|members| members.keys().next()) {
        map["/renamed"] = Value::from(crate::json::push("", name));
    }
    brief.maybe(Feature::RequestMaps, 4, Just(map))
}

fn result_path(brief: &Brief) -> BoxedStrategy<Option<Value>> {
    let paths = vec![
        json!("/environment/out"),
        json!("/environment/deep/er/out"),
        json!({"/environment/whole": ""}),
        json!({"/environment/first": "/p", "/environment/second/q": ""}),
        json!({"/environment/calendar/slots": "/p"}),
    ];
    brief.maybe(Feature::ResultPaths, 5, prop::sample::select(paths))
}

/// Code that returns a good output, a bad one, none, or comes to no end.
fn code(brief: &Brief, output: &Shape) -> BoxedStrategy<Kind> {
    let good = output.first();
    let bad = output.bad.first().cloned().unwrap_or_else(|| good.clone());
    (
        prop::sample::select(brief.runtimes.clone()),
        prop_oneof![
            6 => Just(0_u8),
            brief.weight(Feature::InvalidOutputs, 3) => Just(1),
            brief.weight(Feature::Failures, 2) => Just(2),
            brief.weight(Feature::Slow, 1) => Just(3),
        ],
    )
        .prop_map(move |(runtime, way)| {
            let value = if way == 1 { &bad } else { &good };
            let text = Value::from(value.to_string()).to_string();
            let python = runtime.starts_with("python");
            let code = match (python, way) {
                (true, 2) => "def generate(**args):\n    raise ValueError('no')\n".to_owned(),
                (true, 3) => "def generate(**args):\n    while True:\n        pass\n".to_owned(),
                (true, _) => {
                    format!("import json\n\ndef generate(**args):\n    return json.loads({text})\n")
                }
                (false, 2) => "function generate(args) { throw new Error('no'); }\n".to_owned(),
                (false, 3) => "function generate(args) { for (;;) {} }\n".to_owned(),
                (false, _) => {
                    format!("function generate(args) {{ return JSON.parse({text}); }}\n")
                }
            };
            Kind::Code { runtime, code }
        })
        .boxed()
}

/// The intents of a manifest with these actions.
pub(super) fn intents(brief: &Brief, actions: &[Action]) -> BoxedStrategy<Vec<Intent>> {
    if !brief.has(Feature::Intents) {
        return Just(Vec::new()).boxed();
    }
    let names: Vec<String> = actions.iter().map(|action| action.name.clone()).collect();
    let most = names.len();
    prop::collection::vec(prop::sample::subsequence(names, 1..=most), 1..3)
        .prop_map(|intents| {
            intents
                .into_iter()
                .enumerate()
                .map(|(place, actions)| Intent {
                    name: format!("i{}", place + 1),
                    actions,
                })
                .collect()
        })
        .boxed()
}
