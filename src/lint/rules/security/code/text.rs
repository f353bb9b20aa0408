//! Code without what does nothing: comments, and what stands in quotes. Every byte keeps its place.

use super::Language;

/// Code twice, each as long as it was given, with blanks for what is left out.
#[derive(Debug)]
pub(super) struct Cleaned {
    /// Without comments.
    pub(super) spoken: String,
    /// Without comments and the texts in quotes; those that hold code of their own, such as templates, stay.
    pub(super) bare: String,
}

/// What the bytes from a place on are.
enum Run {
    /// Code, or what counts as such.
    Code,
    Comment,
    Quoted,
}

/// Takes comments and texts out.
pub(super) fn cleaned(code: &str, language: Language) -> Cleaned {
    let mut spoken = Vec::with_capacity(code.len());
    let mut bare = Vec::with_capacity(code.len());
    let mut at = 0;
    // What an expression in JavaScript may follow, for the slash that begins one.
    let mut before = b'(';
    let mut solid = 0;
    while let Some(rest) = code.as_bytes().get(at..).filter(|rest| !rest.is_empty()) {
        let (run, length) = match language {
            Language::Python => python(rest, bare.last().copied()),
            Language::JavaScript => javascript(rest, before, bare.get(..solid).unwrap_or_default()),
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

fn python(rest: &[u8], before: Option<u8>) -> (Run, usize) {
    let is_formatted = before.is_some_and(|byte| matches!(byte, b'f' | b'F'));
    let run = |length| {
        let run = if is_formatted { Run::Code } else { Run::Quoted };
        (run, length)
    };
    match rest {
        [b'#', ..] => (Run::Comment, line(rest)),
        [b'"', b'"', b'"', ..] => run(quoted(rest, b"\"\"\"", false)),
        [b'\'', b'\'', b'\'', ..] => run(quoted(rest, b"'''", false)),
        [b'"', ..] => run(quoted(rest, b"\"", true)),
        [b'\'', ..] => run(quoted(rest, b"'", true)),
        _ => (Run::Code, 1),
    }
}

fn javascript(rest: &[u8], before: u8, bare: &[u8]) -> (Run, usize) {
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
        [b'`', ..] => (Run::Code, quoted(rest, b"`", false)),
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
