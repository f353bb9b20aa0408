//! Every rule is held against its examples, `fixtures/lint/<id>/`, and against the table in `spec/lint.md`.
//!
//! `OAP_LINT_GROUP=schema` looks at one group only, `OAP_LINT_RULE=unused_ignore` at one rule.

use std::collections::{BTreeMap, BTreeSet};

use super::config::Config;
use super::explain::{Example, Mending, clause, examples, explain};
use super::{Check, Document, Preset, Rule, Selection, Severity, all, fix, judge};
use crate::document::{Format, Limits};
use crate::embedded;

/// The rules that this run looks at.
fn chosen() -> Vec<&'static Rule> {
    let wish = |name: &str| std::env::var(name).ok();
    let (group, id) = (wish("OAP_LINT_GROUP"), wish("OAP_LINT_RULE"));
    all()
        .filter(|rule| {
            group
                .as_deref()
                .is_none_or(|group| group == rule.group.name())
        })
        .filter(|rule| id.as_deref().is_none_or(|id| id == rule.id))
        .collect()
}

/// Says all complaints at once.
fn told(complaints: &[String]) {
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
}

#[test]
fn every_rule_has_examples() {
    let mut complaints = Vec::new();
    for rule in chosen() {
        for which in ["bad", "good"] {
            let count = examples(rule, which).len();
            if count < 2 {
                complaints.push(format!("{}: {count} {which} examples", rule.id));
            }
        }
        let shown = ["bad", "good"].map(|which| examples(rule, which).into_iter().next());
        for example in shown.iter().flatten() {
            if example.text.lines().count() > 25 {
                complaints.push(format!("{}: more than 25 lines", example.path));
            }
        }
    }
    told(&complaints);
}

#[test]
fn every_bad_example_breaks_its_rule_exactly_where_it_says() {
    let mut complaints = Vec::new();
    for rule in chosen() {
        let path = format!("fixtures/lint/{}/expect.toml", rule.id);
        let text = embedded::text(&path).unwrap_or_default();
        let expected: BTreeMap<String, Vec<String>> = match toml::from_str(&text) {
            Ok(expected) => expected,
            Err(error) => {
                complaints.push(format!("{path}: {error}"));
                continue;
            }
        };
        // What the loaders of other rooms refuse is held against its examples there.
        if matches!(rule.check, Check::Told) {
            continue;
        }
        let bad = examples(rule, "bad");
        let names: BTreeSet<String> = bad.iter().map(name_of).collect();
        if names != expected.keys().cloned().collect() {
            complaints.push(format!("{path} is not about {names:?}"));
        }
        for example in &bad {
            let mut wanted = expected.get(&name_of(example)).cloned().unwrap_or_default();
            let mut found: Vec<String> = example
                .findings
                .iter()
                .map(|finding| finding.pointer.clone())
                .collect();
            wanted.sort();
            found.sort();
            if wanted != found || wanted.is_empty() {
                complaints.push(format!(
                    "{}: expected {wanted:?}, got {found:?}",
                    example.path
                ));
            }
            for finding in &example.findings {
                let end = finding.span.end;
                if finding.message.is_empty()
                    || finding.span.start > end
                    || end > example.text.len()
                {
                    complaints.push(format!("{}: {finding:?}", example.path));
                }
            }
        }
    }
    told(&complaints);
}

#[test]
fn no_good_example_breaks_its_rule_or_the_specification() {
    let selection = Selection::preset(Preset::Spec);
    let mut complaints = Vec::new();
    for rule in chosen() {
        for example in examples(rule, "good") {
            for finding in &example.findings {
                complaints.push(format!("{}: {}", example.path, finding.message));
            }
            match &example.document {
                Ok(document) => {
                    let judged =
                        judge(document, example.kind, &selection, &Config::default(), None);
                    for finding in judged.findings {
                        if finding.severity == Severity::Error {
                            complaints.push(format!(
                                "{}: {} at '{}': {}",
                                example.path, finding.rule.id, finding.pointer, finding.message
                            ));
                        }
                    }
                }
                Err(error) => complaints.push(format!("{}: {error}", example.path)),
            }
        }
    }
    told(&complaints);
}

#[test]
fn every_fix_mends_its_finding_and_converges() {
    let config = Config::default();
    let mut complaints = Vec::new();
    for rule in chosen() {
        let only = Selection::preset(Preset::Strict).only([rule.id.to_owned()]);
        for example in examples(rule, "bad") {
            let Ok(document) = &example.document else {
                continue;
            };
            let offered = example
                .findings
                .iter()
                .filter(|finding| finding.change.is_some());
            let offered = offered.count();
            let mend = |document: &Document, also_unsafe| {
                fix::apply(
                    document,
                    example.kind,
                    &only,
                    also_unsafe,
                    &Limits::DOCUMENT,
                    |_, _| true,
                )
            };
            let mended = mend(document, true);
            let left = judge(&mended.document, example.kind, &only, &config, None).findings;
            if let Some(left) = left.iter().find(|finding| finding.change.is_some()) {
                complaints.push(format!("{}: a fix does nothing: {left:?}", example.path));
            }
            if left.len() + offered > example.findings.len() {
                complaints.push(format!(
                    "{}: {} findings are left",
                    example.path,
                    left.len()
                ));
            }
            let again = mend(&mended.document, true);
            if !again.applied.is_empty() || again.document.text() != mended.document.text() {
                complaints.push(format!(
                    "{}: does not converge: {:?}",
                    example.path, again.applied
                ));
            }
            let errors = |document: &Document| {
                let spec = Selection::preset(Preset::Spec);
                let judged = judge(document, example.kind, &spec, &config, None);
                let errors = judged.findings.into_iter();
                errors
                    .filter(|finding| finding.severity == Severity::Error)
                    .count()
            };
            let safely = mend(document, false);
            if !safely.applied.is_empty() && errors(&safely.document) > errors(document) {
                complaints.push(format!("{}: a safe fix breaks the manifest", example.path));
            }
        }
    }
    told(&complaints);
}

