//! A comparison of two manifests as text, JSON and Markdown.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use super::{Comparison, Side};
use crate::cli::failure::{Failure, plural};
use crate::cli::harness::pretty;
use crate::compat::{Change, Level};
use crate::document::Place;
use crate::suite::report::inline;
use crate::suite::report::text::{cut, one_line};

/// Longest value that is shown to people, in characters.
const LONGEST_VALUE: usize = 200;

/// Longest path and message that is shown to people, in characters.
const LONGEST_LINE: usize = 400;

/// Most rows in Markdown.
const MOST_ROWS: usize = 500;

const LEVELS: [Level; 3] = [Level::Breaking, Level::Compatible, Level::Patch];

impl Side {
    /// Where the member at a pointer stands: its name, or the value where it has none.
    fn place(&self, pointer: &str) -> Place {
        let span = self.document.key_span(pointer);
        self.document.place(span.start)
    }

    fn at(&self, pointer: &str) -> String {
        let place = self.place(pointer);
        format!("{}:{}:{}", one_line(&self.name), place.line, place.column)
    }

    fn value(&self) -> Value {
        json!({
            "file": self.name,
            "name": self.called,
            "version": self.version.as_ref().map(ToString::to_string),
            "digest": self.digest,
        })
    }
}

fn shown(text: &str) -> String {
    cut(one_line(text), LONGEST_LINE)
}

impl Comparison<'_> {
    /// How many changes there are of each level.
    fn counts(&self) -> String {
        let mut counts: Vec<String> = LEVELS
            .into_iter()
            .map(|level| format!("{} {level}", self.count(level)))
            .collect();
        match self.accepted() {
            0 => {}
            accepted => counts.push(format!("{accepted} accepted")),
        }
        format!(
            "{}: {}",
            plural(self.changes.len(), "change"),
            counts.join(", ")
        )
    }

    /// What the versions have to say to it.
    fn verdict(&self) -> String {
        if self.changes.is_empty() {
            return match self.old.digest == self.new.digest {
                true => "the manifests say the same".to_owned(),
                false => "the manifests say the same in another order".to_owned(),
            };
        }
        let Some((bump, least)) = self.demanded() else {
            return "the older manifest has no version that could be raised".to_owned();
        };
        let declared = match &self.new.version {
            Some(version) => format!("{version} is declared"),
            None => "none is declared".to_owned(),
        };
        match self.worst() {
            None => format!("no other version is demanded; {declared}"),
            Some(_) => format!(
                "demands a {} version, {least} or higher; {declared}",
                bump.name()
            ),
        }
    }

    /// What is wrong with the versions, and fingerprints that accept nothing.
    fn remarks(&self) -> Vec<String> {
        let mut remarks = Vec::new();
        match &self.fits {
            Some(Err(refusal)) => remarks.push(format!("error: {refusal}")),
            Some(Ok(())) => remarks.push("the version fits".to_owned()),
            None => {}
        }
        for print in self.idle() {
            remarks.push(format!(
                "warning: no change has the fingerprint {print}; leave --accept out"
            ));
        }
        remarks
    }
}

/// For people.
pub(super) fn text(comparison: &Comparison<'_>) -> String {
    let mut out = String::new();
    for change in &comparison.changes {
        let level = match comparison.is_accepted(change) {
            true => "ACCEPTED".to_owned(),
            false => change.level.name().to_uppercase(),
        };
        let security = if change.security { ", security" } else { "" };
        let _ = writeln!(
            out,
            "{level:10} {} [{}, {}{security}]\n           in {}\n           old {}\n           new {}",
            shown(&change.message),
            change.kind,
            change.direction.name(),
            shown(&change.path),
            comparison.old.at(&change.pointer_old),
            comparison.new.at(&change.pointer_new),
        );
        if let Some(line) = example(change) {
            let _ = writeln!(out, "           {line}");
        }
        let _ = writeln!(out, "           fingerprint {}\n", change.fingerprint);
    }
    let _ = writeln!(out, "{}", comparison.counts());
    let _ = writeln!(out, "{}", comparison.verdict());
    for remark in comparison.remarks() {
        let _ = writeln!(out, "{remark}");
    }
    out
}

