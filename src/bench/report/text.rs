//! The outcome as a table in a terminal.

use std::fmt::Write as _;

use super::{ContenderReport, Outcome, SliceReport};
use crate::bench::compare::{LEAST_ROUNDS, Ratio};
use crate::suite::report::text::one_line;

/// A latency in microseconds as people write it.
pub(super) fn time(micros: u64) -> String {
    match micros {
        0 => "-".to_owned(),
        1..1_000 => format!("{micros} µs"),
        1_000..1_000_000 => format!("{:.2} ms", micros as f64 / 1e3),
        _ => format!("{:.2} s", micros as f64 / 1e6),
    }
}

/// A rate.
pub(super) fn rate(rate: f64) -> String {
    if rate < 100.0 {
        format!("{rate:.1}")
    } else {
        format!("{rate:.0}")
    }
}

/// Memory.
pub(super) fn memory(bytes: Option<u64>) -> String {
    bytes.map_or_else(
        || "-".to_owned(),
        |bytes| format!("{:.1} MiB", bytes as f64 / 1_048_576.0),
    )
}

/// Processor time of one answer.
pub(super) fn processor(micros: Option<f64>) -> String {
    micros.map_or_else(
        || "-".to_owned(),
        |micros| time(micros.round().max(1.0) as u64),
    )
}

/// A ratio and its interval.
pub(super) fn ratio(ratio: Option<Ratio>) -> String {
    ratio.map_or_else(
        || "-".to_owned(),
        |ratio| {
            let Some((low, high)) = ratio.interval else {
                return format!(
                    "{:.2} (an interval takes {LEAST_ROUNDS} slices or more)",
                    ratio.ratio
                );
            };
            let apart = if ratio.tells_apart() {
                ""
            } else {
                ", not told apart"
            };
            format!(
                "{:.2} [{low:.2}, {high:.2}] over {} slices{apart}",
                ratio.ratio, ratio.rounds
            )
        },
    )
}

/// The heads of the table of contenders.
pub(super) const HEADS: [&str; 13] = [
    "contender",
    "due/s",
    "right/s",
    "keeps up",
    "p50",
    "p90",
    "p99",
    "p99.9",
    "max",
    "errors",
    "wrong",
    "cpu/answer",
    "memory",
];

/// The cells of a contender.
pub(super) fn cells(one: &ContenderReport) -> [String; 13] {
    let totals = &one.totals;
    let latency = &totals.latency;
    [
        one_line(&one.name).into_owned(),
        rate(totals.rate_due),
        rate(totals.rate_achieved),
        if one.keeps_up() { "yes" } else { "no" }.to_owned(),
        time(latency.p50_us),
        time(latency.p90_us),
        time(latency.p99_us),
        time(latency.p999_us),
        time(latency.max_us),
        totals.errors.to_string(),
        totals.wrong.to_string(),
        processor(totals.processor_us_per_answer),
        memory(totals.memory_bytes),
    ]
}

/// What was asked, in one line.
pub(super) fn asked(outcome: &Outcome) -> String {
    let workloads: Vec<String> = match outcome.workloads.as_slice() {
        [] => vec!["nothing".to_owned()],
        [(name, _)] => vec![name.clone()],
        all => all
            .iter()
            .map(|(name, weight)| format!("{name} {weight}"))
            .collect(),
    };
    format!(
        "{}, {}, {} arrivals, seed {}, {} connections, at most {} outstanding",
        workloads.join(", "),
        outcome.rate,
        outcome.spread,
        outcome.seed,
        outcome.connections,
        outcome.most_outstanding
    )
}

/// A slice in one line.
pub(super) fn slice(slice: &SliceReport) -> String {
    let held = match slice.held {
        Some(true) => ", held",
        Some(false) => ", did not hold",
        None => "",
    };
    format!(
        "{} due/s, {} right/s, p50 {}, p99 {}, {} errors, {} wrong{held}",
        rate(slice.rate_due),
        rate(slice.rate_achieved),
        time(slice.latency.p50_us),
        time(slice.latency.p99_us),
        slice.errors,
        slice.wrong
    )
}

