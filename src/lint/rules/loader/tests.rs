use serde::Deserialize;

use crate::document::{Document, Format};
use crate::embedded;
use crate::lint::{Check, DocumentKind, Preset, Selection, check, named};

#[derive(Deserialize)]
struct Index {
    fixture: Vec<Fixture>,
}

#[derive(Deserialize)]
struct Fixture {
    file: String,
    #[serde(default)]
    pointer: String,
    #[serde(alias = "code")]
    rule: String,
}

fn fixtures(folder: &str) -> Vec<(Vec<u8>, Fixture)> {
    let index =
        embedded::text(&format!("fixtures/manifests/{folder}/index.toml")).expect("is there");
    let index: Index = toml::from_str(&index).expect("reads");
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/manifests");
    let read = |file: &str| std::fs::read(format!("{root}/{folder}/{file}")).expect("is there");
    let each = index.fixture.into_iter();
    each.map(|fixture| (read(&fixture.file), fixture)).collect()
}

#[test]
fn every_violation_of_the_loader_has_a_rule() {
    for (bytes, fixture) in fixtures("invalid") {
        let text = String::from_utf8(bytes).expect("is UTF-8");
        let document = Document::read(text, Format::Json).expect("reads");
        let outcome = check(
            &document,
            DocumentKind::Manifest,
            &Selection::preset(Preset::Spec),
        );
        let found = outcome.findings.iter().any(|finding| {
            finding.rule.id == fixture.rule
                && finding.pointer == fixture.pointer
                && matches!(finding.rule.check, Check::Loader)
        });
        assert!(found, "{}: {:?}", fixture.file, outcome.findings);
    }
}

#[test]
fn every_refusal_of_a_text_has_a_rule() {
    for (bytes, fixture) in fixtures("raw") {
        let rule = named(&fixture.rule).expect("is a rule");
        assert!(matches!(rule.check, Check::Loader), "{}", rule.id);
        let Ok(text) = String::from_utf8(bytes) else {
            assert_eq!(fixture.rule, "invalid_utf8", "{}", fixture.file);
            continue;
        };
        match Document::read(text, Format::Json) {
            Err(error) => assert_eq!(error.code, fixture.rule, "{}", fixture.file),
            Ok(document) => {
                let selection = Selection::preset(Preset::Spec);
                let outcome = check(&document, DocumentKind::Manifest, &selection);
                // What a runtime refuses as no JSON has a name of its own here.
                let wanted = match document.is_marked() {
                    true => "byte_order_mark",
                    false => fixture.rule.as_str(),
                };
                let found = outcome
                    .findings
                    .iter()
                    .any(|finding| finding.rule.id == wanted && finding.pointer == fixture.pointer);
                assert!(found, "{}: {:?}", fixture.file, outcome.findings);
            }
        }
    }
}

/// What the loader's source names is what the tables name.
#[test]
fn every_name_in_the_loader_has_a_rule() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/manifest");
    let mut names = 0;
    for entry in std::fs::read_dir(folder).expect("is there") {
        let path = entry.expect("is there").path();
        let Ok(text) = std::fs::read_to_string(&path) else {
            continue;
        };
        if !text.contains("report: &mut Report") {
            continue;
        }
        let calls = text
            .match_indices("refuse(")
            .chain(text.match_indices("warn("));
        for (at, _) in calls {
            // The rule is the first of the call's literals that is a bare word and no member's name within a place.
            let call = text.get(at..).unwrap_or_default();
            let end = call.find(';').unwrap_or(call.len());
            let literals = call
                .get(..end)
                .unwrap_or_default()
                .split('"')
                .skip(1)
                .step_by(2);
            let words = literals.filter(|word| {
                word.len() > 3
                    && word
                        .bytes()
                        .all(|byte| byte.is_ascii_alphabetic() || byte == b'_')
            });
            let words: Vec<&str> = words.collect();
            if words.is_empty() {
                continue;
            }
            names += 1;
            assert!(
                words.iter().any(|word| named(word).is_some()),
                "{}: no rule is named by any of {words:?}",
                path.display()
            );
        }
    }
    assert!(names > 40, "{names}");
}

fn fixed(manifest: &str, rule: &str) -> serde_json::Value {
    let document = Document::read(manifest, Format::Json).expect("reads");
    let selection = Selection::preset(Preset::Strict).only([rule.to_owned()]);
    let fixed = crate::lint::fix::apply(
        &document,
        DocumentKind::Manifest,
        &selection,
        true,
        &crate::document::Limits::DOCUMENT,
        |_, _| true,
    );
    fixed.document.value().clone()
}

