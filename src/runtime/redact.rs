//! No secret leaves: every known one, in each encoding it may travel in, becomes `[REDACTED]` (`spec/secrets.md`).

use std::borrow::Cow;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use aho_corasick::{AhoCorasick, MatchKind};
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value};

/// What stands where a secret stood.
pub const MARK: &str = "[REDACTED]";

/// Fewer characters than this are no secret: replacing them would tear ordinary text apart.
pub const SHORTEST_SECRET: usize = 8;

/// Where a text is going, or came from, when it is searched for secrets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Site {
    /// The goal and the initial observation of a new session.
    Request,
    /// The reply of a service, before anything looks at it.
    ServiceReply,
    /// What sandboxed code wrote to standard output and standard error.
    Logs,
    /// The reply of the model.
    ModelReply,
    /// The answer of a person.
    HumanAnswer,
    /// A message to the model.
    Prompt,
    /// An answer to a client.
    Answer,
    /// A transcript.
    Transcript,
}

/// Finds the known secrets; cheap to clone, and all clones find the same, also what is learnt after they were made.
#[derive(Clone, Default)]
pub struct Redactor {
    known: Arc<RwLock<Arc<Search>>>,
}

/// Says how much is known, never what.
impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let patterns = self
            .current()
            .search
            .as_ref()
            .map(AhoCorasick::patterns_len);
        f.debug_struct("Redactor")
            .field("patterns", &patterns.unwrap_or(0))
            .finish()
    }
}

impl Redactor {
    /// A redactor that finds exactly these patterns.
    ///
    /// Patterns shorter than four bytes are left out. When the patterns cannot be compiled (there would have to be
    /// gigabytes of them) nothing is found; the caller bounds the number and length of secrets.
    pub fn new<P: AsRef<str>>(patterns: &[P]) -> Self {
        Self {
            known: Arc::new(RwLock::new(Arc::new(Search::new(patterns)))),
        }
    }

    /// Finds these patterns from now on, in place of those before, and so do all clones. Whether they could be compiled; those
    /// before are found still where they could not.
    pub fn replace<P: AsRef<str>>(&self, patterns: &[P]) -> bool {
        let next = Search::new(patterns);
        let compiled = next.search.is_some() || patterns.is_empty();
        if compiled {
            *self.known.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(next);
        }
        compiled
    }

    fn current(&self) -> Arc<Search> {
        Arc::clone(&self.known.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The text with every secret replaced; borrowed when there is none.
    pub fn text<'t>(&self, text: &'t str) -> Cow<'t, str> {
        self.current().text(text)
    }

    /// The value with every secret replaced in strings, member names and numbers.
    pub fn value(&self, value: Value) -> Value {
        self.current().value(value)
    }
}

/// What is known at one time.
#[derive(Default)]
struct Search {
    search: Option<AhoCorasick>,
    shortest: usize,
}

impl Search {
    fn new<P: AsRef<str>>(patterns: &[P]) -> Self {
        let mut kept: Vec<&str> = patterns
            .iter()
            .map(AsRef::as_ref)
            .filter(|p| p.len() >= 4)
            .collect();
        kept.sort_unstable();
        kept.dedup();
        let shortest = kept.iter().map(|pattern| pattern.len()).min().unwrap_or(0);
        let search = (!kept.is_empty())
            .then(|| {
                AhoCorasick::builder()
                    .match_kind(MatchKind::LeftmostLongest)
                    .build(&kept)
                    .ok()
            })
            .flatten();
        Self { search, shortest }
    }

