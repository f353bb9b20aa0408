//! Text of strangers made safe to show: nothing in it moves a cursor, turns the reading direction, ends a line or speaks to the
//! machine that collects the log.

use std::borrow::Cow;
use std::fmt::Write as _;

use serde_json::Value;

/// What GitHub's runner takes for a command wherever it stands in a line.
pub const RUNNER_COMMAND: &str = "##[";

/// The same inside a JSON string.
pub const RUNNER_COMMAND_ESCAPED: &str = "##\\u005b";

/// A text as one line: what is no printable character becomes its escape, `\n` or `\u{1b}`.
pub fn one_line(text: &str) -> Cow<'_, str> {
    escaped(text, |_| false)
}

/// A text whose line feeds and tabulators stay.
pub fn lines(text: &str) -> Cow<'_, str> {
    escaped(text, |c| matches!(c, '\n' | '\t'))
}

/// A value as one line of JSON, at most so many characters; `nothing` for what is not there.
pub fn value(value: &Value, most: usize) -> String {
    if value.get("$absent").is_some() {
        return "nothing".to_owned();
    }
    cut(one_line(&value.to_string()), most)
}

/// At most so many characters of a text, with a mark where the rest was.
pub fn cut(text: Cow<'_, str>, most: usize) -> String {
    match text.char_indices().nth(most) {
        None => text.into_owned(),
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
    }
}

/// A word for a shell, quoted where it must be.
pub fn shell_word(word: &str) -> Cow<'_, str> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@,+%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return Cow::Borrowed(word);
    }
    Cow::Owned(format!("'{}'", one_line(word).replace('\'', "'\\''")))
}

/// What a line begins with that GitHub's runner takes for a command.
const COMMAND: &str = "::";

/// JSON whose texts hold nothing that is not seen; it says the same.
pub fn json(text: String) -> String {
    let bad = |c: char| is_hidden(c) && c != '\n';
    if !text.contains(bad) && !text.contains(RUNNER_COMMAND) {
        return text;
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if bad(c) {
            // All of them are in the basic plane. Writing to a string cannot fail.
            let _ = write!(out, "\\u{:04x}", u32::from(c));
        } else {
            out.push(c);
        }
    }
    out.replace(RUNNER_COMMAND, RUNNER_COMMAND_ESCAPED)
}

/// A text none of whose lines begins as a command does; `None` when none did. Without line feeds it is one line.
fn without_commands(text: &str, feeds: bool) -> Option<String> {
    let begins = |line: &str| line.trim_start().starts_with(COMMAND);
    let tamed = |line: &str| {
        let at = line.len() - line.trim_start().len();
        match (begins(line), line.split_at_checked(at)) {
            (true, Some((blank, rest))) => format!("{blank}{}", rest.replacen(':', "\\u{3a}", 1)),
            _ => line.to_owned(),
        }
    };
    if !text.contains(COMMAND) {
        return None;
    }
    if !feeds {
        return begins(text).then(|| tamed(text));
    }
    let any = text.split('\n').any(begins);
    any.then(|| text.split('\n').map(tamed).collect::<Vec<_>>().join("\n"))
}

fn escaped(text: &str, keeps: impl Fn(char) -> bool) -> Cow<'_, str> {
    let bad = |c: char| is_hidden(c) && !keeps(c);
    if let Some(tamed) = without_commands(text, keeps('\n')) {
        return Cow::Owned(escaped(&tamed, keeps).into_owned());
    }
    if !text.contains(bad) && !text.contains(RUNNER_COMMAND) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if !bad(c) {
            out.push(c);
            continue;
        }
        // Writing to a string cannot fail.
        let _ = match c {
            '\n' => out.write_str("\\n"),
            '\r' => out.write_str("\\r"),
            '\t' => out.write_str("\\t"),
            _ => write!(out, "\\u{{{:x}}}", u32::from(c)),
        };
    }
    Cow::Owned(out.replace(RUNNER_COMMAND, "##\\u{5b}"))
}

/// Control characters, line separators, marks of direction, and what XML does not allow.
fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn nothing_hidden_is_left() {
        let text = "a\u{1b}[31mb\r\nc\u{9b}2J\u{202e}d\u{2028}e\u{0}\u{ffff}";
        let line = one_line(text);
        assert_eq!(
            line,
            "a\\u{1b}[31mb\\r\\nc\\u{9b}2J\\u{202e}d\\u{2028}e\\u{0}\\u{ffff}"
        );
        assert_eq!(lines("a\n\tb\rc"), "a\n\tb\\rc");
        assert!(matches!(one_line("plain 🎉 é"), Cow::Borrowed(_)));
    }

    #[test]
    fn the_runner_of_a_pipeline_finds_no_command() {
        assert!(!one_line("x ##[set-output name=a]b").contains("##["));
        assert_eq!(one_line("::error::x::y"), "\\u{3a}:error::x::y");
        assert_eq!(one_line("a::b"), "a::b");
        assert_eq!(
            lines("a\n \t::add-mask::b\r"),
            "a\n \t\\u{3a}:add-mask::b\\r"
        );
        let text = json("{\n  \"a\": \"\u{9b}2J\u{202e}##[x]\"\n}".to_owned());
        assert_eq!(text, "{\n  \"a\": \"\\u009b2J\\u202e##\\u005bx]\"\n}");
    }

    #[test]
    fn values_are_cut_between_characters() {
        assert_eq!(value(&json!("ééé"), 3), "\"éé…");
        assert_eq!(value(&json!({"$absent": true}), 3), "nothing");
    }

    #[test]
    fn words_are_quoted_for_a_shell() {
        assert_eq!(
            shell_word("ACT-007-bad-date.python"),
            "ACT-007-bad-date.python"
        );
        assert_eq!(shell_word("a b;'c'"), "'a b;'\\''c'\\'''");
        assert_eq!(shell_word(""), "''");
    }
}
