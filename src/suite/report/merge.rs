//! Shards joined to one report, as if one run had judged all.

use std::collections::{BTreeMap, BTreeSet};

use crate::requirement::Registry;
use crate::suite::baseline;
use crate::suite::case::Case;
use crate::suite::options::{Options, Selection, select};
use crate::suite::report::exchanges::bound_run;
use crate::suite::report::text::one_line;
use crate::suite::report::{Report, RunBlock, assemble};
use crate::suite::revision::Revision;
use crate::suite::shard::Shard;
use crate::suite::verdict::Verdict;

/// Joins the reports of all shards of one run. `cases` are those that the shards were made from; each report has the name by
/// which messages call it.
///
/// # Errors
/// When a shard is missing or doubled, when they are not of one run, or when they do not hold all cases between them.
pub fn merge(
    shards: Vec<(String, Report)>,
    cases: &[Case],
    registry: &Registry,
) -> Result<Report, String> {
    let of = complete(&shards)?;
    let mut shards = shards.into_iter();
    let (first_name, first) = shards
        .next()
        .ok_or("there is nothing to join; name the reports of all shards")?;
    let mut all = vec![(first_name, first)];
    for (name, report) in shards {
        if let Some((first_name, first)) = all.first() {
            alike(first_name, first, &name, &report)?;
        }
        all.push((name, report));
    }
    for (name, report) in &all {
        own_cases(name, report)?;
    }
    let (revision, chosen) = chosen(&all, cases, registry)?;
    let run = joined(&all, of);
    let claimed = run.target.profiles.clone();
    let only = run.selection.profiles.iter().copied().collect();
    let known = all
        .first()
        .and_then(|(_, report)| report.baseline.as_ref())
        .map(baseline::BaselineReport::baseline);
    let results = all
        .into_iter()
        .flat_map(|(_, report)| report.cases)
        .collect();
    let frozen = revision.map(|revision| registry.only(&revision.ids()));
    let registry = frozen.as_ref().unwrap_or(registry);
    let mut report = assemble(&chosen, results, registry, &claimed, &only, run);
    if let Some(known) = known {
        let universe = cases.iter().map(|case| case.id.as_str()).collect();
        baseline::apply(&mut report, &known, &universe, baseline::today());
    }
    Ok(report)
}

/// Every shard is there once. Gives how many there are.
fn complete(shards: &[(String, Report)]) -> Result<u32, String> {
    let mut seen: BTreeMap<u32, &str> = BTreeMap::new();
    let mut of = None;
    for (name, report) in shards {
        ours(name, report)?;
        let shard = report.run.selection.shard.ok_or_else(|| {
            format!("{name} is no shard; join reports of 'oap-conform run --shard k/n'")
        })?;
        let valid =
            Shard::new(shard.index, shard.of).map_err(|error| format!("{name}: {error}"))?;
        match of {
            None => of = Some(valid.of),
            Some(of) if of != valid.of => {
                return Err(format!(
                    "{name} is shard {valid}, but others are of {of}; join shards of one run"
                ));
            }
            Some(_) => {}
        }
        if let Some(other) = seen.insert(valid.index, name) {
            return Err(format!(
                "{other} and {name} are both shard {valid}; give each shard once"
            ));
        }
    }
    let of = of.ok_or("there is nothing to join; name the reports of all shards")?;
    let missing: Vec<String> = (1..=of)
        .filter(|index| !seen.contains_key(index))
        .map(|index| format!("{index}/{of}"))
        .collect();
    if missing.is_empty() {
        Ok(of)
    } else {
        Err(format!(
            "shard {} is missing; a verdict over the rest would be none",
            missing.join(", ")
        ))
    }
}

/// A shard was written by this version, and nothing passed of a profile that its target does not declare.
fn ours(name: &str, report: &Report) -> Result<(), String> {
    let suite = format!("oap-conform {}", env!("CARGO_PKG_VERSION"));
    if report.run.suite != suite {
        return Err(format!(
            "{name} was written by {}, and this is {suite}; join shards with the version that ran them",
            one_line(&report.run.suite)
        ));
    }
    let passed = report.cases.iter().find(|case| {
        case.verdict == Verdict::Pass && !report.run.target.profiles.contains(&case.profile)
    });
    match passed {
        Some(case) => Err(format!(
            "{name} says that {} passed, whose profile {} the target does not declare; name a report as 'oap-conform run' wrote it",
            one_line(&case.id),
            case.profile
        )),
        None => Ok(()),
    }
}

