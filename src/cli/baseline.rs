//! `oap-conform baseline`: failures that are known and accepted for now, written from a report.

use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use jiff::civil::Date;

use super::failure::Failure;
use super::output::read_report;
use super::{gate, harness};
use crate::suite::baseline::{self, Added, EditError, FILE_NAME, Universe};
use crate::suite::report::text::one_line;

const AFTER_HELP: &str = "\
  oap-conform run --report json=report.json
  oap-conform baseline init report.json --reason 'approvals come in May' --issue https://example.org/7
  oap-conform run                # exits 0 while nothing else fails

An entry does not make a target conformant: the verdict stays. A check that passes now, an entry
whose day is over and one that fits no case fail the run, and say which line to change.";

/// Options of `baseline`.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct BaselineCommand {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Write a baseline with an entry for each failure of a report
    Init(New),
    /// Add an entry for each failure of a report that has none; reasons, comments and order stay
    Update(New),
    /// Take out the entries whose check passes in a report, or that fit no case
    Prune(Prune),
}

#[derive(Debug, Args)]
struct New {
    /// A report that 'run --report json=PATH' wrote
    #[arg(value_name = "REPORT")]
    report: PathBuf,
    /// The baseline
    #[arg(long, value_name = "FILE", default_value = FILE_NAME)]
    file: PathBuf,
    /// Why the new entries are accepted
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// Where the work on them is followed
    #[arg(long, value_name = "TEXT")]
    issue: Option<String>,
    /// The last day on which they are accepted, as 2026-12-31
    #[arg(long, value_name = "DAY")]
    expires: Option<Date>,
    /// Also entries for violations of a SHOULD, which fail a run only with --fail-on warning
    #[arg(long)]
    warnings: bool,
    /// One entry for each case that fails, not for each of its checks: shorter, and blind to what else breaks in that case
    #[arg(long)]
    whole: bool,
}

#[derive(Debug, Args)]
struct Prune {
    /// A report that 'run --report json=PATH' wrote
    #[arg(value_name = "REPORT")]
    report: PathBuf,
    /// The baseline
    #[arg(long, value_name = "FILE", default_value = FILE_NAME)]
    file: PathBuf,
    /// The folder of the cases that were run
    #[arg(long, value_name = "DIR")]
    cases: Option<PathBuf>,
}

impl BaselineCommand {
    /// Writes the file and tells what was written.
    pub fn execute(self) -> Result<u8, Failure> {
        match self.action {
            Action::Init(new) => new.init()?,
            Action::Update(new) => new.update()?,
            Action::Prune(prune) => prune.execute()?,
        }
        Ok(0)
    }
}

impl New {
    fn terms(&self) -> baseline::Terms {
        baseline::Terms {
            reason: self.reason.clone(),
            issue: self.issue.clone(),
            expires: self.expires,
            warnings: self.warnings,
            whole: self.whole,
        }
    }

    fn init(self) -> Result<(), Failure> {
        let report = read_report(&self.report)?;
        let added = baseline::init(&report, &self.terms()).map_err(cannot)?;
        let file = one_line(&self.file.to_string_lossy()).into_owned();
        let mut options = std::fs::OpenOptions::new();
        options
            .write(true)
            .create_new(true)
            .open(&self.file)
            .and_then(|mut new| new.write_all(added.text.as_bytes()))
            .map_err(|error| match error.kind() {
                ErrorKind::AlreadyExists => Failure::usage(format!(
                    "{file} is there already; add to it with 'oap-conform baseline update'"
                )),
                _ => Failure::usage(format!("cannot write {file}: {error}")),
            })?;
        println!("{file}: {}", told(added.entries.len(), "written"));
        Ok(())
    }

    fn update(self) -> Result<(), Failure> {
        let report = read_report(&self.report)?;
        let text = gate::text(&self.file)?;
        let name = self.file.display().to_string();
        let added = baseline::update(&name, &text, &report, &self.terms()).map_err(cannot)?;
        replace(&self.file, &text, &added, '+', "added")
    }
}

