//! What of the protocol and of its sources is judged: every requirement has a case or a written exclusion, every
//! mission row a requirement or a reason.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{Level, Profile, Registry, Requirement};
use crate::embedded;

/// Rows of the two sources: the first article's statements are A1 to A179, the second's B1 to B120.
const ROWS: [(char, usize); 2] = [('A', 179), ('B', 120)];

/// Largest share of a profile's MUSTs that may be excluded, in per cent.
const MOST_EXCLUDED_PER_CENT: usize = 8;

/// Sections whose rules are about enforcement, effects or secrets; none of their MUSTs may be excluded.
const NEVER_EXCLUDED: [&str; 7] = [
    "actions",
    "human",
    "idempotency",
    "plans",
    "schemas",
    "secrets",
    "steps",
];

/// The answer of `oap-conform coverage`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Coverage {
    /// By profile name.
    pub profiles: BTreeMap<&'static str, ProfileCoverage>,
    /// The rows of the sources.
    pub mission: MissionCoverage,
    /// Why `coverage --check` fails; empty when it passes.
    pub problems: Vec<String>,
}

/// One profile's requirements.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ProfileCoverage {
    /// Level MUST.
    pub must: LevelCoverage,
    /// Level SHOULD.
    pub should: LevelCoverage,
    /// Level MAY.
    pub may: LevelCoverage,
}

/// Requirements of one profile and level; `total` is the sum of the others and of those that are open.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct LevelCoverage {
    /// All of them.
    pub total: usize,
    /// Cited by at least one case, or proved by a test that the registry names.
    pub judged: usize,
    /// Excluded with a reason.
    pub excluded: usize,
    /// Waiting for their profile to land: gaps.
    pub pending: usize,
    /// Ids with neither case nor exclusion nor pending.
    pub open: Vec<String>,
}

/// The rows of the sources.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct MissionCoverage {
    /// All rows.
    pub rows: usize,
    /// Rows that a requirement answers.
    pub answered: usize,
    /// Rows excluded with a reason.
    pub excluded: usize,
    /// Rows with neither.
    pub open: Vec<String>,
    /// For each row in order, the requirements that answer it, or the reason why none does.
    pub map: Vec<RowCoverage>,
}

/// What became of one row of the sources.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct RowCoverage {
    /// The row, such as `A12`.
    pub row: String,
    /// Requirements that answer it.
    pub requirements: Vec<String>,
    /// Why it became no requirement.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MissionFile {
    #[serde(default)]
    excluded: Vec<ExcludedRow>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ExcludedRow {
    row: String,
    reason: String,
}

/// Counts what is judged, given which cases cite which requirement (`cited`: requirement id to case ids).
pub fn coverage(registry: &Registry, cited: &BTreeMap<String, Vec<String>>) -> Coverage {
    let mission = embedded::text("spec/mission.toml").unwrap_or_default();
    measure(registry, cited, &mission)
}

fn measure(registry: &Registry, cited: &BTreeMap<String, Vec<String>>, mission: &str) -> Coverage {
    let mut problems = registry.problems().to_vec();
    let mut profiles: BTreeMap<&'static str, ProfileCoverage> = Profile::ALL
        .iter()
        .map(|profile| (profile.name(), ProfileCoverage::default()))
        .collect();
    for requirement in registry.iter() {
        let profile = profiles.entry(requirement.profile.name()).or_default();
        let level = match requirement.level {
            Level::Must => &mut profile.must,
            Level::Should => &mut profile.should,
            Level::May => &mut profile.may,
        };
        let judged = cited.contains_key(&requirement.id) || requirement.proof.is_some();
        count(requirement, judged, level);
        if requirement.pending && judged {
            problems.push(format!(
                "{}: is judged, so it is not pending any more; take `pending` out",
                requirement.id
            ));
        }
        if requirement.level == Level::Must
            && requirement.exclusion.is_some()
            && NEVER_EXCLUDED.contains(&requirement.section.as_str())
        {
            problems.push(format!(
                "{}: is about enforcement, effects or secrets and must be judged, not excluded",
                requirement.id
            ));
        }
    }
    for (id, cases) in cited {
        if registry.get(id).is_none() {
            problems.push(format!(
                "{id}: cited by {} but not in the registry",
                cases.join(", ")
            ));
        }
    }
    let begun = |profile: &Profile| profile.landed() || profile.landed_in_part();
    for profile in Profile::ALL.into_iter().filter(begun) {
        let must = &profiles[profile.name()].must;
        for id in &must.open {
            problems.push(format!(
                "{id}: a MUST of {profile} with neither case nor exclusion"
            ));
        }
        if must.excluded * 100 > must.total * MOST_EXCLUDED_PER_CENT {
            problems.push(format!(
                "{profile}: {} of {} MUSTs are excluded, more than {MOST_EXCLUDED_PER_CENT} %",
                must.excluded, must.total
            ));
        }
    }
    let mission = rows(registry, mission, &mut problems);
    Coverage {
        profiles,
        mission,
        problems,
    }
}

fn count(requirement: &Requirement, judged: bool, level: &mut LevelCoverage) {
    level.total += 1;
    if judged {
        level.judged += 1;
    } else if requirement.exclusion.is_some() {
        level.excluded += 1;
    } else if requirement.pending {
        level.pending += 1;
    } else {
        level.open.push(requirement.id.clone());
    }
}

