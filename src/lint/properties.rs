//! How a document is written leaves what is found in it alone, unless a rule is about just that.

use proptest::prelude::*;
use serde_json::Value;

use super::config::Config;
use super::{DocumentKind, Preset, judge};
use crate::document::{Document, Format};
use crate::embedded;
use crate::json::properties::{cases, reordered};

/// Bad examples of the rules, as values: what is wrong with the text itself is gone then.
fn example() -> impl Strategy<Value = (String, Value)> {
    let mut paths: Vec<String> = embedded::list("fixtures/lint/")
        .into_iter()
        .filter(|path| {
            path.contains("/bad") && (path.ends_with(".json") || path.ends_with(".yaml"))
        })
        .collect();
    paths.sort();
    assert!(paths.len() > 200, "the examples are gone");
    proptest::sample::select(paths).prop_filter_map("read", |path| {
        let text = embedded::text(&path)?.into_owned();
        let format = if path.ends_with(".json") {
            Format::Json
        } else {
            Format::Yaml
        };
        let document = Document::read(text, format).ok()?;
        Some((path, document.value().clone()))
    })
}

/// Rules and places, in order.
fn found(text: String) -> Vec<(&'static str, String)> {
    let document = Document::read(text, Format::Json).expect("a document");
    let config = Config::default();
    let kind = DocumentKind::guess(document.value());
    let judged = judge(
        &document,
        kind,
        &config.selection(Preset::Strict),
        &config,
        None,
    );
    let mut found: Vec<_> = judged
        .findings
        .iter()
        .map(|finding| (finding.rule.id, finding.pointer.clone()))
        .collect();
    found.sort();
    found
}

proptest! {
    #![proptest_config(cases(64))]

    #[test]
    fn white_space_does_not_matter((path, value) in example()) {
        let pretty = serde_json::to_string_pretty(&value).expect("text");
        prop_assert_eq!(found(pretty.replace('\n', "\r\n")), found(value.to_string()), "{}", path);
    }

    #[test]
    fn order_of_members_does_not_matter((path, value) in example(), by in 1_usize..6) {
        prop_assert_eq!(found(reordered(&value, by).to_string()), found(value.to_string()), "{}", path);
    }
}
