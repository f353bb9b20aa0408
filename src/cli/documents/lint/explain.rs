//! `oap-conform explain RULE`, and the list of rules.

use serde_json::{Value, json};

use crate::cli::Format;
use crate::cli::failure::Failure;
use crate::cli::output::show;
use crate::document::Lines;
use crate::lint::config::known;
use crate::lint::explain::{self as about, Example, Explanation, Mending};
use crate::lint::{Rule, all};
use crate::suite::report::text::lines as safe;

use super::Form;
use super::draw::drawn;
use super::json::written;
use super::loaded::told_of_example;
use super::report::{FileReport, Shown};

/// Longest line of prose, in characters.
const WIDTH: usize = 96;
/// Longest line of an example that is shown whole, in characters.
const WIDEST: usize = 160;
/// Most bytes of an example that are shown.
const LONGEST: usize = 8 * 1024;

/// Prints all about a rule.
pub(in crate::cli) fn explain(id: &str, format: Format) -> Result<u8, Failure> {
    let rule = known(id).map_err(Failure::usage)?;
    let explanation = about::explain_with(rule, &told_of_example);
    match format {
        Format::Text => show(&text(&explanation)),
        Format::Json => show(&written(&value(&explanation))?),
    }
    Ok(0)
}

/// Every rule, in one line each or as JSON.
pub(super) fn list(form: Form) -> Result<String, Failure> {
    match form {
        Form::Json => {
            let rules: Vec<Value> = all()
                .map(|rule| facts(rule, about::explain(rule).fix))
                .collect();
            written(&json!({ "rules": rules }))
        }
        Form::Text | Form::Short => {
            let mut out = String::new();
            let mut group = None;
            let widest = all().map(|rule| rule.id.len()).max().unwrap_or(0);
            for rule in all() {
                if group != Some(rule.group) {
                    group = Some(rule.group);
                    out.push_str(&format!("{}\n", rule.group.name()));
                }
                out.push_str(&format!(
                    "  {:widest$}  {:7}  {:11}  {}\n",
                    rule.id,
                    rule.severity.name(),
                    rule.preset.name(),
                    rule.summary
                ));
            }
            out.push_str(&format!(
                "\n{} rules; 'oap-conform explain RULE' says why, with examples\n",
                all().count()
            ));
            Ok(out)
        }
        Form::Sarif | Form::Github | Form::Junit => Err(Failure::usage(
            "rules are listed as text or json; use '--format json'",
        )),
    }
}

fn facts(rule: &Rule, fix: Mending) -> Value {
    json!({
        "id": rule.id,
        "group": rule.group,
        "severity": rule.severity,
        "preset": rule.preset,
        "clause": rule.clause,
        "summary": rule.summary,
        "fix": fix,
    })
}

fn value(explanation: &Explanation) -> Value {
    let mut value = facts(explanation.rule, explanation.fix);
    let example = |example: &Option<Example>| {
        example.as_ref().map(|example| {
            let findings: Vec<Value> = shown(example).iter().map(Shown::value).collect();
            json!({"path": example.path, "text": example.text, "findings": findings})
        })
    };
    if let Some(members) = value.as_object_mut() {
        members.insert("clause".to_owned(), json!(explanation.clause));
        members.insert("why".to_owned(), json!(explanation.rule.why));
        members.insert("bad".to_owned(), json!(example(&explanation.bad)));
        members.insert("good".to_owned(), json!(example(&explanation.good)));
    }
    value
}

fn text(explanation: &Explanation) -> String {
    let rule = explanation.rule;
    let clause = &explanation.clause;
    let mut out = format!(
        "{}: {}\n  {} of group {}, from preset {} on\n\n{}\n\n{} ({})\n{}\n",
        rule.id,
        rule.summary,
        rule.severity.name(),
        rule.group.name(),
        rule.preset.name(),
        wrapped(rule.why, "  "),
        clause.id,
        clause.file,
        wrapped(&format!("\"{}\"", clause.sentence), "  "),
    );
    if let Some(bad) = &explanation.bad {
        out.push_str(&format!("\nbad: {}\n\n{}\n", bad.path, indented(&bad.text)));
        let file = FileReport {
            path: bad.path.clone(),
            kind: Some(bad.kind.name()),
            score: 0,
            findings: Vec::new(),
            left_out: 0,
            accepted: 0,
            fixed: Vec::new(),
            diff: None,
        };
        for finding in shown(bad) {
            out.push_str(&drawn(&file, &finding, false));
            out.push('\n');
        }
    }
    if let Some(good) = &explanation.good {
        out.push_str(&format!(
            "\ngood: {}\n\n{}",
            good.path,
            indented(&good.text)
        ));
    }
    out.push_str(match explanation.fix {
        Mending::None => "\nfix: by hand\n",
        Mending::Unsafe => "\nfix: 'oap-conform lint --fix-unsafe' can; look at the result\n",
        Mending::Safe => "\nfix: 'oap-conform lint --fix' can\n",
    });
    out.push_str(&format!(
        "accept: \"x-lint-ignore\": [\"{0}\"] in the object, or '# oap-lint-ignore: {0} reason' in YAML\n",
        rule.id
    ));
    out
}

/// The findings of an example, ready to be drawn.
fn shown(example: &Example) -> Vec<Shown> {
    let lines = Lines::of(&example.text);
    let document = example.document.as_ref().ok();
    let findings = example.findings.iter();
    findings
        .map(|finding| Shown::new(finding, &example.text, &example.text, &lines, document))
        .collect()
}

/// A text as it stands in a page; of one that is an example of size only the beginning.
fn indented(text: &str) -> String {
    safe(first_bytes(text))
        .lines()
        .map(|line| match line.char_indices().nth(WIDEST) {
            Some((end, _)) => format!("    {}…\n", line.get(..end).unwrap_or_default()),
            None => format!("    {line}\n"),
        })
        .collect()
}

/// At most [`LONGEST`] bytes, between characters.
fn first_bytes(text: &str) -> &str {
    let mut end = LONGEST.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}

/// Prose in lines of at most [`WIDTH`] characters.
fn wrapped(prose: &str, indent: &str) -> String {
    let mut out = String::new();
    let mut width = WIDTH;
    for word in prose.split_whitespace() {
        let long = word.chars().count() + 1;
        if width + long > WIDTH {
            if !out.is_empty() {
                out.push('\n');
            }
            out.push_str(indent);
            width = indent.len();
        } else {
            out.push(' ');
        }
        out.push_str(word);
        width += long;
    }
    out
}