fn rows(registry: &Registry, mission: &str, problems: &mut Vec<String>) -> MissionCoverage {
    let excluded = match toml::from_str::<MissionFile>(mission) {
        Ok(file) => file.excluded,
        Err(error) => {
            problems.push(format!("spec/mission.toml: {error}"));
            Vec::new()
        }
    };
    let all: Vec<String> = ROWS
        .iter()
        .flat_map(|(source, last)| (1..=*last).map(move |row| format!("{source}{row}")))
        .collect();
    let known: BTreeSet<&str> = all.iter().map(String::as_str).collect();
    let mut answered = BTreeSet::new();
    for requirement in registry.iter() {
        for row in &requirement.mission {
            if known.contains(row.as_str()) {
                answered.insert(row.as_str());
            } else {
                problems.push(format!("{}: there is no mission row {row}", requirement.id));
            }
        }
    }
    let mut reasons = BTreeSet::new();
    for entry in &excluded {
        if !known.contains(entry.row.as_str()) || entry.reason.trim().is_empty() {
            problems.push(format!(
                "mission row {}: unknown, or without a reason",
                entry.row
            ));
        } else if !reasons.insert(entry.row.as_str()) || answered.contains(entry.row.as_str()) {
            problems.push(format!("mission row {}: accounted for twice", entry.row));
        }
    }
    let open: Vec<String> = all
        .iter()
        .filter(|row| !answered.contains(row.as_str()) && !reasons.contains(row.as_str()))
        .cloned()
        .collect();
    problems.extend(
        open.iter()
            .map(|row| format!("mission row {row}: neither answered nor excluded")),
    );
    let map = all
        .iter()
        .map(|row| RowCoverage {
            row: row.clone(),
            requirements: registry
                .iter()
                .filter(|requirement| requirement.mission.contains(row))
                .map(|requirement| requirement.id.clone())
                .collect(),
            reason: excluded
                .iter()
                .find(|entry| entry.row == *row)
                .map(|entry| entry.reason.clone()),
        })
        .collect();
    MissionCoverage {
        rows: all.len(),
        answered: answered.len(),
        excluded: reasons.difference(&answered).count(),
        open,
        map,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn registry(entries: &str) -> Registry {
        let mut registry = Registry::default();
        registry.add_section("plans", entries, "one two three");
        registry
    }

    fn entry(id: &str, more: &str) -> String {
        format!(
            "[[requirement]]\nid = \"{id}\"\nlevel = \"MUST\"\nprofile = \"core\"\nquote = \"two\"\njudged = \"live\"\n{more}\n"
        )
    }

    fn has(coverage: &Coverage, start: &str) -> bool {
        coverage
            .problems
            .iter()
            .any(|problem| problem.starts_with(start))
    }

    #[test]
    fn a_must_without_case_or_exclusion_is_a_problem() {
        let registry = registry(&(entry("PLN-001", "") + &entry("PLN-002", "")));
        let cited = BTreeMap::from([("PLN-001".to_owned(), vec!["case".to_owned()])]);
        let found = measure(&registry, &cited, "");
        assert_eq!(found.profiles["core"].must.judged, 1);
        assert!(has(&found, "PLN-002: a MUST") && !has(&found, "PLN-001"));
    }

    #[test]
    fn exclusions_are_bounded_and_never_about_enforcement() {
        let found = measure(
            &registry(&entry("PLN-001", "exclusion = \"why\"")),
            &BTreeMap::new(),
            "",
        );
        assert!(has(&found, "PLN-001: is about enforcement") && has(&found, "core: 1 of 1"));
    }

    #[test]
    fn a_case_may_cite_known_requirements_only() {
        let cited = BTreeMap::from([("PLN-009".to_owned(), vec!["case".to_owned()])]);
        assert!(has(
            &measure(&Registry::default(), &cited, ""),
            "PLN-009: cited by case"
        ));
    }

    #[test]
    fn of_a_profile_that_landed_in_part_only_pending_rules_may_wait() {
        let draft = |id: &str, more: &str| entry(id, more).replace("core", "draft-2.1");
        let registry = registry(
            &(draft("PLN-001", "")
                + &draft("PLN-002", "pending = true")
                + &draft("PLN-003", "pending = true")),
        );
        let cited = BTreeMap::from([("PLN-003".to_owned(), vec!["case".to_owned()])]);
        let found = measure(&registry, &cited, "");
        assert!(has(&found, "PLN-001: a MUST") && !has(&found, "PLN-002"));
        assert!(has(&found, "PLN-003: is judged"));
    }

    #[test]
    fn every_row_is_accounted_for_once() {
        let registry = registry(&entry("PLN-001", "mission = [\"A1\", \"A999\"]"));
        let mission = "[[excluded]]\nrow = \"A1\"\nreason = \"x\"\n[[excluded]]\nrow = \"A2\"\nreason = \"y\"\n";
        let found = measure(&registry, &BTreeMap::new(), mission);
        assert_eq!(
            (
                found.mission.rows,
                found.mission.answered,
                found.mission.excluded
            ),
            (299, 1, 1)
        );
        assert_eq!(found.mission.open.len(), 297);
        assert_eq!(found.mission.map[0].requirements, ["PLN-001"]);
        assert_eq!(found.mission.map[1].reason.as_deref(), Some("y"));
        assert!(has(&found, "mission row A1: accounted for twice"));
        assert!(has(&found, "PLN-001: there is no mission row A999"));
        assert!(has(&found, "mission row A3: neither"));
    }
}
