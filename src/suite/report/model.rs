//! The report of a run. Everything that may differ between two equal runs is in `run`, and nowhere else.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::requirement::{Judged, Level, Profile, Registry, Requirement};
use crate::suite::baseline::BaselineReport;
use crate::suite::case::Case;
use crate::suite::offline;
use crate::suite::options::Selection;
use crate::suite::report::exchanges::CaseExchanges;
use crate::suite::verdict::{Mismatch, RunVerdict, Verdict};

/// The report; `spec/schemas/report.json` describes it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Report {
    /// The verdict on the target.
    pub verdict: RunVerdict,
    /// Counts.
    pub totals: Totals,
    /// The cases, by id.
    pub cases: Vec<CaseReport>,
    /// The requirements, by id.
    pub requirements: Vec<RequirementReport>,
    /// What a baseline makes of the failures; `None`: there was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baseline: Option<BaselineReport>,
    /// Everything that may differ between two runs.
    pub run: RunBlock,
}

/// Counts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Totals {
    /// Cases in the report.
    pub cases: usize,
    /// Matchers that were applied to a value.
    pub assertions: usize,
    /// Cases by verdict; every verdict is named.
    #[serde(deserialize_with = "by_verdict")]
    pub by_verdict: BTreeMap<&'static str, usize>,
    /// Requirements of level MUST.
    pub must: LevelTotals,
    /// Requirements of level SHOULD.
    pub should: LevelTotals,
}

/// Requirements of one level, those with an exclusion left out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LevelTotals {
    /// All applicable cases passed, and there was one.
    pub passed: usize,
    /// Violated.
    pub failed: usize,
    /// Applicable, and nothing was learned.
    pub not_observed: usize,
    /// Outside the target's profiles; not part of `total`.
    pub not_applicable: usize,
    /// The denominator: passed, failed and not observed.
    pub total: usize,
}

/// One case.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CaseReport {
    /// Its id.
    pub id: String,
    /// What must hold.
    pub title: String,
    /// The file it was read from; empty where there is none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub file: String,
    /// Requirements it speaks for.
    pub requirements: Vec<String>,
    /// The profile of the main one.
    pub profile: Profile,
    /// The verdict.
    pub verdict: Verdict,
    /// What was not as it must be, normalised and without secrets.
    pub mismatches: Vec<Mismatch>,
    /// Matchers that were applied to a value.
    pub assertions: usize,
    /// Why it is neither pass nor fail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Requirements that it speaks for and leaves unobserved, because something else in it went wrong.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub leaves_open: Vec<String>,
    /// Whether the baseline expects all that is wrong with it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub expected: bool,
}

/// One requirement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RequirementReport {
    /// Its id.
    pub id: String,
    /// How binding it is.
    pub level: Level,
    /// Its profile.
    pub profile: Profile,
    /// The verdict.
    pub verdict: Verdict,
}

/// Everything that may differ between two runs.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunBlock {
    /// Name and version of the suite.
    pub suite: String,
    /// When it began, RFC 3339.
    pub started_at: String,
    /// How long it took, in milliseconds.
    pub duration_ms: f64,
    /// The median time of a case, in milliseconds.
    pub median_case_ms: f64,
    /// The median of what a case took beside its requests to the target, judging included, in milliseconds; where cases ran one by one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub median_harness_ms: Option<f64>,
    /// Requests sent to the target.
    pub requests: usize,
    /// The command that judges the same target again, without filter and seed.
    pub command: String,
    /// The seed.
    pub seed: u64,
    /// Cases that ran at the same time.
    pub jobs: usize,
    /// How often each case ran.
    pub repeat: usize,
    /// What was selected.
    pub selection: Selection,
    /// The target.
    pub target: TargetBlock,
    /// Whether less was seen than the cases show: no model to watch, an end that no case is to blame for, transcripts only. Nothing is
    /// conformant then.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unseen: bool,
    /// Cases whose verdict varied.
    pub flakes: Vec<Flake>,
    /// Time of each case in milliseconds, the median of its runs, by id.
    pub case_ms: BTreeMap<String, f64>,
    /// What went over the wire in cases that did not pass, by id, without secrets; bounded ([`super::exchanges`]).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub exchanges: BTreeMap<String, CaseExchanges>,
}

