//! Paths that lead nowhere, or perhaps nowhere.

use super::kinds::declared;
use super::sites::{Input, Site, sites};
use crate::expression::{Branch, Form, Step};
use crate::lint::near::nearest;
use crate::lint::rule::Found;
use crate::lint::rules::references::declared::Declared;
use crate::lint::subject::Subject;

const OF_STATE: [&str; 3] = ["lastResult", "results", "history"];
const OF_OBSERVATION: [&str; 5] = [
    "timestamp",
    "user_context",
    "environment",
    "last_result",
    "step",
];
const OF_USER: [&str; 2] = ["user_id", "preferences"];
const OF_RESULT: [&str; 6] = [
    "action_name",
    "success",
    "output",
    "error",
    "status",
    "attempts",
];

/// A step that finds nothing.
struct Miss {
    step: usize,
    name: String,
    /// What was surely meant.
    meant: Option<String>,
    /// Whether it can find nothing at all, rather than nothing that anybody told of.
    surely: bool,
}

/// The parts that are asked whether they are defined, or given a value otherwise.
fn guarded<'e>(whole: Branch<'e>) -> Vec<Branch<'e>> {
    let each = whole
        .all()
        .into_iter()
        .filter_map(|part| match part.form() {
            Form::Test {
                operand,
                defined: true,
                ..
            } => Some(operand),
            Form::Filtered(base, filters) => {
                let first = filters
                    .first()
                    .is_some_and(|filter| filter.name == "default");
                first.then_some(base)
            }
            _ => None,
        });
    each.collect()
}

pub(super) fn unknown(subject: &Subject<'_>, found: &mut Found<'_>) {
    for site in sites(subject) {
        let whole = site.expression.survey();
        let guarded = guarded(whole);
        for part in whole.all() {
            let Form::Path(root, steps) = part.form() else {
                continue;
            };
            let Some(miss) = miss(root, &steps, &site) else {
                continue;
            };
            if !miss.surely && guarded.contains(&part) {
                continue;
            }
            tell(&site, part, root, &miss, found);
        }
    }
}

fn tell(site: &Site<'_>, part: Branch<'_>, root: &str, miss: &Miss, found: &mut Found<'_>) {
    let name = &miss.name;
    let message = match (&miss.meant, root) {
        (Some(meant), _) => format!("'{part}' is undefined; did you mean '{meant}'?"),
        (None, "input") => {
            format!("'{part}' is undefined: the input has no '{name}'; name a member that it has")
        }
        (None, _) => format!(
            "'{part}' is undefined: the output has no '{name}' by its schema; name a member that it has"
        ),
    };
    let span = site.span(part);
    let noted = found
        .at(site.pointer.clone(), message)
        .within(span.0, span.1);
    let Some(meant) = &miss.meant else {
        return;
    };
    let new = site
        .text
        .get(span.0..span.1)
        .and_then(|written| renamed(written, root, part, miss.step, name, meant));
    let Some(steps) = new.and_then(|new| site.rewritten(span, &new)) else {
        return;
    };
    let title = format!("write '{meant}' for '{name}'");
    if miss.surely {
        noted.fix(title, steps);
    } else {
        noted.fix_unsafe(title, steps);
    }
}

/// A path with another name at one step; only of a path in its canonical form.
fn renamed(
    written: &str,
    root: &str,
    part: Branch<'_>,
    step: usize,
    name: &str,
    meant: &str,
) -> Option<String> {
    let Form::Path(_, steps) = part.form() else {
        return None;
    };
    let mut at = root.len();
    for before in steps.get(..step)? {
        let length = match before {
            Step::Member(name) => {
                let dotted = written.get(at..)?.starts_with(&format!(".{name}"));
                dotted.then_some(name.len() + 1)?
            }
            Step::Length => ".length".len(),
            Step::Index(_) => written.get(at..)?.find(']')? + 1,
        };
        at += length;
    }
    let rest = written.get(at..)?.strip_prefix(&format!(".{name}"))?;
    Some(format!("{}.{meant}{rest}", written.get(..at)?))
}

