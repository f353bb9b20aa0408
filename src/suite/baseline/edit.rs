//! Writing baselines: new ones, more entries, fewer entries. What people wrote between the entries stays.

use std::collections::BTreeSet;

use jiff::civil::Date;
use toml_edit::{ArrayOfTables, DocumentMut, Item, RawString, Table, value};

use super::judge::{Universe, apply};
use super::{Baseline, BaselineError, Entry, Kind, WHOLE_CASE, checks};
use crate::suite::report::Report;
use crate::suite::runner::NOT_STARTED;
use crate::suite::verdict::Verdict;

/// What stands above the entries of a new baseline.
const HEADER: &str = "\
# Failures that are known and accepted for now, each with its reason. They still run, and they do not make the target conformant;
# a run with this file exits 0 when nothing else fails. An entry whose check passes now, whose day is over, or that fits no case,
# fails the run: `oap-conform baseline prune REPORT.json` takes out those that are done.
";

/// The name of the entries in the file.
const ENTRIES: &str = "expected";

/// What new entries say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Terms {
    /// Why the failures are accepted; needed as soon as there is a new entry.
    pub reason: Option<String>,
    /// Where the work on them is followed.
    pub issue: Option<String>,
    /// The last day on which they are accepted.
    pub expires: Option<Date>,
    /// Whether violations of a SHOULD get entries too.
    pub warnings: bool,
    /// One entry for a case, in place of one for each of its checks.
    pub whole: bool,
}

/// What an edit did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Added {
    /// The file's new text.
    pub text: String,
    /// Case and check of each entry that was added, or taken out.
    pub entries: Vec<(String, String)>,
}

/// Why a baseline cannot be edited.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EditError {
    /// It cannot be read as it is.
    Unreadable(BaselineError),
    /// There are new entries, as many, and no reason for them.
    NoReason(usize),
    /// It holds its entries in a form that cannot be edited.
    Form(String),
}

impl std::fmt::Display for EditError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unreadable(error) => error.fmt(f),
            Self::NoReason(count) => write!(
                f,
                "{count} new entries need a reason; give it with --reason 'why these failures are accepted'"
            ),
            Self::Form(file) => write!(
                f,
                "{file}: the entries cannot be edited as they stand; write each below its own [[{ENTRIES}]]"
            ),
        }
    }
}

impl std::error::Error for EditError {}

impl From<BaselineError> for EditError {
    fn from(error: BaselineError) -> Self {
        Self::Unreadable(error)
    }
}

/// A new baseline with an entry for each check that failed.
///
/// # Errors
/// When there is an entry to write and no reason for it.
pub fn init(report: &Report, terms: &Terms) -> Result<Added, EditError> {
    let added = update("", "", report, terms)?;
    Ok(Added {
        text: format!(
            "{HEADER}{}{}",
            if added.text.starts_with('\n') {
                ""
            } else {
                "\n"
            },
            added.text
        ),
        ..added
    })
}

/// A baseline with more entries: one for each check that failed and that no entry expects yet. `file` is its name in messages.
///
/// # Errors
/// When the baseline cannot be read, or there is an entry to write and no reason for it.
pub fn update(file: &str, text: &str, report: &Report, terms: &Terms) -> Result<Added, EditError> {
    let known = Baseline::read(file, text)?;
    let known: BTreeSet<(&str, &str)> = known
        .entries
        .iter()
        .map(|entry| (entry.case.as_str(), entry.check.as_str()))
        .collect();
    let begun: BTreeSet<&str> = known.iter().map(|(case, _)| *case).collect();
    let new: Vec<(String, String)> = failures(report, terms, &begun)
        .into_iter()
        .filter(|(case, check)| {
            !known.contains(&(case, check)) && !known.contains(&(case, WHOLE_CASE))
        })
        .collect();
    if new.is_empty() {
        return Ok(Added {
            text: text.to_owned(),
            entries: new,
        });
    }
    let reason = terms
        .reason
        .as_deref()
        .map(str::trim)
        .filter(|reason| !reason.is_empty())
        .ok_or(EditError::NoReason(new.len()))?;
    let mut document = document(file, text)?;
    let tables = entries(file, &mut document)?;
    for (case, check) in &new {
        let mut table = Table::new();
        table.insert("case", value(case.as_str()));
        table.insert("check", value(check.as_str()));
        table.insert("reason", value(reason));
        if let Some(issue) = &terms.issue {
            table.insert("issue", value(issue.as_str()));
        }
        if let Some(Ok(day)) = terms.expires.map(|day| day.to_string().parse()) {
            let day: toml_edit::Datetime = day;
            table.insert("expires", value(day));
        }
        table.decor_mut().set_prefix("\n");
        tables.push(table);
    }
    Ok(Added {
        text: document.to_string(),
        entries: new,
    })
}