/// The target of a run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TargetBlock {
    /// Its base URL.
    pub base_url: String,
    /// The profiles it was judged by.
    pub profiles: BTreeSet<Profile>,
    /// Who it says it is.
    pub implementation: Option<Value>,
}

/// A case whose verdict varied.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Flake {
    /// Its id.
    pub id: String,
    /// How often each verdict was given.
    #[serde(deserialize_with = "by_verdict")]
    pub verdicts: BTreeMap<&'static str, usize>,
    /// What was seen when a failure that may be chance was verified again: first the failure, then the case alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub samples: Vec<Sample>,
}

/// One run of a case whose verdict varied.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sample {
    /// Whether no other case ran at the same time, because it was verified again.
    pub alone: bool,
    /// Its verdict.
    pub verdict: Verdict,
    /// What was not as it must be, normalised and without secrets.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mismatches: Vec<Mismatch>,
    /// Why it is neither pass nor fail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Counts under the names that verdicts have.
fn by_verdict<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<BTreeMap<&'static str, usize>, D::Error> {
    let counts = BTreeMap::<Verdict, usize>::deserialize(deserializer)?;
    Ok(counts
        .into_iter()
        .map(|(verdict, count)| (verdict.name(), count))
        .collect())
}

impl Report {
    /// How many cases have a verdict.
    pub fn count(&self, verdict: Verdict) -> usize {
        self.totals
            .by_verdict
            .get(verdict.name())
            .copied()
            .unwrap_or_default()
    }
}

/// The report over judged cases.
///
/// `cases` are the selected ones, `results` their reports in the same order; `claimed` are the profiles of the target, `only` those the
/// user asked for (empty: all).
pub fn assemble(
    cases: &[&Case],
    mut results: Vec<CaseReport>,
    registry: &Registry,
    claimed: &BTreeSet<Profile>,
    only: &BTreeSet<Profile>,
    run: RunBlock,
) -> Report {
    let cited: BTreeMap<&str, BTreeSet<&str>> = cases
        .iter()
        .map(|case| (case.id.as_str(), case.cited()))
        .collect();
    results.sort_by(|a, b| a.id.cmp(&b.id));
    for case in &mut results {
        let violated: BTreeSet<&str> = case
            .mismatches
            .iter()
            .flat_map(|mismatch| mismatch.cites.iter().map(String::as_str))
            .collect();
        case.leaves_open = match case.verdict {
            Verdict::NotApplicable => Vec::new(),
            _ if has_observed_the_rest(case) => Vec::new(),
            _ => cited
                .get(case.id.as_str())
                .into_iter()
                .flat_map(|ids| ids.difference(&violated))
                .map(|id| (*id).to_owned())
                .collect(),
        };
    }
    let partial = run.selection.partial;
    let requirements: Vec<RequirementReport> = registry
        .iter()
        .filter(|requirement| requirement.exclusion.is_none())
        .filter_map(|requirement| {
            let own: Vec<&CaseReport> = results
                .iter()
                .filter(|case| {
                    cited
                        .get(case.id.as_str())
                        .is_some_and(|ids| ids.contains(requirement.id.as_str()))
                })
                .collect();
            in_scope(requirement, &own, &results, only, partial).then(|| RequirementReport {
                id: requirement.id.clone(),
                level: requirement.level,
                profile: requirement.profile,
                verdict: requirement_verdict(requirement, &own, &results, claimed),
            })
        })
        .collect();
    let mut totals = Totals {
        cases: results.len(),
        assertions: results.iter().map(|case| case.assertions).sum(),
        by_verdict: Verdict::ALL
            .iter()
            .map(|verdict| (verdict.name(), 0))
            .collect(),
        must: level_totals(&requirements, Level::Must),
        should: level_totals(&requirements, Level::Should),
    };
    for case in &results {
        *totals.by_verdict.entry(case.verdict.name()).or_default() += 1;
    }
    let verdict = run_verdict(&results, &totals, run.unseen);
    Report {
        verdict,
        totals,
        cases: results,
        requirements,
        baseline: None,
        run,
    }
}

