//! `list`, `show CASE`, `explain REQ` and `run --dry`: what there is, without a target.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::Serialize;

use super::applicability::{Applicability, Capabilities, applicability};
use super::case::{Case, Summary};
use super::matrix::Mutant;
use super::options::{Options, select};
use super::report::text::one_line;
use super::verdict::RunError;
use crate::requirement::{Registry, Requirement};

/// One requirement with all that judges it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Explanation<'a> {
    /// The requirement itself.
    #[serde(flatten)]
    pub requirement: &'a Requirement,
    /// Cases that speak for it.
    pub cases: Vec<Summary>,
    /// Mutants that break it.
    pub mutants: Vec<&'a Mutant>,
}

/// What a run would do with one case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Planned {
    /// The case.
    pub id: String,
    /// Whether it applies, and why not.
    #[serde(flatten)]
    pub applicability: Applicability,
}

/// The requirement a user means by an id.
///
/// # Errors
/// When there is none, with those that are near.
pub fn explain<'a>(
    id: &str,
    registry: &'a Registry,
    cases: &[Case],
    mutants: &'a [Mutant],
) -> Result<Explanation<'a>, RunError> {
    let id = id.to_ascii_uppercase();
    let Some(requirement) = registry.get(&id) else {
        let prefix = id.split('-').next().unwrap_or_default().to_owned();
        let near: Vec<&str> = registry
            .iter()
            .map(|requirement| requirement.id.as_str())
            .filter(|known| known.starts_with(&prefix))
            .collect();
        let hint = match near.as_slice() {
            [] => "see spec/requirements/".to_owned(),
            [one] => format!("there is {one}"),
            [first, .., last] => format!("there are {first} to {last}"),
        };
        return Err(RunError::Usage(format!(
            "there is no requirement '{}'; {hint}",
            one_line(&id)
        )));
    };
    Ok(Explanation {
        requirement,
        cases: cases
            .iter()
            .filter(|case| case.cited().contains(requirement.id.as_str()))
            .map(|case| case.summary(registry))
            .collect(),
        mutants: mutants
            .iter()
            .filter(|mutant| mutant.requirement == requirement.id)
            .collect(),
    })
}

impl Explanation<'_> {
    /// The explanation for people.
    pub fn text(&self) -> String {
        let requirement = self.requirement;
        let mut out = format!(
            "{} {} (profile {}, spec/{}.md)\n\n  \"{}\"\n\n",
            requirement.id,
            requirement.level,
            requirement.profile,
            requirement.section,
            requirement.quote
        );
        let judged = format!("{:?}", requirement.judged).to_lowercase();
        add(&mut out, format_args!("judged   {judged}"));
        if let Some(proof) = &requirement.proof {
            add(&mut out, format_args!("proof    {proof}"));
        }
        if let Some(reason) = &requirement.exclusion {
            add(&mut out, format_args!("excluded {reason}"));
        }
        if requirement.pending {
            add(
                &mut out,
                format_args!("pending  its profile has not landed"),
            );
        }
        if !requirement.mission.is_empty() {
            add(
                &mut out,
                format_args!("mission  {}", requirement.mission.join(" ")),
            );
        }
        section(
            &mut out,
            "cases",
            self.cases
                .iter()
                .map(|case| format!("{}  {}", case.id, case.title)),
        );
        section(
            &mut out,
            "mutants",
            self.mutants
                .iter()
                .map(|mutant| format!("{}  {}", mutant.name, mutant.behaviour)),
        );
        out
    }
}

fn add(out: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let _ = writeln!(out, "{text}");
}

fn section(out: &mut String, name: &str, lines: impl Iterator<Item = String>) {
    let lines: Vec<String> = lines.collect();
    if lines.is_empty() {
        add(out, format_args!("{name}: none"));
        return;
    }
    add(out, format_args!("{name}:"));
    for line in lines {
        add(out, format_args!("  {line}"));
    }
}

/// The cases that the options select.
pub fn list(cases: &[Case], registry: &Registry, options: &Options) -> Vec<Summary> {
    let (selected, _) = select(cases, registry, options, None);
    selected
        .into_iter()
        .map(|case| case.summary(registry))
        .collect()
}

/// A list of cases for people, by section of their main requirement, with a count at its end.
pub fn list_text(summaries: &[Summary], registry: &Registry) -> String {
    let mut by_section: BTreeMap<&str, Vec<&Summary>> = BTreeMap::new();
    for summary in summaries {
        let section = summary
            .requirements
            .first()
            .and_then(|id| registry.get(id))
            .map_or("(unknown)", |requirement| requirement.section.as_str());
        by_section.entry(section).or_default().push(summary);
    }
    let mut out = String::new();
    for (section, summaries) in by_section {
        add(&mut out, format_args!("{section}"));
        for summary in summaries {
            add(
                &mut out,
                format_args!("  {}  {}", summary.id, summary.title),
            );
        }
    }
    add(&mut out, format_args!("{} cases", summaries.len()));
    out
}

/// The case a user means by an id.
///
/// # Errors
/// When there is none, with those that are near.
pub fn find<'c>(id: &str, cases: &'c [Case]) -> Result<&'c Case, RunError> {
    if let Some(case) = cases.iter().find(|case| case.id == id) {
        return Ok(case);
    }
    let near: Vec<&Case> = cases.iter().filter(|case| case.id.contains(id)).collect();
    match near.as_slice() {
        [one] => Ok(one),
        [] => Err(RunError::Usage(format!(
            "there is no case '{}'; see oap-conform list",
            one_line(id)
        ))),
        several => {
            let ids: Vec<&str> = several
                .iter()
                .take(8)
                .map(|case| case.id.as_str())
                .collect();
            Err(RunError::Usage(format!(
                "'{}' fits several cases; name one: {}",
                one_line(id),
                ids.join(", ")
            )))
        }
    }
}

