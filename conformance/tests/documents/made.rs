//! What is made of documents: one from several, plans held against a manifest, the other spelling.

use super::*;

#[test]
fn a_manifest_in_several_files_becomes_one() {
    let folder = tempfile::tempdir().expect("a folder");
    let joined = folder.path().join("joined.json");
    let source = "fixtures/bundle/desk/manifest.yaml";
    let output = run(&["bundle", source]);
    assert_eq!(code(&output), 0, "{}", told(&output));
    let wanted = std::fs::read_to_string(repository("fixtures/bundle/desk/bundled.json"));
    let printed: Value = serde_json::from_slice(&output.stdout).expect("json");
    let wanted: Value = serde_json::from_str(&wanted.expect("a file")).expect("json");
    assert_eq!(printed, wanted);
    let path = joined.to_str().expect("text");
    let output = run(&["bundle", source, "--output", path, "--format", "json"]);
    assert_eq!(code(&output), 0, "{}", told(&output));
    let found = &documents(&output)[0];
    assert_eq!(found["digest"], digest(&wanted).as_str());
    assert_eq!(found["files"].as_array().map(Vec::len), Some(7), "{found}");
    assert_eq!(read(&joined), wanted);
    // Without its files it is no manifest yet.
    assert_eq!(code(&run(&["validate", "manifest", source])), 1);
    assert_eq!(code(&run(&["validate", "manifest", path])), 0);
    for path in files("fixtures/bundle/refused", "json") {
        let output = run(&["bundle", &path]);
        assert_eq!(
            (code(&output), stdout(&output).as_str()),
            (1, ""),
            "{}",
            told(&output)
        );
    }
}

// === compile ===

