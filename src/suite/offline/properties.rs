//! How a transcript is written leaves what is said of it alone.

use std::collections::BTreeSet;

use proptest::prelude::*;
use serde_json::Value;

use super::{Record, judge};
use crate::json::properties::{cases, reordered};
use crate::suite::options::test_secrets;
use crate::suite::prepare::snake_case;
use crate::suite::secrets::Secrets;
use crate::suite::wire::Wire;
use crate::{embedded, json};

/// Transcripts of the fixtures, good and bad, with their manifests.
fn record() -> impl Strategy<Value = (String, Value, Option<Value>)> {
    let mut paths: Vec<String> = embedded::list("fixtures/transcripts/")
        .into_iter()
        .filter(|path| path.ends_with(".json") && !path.ends_with(".manifest.json"))
        .collect();
    paths.sort();
    assert!(paths.len() > 50, "the transcripts are gone");
    let manifests: Vec<Value> = embedded::list("fixtures/manifests/valid/")
        .iter()
        .filter_map(|path| serde_json::from_str(&embedded::text(path)?).ok())
        .collect();
    proptest::sample::select(paths).prop_filter_map("read", move |path| {
        let transcript: Value = serde_json::from_str(&embedded::text(&path)?).ok()?;
        let digest = transcript
            .pointer("/manifest/digest")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let manifest = manifests
            .iter()
            .find(|manifest| json::digest(&snake_case(manifest)) == digest)
            .cloned();
        Some((path, transcript, manifest))
    })
}

/// The requirements that are broken, with their places, and how many things were looked at.
fn told(transcript: &Value, manifest: Option<&Value>) -> (BTreeSet<(String, String)>, usize) {
    let wire = Wire::embedded().expect("the wire");
    let secrets = Secrets::new(test_secrets());
    let judged = judge(
        &Record {
            transcript,
            manifest,
        },
        wire,
        &secrets,
    );
    let findings = judged.findings.iter().map(|told| {
        let finding = &told.finding;
        (
            finding.requirement.clone(),
            finding.difference.pointer.clone(),
        )
    });
    (findings.collect(), judged.assertions)
}

proptest! {
    #![proptest_config(cases(64))]

    #[test]
    fn order_of_members_and_white_space_do_not_matter((path, transcript, manifest) in record(), by in 1_usize..6) {
        let turned = serde_json::to_string_pretty(&reordered(&transcript, by)).expect("text");
        let turned: Value = serde_json::from_str(&turned).expect("JSON");
        let manifest = manifest.as_ref();
        let other = manifest.map(|manifest| reordered(manifest, by));
        prop_assert_eq!(told(&turned, other.as_ref()), told(&transcript, manifest), "{}", path);
    }
}
