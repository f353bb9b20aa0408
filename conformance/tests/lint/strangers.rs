//! What does not look like a document, what does not read, and what may not be shown.

use super::{folder, good, json, lint, out, places, put, told};

#[test]
fn nothing_is_passed_over_in_silence() {
    let folder = folder("good.json", &good());
    for name in ["a.json", "b.json", "c.yaml", "d.yml"] {
        put(folder.path(), name, "{\"name\": \"x\"}");
    }
    let output = lint(folder.path(), &[]);
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
    let said = "4 files are no documents of this protocol: a.json, b.json, c.yaml, …\n";
    assert!(out(&output).ends_with(said), "{}", told(&output));
    let report = json(&lint(folder.path(), &["--format", "json"]));
    assert_eq!(report["summary"]["unknown"], 4);
    assert_eq!(report["unknown"][3], "d.yml");
    assert_eq!(report["summary"]["files"], 1);

    // What does not read could be anything.
    put(folder.path(), "broken.json", "{\"acti");
    put(folder.path(), "broken.yaml", "a: [");
    put(folder.path(), "utf-16.json", [0xff, 0xfe, b'{', 0, b'}', 0]);
    let report = json(&lint(folder.path(), &["--format", "json"]));
    let rules: Vec<String> = places(&report).into_iter().map(|place| place.0).collect();
    for rule in ["malformed_json", "malformed_yaml", "invalid_utf8"] {
        assert!(rules.iter().any(|found| found == rule), "{rule}: {rules:?}");
    }
    let output = lint(folder.path(), &["--format", "short"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        out(&output).contains("the text is UTF-16; save it as UTF-8"),
        "{}",
        told(&output)
    );
    let output = lint(folder.path(), &["--skip-unknown", "--format", "json"]);
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(json(&output)["summary"]["unknown"], 7);
}

#[test]
fn what_was_meant_for_a_document_is_looked_at() {
    let folder = folder("slip.json", &good().replace("actions", "acitons"));
    put(folder.path(), "oap-desk.yaml", "name: desk\n");
    put(folder.path(), "desk.oap.json", "{}");
    let report = json(&lint(folder.path(), &["--format", "json"]));
    assert_eq!(report["summary"]["files"], 3);
    let places = places(&report);
    for (rule, pointer) in [("required", ""), ("unknown_member", "/acitons")] {
        let found = places
            .iter()
            .any(|place| place.0 == rule && place.1 == pointer);
        assert!(found, "{rule}: {places:?}");
    }
}

#[test]
fn a_byte_order_mark_is_named_and_can_be_taken_out() {
    let folder = folder("a.json", &format!("\u{feff}{}", good()));
    let report = json(&lint(folder.path(), &["--format", "json"]));
    assert!(
        places(&report)
            .iter()
            .any(|place| place.0 == "byte_order_mark"),
        "{report}"
    );
    lint(
        folder.path(),
        &["a.json", "--fix", "--only", "byte_order_mark"],
    );
    let mended = std::fs::read_to_string(folder.path().join("a.json")).expect("a text");
    assert_eq!(mended, good());
}

const SECRETS: [&str; 4] = [
    "ghp_16C7e42F292c6912E7710c838347Ae178B4a",
    "0123456789abcdef",
    "hunter2222",
    "q8ZrT2vX9mLp4WsK7dYh",
];

#[test]
fn no_form_shows_a_secret() {
    let [token, key, password, random] = SECRETS;
    // Everything in one line, so that each finding is drawn beside all secrets.
    let action = format!(
        "{{\"name\": \"find room\", \"type\": \"invoke_api\", \"auth\": \"Bearer {token}\", \"endpoint\": \"https://a.example/?api_key={key}\", \
         \"descripton\": \"{random}\", \"headers\": {{\"X-Password\": \"{password}\"}}, \"method\": \"GTE\", \"input_schema\": {{}}}}"
    );
    let manifest = format!("{{\"name\": \"desk\", \"version\": \"1.0\", \"actions\": [{action}]}}");
    let folder = folder("a.json", &manifest);
    put(
        folder.path(),
        "b.yaml",
        format!(
            "name: desk\nversion: \"1.0\"\nactions:\n- name: x\n  auth: Bearer {token}\n  headers: {{x-password: {password}}}\n"
        ),
    );
    put(
        folder.path(),
        "broken.json",
        format!("{{\"auth\": \"Bearer {token}\" ]"),
    );
    put(
        folder.path(),
        "oap-target.toml",
        format!(
            "[connect]\nurl = \"http://127.0.0.1:1\"\nheaders = {{ X-Token = \"{token}\" }}\nunknwon = 1\n"
        ),
    );
    for form in ["text", "short", "json", "sarif", "github", "junit"] {
        let output = lint(folder.path(), &["--format", form, "--preset", "strict"]);
        assert_eq!(output.status.code(), Some(1), "{}", told(&output));
        for secret in SECRETS {
            assert!(
                !told(&output).contains(secret),
                "{form}: {secret}\n{}",
                told(&output)
            );
        }
    }
    let text = out(&lint(
        folder.path(),
        &["a.json", "--only", "two_part_version"],
    ));
    assert!(text.contains("\"1.0\""), "{text}");
    let text = out(&lint(
        folder.path(),
        &["a.json", "--only", "known_credential"],
    ));
    assert!(text.contains("ghp_****"), "{text}");
}

/// What nobody should have written into a plan, the definition of a target or a case, in each of its members.
#[test]
fn plans_targets_and_cases_may_hold_anything() {
    let hostile = "\\u001b[2J\\u009b31m\\u202e::error::x ##[y] \\u0000";
    let documents = [
        (
            "plan",
            r#"[{"@type": "OpenAction:Action", "name": "H", "input": {"H": "{{ H"}, "conditional": "H ==", "H": 1}]"#,
        ),
        (
            "plan",
            r#"{"open_action": {"@type": "OpenAction:HumanApproval", "action": "H", "prompt": "{{ H"}, "user_id": "H", "H": []}"#,
        ),
        ("plan", r#"{"action": "H", "args": "H"}"#),
        (
            "target",
            r#"{"start": {"command": ["H", "${H}"], "env": {"H": "H"}}, "connect": {"url": "H", "headers": {"H": "H"}}, "H": 1}"#,
        ),
        (
            "target",
            r#"{"start": "H", "cannot": {"requirements": [{"id": "H", "reason": "H"}]}, "claims": {"profiles": ["H"]}}"#,
        ),
        (
            "case",
            r#"{"id": "H", "requirements": ["H", 1], "needs": {"profiles": ["H"]}, "steps": [{"H": "H"}, "H"], "H": "H"}"#,
        ),
        (
            "case",
            r#"{"id": 1, "requirements": "H", "steps": {"H": []}, "kills": [["H"]]}"#,
        ),
    ];
    for (kind, document) in documents {
        for text in [document.to_owned(), document.replace('H', hostile)] {
            let folder = folder("a.json", &text);
            for form in ["text", "short", "github"] {
                let arguments = [
                    "a.json", "--kind", kind, "--preset", "strict", "--format", form,
                ];
                let output = lint(folder.path(), &arguments);
                assert_eq!(
                    output.status.code(),
                    Some(1),
                    "{document}: {}",
                    told(&output)
                );
                let said = told(&output);
                assert!(
                    !said.contains(['\u{1b}', '\u{9b}', '\u{202e}', '\u{0}']),
                    "{said:?}"
                );
                let commands = said.lines().filter(|line| line.starts_with("::error::"));
                assert_eq!(commands.count(), 0, "{said}");
            }
        }
    }
}