#[test]
fn a_misspelt_member_is_renamed_in_a_manifest_that_is_refused_for_it() {
    let manifest = r#"{"name": "n", "version": "1.0.0", "actions": [{"name": "a", "type": "invoke_api", "method": "GET",
        "endpont": "https://api.example.com/", "input_schema": {}, "output_schema": {}}]}"#;
    let value = fixed(manifest, "unknown_member");
    assert_eq!(value["actions"][0]["endpoint"], "https://api.example.com/");
}

#[test]
fn the_other_spelling_is_mended_in_both_directions() {
    let snake = r#"{"name": "n", "version": "1.0.0", "actions": [{"name": "a", "actionType": "invoke_api", "method": "GET",
        "endpoint": "https://api.example.com/", "inputSchema": {}, "output_schema": {}, "accessControl": {"requiredScopes": ["a"]}}]}"#;
    let value = fixed(snake, "mixed_spelling");
    assert_eq!(value["actions"][0]["type"], "invoke_api");
    assert_eq!(
        value["actions"][0]["access_control"]["required_scopes"][0],
        "a"
    );
    let camel = r#"{"@type": "OpenAction:Manifest", "name": "n", "version": "1.0.0", "actions": [{"@type": "OpenAction:Action",
        "name": "a", "inputSchema": {}, "output_schema": {}, "feature_flag": "f"}]}"#;
    let value = fixed(camel, "mixed_spelling");
    assert!(value["actions"][0]["outputSchema"].is_object());
    assert_eq!(value["actions"][0]["featureFlag"], "f");
}

#[test]
fn schemas_of_older_drafts_are_mended() {
    let manifest = r##"{"name": "n", "version": "1.0.0", "actions": [{"name": "a", "type": "human_intervention", "prompt": "p",
        "input_schema": {"type": "object", "properties": {"pair": {"type": "array", "items": [{"type": "string"}], "additionalItems": false}}},
        "output_schema": {"$schema": "https://json-schema.org/draft-07/schema", "type": "object"}}]}"##;
    let value = fixed(manifest, "invalid_schema");
    let pair = &value["actions"][0]["input_schema"]["properties"]["pair"];
    assert_eq!(pair["prefixItems"][0]["type"], "string", "{value}");
    assert_eq!(pair["items"], false);
    let dialect = &value["actions"][0]["output_schema"]["$schema"];
    assert_eq!(dialect, "http://json-schema.org/draft-07/schema#");
}

#[test]
fn an_unknown_type_hides_nothing_else() {
    let text = r#"{"name": "d", "version": "1.0.0", "actions": [{"name": "a", "type": "invoke_aip", "endpoint": "ftp://a.example/x",
        "method": "GTE", "descripton": "x", "input_schema": {"type": "strin"}, "output_schema": {}}]}"#;
    let document = Document::read(text, Format::Json).expect("reads");
    let all = Selection::preset(Preset::Recommended);
    let outcome = check(&document, DocumentKind::Manifest, &all);
    for (rule, member) in [
        ("enum", "type"),
        ("invalid_endpoint", "endpoint"),
        ("enum", "method"),
        ("unknown_member", "descripton"),
        ("invalid_schema", "input_schema/type"),
    ] {
        let pointer = format!("/actions/0/{member}");
        let found = outcome.findings.iter();
        let mut found = found.filter(|one| one.rule.id == rule && one.pointer == pointer);
        assert!(
            found.next().is_some(),
            "{rule} at {member}: {:?}",
            outcome.findings
        );
        assert!(found.next().is_none(), "{rule} at {member} is told twice");
    }
}

/// A manifest in YAML after every fix of one rule, unsafe ones too where they are wanted.
fn mended(manifest: &str, rule: &str, also_unsafe: bool) -> String {
    let document = Document::read(manifest, Format::Yaml).expect("reads");
    let selection = Selection::preset(Preset::Strict).only([rule.to_owned()]);
    let fixed = crate::lint::fix::apply(
        &document,
        DocumentKind::Manifest,
        &selection,
        also_unsafe,
        &crate::document::Limits::DOCUMENT,
        |_, _| true,
    );
    fixed.document.text().to_owned()
}

#[test]
fn safeguards_in_the_wrong_place_are_moved_and_never_renamed() {
    let manifest = "name: n\nversion: 1.0.0\nactions:\n- name: a\n  type: human_intervention\n  prompt: p\n  rate_limit: 10/min # agreed\n  \
                    requires_approval: true\n  required_scope: [a]\n  endpoint: https://api.example.com/\n  approvers: [b]\n  \
                    input_schema: {}\n  output_schema: {}\n";
    assert_eq!(
        mended(manifest, "unknown_member", false),
        manifest,
        "nothing of this is safe"
    );
    let text = mended(manifest, "unknown_member", true);
    let value = Document::read(text.as_str(), Format::Yaml).expect("reads");
    let action = &value.value()["actions"][0];
    assert_eq!(
        action["access_control"],
        serde_json::json!({"rate_limit": "10/min", "verification": "approval", "required_scopes": ["a"]}),
        "{text}"
    );
    assert!(text.contains("# agreed"), "{text}");
    assert!(!text.contains("x-"), "{text}");
    // What guards nothing here and has no place is told, and left to its author.
    assert!(action.get("endpoint").is_some() && action.get("approvers").is_some());
}

