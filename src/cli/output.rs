//! Where a report goes: standard output, files, annotations of a pipeline.

use std::collections::BTreeSet;
use std::io::{IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use clap::{Args, ValueEnum};

use super::documents::written;
use super::failure::{Failure, read_bounded};
use crate::requirement::Registry;
use crate::suite::report::{self, Format, Report, Style, render_annotations};

/// Options of every command that gives a report.
#[derive(Debug, Clone, Args)]
pub(super) struct Output {
    /// What stands on standard output
    #[arg(long, value_enum, default_value = "text")]
    pub format: Shown,
    /// Also write a report into a file: FORMAT is json, junit, sarif, tap, markdown, html, badge, outputs or text; repeat for more
    #[arg(long = "report", value_name = "FORMAT=PATH")]
    pub reports: Vec<Destination>,
    /// Tell a pipeline of failures, on standard error [default: github where GITHUB_ACTIONS is true, else none]
    #[arg(long, value_enum, value_name = "FOR")]
    annotations: Option<Annotations>,
}

/// The forms that standard output can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Shown {
    /// For people
    Text,
    /// The report itself; the schema is spec/schemas/report.json
    Json,
    /// JUnit XML
    Junit,
    /// Test Anything Protocol 14
    Tap,
    /// For the summary of a pipeline's step
    Markdown,
    /// key=value lines for the next step of a pipeline
    Outputs,
}

impl Shown {
    const fn format(self) -> Format {
        match self {
            Self::Text => Format::Text,
            Self::Json => Format::Json,
            Self::Junit => Format::Junit,
            Self::Tap => Format::Tap,
            Self::Markdown => Format::Markdown,
            Self::Outputs => Format::Outputs,
        }
    }
}

/// Who is told of failures besides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Annotations {
    /// Workflow commands of GitHub Actions
    Github,
    /// Nobody
    None,
}

/// One more report: its form and its file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Destination<F = Format> {
    /// The form.
    pub format: F,
    /// The file.
    pub path: PathBuf,
}

impl<F: FromStr<Err = String>> FromStr for Destination<F> {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('=') {
            Some((format, path)) if !path.is_empty() => Ok(Self {
                format: format.parse()?,
                path: PathBuf::from(path),
            }),
            _ => Err("write it as FORMAT=PATH, such as html=report.html".to_owned()),
        }
    }
}

impl Output {
    /// The files that reports are written into.
    pub fn paths(&self) -> impl Iterator<Item = PathBuf> {
        self.reports.iter().map(|one| one.path.clone())
    }

    /// Makes the folders that files go into, so that a wrong path is told before anything runs.
    ///
    /// # Errors
    /// When a folder cannot be made, a path is a folder, or two reports have one path.
    pub fn prepare(&self) -> Result<(), Failure> {
        prepare(self.reports.iter().map(|one| one.path.as_path()))
    }

    /// Writes the report wherever it was asked for: files first, then standard output, then annotations.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, report: &Report, verbose: bool) -> Result<(), Failure> {
        self.prepare()?;
        let registry = Registry::embedded();
        let render = |format, style| {
            report::render(report, registry, format, style).map_err(Failure::harness)
        };
        let plain = Style {
            colour: false,
            verbose,
        };
        for Destination { format, path } in &self.reports {
            written::to(path, &render(*format, plain)?)
                .map_err(|error| cannot_write(path, &error))?;
        }
        let colour = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        show(&render(self.format.format(), Style { colour, verbose })?);
        if self.annotates() {
            // Standard output may be read by a program; GitHub reads both.
            let text = render_annotations(report, registry);
            let _ = std::io::stderr().write_all(text.as_bytes());
        }
        Ok(())
    }

    fn annotates(&self) -> bool {
        match self.annotations {
            Some(chosen) => chosen == Annotations::Github,
            None => std::env::var_os("GITHUB_ACTIONS").is_some_and(|value| value == "true"),
        }
    }
}

/// Makes the folders that files go into, so that a wrong path is told before anything runs.
///
/// # Errors
/// When a folder cannot be made, a path is a folder, or two reports have one path.
pub(super) fn prepare<'p>(paths: impl IntoIterator<Item = &'p Path>) -> Result<(), Failure> {
    let mut seen = BTreeSet::new();
    for path in paths {
        if !seen.insert(path) {
            return Err(Failure::usage(format!(
                "two reports would be written to {}; give each its own file",
                path.display()
            )));
        }
        if path.is_dir() {
            return Err(Failure::usage(format!(
                "cannot write {}: it is a folder; name a file",
                path.display()
            )));
        }
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(|error| cannot_write(path, &error))?;
        }
    }
    Ok(())
}

/// Prints a text. A reader that went away early, such as `head`, is no error.
pub(super) fn show(text: &str) {
    let mut out = std::io::stdout();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// Reads a report from a file.
///
/// # Errors
/// When there is none, or it is none.
pub(super) fn read_report(path: &Path) -> Result<Report, Failure> {
    let cannot = |why: String| Failure::usage(format!("cannot use {}: {why}", path.display()));
    let bytes = read_bounded(path, report::MOST_BYTES as u64).map_err(cannot)?;
    report::read(&bytes).map_err(cannot)
}

/// What it means when a file cannot be written.
pub(super) fn cannot_write(path: &Path, error: &std::io::Error) -> Failure {
    Failure::usage(format!(
        "cannot write {}: {error}; name a file in a folder of yours",
        path.display()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_destination_is_a_form_and_a_path() {
        let html: Destination = "html=out/a=b.html".parse().expect("a destination");
        assert_eq!(
            (html.format, html.path.as_path()),
            (Format::Html, Path::new("out/a=b.html"))
        );
        for text in ["html", "html=", "pdf=x", "=x", ""] {
            assert!(text.parse::<Destination>().is_err(), "{text}");
        }
        let error = "pdf=x".parse::<Destination>().expect_err("no format");
        assert!(error.contains("junit"), "{error}");
    }
}
