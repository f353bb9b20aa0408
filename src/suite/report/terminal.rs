//! The report for people: quiet where all is well, complete where it is not.

use std::fmt::Write as _;

use crate::requirement::Registry;
use crate::suite::baseline;
use crate::suite::report::phrase::{self, Outcome};
use crate::suite::report::text::{one_line, value};
use crate::suite::report::{CaseReport, Report};
use crate::suite::verdict::{Mismatch, RunVerdict, Verdict};

/// Longest value printed for one mismatch, in characters; the JSON report has more of it.
const MOST_CHARACTERS: usize = 400;
/// Most mismatches printed for one case.
const MOST_MISMATCHES: usize = 6;

/// Most cases printed that passed in part.
const MOST_IN_PART: usize = 20;

/// How the report is printed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Style {
    /// Escape sequences for colours.
    pub colour: bool,
    /// Also cases that are not applicable, with their reasons.
    pub verbose: bool,
}

/// The report as text: failures, warnings, what was not observed and what passed in part, then counts, then the verdict.
pub fn render(report: &Report, registry: &Registry, style: Style) -> String {
    let mut out = String::new();
    let mut in_part = 0;
    for case in &report.cases {
        match case.verdict {
            _ if Outcome::of(case) == Outcome::Partly => {
                in_part += 1;
                if in_part <= MOST_IN_PART || style.verbose {
                    unsettled(&mut out, case, style);
                }
            }
            Verdict::Pass => {}
            Verdict::NotApplicable if !style.verbose => {}
            _ if case.expected && !style.verbose => line(
                &mut out,
                format_args!(
                    "{} {}  {}",
                    paint("EXPECTED", "2", style),
                    one_line(&case.id),
                    phrase::expectation(report, case)
                ),
            ),
            Verdict::Fail | Verdict::Warn => failure(&mut out, case, report, registry, style),
            _ => unsettled(&mut out, case, style),
        }
    }
    let more = in_part.saturating_sub(MOST_IN_PART);
    if more > 0 && !style.verbose {
        let words = "passed in part; --verbose shows all";
        line(&mut out, format_args!("and {more} more that {words}\n"));
    }
    summary(&mut out, report, style);
    out
}

/// A case about which not everything is known, and why.
fn unsettled(out: &mut String, case: &CaseReport, style: Style) {
    let label = match Outcome::of(case) {
        Outcome::Partly => paint("PASS IN PART", "33", style),
        _ => label(case.verdict, style),
    };
    let (id, title) = (one_line(&case.id), one_line(phrase::title(case)));
    line(out, format_args!("{label} {id}  {title}"));
    let reason = case.reason.as_deref().unwrap_or_default();
    if !reason.is_empty() {
        line(out, format_args!("     {}", one_line(reason)));
    }
    line(out, format_args!(""));
}

fn line(out: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let _ = writeln!(out, "{text}");
}

fn failure(
    out: &mut String,
    case: &CaseReport,
    report: &Report,
    registry: &Registry,
    style: Style,
) {
    line(
        out,
        format_args!(
            "{} {}  {}",
            label(case.verdict, style),
            one_line(&case.id),
            one_line(&case.title)
        ),
    );
    let mut quoted: Vec<&str> = Vec::new();
    for mismatch in case.mismatches.iter().take(MOST_MISMATCHES) {
        for id in &mismatch.cites {
            if quoted.contains(&id.as_str()) {
                continue;
            }
            quoted.push(id);
            if let Some(requirement) = registry.get(id) {
                line(
                    out,
                    format_args!(
                        "     {id} {} spec/{}.md: \"{}\"",
                        requirement.level, requirement.section, requirement.quote
                    ),
                );
            }
        }
        difference(out, mismatch, style);
    }
    let more = case.mismatches.len().saturating_sub(MOST_MISMATCHES);
    if more > 0 {
        line(out, format_args!("     and {more} more; see --format json"));
    }
    if let Some(reason) = &case.reason {
        line(
            out,
            format_args!("     not taken further: {}", one_line(reason)),
        );
    }
    line(
        out,
        format_args!("     repeat: {}", phrase::repeat(report, case)),
    );
    line(out, format_args!(""));
}

fn difference(out: &mut String, mismatch: &Mismatch, style: Style) {
    line(
        out,
        format_args!(
            "     at {}  [{}]",
            phrase::place(mismatch),
            one_line(&mismatch.cites.join(", "))
        ),
    );
    line(
        out,
        format_args!(
            "       expected {}",
            paint(&value(&mismatch.expected, MOST_CHARACTERS), "32", style)
        ),
    );
    line(
        out,
        format_args!(
            "       got      {}",
            paint(&value(&mismatch.got, MOST_CHARACTERS), "31", style)
        ),
    );
    if !mismatch.message.is_empty() {
        line(out, format_args!("       {}", one_line(&mismatch.message)));
    }
}

fn label(verdict: Verdict, style: Style) -> String {
    let (text, code) = match verdict {
        Verdict::Pass => ("PASS", "32"),
        Verdict::Fail => ("FAIL", "31;1"),
        Verdict::Warn => ("WARN", "33"),
        Verdict::NotApplicable => ("NOT APPLICABLE", "2"),
        Verdict::NotObserved => ("NOT OBSERVED", "33"),
        Verdict::NotImplemented => ("NOT IMPLEMENTED", "33"),
        Verdict::SetupFailed => ("SETUP FAILED", "33;1"),
        Verdict::HarnessError => ("HARNESS ERROR", "35;1"),
    };
    paint(text, code, style)
}

fn paint(text: &str, code: &str, style: Style) -> String {
    if style.colour {
        format!("\u{1b}[{code}m{text}\u{1b}[0m")
    } else {
        text.to_owned()
    }
}