/// Whether a run speaks of a requirement. A partial run speaks of what its cases cite; a whole one of everything that a run can judge.
fn in_scope(
    requirement: &Requirement,
    own: &[&CaseReport],
    all: &[CaseReport],
    only: &BTreeSet<Profile>,
    partial: bool,
) -> bool {
    if !own.is_empty() || violated(requirement, all) {
        return true;
    }
    let asked = only.is_empty() || only.contains(&requirement.profile);
    let by_profile_only = !partial || !only.is_empty();
    asked
        && by_profile_only
        && !requirement.pending
        && matches!(requirement.judged, Judged::Live | Judged::Transcript)
        && (!partial || all.iter().any(|case| case.profile == requirement.profile))
}

fn violated(requirement: &Requirement, all: &[CaseReport]) -> bool {
    all.iter()
        .flat_map(|case| &case.mismatches)
        .any(|mismatch| mismatch.cites.contains(&requirement.id))
}

fn requirement_verdict(
    requirement: &Requirement,
    own: &[&CaseReport],
    all: &[CaseReport],
    claimed: &BTreeSet<Profile>,
) -> Verdict {
    if violated(requirement, all) {
        return if requirement.level == Level::Must {
            Verdict::Fail
        } else {
            Verdict::Warn
        };
    }
    if !claimed.contains(&requirement.profile) {
        return Verdict::NotApplicable;
    }
    let applicable: Vec<&CaseReport> = own
        .iter()
        .copied()
        .filter(|case| case.verdict != Verdict::NotApplicable)
        .collect();
    if applicable.is_empty() {
        return if own.is_empty() {
            Verdict::NotObserved
        } else {
            Verdict::NotApplicable
        };
    }
    if applicable.iter().all(|case| has_observed_the_rest(case)) {
        return Verdict::Pass;
    }
    [
        Verdict::HarnessError,
        Verdict::SetupFailed,
        Verdict::NotImplemented,
    ]
    .into_iter()
    .find(|verdict| applicable.iter().any(|case| case.verdict == *verdict))
    .unwrap_or(Verdict::NotObserved)
}

/// Whether a case has observed every requirement that it speaks for and does not cite. One that fails while it runs stops there, and leaves
/// the rest open; a warning stops nothing, and a transcript is judged to its end whatever is wrong with it.
fn has_observed_the_rest(case: &CaseReport) -> bool {
    match case.verdict {
        Verdict::Pass | Verdict::Warn => true,
        Verdict::Fail => offline::is_judged_to_its_end(case),
        _ => false,
    }
}

pub(super) fn level_totals(requirements: &[RequirementReport], level: Level) -> LevelTotals {
    let mut totals = LevelTotals::default();
    for requirement in requirements
        .iter()
        .filter(|requirement| requirement.level == level)
    {
        match requirement.verdict {
            Verdict::Pass => totals.passed += 1,
            Verdict::Fail | Verdict::Warn => totals.failed += 1,
            Verdict::NotApplicable => totals.not_applicable += 1,
            _ => totals.not_observed += 1,
        }
    }
    totals.total = totals.passed + totals.failed + totals.not_observed;
    totals
}

