//! Mutants of section 4: metrics.

use std::time::Duration;

use crate::mutants::Mutant;
use crate::runtime::telemetry::Within;
use crate::runtime::telemetry::metrics::{self, Families, Label, Metric};

/// The mutants.
pub(super) fn mutants() -> Vec<Mutant> {
    vec![
        swap_telemetry!(
            "steps-of-sessions-are-not-told",
            "OBV-018",
            "does not count the steps of sessions",
            fn counts(&self, metric: Metric, _labels: &[Label]) -> bool {
                metric != Metric::SessionSteps
            },
        ),
        swap_telemetry!(
            "results-are-not-counted",
            "OBV-018",
            "does not count results of actions",
            fn counts(&self, metric: Metric, _labels: &[Label]) -> bool {
                metric != Metric::ActionResults
            },
        ),
        swap_telemetry!(
            "failures-are-not-counted",
            "OBV-018",
            "counts successes only",
            fn counts(&self, _metric: Metric, labels: &[Label]) -> bool {
                !labels
                    .iter()
                    .any(|(name, value)| *name == "success" && value == "false")
            },
        ),
        swap_telemetry!(
            "times-are-not-told",
            "OBV-019",
            "does not tell how long model and services take",
            fn counts(&self, metric: Metric, _labels: &[Label]) -> bool {
                metric != Metric::UpstreamDuration
            },
        ),
        swap_telemetry!(
            "milliseconds-for-seconds",
            "OBV-019",
            "tells thousandths of what a call took",
            fn seconds(&self, took: Duration) -> f64 {
                took.as_secs_f64() / 1000.0
            },
        ),
        swap_telemetry!(
            "metrics-told-twice",
            "OBV-020",
            "tells each metric twice",
            fn metrics_text(&self, families: &Families) -> String {
                metrics::text(families).repeat(2)
            },
        ),
        swap_telemetry!(
            "metrics-as-json",
            "OBV-020",
            "tells metrics as JSON",
            fn metrics_text(&self, families: &Families) -> String {
                serde_json::json!({"metrics": families.len()}).to_string()
            },
            fn metrics_type(&self) -> &'static str {
                "application/json"
            },
        ),
        swap_telemetry!(
            "metrics-of-another-type",
            "OBV-016",
            "says of its metrics that they are JSON",
            fn metrics_type(&self) -> &'static str {
                "application/json"
            },
        ),
        swap_telemetry!(
            "sessions-in-labels",
            "OBV-021",
            "labels metrics with the session",
            fn labels(
                &self,
                _metric: Metric,
                mut labels: Vec<Label>,
                within: &Within<'_>,
            ) -> Vec<Label> {
                labels.extend(within.session_id.map(|id| ("session", id.to_owned())));
                labels
            },
        ),
        swap_telemetry!(
            "paths-in-labels",
            "OBV-021",
            "labels times with the path and query of the request",
            fn labels(
                &self,
                _metric: Metric,
                mut labels: Vec<Label>,
                within: &Within<'_>,
            ) -> Vec<Label> {
                labels.extend(within.url.map(|url| ("url", url.to_string())));
                labels
            },
        ),
        swap_telemetry!(
            "refused-names-in-labels",
            "OBV-021",
            "labels refused plans with what was refused",
            fn labels(
                &self,
                _metric: Metric,
                mut labels: Vec<Label>,
                within: &Within<'_>,
            ) -> Vec<Label> {
                labels.extend(within.refused.map(|text| ("plan", text.to_owned())));
                labels
            },
        ),
        swap_telemetry!(
            "client-names-in-labels",
            "OBV-021",
            "labels the results of an action with what a client called it",
            fn labels(
                &self,
                _metric: Metric,
                mut labels: Vec<Label>,
                within: &Within<'_>,
            ) -> Vec<Label> {
                if let Some(label) = within.label {
                    labels.retain(|(name, _)| *name != "action");
                    labels.push(("action", label.to_owned()));
                }
                labels
            },
        ),
    ]
}