/// Two shards are of one run: what was judged, by what, and how it was chosen is the same.
fn alike(name: &str, one: &Report, other_name: &str, other: &Report) -> Result<(), String> {
    let differ = |what: &str, a: String, b: String| {
        if a == b {
            return Ok(());
        }
        Err(format!(
            "{name} and {other_name} differ in {what}: {} and {}; join shards of one run",
            one_line(&a),
            one_line(&b)
        ))
    };
    let chosen = |selection: &Selection| Selection {
        shard: None,
        partial: false,
        selected: 0,
        ..selection.clone()
    };
    let (a, b) = (&one.run, &other.run);
    differ(
        "what was selected",
        shown(&chosen(&a.selection)),
        shown(&chosen(&b.selection)),
    )?;
    differ(
        "the repetitions",
        a.repeat.to_string(),
        b.repeat.to_string(),
    )?;
    differ(
        "the target's profiles",
        shown(&a.target.profiles),
        shown(&b.target.profiles),
    )?;
    differ(
        "who the target says it is",
        shown(&a.target.implementation),
        shown(&b.target.implementation),
    )?;
    let entries = |report: &Report| {
        let baseline = report.baseline.as_ref();
        shown(&baseline.map(|own| &own.entries))
    };
    differ("the baseline", entries(one), entries(other))
}

fn shown(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

/// A shard has just the cases that belong to it.
fn own_cases(name: &str, report: &Report) -> Result<(), String> {
    let selection = &report.run.selection;
    if report.cases.len() != selection.selected {
        return Err(format!(
            "{name} says that {} cases were selected, and has {}; run that shard again",
            selection.selected,
            report.cases.len()
        ));
    }
    let stranger = report
        .cases
        .iter()
        .find(|case| selection.shard.is_some_and(|shard| !shard.holds(&case.id)));
    match stranger {
        None => Ok(()),
        Some(case) => Err(format!(
            "{name} has {}, which belongs to another shard; run that shard again",
            one_line(&case.id)
        )),
    }
}

/// The revision that was judged by, and the cases that the shards must hold between them.
fn chosen<'c>(
    shards: &[(String, Report)],
    cases: &'c [Case],
    registry: &Registry,
) -> Result<(Option<Revision>, Vec<&'c Case>), String> {
    let Some((_, first)) = shards.first() else {
        return Ok((None, Vec::new()));
    };
    let selection = &first.run.selection;
    let revision = selection
        .revision
        .as_deref()
        .map(Revision::named)
        .transpose()?;
    let options = Options {
        filter: selection.filter.clone(),
        profiles: selection.profiles.iter().copied().collect(),
        revision: revision.clone().map(std::sync::Arc::new),
        ..Options::default()
    };
    let there: BTreeSet<String> = shards
        .iter()
        .flat_map(|(_, report)| report.cases.iter().map(|case| case.id.clone()))
        .collect();
    // Which cases failed last was known to the machines that ran them only.
    let last_failed = selection.last_failed.then_some(&there);
    let (chosen, own) = select(cases, registry, &options, last_failed);
    let expected: BTreeSet<&str> = chosen.iter().map(|case| case.id.as_str()).collect();
    let advice = "join with the version of oap-conform, and the --cases, that made them";
    if let Some(id) = there.iter().find(|id| !expected.contains(id.as_str())) {
        return Err(format!(
            "the shards have {}, which is not among the cases here; {advice}",
            one_line(id)
        ));
    }
    if let Some(id) = expected.iter().find(|id| !there.contains(**id)) {
        return Err(format!("no shard has {id}; {advice}"));
    }
    if own.of != selection.of {
        return Err(format!(
            "the shards were made from {} cases, and here are {}; {advice}",
            selection.of, own.of
        ));
    }
    Ok((revision, chosen))
}

/// The run block of all: what took place at the same time counts once, what adds up is added.
fn joined(shards: &[(String, Report)], of: u32) -> RunBlock {
    let runs: Vec<&RunBlock> = shards.iter().map(|(_, report)| &report.run).collect();
    let mut run = runs
        .first()
        .map_or_else(RunBlock::default, |first| (*first).clone());
    run.case_ms.clear();
    run.median_harness_ms = None;
    run.flakes.clear();
    run.exchanges.clear();
    run.requests = 0;
    run.selection.selected = 0;
    for own in runs {
        if own.started_at < run.started_at {
            run.started_at.clone_from(&own.started_at);
        }
        run.duration_ms = run.duration_ms.max(own.duration_ms);
        run.jobs = run.jobs.max(own.jobs);
        run.unseen |= own.unseen;
        run.requests = run.requests.saturating_add(own.requests);
        run.selection.selected += own.selection.selected;
        run.flakes.extend(own.flakes.iter().cloned());
        run.case_ms
            .extend(own.case_ms.iter().map(|(id, ms)| (id.clone(), *ms)));
        let exchanges = own.exchanges.iter();
        run.exchanges
            .extend(exchanges.map(|(id, own)| (id.clone(), own.clone())));
    }
    run.flakes.sort_by(|a, b| a.id.cmp(&b.id));
    bound_run(&mut run.exchanges);
    run.median_case_ms = median(run.case_ms.values().copied().collect());
    run.selection.partial = run.selection.selected < run.selection.of;
    run.selection.shard = None;
    run.suite = format!("{}, {of} shards", run.suite);
    run
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    let middle = times.len() / 2;
    match (times.get(middle.wrapping_sub(1)), times.get(middle)) {
        (Some(below), Some(above)) if times.len().is_multiple_of(2) => {
            f64::midpoint(*below, *above)
        }
        (_, Some(above)) => *above,
        _ => 0.0,
    }
}
