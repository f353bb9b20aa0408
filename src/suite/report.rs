//! One canonical report, and how it is shown.

mod json;
mod model;
mod normalise;
mod progress;
mod terminal;

pub use json::render as render_json;
pub use model::{
    CaseReport, Flake, LevelTotals, Report, RequirementReport, RunBlock, TargetBlock, Totals,
    assemble,
};
pub use normalise::Normaliser;
pub use progress::Progress;
pub use terminal::{Style, render as render_terminal};
