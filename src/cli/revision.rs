//! `oap-conform revision`: what counted when a revision of the protocol was released.

use std::io::{ErrorKind, Write as _};
use std::path::PathBuf;

use clap::{Args, Subcommand};
use jiff::civil::Date;

use super::Format;
use super::failure::{Failure, plural};
use super::harness;
use crate::requirement::Registry;
use crate::suite::baseline::today;
use crate::suite::report::text::one_line;
use crate::suite::revision::{self, Revision};

/// Options of `revision`.
#[derive(Debug, Args)]
pub(super) struct RevisionCommand {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List the frozen revisions
    List,
    /// Show the requirements and cases of one
    Show {
        /// Its name
        name: String,
        /// Text or JSON
        #[arg(long, value_enum, default_value = "text")]
        format: Format,
    },
    /// Freeze what counts now under a new name; a file that is there is never changed
    New {
        /// Its name, such as 2.1
        name: String,
        /// The day of the release [default: today]
        #[arg(long, value_name = "DAY")]
        released: Option<Date>,
        /// The folder of the revisions
        #[arg(long, value_name = "DIR", default_value = revision::FOLDER)]
        folder: PathBuf,
    },
}

impl RevisionCommand {
    /// Prints, or writes the new file.
    pub fn execute(self) -> Result<u8, Failure> {
        match self.action {
            Action::List => list()?,
            Action::Show { name, format } => {
                let revision = Revision::named(&name).map_err(Failure::usage)?;
                match format {
                    Format::Json => println!("{}", harness::pretty(&revision)?),
                    Format::Text => print!("{}", text(&revision)),
                }
            }
            Action::New {
                name,
                released,
                folder,
            } => new(&name, released.unwrap_or_else(today), &folder)?,
        }
        Ok(0)
    }
}

fn list() -> Result<(), Failure> {
    let names = revision::names();
    if names.is_empty() {
        println!("no revision is frozen yet");
    }
    for name in names {
        let revision = Revision::named(&name).map_err(Failure::usage)?;
        println!("{}", headline(&revision));
    }
    Ok(())
}

fn headline(revision: &Revision) -> String {
    let levels: Vec<String> = revision::by_level(revision)
        .into_iter()
        .map(|(level, count)| format!("{count} {level}"))
        .collect();
    format!(
        "{}  released {}  {}, {}  sha256 {}",
        one_line(&revision.revision),
        one_line(&revision.released),
        levels.join(", "),
        plural(revision.cases.len(), "case"),
        one_line(&revision.digest)
    )
}

fn text(revision: &Revision) -> String {
    let mut text = format!("{}\n\n", headline(revision));
    for own in &revision.requirements {
        text.push_str(&format!("{} {}\n", one_line(&own.id), own.level));
    }
    text.push('\n');
    for case in &revision.cases {
        text.push_str(&format!("{}\n", one_line(case)));
    }
    text
}

fn new(name: &str, released: Date, folder: &std::path::Path) -> Result<(), Failure> {
    if !revision::is_name(name) {
        return Err(Failure::usage(format!(
            "'{name}' cannot be a revision; write numbers with dots between them, such as 2.1"
        )));
    }
    let registry = Registry::embedded();
    if let Some(problem) = registry.problems().first() {
        return Err(Failure::usage(format!(
            "the registry is not sound, so nothing is frozen: {problem}"
        )));
    }
    let cases = harness::cases(None)?;
    let revision = Revision::of(name, &released.to_string(), registry, &cases);
    let path = folder.join(format!("{name}.toml"));
    let shown = path.display();
    let mut options = std::fs::OpenOptions::new();
    options
        .write(true)
        .create_new(true)
        .open(&path)
        .and_then(|mut file| file.write_all(revision.text().as_bytes()))
        .map_err(|error| match error.kind() {
            ErrorKind::AlreadyExists => Failure::usage(format!(
                "{shown} is there already, and a revision never changes; take another name"
            )),
            _ => Failure::usage(format!("cannot write {shown}: {error}")),
        })?;
    println!("{shown}: {}", headline(&revision));
    Ok(())
}
