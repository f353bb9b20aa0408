//! Writes a value as YAML in the block style, as people do: texts bare where they can be, with lines where they have some.

use serde_json::Value;

/// One YAML document.
pub(super) fn written(value: &Value) -> String {
    let mut text = String::new();
    write(value, 0, &mut text);
    text
}

/// Writes at the beginning of a line, which `indent` blanks begin but for the first.
fn write(value: &Value, indent: usize, text: &mut String) {
    match value {
        Value::Object(members) if !members.is_empty() => {
            for (index, (name, member)) in members.iter().enumerate() {
                if index > 0 {
                    text.push_str(&" ".repeat(indent));
                }
                text.push_str(&scalar(name));
                text.push(':');
                match member {
                    Value::Object(inner) if !inner.is_empty() => {
                        text.push('\n');
                        text.push_str(&" ".repeat(indent + 2));
                        write(member, indent + 2, text);
                    }
                    Value::Array(inner) if !inner.is_empty() => {
                        text.push('\n');
                        text.push_str(&" ".repeat(indent + 2));
                        write(member, indent + 2, text);
                    }
                    Value::String(lines) if is_block(lines) => block(lines, indent + 2, text),
                    _ => {
                        text.push(' ');
                        write(member, indent, text);
                    }
                }
            }
        }
        Value::Array(elements) if !elements.is_empty() => {
            for (index, element) in elements.iter().enumerate() {
                if index > 0 {
                    text.push_str(&" ".repeat(indent));
                }
                text.push_str("- ");
                write(element, indent + 2, text);
            }
        }
        Value::String(words) => {
            text.push_str(&scalar(words));
            text.push('\n');
        }
        // The rest, empty collections included, is written as in JSON.
        _ => {
            text.push_str(&value.to_string());
            text.push('\n');
        }
    }
}

/// Whether a text can stand as lines below its name.
fn is_block(text: &str) -> bool {
    let plain =
        |line: &str| !line.ends_with(' ') && line.chars().all(|next| (' '..='~').contains(&next));
    text.strip_suffix('\n').is_some_and(|lines| {
        !lines.is_empty()
            && !lines.starts_with([' ', '\n'])
            && !lines.ends_with('\n')
            && lines.split('\n').all(plain)
    })
}

fn block(lines: &str, indent: usize, text: &mut String) {
    text.push_str(" |\n");
    for line in lines.lines() {
        if !line.is_empty() {
            text.push_str(&" ".repeat(indent));
            text.push_str(line);
        }
        text.push('\n');
    }
}

/// A text on one line: bare where nobody could take it for anything else, else quoted as in JSON.
fn scalar(words: &str) -> String {
    let begins = words
        .starts_with(|first: char| first.is_ascii_alphabetic() || first == '_' || first == '/');
    let ends = !words.ends_with(' ');
    let plain = |next: char| next.is_ascii_alphanumeric() || " _-./(),;".contains(next);
    let meant = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"];
    if begins
        && ends
        && words.chars().all(plain)
        && !meant.contains(&words.to_ascii_lowercase().as_str())
    {
        words.to_owned()
    } else {
        Value::from(words).to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::written;
    use crate::document::{Document, Format};
    use serde_json::json;

    #[test]
    fn reads_back() {
        let value = json!({
            "plain": "two words", "True": "yes", "n": null, "numbers": [0, -1, 1.5, 1e300], "empty": [{}, [], ""],
            "nested": [[1, [2]], [{"a": {"b": [true]}}]], "code": "def f():\n    return 1\n\n# end\n", "odd": "\n a", "trail": "a \nb\n",
            "quoted": "a: b # c", "\"": "ünï \u{1}", "-": "- a", "a b": "|", "${X}": "${X}", "1": "1",
        });
        let text = written(&value);
        let read = Document::read(text.clone(), Format::Yaml)
            .unwrap_or_else(|error| panic!("{error}: {text}"));
        assert_eq!(read.value(), &value, "{text}");
    }
}
