//! All rules, a table a group.

mod case;
mod ergonomics;
mod expressions;
mod loader;
mod notation;
mod plan;
mod references;
mod schema;
mod security;
mod target;
mod versions;

pub(super) use security::{secrets, secrets_in_text};

use super::rule::{Raw, Rule};
use super::subject::Subject;
use super::{Check, Selection, Told};

/// Every rule, by group.
pub fn all() -> impl Iterator<Item = &'static Rule> {
    [
        loader::TEXT,
        loader::KEYWORDS,
        loader::MODEL,
        notation::RULES,
        schema::RULES,
        references::RULES,
        expressions::RULES,
        security::RULES,
        ergonomics::RULES,
        versions::RULES,
        plan::RULES,
        target::RULES,
        case::RULES,
        super::ignore::RULES,
    ]
    .into_iter()
    .flatten()
}

/// The rule of this id.
pub fn named(id: &str) -> Option<&'static Rule> {
    all().find(|rule| rule.id == id)
}

/// What the loader of the subject's kind reports, under the rules of those names.
pub(super) fn loaded(subject: &Subject<'_>, selection: &Selection, raw: &mut Vec<Raw>) {
    let reported = loader::report(subject);
    for violation in reported {
        let Some(rule) = named(&violation.rule) else {
            continue;
        };
        if matches!(rule.check, Check::Loader) && selection.has(rule) {
            let loader::Advice { message, change } = loader::advice(rule, &violation, subject);
            raw.push(Raw {
                rule,
                change,
                pointer: violation.pointer,
                name: loader::points_at_name(rule),
                original: true,
                message: message.unwrap_or(violation.message),
                within: None,
            });
        }
    }
}

/// What loaders of other rooms refuse, under the rules of those names.
pub(super) fn told(told: &[Told], selection: &Selection, raw: &mut Vec<Raw>) {
    for one in told {
        let Some(rule) = named(one.rule) else {
            continue;
        };
        if matches!(rule.check, Check::Told) && selection.has(rule) {
            raw.push(Raw {
                rule,
                pointer: one.pointer.clone(),
                name: false,
                original: true,
                message: one.message.clone(),
                change: None,
                within: None,
            });
        }
    }
}
