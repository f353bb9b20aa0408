//! What an editor is shown, asked for as one asks.

use std::path::Path;

use serde_json::{Value, json};

use super::Server;
use crate::lint::config::Config;

/// The answer to a request about the `|` of a text, which is taken out.
fn asked(method: &str, uri: &str, marked: &str) -> Value {
    let mut server = Server::new(Config::default(), Path::new("/work"));
    server.handle(&json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {}}));
    let offset = marked.find('|').expect("a mark");
    let text = marked.replacen('|', "", 1);
    server.handle(
        &json!({"jsonrpc": "2.0", "method": "textDocument/didOpen", "params":
        {"textDocument": {"uri": uri, "languageId": "", "version": 1, "text": text}}}),
    );
    let before = &text[..offset];
    let line = before.matches('\n').count();
    let character = before
        .rsplit('\n')
        .next()
        .unwrap_or_default()
        .chars()
        .count();
    let answers = server.handle(
        &json!({"jsonrpc": "2.0", "id": 2, "method": method, "params":
        {"textDocument": {"uri": uri}, "position": {"line": line, "character": character}}}),
    );
    answers[0]["result"].clone()
}

/// What is proposed, with the text that is put in.
fn proposed(uri: &str, marked: &str) -> Vec<(String, String)> {
    let answer = asked("textDocument/completion", uri, marked);
    let items = answer["items"].as_array().expect("a list").iter();
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    items
        .map(|item| (text(&item["label"]), text(&item["textEdit"]["newText"])))
        .collect()
}

fn labels(uri: &str, marked: &str) -> Vec<String> {
    let proposed = proposed(uri, marked).into_iter();
    proposed.map(|(label, _)| label).collect()
}

const MANIFEST: &str = "name: m\nversion: 1.0.0\nactions:\n- {name: look_up, type: plugin, input_schema: true, output_schema: true}\n\
     - {name: say, type: plugin, input_schema: true, output_schema: true}\n";

#[test]
fn actions_are_named_in_lists_of_every_form() {
    let yaml = "file:///a.yaml";
    for list in ["[|]", "[ | ]", "[sa|]", "[\n      |\n    ]", "\n    - |"] {
        let text = format!("{MANIFEST}intents:\n- name: i\n  actions: {list}\n");
        let labels = labels(yaml, &text);
        assert!(labels.contains(&"look_up".to_owned()), "{list}: {labels:?}");
        assert!(labels.contains(&"say".to_owned()), "{list}: {labels:?}");
    }
    // A list that is just opened does not read, and never did.
    for end in ["[|", "[\n      |", "[ |\n  description: d\n", "\n    - \"|"] {
        let text = format!("{MANIFEST}intents:\n- name: i\n  actions: {end}");
        assert_eq!(labels(yaml, &text), ["look_up", "say"], "{end:?}");
    }
    let json = "{\"name\": \"m\", \"version\": \"1.0.0\", \"actions\": [{\"name\": \"look_up\", \"type\": \"plugin\"}], \"intents\": [{\"name\": \"i\", ";
    for end in [
        "\"actions\": [|",
        "\"actions\": [\"|",
        "\"actions\": [\"a\", |",
        "\"actions\": [ | ], \"x",
    ] {
        assert_eq!(
            labels("file:///a.json", &format!("{json}{end}")),
            ["look_up"],
            "{end}"
        );
    }
    // What stands in the list already is not proposed again.
    let text = format!("{MANIFEST}intents:\n- name: i\n  actions: [say, |]\n");
    assert_eq!(labels(yaml, &text), ["look_up"]);
}

#[test]
fn what_a_loader_refuses_is_told() {
    let mut server =
        Server::new(Config::default(), Path::new("/work")).with_loader(|_, kind, file, _| {
            assert_eq!(file, Some("a.yaml"));
            assert_eq!(kind, crate::lint::DocumentKind::Case);
            vec![crate::lint::Told {
                rule: "case_not_loadable",
                pointer: "/id".to_owned(),
                message: "from the loader".to_owned(),
            }]
        });
    server.handle(&json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {}}));
    let text = "id: MAN-001-a\nrequirements: [MAN-001]\nsteps: []\n";
    let answers = server.handle(
        &json!({"jsonrpc": "2.0", "method": "textDocument/didOpen", "params":
        {"textDocument": {"uri": "file:///work/a.yaml", "languageId": "yaml", "version": 1, "text": text}}}),
    );
    let told = answers[0]["params"]["diagnostics"]
        .as_array()
        .expect("a list")
        .iter();
    let told: Vec<&Value> = told
        .filter(|one| one["code"] == "case_not_loadable")
        .collect();
    assert!(
        told.len() == 1 && told[0]["message"] == "from the loader",
        "{answers:?}"
    );
}

#[test]
fn only_what_a_node_may_have_is_proposed_and_once() {
    let approval = labels(
        "file:///a.json",
        "[{\"@type\": \"OpenAction:HumanApproval\", \"prompt\": \"?\", \"|\"}]",
    );
    assert_eq!(approval, ["@context", "action", "protocolVersion"]);
    // Also while it does not read, and below the cursor.
    let approval = labels(
        "file:///a.yaml",
        "- |\n  prompt: yes?\n  \"@type\": OpenAction:HumanApproval\n  action:\n  - [\n",
    );
    assert_eq!(approval, ["@context", "protocolVersion"]);
    let kinds = proposed(
        "file:///a.yaml",
        "- \"@type\": |\n  name: a\n  \"x\": OpenAction:Action\n",
    );
    assert_eq!(
        kinds,
        [
            (
                "OpenAction:Action".to_owned(),
                "OpenAction:Action".to_owned()
            ),
            (
                "OpenAction:HumanApproval".to_owned(),
                "OpenAction:HumanApproval".to_owned()
            )
        ]
    );
}

#[test]
fn what_is_proposed_for_yaml_is_yaml() {
    let proposed = proposed("file:///a.yaml", "- name: OpenAction:Action\n  |\n");
    let text = |label: &str| {
        let found = proposed.iter().find(|(known, _)| known == label);
        found.map(|(_, text)| text.as_str())
    };
    assert_eq!(text("@type"), Some("\"@type\": "), "{proposed:?}");
    assert_eq!(text("input"), Some("input: "));
}

#[test]
fn a_hover_tells_the_clause_of_the_place() {
    let told = |marked: &str| {
        let answer = asked("textDocument/hover", "file:///a.yaml", marked);
        answer["contents"]["value"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    };
    let intent = told(&format!(
        "{MANIFEST}intents:\n- na|me: i\n  actions: [say]\n"
    ));
    assert!(intent.contains("_MAN-014_"), "{intent}");
    assert!(
        !intent.contains("WFL-") && !intent.contains("MAN-001"),
        "{intent}"
    );
    let action = told(&MANIFEST.replace("{name: say", "{na|me: say"));
    assert!(
        action.contains("_MAN-008_") && !action.contains("WFL-"),
        "{action}"
    );
    let node = told("- \"@type\": OpenAction:Action\n  na|me: a\n");
    assert!(
        node.contains("_WFL-009_") && !node.contains("MAN-"),
        "{node}"
    );
}
