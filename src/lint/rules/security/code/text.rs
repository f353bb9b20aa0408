//! Code without what does nothing: comments, and what stands in quotes. Every byte keeps its place.

use super::Language;
use super::names::is_of_a_name;

/// Code twice, each as long as it was given, with blanks for what is left out.
#[derive(Debug)]
pub(super) struct Cleaned {
    /// Without comments.
    pub(super) spoken: String,
    /// Without comments and the texts in quotes; the expressions in templates stay, with the quotes around these.
    pub(super) bare: String,
}

/// What the bytes from a place on are.
enum Run {
    /// Code, or what counts as such.
    Code,
    Comment,
    Quoted,
}

/// What is open around a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Inside {
    /// The text of a template, ended by these bytes.
    Text(&'static [u8]),
    /// An expression in such a text, with how many brackets are open in it.
    Expression(usize),
    /// How a value is to be shown, behind the colon in an expression of Python.
    Form,
}

/// Takes comments and texts out. Of a template, such as `${a} b` or an f-string, its expressions stay.
pub(super) fn cleaned(code: &str, language: Language) -> Cleaned {
    let mut spoken = Vec::with_capacity(code.len());
    let mut bare = Vec::with_capacity(code.len());
    let mut at = 0;
    // What an expression in JavaScript may follow, for the slash that begins one.
    let mut before = b'(';
    let mut solid = 0;
    let mut open = Vec::new();
    while let Some(rest) = code.as_bytes().get(at..).filter(|rest| !rest.is_empty()) {
        let (run, length) = match open.last() {
            Some(Inside::Text(end)) => text(rest, end, language, &mut open),
            Some(Inside::Form) => form(rest, &mut open),
            _ => match bracket(rest, language, &mut open) {
                Some(found) => found,
                None => match language {
                    Language::Python => python(rest, &bare, &mut open),
                    Language::JavaScript => javascript(
                        rest,
                        before,
                        bare.get(..solid).unwrap_or_default(),
                        &mut open,
                    ),
                },
            },
        };
        let length = length.clamp(1, rest.len());
        let part = rest.get(..length).unwrap_or(rest);
        if let Some(last) = part.iter().rfind(|byte| !byte.is_ascii_whitespace())
            && !matches!(run, Run::Comment)
        {
            before = *last;
        }
        for byte in part {
            let blank = if *byte == b'\n' { b'\n' } else { b' ' };
            spoken.push(if matches!(run, Run::Comment) {
                blank
            } else {
                *byte
            });
            bare.push(if matches!(run, Run::Code) {
                *byte
            } else {
                blank
            });
        }
        at += length;
        if matches!(run, Run::Code) && !part.iter().all(u8::is_ascii_whitespace) {
            solid = bare.len();
        }
    }
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Cleaned {
        spoken: text(spoken),
        bare: text(bare),
    }
}

/// The next part of a template's text: what it is, and how long.
fn text(
    rest: &[u8],
    end: &'static [u8],
    language: Language,
    open: &mut Vec<Inside>,
) -> (Run, usize) {
    let of_python = language == Language::Python;
    match rest {
        [b'\\', ..] => (Run::Quoted, 2),
        _ if rest.starts_with(end) => {
            open.pop();
            (Run::Code, end.len())
        }
        // A text of a single line ends with it.
        [b'\n', ..] if of_python && end.len() == 1 => {
            open.pop();
            (Run::Code, 1)
        }
        [b'{', b'{', ..] | [b'}', b'}', ..] if of_python => (Run::Quoted, 2),
        [b'{', ..] if of_python => {
            open.push(Inside::Expression(0));
            (Run::Code, 1)
        }
        [b'$', b'{', ..] if !of_python => {
            open.push(Inside::Expression(0));
            (Run::Code, 2)
        }
        _ => (Run::Quoted, 1),
    }
}

