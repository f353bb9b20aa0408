//! What the page shows, made ready for its template: every text is safe to show, every list bounded.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::tables::{Row, Section, matrix, sections};
use crate::requirement::{Profile, Registry};
use crate::suite::report::exchanges::{CaseExchanges, ExchangeReport};
use crate::suite::report::phrase::{self, Outcome};
use crate::suite::report::prose::{self, Prose};
use crate::suite::report::text::{lines, one_line, value};
use crate::suite::report::{CaseReport, LevelTotals, Report, Sample};
use crate::suite::verdict::{Mismatch, RunVerdict, Verdict};

/// Longest value of a mismatch, in characters.
const MOST_CHARACTERS: usize = 2_100;
/// Most bytes of exchanges on the page; more would make it slow to open.
const MOST_EXCHANGES: usize = 6 * 1024 * 1024;

/// The page.
#[derive(Serialize)]
pub(super) struct Page {
    verdict: &'static str,
    class: &'static str,
    mark: &'static str,
    must: Level,
    should: Level,
    selection: Option<String>,
    cases: usize,
    assertions: usize,
    verdicts: Vec<Count>,
    flakes: Vec<Flake>,
    problems: Vec<String>,
    facts: Vec<Fact>,
    profiles: Vec<&'static str>,
    matrix: Vec<Row>,
    attention: Vec<CaseView>,
    sections: Vec<Section>,
}

#[derive(Serialize)]
struct Level {
    name: &'static str,
    #[serde(flatten)]
    totals: LevelTotals,
}

#[derive(Serialize)]
struct Count {
    name: &'static str,
    spoken: String,
    count: usize,
}

#[derive(Serialize)]
struct Flake {
    id: String,
    verdicts: String,
    samples: Vec<SampleView>,
}

#[derive(Serialize)]
struct SampleView {
    company: &'static str,
    verdict: &'static str,
    spoken: String,
    mismatches: Vec<MismatchView>,
    reason: String,
}

#[derive(Serialize)]
struct Fact {
    name: &'static str,
    value: String,
}

#[derive(Serialize)]
struct CaseView {
    anchor: String,
    id: String,
    title: String,
    verdict: &'static str,
    spoken: String,
    clauses: Vec<Clause>,
    mismatches: Vec<MismatchView>,
    reason: String,
    expected: String,
    repeat: String,
    exchanges: Vec<ExchangeView>,
    left_out: usize,
    file: String,
}

#[derive(Serialize)]
struct Clause {
    id: String,
    level: String,
    place: String,
    quote: String,
}

#[derive(Serialize)]
struct MismatchView {
    place: String,
    cites: String,
    expected: String,
    got: String,
    message: String,
}

#[derive(Serialize)]
struct ExchangeView {
    label: String,
    failed: bool,
    line: String,
    outcome: String,
    request: String,
    answer: String,
}

/// All that the page shows of a report.
pub(super) fn page(report: &Report, registry: &Registry) -> Page {
    let prose = Prose::of(registry);
    let (class, mark) = match report.verdict {
        RunVerdict::Conformant => ("good", "✓"),
        RunVerdict::NotConformant => ("bad", "✗"),
        RunVerdict::Incomplete => ("odd", "?"),
    };
    let anchors = anchors(report);
    let mut room = MOST_EXCHANGES;
    let mut attention: Vec<&CaseReport> = report.cases.iter().collect();
    attention.sort_by_key(|case| urgency(Outcome::of(case)));
    let attention = attention
        .into_iter()
        .filter_map(|case| Some((case, anchors.get(case.id.as_str())?)))
        .map(|(case, anchor)| case_view(case, anchor, report, registry, &prose, &mut room))
        .collect();
    let profiles = profiles(report);
    Page {
        verdict: report.verdict.title(),
        class,
        mark,
        must: Level {
            name: "MUST",
            totals: report.totals.must.clone(),
        },
        should: Level {
            name: "SHOULD",
            totals: report.totals.should.clone(),
        },
        selection: phrase::selection(report),
        cases: report.totals.cases,
        assertions: report.totals.assertions,
        verdicts: Verdict::ALL
            .into_iter()
            .map(|verdict| Count {
                name: verdict.name(),
                spoken: phrase::spoken(verdict),
                count: report.count(verdict),
            })
            .filter(|count| count.count > 0)
            .collect(),
        flakes: report
            .run
            .flakes
            .iter()
            .map(|flake| Flake {
                id: safe(&flake.id),
                verdicts: phrase::varied(flake),
                samples: flake.samples.iter().map(sample_view).collect(),
            })
            .collect(),
        problems: report
            .baseline
            .iter()
            .flat_map(|own| &own.problems)
            .map(|problem| safe(&problem.message))
            .collect(),
        facts: facts(report),
        matrix: matrix(report, registry, &profiles),
        profiles: profiles.iter().map(|profile| profile.name()).collect(),
        attention,
        sections: sections(report, registry, &prose, &anchors),
    }
}

/// What is to be looked at first.
const fn urgency(outcome: Outcome) -> u8 {
    match outcome {
        Outcome::Failed => 0,
        Outcome::Unsettled => 1,
        Outcome::Warned => 2,
        Outcome::Missing => 3,
        Outcome::Partly => 4,
        Outcome::Expected => 5,
        Outcome::Passed | Outcome::Skipped => 6,
    }
}

/// A text as one line in which nothing is hidden.
pub(super) fn safe(text: &str) -> String {
    one_line(text).into_owned()
}

