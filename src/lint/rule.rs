//! What a rule is.

use serde::Serialize;

use super::subject::Subject;
use crate::document::edit::Edit;

/// How much a finding weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Could be better; nothing breaks.
    Note,
    /// Will surprise somebody.
    Warning,
    /// A runtime must refuse it, or it cannot work.
    Error,
}

impl Severity {
    /// Its name, as reports write it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// What a rule is about; also how `explain` and the list of rules are ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Group {
    /// The text itself, and members of the model.
    Structure,
    /// JSON Schemas of inputs and outputs.
    Schema,
    /// Names that lead to something else in the document.
    References,
    /// Conditionals and templates.
    Expressions,
    /// Credentials, grants, and effects without a person.
    Security,
    /// What makes a manifest easy to use, for models and for people.
    Ergonomics,
    /// Versions and flags.
    Versions,
    /// Plans of the workflow profile.
    Plan,
    /// Definitions of targets.
    Target,
    /// Cases.
    Case,
}

impl Group {
    /// Its name in lists and reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Structure => "structure",
            Self::Schema => "schema",
            Self::References => "references",
            Self::Expressions => "expressions",
            Self::Security => "security",
            Self::Ergonomics => "ergonomics",
            Self::Versions => "versions",
            Self::Plan => "plan",
            Self::Target => "target",
            Self::Case => "case",
        }
    }
}

/// From which preset on a rule is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Preset {
    /// Only what `spec/` demands.
    Spec,
    /// And what nearly every author wants to know.
    Recommended,
    /// And everything else.
    Strict,
}

impl Preset {
    /// Its name on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Spec => "spec",
            Self::Recommended => "recommended",
            Self::Strict => "strict",
        }
    }
}

/// Who finds what breaks a rule.
#[derive(Clone, Copy)]
pub enum Check {
    /// The loader of the document's kind, which reports it under the rule's id.
    Loader,
    /// A function over a manifest.
    Manifest(fn(&Subject<'_>, &mut Found<'_>)),
    /// A function over a plan, a target or a case; it asks the subject which it is.
    Other(fn(&Subject<'_>, &mut Found<'_>)),
    /// Whoever holds a document against a loader of another room, and hands over what that refuses.
    Told,
    /// Whoever holds findings against the ignores of a document.
    Ignores,
}

impl std::fmt::Debug for Check {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Loader => "Loader",
            Self::Manifest(_) => "Manifest",
            Self::Other(_) => "Other",
            Self::Told => "Told",
            Self::Ignores => "Ignores",
        })
    }
}

/// One rule. Its examples are files: `fixtures/lint/<id>/{bad,good}-N.{json,yaml}`.
#[derive(Debug, Clone, Copy)]
pub struct Rule {
    /// Its name, snake_case; for what a runtime refuses, the name that registration answers with. Contract.
    pub id: &'static str,
    /// What it is about.
    pub group: Group,
    /// How much its findings weigh.
    pub severity: Severity,
    /// From which preset on it is on.
    pub preset: Preset,
    /// The prose it serves, as `file.md#heading` under `spec/`, or a requirement's id.
    pub clause: &'static str,
    /// What is wrong, in one line.
    pub summary: &'static str,
    /// Why it matters and what to do, in a few sentences.
    pub why: &'static str,
    /// Who finds it.
    pub check: Check,
}

/// Makers of rules: the tables of the groups are written with them.
impl Group {
    /// Could be better, and only who asks for everything wants to know.
    pub(super) const fn noted(
        self,
        id: &'static str,
        clause: &'static str,
        check: Check,
        summary: &'static str,
        why: &'static str,
    ) -> Rule {
        Rule {
            id,
            group: self,
            severity: Severity::Note,
            preset: Preset::Strict,
            clause,
            summary,
            why,
            check,
        }
    }

    /// Could be better, and most authors want to know.
    pub(super) const fn told(
        self,
        id: &'static str,
        clause: &'static str,
        check: Check,
        summary: &'static str,
        why: &'static str,
    ) -> Rule {
        Rule {
            preset: Preset::Recommended,
            ..self.noted(id, clause, check, summary, why)
        }
    }

