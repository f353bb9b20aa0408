//! What it costs to look at a manifest of 33 kB: parsing alone, reading with positions, the rules that compile no schema, and all of
//! them. The first is the measure of the others.
//!
//! `cargo bench --no-default-features --features validator --bench documents`

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use oap_conform::document::{Document, Format};
use oap_conform::lint::{self, Check, DocumentKind, Group, Preset, Rule, Selection};
use oap_conform::manifest;
use oap_conform::manifest::generate::{self, Order};

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

criterion_group!(benches, documents);
criterion_main!(benches);