impl Prune {
    fn execute(self) -> Result<(), Failure> {
        let report = read_report(&self.report)?;
        let text = gate::text(&self.file)?;
        let cases = harness::cases(self.cases.as_deref())?;
        let universe: Universe = cases.iter().map(|case| case.id.as_str()).collect();
        let name = self.file.display().to_string();
        let left = baseline::prune(&name, &text, &report, &universe).map_err(cannot)?;
        replace(&self.file, &text, &left, '-', "taken out")
    }
}

fn cannot(error: EditError) -> Failure {
    Failure::usage(error.to_string())
}

fn told(count: usize, done: &str) -> String {
    match count {
        1 => format!("1 entry {done}"),
        count => format!("{count} entries {done}"),
    }
}

/// Writes the new text in place of the old one, all or nothing, and tells each entry that changed.
fn replace(file: &Path, old: &str, new: &Added, mark: char, done: &str) -> Result<(), Failure> {
    let name = one_line(&file.to_string_lossy()).into_owned();
    if new.text != old {
        let cannot =
            |error: std::io::Error| Failure::usage(format!("cannot write {name}: {error}"));
        let mut beside = file.as_os_str().to_owned();
        beside.push(format!(".{}.new", std::process::id()));
        let beside = PathBuf::from(beside);
        let written = std::fs::write(&beside, &new.text)
            .and_then(|()| std::fs::rename(&beside, file))
            .map_err(cannot);
        if written.is_err() {
            // It may not have come to be.
            let _ = std::fs::remove_file(&beside);
        }
        written?;
    }
    for (case, check) in &new.entries {
        println!("{mark} {}: {}", one_line(case), one_line(check));
    }
    println!("{name}: {}", told(new.entries.len(), done));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// A report with one case that could not be brought to its point.
    fn report(folder: &Path) -> PathBuf {
        let level =
            json!({"passed": 0, "failed": 0, "not_observed": 0, "not_applicable": 0, "total": 0});
        let mut run =
            serde_json::to_value(crate::suite::report::RunBlock::default()).expect("json");
        run["suite"] = json!("oap-conform");
        let report = json!({
            "verdict": "incomplete",
            "totals": {"cases": 1, "assertions": 0, "by_verdict": {"setup_failed": 1}, "must": level, "should": level},
            "cases": [{
                "id": "PLN-014-bad-date", "title": "t", "requirements": ["PLN-014"], "profile": "session",
                "verdict": "setup_failed", "mismatches": [], "assertions": 0
            }],
            "requirements": [],
            "run": run,
        });
        let path = folder.join("report.json");
        std::fs::write(&path, report.to_string()).expect("written");
        path
    }

    fn new(report: &Path, file: &Path, reason: Option<&str>) -> New {
        New {
            report: report.to_owned(),
            file: file.to_owned(),
            reason: reason.map(str::to_owned),
            issue: None,
            expires: None,
            warnings: false,
            whole: false,
        }
    }

    #[test]
    fn a_baseline_is_written_once_and_then_edited_in_place() {
        let folder = tempfile::tempdir().expect("a folder");
        let report = report(folder.path());
        let file = folder.path().join("b.toml");
        let said = |done: Result<(), Failure>| done.expect_err("refused").message;
        assert!(said(new(&report, &file, None).init()).contains("--reason"));
        assert!(!file.exists());
        new(&report, &file, Some("later")).init().expect("written");
        let again = new(&report, &file, Some("later"));
        assert!(said(again.init()).contains("baseline update"));
        let text = std::fs::read_to_string(&file).expect("there");
        new(&report, &file, None).update().expect("nothing is new");
        assert_eq!(std::fs::read_to_string(&file).expect("there"), text);
        // An entry for a case that nobody has is taken out, and nothing is left beside the file.
        let more =
            format!("{text}\n[[expected]]\ncase = \"PLN-014-x\"\ncheck = \"*\"\nreason = \"r\"\n");
        std::fs::write(&file, more).expect("written");
        let prune = Prune {
            report,
            file: file.clone(),
            cases: None,
        };
        prune.execute().expect("pruned");
        let left = std::fs::read_to_string(&file).expect("there");
        assert!(!left.contains("PLN-014-x"));
        let names = std::fs::read_dir(folder.path()).expect("listed").count();
        assert_eq!(names, 2);
    }
}
