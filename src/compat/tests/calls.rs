//! Endpoints, grants, roots, variables and intents in forms that mean the same, or only seem to.

use serde_json::{Value, json};

use super::{document, kinds_of, mirrored};
use crate::compat::compare;

/// The kinds of changes from one action to another, each with its mark.
fn told(old: &Value, new: &Value) -> Vec<(&'static str, bool)> {
    let whole = |action: &Value| {
        let mut action = action.clone();
        action["name"] = json!("a");
        // The variable is known to the manifest either way.
        let other = json!({"name": "other", "type": "invoke_api", "auth": "Bearer ${TOKEN}"});
        document(&json!({"name": "n", "version": "1.0.0", "actions": [action, other]}))
    };
    let (old, new) = (whole(old), whole(new));
    let changes = compare(&old, &new);
    assert_eq!(mirrored(&changes), kinds_of(&compare(&new, &old)));
    changes
        .iter()
        .map(|change| (change.kind, change.security))
        .collect()
}

#[test]
fn the_same_endpoint_in_another_form_is_the_same() {
    let call = |endpoint: &str| json!({"type": "invoke_api", "endpoint": endpoint});
    let kinds = |old: &str, new: &str| told(&call(old), &call(new));
    let plain = "https://desk.example.com/v1";
    for same in [
        "https://Desk.Example.com/v1",
        "https://desk.example.com:443/v1",
        "HTTPS://desk.example.com/v1",
    ] {
        assert_eq!(
            kinds(plain, same),
            [("endpoint_respelled", false)],
            "{same}"
        );
    }
    assert_eq!(
        kinds("http://a.example:80?q=1", "http://a.example/?q=1"),
        [("endpoint_respelled", false)]
    );
    let host = [("endpoint_host_changed", true)];
    assert_eq!(kinds(plain, "https://desk.example.com:80/v1"), host);
    assert_eq!(kinds("http://a.example:443/", "http://a.example/"), host);
    // Names of variables have their case.
    let other = kinds("https://${HOST}/v1", "https://${Host}/v1");
    assert!(
        other.contains(&("endpoint_host_changed", true)),
        "{other:?}"
    );
    assert_eq!(
        kinds(plain, "https://desk.example.com/V1"),
        [("endpoint_path_changed", false)]
    );
    assert!(
        kinds("https://a.example/v1", "https://a.example/v1?key=${TOKEN}")
            .contains(&("variable_sent", true))
    );
}

#[test]
fn the_same_grants_and_roots_in_another_form_are_the_same() {
    let code = |list: Value| json!({"type": "run_code", "network": list});
    for (old, new, expected) in [
        (
            json!(["A.example:443"]),
            json!(["a.example:443"]),
            "network_respelled",
        ),
        (
            json!(["https://a.example"]),
            json!(["a.example:443"]),
            "network_respelled",
        ),
        (
            json!(["a.example:443"]),
            json!(["a.example:443", "A.EXAMPLE:443"]),
            "network_respelled",
        ),
        (
            json!(["a.example:443"]),
            json!(["a.example:443", "b.example:443"]),
            "network_granted",
        ),
    ] {
        let kinds = told(&code(old), &code(new));
        assert_eq!(
            kinds.iter().map(|one| one.0).collect::<Vec<_>>(),
            [expected]
        );
    }
    let file = |root: &str| json!({"type": "read_file", "root": root});
    for (old, new, expected) in [
        ("file:///srv/a", "file:///srv/a/", "root_respelled"),
        ("/srv/a", "file:///srv/a", "root_respelled"),
        ("s3://bucket", "s3://bucket/", "root_respelled"),
        ("memory:scratch", "memory:scratch/", "root_respelled"),
        ("memory:scratch/", "memory:", "root_widened"),
        ("file:///srv/a", "file:///", "root_widened"),
        ("file:///srv/a", "file:///srv/ab", "root_changed"),
        ("file:///srv/a", "file:///srv/A", "root_changed"),
        ("s3://bucket/a", "s3://bucket2/a", "root_changed"),
        ("memory:a", "file:///a", "root_changed"),
        ("file:///srv", "file:///srv/a", "root_narrowed"),
    ] {
        let kinds = told(&file(old), &file(new));
        let kinds: Vec<&str> = kinds.iter().map(|one| one.0).collect();
        assert_eq!(kinds, [expected], "{old} {new}");
    }
}

#[test]
fn a_credential_that_goes_somewhere_new_is_marked() {
    let call = |headers: Value| json!({"type": "invoke_api", "endpoint": "https://a.example/", "headers": headers});
    for (old, new) in [
        (json!({}), json!({"X-Key": "${TOKEN}"})),
        (json!({"X-Key": "none"}), json!({"x-key": "${TOKEN}"})),
        (
            json!({"X-Key": "${TOKEN}"}),
            json!({"X-Key": "${TOKEN}", "X-Also": "key ${TOKEN}"}),
        ),
    ] {
        let kinds = told(&call(old.clone()), &call(new.clone()));
        assert!(kinds.contains(&("variable_sent", true)), "{kinds:?}");
        let back = told(&call(new), &call(old));
        assert!(back.contains(&("variable_withheld", false)), "{back:?}");
    }
    let plain = told(&call(json!({})), &call(json!({"X-Floor": "2"})));
    assert_eq!(plain, [("header_added", false)]);
}

#[test]
fn no_intents_are_as_good_as_none() {
    let whole = |intents: Option<Value>| {
        let mut value = json!({"name": "n", "version": "1.0.0", "actions": []});
        if let Some(intents) = intents {
            value["intents"] = intents;
        }
        document(&value)
    };
    let (absent, empty) = (whole(None), whole(Some(json!([]))));
    assert_eq!(kinds_of(&compare(&absent, &empty)), ["default_written"]);
    assert_eq!(kinds_of(&compare(&empty, &absent)), ["default_omitted"]);
    let odd = whole(Some(json!(3)));
    assert_eq!(kinds_of(&compare(&empty, &odd)), ["unreadable_changed"]);
    assert_eq!(kinds_of(&compare(&absent, &odd)), ["unreadable_changed"]);
    let one = whole(Some(json!([{"name": "i", "actions": ["a"]}])));
    assert_eq!(kinds_of(&compare(&absent, &one)), ["intent_added"]);
    assert_eq!(kinds_of(&compare(&empty, &one)), ["intent_added"]);
}
