//! What comes of secrets that change.

mod files;
pub(in crate::runtime) mod server;
mod vault;

use super::*;
use crate::runtime::parts::Reference as ReferenceParts;

const FIRST: &str = "first-value/of+a==";
const SECOND: &str = "second-value/of+a==";

fn secrets(granted: &[(&str, &str)], own: &[&str], rotation: &Rotation) -> Secrets {
    let granted = granted
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let bound = BTreeMap::from([("A".to_owned(), vec!["a.example.com".to_owned()])]);
    let credentials = Credentials::new(granted.collect(), BTreeMap::new(), "").bind(bound);
    let own = own.iter().map(|value| (*value).to_owned());
    Secrets::new(Arc::new(ReferenceParts), credentials, own, rotation)
}

fn renew(secrets: &Secrets, name: &str, value: &str) -> Vec<String> {
    secrets.renew(vec![(name.to_owned(), value.to_owned())])
}

fn is_found(redactor: &Redactor, value: &str) -> bool {
    let percent = percent_encoding::utf8_percent_encode(value, percent_encoding::NON_ALPHANUMERIC);
    [value.to_owned(), percent.to_string()]
        .iter()
        .all(|form| redactor.text(&format!("<{form}>")) == "<[REDACTED]>")
}

#[test]
fn a_new_value_is_used_and_both_are_found_by_who_asked_before() {
    let secrets = secrets(&[("A", FIRST)], &["key-of-the-model"], &Rotation::default());
    let held = secrets.redactor().clone();
    let before = secrets.credentials();
    assert!(!is_found(&held, SECOND));
    assert_eq!(renew(&secrets, "A", SECOND), Vec::<String>::new());
    let now = secrets.credentials();
    assert_eq!(now.secret("A"), Some(SECOND));
    // Who is at work has what it began with.
    assert_eq!(before.secret("A"), Some(FIRST));
    assert_eq!(
        now.bound_hosts("A"),
        Some(&["a.example.com".to_owned()][..])
    );
    for value in [FIRST, SECOND, "key-of-the-model"] {
        assert!(is_found(&held, value), "{value}");
    }
    let shown = format!("{held:?} {now:?}");
    assert!(!shown.contains(FIRST) && !shown.contains(SECOND), "{shown}");
}

#[test]
fn what_may_not_be_granted_is_not_taken() {
    let secrets = secrets(&[("A", FIRST)], &["key-of-the-model"], &Rotation::default());
    secrets.keep_token("token-of-the-vault");
    for value in ["", "short", "key-of-the-model", "token-of-the-vault"] {
        let warnings = renew(&secrets, "A", value);
        assert_eq!(warnings.len(), 1, "{value}");
        assert!(value.is_empty() || !warnings[0].contains(value) || value == "short");
        assert_eq!(secrets.credentials().secret("A"), Some(FIRST));
    }
    // One that was too short at the start is granted when it is long enough.
    assert_eq!(renew(&secrets, "B", SECOND), Vec::<String>::new());
    assert_eq!(secrets.credentials().secret("B"), Some(SECOND));
}

#[test]
fn of_many_values_the_latest_are_found() {
    let secrets = secrets(&[("A", FIRST)], &[], &Rotation::default());
    let value = |number: usize| format!("value-number-{number:04}");
    for number in 0..50 {
        assert_eq!(renew(&secrets, "A", &value(number)), Vec::<String>::new());
        secrets.keep_token(&format!("token-number-{number:04}"));
    }
    for number in 50 - MOST_FORMER..50 {
        assert!(is_found(secrets.redactor(), &value(number)), "{number}");
    }
    assert!(!is_found(secrets.redactor(), FIRST));
    assert!(is_found(secrets.redactor(), "token-number-0049"));
    assert!(!is_found(secrets.redactor(), "token-number-0000"));
    // Long ones are fewer, and the one before is always among them.
    let long = |letter: &str| letter.repeat(40_000);
    for letter in ["a", "b", "c", "d"] {
        assert_eq!(renew(&secrets, "A", &long(letter)), Vec::<String>::new());
    }
    let bytes: usize = secrets.known().granted["A"].0.iter().map(String::len).sum();
    assert!(bytes <= MOST_FORMER_BYTES + 2 * 40_000, "{bytes}");
    for letter in ["c", "d"] {
        assert_eq!(secrets.redactor().text(&long(letter)), "[REDACTED]");
    }
}

#[test]
fn a_value_that_comes_back_is_the_one_in_force() {
    let secrets = secrets(&[("A", FIRST)], &[], &Rotation::default());
    for value in [SECOND, FIRST] {
        assert_eq!(renew(&secrets, "A", value), Vec::<String>::new());
        assert_eq!(secrets.credentials().secret("A"), Some(value));
    }
    assert_eq!(secrets.known().granted["A"].0.len(), 2);
}
