//! What a read or a write says of its file, beside what the plan asked for (`spec/storage.md`, sections 2 and 3).

use serde_json::{Value, json};

use super::findings::Findings;
use super::rules::Action;
use super::{number, text};
use crate::suite::secrets::REDACTED;

/// The output of a successful action of files. `pointer`: the place of its step.
pub(super) fn output(
    action: &Action,
    args: &Value,
    output: &Value,
    pointer: &str,
    found: &mut Findings<'_>,
) {
    let (of_path, of_size, written) = match action.kind() {
        "read_file" => ("STO-005", "STO-005", output),
        "write_file" => ("STO-010", "STO-011", args),
        _ => return,
    };
    let mut say = |requirement: &str, member: &str, expected: Value, message: &str| {
        let place = format!("{pointer}/result/output/{member}");
        found.say(requirement, place, expected, output.get(member), message);
    };
    let path = args.get("path").and_then(Value::as_str);
    if let Some(path) = path.filter(|path| output.get("path").and_then(Value::as_str) != Some(path))
    {
        say(of_path, "path", json!(path), "is not the path of the plan");
    }
    let asked = args
        .get("encoding")
        .and_then(Value::as_str)
        .unwrap_or("utf8");
    if action.kind() == "read_file" && text(output, "encoding") != asked {
        say(
            of_path,
            "encoding",
            json!(asked),
            "is not the encoding of the plan",
        );
    }
    let Some(content) = written.get("content").and_then(Value::as_str) else {
        return;
    };
    // What was taken out of a record had a length of its own.
    if content.contains(REDACTED) {
        return;
    }
    let size = match asked {
        "base64" => decoded(content),
        _ => Some(content.len() as u64),
    };
    if let Some(size) = size.filter(|size| number(output, "size") != Some(*size)) {
        say(
            of_size,
            "size",
            json!(size),
            "is not the number of bytes of the content",
        );
    }
}

/// How many bytes a text in standard base64 with padding stands for; `None`: it is none.
fn decoded(text: &str) -> Option<u64> {
    let plain = text.trim_end_matches('=');
    let padding = text.len() - plain.len();
    let standard = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'+' || byte == b'/';
    let is_whole = text.len().is_multiple_of(4) && padding < 3 && plain.bytes().all(standard);
    is_whole.then(|| (text.len() / 4 * 3 - padding) as u64)
}

#[cfg(test)]
mod tests {
    use super::decoded;

    #[test]
    fn base64_stands_for_so_many_bytes() {
        for (text, bytes) in [
            ("", 0),
            ("AA==", 1),
            ("AAA=", 2),
            ("AAAA", 3),
            ("AAAAAA==", 4),
        ] {
            assert_eq!(decoded(text), Some(bytes), "{text}");
        }
        for text in ["A", "AAA", "A===", "A_==", "A A="] {
            assert_eq!(decoded(text), None, "{text}");
        }
    }
}