    fn text<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let Some(search) = self.search.as_ref() else {
            return Cow::Borrowed(text);
        };
        if text.len() < self.shortest {
            return Cow::Borrowed(text);
        }
        let clean = if search.is_match(text) {
            let mut clean = String::with_capacity(text.len());
            search.replace_all_with(text, &mut clean, |_, _, into| {
                into.push_str(MARK);
                true
            });
            Cow::Owned(clean)
        } else {
            Cow::Borrowed(text)
        };
        match Unescaped::of(&clean).and_then(|unescaped| unescaped.replaced(search, &clean)) {
            Some(cleaner) => Cow::Owned(cleaner),
            None => clean,
        }
    }

    fn value(&self, value: Value) -> Value {
        if self.search.is_none() || !self.occurs(&value) {
            return value;
        }
        self.rewrite(value)
    }

    fn occurs(&self, value: &Value) -> bool {
        match value {
            Value::String(text) => matches!(self.text(text), Cow::Owned(_)),
            Value::Number(number) => matches!(self.text(&number.to_string()), Cow::Owned(_)),
            Value::Array(elements) => elements.iter().any(|element| self.occurs(element)),
            Value::Object(members) => members.iter().any(|(name, member)| {
                matches!(self.text(name), Cow::Owned(_)) || self.occurs(member)
            }),
            Value::Null | Value::Bool(_) => false,
        }
    }

    fn rewrite(&self, value: Value) -> Value {
        match value {
            Value::String(text) => match self.text(&text) {
                Cow::Borrowed(_) => Value::String(text),
                Cow::Owned(clean) => Value::String(clean),
            },
            // A secret of digits only may come as a number.
            Value::Number(number) => match self.text(&number.to_string()) {
                Cow::Borrowed(_) => Value::Number(number),
                Cow::Owned(clean) => Value::String(clean),
            },
            Value::Array(elements) => Value::Array(
                elements
                    .into_iter()
                    .map(|element| self.rewrite(element))
                    .collect(),
            ),
            Value::Object(members) => {
                let mut clean = Map::with_capacity(members.len());
                for (name, member) in members {
                    let name = self.text(&name).into_owned();
                    clean.insert(name, self.rewrite(member));
                }
                Value::Object(clean)
            }
            other => other,
        }
    }
}

/// A text with its JSON escapes undone: JSON may spell any character of a secret as `\u` and four digits, and who reads the
/// text as JSON, as plans are, would have the secret after all.
struct Unescaped {
    text: String,
    /// For each byte of the text, and for its end, where it stood.
    stood: Vec<usize>,
}

impl Unescaped {
    /// `None` when nothing is escaped that the encodings do not cover.
    fn of(escaped: &str) -> Option<Self> {
        if !escaped.contains("\\u") && !escaped.contains("\\/") {
            return None;
        }
        let mut text = String::with_capacity(escaped.len());
        let mut stood = Vec::with_capacity(escaped.len() + 1);
        let mut at = 0;
        while let Some(rest) = escaped.get(at..) {
            let Some(next) = rest.chars().next() else {
                break;
            };
            let (character, length) = unescape(rest).unwrap_or((next, next.len_utf8()));
            text.push(character);
            stood.resize(text.len(), at);
            at += length;
        }
        stood.push(escaped.len());
        Some(Self { text, stood })
    }

    /// The text as it was, each secret replaced; `None` when there is none.
    fn replaced(&self, search: &AhoCorasick, escaped: &str) -> Option<String> {
        let mut clean = String::new();
        let mut copied = 0;
        for found in search.find_iter(&self.text) {
            let (start, end) = (
                *self.stood.get(found.start())?,
                *self.stood.get(found.end())?,
            );
            clean.push_str(escaped.get(copied..start)?);
            clean.push_str(MARK);
            copied = end;
        }
        if copied == 0 {
            return None;
        }
        clean.push_str(escaped.get(copied..)?);
        Some(clean)
    }
}

/// The character that an escape at the beginning of the text stands for, and the escape's length.
fn unescape(text: &str) -> Option<(char, usize)> {
    let rest = text.strip_prefix('\\')?;
    if let Some(mark) = rest
        .chars()
        .next()
        .filter(|c| matches!(c, '"' | '\\' | '/'))
    {
        return Some((mark, 2));
    }
    let unit = |text: &str| {
        let digits = text.strip_prefix('u')?.get(..4)?;
        let hexadecimal = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        u32::from_str_radix(digits, 16).ok().filter(|_| hexadecimal)
    };
    let first = unit(rest)?;
    if let Some(character) = char::from_u32(first) {
        return Some((character, 6));
    }
    // Beyond the first plane a character is spelled as two surrogates.
    let second = unit(rest.get(5..)?.strip_prefix('\\')?)?;
    let (high, low) = (first.checked_sub(0xd800)?, second.checked_sub(0xdc00)?);
    let pair = high < 0x400 && low < 0x400;
    let character = char::from_u32(0x1_0000 + (high << 10) + low).filter(|_| pair)?;
    Some((character, 12))
}

