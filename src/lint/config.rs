//! What an author says once for all files: `oap-lint.toml` (`spec/lint.md`).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::Deserialize;

use super::near::nearest;
use super::{Preset, Rule, Selection, Severity, all, glob, named};
use crate::document::Span;

/// Largest configuration, in bytes.
pub const MOST_BYTES: usize = 256 * 1024;

/// A configuration; the default one changes nothing.
#[derive(Debug, Clone, Default)]
pub struct Config {
    /// The preset, where none is asked for otherwise.
    pub preset: Option<Preset>,
    /// Rules that are never asked.
    pub skip: BTreeSet<String>,
    /// Rules that are asked whatever the preset, and how much their findings weigh.
    pub severity: BTreeMap<String, Severity>,
    /// Findings that are known and accepted.
    pub ignores: Vec<Accepted>,
}

/// Findings that are known and accepted: those of a rule, at and below a place, in some files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// The rule.
    pub rule: String,
    /// At this JSON Pointer and below; empty: in the whole document.
    pub pointer: String,
    /// A pattern of paths; none: in every file.
    pub file: Option<String>,
    /// Why.
    pub reason: String,
    /// Where the configuration says so.
    pub span: Span,
}

impl Accepted {
    /// Whether it is about a file of this path.
    pub fn is_about(&self, path: Option<&str>) -> bool {
        match (&self.file, path) {
            (None, _) => true,
            (Some(pattern), Some(path)) => glob::fits(pattern, path),
            (Some(_), None) => false,
        }
    }
}

/// Why a text is no configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    /// The part of the text that is meant.
    pub span: Span,
    /// What to do about it.
    pub message: String,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for ConfigError {}

/// The rule of this id, or which one was surely meant.
///
/// # Errors
/// A message for people.
pub fn known(id: &str) -> Result<&'static Rule, String> {
    named(id).ok_or_else(|| {
        let meant = match nearest(id, all().map(|rule| rule.id)) {
            Some(meant) => format!("did you mean '{meant}'? "),
            None => String::new(),
        };
        format!(
            "there is no rule '{}'; {meant}'oap-conform lint --list-rules' shows all",
            id.escape_debug()
        )
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    preset: Option<Preset>,
    #[serde(default)]
    skip: Vec<toml::Spanned<String>>,
    #[serde(default)]
    severity: BTreeMap<toml::Spanned<String>, Weight>,
    #[serde(default)]
    ignore: Vec<toml::Spanned<Ignored>>,
}

#[derive(Deserialize, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum Weight {
    Off,
    Note,
    Warning,
    Error,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Ignored {
    rule: toml::Spanned<String>,
    #[serde(default)]
    pointer: Option<toml::Spanned<String>>,
    #[serde(default)]
    file: Option<String>,
    reason: toml::Spanned<String>,
}

impl Config {
    /// Reads a configuration.
    ///
    /// # Errors
    /// When it is no TOML, has an unknown member, names a rule that does not exist, or accepts findings without a reason.
    pub fn read(text: &str) -> Result<Self, ConfigError> {
        if text.len() > MOST_BYTES {
            return Err(ConfigError {
                span: Span::default(),
                message: format!("it has more than {MOST_BYTES} bytes, and no more are read"),
            });
        }
        let written: Written = toml::from_str(text).map_err(|error| ConfigError {
            span: span(error.span().unwrap_or_default()),
            message: error.message().to_owned(),
        })?;
        let mut config = Self {
            preset: written.preset,
            ..Self::default()
        };
        for id in written.skip {
            config.skip.insert(rule_of(&id)?.id.to_owned());
        }
        for (id, weight) in written.severity {
            let rule = rule_of(&id)?.id.to_owned();
            let severity = match weight {
                Weight::Off => {
                    config.skip.insert(rule);
                    continue;
                }
                Weight::Note => Severity::Note,
                Weight::Warning => Severity::Warning,
                Weight::Error => Severity::Error,
            };
            config.severity.insert(rule, severity);
        }
        for entry in written.ignore {
            config.ignores.push(accepted(entry)?);
        }
        Ok(config)
    }

    /// The rules of a preset, with what the configuration adds and takes away.
    pub fn selection(&self, preset: Preset) -> Selection {
        Selection::preset(preset)
            .also(self.severity.keys().cloned())
            .skip(self.skip.iter().cloned())
    }

    /// How much findings of a rule weigh.
    pub fn severity_of(&self, rule: &Rule) -> Severity {
        let chosen = self.severity.get(rule.id);
        chosen.copied().unwrap_or(rule.severity)
    }
}

fn accepted(entry: toml::Spanned<Ignored>) -> Result<Accepted, ConfigError> {
    let place = span(entry.span());
    let entry = entry.into_inner();
    let pointer = match entry.pointer {
        Some(pointer) if !pointer.get_ref().is_empty() && !pointer.get_ref().starts_with('/') => {
            return Err(ConfigError {
                span: span(pointer.span()),
                message: "a pointer begins with '/', such as /actions/0".to_owned(),
            });
        }
        Some(pointer) => pointer.into_inner(),
        None => String::new(),
    };
    if entry.reason.get_ref().trim().is_empty() {
        return Err(ConfigError {
            span: span(entry.reason.span()),
            message: "say why these findings are accepted".to_owned(),
        });
    }
    Ok(Accepted {
        rule: rule_of(&entry.rule)?.id.to_owned(),
        pointer,
        file: entry.file,
        reason: entry.reason.into_inner(),
        span: place,
    })
}

fn rule_of(id: &toml::Spanned<String>) -> Result<&'static Rule, ConfigError> {
    known(id.get_ref()).map_err(|message| ConfigError {
        span: span(id.span()),
        message,
    })
}

