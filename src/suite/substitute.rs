//! `${name}` in the stimuli and expectations of a case.
//!
//! A string that is one `${name}` takes the bound value with its type; inside longer text, strings stand bare and other values as
//! compact JSON. `$${name}` is the literal `${name}`. Nothing inserted is looked at again.
//!
//! An object `{$repeat: {text, times}}` is that text so many times: contents of a mebibyte are not written down.

use std::collections::BTreeMap;

use serde_json::Value;

/// Names and the values they stand for.
pub type Bindings = BTreeMap<String, Value>;

/// A name that nothing is bound to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unbound(pub String);

impl std::fmt::Display for Unbound {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "nothing is bound to ${{{0}}}; save it in an earlier step, or write $${{{0}}} for the text itself",
            self.0
        )
    }
}

impl std::error::Error for Unbound {}

/// Longest text that `$repeat` makes, in bytes.
const MOST_REPEATED: usize = 16 << 20;

/// A piece of a text.
#[derive(Debug, PartialEq, Eq)]
enum Piece<'a> {
    Text(&'a str),
    Name(&'a str),
}

/// Replaces every name in every string of `value`, member names included.
///
/// # Errors
/// The first name that is not bound.
pub fn substitute(value: &Value, bindings: &Bindings) -> Result<Value, Unbound> {
    walk(value, bindings, false)
}

/// Replaces every name in a text.
///
/// # Errors
/// The first name that is not bound.
pub fn substitute_text(text: &str, bindings: &Bindings) -> Result<String, Unbound> {
    join(text, bindings, false)
}

/// Replaces `${token}` alone and leaves every other text as it is: the rule for manifests and scripts, whose own `${VAR}` are
/// the protocol's.
pub fn substitute_token(value: &Value, token: &str) -> Value {
    match value {
        Value::String(text) => Value::String(text.replace("${token}", token)),
        Value::Array(elements) => elements
            .iter()
            .map(|element| substitute_token(element, token))
            .collect(),
        Value::Object(members) if members.contains_key("$repeat") => repeated(value),
        Value::Object(members) => members
            .iter()
            .map(|(name, member)| {
                (
                    name.replace("${token}", token),
                    substitute_token(member, token),
                )
            })
            .collect(),
        other => other.clone(),
    }
}

/// Every name that occurs in the strings of `value`.
pub fn names(value: &Value) -> Vec<String> {
    let mut found = Vec::new();
    collect(value, &mut found);
    found
}

fn collect(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::String(text) => {
            found.extend(pieces(text).into_iter().filter_map(|piece| match piece {
                Piece::Name(name) => Some(name.to_owned()),
                Piece::Text(_) => None,
            }))
        }
        Value::Array(elements) => elements.iter().for_each(|element| collect(element, found)),
        Value::Object(members) => {
            for (name, member) in members {
                collect(&Value::from(name.as_str()), found);
                collect(member, found);
            }
        }
        _ => {}
    }
}

fn walk(value: &Value, bindings: &Bindings, in_pattern: bool) -> Result<Value, Unbound> {
    match value {
        Value::String(text) if !text.contains("${") => Ok(value.clone()),
        Value::String(text) => match pieces(text).as_slice() {
            [Piece::Name(name)] if !in_pattern => bindings
                .get(*name)
                .cloned()
                .ok_or_else(|| Unbound((*name).to_owned())),
            _ => join(text, bindings, in_pattern).map(Value::String),
        },
        Value::Array(elements) => elements
            .iter()
            .map(|element| walk(element, bindings, false))
            .collect(),
        Value::Object(members) if members.contains_key("$repeat") => Ok(repeated(value)),
        Value::Object(members) => members
            .iter()
            .map(|(name, member)| {
                // What is inserted into a regular expression stands for itself there.
                let inside = walk(member, bindings, name == "$pattern")?;
                Ok((join(name, bindings, false)?, inside))
            })
            .collect(),
        other => Ok(other.clone()),
    }
}

/// The text that `{$repeat: {text, times}}` stands for; anything else stays as it is.
fn repeated(value: &Value) -> Value {
    let text = value.pointer("/$repeat/text").and_then(Value::as_str);
    let times = value.pointer("/$repeat/times").and_then(Value::as_u64);
    match (text, times.and_then(|times| usize::try_from(times).ok())) {
        (Some(text), Some(times)) if text.len().saturating_mul(times) <= MOST_REPEATED => {
            Value::String(text.repeat(times))
        }
        _ => value.clone(),
    }
}

fn join(text: &str, bindings: &Bindings, in_pattern: bool) -> Result<String, Unbound> {
    let mut joined = String::with_capacity(text.len());
    for piece in pieces(text) {
        match piece {
            Piece::Text(text) => joined.push_str(text),
            Piece::Name(name) => {
                let inserted = match bindings.get(name) {
                    Some(Value::String(text)) => text.clone(),
                    Some(other) => other.to_string(),
                    None => return Err(Unbound(name.to_owned())),
                };
                if in_pattern {
                    joined.push_str(&regex::escape(&inserted));
                } else {
                    joined.push_str(&inserted);
                }
            }
        }
    }
    Ok(joined)
}

fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut found = Vec::new();
    let (mut from, mut at) = (0, 0);
    while let Some(next) = text[at..].find("${") {
        let start = at + next;
        let end = text[start..].find('}').map(|length| start + length);
        let name = end
            .map(|end| &text[start + 2..end])
            .filter(|name| is_name(name));
        match (name, end) {
            (Some(_), Some(end)) if text[from..start].ends_with('$') => {
                // `$${name}`: drop one dollar, keep the rest.
                found.push(Piece::Text(&text[from..start - 1]));
                found.push(Piece::Text(&text[start..=end]));
                from = end + 1;
                at = from;
            }
            (Some(name), Some(end)) => {
                found.push(Piece::Text(&text[from..start]));
                found.push(Piece::Name(name));
                from = end + 1;
                at = from;
            }
            _ => at = start + 2,
        }
    }
    found.push(Piece::Text(&text[from..]));
    found.retain(|piece| *piece != Piece::Text(""));
    found
}

fn is_name(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn bound() -> Bindings {
        Bindings::from([
            ("token".to_owned(), json!("oapt01")),
            ("n".to_owned(), json!(3)),
            ("slot".to_owned(), json!({"a": [1]})),
            ("dot".to_owned(), json!("a.b+${n}")),
        ])
    }

    #[test]
    fn whole_strings_keep_the_type_and_parts_become_text() {
        let value = json!({"a": "${n}", "b": ["x ${n} ${token}"], "c": "${slot}", "d": "s=${slot}", "U-${token}": 1});
        assert_eq!(
            substitute(&value, &bound()),
            Ok(
                json!({"a": 3, "b": ["x 3 oapt01"], "c": {"a": [1]}, "d": "s={\"a\":[1]}", "U-oapt01": 1})
            )
        );
    }

    #[test]
    fn what_is_inserted_is_not_looked_at_again() {
        assert_eq!(
            substitute_text("<${dot}>", &bound()),
            Ok("<a.b+${n}>".to_owned())
        );
    }

    #[test]
    fn a_second_dollar_makes_it_literal() {
        assert_eq!(
            substitute_text("$${n} and ${n}", &bound()),
            Ok("${n} and 3".to_owned())
        );
        assert_eq!(
            substitute(&json!("$${CALENDAR_TOKEN}"), &bound()),
            Ok(json!("${CALENDAR_TOKEN}"))
        );
        assert_eq!(names(&json!(["$${n}", "${a}${b_1}"])), ["a", "b_1"]);
    }

    #[test]
    fn what_is_no_name_stays() {
        for text in ["${}", "${a b}", "${a", "$ {n}", "$", "{{x}}", "${a.b}"] {
            assert_eq!(
                substitute_text(text, &bound()),
                Ok(text.to_owned()),
                "{text}"
            );
        }
        assert_eq!(
            substitute_text("${a ${n}", &bound()),
            Ok("${a 3".to_owned())
        );
    }

    #[test]
    fn an_unbound_name_is_an_error() {
        assert_eq!(
            substitute(&json!([{"a": "${gone}"}]), &bound()),
            Err(Unbound("gone".to_owned()))
        );
        assert!(Unbound("gone".to_owned()).to_string().contains("$${gone}"));
    }

    #[test]
    fn in_patterns_the_inserted_text_is_escaped() {
        assert_eq!(
            substitute(&json!({"$pattern": "^${dot}$"}), &bound()),
            Ok(json!({"$pattern": "^a\\.b\\+\\$\\{n\\}$"}))
        );
        assert_eq!(
            substitute(&json!({"$pattern": "${n}"}), &bound()),
            Ok(json!({"$pattern": "3"}))
        );
    }

    #[test]
    fn documents_and_scripts_know_only_the_token() {
        assert_eq!(
            substitute_token(
                &json!({"auth": "Bearer ${CALENDAR_TOKEN}", "n": "x-${token}", "s": "$${token}"}),
                "t"
            ),
            json!({"auth": "Bearer ${CALENDAR_TOKEN}", "n": "x-t", "s": "$t"})
        );
    }

    #[test]
    fn a_text_many_times() {
        let many = json!({"content": {"$repeat": {"text": "ab", "times": 3}}, "n": "${n}"});
        let made = json!({"content": "ababab", "n": 3});
        assert_eq!(substitute(&many, &bound()), Ok(made.clone()));
        assert_eq!(substitute_token(&many, "t")["content"], made["content"]);
        for odd in [
            json!({"$repeat": {"text": "ab", "times": u64::MAX}}),
            json!({"$repeat": {"times": 2}}),
            json!({"$repeat": 2}),
        ] {
            assert_eq!(substitute(&odd, &bound()), Ok(odd));
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "[${}a-zé]{0,24}") {
            let _ = substitute_text(&text, &bound());
            let _ = names(&Value::from(text));
        }

        #[test]
        fn text_without_names_is_untouched(text in "[^$]{0,24}") {
            prop_assert_eq!(substitute_text(&text, &bound()), Ok(text));
        }
    }
}
