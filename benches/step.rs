//! What the reference itself does in a step, with a model and a service that answer at once: no sockets, no waiting. Each part
//! stands beside the library that it is built on, or beside the least that anybody would have to do.
//!
//! `cargo bench --no-default-features --features runtime --bench step`

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use jiff::Timestamp;
use oap_conform::document::Format;
use oap_conform::expression::{Roots, Template};
use oap_conform::manifest::generate::{self, Order};
use oap_conform::manifest::{self, Kind, Manifest};
use oap_conform::model::{ModelConfig, Wire};
use oap_conform::runtime::credentials::Credentials;
use oap_conform::runtime::plugins::Plugins;
use oap_conform::runtime::redact::Redactor;
use oap_conform::runtime::session::contract::Contracts;
use oap_conform::runtime::session::transcript::{Record, SideEffect, Step};
use oap_conform::runtime::session::{Effect, Execution, Input, Opening, Plugins as Known, Session};
use oap_conform::runtime::{Caller, Parts, PluginFolder, Reference, merge, plan, request};
use oap_conform::schema;
use serde_json::{Value, json};

/// What the model says in every step.
const PLAN: &str = r#"{"action":"search_free_slots","args":{"participants":["alice@example.com","bob@example.com"],"duration_minutes":30}}"#;

/// What the calendar answers in every step.
const SLOTS: &str = r#"{"slots":[{"start":"2026-04-01T10:00:00Z","end":"2026-04-01T10:30:00Z"},{"start":"2026-04-01T11:00:00Z","end":"2026-04-01T11:30:00Z"}]}"#;

/// The histories at which a step is measured.
const HISTORIES: [usize; 3] = [10, 1_000, 10_000];

fn meetbot() -> Manifest {
    manifest::read(include_bytes!("../fixtures/manifests/valid/meetbot.json")).expect("loads")
}

/// The observation that a session begins with.
fn observation() -> Value {
    json!({
        "timestamp": "2026-03-28T14:00:05Z",
        "user_context": {"user_id": "U998877", "preferences": {"timezone": "Europe/Berlin", "default_meeting_length": 45}},
        "environment": {"calendar": {"free_slots": []}, "crm": {"contact_email": "alice@example.com", "open_deals": 2}},
    })
}

/// A model and a service that answer at once, and what is needed to speak to them.
struct World {
    model: ModelConfig,
    reply: Vec<u8>,
    credentials: Credentials,
    redactor: Redactor,
    plugins: Arc<Plugins>,
    caller: Caller,
    contracts: Contracts,
    manifest: Arc<Manifest>,
    now: Timestamp,
}

impl World {
    fn new(manifest: Manifest) -> Self {
        let secrets = [
            ("CALENDAR_TOKEN", "cal-token-0123456789abcdef"),
            ("EMAIL_TOKEN", "mail-token-0123456789abcdef"),
            ("CRM_TOKEN", "crm-token-0123456789abcdef"),
        ];
        let message = json!({"role": "assistant", "content": PLAN});
        let reply = json!({
            "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 900, "completion_tokens": 40},
        });
        let forms = secrets
            .iter()
            .flat_map(|(_, value)| Reference.secret_forms(value));
        Self {
            model: ModelConfig {
                wire: Wire::OpenAi,
                base_url: "http://127.0.0.1:1/v1".to_owned(),
                api_key: String::new(),
                model: "scripted".to_owned(),
                stream: false,
                timeout: Duration::from_secs(60),
            },
            reply: reply.to_string().into_bytes(),
            redactor: Redactor::new(&forms.collect::<Vec<_>>()),
            credentials: Credentials::new(
                secrets
                    .map(|(name, value)| (name.to_owned(), value.to_owned()))
                    .into(),
                [].into(),
                "",
            ),
            plugins: Arc::new(Plugins::known(PluginFolder::default()).expect("none")),
            caller: Caller::anonymous([].into()),
            contracts: Contracts::default(),
            manifest: Arc::new(manifest),
            now: Timestamp::UNIX_EPOCH,
        }
    }

    fn open(&self) -> Session {
        let opening = Opening {
            id: Reference.session_id(),
            manifest: Arc::clone(&self.manifest),
            goal: json!({"description": "meet Alice next week"}),
            observation: observation(),
            max_steps: u64::MAX,
            flags: None,
            seed: None,
            redactor: self.redactor.clone(),
            caller: self.caller.clone(),
            plugins: Known(Arc::<Plugins>::clone(&self.plugins)),
            human: true,
            heaviest_record: usize::MAX,
            contracts: self.contracts.clone(),
        };
        Session::open(&Reference, self.now, opening)
    }