#[test]
fn a_plan_is_held_against_a_manifest() {
    let nodes = "fixtures/manifests/valid/nodes.json";
    let plan = "'@context': {oa: 'https://open-action.example/2.0/vocab#'}\n'@type': ['oa:Action']\noa:name: book_room\ninput:\n  title: '{{ state.title }}'\n  minutes: 5\n";
    let output = fed(&["compile", "-", "--manifest", nodes], plan.as_bytes());
    assert_eq!(code(&output), 0, "{}", told(&output));
    let compiled: Value = serde_json::from_slice(&output.stdout).expect("json");
    assert_eq!(
        compiled,
        json!({"@type": "OpenAction:Action", "name": "book_room", "input": {"title": "{{ state.title }}", "minutes": 5}})
    );
    let arguments = ["compile", "-", "--manifest", nodes, "--format", "json"];
    let output = fed(&arguments, plan.as_bytes());
    let found = &documents(&output)[0];
    assert_eq!(found["nodes"][0]["defaulted"], json!(["room"]), "{found}");
    let output = fed(
        &arguments,
        plan.replace("minutes: 5", "minutes: 0").as_bytes(),
    );
    assert_eq!(code(&output), 1);
    let found = &documents(&output)[0]["violations"][0];
    assert_eq!(
        (
            &found["pointer"],
            &found["rule"],
            &found["line"],
            &found["column"]
        ),
        (
            &json!("/input/minutes"),
            &json!("minimum"),
            &json!(6),
            &json!(12)
        )
    );
    for (text, more, wanted) in [
        (r#"{"action": "look_up", "args": {}}"#, &[][..], 0),
        (r#"{"action": "nothing", "args": {}}"#, &[], 1),
        (r#"{"action": "book_room", "args": {}}"#, &[], 1),
        (
            r#"{"action": "write_down", "args": {}}"#,
            &["--intent", "only_look"],
            1,
        ),
        (
            r#"{"action": "look_up", "args": {}}"#,
            &["--intent", "none"],
            2,
        ),
        (r#"{"finished": true}"#, &[], 0),
        (
            r#"{"user_id": "u", "open_action": {"@type": "OpenAction:Action", "name": "look_up"}}"#,
            &[],
            0,
        ),
        (
            r#"{"user_id": "u", "manifest": "other", "open_action": {"@type": "OpenAction:Action", "name": "look_up"}}"#,
            &[],
            1,
        ),
        (
            r#"{"user_id": "u", "intent": "only_look", "open_action": {"@type": "OpenAction:Action", "name": "send_mail"}}"#,
            &[],
            1,
        ),
        ("[]", &[], 1),
        ("{", &[], 2),
    ] {
        let arguments = [&["compile", "-", "--check", "--manifest", nodes], more].concat();
        let output = fed(&arguments, text.as_bytes());
        assert_eq!(code(&output), wanted, "{text}: {}", told(&output));
    }
}

#[test]
fn what_will_fail_is_told_before_it_runs() {
    let nodes = "fixtures/manifests/valid/nodes.json";
    let node = |members: &str| format!("{{\"@type\": \"OpenAction:Action\", {members}}}");
    let request = |state: &str, nodes: &str| {
        format!("{{\"user_id\": \"u\"{state}, \"open_action\": [{nodes}]}}")
    };
    let mail = |to: &str| {
        node(&format!(
            "\"name\": \"send_mail\", \"input\": {{\"to\": \"{to}\", \"body\": \"b\"}}"
        ))
    };
    let look = node("\"name\": \"look_up\"");
    for (text, wanted, rule, place) in [
        // Nothing gives it: the state is empty by declaration, and no node comes before.
        (
            request("", &mail("{{ state.user }}")),
            1,
            "template_error",
            "/open_action/0/input/to",
        ),
        (
            request(", \"state\": {\"user\": \"a\"}", &mail("{{ state.user }}")),
            0,
            "",
            "",
        ),
        (mail("{{ state.user }}"), 0, "", ""),
        (
            request(
                "",
                &node("\"name\": \"send_mail\", \"input\": {\"to\": \"a\"}"),
            ),
            1,
            "required",
            "/open_action/0/input",
        ),
        (
            request(
                "",
                &format!("{look}, {}", mail("{{ state.lastResult.user }}")),
            ),
            0,
            "",
            "",
        ),
        (
            request(
                "",
                &format!("{}, {}", mail("a"), mail("{{ state.lastResult.user }}")),
            ),
            0,
            "template_error",
            "/open_action/1/input/to",
        ),
        (
            node("\"name\": \"look_up\", \"conditional\": \"1 < 'a'\""),
            1,
            "conditional_error",
            "/conditional",
        ),
        (
            node("\"name\": \"look_up\", \"conditional\": \"state.a and 1 < 'a'\""),
            0,
            "conditional_error",
            "/conditional",
        ),
        (
            node(
                "\"name\": \"book_room\", \"input\": {\"title\": [\"{{ state.a }}\"], \"minutes\": 1, \"room\": null}",
            ),
            1,
            "type",
            "/input/title",
        ),
        (
            node("\"name\": \"look_up\", \"conditonal\": \"state.a\""),
            0,
            "unknown_member",
            "/conditonal",
        ),
        (
            node("\"name\": \"look_up\", \"@tpye\": \"x\""),
            0,
            "unknown_member",
            "/@tpye",
        ),
        (
            node("\"name\": \"look_up\", \"accessControl\": {\"verifcation\": \"approval\"}"),
            0,
            "unknown_member",
            "/accessControl/verifcation",
        ),
    ] {
        let arguments = ["compile", "-", "--manifest", nodes, "--format", "json"];
        let output = fed(&arguments, text.as_bytes());
        assert_eq!(code(&output), wanted, "{text}: {}", told(&output));
        let found = &documents(&output)[0];
        let told = match wanted {
            1 => &found["violations"],
            _ => &found["warnings"],
        };
        let (Some(one), false) = (told.get(0), rule.is_empty()) else {
            assert!(told.is_null() && rule.is_empty(), "{text}: {found}");
            continue;
        };
        assert_eq!(
            (&one["rule"], &one["pointer"]),
            (&json!(rule), &json!(place)),
            "{text}: {found}"
        );
    }
}

#[test]
fn a_flag_that_no_action_has_is_told() {
    let flags = "fixtures/manifests/valid/flags.json";
    let manifest = read(&repository(flags));
    let known = manifest["actions"].as_array().and_then(|actions| {
        actions
            .iter()
            .find_map(|action| action["feature_flag"].as_str())
    });
    let compile = |flag: &str| {
        let arguments = ["compile", "-", "--manifest", flags, "--flag", flag];
        fed(&arguments, br#"{"finished": true}"#)
    };
    let output = compile(known.expect("a flag"));
    assert_eq!(code(&output), 0, "{}", told(&output));
    let output = compile("nowhere");
    assert_eq!(code(&output), 2);
    assert!(told(&output).contains("`nowhere`"), "{}", told(&output));
}

// === convert ===

#[test]
fn every_manifest_goes_to_the_other_spelling_and_back() {
    let folder = tempfile::tempdir().expect("a folder");
    let valid = files("fixtures/manifests/valid", "json");
    for to in ["jsonld", "snake"] {
        let output = run(&with(&["convert", "--to", to, "--format", "json"], &valid));
        assert_eq!(code(&output), 0, "{}", told(&output));
        let found = documents(&output);
        assert_eq!(found.len(), valid.len());
        for (index, (document, path)) in found.iter().zip(&valid).enumerate() {
            let wanted = digest(&read(Path::new(path)));
            assert_eq!(document["digest"], wanted.as_str(), "{path}");
            let converted = &document["converted"];
            assert_eq!(converted.get("@type").is_some(), to == "jsonld", "{path}");
            assert_eq!(digest(converted), wanted, "{path}");
            let made = folder.path().join(format!("{to}-{index}.json"));
            std::fs::write(&made, converted.to_string()).expect("written");
        }
    }
    let made: Vec<String> = (0..valid.len())
        .map(|index| {
            folder
                .path()
                .join(format!("jsonld-{index}.json"))
                .display()
                .to_string()
        })
        .collect();
    let output = run(&with(
        &["convert", "--to", "snake", "--format", "json"],
        &made,
    ));
    for (index, document) in documents(&output).iter().enumerate() {
        let snake = read(&folder.path().join(format!("snake-{index}.json")));
        assert_eq!(document["converted"], snake, "{index}");
    }
}

#[test]
fn what_cannot_be_said_is_not_converted() {
    let control = std::fs::read_to_string(repository("fixtures/manifests/valid/control.json"));
    let mut document: Value = serde_json::from_str(&control.expect("a file")).expect("json");
    document["@context"] = json!("a member like any other, in this spelling");
    let text = document.to_string();
    let output = fed(&["convert", "--to", "jsonld", "-"], text.as_bytes());
    assert_eq!(
        (code(&output), stdout(&output).as_str()),
        (1, ""),
        "{}",
        told(&output)
    );
    assert!(
        told(&output).contains(" [not_expressible] at /@context"),
        "{}",
        told(&output)
    );
    // A document that has the spelling already stays as it is, to the last space.
    let output = fed(&["convert", "--to", "snake", "-"], text.as_bytes());
    assert_eq!((code(&output), stdout(&output)), (0, text));
    let output = fed(
        &["convert", "--to", "plan", "-"],
        br#"{"@type": "OpenAction:Action", "name": "a", "input": {"b": "{{ state.b }}"}}"#,
    );
    assert_eq!(code(&output), 1);
    let output = fed(
        &["convert", "--to", "node", "-"],
        br#"{"action": "a", "args": {"b": "{{"}}"#,
    );
    assert_eq!(code(&output), 0, "{}", told(&output));
    let back = fed(&["convert", "--to", "plan", "-"], &output.stdout);
    let plan: Value = serde_json::from_slice(&back.stdout).expect("json");
    assert_eq!(plan, json!({"action": "a", "args": {"b": "{{"}}));
}

// === all of them ===

#[test]
fn numbers_are_kept_or_not_converted() {
    let document = |number: &str| {
        format!(
            "{{\"name\": \"till\", \"version\": \"1.0.0\", \"x-limit\": {number}, \"actions\": [{{\"name\": \"ask\", \
             \"type\": \"human_intervention\", \"prompt\": \"How much?\", \"input_schema\": {{\"type\": \"object\"}}, \
             \"output_schema\": {{\"type\": \"object\"}}}}]}}"
        )
    };
    for number in [
        "9007199254740993",
        "18446744073709551615",
        "1.0",
        "-0.0",
        "1e-7",
        "0.1",
    ] {
        let output = fed(
            &["convert", "--to", "jsonld", "-"],
            document(number).as_bytes(),
        );
        assert_eq!(code(&output), 0, "{number}: {}", told(&output));
        let kept: Value = serde_json::from_str(number).expect("a number");
        let converted: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        assert_eq!(converted["x-limit"], kept, "{number}: {}", told(&output));
    }
    for number in [
        "18446744073709551617",
        "0.12345678901234567891",
        "-9223372036854775809",
    ] {
        let output = fed(
            &["convert", "--to", "jsonld", "-"],
            document(number).as_bytes(),
        );
        assert_eq!(code(&output), 1, "{number}: {}", told(&output));
        assert!(
            told(&output).contains("[inexact_number] at /x-limit"),
            "{}",
            told(&output)
        );
        // What stays as it is loses nothing.
        let output = fed(
            &["convert", "--to", "snake", "-"],
            document(number).as_bytes(),
        );
        assert_eq!(stdout(&output), document(number), "{}", told(&output));
    }
    let output = fed(
        &["convert", "--to", "jsonld", "-"],
        document("1e400").as_bytes(),
    );
    assert_eq!(code(&output), 2, "{}", told(&output));
    assert!(
        told(&output).contains("larger than any that can be read"),
        "{}",
        told(&output)
    );
}

#[test]
fn names_of_files_do_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let name = "::error::\u{1b}[2J\nx.json";
    std::fs::write(folder.path().join(name), "{\"name\": \"\\u001b[31m\"}").expect("written");
    for command in [
        &["validate", "manifest", name][..],
        &["validate", "manifest", "::error::none.json"],
        &["fmt", name],
        &["convert", "--to", "snake", name],
        &["bundle", name],
        &["compile", name],
        &["verify", name],
        &["lint", name],
        &["diff", name, name],
        &["explain", "\u{1b}]0;x\u{7}\n::error::"],
        &["explain", "x\u{1b}[2J"],
        &["show", "\n::error::\u{9b}2J"],
        &["list", "--filter", "\u{1b}[2J"],
        &["run", "--dry", "--filter", "\n::error::\u{1b}[2J"],
        &["schema", "\u{1b}[2J"],
        &["validate", "::error::\u{1b}[2J", name],
        &["\u{1b}[2J"],
        &["lint", "--only", "\n::error::\u{1b}[2J"],
        &["eval", "\n::error::\u{1b}[2J +"],
    ] {
        let output = run_in(folder.path(), command);
        let said = told(&output);
        assert!(
            !said.contains(['\u{1b}', '\u{7}', '\u{9b}']),
            "{command:?}: {said:?}"
        );
        let commands = said
            .lines()
            .filter(|line| line.trim_start().starts_with("::"));
        assert_eq!(commands.count(), 0, "{command:?}: {said}");
    }
}
