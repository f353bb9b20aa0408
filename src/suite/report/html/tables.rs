//! The tables of the page: requirements by section and profile, and everything by section.

use std::collections::BTreeMap;

use serde::Serialize;

use super::view::safe;
use crate::requirement::{Profile, Registry};
use crate::suite::report::phrase::{self, Outcome};
use crate::suite::report::prose::{self, Prose};
use crate::suite::report::{Report, RequirementReport};
use crate::suite::verdict::Verdict;

/// One section of the matrix, or all of them.
#[derive(Serialize)]
pub(super) struct Row {
    section: String,
    cells: Vec<Cell>,
}

#[derive(Serialize)]
struct Cell {
    class: &'static str,
    text: String,
}

/// A section with all that belongs to it.
#[derive(Serialize)]
pub(super) struct Section {
    name: String,
    summary: String,
    requirements: Vec<RequirementView>,
    cases: Vec<CaseLine>,
}

#[derive(Serialize)]
struct RequirementView {
    id: String,
    level: String,
    profile: &'static str,
    verdict: &'static str,
    spoken: String,
    quote: String,
    place: String,
}

#[derive(Serialize)]
struct CaseLine {
    id: String,
    anchor: String,
    title: String,
    verdict: &'static str,
    spoken: String,
    ms: String,
    reason: String,
}

fn section_of(registry: &Registry, id: &str) -> String {
    registry
        .get(id)
        .map_or_else(|| "other".to_owned(), |own| own.section.clone())
}

/// Requirements by section and profile; all profiles come first, all sections last.
pub(super) fn matrix(report: &Report, registry: &Registry, profiles: &[Profile]) -> Vec<Row> {
    let mut sections: BTreeMap<String, Vec<&RequirementReport>> = BTreeMap::new();
    for requirement in &report.requirements {
        sections
            .entry(section_of(registry, &requirement.id))
            .or_default()
            .push(requirement);
    }
    let row = |section: String, own: &[&RequirementReport]| Row {
        section,
        cells: [cell(own.iter().map(|requirement| requirement.verdict))]
            .into_iter()
            .chain(profiles.iter().map(|profile| {
                cell(
                    own.iter()
                        .filter(|requirement| requirement.profile == *profile)
                        .map(|requirement| requirement.verdict),
                )
            }))
            .collect(),
    };
    let whole: Vec<&RequirementReport> = report.requirements.iter().collect();
    sections
        .into_iter()
        .map(|(section, own)| row(section, &own))
        .chain([row(String::new(), &whole)])
        .collect()
}

/// How many passed, of those that are about the target.
fn share<'a>(verdicts: impl Iterator<Item = &'a str>) -> String {
    let judged: Vec<&str> = verdicts
        .filter(|verdict| *verdict != Verdict::NotApplicable.name())
        .collect();
    let passed = judged
        .iter()
        .filter(|verdict| **verdict == Verdict::Pass.name())
        .count();
    format!("{passed} of {}", judged.len())
}

/// Requirements counted: those that passed of those that were to be judged.
fn cell(verdicts: impl Iterator<Item = Verdict>) -> Cell {
    let (mut passed, mut failed, mut unknown, mut outside) = (0_usize, 0_usize, 0_usize, 0_usize);
    for verdict in verdicts {
        match verdict {
            Verdict::Pass => passed += 1,
            Verdict::Fail | Verdict::Warn => failed += 1,
            Verdict::NotApplicable => outside += 1,
            _ => unknown += 1,
        }
    }
    let total = passed + failed + unknown;
    let (class, text) = match (total, failed, unknown, outside) {
        (0, _, _, 0) => ("none", String::new()),
        (0, ..) => ("none", format!("– {outside}")),
        (_, 0, 0, _) => ("good", format!("{passed} of {total}")),
        (_, 0, _, _) => ("odd", format!("? {passed} of {total}")),
        _ => ("bad", format!("✗ {passed} of {total}")),
    };
    Cell { class, text }
}

/// Every requirement and every case, by section.
pub(super) fn sections(
    report: &Report,
    registry: &Registry,
    prose: &Prose,
    anchors: &BTreeMap<&str, String>,
) -> Vec<Section> {
    let mut sections: BTreeMap<String, (Vec<RequirementView>, Vec<CaseLine>)> = BTreeMap::new();
    for requirement in &report.requirements {
        let known = registry.get(&requirement.id);
        let view = RequirementView {
            id: safe(&requirement.id),
            level: requirement.level.to_string(),
            profile: requirement.profile.name(),
            verdict: requirement.verdict.name(),
            spoken: phrase::spoken(requirement.verdict),
            quote: known.map(|own| own.quote.clone()).unwrap_or_default(),
            place: known
                .map(|own| format!("{}:{}", prose::file(own), prose.line(own)))
                .unwrap_or_default(),
        };
        let section = sections.entry(section_of(registry, &requirement.id));
        section.or_default().0.push(view);
    }
    for case in &report.cases {
        let line = CaseLine {
            id: safe(&case.id),
            anchor: anchors.get(case.id.as_str()).cloned().unwrap_or_default(),
            title: safe(phrase::title(case)),
            verdict: case.verdict.name(),
            spoken: phrase::said(case),
            ms: report
                .run
                .case_ms
                .get(&case.id)
                .map(|ms| format!("{ms:.1}"))
                .unwrap_or_default(),
            reason: match Outcome::of(case) {
                Outcome::Skipped | Outcome::Partly => {
                    safe(case.reason.as_deref().unwrap_or_default())
                }
                _ => String::new(),
            },
        };
        let section = sections.entry(phrase::section(case, registry).to_owned());
        section.or_default().1.push(line);
    }
    sections
        .into_iter()
        .map(|(name, (requirements, cases))| {
            let summary = format!(
                "{} requirements and {} cases passed",
                share(requirements.iter().map(|one| one.verdict)),
                share(cases.iter().map(|one| one.verdict))
            );
            Section {
                name,
                summary,
                requirements,
                cases,
            }
        })
        .collect()
}