/// What is said of a member of an action, with `what` besides.
fn told(rule: &str, what: &str) -> Vec<String> {
    let manifest = format!(
        "name: n\nversion: 1.0.0\nactions:\n- name: delete_order\n  type: invoke_api\n  endpoint: https://api.example.com/\n  \
         method: DELETE\n  input_schema: {{}}\n  output_schema: {{}}\n  {what}\n"
    );
    let document = Document::read(manifest.as_str(), Format::Yaml).expect("reads");
    let selection = Selection::preset(Preset::Strict).only([rule.to_owned()]);
    let found = check(&document, DocumentKind::Manifest, &selection).findings;
    found.into_iter().map(|one| one.message).collect()
}

#[test]
fn who_wrote_it_is_no_safeguard() {
    for name in [
        "author",
        "authority",
        "allowance",
        "role_description",
        "verified_by",
    ] {
        let told = told("unknown_member", &format!("{name}: x"));
        assert_eq!(told.len(), 1, "{name}");
        assert!(
            !told[0].contains("guards nothing") && !told[0].contains("approval"),
            "{told:?}"
        );
    }
    let told = told("unknown_member", "allowed_roles: [x]");
    assert!(told[0].contains("guards nothing"), "{told:?}");
}

#[test]
fn asking_that_is_switched_off_is_told_as_such() {
    for (rule, what) in [
        ("unknown_member", "requires_approval: false"),
        (
            "unknown_member",
            "access_control: {approvalRequired: false}",
        ),
        (
            "effect_without_approval",
            "effects: [critical]\n  access_control: {verification: none}",
        ),
        ("undeclared_effect", "requires_approval: false"),
        ("undeclared_effect", "access_control: {verification: none}"),
    ] {
        let told = told(rule, what);
        assert!(
            told.len() == 1 && told[0].contains("explicitly off"),
            "{rule} {what}: {told:?}"
        );
    }
    for (rule, what) in [
        ("unknown_member", "requires_approval: true"),
        ("effect_without_approval", "effects: [critical]"),
        ("undeclared_effect", "summary: x"),
    ] {
        let told = told(rule, what);
        assert!(
            told.len() == 1 && !told[0].contains("explicitly off"),
            "{rule} {what}: {told:?}"
        );
    }
}

#[test]
fn a_safeguard_whose_place_is_taken_stays() {
    let manifest = "name: n\nversion: 1.0.0\nactions:\n- name: a\n  type: human_intervention\n  prompt: p\n  rateLimit: 10/min\n  \
                    access_control: {rate_limit: 5/min}\n  input_schema: {}\n  output_schema: {}\n";
    assert_eq!(mended(manifest, "unknown_member", true), manifest);
    let document = Document::read(manifest, Format::Yaml).expect("reads");
    let selection = Selection::preset(Preset::Strict).only(["unknown_member".to_owned()]);
    let found = check(&document, DocumentKind::Manifest, &selection).findings;
    assert!(
        found[0].message.contains("belongs in 'access_control'"),
        "{found:?}"
    );
}

#[test]
fn numbers_that_are_texts_get_quotes() {
    let manifest = "name: n\nversion: 1.0\nprotocol_version: 2.0\nactions: []\n";
    assert_eq!(
        mended(manifest, "type", false),
        "name: n\nversion: \"1.0\"\nprotocol_version: \"2.0\"\nactions: []\n"
    );
}

#[test]
fn a_type_in_the_wrong_case_is_called_by_its_name() {
    let manifest = "name: n\nversion: 1.0.0\nactions:\n- name: a\n  type: human_intervention\n  prompt: p\n  \
                    input_schema: {type: Object, properties: {a: {type: [String, \"null\"]}}}\n  output_schema: {}\n";
    let document = Document::read(manifest, Format::Yaml).expect("reads");
    let selection = Selection::preset(Preset::Spec).only(["invalid_schema".to_owned()]);
    let found = check(&document, DocumentKind::Manifest, &selection).findings;
    let messages: Vec<&str> = found.iter().map(|one| one.message.as_str()).collect();
    assert_eq!(
        messages,
        [
            "there is no type 'Object'; write 'object'",
            "there is no type 'String'; write 'string'"
        ]
    );
    let text = mended(manifest, "invalid_schema", false);
    assert!(
        text.contains("{type: object, properties: {a: {type: [\"string\", \"null\"]}}}"),
        "{text}"
    );
}
