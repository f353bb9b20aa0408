//! Scalars of YAML that its versions disagree about.

use super::{each, rewritten, written};
use crate::document::{Format, Kind};
use crate::lint::rule::Found;
use crate::lint::subject::Subject;

/// Longest scalar of which another reader could make something else.
const LONGEST: usize = 64;

pub(super) fn ambiguous(subject: &Subject<'_>, found: &mut Found<'_>) {
    let document = subject.document();
    if document.format() != Format::Yaml {
        return;
    }
    each(document.root(), &mut String::new(), &mut |pointer, node| {
        if node.kind != Kind::Scalar {
            return;
        }
        let text = written(document, node.span);
        let Some(other) = elsewhere(text) else {
            return;
        };
        let Some((value, steps)) = rewritten(subject, pointer) else {
            return;
        };
        // Of a member that is named twice only the last is the document's.
        if document.span(pointer) != node.span {
            return;
        }
        let kind = if value.is_string() {
            "a text"
        } else {
            "a number"
        };
        let message = format!(
            "'{text}' is {kind} in YAML 1.2 and {other} to readers of YAML 1.1; write {value} here, or what was meant"
        );
        let title = format!("write {value} here");
        let noted = found.at(subject.unified(pointer), message);
        // Who writes a zero before a number may have meant eight.
        if other == OCTAL {
            noted.fix_unsafe(title, steps);
        } else {
            noted.fix(title, steps);
        }
    });
}

const OCTAL: &str = "an octal number";

/// What a reader of YAML 1.1 makes of a plain scalar, where that is something else.
fn elsewhere(text: &str) -> Option<&'static str> {
    if text.len() > LONGEST {
        return None;
    }
    if ["yes", "no", "on", "off"]
        .iter()
        .any(|word| cased(text, word))
    {
        return Some("true or false");
    }
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let all = |text: &str, fits: fn(char) -> bool| !text.is_empty() && text.chars().all(fits);
    if text.starts_with("0o") && all(&text[2..], |c| c.is_digit(8)) {
        return Some("a text");
    }
    if !digits.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return None;
    }
    if let Some(rest) = digits.strip_prefix('0')
        && all(rest, |c| c.is_digit(8) || c == '_')
    {
        return Some(OCTAL);
    }
    if digits
        .strip_prefix("0b")
        .is_some_and(|rest| all(rest, |c| matches!(c, '0' | '1' | '_')))
    {
        return Some("a binary number");
    }
    if let Some(rest) = digits.strip_prefix("0x") {
        let differs = rest.contains('_') || digits.len() < text.len();
        let is_number = differs && all(rest, |c| c.is_ascii_hexdigit() || c == '_');
        return is_number.then_some("a number");
    }
    if is_date(digits) {
        return Some("a point in time");
    }
    if let Some((first, rest)) = digits.split_once(':') {
        let sixty =
            |part: &str| all(part, |c| c.is_ascii_digit()) && part.len() <= 2 && part < "60";
        let mut parts = rest.split(':');
        return (all(first, |c| c.is_ascii_digit()) && parts.all(sixty))
            .then_some("a number of base 60");
    }
    let is_number = digits.starts_with(|c: char| c.is_ascii_digit());
    if is_number
        && digits.contains('_')
        && all(digits, |c| c.is_ascii_digit() || matches!(c, '_' | '.'))
    {
        return (digits.matches('.').count() <= 1).then_some("a number");
    }
    // 1.1 wants a point in a number with an exponent, and a sign before the exponent.
    let (mantissa, exponent) = digits.split_once(['e', 'E'])?;
    let signless = !exponent.starts_with(['-', '+']);
    let numeric = all(exponent.trim_start_matches(['-', '+']), |c| {
        c.is_ascii_digit()
    }) && all(mantissa, |c| c.is_ascii_digit() || c == '.');
    (numeric && (signless || !mantissa.contains('.'))).then_some("a text")
}

/// Whether a text is a word in small letters, in capitals, or with one capital.
fn cased(text: &str, word: &str) -> bool {
    let rest = text.get(1..).unwrap_or_default();
    let uniform = |text: &str| {
        text.chars().all(|c| c.is_ascii_lowercase()) || text.chars().all(|c| c.is_ascii_uppercase())
    };
    text.eq_ignore_ascii_case(word)
        && (uniform(text) || rest.chars().all(|c| c.is_ascii_lowercase()))
}

/// A day, perhaps with a time behind it.
fn is_date(text: &str) -> bool {
    let day = text.get(..10).unwrap_or(text);
    let is_day = day.len() == 10
        && day.char_indices().all(|(at, c)| match at {
            4 | 7 => c == '-',
            _ => c.is_ascii_digit(),
        });
    let rest = text.get(10..).unwrap_or_default();
    is_day && (rest.is_empty() || rest.starts_with(['T', 't', ' ']) && rest.contains(':'))
}

#[cfg(test)]
mod tests {
    use super::elsewhere;

    #[test]
    fn versions_of_yaml_disagree() {
        for (text, other) in [
            ("yes", "true or false"),
            ("Off", "true or false"),
            ("NO", "true or false"),
            ("010", "an octal number"),
            ("-017", "an octal number"),
            ("0o17", "a text"),
            ("0b101", "a binary number"),
            ("1_000", "a number"),
            ("0x_1F", "a number"),
            ("-0x1F", "a number"),
            ("12:30", "a number of base 60"),
            ("12:30:59", "a number of base 60"),
            ("2026-04-03", "a point in time"),
            ("2026-04-03T10:00:00Z", "a point in time"),
            ("1e3", "a text"),
            ("1.5e3", "a text"),
            ("1e+3", "a text"),
        ] {
            assert_eq!(elsewhere(text), Some(other), "{text}");
        }
        for text in [
            "",
            "0",
            "10",
            "-1",
            "1.0",
            "0x1F",
            "1.5e+3",
            "true",
            "null",
            "~",
            "\"yes\"",
            "'010'",
            "yEs",
            "onwards",
            "1.2.3",
            "09x",
            "12:75",
            "https://a.example",
            "2026-04",
            "é",
            "0",
            "1.0.0",
            "10/min",
            ".",
            "-",
            "|",
            "1:a",
        ] {
            assert_eq!(elsewhere(text), None, "{text}");
        }
    }
}