    /// One step call from its body to the text of its answer: everything but waiting and sockets.
    fn step(&self, session: &mut Session) -> String {
        let parts = &Reference;
        let mut input = Input::Step(self.caller.clone());
        loop {
            let mut next = None;
            for effect in session.step(parts, self.now, input) {
                match effect {
                    Effect::Reply(answer) => return answer.body.to_string(),
                    Effect::Ask(attempt, messages) => {
                        let body =
                            parts.model_request(&self.model, &messages, parts.model_parameters());
                        black_box(body.to_string());
                        let reply = parts.read_model_reply(self.model.wire, 200, None, &self.reply);
                        next = Some(Input::Replied(attempt, reply.expect("a reply")));
                    }
                    Effect::Execute(flight) => {
                        let call = flight.calls.first().expect("a call");
                        let Kind::InvokeApi(api) = &call.action.kind else {
                            unreachable!("the plan names a call of a service");
                        };
                        let key = parts.outgoing_key(call);
                        let rendered =
                            request::render(parts, api, &call.args, &self.credentials, key);
                        let rendered = parts.finish_request(rendered.expect("renders"), api);
                        let effect = SideEffect {
                            step_number: Some(call.step_number),
                            kind: "http",
                            method: rendered.method.as_str().to_owned(),
                            target: parts.effect_target(&rendered.url),
                            status: json!(200),
                            at: parts.format_time(self.now),
                        };
                        let execution = Execution {
                            outcome: parts.classify_response(200, SLOTS.as_bytes()),
                            side_effects: vec![effect],
                            logs: None,
                        };
                        next = Some(Input::Executed(flight, execution));
                    }
                    other => unreachable!("{other:?}"),
                }
            }
            input = next.expect("an effect that leads on");
        }
    }

    /// A session with so many steps behind it.
    fn after(&self, steps: usize) -> Session {
        let mut session = self.open();
        for _ in 0..steps {
            self.step(&mut session);
        }
        assert_eq!(session.steps_done(), steps as u64);
        session
    }

    /// The least that a step has to do: write the request to the model, read its reply and the plan in it, check the arguments, write
    /// the request to the service, read its reply, check it, and write the answer. Nothing is recorded, searched for secrets or bounded.
    fn least(
        &self,
        observation: &Value,
        input: &jsonschema::Validator,
        output: &jsonschema::Validator,
    ) -> String {
        let question = format!("Goal: meet Alice next week\nObservation:\n{observation}");
        let messages = [
            json!({"role": "system", "content": "the contract"}),
            json!({"role": "user", "content": question}),
        ];
        black_box(json!({"model": "scripted", "messages": messages, "temperature": 0.2, "max_tokens": 2048}).to_string());
        let reply: Value = serde_json::from_slice(&self.reply).expect("JSON");
        let text = reply["choices"][0]["message"]["content"]
            .as_str()
            .expect("a text");
        let plan: Value = serde_json::from_str(text).expect("JSON");
        assert!(input.is_valid(&plan["args"]));
        black_box(plan["args"].to_string());
        let reply: Value = serde_json::from_str(SLOTS).expect("JSON");
        assert!(output.is_valid(&reply));
        json!({"result": {"action_name": plan["action"], "success": true, "output": reply, "error": null},
               "steps_done": 1, "status": "active", "completed": false})
        .to_string()
    }
}

/// Runs so many steps from a history of this length on, in runs of at most a hundred, so that the history stays about as long.
fn steps_after(world: &World, history: &Session, count: u64) -> Duration {
    let mut spent = Duration::ZERO;
    let mut left = count;
    while left > 0 {
        let mut session = history.clone();
        let run = left.min(100);
        let begun = Instant::now();
        for _ in 0..run {
            black_box(world.step(&mut session));
        }
        spent += begun.elapsed();
        left -= run;
    }
    spent
}

fn whole(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("step");
    group.sample_size(20);
    let world = World::new(meetbot());
    let action = world
        .manifest
        .action("search_free_slots")
        .expect("declared");
    let compiled = |schema: &Value| jsonschema::validator_for(schema).expect("a schema");
    let (input, output) = (
        compiled(&action.input_schema),
        compiled(&action.output_schema),
    );
    let seen = observation();
    group.bench_function("least", |bencher| {
        bencher.iter(|| world.least(black_box(&seen), &input, &output));
    });
    for steps in HISTORIES {
        let history = world.after(steps);
        group.bench_function(format!("ours/after_{steps}"), |bencher| {
            bencher.iter_custom(|count| steps_after(&world, &history, count));
        });
    }
    // The contract of a large manifest is sent in each step.
    let order = Order {
        actions: 15,
        bytes: Some(33_000),
        seed: 1,
    };
    let text = generate::text(&order, Format::Json);
    let mut large: Value = serde_json::from_str(&text).expect("JSON");
    let meetbot: Value =
        serde_json::from_slice(include_bytes!("../fixtures/manifests/valid/meetbot.json"))
            .expect("JSON");
    if let (Some(actions), Some(more)) = (
        large["actions"].as_array_mut(),
        meetbot["actions"].as_array(),
    ) {
        actions.extend(more.iter().cloned());
    }
    if let Some(members) = large.as_object_mut() {
        members.remove("intents");
    }
    let large = manifest::load(&large).expect("loads");
    let world = World::new(large);
    let history = world.after(10);
    group.bench_function("ours/large_manifest", |bencher| {
        bencher.iter_custom(|count| steps_after(&world, &history, count));
    });
    group.finish();
}

