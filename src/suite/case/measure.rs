//! Steps that measure: how much work fits a limit, and how much processor time a call costs.

use serde::Deserialize;
use serde_json::{Map, Value};

/// Finds for each of some actions the least work at which they fail with one code.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calibrate {
    /// The member of the input that says how much work is done.
    pub work: String,
    /// The actions, by name; ratios are those to the first.
    pub of: Vec<String>,
    /// The error code that ends them.
    pub until: String,
}

/// Measures what a call costs the target's processes, less what an idle one does.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Processor {
    /// Members of the body of `POST /execute`, as for `execute`.
    pub run: Map<String, Value>,
    /// The same of a call that does nothing.
    pub idle: Map<String, Value>,
    /// How often both are made; the figure is the median.
    pub times: u8,
}