/// The next byte of what says how a value is to be shown, which ends with its expression.
fn form(rest: &[u8], open: &mut Vec<Inside>) -> (Run, usize) {
    match rest.first() {
        Some(b'{') => {
            open.push(Inside::Expression(0));
            (Run::Code, 1)
        }
        Some(b'}' | b'\n') => {
            open.pop();
            open.pop();
            (Run::Code, 1)
        }
        _ => (Run::Quoted, 1),
    }
}

/// A bracket in an expression of a template, or what ends the expression.
fn bracket(rest: &[u8], language: Language, open: &mut Vec<Inside>) -> Option<(Run, usize)> {
    let Some(Inside::Expression(brackets)) = open.last_mut() else {
        return None;
    };
    match (rest.first()?, *brackets) {
        (b'(' | b'[' | b'{', _) => *brackets += 1,
        (b'}', 0) => {
            open.pop();
        }
        (b')' | b']' | b'}', _) => *brackets = brackets.saturating_sub(1),
        (b':', 0) if language == Language::Python => open.push(Inside::Form),
        _ => return None,
    }
    Some((Run::Code, 1))
}

/// How long a line is, its end not included.
fn line(rest: &[u8]) -> usize {
    rest.iter()
        .position(|byte| *byte == b'\n')
        .unwrap_or(rest.len())
}

/// How long a text in quotes is that begins here and ends with these bytes, both included; one of a single line ends with the line.
fn quoted(rest: &[u8], quote: &[u8], one_line: bool) -> usize {
    let mut at = quote.len();
    while let Some(byte) = rest.get(at) {
        if *byte == b'\\' {
            at += 2;
        } else if *byte == b'\n' && one_line {
            return at;
        } else if rest.get(at..).is_some_and(|here| here.starts_with(quote)) {
            return at + quote.len();
        } else {
            at += 1;
        }
    }
    rest.len()
}

fn python(rest: &[u8], bare: &[u8], open: &mut Vec<Inside>) -> (Run, usize) {
    let end: &'static [u8] = match rest {
        [b'#', ..] => return (Run::Comment, line(rest)),
        [b'"', b'"', b'"', ..] => b"\"\"\"",
        [b'\'', b'\'', b'\'', ..] => b"'''",
        [b'"', ..] => b"\"",
        [b'\'', ..] => b"'",
        _ => return (Run::Code, 1),
    };
    if is_formatted(bare) {
        open.push(Inside::Text(end));
        return (Run::Code, end.len());
    }
    (Run::Quoted, quoted(rest, end, end.len() == 1))
}

/// Whether the letters before a quote make the text one with expressions in it: `f`, `rf` and the like.
fn is_formatted(bare: &[u8]) -> bool {
    let start = bare.iter().rposition(|byte| !is_of_a_name(*byte));
    let letters = bare.get(start.map_or(0, |start| start + 1)..);
    let letters = letters.unwrap_or_default();
    letters.len() <= 2
        && letters.iter().any(|byte| matches!(byte, b'f' | b'F'))
        && letters
            .iter()
            .all(|byte| matches!(byte, b'f' | b'F' | b'r' | b'R'))
}

fn javascript(rest: &[u8], before: u8, bare: &[u8], open: &mut Vec<Inside>) -> (Run, usize) {
    match rest {
        [b'/', b'/', ..] => (Run::Comment, line(rest)),
        [b'/', b'*', ..] => {
            let inside = rest.get(2..).unwrap_or_default();
            let end = inside.windows(2).position(|pair| pair == b"*/");
            (Run::Comment, end.map_or(rest.len(), |end| end + 4))
        }
        [b'"', ..] => (Run::Quoted, quoted(rest, b"\"", true)),
        [b'\'', ..] => (Run::Quoted, quoted(rest, b"'", true)),
        // A template holds expressions.
        [b'`', ..] => {
            open.push(Inside::Text(b"`"));
            (Run::Code, 1)
        }
        [b'/', ..] if begins_expression(before, bare) => (Run::Quoted, expression(rest)),
        _ => (Run::Code, 1),
    }
}