pub(super) fn run_verdict(cases: &[CaseReport], totals: &Totals, unseen: bool) -> RunVerdict {
    let has = |verdict| cases.iter().any(|case| case.verdict == verdict);
    if has(Verdict::Fail) || totals.must.failed > 0 {
        RunVerdict::NotConformant
    } else if unseen
        || has(Verdict::HarnessError)
        || totals.must.not_observed > 0
        || !has(Verdict::Pass)
    {
        // A run that passed nothing has shown nothing, whatever the reason.
        RunVerdict::Incomplete
    } else {
        RunVerdict::Conformant
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::suite::verdict::ExitCode;
    use serde_json::json;

    fn registry() -> Registry {
        let mut registry = Registry::default();
        let entry = |id: &str, level: &str, profile: &str, more: &str| {
            format!(
                "[[requirement]]\nid=\"{id}\"\nlevel=\"{level}\"\nprofile=\"{profile}\"\nquote=\"q\"\njudged=\"live\"\n{more}\n"
            )
        };
        let text = [
            entry("STP-001", "MUST", "session", ""),
            entry("STP-002", "SHOULD", "session", ""),
            entry("STP-003", "MUST", "session", "exclusion=\"cannot be seen\""),
            entry("STP-004", "MUST", "human", ""),
        ]
        .concat();
        registry.add_section("steps", &text, "q");
        registry
    }

    fn case(id: &str, requirements: &[&str]) -> Case {
        serde_json::from_value(
            json!({"id": id, "title": "t", "requirements": requirements, "manifest": "none",
            "steps": [{"step": {}, "expect": {"status": 200}}]}),
        )
        .expect("a case")
    }

    fn result(case: &Case, verdict: Verdict, cites: &[&str]) -> CaseReport {
        CaseReport {
            id: case.id.clone(),
            title: case.title.clone(),
            file: case.file.clone(),
            requirements: case.requirements.clone(),
            profile: Profile::Session,
            verdict,
            mismatches: cites
                .iter()
                .map(|id| Mismatch {
                    cites: vec![(*id).to_owned()],
                    place: "step 1".into(),
                    pointer: String::new(),
                    expected: json!(1),
                    got: json!(2),
                    message: String::new(),
                    no_answer: false,
                })
                .collect(),
            assertions: 1,
            reason: None,
            leaves_open: Vec::new(),
            expected: false,
        }
    }

    fn report(verdicts: &[(Verdict, &[&str])]) -> Report {
        let cases: Vec<Case> = (0..verdicts.len())
            .map(|index| case(&format!("STP-001-c{index}"), &["STP-001", "STP-002"]))
            .collect();
        let results = cases
            .iter()
            .zip(verdicts)
            .map(|(case, (verdict, cites))| result(case, *verdict, cites))
            .collect();
        let claimed = BTreeSet::from([Profile::Core, Profile::Session]);
        let references: Vec<&Case> = cases.iter().collect();
        assemble(
            &references,
            results,
            &registry(),
            &claimed,
            &BTreeSet::new(),
            RunBlock::default(),
        )
    }

    fn verdict_of(report: &Report, id: &str) -> Verdict {
        report
            .requirements
            .iter()
            .find(|one| one.id == id)
            .expect(id)
            .verdict
    }

    #[test]
    fn a_requirement_passes_when_all_its_cases_do() {
        let good = report(&[(Verdict::Pass, &[]), (Verdict::Pass, &[])]);
        assert_eq!(good.verdict, RunVerdict::Conformant);
        assert_eq!(good.exit_code(), ExitCode::Conformant);
        assert_eq!(
            (
                good.totals.must.passed,
                good.totals.must.total,
                good.totals.must.not_applicable
            ),
            (1, 1, 1)
        );
        assert_eq!(good.totals.assertions, 2);
        // Excluded requirements are not in the report.
        assert!(good.requirements.iter().all(|one| one.id != "STP-003"));
        let part = report(&[(Verdict::Pass, &[]), (Verdict::SetupFailed, &[])]);
        assert_eq!(verdict_of(&part, "STP-001"), Verdict::SetupFailed);
        assert_eq!(
            (part.verdict, part.exit_code()),
            (RunVerdict::Incomplete, ExitCode::Incomplete)
        );
    }

    #[test]
    fn a_mismatch_fails_what_it_cites() {
        let bad = report(&[(Verdict::Fail, &["STP-001"]), (Verdict::Pass, &[])]);
        assert_eq!(verdict_of(&bad, "STP-001"), Verdict::Fail);
        assert_eq!(verdict_of(&bad, "STP-002"), Verdict::NotObserved);
        assert_eq!(
            (bad.verdict, bad.exit_code()),
            (RunVerdict::NotConformant, ExitCode::Violation)
        );
    }

    /// A requirement fails where any transcript of a folder breaks it, and only that one does: each was judged to its end.
    #[test]
    fn a_transcript_that_breaks_one_requirement_leaves_the_others_observed() {
        let verdicts = |ids: [&str; 2]| {
            let cases: Vec<Case> = ids
                .iter()
                .map(|id| {
                    let mut case = case("TRANSCRIPT-x.json", &["STP-001", "STP-002"]);
                    case.id = (*id).to_owned();
                    case.file = "x.jsonl".to_owned();
                    case
                })
                .collect();
            let results = vec![
                result(&cases[0], Verdict::Pass, &[]),
                result(&cases[1], Verdict::Fail, &["STP-001"]),
            ];
            let references: Vec<&Case> = cases.iter().collect();
            let claimed = BTreeSet::from([Profile::Core, Profile::Session]);
            let run = RunBlock {
                unseen: true,
                ..RunBlock::default()
            };
            let only = BTreeSet::new();
            let report = assemble(&references, results, &registry(), &claimed, &only, run);
            assert_eq!(report.verdict, RunVerdict::NotConformant);
            let open = report
                .cases
                .iter()
                .map(|case| case.leaves_open.len())
                .sum::<usize>();
            let of = ["STP-001", "STP-002"].map(|id| verdict_of(&report, id));
            (of, open)
        };
        let whole = verdicts(["TRANSCRIPT-x.jsonl", "TRANSCRIPT-x.jsonl#2"]);
        assert_eq!(whole, ([Verdict::Fail, Verdict::Pass], 0));
        // Of all further ones together not everything that is wrong is told.
        let further = verdicts(["TRANSCRIPT-x.jsonl", "TRANSCRIPT-x.jsonl#further"]);
        assert_eq!(further, ([Verdict::Fail, Verdict::NotObserved], 1));
    }

    #[test]
    fn a_violated_should_is_a_warning() {
        let warned = report(&[(Verdict::Warn, &["STP-002"])]);
        assert_eq!(verdict_of(&warned, "STP-002"), Verdict::Warn);
        assert_eq!(verdict_of(&warned, "STP-001"), Verdict::Pass);
        assert_eq!(warned.totals.should.failed, 1);
        // Nothing passed outright, so nothing is certified.
        assert_eq!(warned.verdict, RunVerdict::Incomplete);
        let both = report(&[(Verdict::Warn, &["STP-002"]), (Verdict::Pass, &[])]);
        assert_eq!(both.verdict, RunVerdict::Conformant);
        let less = run_verdict(&both.cases, &both.totals, true);
        assert_eq!(less, RunVerdict::Incomplete);
    }

    #[test]
    fn nothing_that_is_not_a_pass_counts_as_one() {
        for verdict in [
            Verdict::NotApplicable,
            Verdict::NotObserved,
            Verdict::NotImplemented,
            Verdict::SetupFailed,
        ] {
            let empty = report(&[(verdict, &[])]);
            assert_eq!(empty.verdict, RunVerdict::Incomplete, "{verdict}");
            assert_eq!(empty.totals.must.passed, 0);
        }
        let broken = report(&[(Verdict::HarnessError, &[]), (Verdict::Pass, &[])]);
        assert_eq!(broken.exit_code(), ExitCode::Harness);
    }

    #[test]
    fn requirements_outside_the_targets_profiles_are_not_applicable() {
        let good = report(&[(Verdict::Pass, &[])]);
        assert_eq!(verdict_of(&good, "STP-004"), Verdict::NotApplicable);
    }

    #[test]
    fn the_report_validates_against_its_schema() {
        let Some(schema) = crate::schema::named("report") else {
            return;
        };
        for report in [
            report(&[(Verdict::Pass, &[])]),
            report(&[(Verdict::Fail, &["STP-001"])]),
        ] {
            let value = serde_json::to_value(&report).expect("serialises");
            assert_eq!(schema.violations(&value), []);
        }
    }
}