/// A case for people: its clauses, then its file as it stands.
pub fn show(case: &Case, registry: &Registry) -> String {
    let mut out = format!("{}\n{}\n", case.id, case.title);
    for id in case.cited() {
        if let Some(requirement) = registry.get(id) {
            add(
                &mut out,
                format_args!(
                    "\n{id} {} spec/{}.md\n  \"{}\"",
                    requirement.level, requirement.section, requirement.quote
                ),
            );
        }
    }
    add(
        &mut out,
        format_args!("\n--- {}\n{}", case.file, case.source.trim_end()),
    );
    out
}

/// What a run would do, case by case.
///
/// # Errors
/// [`RunError::NothingSelected`] when no case is left.
pub fn plan(
    cases: &[Case],
    registry: &Registry,
    capabilities: &Capabilities,
    options: &Options,
) -> Result<Vec<Planned>, RunError> {
    let (selected, _) = select(cases, registry, options, None);
    if selected.is_empty() {
        return Err(RunError::NothingSelected(format!(
            "no case of {} is left by filter '{}' and the profiles given; see oap-conform list",
            cases.len(),
            options.filter
        )));
    }
    let capabilities = Capabilities {
        clock: options.clock.is_some(),
        files: options.files.is_some(),
        objects: options.objects,
        ..capabilities.clone()
    };
    Ok(selected
        .into_iter()
        .map(|case| Planned {
            id: case.id.clone(),
            applicability: applicability(case, registry, &capabilities, options.force),
        })
        .collect())
}

/// A plan for people.
pub fn plan_text(planned: &[Planned]) -> String {
    let mut out = String::new();
    let mut applies = 0;
    for one in planned {
        match &one.applicability {
            Applicability::Applicable => {
                applies += 1;
                add(&mut out, format_args!("run              {}", one.id));
            }
            Applicability::NotApplicable(reason) => add(
                &mut out,
                format_args!("not applicable   {}  {reason}", one.id),
            ),
            Applicability::NotImplemented(reason) => add(
                &mut out,
                format_args!("not implemented  {}  {reason}", one.id),
            ),
            Applicability::NotObserved(reason) => add(
                &mut out,
                format_args!("not observed     {}  {reason}", one.id),
            ),
        }
    }
    add(
        &mut out,
        format_args!("{applies} of {} cases would run", planned.len()),
    );
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::requirement::Profile;
    use serde_json::json;

    fn registry() -> Registry {
        let mut registry = Registry::default();
        registry.add_section(
            "steps",
            "[[requirement]]\nid=\"STP-001\"\nlevel=\"MUST\"\nprofile=\"session\"\nquote=\"A step is a step.\"\nmission=[\"A1\"]\njudged=\"live\"",
            "A step is a step.",
        );
        registry
    }

    fn cases() -> Vec<Case> {
        ["STP-001-a", "STP-001-b"]
            .map(|id| {
                let mut case: Case = serde_json::from_value(
                    json!({"id": id, "title": format!("title of {id}"), "requirements": ["STP-001"],
                    "manifest": "none", "steps": [{"step": {}, "expect": {"status": 200}}]}),
                )
                .expect("a case");
                case.source = "id: x\n".into();
                case
            })
            .to_vec()
    }

    #[test]
    fn a_requirement_is_explained_with_all_that_judges_it() {
        let (registry, cases) = (registry(), cases());
        let mutants = [Mutant {
            name: "m1".into(),
            requirement: "STP-001".into(),
            behaviour: "takes no step".into(),
        }];
        let found = explain("stp-001", &registry, &cases, &mutants).expect("found");
        let text = found.text();
        for part in [
            "STP-001 MUST (profile session, spec/steps.md)",
            "\"A step is a step.\"",
            "judged   live",
            "mission  A1",
            "STP-001-b  title of STP-001-b",
            "m1  takes no step",
        ] {
            assert!(text.contains(part), "{part} is not in\n{text}");
        }
        assert_eq!(
            serde_json::to_value(&found).expect("serialises")["id"],
            "STP-001"
        );
        let error = explain("STP-009", &registry, &cases, &[]).expect_err("none");
        assert!(error.to_string().contains("there is STP-001"));
    }

    #[test]
    fn cases_are_listed_found_and_shown() {
        let (registry, cases) = (registry(), cases());
        let listed = list(
            &cases,
            &registry,
            &Options {
                filter: "-b".into(),
                ..Options::default()
            },
        );
        assert_eq!(listed.len(), 1);
        assert!(list_text(&listed, &registry).starts_with("steps\n  STP-001-b  "));
        assert_eq!(find("001-b", &cases).expect("found").id, "STP-001-b");
        assert!(
            find("STP", &cases)
                .expect_err("several")
                .to_string()
                .contains("STP-001-a, STP-001-b")
        );
        assert!(find("zzz", &cases).is_err());
        assert!(show(&cases[0], &registry).contains("\"A step is a step.\""));
    }

    #[test]
    fn a_plan_says_what_would_run_and_why_not() {
        let (registry, cases) = (registry(), cases());
        let session = Capabilities::of([Profile::Session]);
        let planned = plan(&cases, &registry, &session, &Options::default()).expect("planned");
        assert!(plan_text(&planned).ends_with("2 of 2 cases would run\n"));
        let planned = plan(
            &cases,
            &registry,
            &Capabilities::of([]),
            &Options::default(),
        )
        .expect("planned");
        assert!(plan_text(&planned).contains("does not declare session"));
        let none = Options {
            filter: "zzz".into(),
            ..Options::default()
        };
        assert!(plan(&cases, &registry, &session, &none).is_err());
    }
}