/// Whether a slash behind this begins a regular expression, and does not divide.
fn begins_expression(before: u8, bare: &[u8]) -> bool {
    b"(,=:[!&|?{};+*%<>~^-".contains(&before)
        || [&b"return"[..], b"typeof", b"case", b"in", b"of"]
            .iter()
            .any(|word| bare.ends_with(word))
}

/// How long a regular expression is; it ends with its line at the latest.
fn expression(rest: &[u8]) -> usize {
    let mut in_class = false;
    let mut at = 1;
    while let Some(byte) = rest.get(at) {
        match byte {
            b'\\' => at += 1,
            b'[' => in_class = true,
            b']' => in_class = false,
            b'/' if !in_class => return at + 1,
            b'\n' => return at,
            _ => {}
        }
        at += 1;
    }
    rest.len()
}

#[cfg(test)]
mod tests {
    use super::{Language, cleaned};

    #[test]
    fn comments_and_texts_become_blanks() {
        for (language, code, spoken, bare) in [
            (
                Language::Python,
                "a = 'b#c' # d\ne",
                "a = 'b#c'    \ne",
                "a =          \ne",
            ),
            (
                Language::Python,
                "x = f\"{y}\" + \"\"\"u\nv\"\"\"",
                "x = f\"{y}\" + \"\"\"u\nv\"\"\"",
                "x = f\"{y}\" +     \n    ",
            ),
            (
                Language::JavaScript,
                "a('//') // b\nc /* d\ne */ f",
                "a('//')     \nc     \n     f",
                "a(    )     \nc     \n     f",
            ),
            (
                Language::JavaScript,
                "x = /['\"]/g; y = a / b; `${z}`",
                "x = /['\"]/g; y = a / b; `${z}`",
                "x =       g; y = a / b; `${z}`",
            ),
            (
                Language::JavaScript,
                "'it\\'s' + \"é",
                "'it\\'s' + \"é",
                "        +    ",
            ),
            (
                Language::JavaScript,
                "`eval(x) ${eval(`fetch ${ {a: {}}.a } ` + '}')} fetch` + y",
                "`eval(x) ${eval(`fetch ${ {a: {}}.a } ` + '}')} fetch` + y",
                "`        ${eval(`      ${ {a: {}}.a } ` +    )}      ` + y",
            ),
            (
                Language::JavaScript,
                "`\\` \\${a}` + b",
                "`\\` \\${a}` + b",
                "`        ` + b",
            ),
            (
                Language::Python,
                "rf'eval {{x}} {a[\"b\"]:>{w}} eval' + if'x'",
                "rf'eval {{x}} {a[\"b\"]:>{w}} eval' + if'x'",
                "rf'           {a[   ]: {w}}     ' + if   ",
            ),
            (
                Language::Python,
                "f\"\"\"eval(\n{eval(x)}\"\"\" + F'a\nb",
                "f\"\"\"eval(\n{eval(x)}\"\"\" + F'a\nb",
                "f\"\"\"     \n{eval(x)}\"\"\" + F' \nb",
            ),
        ] {
            let both = cleaned(code, language);
            assert_eq!(both.spoken, spoken, "{code}");
            assert_eq!(both.bare, bare, "{code}");
        }
    }

    #[test]
    fn every_text_keeps_its_length() {
        let code = "'\\\n\"\"\"é`/*\u{1f600}//#\\";
        for start in code.char_indices().map(|(at, _)| at) {
            let rest = code.get(start..).expect("a boundary");
            for language in [Language::Python, Language::JavaScript] {
                let both = cleaned(rest, language);
                assert_eq!(both.spoken.len(), rest.len(), "{rest:?}");
                assert_eq!(both.bare.len(), rest.len(), "{rest:?}");
            }
        }
    }
}
