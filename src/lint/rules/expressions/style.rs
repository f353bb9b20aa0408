//! What says the same in a plainer way.

use super::kinds::kinds;
use super::sites::sites;
use crate::expression::Form;
use crate::lint::rule::Found;
use crate::lint::rules::references::kinds::Kinds;
use crate::lint::subject::Subject;

/// From so many bytes on a conditional is hard to read.
const LONG: usize = 300;

pub(super) fn negations(subject: &Subject<'_>, found: &mut Found<'_>) {
    for site in sites(subject) {
        if !site.is_condition {
            continue;
        }
        if let Some(plain) = site.expression.plainer() {
            let span = site.whole();
            let message = format!("a `not` here can be done without; write `{plain}`");
            let noted = found
                .at(site.pointer.clone(), message)
                .within(span.0, span.1);
            if let Some(steps) = site.rewritten(span, &plain) {
                noted.fix(format!("write `{plain}`"), steps);
            }
        }
    }
}

pub(super) fn defaults(subject: &Subject<'_>, found: &mut Found<'_>) {
    for site in sites(subject) {
        for part in site.expression.survey().all() {
            let Form::Filtered(base, filters) = part.form() else {
                continue;
            };
            let default = filters.iter().position(|filter| filter.name == "default");
            // A path may be undefined in a workflow before its defaults, whatever the schema says.
            let reads = |part| matches!(part, Form::Path(..));
            let needless = match default {
                Some(0) => !reads(base.form()) && !kinds(base, &site).meets(Kinds::UNDEFINED),
                Some(index) => filters
                    .get(index - 1)
                    .is_some_and(|before| !matches!(before.name, "first" | "last" | "default")),
                None => false,
            };
            if let Some(filter) = default
                .and_then(|index| filters.get(index))
                .filter(|_| needless)
            {
                let start = site.start + filter.at;
                found
                    .at(site.pointer.clone(), "what stands before `default` is never undefined; leave the filter out, or put it first")
                    .within(start, start + filter.name.len());
            }
        }
    }
}

pub(super) fn long(subject: &Subject<'_>, found: &mut Found<'_>) {
    for site in sites(subject) {
        let bytes = site.expression.text().trim().len();
        if site.is_condition && bytes > LONG {
            let message = format!(
                "the conditional has {bytes} bytes; let an action compute part of it, or ask less"
            );
            found.at(site.pointer.clone(), message);
        }
    }
}
