//! What there is to say about a rule, with its examples.

use serde::Serialize;

use super::config::Config;
use super::{DocumentKind, Finding, Group, Preset, Rule, Selection, Told, judge_with, toml_text};
use crate::document::{Document, Format, ReadError, Span};
use crate::embedded;
use crate::requirement::Registry;

/// Longest sentence of the prose that is shown, in characters.
const LONGEST_SENTENCE: usize = 400;

/// How the names of examples end.
const ENDINGS: [&str; 6] = ["json", "yaml", "yml", "toml", "txt", "recipe"];

/// All about a rule.
#[derive(Debug)]
pub struct Explanation {
    /// The rule.
    pub rule: &'static Rule,
    /// The prose that it serves.
    pub clause: Clause,
    /// A document that breaks it.
    pub bad: Option<Example>,
    /// One that looks alike and does not.
    pub good: Option<Example>,
    /// What `lint --fix` can do about it.
    pub fix: Mending,
}

/// A place in the specification.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Clause {
    /// The requirement's id, or `file.md#heading`.
    pub id: String,
    /// The file, from the root of the repository.
    pub file: String,
    /// The sentence that says so.
    pub sentence: String,
}

/// Whether what breaks a rule can be mended by a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Mending {
    /// No.
    None,
    /// By `--fix-unsafe`, at least sometimes.
    Unsafe,
    /// By `--fix`, at least sometimes.
    Safe,
}

/// A file of `fixtures/lint/`.
#[derive(Debug)]
pub struct Example {
    /// Its path in the repository.
    pub path: String,
    /// Its text.
    pub text: String,
    /// What it is.
    pub kind: DocumentKind,
    /// The document, or why there is none.
    pub document: Result<Document, ReadError>,
    /// What breaks the rule.
    pub findings: Vec<Finding>,
}

/// Asks the loaders of other rooms what they refuse of an example.
pub type Tell<'t> = &'t dyn Fn(&Document, DocumentKind) -> Vec<Told>;

/// Explains a rule; what only the loaders of other rooms find is not found in its examples.
pub fn explain(rule: &'static Rule) -> Explanation {
    explain_with(rule, &|_, _| Vec::new())
}

/// Explains a rule.
pub fn explain_with(rule: &'static Rule, tell: Tell<'_>) -> Explanation {
    let mut mending = Mending::None;
    let bad = examples_with(rule, "bad", tell);
    for finding in bad.iter().flat_map(|example| &example.findings) {
        let can = match &finding.change {
            None => Mending::None,
            Some(change) if change.safe => Mending::Safe,
            Some(_) => Mending::Unsafe,
        };
        mending = mending.max(can);
    }
    Explanation {
        rule,
        clause: clause(rule.clause).unwrap_or_else(|| Clause {
            id: rule.clause.to_owned(),
            file: "spec/README.md".to_owned(),
            sentence: String::new(),
        }),
        bad: bad.into_iter().next(),
        good: examples_with(rule, "good", tell).into_iter().next(),
        fix: mending,
    }
}

/// The examples of a rule whose names begin with `bad` or `good`, each held against this rule alone.
pub fn examples(rule: &'static Rule, which: &str) -> Vec<Example> {
    examples_with(rule, which, &|_, _| Vec::new())
}

/// The same, with what the loaders of other rooms refuse.
pub fn examples_with(rule: &'static Rule, which: &str, tell: Tell<'_>) -> Vec<Example> {
    // They are numbered without gaps: to ask for each is faster than to list all files there are.
    (1..)
        .map_while(|number| {
            ENDINGS.iter().find_map(|ending| {
                let path = format!("fixtures/lint/{}/{which}-{number}.{ending}", rule.id);
                let text = embedded::text(&path)?.into_owned();
                Some(example(rule, path, text, tell))
            })
        })
        .collect()
}

fn example(rule: &'static Rule, path: String, text: String, tell: Tell<'_>) -> Example {
    let kind = kind_of(rule);
    let document = if path.ends_with(".recipe") {
        made(&text).and_then(|text| Document::read(text, Format::Json))
    } else if path.ends_with(".toml") {
        toml_text::read(&text).map(|read| read.document)
    } else if path.ends_with(".txt") {
        Document::read(text.as_str(), Format::guess(&text))
    } else {
        Document::read(text.as_str(), Format::of(path.as_ref()))
    };
    let findings = match &document {
        Ok(document) => {
            let config = Config::default();
            let selection = Selection::preset(Preset::Strict);
            // An ignore is unused only in view of the others.
            let selection = match rule.group {
                _ if rule.id == "unused_ignore" => selection,
                _ => selection.only([rule.id.to_owned()]),
            };
            let told = tell(document, kind);
            let told = Some(told.as_slice());
            let judged = judge_with(document, kind, &selection, &config, None, told);
            let mut findings = judged.findings;
            findings.retain(|finding| finding.rule.id == rule.id);
            findings
        }
        Err(error) => unread(error)
            .filter(|finding| finding.rule.id == rule.id)
            .into_iter()
            .collect(),
    };
    Example {
        path,
        text,
        kind,
        document,
        findings,
    }
}

