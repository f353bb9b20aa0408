//! Slips for which an expression does not parse, and what was surely meant.

use crate::expression::{Expression, Template};
use crate::lint::near::nearest;

/// Most slips of one string.
const MOST_SLIPS: usize = 4;

/// Longest string that is looked at, in bytes.
const LONGEST: usize = 8192;

const FILTERS: [&str; 9] = [
    "length", "default", "first", "last", "lower", "upper", "trim", "join", "tojson",
];

const ROOTS: [&str; 3] = ["state", "observation", "input"];

/// What other languages call the filters.
const OTHER_NAMES: [(&str, &str); 9] = [
    ("count", "length"),
    ("size", "length"),
    ("len", "length"),
    ("strip", "trim"),
    ("upcase", "upper"),
    ("downcase", "lower"),
    ("d", "default"),
    ("to_json", "tojson"),
    ("json", "tojson"),
];

/// The text of a conditional with its slips mended; none when it parses as it is, or would not all the same.
pub(in crate::lint::rules) fn conditional(text: &str) -> Option<String> {
    mended(text, |text| {
        Expression::parse(text).err().map(|error| error.offset)
    })
}

/// The same for a string with templates.
pub(in crate::lint::rules) fn template(text: &str) -> Option<String> {
    mended(text, |text| {
        Template::parse(text)
            .err()
            .map(|error| error.start + error.offset)
    })
}

/// `fails` gives the byte at which a text does not parse; none when it does.
fn mended(text: &str, fails: impl Fn(&str) -> Option<usize>) -> Option<String> {
    if text.len() > LONGEST {
        return None;
    }
    let mut text = text.to_owned();
    for slips in 0..=MOST_SLIPS {
        match fails(&text) {
            None => return (slips > 0).then_some(text),
            Some(at) => text = without_slip(&text, at)?,
        }
    }
    None
}

/// The text with another word or sign at the place where it does not parse.
fn without_slip(text: &str, at: usize) -> Option<String> {
    let (before, rest) = (text.get(..at)?, text.get(at..)?);
    if rest.starts_with('=') {
        return Some(
            match before
                .strip_suffix("==")
                .or_else(|| before.strip_suffix("!="))
            {
                // `===` and `!==` of other languages.
                Some(_) => format!("{before}{}", rest.get(1..)?),
                None => format!("{before}={rest}"),
            },
        );
    }
    if rest.starts_with('&') {
        return Some(format!("{before}&{rest}"));
    }
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let (word, after) = rest.split_at(rest.find(|c| !is_word(c)).unwrap_or(rest.len()));
    let meant = if before.trim_end().ends_with('|') {
        let other = OTHER_NAMES.iter().find(|(name, _)| *name == word);
        other
            .map(|(_, name)| *name)
            .or_else(|| nearest(word, FILTERS))?
    } else {
        let lower = word.to_ascii_lowercase();
        match lower.as_str() {
            "and" | "or" | "not" | "in" | "is" | "true" | "false" | "none" if lower != word => {
                return Some(format!("{before}{lower}{after}"));
            }
            "nil" | "undefined" => "none",
            _ => nearest(word, ROOTS)?,
        }
    };
    Some(format!("{before}{meant}{after}"))
}

#[cfg(test)]
mod tests {
    use super::{conditional, template};

    #[test]
    fn mends_slips() {
        for (text, meant) in [
            ("state.total = 3", "state.total == 3"),
            ("state.total === 3", "state.total == 3"),
            (
                "state.a !== state.b & state.c",
                "state.a != state.b && state.c",
            ),
            ("state.list | lenght > 0", "state.list | length > 0"),
            (
                "sate.a AND inputs.b | count > 1",
                "state.a and input.b | length > 1",
            ),
            ("state.x == nil", "state.x == none"),
        ] {
            assert_eq!(conditional(text).as_deref(), Some(meant), "{text}");
        }
        assert_eq!(
            template("to {{ inputs.a | uper }}!").as_deref(),
            Some("to {{ input.a | upper }}!")
        );
    }

    #[test]
    fn guesses_no_more() {
        for text in [
            "",
            "state.x",
            "state.x(1)",
            "state.",
            "name == 1",
            "a = b = c",
            "{{ input }}",
            "1 < 2 < 3",
        ] {
            assert_eq!(conditional(text), None, "{text}");
        }
        for text in ["{{ input.a", "plain", "{{ }}", "{{- input.a }}"] {
            assert_eq!(template(text), None, "{text}");
        }
    }
}
