//! `oap-conform list`, `show` and `explain`: what is judged, without a runtime.

use clap::Args;

use super::Format;
use super::documents::lint;
use super::failure::Failure;
use super::harness;
use crate::mutants;
use crate::requirement::{Profile, Registry};
use crate::suite::{Options, describe, matrix};

/// Options of `list`.
#[derive(Debug, Args)]
pub(super) struct List {
    /// Only these cases: a comma list of parts or globs of case ids, requirement ids or sections
    #[arg(
        long,
        value_name = "FILTER",
        default_value = "",
        hide_default_value = true
    )]
    filter: String,
    /// Only cases of this profile; repeat for more
    #[arg(long, value_name = "PROFILE")]
    profile: Vec<Profile>,
    /// Text or JSON
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

/// Options of `show`.
#[derive(Debug, Args)]
pub(super) struct Show {
    /// Id of the case, or its beginning
    case: String,
}

/// Options of `explain`.
#[derive(Debug, Args)]
pub(super) struct Explain {
    /// Id of the requirement, such as STP-003, or of a rule, such as duplicate_key
    #[arg(value_name = "REQUIREMENT|RULE")]
    requirement: String,
    /// Text or JSON
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

impl List {
    /// Prints the cases.
    pub fn execute(self) -> Result<u8, Failure> {
        let registry = Registry::embedded();
        let cases = harness::cases(None)?;
        let options = Options {
            filter: self.filter,
            profiles: self.profile.into_iter().collect(),
            ..Options::default()
        };
        let summaries = describe::list(&cases, registry, &options);
        if summaries.is_empty() {
            return Err(Failure::usage(
                "no case fits; 'oap-conform list' without options shows all of them",
            ));
        }
        match self.format {
            Format::Json => println!("{}", harness::pretty(&summaries)?),
            Format::Text => print!("{}", describe::list_text(&summaries, registry)),
        }
        Ok(0)
    }
}

impl Show {
    /// Prints one case.
    pub fn execute(self) -> Result<u8, Failure> {
        let cases = harness::cases(None)?;
        let case = describe::find(&self.case, &cases)?;
        print!("{}", describe::show(case, Registry::embedded()));
        Ok(0)
    }
}

impl Explain {
    /// Prints one requirement, or one rule.
    pub fn execute(self) -> Result<u8, Failure> {
        // Ids of requirements begin with a capital, those of rules do not.
        if self
            .requirement
            .starts_with(|c: char| c.is_ascii_lowercase())
        {
            return lint::explain(&self.requirement, self.format);
        }
        let cases = harness::cases(None)?;
        let mutants: Vec<matrix::Mutant> = mutants::all()
            .iter()
            .map(mutants::Mutant::summary)
            .collect();
        let explanation =
            describe::explain(&self.requirement, Registry::embedded(), &cases, &mutants)?;
        match self.format {
            Format::Json => println!("{}", harness::pretty(&explanation)?),
            Format::Text => print!("{}", explanation.text()),
        }
        Ok(0)
    }
}