fn summary(out: &mut String, report: &Report, style: Style) {
    for flake in &report.run.flakes {
        let verdicts: Vec<String> = flake
            .verdicts
            .iter()
            .map(|(verdict, count)| format!("{verdict} {count}"))
            .collect();
        line(
            out,
            format_args!("FLAKE {}: {}", one_line(&flake.id), verdicts.join(", ")),
        );
        if let [first, .., again] = flake.samples.as_slice() {
            line(
                out,
                format_args!(
                    "      {} among the others, {} when it ran again alone; both samples are in the JSON report",
                    phrase::spoken(first.verdict),
                    phrase::spoken(again.verdict)
                ),
            );
        }
    }
    line(out, format_args!("{}", phrase::counts(report)));
    for (name, totals) in [
        ("MUST", &report.totals.must),
        ("SHOULD", &report.totals.should),
    ] {
        line(out, format_args!("{}", phrase::level(name, totals)));
    }
    if report.run.repeat > 1 {
        line(
            out,
            format_args!(
                "each case ran {} times; {} flakes",
                report.run.repeat,
                report.run.flakes.len()
            ),
        );
    }
    if let Some(part) = phrase::selection(report) {
        line(out, format_args!("{part}"));
    }
    let own = report.run.median_harness_ms;
    let own = own.map_or_else(String::new, |ms| {
        format!(" ({ms:.1} ms without the target)")
    });
    line(
        out,
        format_args!(
            "{:.2} s, {} jobs, median {:.1} ms a case{own}, seed {}",
            report.run.duration_ms / 1000.0,
            report.run.jobs,
            report.run.median_case_ms,
            report.run.seed
        ),
    );
    for told in baseline::lines(report) {
        line(out, format_args!("{}", one_line(&told)));
    }
    let code = match (report.verdict, report.exit_code().number()) {
        (RunVerdict::Conformant, 0) => "32;1",
        // Not conformant, and just as expected.
        (_, 0) => "33;1",
        _ => "31;1",
    };
    line(
        out,
        format_args!(
            "{} {}",
            paint(report.verdict.title(), code, style),
            one_line(&phrase::standing(report))
        ),
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::requirement::Profile;
    use crate::suite::report::{RunBlock, Totals};
    use serde_json::json;

    fn report(verdict: Verdict) -> Report {
        let mismatches = if verdict == Verdict::Fail {
            vec![Mismatch {
                cites: vec!["ACT-007".into()],
                place: "calendar".into(),
                pointer: "/calls".into(),
                expected: json!(0),
                got: json!(1),
                message: "is another value; called: POST /v1/events".into(),
                no_answer: false,
            }]
        } else {
            Vec::new()
        };
        let mut totals = Totals {
            cases: 1,
            assertions: 3,
            ..Totals::default()
        };
        totals.by_verdict.insert(verdict.name(), 1);
        Report {
            verdict: if verdict == Verdict::Pass {
                RunVerdict::Conformant
            } else {
                RunVerdict::NotConformant
            },
            totals,
            cases: vec![CaseReport {
                id: "ACT-007-bad-date".into(),
                title: "nothing invalid is executed".into(),
                file: String::new(),
                requirements: vec!["ACT-007".into()],
                profile: Profile::Session,
                verdict,
                mismatches,
                assertions: 3,
                reason: None,
                leaves_open: Vec::new(),
                expected: false,
            }],
            requirements: Vec::new(),
            baseline: None,
            run: RunBlock {
                command: "oap-conform run".to_owned(),
                seed: 42,
                jobs: 2,
                repeat: 1,
                ..RunBlock::default()
            },
        }
    }

    fn registry() -> Registry {
        let mut registry = Registry::default();
        registry.add_section(
            "actions",
            "[[requirement]]\nid=\"ACT-007\"\nlevel=\"MUST\"\nprofile=\"session\"\nquote=\"Nothing invalid MUST run.\"\njudged=\"live\"",
            "Nothing invalid MUST run.",
        );
        registry
    }

    #[test]
    fn what_the_suite_itself_took_is_told_where_it_is_known() {
        let mut report = report(Verdict::Pass);
        report.run.median_case_ms = 5.5;
        let told = |report: &Report| render(report, &registry(), Style::default());
        assert!(told(&report).contains("median 5.5 ms a case, seed 42"));
        report.run.median_harness_ms = Some(0.42);
        let text = told(&report);
        assert!(
            text.contains("median 5.5 ms a case (0.4 ms without the target), seed 42"),
            "{text}"
        );
    }

    #[test]
    fn a_failure_says_all_that_is_needed() {
        let text = render(&report(Verdict::Fail), &registry(), Style::default());
        for part in [
            "FAIL ACT-007-bad-date  nothing invalid is executed",
            "ACT-007 MUST spec/actions.md: \"Nothing invalid MUST run.\"",
            "at calendar /calls",
            "expected 0",
            "got      1",
            "called: POST /v1/events",
            "oap-conform run --filter ACT-007-bad-date --seed 42",
            "NOT CONFORMANT",
        ] {
            assert!(text.contains(part), "{part} is not in\n{text}");
        }
        assert!(!text.contains('\u{1b}'));
        let coloured = render(
            &report(Verdict::Fail),
            &registry(),
            Style {
                colour: true,
                verbose: false,
            },
        );
        assert!(coloured.contains('\u{1b}'));
    }

    #[test]
    fn a_pass_is_quiet() {
        let text = render(&report(Verdict::Pass), &registry(), Style::default());
        assert!(!text.contains("ACT-007-bad-date"));
        assert!(text.contains("CONFORMANT") && text.contains("1 cases, 3 assertions: 1 pass"));
    }
}
