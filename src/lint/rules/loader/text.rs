//! Rules of texts that are no document, under the codes of those who read them.

use super::GROUP;
use crate::lint::{Check, Rule};

/// The rules.
pub(in crate::lint::rules) const RULES: &[Rule] = &[
    GROUP.refused(
        "duplicate_key",
        "REG-006",
        Check::Loader,
        "a member is named twice in one object",
        "Readers disagree which of the two counts, so two runtimes would run two different manifests. Keep one of them. In the JSON-LD \
         spelling a prefixed name and the plain one are the same member.",
    ),
    GROUP.refused(
        "malformed_json",
        "MAN-001",
        Check::Loader,
        "the text is not JSON",
        "Nothing can be read from a text that is not strict JSON: no comments, no comma after the last element, no NaN, double quotes \
         around names and strings. The place is where the text stops being JSON; the slip is there or right before it.",
    ),
    GROUP.refused(
        "malformed_yaml",
        "MAN-001",
        Check::Loader,
        "the text is not YAML that JSON can say",
        "YAML is a notation for authors; what a runtime gets is JSON. So there is one document, its keys are strings, and its numbers are \
         those of JSON. Tabs do not indent, and a text with `: ` or ` #` in it needs quotes.",
    ),
    GROUP.refused(
        "too_large",
        "manifests.md#1-the-document",
        Check::Loader,
        "the text has more than 1 MiB",
        "A manifest is sent, checked and shown to a model as a whole, and runtimes refuse one of more than 1 MiB. Divide it into several, \
         or move code and examples out of it.",
    ),
    GROUP.refused(
        "too_deep",
        "manifests.md#1-the-document",
        Check::Loader,
        "arrays and objects nest more than 64 levels",
        "Readers bound how deep they follow a document, and runtimes refuse more than 64 levels. Put repeated parts of a schema under \
         `$defs` and refer to them.",
    ),
    GROUP.refused(
        "invalid_utf8",
        "MAN-001",
        Check::Loader,
        "the text is not UTF-8",
        "JSON travels as UTF-8. Save the file in that encoding, without Latin-1 or UTF-16 parts.",
    ),
    GROUP.refused(
        "too_many_violations",
        "REG-003",
        Check::Loader,
        "there are more violations than are listed",
        "At most 100 violations of one manifest are listed, so there may be others behind them. Mend the listed ones and check again; often \
         one slip has caused many.",
    ),
];