fn sessions(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("open");
    let world = World::new(meetbot());
    group.bench_function("least", |bencher| {
        bencher.iter(|| {
            (
                observation(),
                Reference.session_id(),
                json!({"description": "meet Alice next week"}),
            )
        });
    });
    group.bench_function("ours", |bencher| bencher.iter(|| world.open()));
    group.finish();
}

fn plans(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("plan");
    group.bench_function("serde_json", |bencher| {
        bencher.iter(|| serde_json::from_str::<Value>(black_box(PLAN)).expect("JSON"));
    });
    group.bench_function("ours", |bencher| {
        bencher.iter(|| plan::read_plan(plan::strip_fence(black_box(PLAN))).expect("a plan"));
    });
    group.finish();
}

fn validation(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("validate");
    let manifest = meetbot();
    let action = manifest.action("search_free_slots").expect("declared");
    let plan: Value = serde_json::from_str(PLAN).expect("JSON");
    let args = &plan["args"];
    let raw = jsonschema::options()
        .should_validate_formats(true)
        .build(&action.input_schema)
        .expect("a schema");
    group.bench_function("jsonschema", |bencher| {
        bencher.iter(|| assert!(raw.is_valid(black_box(args))));
    });
    group.bench_function("ours", |bencher| {
        bencher.iter(|| assert!(plan::check_arguments(action, black_box(args)).is_empty()));
    });
    group.finish();

    let mut group = criterion.benchmark_group("compile_schema");
    group.bench_function("jsonschema", |bencher| {
        bencher
            .iter(|| jsonschema::validator_for(black_box(&action.input_schema)).expect("a schema"));
    });
    group.bench_function("ours", |bencher| {
        bencher.iter(|| schema::compile(black_box(&action.input_schema)).expect("a schema"));
    });
    group.finish();
}

fn merging(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("merge");
    let manifest = meetbot();
    let action = manifest.action("search_free_slots").expect("declared");
    let seen = observation();
    let output: Value = serde_json::from_str(SLOTS).expect("JSON");
    group.bench_function("clone", |bencher| {
        bencher.iter(|| (black_box(&seen).clone(), black_box(&output).clone()));
    });
    group.bench_function("ours", |bencher| {
        bencher
            .iter(|| merge::merge(black_box(&seen), action, black_box(&output)).expect("merges"));
    });
    group.finish();
}

fn appending(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("append");
    let seen = Arc::new(observation());
    let plan: Value = serde_json::from_str(PLAN).expect("JSON");
    let output: Value = serde_json::from_str(SLOTS).expect("JSON");
    let step = |number: u64| Step {
        step_number: number,
        started_at: "2026-03-28T14:00:05.000Z".to_owned(),
        duration_ms: 1,
        plan: plan.clone(),
        result: json!({"action_name": "search_free_slots", "success": true, "output": output, "error": null}),
        logs: None,
        observation: Arc::clone(&seen),
    };
    for (name, count) in [("after_10", 10), ("after_10000", 10_000)] {
        let mut record = Record::default();
        for number in 1..=count {
            record.add_step(step(number));
        }
        let mut rows: Vec<Step> = (1..=count).map(step).collect();
        group.bench_function(format!("push/{name}"), |bencher| {
            bencher.iter_batched(
                || step(1),
                |step| {
                    rows.push(step);
                    rows.pop()
                },
                BatchSize::SmallInput,
            );
        });
        group.bench_function(format!("ours/{name}"), |bencher| {
            bencher.iter_batched(
                || step(1),
                |step| {
                    record.add_step(step);
                    record.changes.pop();
                    record.steps.pop()
                },
                BatchSize::SmallInput,
            );
        });
    }
    group.finish();
}

fn templates(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("template");
    let seen = observation();
    let roots = Roots {
        observation: Some(&seen),
        ..Roots::default()
    };
    let ours = Template::parse("Ask {{ observation.environment.crm.contact_email }} about {{ observation.environment.crm.open_deals }} deals")
        .expect("parses");
    let mut environment = minijinja::Environment::new();
    environment
        .add_template("t", "Ask {{ observation.environment.crm.contact_email }} about {{ observation.environment.crm.open_deals }} deals")
        .expect("parses");
    let theirs = environment.get_template("t").expect("added");
    let converted = minijinja::context! { observation => minijinja::value::Serde(&seen) };
    group.bench_function("minijinja", |bencher| {
        bencher.iter(|| theirs.render(black_box(&converted)).expect("renders"));
    });
    group.bench_function("ours", |bencher| {
        bencher.iter(|| {
            black_box(&ours)
                .resolve(black_box(&roots))
                .expect("resolves")
        });
    });
    group.finish();
}

criterion_group!(
    benches, whole, sessions, plans, validation, merging, appending, templates
);
criterion_main!(benches);
