use serde_json::json;

use super::{Edit, EditError, apply};
use crate::document::{Document, Format, Limits};

fn changed(text: &str, format: Format, edits: &[Edit]) -> Result<String, EditError> {
    let document = Document::read(text, format).expect("reads");
    apply(&document, edits, &Limits::DOCUMENT).map(|document| document.text().to_owned())
}

fn remove(pointer: &str) -> Edit {
    Edit::Remove {
        pointer: pointer.to_owned(),
    }
}

fn rename(pointer: &str, name: &str) -> Edit {
    Edit::Rename {
        pointer: pointer.to_owned(),
        name: name.to_owned(),
    }
}

fn insert(pointer: &str, name: &str, value: serde_json::Value) -> Edit {
    Edit::Insert {
        pointer: pointer.to_owned(),
        name: name.to_owned(),
        value,
    }
}

fn replace(pointer: &str, value: serde_json::Value) -> Edit {
    Edit::Replace {
        pointer: pointer.to_owned(),
        value,
    }
}

#[test]
fn json_keeps_what_is_not_touched() {
    let text = "{\n  \"a\" :  1.50,\n  \"b\": [1,2,  3],\n  \"c\": {\"d\": true}\n}\n";
    let table = [
        (
            vec![rename("/a", "z")],
            "{\n  \"z\" :  1.50,\n  \"b\": [1,2,  3],\n  \"c\": {\"d\": true}\n}\n",
        ),
        (
            vec![remove("/b/1")],
            "{\n  \"a\" :  1.50,\n  \"b\": [1,3],\n  \"c\": {\"d\": true}\n}\n",
        ),
        (
            vec![remove("/b/2")],
            "{\n  \"a\" :  1.50,\n  \"b\": [1,2],\n  \"c\": {\"d\": true}\n}\n",
        ),
        (
            vec![remove("/b/0"), remove("/b/2")],
            "{\n  \"a\" :  1.50,\n  \"b\": [2],\n  \"c\": {\"d\": true}\n}\n",
        ),
        (
            vec![remove("/c/d")],
            "{\n  \"a\" :  1.50,\n  \"b\": [1,2,  3],\n  \"c\": {}\n}\n",
        ),
        (
            vec![remove("/c")],
            "{\n  \"a\" :  1.50,\n  \"b\": [1,2,  3]\n}\n",
        ),
        (
            vec![remove("/a")],
            "{\n  \"b\": [1,2,  3],\n  \"c\": {\"d\": true}\n}\n",
        ),
        (
            vec![insert("", "e", json!({"f": [1]}))],
            "{\n  \"a\" :  1.50,\n  \"b\": [1,2,  3],\n  \"c\": {\"d\": true},\n  \"e\": {\"f\": [1]}\n}\n",
        ),
        (
            vec![insert("/c", "e", json!("x\"y"))],
            "{\n  \"a\" :  1.50,\n  \"b\": [1,2,  3],\n  \"c\": {\"d\": true, \"e\": \"x\\\"y\"}\n}\n",
        ),
        (
            vec![insert("/c", "e", json!(1)), insert("/c", "f", json!(2))],
            "{\n  \"a\" :  1.50,\n  \"b\": [1,2,  3],\n  \"c\": {\"d\": true, \"e\": 1, \"f\": 2}\n}\n",
        ),
        (
            vec![replace("/b", json!([])), rename("/c/d", "q")],
            "{\n  \"a\" :  1.50,\n  \"b\": [],\n  \"c\": {\"q\": true}\n}\n",
        ),
    ];
    for (edits, wanted) in table {
        assert_eq!(changed(text, Format::Json, &edits).as_deref(), Ok(wanted));
    }
    let only = changed(
        "{\n  \"a\": 1\n}",
        Format::Json,
        &[insert("", "b", json!(2))],
    );
    assert_eq!(only.as_deref(), Ok("{\n  \"a\": 1,\n  \"b\": 2\n}"));
    let empty = changed("{}", Format::Json, &[insert("", "b", json!(2))]);
    assert_eq!(empty.as_deref(), Ok("{\"b\": 2}"));
}