    /// Will surprise somebody.
    pub(super) const fn warned(
        self,
        id: &'static str,
        clause: &'static str,
        check: Check,
        summary: &'static str,
        why: &'static str,
    ) -> Rule {
        Rule {
            severity: Severity::Warning,
            ..self.told(id, clause, check, summary, why)
        }
    }

    /// It cannot work, though nobody has to refuse it.
    pub(super) const fn broken(
        self,
        id: &'static str,
        clause: &'static str,
        check: Check,
        summary: &'static str,
        why: &'static str,
    ) -> Rule {
        Rule {
            severity: Severity::Error,
            ..self.told(id, clause, check, summary, why)
        }
    }

    /// It has to be refused.
    pub(super) const fn refused(
        self,
        id: &'static str,
        clause: &'static str,
        check: Check,
        summary: &'static str,
        why: &'static str,
    ) -> Rule {
        Rule {
            preset: Preset::Spec,
            ..self.broken(id, clause, check, summary, why)
        }
    }
}

/// Where a check puts what it finds.
#[derive(Debug)]
pub struct Found<'f> {
    pub(super) rule: &'static Rule,
    pub(super) raw: &'f mut Vec<Raw>,
    /// Most findings of one rule in one document; a hostile one has room for a hundred thousand.
    pub(super) most: usize,
}

/// A finding before it has a place in the text.
#[derive(Debug, Clone)]
pub(super) struct Raw {
    pub(super) rule: &'static Rule,
    /// Into the snake_case form for manifests, else into the document.
    pub(super) pointer: String,
    /// Whether the name of the member is meant, not its value.
    pub(super) name: bool,
    /// The pointer leads into the document as given already.
    pub(super) original: bool,
    pub(super) message: String,
    pub(super) change: Option<Change>,
    /// A part of a string's content, in bytes: shown instead of the whole string where that can be done.
    pub(super) within: Option<(usize, usize)>,
}

/// How a finding can be mended, told in terms of the document, not of its text.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// What it does, as an order: `rename 'endpont' to 'endpoint'`.
    pub title: String,
    /// Whether what the document means is the same afterwards, or was surely meant.
    pub safe: bool,
    /// What is done, in this order. Pointers as in the finding.
    pub steps: Vec<Edit>,
}

impl Found<'_> {
    /// Something is wrong with the value at `pointer`.
    pub fn at(&mut self, pointer: impl Into<String>, message: impl Into<String>) -> Noted<'_> {
        self.note(pointer.into(), false, message.into())
    }

    /// Something is wrong with the name of the member at `pointer`.
    pub fn at_name(&mut self, pointer: impl Into<String>, message: impl Into<String>) -> Noted<'_> {
        self.note(pointer.into(), true, message.into())
    }

    fn note(&mut self, pointer: String, name: bool, message: String) -> Noted<'_> {
        let index = self.raw.len();
        // What one rule finds stands side by side.
        let full = index
            .checked_sub(self.most)
            .and_then(|first| self.raw.get(first))
            .is_some_and(|first| first.rule.id == self.rule.id);
        if full {
            return Noted { raw: None };
        }
        self.raw.push(Raw {
            rule: self.rule,
            pointer,
            name,
            original: false,
            message,
            change: None,
            within: None,
        });
        Noted {
            raw: self.raw.get_mut(index),
        }
    }
}

/// A finding that was just noted and may get a change.
#[derive(Debug)]
pub struct Noted<'n> {
    raw: Option<&'n mut Raw>,
}

impl Noted<'_> {
    /// It can be mended so that the document means the same, or what was surely meant.
    pub fn fix(self, title: impl Into<String>, steps: Vec<Edit>) -> Self {
        self.change(title.into(), true, steps)
    }

    /// It can be mended so, but somebody should look at it.
    pub fn fix_unsafe(self, title: impl Into<String>, steps: Vec<Edit>) -> Self {
        self.change(title.into(), false, steps)
    }

    /// Only these bytes of the string's content are meant.
    pub fn within(mut self, start: usize, end: usize) -> Self {
        if let Some(raw) = &mut self.raw {
            raw.within = Some((start, end));
        }
        self
    }

    fn change(mut self, title: String, safe: bool, steps: Vec<Edit>) -> Self {
        if let Some(raw) = &mut self.raw {
            raw.change = Some(Change { title, safe, steps });
        }
        self
    }
}