/// Every form of a secret that is searched for; empty for one that is too short to be searched.
pub fn encodings(secret: &str) -> Vec<String> {
    if secret.chars().count() < SHORTEST_SECRET {
        return Vec::new();
    }
    let mut forms = vec![secret.to_owned()];
    forms.extend(json_forms(secret));
    forms.extend(percent_forms(secret));
    for shift in 0..3 {
        forms.push(base64_core(secret, shift, &STANDARD_NO_PAD));
        forms.push(base64_core(secret, shift, &URL_SAFE_NO_PAD));
    }
    forms.sort_unstable();
    forms.dedup();
    forms
}

/// As it stands inside a JSON string, with and without the optional escape of the slash.
fn json_forms(secret: &str) -> Vec<String> {
    let quoted = Value::from(secret).to_string();
    let inner = quoted
        .get(1..quoted.len().saturating_sub(1))
        .unwrap_or_default()
        .to_owned();
    let slashes = inner.replace('/', "\\/");
    vec![inner, slashes]
}

/// Left alone by RFC 3986.
const UNRESERVED: AsciiSet = NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');
/// Left alone by JavaScript's `encodeURIComponent`.
const COMPONENT: AsciiSet = UNRESERVED
    .remove(b'!')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')')
    .remove(b'*');
/// Left alone in a path, where the slash and the sub-delimiters may stand.
const PATH: AsciiSet = COMPONENT
    .remove(b'/')
    .remove(b':')
    .remove(b'@')
    .remove(b'$')
    .remove(b'&')
    .remove(b'+')
    .remove(b',')
    .remove(b';')
    .remove(b'=');
/// A path whose plus is encoded, as encoders do that mind forms.
const PATH_PLUS: AsciiSet = PATH.add(b'+');
/// The slash alone is left, as Python's `quote` does.
const SLASH: AsciiSet = UNRESERVED.remove(b'/');
/// What the URL standard encodes in a query.
const FORM: AsciiSet = NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'*')
    .remove(b' ');

fn percent_forms(secret: &str) -> Vec<String> {
    let mut forms: Vec<String> = [
        &UNRESERVED,
        &COMPONENT,
        &PATH,
        &PATH_PLUS,
        &SLASH,
        NON_ALPHANUMERIC,
    ]
    .iter()
    .map(|set| utf8_percent_encode(secret, set).to_string())
    .collect();
    forms.push(
        utf8_percent_encode(secret, &FORM)
            .to_string()
            .replace(' ', "+"),
    );
    let lower: Vec<String> = forms.iter().map(|form| lower_hex(form)).collect();
    forms.extend(lower);
    forms
}

/// The same with lower-case digits in its percent triplets.
fn lower_hex(encoded: &str) -> String {
    let mut triplet = 0;
    encoded
        .chars()
        .map(|next| {
            if next == '%' {
                triplet = 3;
            }
            let inside = triplet > 0;
            triplet = triplet.max(1) - 1;
            if inside {
                next.to_ascii_lowercase()
            } else {
                next
            }
        })
        .collect()
}