/// A baseline without the entries that a report shows to be done or nobody's.
///
/// # Errors
/// When the baseline cannot be read.
pub fn prune(
    file: &str,
    text: &str,
    report: &Report,
    universe: &Universe,
) -> Result<Added, EditError> {
    let known = Baseline::read(file, text)?;
    let mut judged = report.clone();
    // The day is no reason to take an entry out: what is overdue still fails.
    apply(&mut judged, &known, universe, Date::MIN);
    let problems = judged
        .baseline
        .map(|baseline| baseline.problems)
        .unwrap_or_default();
    let is_done = |entry: &Entry| {
        problems.iter().any(|problem| {
            let same = problem.case.as_ref() == Some(&entry.case);
            match problem.kind {
                Kind::SurprisePass | Kind::Unmatched => same,
                Kind::Stale => same && problem.check == entry.check,
                Kind::Expired | Kind::Unexpected | Kind::Claimed => false,
            }
        })
    };
    let done: BTreeSet<usize> = (0..)
        .zip(&known.entries)
        .filter(|(_, entry)| is_done(entry))
        .map(|(index, _)| index)
        .collect();
    if done.is_empty() {
        return Ok(Added {
            text: text.to_owned(),
            entries: Vec::new(),
        });
    }
    let mut document = document(file, text)?;
    let mut above = None;
    let tables = entries(file, &mut document)?;
    for index in done.iter().rev() {
        if *index == 0 {
            above = tables.get(0).map(header);
        }
        tables.remove(*index);
    }
    if let Some(above) = above {
        match tables.get_mut(0) {
            Some(first) => {
                let own = prefix(first).trim_start_matches('\n').to_owned();
                first.decor_mut().set_prefix(format!("{above}{own}"));
            }
            None => {
                let below = document.trailing().as_str().unwrap_or_default().to_owned();
                document.set_trailing(format!(
                    "{}{below}",
                    above.trim_end_matches('\n').to_owned() + "\n"
                ));
                document.remove(ENTRIES);
            }
        }
    }
    let entries = known.entries.into_iter().enumerate();
    Ok(Added {
        text: document.to_string(),
        entries: entries
            .filter(|(index, _)| done.contains(index))
            .map(|(_, entry)| (entry.case, entry.check))
            .collect(),
    })
}

/// Case and check of all that failed, in order. What was never tried, and errors of the suite, are no failures. A case that has
/// entries already (`begun`) gets more of them check by check.
fn failures(report: &Report, terms: &Terms, begun: &BTreeSet<&str>) -> Vec<(String, String)> {
    report
        .cases
        .iter()
        .filter(|case| terms.warnings || case.verdict != Verdict::Warn)
        .filter(|case| case.reason.as_deref() != Some(NOT_STARTED))
        .flat_map(|case| {
            let whole = terms.whole && !begun.contains(case.id.as_str());
            let checks = match checks(case) {
                all if whole && !all.is_empty() => BTreeSet::from([WHOLE_CASE.to_owned()]),
                all => all,
            };
            checks.into_iter().map(|check| (case.id.clone(), check))
        })
        .collect()
}

fn document(file: &str, text: &str) -> Result<DocumentMut, EditError> {
    // It was read before, so this is a difference between two readers of one language.
    text.parse().map_err(|_| EditError::Form(file.to_owned()))
}

fn entries<'d>(
    file: &str,
    document: &'d mut DocumentMut,
) -> Result<&'d mut ArrayOfTables, EditError> {
    let empty = document.get(ENTRIES).and_then(Item::as_array);
    if empty.is_some_and(toml_edit::Array::is_empty) {
        document.remove(ENTRIES);
    }
    document
        .entry(ENTRIES)
        .or_insert_with(|| Item::ArrayOfTables(ArrayOfTables::new()))
        .as_array_of_tables_mut()
        .ok_or_else(|| EditError::Form(file.to_owned()))
}

fn prefix(table: &Table) -> &str {
    table
        .decor()
        .prefix()
        .and_then(RawString::as_str)
        .unwrap_or_default()
}

/// What stands above the first entry and is not about it: all down to the last empty line.
fn header(table: &Table) -> String {
    let above = prefix(table);
    match above.rfind("\n\n") {
        Some(end) => above.get(..end + 2).unwrap_or_default().to_owned(),
        None => String::new(),
    }
}