/// What is to be said of a contender besides its row, one line each.
pub(super) fn notes(one: &ContenderReport) -> Vec<String> {
    let mut notes = Vec::new();
    if let Some(why) = &one.skipped {
        return vec![why.clone()];
    }
    if let Some(knee) = one.knee {
        notes.push(match (knee.held, knee.broke) {
            (Some(held), Some(broke)) => format!(
                "knee: {} a second held, {} did not",
                rate(held),
                rate(broke)
            ),
            (Some(held), None) => format!("no knee up to {} a second, which held", rate(held)),
            (None, _) => "no rate held".to_owned(),
        });
    }
    if one.by_workload.len() > 1 {
        for own in &one.by_workload {
            let (name, latency) = (own.workload, &own.latency);
            notes.push(format!(
                "{name}: {} of {} right, p50 {}, p99 {}, max {}",
                own.right,
                own.due,
                time(latency.p50_us),
                time(latency.p99_us),
                time(latency.max_us)
            ));
        }
    }
    let late = one.totals.sent_late.p99_us;
    if late > 0 {
        notes.push(format!(
            "sent after they were due: p50 {}, p99 {}",
            time(one.totals.sent_late.p50_us),
            time(late)
        ));
    }
    if let Some(warm_up) = &one.warm_up {
        notes.push(format!("warm-up, not counted: {}", slice(warm_up)));
        for (reason, count) in &warm_up.reasons.0 {
            notes.push(format!("warm-up error, {count} times: {reason}"));
        }
    }
    let obstacles = one
        .obstacles
        .0
        .iter()
        .map(|(what, count)| ("could not be set up", what, count));
    let faults = one
        .faults
        .0
        .iter()
        .map(|(what, count)| ("WRONG", what, count));
    let reasons = one
        .reasons
        .0
        .iter()
        .map(|(what, count)| ("error", what, count));
    for (kind, what, count) in faults.chain(reasons).chain(obstacles) {
        notes.push(format!("{kind}, {count} times: {what}"));
    }
    let cut_short = match one.rounds_cut_short {
        0 => String::new(),
        count => format!("; {count} cut short, of which only the answers were looked at"),
    };
    notes.push(format!(
        "{} rounds judged{cut_short}; {} requests with set-up and tidying",
        one.rounds_judged, one.requests
    ));
    notes
}

pub(super) fn render(outcome: &Outcome) -> String {
    let mut out = String::new();
    // Writing to a string cannot fail.
    let _ = writeln!(out, "{}\n", asked(outcome));
    let mut rows = vec![HEADS.map(str::to_owned)];
    let loaded = || {
        outcome
            .contenders
            .iter()
            .filter(|one| one.skipped.is_none())
    };
    rows.extend(loaded().map(cells));
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..HEADS.len()).map(width).collect();
    if rows.len() > 1 {
        for row in &rows {
            for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
                let _ = match column {
                    0 => write!(out, "{cell:<width$}"),
                    _ => write!(out, "  {cell:>width$}"),
                };
            }
            out.push('\n');
        }
    }
    for one in &outcome.contenders {
        let _ = writeln!(out, "\n{}", one_line(&one.name));
        for note in notes(one) {
            let _ = writeln!(out, "  {}", one_line(&note));
        }
    }
    for comparison in &outcome.comparisons {
        let _ = writeln!(
            out,
            "\n{} beside {}, with 95% intervals:",
            one_line(&comparison.contender),
            one_line(&comparison.base)
        );
        for (what, figure) in [
            ("p50", comparison.p50),
            ("p99", comparison.p99),
            ("throughput", comparison.throughput),
        ] {
            if figure.is_some() {
                let _ = writeln!(out, "  {what}: {}", ratio(figure));
            }
        }
        if let Some(knee) = comparison.knee {
            let _ = writeln!(out, "  knee: {knee:.2}");
        }
    }
    out.push('\n');
    for remark in &outcome.remarks {
        let _ = writeln!(out, "note: {}", one_line(remark));
    }
    if outcome.failures.is_empty() && outcome.exit_code == 0 {
        let of = |figure: fn(&ContenderReport) -> u64| {
            outcome.contenders.iter().map(figure).sum::<u64>()
        };
        let _ = match of(|one| one.totals.errors) {
            0 => writeln!(out, "every answer was right"),
            errors => writeln!(
                out,
                "no answer was wrong; {errors} of {} arrivals came to none, within the budget",
                of(|one| one.totals.due)
            ),
        };
    } else if outcome.failures.is_empty() {
        out.push_str("nothing was measured\n");
    }
    for failure in &outcome.failures {
        let _ = writeln!(out, "FAILS: {}", one_line(failure));
    }
    out
}