/// The characters of a base64 text that depend on the secret alone when `shift` foreign bytes (modulo 3) stand before it.
fn base64_core(secret: &str, shift: usize, engine: &impl base64::Engine) -> String {
    let mut bytes = vec![0_u8; shift];
    bytes.extend_from_slice(secret.as_bytes());
    let encoded = engine.encode(&bytes);
    let start = [0, 2, 3].get(shift).copied().unwrap_or(0);
    // Whole bits only: the last character is shared with what follows unless three bytes end there.
    let end = bytes.len() * 8 / 6;
    encoded.get(start..end).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod properties;

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine as _;
    use base64::engine::general_purpose::{STANDARD, URL_SAFE};
    use proptest::prelude::*;
    use serde_json::json;

    const SECRET: &str = "cal-tok+en/3f9a1c77==";

    fn redactor() -> Redactor {
        Redactor::new(&encodings(SECRET))
    }

    #[test]
    fn each_form_is_found_inside_longer_text() {
        let mut forms = vec![
            SECRET.to_owned(),
            SECRET.replace('/', "\\/"),
            "cal-tok%2Ben%2F3f9a1c77%3D%3D".to_owned(),
            "cal-tok%2ben%2f3f9a1c77%3d%3d".to_owned(),
            "cal-tok%2Ben/3f9a1c77%3D%3D".to_owned(),
        ];
        for before in ["", "u", "us", "use", "user:"] {
            for after in ["", "x", "yz"] {
                let text = format!("{before}{SECRET}{after}");
                forms.push(STANDARD.encode(&text));
                forms.push(URL_SAFE.encode(&text));
            }
        }
        for form in forms {
            let text = format!("before {form} after");
            let clean = redactor().text(&text).into_owned();
            assert!(clean.contains(MARK), "{form} stayed");
            for part in encodings(SECRET) {
                assert!(!clean.contains(&part), "{form} left {part}");
            }
        }
    }

    #[test]
    fn values_are_clean_in_strings_names_and_numbers() {
        let redactor = Redactor::new(&[encodings(SECRET), encodings("1234567890")].concat());
        let value = json!({"a": [format!("Bearer {SECRET}")], SECRET: 1, "n": 1_234_567_890_u64, "k": true});
        assert_eq!(
            redactor.value(value),
            json!({"a": ["Bearer [REDACTED]"], "[REDACTED]": 1, "n": "[REDACTED]", "k": true})
        );
    }

    #[test]
    fn escapes_of_json_hide_nothing() {
        let spelled: String = SECRET
            .encode_utf16()
            .map(|unit| format!("\\u{unit:04X}"))
            .collect();
        let one = SECRET.replacen('l', "\\u006c", 1).replace('/', "\\/");
        for form in [&spelled, &one] {
            let text = format!("{{\"a\":\"\\u00e9 {form} \\n\"}}");
            let clean = redactor().text(&text).into_owned();
            assert_eq!(clean, "{\"a\":\"\\u00e9 [REDACTED] \\n\"}", "{form}");
        }
        // A backslash that is itself escaped begins no escape.
        let literal = SECRET.replacen('c', "\\\\u0063", 1);
        for text in [
            literal.as_str(),
            "\\u12",
            "\\ud800\\u0041",
            "\\udc00",
            "\\/",
            "C:\\users\\é",
        ] {
            assert!(matches!(redactor().text(text), Cow::Borrowed(_)), "{text}");
        }
        let astral = Redactor::new(&encodings("\u{1f600}-secret"));
        assert_eq!(astral.text("x\\ud83d\\ude00-secret"), "x[REDACTED]");
    }

    #[test]
    fn what_holds_no_secret_is_untouched_and_short_secrets_are_not_searched() {
        assert!(matches!(redactor().text("nothing here"), Cow::Borrowed(_)));
        assert!(encodings("short").is_empty());
        let none = Redactor::new(&Vec::<String>::new());
        assert_eq!(none.value(json!(["short"])), json!(["short"]));
    }

    proptest! {
        #[test]
        fn a_redacted_text_holds_no_form(before in ".{0,12}", after in ".{0,12}", pick in 0_usize..64) {
            let forms = encodings(SECRET);
            let form = &forms[pick % forms.len()];
            let clean = redactor().text(&format!("{before}{form}{after}")).into_owned();
            prop_assert!(forms.iter().all(|other| !clean.contains(other.as_str())));
        }

        #[test]
        fn any_escapes_are_survived(text in "[\\\\u0-9a-fD\"/é]{0,60}") {
            let _ = redactor().text(&text);
        }

        #[test]
        fn any_text_is_survived(secret in ".{8,40}", text in ".{0,200}") {
            let redactor = Redactor::new(&encodings(&secret));
            let clean = redactor.text(&text).into_owned();
            prop_assert!(!clean.contains(&secret) || MARK.contains(&secret));
            let _ = redactor.value(json!({secret: text}));
        }
    }
}
