//! Ignores in documents, comments and the configuration.

use super::super::check;
use super::*;

const ONLY: &str = "duplicate_key";

fn judged(text: &str, format: Format, config: &Config) -> Judged {
    let document = Document::read(text, format).expect("a document");
    let selection =
        Selection::preset(Preset::Spec).only([ONLY.to_owned(), "unused_ignore".to_owned()]);
    judge(
        &document,
        DocumentKind::Manifest,
        &selection,
        config,
        Some("a/b.json"),
    )
}

fn ids(judged: &Judged) -> Vec<(&str, &str)> {
    let ids = judged.findings.iter();
    ids.map(|finding| (finding.rule.id, finding.pointer.as_str()))
        .collect()
}

#[test]
fn a_member_silences_its_object_and_what_is_below() {
    let text = r#"{"a": {"x-lint-ignore": ["duplicate_key known since May"], "b": {"c": 1, "c": 2}}, "d": 1, "d": 2}"#;
    let judged = judged(text, Format::Json, &Config::default());
    assert_eq!(ids(&judged), [("duplicate_key", "/d")]);
    assert_eq!(judged.ignored, 1);
}

#[test]
fn a_comment_silences_its_line_or_the_next() {
    let text = "a: 1\na: 2  # oap-lint-ignore: duplicate_key on purpose\nb: 1\n\
                # oap-lint-ignore: duplicate_key, unused_ignore\n# more\n\nb: 2\nc: 1\nc: 2\n\
                d: 'x # oap-lint-ignore: nothing'\n";
    let judged = judged(text, Format::Yaml, &Config::default());
    assert_eq!(
        ids(&judged),
        [("unused_ignore", ""), ("duplicate_key", "/c")],
        "{:?}",
        judged.findings
    );
    assert_eq!(judged.ignored, 2);
}

#[test]
fn what_is_in_a_text_is_no_comment() {
    let text = "a: |\n  x\n  # oap-lint-ignore: duplicate_key\nb: >-\n  # oap-lint-ignore: duplicate_key\n  y\n";
    let judged = judged(text, Format::Yaml, &Config::default());
    assert_eq!(ids(&judged), []);
}

#[test]
fn ignores_without_effect_are_told() {
    for (text, message) in [
        (
            r#"{"x-lint-ignore": ["duplicate_key"]}"#,
            "finds nothing here",
        ),
        (
            r#"{"x-lint-ignore": ["duplicate_kye"]}"#,
            "did you mean 'duplicate_key'",
        ),
        (r#"{"x-lint-ignore": "duplicate_key"}"#, "as a list"),
        (r#"{"x-lint-ignore": [1]}"#, "as a list"),
        (r#"{"x-lint-ignore": []}"#, "as a list"),
    ] {
        let judged = judged(text, Format::Json, &Config::default());
        let [finding] = judged.findings.as_slice() else {
            panic!("{text}: {judged:?}");
        };
        assert_eq!(finding.rule.id, "unused_ignore");
        assert!(finding.message.contains(message), "{}", finding.message);
    }
    let judged = judged(
        "a: 1 # oap-lint-ignore:\n",
        Format::Yaml,
        &Config::default(),
    );
    assert_eq!(ids(&judged), [("unused_ignore", "")]);
}

#[test]
fn an_ignore_of_a_rule_that_is_not_asked_may_be_right() {
    let text = r#"{"x-lint-ignore": ["malformed_json"]}"#;
    assert_eq!(ids(&judged(text, Format::Json, &Config::default())), []);
}

#[test]
fn the_configuration_silences_and_weighs() {
    let config = Config::read(
        "[severity]\nduplicate_key = 'note'\n[[ignore]]\nrule = 'duplicate_key'\npointer = '/a'\nfile = 'a/*'\nreason = 'x'\n\
         [[ignore]]\nrule = 'duplicate_key'\nfile = 'c/*'\nreason = 'x'\n",
    )
    .expect("a configuration");
    let text = r#"{"a": {"b": 1, "b": 2}, "ab": 1, "ab": 2}"#;
    let judged = judged(text, Format::Json, &config);
    assert_eq!(ids(&judged), [("duplicate_key", "/ab")]);
    assert_eq!(judged.findings[0].severity, Severity::Note);
    assert_eq!(judged.used, BTreeSet::from([0]));
}

#[test]
fn accepted_findings_are_not_mended() {
    let text = r#"{"a": {"x-lint-ignore": ["duplicate_key"], "b": 1, "b": 2}, "c": 1, "c": 2}"#;
    let document = Document::read(text, Format::Json).expect("a document");
    let selection = Selection::preset(Preset::Spec).only([ONLY.to_owned()]);
    let found = check(&document, DocumentKind::Manifest, &selection).findings;
    let config = Config::default();
    let keep = not_accepted(&config, None);
    let kept: Vec<&str> = found
        .iter()
        .filter(|finding| keep(&document, finding))
        .map(|finding| finding.pointer.as_str())
        .collect();
    assert_eq!(kept, ["/c"]);
}