/// Longest text that a recipe makes, in bytes.
const LONGEST_MADE: usize = 4 << 20;

/// The text that a recipe stands for, where no file should hold it: behind `repeat N` what is repeated, behind `latin-1` what is
/// written in that encoding.
fn made(recipe: &str) -> Result<String, ReadError> {
    let (order, rest) = recipe.split_once('\n').unwrap_or((recipe, ""));
    let rest = rest.trim_end_matches('\n');
    if let Some(times) = order.strip_prefix("repeat ") {
        let times = times.trim().parse().unwrap_or(0);
        return Ok(rest.repeat(
            LONGEST_MADE
                .checked_div(rest.len())
                .map_or(0, |most| most.min(times)),
        ));
    }
    let bytes: Vec<u8> = rest
        .chars()
        .map(|c| u8::try_from(c).unwrap_or(b'?'))
        .collect();
    String::from_utf8(bytes).map_err(|error| ReadError {
        code: "invalid_utf8",
        span: Span::default(),
        message: format!(
            "byte {} is not UTF-8; save the text in that encoding",
            error.utf8_error().valid_up_to()
        ),
    })
}

/// What the examples of a rule are.
pub fn kind_of(rule: &Rule) -> DocumentKind {
    match rule.group {
        Group::Plan => DocumentKind::Plan,
        Group::Target => DocumentKind::Target,
        Group::Case => DocumentKind::Case,
        _ => DocumentKind::Manifest,
    }
}

/// A text that is no document, as a finding of the rule of that name; none where no rule has it.
pub fn unread(error: &ReadError) -> Option<Finding> {
    let rule = super::named(error.code)?;
    Some(Finding {
        rule,
        severity: rule.severity,
        pointer: String::new(),
        span: error.span,
        message: error.message.clone(),
        change: None,
    })
}

/// The place that a rule's clause names: a requirement, or a heading in a file of `spec/`.
pub fn clause(id: &str) -> Option<Clause> {
    if let Some(requirement) = Registry::embedded().get(id) {
        return Some(Clause {
            id: id.to_owned(),
            file: format!("spec/{}.md", requirement.section),
            sentence: requirement.quote.clone(),
        });
    }
    let (name, heading) = id.split_once('#').unwrap_or((id, ""));
    let file = format!("spec/{name}");
    let text = embedded::text(&file)?;
    let mut lines = text.lines();
    if !heading.is_empty() {
        lines.find(|line| is_heading(line, heading))?;
    }
    let sentence = lines
        .map(str::trim)
        .find(|line| !line.is_empty() && !line.starts_with(['#', '|', '`']))
        .map(first_sentence)
        .unwrap_or_default();
    Some(Clause {
        id: id.to_owned(),
        file,
        sentence,
    })
}

/// Whether a line is a heading that is linked to so, with its number or without.
fn is_heading(line: &str, wanted: &str) -> bool {
    let Some(title) = line.strip_prefix('#') else {
        return false;
    };
    let slug: String = title
        .trim_start_matches('#')
        .trim()
        .to_lowercase()
        .chars()
        .filter_map(|c| match c {
            ' ' => Some('-'),
            c if c.is_alphanumeric() || c == '-' || c == '_' => Some(c),
            _ => None,
        })
        .collect();
    let plain = slug.trim_start_matches(|c: char| c.is_ascii_digit());
    slug == wanted || plain.trim_start_matches('-') == wanted
}

/// The first sentence of a paragraph, without the number of a clause.
fn first_sentence(line: &str) -> String {
    let numbered =
        |word: &str| word.ends_with('.') && word.starts_with(|c: char| c.is_ascii_digit());
    let line = match line.split_once(' ') {
        Some((number, rest)) if numbered(number) => rest,
        _ => line,
    };
    let end = line.find(". ").map_or(line.len(), |end| end + 1);
    let sentence = line.get(..end).unwrap_or(line);
    match sentence.char_indices().nth(LONGEST_SENTENCE) {
        Some((cut, _)) => format!("{}…", sentence.get(..cut).unwrap_or_default()),
        None => sentence.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clauses_are_requirements_or_headings() {
        let requirement = clause("MAN-002").expect("a requirement");
        assert_eq!(requirement.file, "spec/manifests.md");
        assert!(!requirement.sentence.is_empty());
        let section = clause("manifests.md#the-document").expect("a heading");
        assert!(
            section
                .sentence
                .starts_with("A manifest MUST be a JSON object")
        );
        assert_eq!(
            clause("manifests.md#1-the-document").map(|c| c.sentence),
            Some(section.sentence)
        );
        for id in [
            "manifests.md#nowhere",
            "absent.md",
            "MAN-999",
            "../Cargo.toml#x",
        ] {
            assert_eq!(clause(id), None, "{id}");
        }
    }
}
