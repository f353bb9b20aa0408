//! What it costs to look at a manifest of 33 kB: parsing alone, reading with positions, the rules that compile no schema, and all of
//! them. The first is the measure of the others. And what it costs to look at the largest schemas.
//!
//! `cargo bench --no-default-features --features validator --bench documents`

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use oap_conform::document::{Document, Format};
use oap_conform::lint::{self, Check, DocumentKind, Group, Preset, Rule, Selection};
use oap_conform::manifest;
use oap_conform::manifest::generate::{self, Order};
use serde_json::{Map, Value, json};

fn manifest(format: Format) -> String {
    let order = Order {
        actions: 15,
        bytes: Some(33_000),
        seed: 1,
    };
    generate::text(&order, format)
}

/// Whether a rule looks at compiled schemas: those of the loader, which compiles them, and those about schemas.
fn compiles(rule: &Rule) -> bool {
    matches!(rule.check, Check::Loader) || rule.group == Group::Schema
}

fn documents(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("manifest_33kB");
    let json = manifest(Format::Json);
    let yaml = manifest(Format::Yaml);
    let all = Selection::preset(Preset::Recommended);
    let uncompiled = lint::all().filter(|rule| compiles(rule));
    let light = all.clone().skip(uncompiled.map(|rule| rule.id.to_owned()));
    group.throughput(Throughput::Bytes(json.len() as u64));
    group.bench_function("parse_alone", |bencher| {
        bencher.iter(|| {
            let value: serde_json::Value = serde_json::from_str(black_box(&json)).expect("parses");
            value
        });
    });
    group.bench_function("read_with_positions", |bencher| {
        bencher.iter(|| Document::read(black_box(json.as_str()), Format::Json).expect("reads"));
    });
    group.bench_function("read_with_positions_yaml", |bencher| {
        bencher.iter(|| Document::read(black_box(yaml.as_str()), Format::Yaml).expect("reads"));
    });
    group.bench_function("load", |bencher| {
        bencher.iter(|| manifest::read(black_box(json.as_bytes())).expect("loads"));
    });
    for (name, selection) in [("lint_without_schemas", &light), ("lint", &all)] {
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let document =
                    Document::read(black_box(json.as_str()), Format::Json).expect("reads");
                lint::check(&document, DocumentKind::Manifest, selection)
            });
        });
    }
    group.finish();
}

/// Schemas as large as a document can hold, each heavy for another rule.
fn large_schemas(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("large_schema");
    group.sample_size(10);
    let names = |count: usize| -> Vec<String> { (0..count).map(|n| format!("n{n}")).collect() };
    let declared: Map<String, Value> = names(20_000)
        .into_iter()
        .map(|name| (name, json!({})))
        .collect();
    let mut deep = json!({"type": "string", "default": 1, "minLength": 2});
    for _ in 0..27 {
        deep = json!({"allOf": [deep], "default": 1, "minLength": 2});
    }
    for (name, schema) in [
        (
            "required",
            json!({"required": names(30_000), "properties": declared}),
        ),
        (
            "enum",
            json!({"type": "integer", "enum": names(40_000), "default": 1}),
        ),
        (
            "pattern",
            json!({"pattern": format!("({})+", "a+".repeat(2000))}),
        ),
        ("deep", deep),
    ] {
        let text = json!({"actions": [{"input_schema": schema}]}).to_string();
        let document = Document::read(text, Format::Json).expect("reads");
        let all = Selection::preset(Preset::Strict);
        group.bench_function(name, |bencher| {
            bencher.iter(|| lint::check(black_box(&document), DocumentKind::Manifest, &all));
        });
    }
    group.finish();
}

criterion_group!(benches, documents, large_schemas);
criterion_main!(benches);
