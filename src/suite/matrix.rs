//! The matrix of cases and mutants: is there a mutant for each case, a case for each mutant, and for the right reason?

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::case::Case;
use super::null::NullResult;
use super::report::Report;
use super::verdict::Verdict;

/// A deliberately broken target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mutant {
    /// Its name, as `kills` of a case says it.
    pub name: String,
    /// The requirement that it breaks.
    pub requirement: String,
    /// What it does wrong.
    pub behaviour: String,
}

/// One mutant and what a run against it came to.
#[derive(Debug, Clone, PartialEq)]
pub struct MutantRun {
    /// The mutant.
    pub mutant: Mutant,
    /// The report of the run.
    pub report: Report,
}

/// One mutant in the report of the self-test.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MutantResult {
    /// Its name.
    pub name: String,
    /// The requirement that it breaks.
    pub requirement: String,
    /// Cases that failed and cite that requirement, by id.
    pub killed_by: Vec<String>,
}

/// A case that failed against a mutant without citing what the mutant breaks.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct WrongClause {
    /// The mutant.
    pub mutant: String,
    /// The requirement that it breaks.
    pub requirement: String,
    /// The case that failed.
    pub case: String,
    /// What the case cited instead.
    pub cited: Vec<String>,
}

/// What `selftest --format json` prints.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SelftestReport {
    /// Null targets and what passed against them.
    pub null_targets: Vec<NullResult>,
    /// Mutants and who killed them.
    pub mutants: Vec<MutantResult>,
    /// Mutants that no case killed.
    pub survivors: Vec<String>,
    /// Cases that kill no mutant.
    pub cases_without_mutant: Vec<String>,
    /// Mutants that were failed only by cases citing something else.
    pub wrong_clause: Vec<WrongClause>,
    /// Kills that a case promised and that did not come, as `case: mutant`.
    pub broken_promises: Vec<String>,
    /// Cases that do not pass on the good target, as `case: verdict`.
    pub not_passing_on_good: Vec<String>,
}

impl SelftestReport {
    /// Whether the suite has proved that its checks can fail, with `cases` cases in all.
    pub fn holds(&self, cases: usize) -> bool {
        self.survivors.is_empty()
            && self.cases_without_mutant.is_empty()
            && self.wrong_clause.is_empty()
            && self.broken_promises.is_empty()
            && self.not_passing_on_good.is_empty()
            && self.null_targets.iter().all(|null| null.holds(cases))
    }

    /// One line for each thing that is wrong, in a fixed order.
    pub fn problems(&self, cases: usize) -> Vec<String> {
        let mut problems: Vec<String> = self
            .not_passing_on_good
            .iter()
            .map(|one| format!("does not pass on the good target: {one}"))
            .collect();
        problems.extend(
            self.null_targets
                .iter()
                .filter(|null| !null.holds(cases))
                .map(|null| {
                    format!(
                        "null target {}: {} passes, {} of {cases} cases executed",
                        null.name, null.passes, null.cases_executed
                    )
                }),
        );
        problems.extend(
            self.survivors
                .iter()
                .map(|name| format!("no case kills mutant {name}")),
        );
        problems.extend(
            self.cases_without_mutant
                .iter()
                .map(|id| format!("{id} kills no mutant")),
        );
        problems.extend(self.wrong_clause.iter().map(|one| {
            format!(
                "{} fails on mutant {} without citing {} (it cites {})",
                one.case,
                one.mutant,
                one.requirement,
                one.cited.join(", ")
            )
        }));
        problems.extend(
            self.broken_promises
                .iter()
                .map(|one| format!("a promised kill did not come: {one}")),
        );
        problems
    }
}

/// Whether a case kills a mutant: it failed, and a mismatch that is not mere silence cites the mutant's requirement. A mutant of a
/// SHOULD is killed by a warning.
fn kills(case: &super::report::CaseReport, requirement: &str) -> bool {
    matches!(case.verdict, Verdict::Fail | Verdict::Warn)
        && case.mismatches.iter().any(|mismatch| {
            !mismatch.no_answer && mismatch.cites.iter().any(|id| id == requirement)
        })
}

