//! The forms a report can have, by name.

use std::str::FromStr;

use crate::requirement::Registry;
use crate::suite::report::{
    Report, Style, badge, html, json, junit, markdown, outputs, sarif, tap, terminal,
};

/// A form of the report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Format {
    /// For people at a terminal.
    Text,
    /// The report itself.
    Json,
    /// JUnit XML.
    Junit,
    /// SARIF 2.1.0.
    Sarif,
    /// Test Anything Protocol 14.
    Tap,
    /// Markdown, for the summary of a pipeline's step.
    Markdown,
    /// One page that needs nothing else.
    Html,
    /// A badge for shields.io.
    Badge,
    /// Lines for the next step of a pipeline.
    Outputs,
}

impl Format {
    /// All of them.
    pub const ALL: [Format; 9] = [
        Self::Text,
        Self::Json,
        Self::Junit,
        Self::Sarif,
        Self::Tap,
        Self::Markdown,
        Self::Html,
        Self::Badge,
        Self::Outputs,
    ];

    /// Its name on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Json => "json",
            Self::Junit => "junit",
            Self::Sarif => "sarif",
            Self::Tap => "tap",
            Self::Markdown => "markdown",
            Self::Html => "html",
            Self::Badge => "badge",
            Self::Outputs => "outputs",
        }
    }
}

impl FromStr for Format {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|format| format.name() == name)
            .ok_or_else(|| {
                let names: Vec<&str> = Self::ALL.iter().map(|format| format.name()).collect();
                format!("no format '{name}'; use one of {}", names.join(", "))
            })
    }
}

/// The report in one of its forms; `style` is for text only.
///
/// # Errors
/// When it cannot be written in that form: a fault of the suite.
pub fn render(
    report: &Report,
    registry: &Registry,
    format: Format,
    style: Style,
) -> Result<String, String> {
    match format {
        Format::Text => Ok(terminal::render(report, registry, style)),
        Format::Json => json::render(report),
        Format::Junit => junit::render(report, registry),
        Format::Sarif => sarif::render(report, registry),
        Format::Tap => Ok(tap::render(report, registry)),
        Format::Markdown => Ok(markdown::render(report, registry)),
        Format::Html => html::render(report, registry),
        Format::Badge => Ok(badge::render(report)),
        Format::Outputs => Ok(outputs::render(report)),
    }
}