fn example(change: &Change) -> Option<String> {
    let value = cut(
        one_line(&change.counterexample.as_ref()?.to_string()),
        LONGEST_VALUE,
    );
    Some(match change.direction {
        crate::compat::Direction::Output => format!("may come now: {value}"),
        _ => format!("no longer accepted: {value}"),
    })
}

/// For programs; the schema is `spec/schemas/manifest-diff.json`.
pub(super) fn json(comparison: &Comparison<'_>) -> Result<String, Failure> {
    let place = |side: &Side, pointer: &str| {
        let place = side.place(pointer);
        json!({"pointer": pointer, "line": place.line, "column": place.column})
    };
    let change = |change: &Change| {
        let mut members = Map::new();
        let mut put = |name: &str, value: Value| members.insert(name.to_owned(), value);
        put("kind", change.kind.into());
        put("level", change.level.name().into());
        put("direction", change.direction.name().into());
        put("security", change.security.into());
        put("path", change.path.clone().into());
        put("message", change.message.clone().into());
        put("old", place(&comparison.old, &change.pointer_old));
        put("new", place(&comparison.new, &change.pointer_new));
        put("fingerprint", change.fingerprint.clone().into());
        put("accepted", comparison.is_accepted(change).into());
        if let Some(value) = &change.counterexample {
            put("counterexample", value.clone());
        }
        Value::Object(members)
    };
    let demanded = comparison.demanded();
    let mut value = json!({
        "old": comparison.old.value(),
        "new": comparison.new.value(),
        "totals": {
            "breaking": comparison.count(Level::Breaking),
            "compatible": comparison.count(Level::Compatible),
            "patch": comparison.count(Level::Patch),
            "accepted": comparison.accepted(),
        },
        "demands": demanded.as_ref().map(|(bump, _)| bump.name()),
        "least_version": demanded.as_ref().map(|(_, least)| least.to_string()),
        "changes": comparison.changes.iter().map(change).collect::<Vec<_>>(),
        "unused_accept": comparison.idle(),
    });
    if let (Some(fits), Some(members)) = (&comparison.fits, value.as_object_mut()) {
        let check = match fits {
            Ok(()) => json!({"fits": true}),
            Err(refusal) => json!({"fits": false, "message": refusal.to_string()}),
        };
        members.insert("check".to_owned(), check);
    }
    Ok(pretty(&value)? + "\n")
}

/// For the summary of a pipeline's step.
pub(super) fn markdown(comparison: &Comparison<'_>) -> String {
    let mut out = format!(
        "## {}\n\n{}\n",
        comparison.counts(),
        inline(&comparison.verdict())
    );
    for remark in comparison.remarks() {
        let _ = write!(out, "\n{}\n", inline(&remark));
    }
    if comparison.changes.is_empty() {
        return out;
    }
    let _ = writeln!(
        out,
        "\n| level | kind | change | place | old | new | fingerprint |\n|---|---|---|---|---|---|---|"
    );
    for change in comparison.changes.iter().take(MOST_ROWS) {
        let level = match comparison.is_accepted(change) {
            true => "accepted",
            false => change.level.name(),
        };
        let mut told = inline(&shown(&change.message));
        if let Some(line) = example(change) {
            let _ = write!(told, "; {}", inline(&line));
        }
        let _ = writeln!(
            out,
            "| {level} | {} | {told} | {} | {} | {} | {} |",
            change.kind,
            inline(&shown(&change.path)),
            inline(&comparison.old.at(&change.pointer_old)),
            inline(&comparison.new.at(&change.pointer_new)),
            change.fingerprint,
        );
    }
    match comparison.changes.len().saturating_sub(MOST_ROWS) {
        0 => {}
        more => {
            let _ = writeln!(out, "\n{} more; see the JSON form", plural(more, "change"));
        }
    }
    out
}