fn miss(root: &str, steps: &[Step<'_>], site: &Site<'_>) -> Option<Miss> {
    match declared(root, steps, site) {
        Declared::Never { step, names } => return missing(steps, step, names.iter(), true),
        Declared::Unnamed { step, names } => return missing(steps, step, names.iter(), false),
        Declared::Unknown => {}
        _ => return None,
    }
    let name = |index: usize| match steps.get(index) {
        Some(Step::Member(name)) => Some(*name),
        _ => None,
    };
    let misspelt = |step: usize, known: &[&str]| misspelt(name(step)?, step, known.iter().copied());
    match (root, name(0), site.input) {
        ("input", Some(own), Input::Members(members)) if !members.contains_key(own) => {
            missing(steps, 0, members.keys().map(String::as_str), true)
        }
        ("input", Some(_), Input::Empty) => missing(steps, 0, std::iter::empty(), true),
        ("state", Some("results"), _) => {
            let outputs = site.outputs.as_ref()?;
            self::misspelt(name(1)?, 1, outputs.keys().copied())
        }
        ("state", Some(_), _) => misspelt(0, &OF_STATE),
        ("observation", Some("user_context"), _) => misspelt(1, &OF_USER),
        ("observation", Some("last_result"), _) => misspelt(1, &OF_RESULT),
        ("observation", Some(_), _) => misspelt(0, &OF_OBSERVATION),
        _ => None,
    }
}

fn misspelt<'n>(given: &str, step: usize, known: impl Iterator<Item = &'n str>) -> Option<Miss> {
    let meant = nearest(given, known)?;
    Some(Miss {
        step,
        name: given.to_owned(),
        meant: Some(meant.to_owned()),
        surely: false,
    })
}

fn missing<'n>(
    steps: &[Step<'_>],
    step: usize,
    names: impl Iterator<Item = &'n str>,
    surely: bool,
) -> Option<Miss> {
    let (name, meant) = match steps.get(step)? {
        Step::Member(name) => {
            let known = names.chain(["length"]);
            let meant = nearest(name, known).map(str::to_owned);
            ((*name).to_owned(), meant)
        }
        Step::Length => ("length".to_owned(), None),
        Step::Index(index) => (index.to_string(), None),
    };
    Some(Miss {
        step,
        name,
        meant,
        surely,
    })
}

pub(super) fn roots(subject: &Subject<'_>, found: &mut Found<'_>) {
    for site in sites(subject) {
        for part in site.expression.survey().all() {
            let message = match part.form() {
                Form::Path("state", _) if !site.has_state => {
                    "'state' is never defined here: only a session asks this question; read 'observation' or 'input'"
                }
                Form::Path("observation", _) if !site.has_observation => {
                    "'observation' is never defined in a workflow; read 'state' or 'input'"
                }
                _ => continue,
            };
            let (start, end) = site.span(part);
            found.at(site.pointer.clone(), message).within(start, end);
        }
    }
}

/// Paths whose absence makes the evaluation fail.
pub(super) fn perhaps_undefined(subject: &Subject<'_>, found: &mut Found<'_>) {
    for site in sites(subject) {
        let whole = site.expression.survey();
        let parts = whole.all();
        let mut needed: Vec<Branch<'_>> = Vec::new();
        let mut guards = guarded(whole);
        for part in &parts {
            match part.form() {
                Form::Comparison(left, "<" | "<=" | ">" | ">=", right) => {
                    needed.extend([left, right])
                }
                Form::Comparison(_, "in" | "not in", right) => needed.push(right),
                Form::Negative(operand) => needed.push(operand),
                Form::Arithmetic(first, rest) => {
                    needed.push(first);
                    needed.extend(rest.iter().map(|operand| operand.value));
                }
                Form::Filtered(base, filters)
                    if filters
                        .first()
                        .is_some_and(|filter| filter.name != "default") =>
                {
                    needed.push(base);
                }
                // What was true before is there.
                Form::And(operands) | Form::Or(operands) => guards.extend(operands),
                _ => {}
            }
        }
        for part in needed {
            let Form::Path(root @ "input", steps) = part.form() else {
                continue;
            };
            let optional = match declared(root, &steps, &site) {
                Declared::Schema { surely, .. } | Declared::Count { surely } => !surely,
                _ => false,
            };
            let path = part.to_string();
            let is_guarded = guards
                .iter()
                .any(|guard| path.starts_with(&guard.to_string()));
            if optional && !is_guarded {
                let message = format!(
                    "'{path}' may be absent, and then this fails instead of being false; ask `is defined` first, or give a value with `default`"
                );
                let (start, end) = site.span(part);
                found.at(site.pointer.clone(), message).within(start, end);
            }
        }
    }
}
