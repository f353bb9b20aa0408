//! Reading a baseline, strictly: whoever mistypes a member has expected nothing, and must be told so.

use std::collections::BTreeMap;
use std::ops::Range;

use serde::Deserialize;
use toml::Spanned;

use super::{Baseline, Entry, WHOLE_CASE};
use crate::suite::verdict::Verdict;

/// Largest baseline that is read, in bytes.
pub const MOST_BYTES: usize = 4 * 1024 * 1024;
/// Most entries of a baseline.
pub const MOST_ENTRIES: usize = 20_000;
/// Longest text of one member, in characters.
const MOST_CHARACTERS: usize = 4096;

/// Why a baseline cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaselineError {
    /// The file's name.
    pub file: String,
    /// The line, from 1; `None` where it is about the whole file.
    pub line: Option<usize>,
    /// What is wrong and what to do.
    pub message: String,
}

impl std::fmt::Display for BaselineError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}: {}", self.file, self.message),
            None => write!(f, "{}: {}", self.file, self.message),
        }
    }
}

impl std::error::Error for BaselineError {}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    expected: Vec<Spanned<RawEntry>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawEntry {
    case: Spanned<String>,
    check: Spanned<String>,
    reason: Spanned<String>,
    #[serde(default)]
    issue: Option<Spanned<String>>,
    #[serde(default)]
    expires: Option<Spanned<toml::Value>>,
}

impl Baseline {
    /// Reads a baseline; `file` is its name in messages.
    ///
    /// # Errors
    /// When it is too large, no TOML, has a member too many, too few or of a wrong kind, or says one thing twice.
    pub fn read(file: &str, text: &str) -> Result<Self, BaselineError> {
        let reading = Reading::new(file, text);
        if text.len() > MOST_BYTES {
            return Err(reading.error(None, format!("it is larger than {MOST_BYTES} bytes")));
        }
        let raw: File = toml::from_str(text)
            .map_err(|error| reading.error(error.span(), error.message().to_owned()))?;
        if raw.expected.len() > MOST_ENTRIES {
            return Err(reading.error(None, format!("it has more than {MOST_ENTRIES} entries")));
        }
        let mut entries = Vec::with_capacity(raw.expected.len());
        let mut lines: BTreeMap<(String, String), usize> = BTreeMap::new();
        for raw in raw.expected {
            let entry = reading.entry(raw)?;
            reading.once(&entry, &mut lines)?;
            entries.push(entry);
        }
        Ok(Self {
            file: file.to_owned(),
            entries,
        })
    }

    /// The entries of one case, in order.
    pub fn of<'b>(&'b self, case: &'b str) -> impl Iterator<Item = &'b Entry> {
        self.entries.iter().filter(move |entry| entry.case == case)
    }
}

struct Reading<'t> {
    file: &'t str,
    /// Where each line ends, in bytes: a line is looked up for every entry.
    ends: Vec<usize>,
}

impl<'t> Reading<'t> {
    fn new(file: &'t str, text: &str) -> Self {
        let ends = text.match_indices('\n').map(|(end, _)| end).collect();
        Self { file, ends }
    }

    fn error(&self, span: Option<Range<usize>>, message: String) -> BaselineError {
        BaselineError {
            file: self.file.to_owned(),
            line: span.map(|span| self.line(span.start)),
            message: message.trim().replace('\n', "; "),
        }
    }

    fn line(&self, at: usize) -> usize {
        self.ends.partition_point(|end| *end < at) + 1
    }

    fn entry(&self, raw: Spanned<RawEntry>) -> Result<Entry, BaselineError> {
        let line = self.line(raw.span().start);
        let raw = raw.into_inner();
        Ok(Entry {
            line,
            case: self.text("case", raw.case)?,
            check: self.check(raw.check)?,
            reason: self.text("reason", raw.reason)?,
            issue: raw
                .issue
                .map(|issue| self.text("issue", issue))
                .transpose()?,
            expires: raw.expires.map(|date| self.date(date)).transpose()?,
        })
    }

    fn text(&self, name: &str, raw: Spanned<String>) -> Result<String, BaselineError> {
        let text = raw.get_ref().trim();
        if text.is_empty() {
            let message = format!("'{name}' is empty; say it, or take the member out");
            return Err(self.error(Some(raw.span()), message));
        }
        if text.chars().count() > MOST_CHARACTERS {
            let message = format!("'{name}' has more than {MOST_CHARACTERS} characters");
            return Err(self.error(Some(raw.span()), message));
        }
        Ok(text.to_owned())
    }

    fn check(&self, raw: Spanned<String>) -> Result<String, BaselineError> {
        let span = raw.span();
        let check = self.text("check", raw)?;
        let verdict = Verdict::ALL
            .into_iter()
            .find(|verdict| verdict.name() == check);
        let advice = match verdict {
            Some(Verdict::Fail | Verdict::Warn) => {
                "name the check as the terminal prints it after 'at', or write '*' for the whole case"
            }
            Some(Verdict::Pass | Verdict::NotApplicable) => "it is no failure; take the entry out",
            Some(Verdict::HarnessError) => {
                "an error of the harness cannot be expected; report it instead"
            }
            Some(Verdict::NotObserved | Verdict::NotImplemented | Verdict::SetupFailed) => {
                return Ok(check);
            }
            None if check == WHOLE_CASE || check.contains(' ') => return Ok(check),
            None => {
                "write '<where> <pointer>' as the terminal prints it after 'at', or not_observed, setup_failed, not_implemented, \
                 or '*' for the whole case"
            }
        };
        Err(self.error(Some(span), format!("'check' cannot be '{check}': {advice}")))
    }

    /// A TOML date, or a text with one.
    fn date(&self, raw: Spanned<toml::Value>) -> Result<String, BaselineError> {
        let span = raw.span();
        let date = match raw.get_ref() {
            // With a time it is longer.
            toml::Value::Datetime(date) => Some(date.to_string()),
            toml::Value::String(text) => Some(text.clone()),
            _ => None,
        };
        date.filter(|date| date.len() == 10 && date.parse::<jiff::civil::Date>().is_ok())
            .ok_or_else(|| {
                let message = "'expires' is no day; write it as 2026-12-31".to_owned();
                self.error(Some(span), message)
            })
    }

    /// One thing is said once: of two entries for it, one would have the wrong reason.
    fn once(
        &self,
        entry: &Entry,
        lines: &mut BTreeMap<(String, String), usize>,
    ) -> Result<(), BaselineError> {
        let whole = (entry.case.clone(), WHOLE_CASE.to_owned());
        let other = if entry.check == WHOLE_CASE {
            let first = lines.range((entry.case.clone(), String::new())..).next();
            first.filter(|((case, _), _)| *case == entry.case)
        } else {
            let own = (entry.case.clone(), entry.check.clone());
            lines
                .get_key_value(&own)
                .or_else(|| lines.get_key_value(&whole))
        };
        if let Some((_, line)) = other {
            return Err(BaselineError {
                file: self.file.to_owned(),
                line: Some(entry.line),
                message: format!(
                    "'{}' of {} is expected by line {line} already; keep one of the two",
                    entry.check, entry.case
                ),
            });
        }
        lines.insert((entry.case.clone(), entry.check.clone()), entry.line);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_ends_with_its_newline() {
        let reading = Reading::new("b", "a\n\nb");
        assert_eq!([0, 1, 2, 3].map(|at| reading.line(at)), [1, 1, 2, 3]);
    }
}
