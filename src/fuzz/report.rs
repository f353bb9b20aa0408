//! What a campaign came to: for programs as JSON, for people as text.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;

use serde::{Serialize, Serializer};
use serde_json::{Value, json};

use super::coverage::{Coverage, Seen};
use super::property::{self, Breach};
use crate::suite::report::text;
use crate::suite::verdict::ExitCode;

/// Most names of what was not reached that the text lists of one kind.
const MOST_NAMED: usize = 12;

/// How many worlds were tried, and what they were made of.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Tried {
    /// Worlds that were run.
    pub worlds: u64,
    /// Those whose manifest the target refused, so that nothing was observed.
    pub refused: u64,
    /// The number of one of these, and why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refusal: Option<(u64, String)>,
    /// Those without calls at the same time.
    pub sequential: u64,
    /// Those that were run twice.
    pub twice: u64,
    /// How many worlds had each feature.
    pub features: BTreeMap<&'static str, u64>,
}

/// How large a world was and became: calls, entries of scripts, actions and intents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Sizes {
    /// As it was drawn.
    pub found: usize,
    /// After shrinking.
    pub shrunk: usize,
}

/// One kind of failure: a property that does not hold, by one requirement.
#[derive(Debug, Clone, Serialize)]
pub struct Failure {
    /// The property.
    pub property: &'static str,
    /// The requirement that is broken.
    pub requirement: &'static str,
    /// The number of the first world that shows it.
    pub index: u64,
    /// How many worlds showed it.
    pub worlds: u64,
    /// Why it is accepted, where it is known; then it was not looked into.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub known: Option<String>,
    /// Whether it was not seen again when its world ran alone.
    pub flaky: bool,
    /// Runs that confirming and shrinking took.
    pub runs: usize,
    /// What shrinking brought.
    pub sizes: Sizes,
    /// The place.
    #[serde(serialize_with = "breach")]
    pub breach: Breach,
    /// What happened, for people.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub story: String,
    /// The command that finds it again.
    pub repeat: String,
    /// The case file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<PathBuf>,
    /// Whether `run` finds the target at fault by that file alone; otherwise the property says more than a case can.
    pub judged_by_run: bool,
    /// The command that runs that file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
}

/// What a campaign came to.
#[derive(Debug, Clone, Serialize)]
pub struct Outcome {
    /// The seed.
    pub seed: u64,
    /// The number of the first world.
    pub first: u64,
    /// The target's address.
    pub target: String,
    /// Its profiles.
    pub profiles: Vec<String>,
    /// The properties that counted.
    pub properties: Vec<&'static str>,
    /// The worlds.
    pub tried: Tried,
    /// What does not hold, each kind once.
    pub failures: Vec<Failure>,
    /// What was reached.
    pub coverage: Coverage,
    /// Requests to the target.
    pub requests: usize,
    /// How long it took, in milliseconds.
    pub duration_ms: u64,
}

fn breach<S: Serializer>(breach: &Breach, serializer: S) -> Result<S::Ok, S::Error> {
    json!({
        "where": breach.place,
        "pointer": breach.pointer,
        "expected": breach.expected,
        "got": breach.got,
        "message": breach.message,
    })
    .serialize(serializer)
}

impl Outcome {
    /// What the process ends with: a failure that nobody knew, flaky or not, is a violation; a campaign in which no world was observed
    /// says nothing.
    pub fn exit_code(&self) -> ExitCode {
        if self.failures.iter().any(|failure| failure.known.is_none()) {
            ExitCode::Violation
        } else if self.tried.worlds == self.tried.refused {
            ExitCode::Incomplete
        } else {
            ExitCode::Conformant
        }
    }

    /// The report for programs.
    pub fn json(&self) -> Value {
        let mut report = serde_json::to_value(self).unwrap_or_default();
        report["exit_code"] = json!(self.exit_code().number());
        report
    }