#[test]
fn every_rule_can_be_explained() {
    let mut complaints = Vec::new();
    for rule in chosen() {
        let explanation = explain(rule);
        if clause(rule.clause).is_none_or(|clause| clause.sentence.is_empty()) {
            complaints.push(format!("{}: no prose at '{}'", rule.id, rule.clause));
        }
        let is_told = matches!(rule.check, Check::Told);
        if explanation
            .bad
            .is_none_or(|bad| bad.findings.is_empty() && !is_told)
        {
            complaints.push(format!("{}: no finding in its bad example", rule.id));
        }
        if explanation.good.is_none() || rule.summary.is_empty() || rule.why.len() < 40 {
            complaints.push(format!("{}: too little to say", rule.id));
        }
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if !rule.id.starts_with(|c: char| c.is_ascii_lowercase()) || !rule.id.chars().all(plain) {
            complaints.push(format!("{}: not an id", rule.id));
        }
    }
    told(&complaints);
}

#[test]
fn ids_are_unique_and_examples_have_a_rule() {
    let mut seen = BTreeSet::new();
    for rule in all() {
        assert!(seen.insert(rule.id), "{} is there twice", rule.id);
    }
    let strays: BTreeSet<String> = embedded::list("fixtures/lint/")
        .iter()
        .filter_map(|path| path.split('/').nth(2).map(str::to_owned))
        .filter(|id| !seen.contains(id.as_str()))
        .collect();
    assert!(strays.is_empty(), "no rule has these examples: {strays:?}");
    let read: BTreeSet<String> = all()
        .flat_map(|rule| ["bad", "good"].map(|which| examples(rule, which)))
        .flatten()
        .map(|example| example.path)
        .collect();
    let unread: Vec<String> = embedded::list("fixtures/lint/")
        .into_iter()
        .filter(|path| !path.ends_with("/expect.toml") && !read.contains(path))
        .collect();
    assert!(
        unread.is_empty(),
        "number examples without gaps: {unread:?}"
    );
}

#[test]
fn the_table_of_the_prose_is_the_table_of_the_rules() {
    let prose = embedded::text("spec/lint.md").expect("spec/lint.md is there");
    let table: BTreeSet<String> = prose
        .lines()
        .filter(|line| line.starts_with("| `"))
        .map(str::to_owned)
        .collect();
    let rules: BTreeSet<String> = all().map(row).collect();
    let missing: Vec<&String> = rules.difference(&table).collect();
    let strays: Vec<&String> = table
        .difference(&rules)
        .filter(|line| line.matches('|').count() == 7)
        .collect();
    assert!(
        missing.is_empty() && strays.is_empty(),
        "missing:\n{missing:#?}\nnot of a rule:\n{strays:#?}"
    );
}

/// The row of a rule in the prose.
fn row(rule: &'static Rule) -> String {
    let fix = match explain(rule).fix {
        Mending::None => "",
        Mending::Unsafe => "unsafe",
        Mending::Safe => "safe",
    };
    format!(
        "| `{}` | {} | {} | {} | {} | {} |",
        rule.id,
        rule.group.name(),
        rule.severity.name(),
        rule.preset.name(),
        fix,
        rule.summary.replace('|', "\\|"),
    )
}

#[test]
fn both_formats_and_spellings_are_among_the_examples() {
    let paths = embedded::list("fixtures/lint/");
    for ending in ["json", "yaml"] {
        assert!(paths.iter().any(|path| path.ends_with(ending)), "{ending}");
    }
}

#[test]
fn valid_manifests_break_no_rule_of_the_specification() {
    let selection = Selection::preset(Preset::Spec);
    for path in embedded::list("fixtures/manifests/valid/") {
        let text = embedded::text(&path).expect("a text");
        let document = Document::read(text, Format::of(path.as_ref())).expect("a document");
        let kind = super::DocumentKind::Manifest;
        let judged = judge(&document, kind, &selection, &Config::default(), None);
        let errors = judged.findings.iter();
        let errors: Vec<_> = errors
            .filter(|finding| finding.severity == Severity::Error)
            .map(|finding| (finding.rule.id, &finding.pointer))
            .collect();
        assert!(errors.is_empty(), "{path}: {errors:?}");
    }
}

fn name_of(example: &Example) -> String {
    let file = example.path.rsplit('/').next().unwrap_or_default();
    file.split('.').next().unwrap_or_default().to_owned()
}