fn facts(report: &Report) -> Vec<Fact> {
    let run = &report.run;
    let mut facts = vec![
        ("target", safe(&run.target.base_url)),
        ("profiles", phrase::profiles(report)),
    ];
    if let Some(implementation) = &run.target.implementation {
        facts.push(("says it is", value(implementation, 400)));
    }
    facts.extend([
        ("suite", safe(&run.suite)),
        (
            "run",
            format!(
                "{}, {:.2} s, {} jobs, seed {}",
                safe(&run.started_at),
                run.duration_ms / 1000.0,
                run.jobs,
                run.seed
            ),
        ),
        ("command", safe(&run.command)),
    ]);
    facts
        .into_iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| Fact { name, value })
        .collect()
}

/// The anchor of each case that did not pass: its id if that is plain, else its place.
fn anchors(report: &Report) -> BTreeMap<&str, String> {
    let wanted =
        |case: &&CaseReport| !matches!(Outcome::of(case), Outcome::Passed | Outcome::Skipped);
    let plain = |id: &str| {
        id.bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte))
    };
    let mut anchors = BTreeMap::new();
    for (index, case) in report.cases.iter().filter(wanted).enumerate() {
        let anchor = if plain(&case.id) && case.id.len() <= 200 {
            case.id.clone()
        } else {
            format!("_{index}")
        };
        anchors.entry(case.id.as_str()).or_insert(anchor);
    }
    anchors
}

fn case_view(
    case: &CaseReport,
    anchor: &str,
    report: &Report,
    registry: &Registry,
    prose: &Prose,
    room: &mut usize,
) -> CaseView {
    let (exchanges, left_out) = match report.run.exchanges.get(&case.id) {
        Some(exchanges) => exchange_views(exchanges, room),
        None => (Vec::new(), 0),
    };
    CaseView {
        anchor: anchor.to_owned(),
        id: safe(&case.id),
        title: safe(phrase::title(case)),
        verdict: case.verdict.name(),
        spoken: phrase::said(case),
        clauses: phrase::clauses(case, registry)
            .into_iter()
            .map(|requirement| Clause {
                id: requirement.id.clone(),
                level: requirement.level.to_string(),
                place: format!("{}:{}", prose::file(requirement), prose.line(requirement)),
                quote: requirement.quote.clone(),
            })
            .collect(),
        mismatches: mismatch_views(&case.mismatches),
        reason: safe(case.reason.as_deref().unwrap_or_default()),
        expected: if case.expected {
            phrase::expectation(report, case)
        } else {
            String::new()
        },
        repeat: phrase::repeat(report, case),
        exchanges,
        left_out,
        file: safe(&case.file),
    }
}

fn mismatch_views(mismatches: &[Mismatch]) -> Vec<MismatchView> {
    mismatches
        .iter()
        .map(|mismatch| MismatchView {
            place: phrase::place(mismatch),
            cites: safe(&mismatch.cites.join(", ")),
            expected: value(&mismatch.expected, MOST_CHARACTERS),
            got: value(&mismatch.got, MOST_CHARACTERS),
            message: safe(&mismatch.message),
        })
        .collect()
}

fn sample_view(sample: &Sample) -> SampleView {
    SampleView {
        company: phrase::company(sample),
        verdict: sample.verdict.name(),
        spoken: phrase::spoken(sample.verdict),
        mismatches: mismatch_views(&sample.mismatches),
        reason: safe(sample.reason.as_deref().unwrap_or_default()),
    }
}

fn exchange_views(exchanges: &CaseExchanges, room: &mut usize) -> (Vec<ExchangeView>, usize) {
    let Some(left) = room.checked_sub(exchanges.weight()) else {
        return (Vec::new(), exchanges.emptied().left_out);
    };
    *room = left;
    (
        exchanges.kept.iter().map(exchange_view).collect(),
        exchanges.left_out,
    )
}

fn exchange_view(exchange: &ExchangeReport) -> ExchangeView {
    let message = |first: String, headers: &[(String, String)], body: &str| {
        let mut text = first;
        for (name, value) in headers {
            text.push_str(&format!("\n{}: {}", one_line(name), one_line(value)));
        }
        if !body.is_empty() {
            text.push_str("\n\n");
            text.push_str(&lines(body));
        }
        text
    };
    let request = &exchange.request;
    let line = format!("{} {}", one_line(&request.method), one_line(&request.path));
    let took = format!("{:.1} ms", exchange.duration_ms);
    let (outcome, answer) = match (&exchange.answer, &exchange.error) {
        (Some(answer), _) => (
            format!("{}, {took}", answer.status),
            message(answer.status.to_string(), &answer.headers, &answer.body),
        ),
        (None, error) => {
            let error = safe(error.as_deref().unwrap_or("no answer"));
            (format!("{error}, {took}"), error)
        }
    };
    ExchangeView {
        label: match exchange.step {
            Some(step) => format!("step {step}"),
            None => "registration".to_owned(),
        },
        failed: exchange.failed,
        request: message(line.clone(), &request.headers, &request.body),
        line,
        outcome,
        answer,
    }
}

/// The profiles that requirements of the report belong to, in the order reports print them.
fn profiles(report: &Report) -> Vec<Profile> {
    let there: BTreeSet<Profile> = report
        .requirements
        .iter()
        .map(|requirement| requirement.profile)
        .collect();
    Profile::ALL
        .into_iter()
        .filter(|profile| there.contains(profile))
        .collect()
}
