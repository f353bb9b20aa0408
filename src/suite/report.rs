//! One canonical report, and how it is shown.

pub mod annotations;
mod badge;
pub mod diff;
pub mod exchanges;
mod format;
mod html;
mod json;
mod junit;
mod markdown;
pub mod merge;
mod model;
mod normalise;
mod outputs;
mod phrase;
mod progress;
mod prose;
mod read;
mod sarif;
mod tap;
mod terminal;
pub mod text;

#[cfg(test)]
mod tests;

pub use annotations::github as render_annotations;
pub use format::{Format, render};
pub use json::render as render_json;
pub use markdown::inline;
pub use model::{
    CaseReport, Flake, LevelTotals, Report, RequirementReport, RunBlock, Sample, TargetBlock,
    Totals, assemble,
};
pub use normalise::{Normaliser, shown};
pub use progress::Progress;
pub use read::{MOST_BYTES, read};
pub use sarif::uri as artifact_uri;
pub use terminal::{Style, render as render_terminal};
