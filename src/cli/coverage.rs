//! `oap-conform coverage`: what of the protocol and of its sources is judged.

use std::fmt::Write as _;

use clap::Args;

use super::Format;
use super::failure::{Failure, plural};
use super::harness;
use crate::requirement::{Coverage, LevelCoverage, Profile, Registry, coverage};
use crate::suite::verdict::ExitCode;

/// Options of `coverage`.
#[derive(Debug, Args)]
pub(super) struct CoverageCommand {
    /// Fail (exit 1) when a MUST of a landed profile has neither case nor exclusion, a mission row is open, or a frozen revision
    /// was broken
    #[arg(long)]
    check: bool,
    /// Also print what became of each row of the mission: its requirements, or why there is none
    #[arg(long)]
    mission: bool,
    /// Text or JSON
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

impl CoverageCommand {
    /// Prints the coverage.
    pub fn execute(self) -> Result<u8, Failure> {
        let registry = Registry::embedded();
        let cases = harness::cases(None)?;
        let mut measured = coverage(registry, &harness::cited(&cases));
        let broken = crate::suite::revision::problems(registry, &cases);
        measured.problems.extend(broken);
        match self.format {
            Format::Json => println!("{}", harness::pretty(&measured)?),
            Format::Text => print!("{}", render(&measured, self.mission)),
        }
        let failed = self.check && !measured.problems.is_empty();
        Ok(if failed {
            ExitCode::Violation
        } else {
            ExitCode::Conformant
        }
        .number())
    }
}

fn render(coverage: &Coverage, with_rows: bool) -> String {
    let mut text = format!(
        "{:<14} {:>28}   {:>28}\n{:<14} {:>28}   {:>28}\n",
        "",
        "MUST",
        "SHOULD",
        "profile",
        "judged/excluded/pending/all",
        "judged/excluded/pending/all"
    );
    // Writing to a string cannot fail.
    for profile in Profile::ALL {
        let Some(counts) = coverage.profiles.get(profile.name()) else {
            continue;
        };
        let _ = writeln!(
            text,
            "{:<14} {:>28}   {:>28}",
            profile.name(),
            cells(&counts.must),
            cells(&counts.should)
        );
    }
    let mission = &coverage.mission;
    let _ = writeln!(
        text,
        "\nmission: {} of {} rows answered, {} excluded with a reason, {} open",
        mission.answered,
        mission.rows,
        mission.excluded,
        mission.open.len()
    );
    for row in mission.map.iter().filter(|_| with_rows) {
        let became = match &row.reason {
            Some(reason) => format!("excluded: {reason}"),
            None => row.requirements.join(" "),
        };
        let _ = writeln!(text, "  {:<5} {became}", row.row);
    }
    for problem in &coverage.problems {
        let _ = writeln!(text, "  problem: {problem}");
    }
    let _ = match coverage.problems.len() {
        0 => writeln!(text, "coverage: no problem"),
        count => writeln!(text, "coverage: {}", plural(count, "problem")),
    };
    text
}

fn cells(level: &LevelCoverage) -> String {
    format!(
        "{}/{}/{}/{}",
        level.judged, level.excluded, level.pending, level.total
    )
}