#[test]
fn yaml_keeps_its_comments() {
    let text = "# top\nname: x  # the name\nactions:\n  - name: one # first\n    type: plugin\n  # between\n  - name: two\n    tags: [a, b]\nlast: |\n  text\n  more\n# end\n";
    let with = |edits: &[Edit]| {
        changed(text, Format::Yaml, edits).unwrap_or_else(|error| panic!("{edits:?}: {error}"))
    };
    assert_eq!(
        with(&[rename("/name", "title")]),
        text.replace("name: x", "title: x")
    );
    assert_eq!(
        with(&[replace("/name", json!("a b: c"))]),
        text.replace("x  #", "\"a b: c\"  #")
    );
    assert_eq!(
        with(&[remove("/actions/0/type")]),
        text.replace("    type: plugin\n", "")
    );
    assert_eq!(
        with(&[remove("/actions/0/name")]),
        text.replace("- name: one # first\n    type", "- type")
    );
    assert_eq!(
        with(&[remove("/actions/1")]),
        text.replace("  - name: two\n    tags: [a, b]\n", "")
    );
    assert_eq!(
        with(&[insert("/actions/0", "description", json!("Does it."))]),
        text.replace(
            "type: plugin\n",
            "type: plugin\n    description: \"Does it.\"\n"
        )
    );
    assert_eq!(
        with(&[remove("/actions/1/tags/0")]),
        text.replace("[a, b]", "[b]")
    );
    assert_eq!(
        with(&[replace("/actions", json!([]))]),
        "# top\nname: x  # the name\nactions: []\nlast: |\n  text\n  more\n# end\n"
    );
    assert!(with(&[insert("", "more", json!(true))]).contains("\nmore: true"));
    assert_eq!(
        with(&[replace("/last", json!("plain"))]),
        text.replace("|\n  text\n  more", "plain")
    );
}

#[test]
fn members_that_stand_twice_lose_the_ones_that_do_not_count() {
    let keep = [Edit::KeepLast {
        pointer: "/a".to_owned(),
    }];
    let json = "{\"a\": 1, \"b\": 2, \"a\": 3, \"a\": 4}";
    let left = changed(json, Format::Json, &keep);
    assert_eq!(left.as_deref(), Ok("{\"b\": 2, \"a\": 4}"));
    let yaml = "a: 1\nb: 2\na: 3\n";
    assert_eq!(
        changed(yaml, Format::Yaml, &keep).as_deref(),
        Ok("b: 2\na: 3\n")
    );
}

#[test]
fn what_cannot_be_changed_is_left() {
    let aliased = "a: &x {b: 1}\nc: *x\n";
    assert_eq!(
        changed(aliased, Format::Yaml, &[rename("/c/b", "d")]),
        Err(EditError::NoPlace("/c/b".to_owned()))
    );
    // The alias repeats what stands at its anchor, so this would change two places.
    assert_eq!(
        changed(aliased, Format::Yaml, &[rename("/a/b", "d")]),
        Err(EditError::Unfaithful)
    );
    assert_eq!(
        changed(aliased, Format::Yaml, &[remove("/a")]),
        Err(EditError::Unfaithful)
    );
    assert_eq!(
        changed("[1, 2]", Format::Json, &[remove("")]),
        Err(EditError::NoPlace(String::new()))
    );
    assert_eq!(
        changed(
            "{\"a\": [1]}",
            Format::Json,
            &[remove("/a"), replace("/a/0", json!(2))]
        ),
        Err(EditError::Overlap)
    );
}

#[test]
fn texts_in_lines_of_their_own_are_replaced_whole() {
    for (text, value, wanted) in [
        (
            "a: >\n  one\n  two.   \nb: 1\n",
            "one two.",
            "a: \"one two.\"\nb: 1\n",
        ),
        (
            "a: >+ # note\n  one\n  two\n\nb: 1\n",
            "one two",
            "a: >- # note\n  one\n  two\n\nb: 1\n",
        ),
        ("a: |2\n   one\nb: 1\n", " one", "a: |2-\n   one\nb: 1\n"),
        (
            "\"a > b\": 1\na: > # x > y\n  one\n",
            "two",
            "\"a > b\": 1\na: two\n",
        ),
    ] {
        assert_eq!(
            changed(text, Format::Yaml, &[replace("/a", json!(value))]).as_deref(),
            Ok(wanted),
            "{text}"
        );
    }
    let text = "\"a > b\": >\n  one\n";
    let replaced = changed(text, Format::Yaml, &[replace("/a > b", json!("two"))]);
    assert_eq!(replaced.as_deref(), Ok("\"a > b\": two\n"));
}
