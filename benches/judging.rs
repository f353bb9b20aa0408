//! What the suite itself takes: a matcher beside `serde_json` and `jsonschema` on the same answer, the judge, and a whole case whose
//! target answers at once, so that all of its time is the harness's.
//!
//! `cargo bench --no-default-features --features suite --bench judging`

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use oap_conform::requirement::Registry;
use oap_conform::suite::case::Case;
use oap_conform::suite::execute::{Bench, execute};
use oap_conform::suite::judge::{Ground, judge};
use oap_conform::suite::load::embedded_cases;
use oap_conform::suite::matcher::Matcher;
use oap_conform::suite::options::Times;
use oap_conform::suite::secrets::Secrets;
use oap_conform::suite::target::{Answer, Boxed, Exchange, HttpRequest, Target};
use oap_conform::suite::verdict::Verdict;
use oap_conform::suite::wire::Wire;
use serde_json::{Value, json};

/// The answer of a step with twenty slots.
fn answer() -> Value {
    let slots: Vec<Value> = (8..28)
        .map(|hour| json!({"start": format!("2026-04-01T{hour:02}:00:00Z"), "end": format!("2026-04-01T{hour:02}:30:00Z")}))
        .collect();
    json!({
        "result": {"action_name": "search_free_slots", "success": true, "output": {"slots": slots}, "error": null},
        "steps_done": 1, "status": "active", "completed": false,
    })
}

/// What a case expects of it.
fn expected() -> Value {
    let slot = json!({"start": {"$pattern": "^2026-"}, "end": {"$type": "string"}});
    let slots = vec![slot; 20];
    json!({
        "result": {
            "action_name": "search_free_slots",
            "success": true,
            "output": {"slots": slots},
            "error": null,
        },
        "steps_done": {"$between": [1, 2]}, "status": "active", "completed": false,
    })
}

/// The same as a JSON Schema.
fn schema() -> Value {
    let slot = json!({
        "type": "object", "required": ["start", "end"],
        "properties": {"start": {"type": "string", "pattern": "^2026-"}, "end": {"type": "string"}},
    });
    let result = json!({
        "type": "object", "required": ["action_name", "success", "output", "error"],
        "properties": {
            "action_name": {"const": "search_free_slots"}, "success": {"const": true}, "error": {"const": null},
            "output": {"type": "object", "required": ["slots"], "properties": {"slots": {"type": "array", "items": slot}}},
        },
    });
    json!({
        "type": "object", "required": ["result", "steps_done", "status", "completed"],
        "properties": {
            "result": result, "steps_done": {"type": "number", "minimum": 1, "maximum": 2},
            "status": {"const": "active"}, "completed": {"const": false},
        },
    })
}

fn matching(criterion: &mut Criterion) {
    let (answer, expected) = (answer(), expected());
    let text = answer.to_string();
    let matcher = Matcher::compile(&expected).expect("compiles");
    assert!(matcher.check(Some(&answer)).differences.is_empty());
    let validator = jsonschema::validator_for(&schema()).expect("compiles");
    assert!(validator.is_valid(&answer));
    let same = answer.clone();
    let mut group = criterion.benchmark_group("matcher");
    group.bench_function("compile", |bench| {
        bench.iter(|| Matcher::compile(black_box(&expected)));
    });
    group.bench_function("check", |bench| {
        bench.iter(|| black_box(&matcher).check(Some(black_box(&answer))));
    });
    group.bench_function("jsonschema_compile", |bench| {
        let schema = schema();
        bench.iter(|| jsonschema::validator_for(black_box(&schema)).expect("compiles"));
    });
    group.bench_function("jsonschema_is_valid", |bench| {
        bench.iter(|| validator.is_valid(black_box(&answer)));
    });
    group.bench_function("serde_json_equal", |bench| {
        bench.iter(|| black_box(&answer) == black_box(&same));
    });
    group.bench_function("serde_json_parse", |bench| {
        bench.iter(|| serde_json::from_str::<Value>(black_box(&text)).expect("JSON"));
    });
    group.finish();
}

/// A target that has the right answers to one case ready.
struct Ready;

impl Target for Ready {
    fn base_url(&self) -> &'static str {
        "http://127.0.0.1:9"
    }

    fn send(&self, request: HttpRequest, _: Duration) -> Boxed<'_, Exchange> {
        let (status, body) = match (request.method.as_str(), request.path.as_str()) {
            ("GET", "/healthz") => (200, json!({"status": "ok"})),
            ("GET", _) => (404, error("not_found")),
            ("PATCH", _) => (405, error("method_not_allowed")),
            _ => {
                let text = String::from_utf8_lossy(&request.body);
                let typed = |(name, value): &(String, String)| {
                    name == "content-type" && value == "text/plain"
                };
                match text.as_ref() {
                    _ if request.headers.iter().any(typed) => {
                        (415, error("unsupported_media_type"))
                    }
                    "{" => (400, error("malformed_json")),
                    _ => (422, error("manifest_invalid")),
                }
            }
        };
        let answer = Answer {
            status,
            headers: vec![("content-type".to_owned(), "application/json".to_owned())],
            body: body.to_string().into_bytes(),
        };
        Box::pin(std::future::ready(Exchange {
            request,
            outcome: Ok(answer),
            duration: Duration::ZERO,
            answered: None,
        }))
    }
}

fn error(code: &str) -> Value {
    json!({"errorCode": code, "message": "it is not as it has to be", "retryable": false})
}

/// A case of five requests that asks no model.
fn case(registry: &Registry) -> Case {
    let cases = embedded_cases(registry).expect("loads");
    let found = cases
        .into_iter()
        .find(|case| case.id == "ERR-001-every-error");
    found.expect("there is such a case")
}

fn judging(criterion: &mut Criterion) {
    let registry = Registry::embedded();
    let wire = Wire::embedded().expect("reads");
    let secrets = Secrets::new([]);
    let ground = Ground {
        registry,
        wire,
        secrets: &secrets,
    };
    let case = case(registry);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("a runtime");
    let mocks = runtime.block_on(mock_services::start(mock_services::Options::default()));
    let mut bench = Bench::new(
        Arc::new(Ready),
        Arc::new(mocks.expect("starts")),
        Times::default(),
    );
    bench.delivered = true;
    let observe = || runtime.block_on(execute(&case, "oapt0123456789abcdef", &bench));
    let observed = observe();
    let judgement = judge(&case, &observed, &ground);
    assert_eq!(judgement.verdict, Verdict::Pass, "{judgement:#?}");
    let mut group = criterion.benchmark_group("case");
    group.bench_function("judge", |timed| {
        timed.iter(|| judge(black_box(&case), black_box(&observed), &ground));
    });
    group.bench_function("execute_and_judge", |timed| {
        timed.iter(|| judge(&case, &observe(), &ground));
    });
    group.finish();
}

criterion_group!(benches, matching, judging);
criterion_main!(benches);