/// The report of the self-test, from the runs of all mutants, of the null targets, and of the good target in the same run.
pub fn matrix(
    cases: &[Case],
    good: &Report,
    runs: &[MutantRun],
    null_targets: Vec<NullResult>,
) -> SelftestReport {
    let mut report = SelftestReport {
        null_targets,
        not_passing_on_good: good
            .cases
            .iter()
            .filter(|case| case.verdict != Verdict::Pass)
            .map(|case| format!("{}: {}", case.id, case.verdict))
            .collect(),
        ..SelftestReport::default()
    };
    let passes_on_good: BTreeSet<&str> = good
        .cases
        .iter()
        .filter(|case| case.verdict == Verdict::Pass)
        .map(|case| case.id.as_str())
        .collect();
    let mut killers: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for run in runs {
        let requirement = run.mutant.requirement.as_str();
        let killed_by: Vec<String> = run
            .report
            .cases
            .iter()
            // A case that fails on the good target too has found no mutant.
            .filter(|case| passes_on_good.contains(case.id.as_str()) && kills(case, requirement))
            .map(|case| case.id.clone())
            .collect();
        if killed_by.is_empty() {
            report.survivors.push(run.mutant.name.clone());
            report.wrong_clause.extend(
                run.report
                    .cases
                    .iter()
                    .filter(|case| matches!(case.verdict, Verdict::Fail | Verdict::Warn))
                    .filter(|case| passes_on_good.contains(case.id.as_str()))
                    .map(|case| WrongClause {
                        mutant: run.mutant.name.clone(),
                        requirement: requirement.to_owned(),
                        case: case.id.clone(),
                        cited: case
                            .mismatches
                            .iter()
                            .flat_map(|mismatch| mismatch.cites.iter().cloned())
                            .collect::<BTreeSet<_>>()
                            .into_iter()
                            .collect(),
                    }),
            );
        }
        for id in &killed_by {
            if let Some(case) = cases.iter().find(|case| case.id == *id) {
                killers
                    .entry(&case.id)
                    .or_default()
                    .insert(&run.mutant.name);
            }
        }
        report.mutants.push(MutantResult {
            name: run.mutant.name.clone(),
            requirement: requirement.to_owned(),
            killed_by,
        });
    }
    for case in cases {
        let killed = killers.get(case.id.as_str());
        if killed.is_none() {
            report.cases_without_mutant.push(case.id.clone());
        }
        for promised in &case.kills {
            if killed.is_none_or(|killed| !killed.contains(promised.as_str())) {
                report
                    .broken_promises
                    .push(format!("{}: {promised}", case.id));
            }
        }
    }
    report.mutants.sort_by(|a, b| a.name.cmp(&b.name));
    for list in [
        &mut report.survivors,
        &mut report.cases_without_mutant,
        &mut report.broken_promises,
    ] {
        list.sort();
    }
    report.wrong_clause.sort();
    report
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::requirement::Profile;
    use crate::suite::report::{CaseReport, RunBlock, Totals};
    use crate::suite::verdict::{Mismatch, RunVerdict};
    use serde_json::json;

    fn case(id: &str, promised: &[&str]) -> Case {
        serde_json::from_value(
            json!({"id": id, "title": "t", "requirements": [&id[..7]], "manifest": "none",
            "steps": [{"step": {}, "expect": {"status": 200}}], "kills": promised}),
        )
        .expect("a case")
    }

    fn report(verdicts: &[(&str, Verdict, &[&str], bool)]) -> Report {
        Report {
            verdict: RunVerdict::Incomplete,
            totals: Totals::default(),
            cases: verdicts
                .iter()
                .map(|(id, verdict, cites, silent)| CaseReport {
                    id: (*id).to_owned(),
                    title: String::new(),
                    file: String::new(),
                    requirements: Vec::new(),
                    profile: Profile::Core,
                    verdict: *verdict,
                    mismatches: cites
                        .iter()
                        .map(|id| Mismatch {
                            cites: vec![(*id).to_owned()],
                            place: String::new(),
                            pointer: String::new(),
                            expected: json!(1),
                            got: json!(2),
                            message: String::new(),
                            no_answer: *silent,
                        })
                        .collect(),
                    assertions: 1,
                    reason: None,
                    leaves_open: Vec::new(),
                    expected: false,
                })
                .collect(),
            requirements: Vec::new(),
            baseline: None,
            run: RunBlock::default(),
        }
    }

    fn mutant(name: &str, requirement: &str, report: Report) -> MutantRun {
        MutantRun {
            mutant: Mutant {
                name: name.into(),
                requirement: requirement.into(),
                behaviour: String::new(),
            },
            report,
        }
    }

    #[test]
    fn a_kill_cites_what_the_mutant_breaks() {
        let cases = [case("STP-001-a", &["m1"]), case("STP-002-b", &["m2"])];
        let good = report(&[
            ("STP-001-a", Verdict::Pass, &[], false),
            ("STP-002-b", Verdict::Pass, &[], false),
        ]);
        let runs = [
            mutant(
                "m1",
                "STP-001",
                report(&[("STP-001-a", Verdict::Fail, &["STP-001"], false)]),
            ),
            mutant(
                "m2",
                "STP-002",
                report(&[("STP-002-b", Verdict::Fail, &["STP-001"], false)]),
            ),
            mutant(
                "m3",
                "STP-001",
                report(&[("STP-001-a", Verdict::Fail, &["STP-001"], true)]),
            ),
            mutant(
                "m4",
                "STP-001",
                report(&[("STP-001-a", Verdict::SetupFailed, &[], false)]),
            ),
        ];
        let found = matrix(&cases, &good, &runs, Vec::new());
        assert_eq!(found.mutants[0].killed_by, ["STP-001-a"]);
        assert_eq!(found.survivors, ["m2", "m3", "m4"]);
        assert_eq!(found.cases_without_mutant, ["STP-002-b"]);
        assert_eq!(found.wrong_clause[0].mutant, "m2");
        assert_eq!(found.wrong_clause[0].cited, ["STP-001"]);
        assert_eq!(found.broken_promises, ["STP-002-b: m2"]);
        assert!(!found.holds(2) && found.problems(2).len() >= 5);
    }

    #[test]
    fn a_case_that_fails_anyway_kills_nothing() {
        let cases = [case("STP-001-a", &[])];
        let bad = report(&[("STP-001-a", Verdict::Fail, &["STP-001"], false)]);
        let found = matrix(
            &cases,
            &bad,
            &[mutant("m1", "STP-001", bad.clone())],
            Vec::new(),
        );
        assert_eq!(found.survivors, ["m1"]);
        assert_eq!(found.not_passing_on_good, ["STP-001-a: fail"]);
    }

    #[test]
    fn null_targets_must_be_tried_and_must_not_pass() {
        let mut run = report(&[
            ("STP-001-a", Verdict::SetupFailed, &[], false),
            ("STP-002-b", Verdict::Fail, &["STP-002"], true),
        ]);
        let result = NullResult::of("refused", &run);
        assert_eq!(
            result,
            NullResult {
                name: "refused".into(),
                cases_executed: 2,
                passes: 0
            }
        );
        assert!(result.holds(2) && !result.holds(3));
        run.totals.by_verdict.insert("pass", 1);
        assert!(!NullResult::of("refused", &run).holds(2));
    }

    #[test]
    fn the_report_has_the_members_of_the_contract() {
        let cases = [case("STP-001-a", &[])];
        let good = report(&[("STP-001-a", Verdict::Pass, &[], false)]);
        let null = NullResult {
            name: "empty-200".into(),
            cases_executed: 1,
            passes: 0,
        };
        let runs = [mutant(
            "m1",
            "STP-001",
            report(&[("STP-001-a", Verdict::Fail, &["STP-001"], false)]),
        )];
        let found = matrix(&cases, &good, &runs, vec![null]);
        assert!(found.holds(1), "{:?}", found.problems(1));
        let value = serde_json::to_value(&found).expect("serialises");
        for member in [
            "null_targets",
            "mutants",
            "survivors",
            "cases_without_mutant",
            "wrong_clause",
        ] {
            assert!(value[member].is_array(), "{member}");
        }
        if let Some(schema) = crate::schema::named("selftest-report") {
            assert_eq!(schema.violations(&value), []);
        }
    }
}