    /// The report for people.
    pub fn text(&self) -> String {
        let mut out = String::new();
        let mut line = |text: &str| {
            // Writing to a string cannot fail.
            let _ = writeln!(out, "{}", text::lines(text));
        };
        for failure in self
            .failures
            .iter()
            .filter(|failure| failure.known.is_none())
        {
            if failure.flaky {
                line(&format!(
                    "FLAKY {} ({}): seen in world {}, and not again in {} runs of it alone",
                    failure.property, failure.requirement, failure.index, failure.runs
                ));
                line(&format!(
                    "  {}: {}",
                    failure.breach.place, failure.breach.message
                ));
            } else {
                line(&format!(
                    "FAIL {} ({})",
                    failure.property, failure.requirement
                ));
                line(failure.story.trim_end());
            }
            line(&format!("  repeat   {}", failure.repeat));
            if let Some(run) = &failure.run {
                line(&format!("  or       {run}"));
                if !failure.judged_by_run {
                    line(
                        "           (a case alone cannot state this property: run passes the file, the first command does not)",
                    );
                }
            }
            if !failure.flaky {
                line(&format!(
                    "  shrunk   from {} parts to {} in {} runs; {} seen in {} of {} worlds",
                    failure.sizes.found,
                    failure.sizes.shrunk,
                    failure.runs,
                    failure.requirement,
                    failure.worlds,
                    self.tried.worlds
                ));
            }
            line("");
        }
        for failure in &self.failures {
            if let Some(reason) = &failure.known {
                line(&format!(
                    "known {} ({}), in {} of {} worlds: {reason}",
                    failure.property, failure.requirement, failure.worlds, self.tried.worlds
                ));
            }
        }
        line(&self.summary());
        for (name, seen) in [
            ("statuses", &self.coverage.statuses),
            ("transitions", &self.coverage.transitions),
            ("error codes", &self.coverage.codes),
        ] {
            line(&reached(name, seen));
        }
        if let Some((index, why)) = &self.tried.refusal {
            line(&format!(
                "not observed: {} of {} worlds, whose manifest was refused; world {index}: {why}",
                self.tried.refused, self.tried.worlds
            ));
        }
        out
    }

    fn summary(&self) -> String {
        let broken: std::collections::BTreeSet<&str> = self
            .failures
            .iter()
            .filter(|failure| failure.known.is_none())
            .map(|failure| failure.property)
            .collect();
        format!(
            "{} of {} properties hold in {} worlds of seed {} ({} to {}); {} requests, {:.1} s",
            self.properties.len().saturating_sub(broken.len()),
            self.properties.len(),
            self.tried.worlds,
            self.seed,
            self.first,
            self.first
                .saturating_add(self.tried.worlds.saturating_sub(1)),
            self.requests,
            self.duration_ms as f64 / 1000.0
        )
    }
}

fn reached(name: &str, seen: &Seen) -> String {
    let count = seen.of - seen.unseen.len();
    let mut line = format!("reached {count} of {} {name}", seen.of);
    if !seen.unseen.is_empty() {
        let shown: Vec<&str> = seen
            .unseen
            .iter()
            .take(MOST_NAMED)
            .map(String::as_str)
            .collect();
        let more = seen.unseen.len() - shown.len();
        let _ = write!(line, "; not {}", shown.join(", "));
        if more > 0 {
            let _ = write!(line, " and {more} more");
        }
    }
    line
}

/// The list of properties, for people.
pub fn list() -> String {
    let width = property::all()
        .iter()
        .map(|property| property.id.len())
        .max()
        .unwrap_or_default();
    property::all()
        .iter()
        .map(|property| format!("{:width$}  {}\n", property.id, property.title))
        .collect()
}

/// The list of properties, for programs.
pub fn list_json() -> Value {
    property::all()
        .iter()
        .map(|property| {
            json!({"id": property.id, "title": property.title, "requirements": property.requirements})
        })
        .collect()
}
