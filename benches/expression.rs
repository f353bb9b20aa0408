//! What an expression costs: the article's conditional over a small and a large state, with minijinja beside it in the
//! same run, since figures of two runs on a shared machine say nothing about each other.
//!
//! `cargo bench --no-default-features --features validator --bench expression`

use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, criterion_group, criterion_main};
use minijinja::value::{Enumerator, Object, ObjectRepr, Serde};
use oap_conform::expression::{Expression, Roots, Template};
use serde_json::{Value, json};

const CONDITIONAL: &str = "state.lastResult.availableSlots.length > 0";

/// The same in Jinja, which has no `.length`.
const JINJA_CONDITIONAL: &str = "state.lastResult.availableSlots|length > 0";

fn small_state() -> Value {
    json!({"lastResult": {"availableSlots": [
        {"start": "2025-10-21T10:00:00Z", "end": "2025-10-21T10:30:00Z"},
        {"start": "2025-10-21T11:00:00Z", "end": "2025-10-21T11:30:00Z"},
    ]}})
}

/// The small state among 0.9 MiB of others: many members beside the one that is read, and many slots.
fn large_state() -> Value {
    let slot = json!({"start": "2025-10-21T10:00:00Z", "end": "2025-10-21T10:30:00Z"});
    let mut state = json!({
        "lastResult": {"availableSlots": vec![slot; 6_000]},
        "history": vec![json!({"action": "calendar.query", "status": "executed", "at": "2025-10-21T09:00:00Z"}); 6_500],
    });
    if let Value::Object(members) = &mut state {
        for index in 0..2_000 {
            members.insert(format!("member{index}"), json!([index, "some text"]));
        }
    }
    let bytes = state.to_string().len();
    assert!((900_000..1_048_576).contains(&bytes), "{bytes} bytes");
    state
}

/// A part of a JSON value that minijinja looks into only where it reads.
#[derive(Debug)]
struct Lazy {
    root: Arc<Value>,
    pointer: String,
}

impl Lazy {
    fn value(root: Arc<Value>, pointer: String) -> minijinja::Value {
        match root.pointer(&pointer) {
            Some(Value::Array(_) | Value::Object(_)) => {
                minijinja::Value::from_object(Lazy { root, pointer })
            }
            Some(scalar) => Serde(scalar).into(),
            None => minijinja::Value::UNDEFINED,
        }
    }

    fn here(&self) -> &Value {
        self.root.pointer(&self.pointer).unwrap_or(&Value::Null)
    }
}

impl Object for Lazy {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        match self.here() {
            Value::Array(_) => ObjectRepr::Seq,
            _ => ObjectRepr::Map,
        }
    }

    fn get_value(self: &Arc<Self>, key: &minijinja::Value) -> Option<minijinja::Value> {
        let token = key.as_str().map_or_else(|| key.to_string(), str::to_owned);
        let pointer = format!("{}/{token}", self.pointer);
        Some(Self::value(Arc::clone(&self.root), pointer))
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        match self.here() {
            Value::Array(elements) => Enumerator::Seq(elements.len()),
            _ => Enumerator::NonEnumerable,
        }
    }
}

fn conditional(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("conditional");
    let expression = Expression::parse(CONDITIONAL).expect("parses");
    let environment = minijinja::Environment::new();
    let jinja = environment
        .compile_expression(JINJA_CONDITIONAL)
        .expect("parses");
    for (name, state) in [("small", small_state()), ("large", large_state())] {
        let roots = Roots {
            state: Some(&state),
            ..Roots::default()
        };
        group.bench_function(format!("ours/{name}"), |bencher| {
            bencher.iter(|| {
                let outcome = black_box(&expression).evaluate(black_box(&roots));
                assert!(outcome.is_ok_and(|outcome| outcome.is_true()));
            });
        });
        let shared = Arc::new(state.clone());
        group.bench_function(format!("minijinja_lazy/{name}"), |bencher| {
            bencher.iter(|| {
                let state = Lazy::value(Arc::clone(&shared), String::new());
                let value = jinja.eval(minijinja::context! { state });
                assert!(value.is_ok_and(|value| value.is_true()));
            });
        });
        let converted = minijinja::context! { state => minijinja::Value::from(Serde(&state)) };
        group.bench_function(format!("minijinja_converted_before/{name}"), |bencher| {
            bencher.iter(|| {
                let value = jinja.eval(black_box(&converted).clone());
                assert!(value.is_ok_and(|value| value.is_true()));
            });
        });
        group.bench_function(format!("minijinja_converted_each_time/{name}"), |bencher| {
            bencher.iter(|| {
                let state = minijinja::Value::from(Serde(black_box(&state)));
                let value = jinja.eval(minijinja::context! { state });
                assert!(value.is_ok_and(|value| value.is_true()));
            });
        });
    }
    group.finish();
}

fn parsing(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("parse");
    group.bench_function("ours", |bencher| {
        bencher.iter(|| Expression::parse(black_box(CONDITIONAL)));
    });
    let environment = minijinja::Environment::new();
    group.bench_function("minijinja", |bencher| {
        bencher.iter(|| {
            assert!(
                environment
                    .compile_expression(black_box(JINJA_CONDITIONAL))
                    .is_ok()
            );
        });
    });
    group.finish();
}

fn templates(criterion: &mut Criterion) {
    let state = small_state();
    let roots = Roots {
        state: Some(&state),
        ..Roots::default()
    };
    let typed = Template::parse("{{ state.lastResult.availableSlots[0].start }}").expect("parses");
    let mixed = Template::parse(
        "From {{ state.lastResult.availableSlots[0].start }} on: {{ state.lastResult }}.",
    )
    .expect("parses");
    let mut group = criterion.benchmark_group("template");
    group.bench_function("typed", |bencher| {
        bencher.iter(|| black_box(&typed).resolve(black_box(&roots)));
    });
    group.bench_function("mixed", |bencher| {
        bencher.iter(|| black_box(&mixed).resolve(black_box(&roots)));
    });
    group.finish();
}

/// The most that one evaluation may do: ten thousand steps, and as much text as fits in them.
fn worst(criterion: &mut Criterion) {
    let state = json!({
        "a": vec![json!([1, "x"]); 5_000],
        "b": vec![json!([1, "x"]); 5_000],
        "s": "é".repeat(500_000),
    });
    let roots = Roots {
        state: Some(&state),
        ..Roots::default()
    };
    let mut group = criterion.benchmark_group("worst");
    group.sample_size(10);
    for (name, text) in [
        ("ten_thousand_steps", "state.a == state.b".to_owned()),
        ("text", format!("state.s{}", "|upper|lower".repeat(300))),
    ] {
        let expression = Expression::parse(&text).expect("parses");
        group.bench_function(name, |bencher| {
            bencher.iter(|| assert!(black_box(&expression).evaluate(black_box(&roots)).is_err()));
        });
    }
    group.finish();
}

criterion_group!(benches, conditional, parsing, templates, worst);
criterion_main!(benches);