fn span(range: std::ops::Range<usize>) -> Span {
    Span::new(range.start, range.end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configuration_is_read() {
        let text = r#"
preset = "strict"
skip = ["unused_ignore"]

[severity]
duplicate_key = "warning"

[[ignore]]
rule = "duplicate_key"
pointer = "/actions/0"
file = "old/*.json"
reason = "the old parser needs it"
"#;
        let config = Config::read(text).expect("a configuration");
        assert_eq!(config.preset, Some(Preset::Strict));
        assert!(config.skip.contains("unused_ignore"));
        assert_eq!(
            config.severity.get("duplicate_key"),
            Some(&Severity::Warning)
        );
        let [ignore] = config.ignores.as_slice() else {
            panic!("one ignore: {:?}", config.ignores);
        };
        assert!(ignore.is_about(Some("old/a.json")) && !ignore.is_about(Some("new/a.json")));
        assert!(text[ignore.span.start..].starts_with("[[ignore]]"));
    }

    #[test]
    fn mistakes_are_told_with_their_place() {
        for (text, says, at) in [
            (
                "skip = ['duplicate_kay']",
                "did you mean 'duplicate_key'",
                "'duplicate_kay'",
            ),
            ("presett = 'spec'", "unknown field", "presett"),
            ("[severity]\nunused_ignore = 'fatal'", "fatal", "'fatal'"),
            ("[severity]\nunused = 'error'", "no rule 'unused'", "unused"),
            ("[[ignore]]\nrule = 'duplicate_key'", "reason", "[[ignore]]"),
            (
                "[[ignore]]\nrule = 'duplicate_key'\nreason = ' '",
                "say why",
                "' '",
            ),
            (
                "[[ignore]]\nrule = 'duplicate_key'\nreason = 'x'\npointer = 'actions'",
                "begins with '/'",
                "'actions'",
            ),
            ("preset =", "", ""),
        ] {
            let error = Config::read(text).expect_err(text);
            assert!(error.message.contains(says), "{text}: {error}");
            let rest = text.get(error.span.start..).unwrap_or_default();
            assert!(rest.starts_with(at), "{text}: {:?}", error.span);
        }
    }
}
