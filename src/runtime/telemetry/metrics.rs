//! Metrics, and their text in the format of Prometheus (`spec/observability.md` section 4).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The media type of the text.
pub const MEDIA_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Most values of one label of one metric besides the operator's own: names of manifests, actions and hosts are as many as those
/// who may register manifests like.
pub const MOST_VALUES: usize = 100;

/// What values beyond the bound are counted as.
const OTHER: &str = "other";

/// A label with its value.
pub type Label = (&'static str, String);

/// A metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Metric {
    /// Steps of a session, once it has ended.
    SessionSteps,
    /// Results of actions.
    ActionResults,
    /// How long model and services take.
    UpstreamDuration,
    /// Replies that were no usable plan.
    PlansRefused,
    /// Signals that were not delivered.
    SignalsDropped,
}

impl Metric {
    /// All, in the order of the text.
    pub const ALL: [Metric; 5] = [
        Metric::SessionSteps,
        Metric::ActionResults,
        Metric::UpstreamDuration,
        Metric::PlansRefused,
        Metric::SignalsDropped,
    ];

    /// The name in the text.
    pub fn name(self) -> &'static str {
        match self {
            Metric::SessionSteps => "oap_session_steps",
            Metric::ActionResults => "oap_action_results_total",
            Metric::UpstreamDuration => "oap_upstream_duration_seconds",
            Metric::PlansRefused => "oap_plans_refused_total",
            Metric::SignalsDropped => "oap_signals_dropped_total",
        }
    }

    fn help(self) -> &'static str {
        match self {
            Metric::SessionSteps => "Steps of sessions that have ended.",
            Metric::ActionResults => "Results of actions.",
            Metric::UpstreamDuration => "How long calls of the model and of services took.",
            Metric::PlansRefused => "Replies of the model that were no usable plan.",
            Metric::SignalsDropped => "Log lines and spans that were not delivered.",
        }
    }

    /// The upper bounds of a histogram; none: a counter.
    fn bounds(self) -> &'static [f64] {
        match self {
            Metric::SessionSteps => &[0.0, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0],
            Metric::UpstreamDuration => &[
                0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0,
            ],
            _ => &[],
        }
    }
}

/// What was counted under one set of labels.
#[derive(Debug, Clone, Default)]
pub struct Series {
    /// How many are at or below each bound, and above the one before it; one more for those above all.
    pub buckets: Vec<u64>,
    /// The sum of what was observed.
    pub sum: f64,
    /// How many were observed, or the value of a counter.
    pub count: u64,
}

/// One metric with all its labels.
#[derive(Debug, Clone, Default)]
pub struct Family {
    /// By labels.
    pub series: BTreeMap<Vec<Label>, Series>,
    known: BTreeMap<&'static str, BTreeSet<String>>,
}

/// All metrics.
pub type Families = BTreeMap<Metric, Family>;

/// The metrics of a runtime.
#[derive(Debug, Default)]
pub struct Metrics {
    families: Mutex<Families>,
    own: BTreeSet<Label>,
}

impl Metrics {
    /// Metrics that always tell these labels apart, which are the operator's and not a caller's.
    pub fn telling(own: BTreeSet<Label>) -> Self {
        Self {
            families: Mutex::default(),
            own,
        }
    }

    /// All metrics as they are; held for moments only.
    pub fn families(&self) -> MutexGuard<'_, Families> {
        self.families.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts so many more.
    pub fn add(&self, metric: Metric, labels: Vec<Label>, most: usize, more: u64) {
        let mut families = self.families();
        let family = families.entry(metric).or_default();
        let series = family.of(labels, &self.own, most);
        series.count = series.count.saturating_add(more);
    }

    /// Observes a value.
    pub fn observe(&self, metric: Metric, labels: Vec<Label>, most: usize, value: f64) {
        let bounds = metric.bounds();
        let mut families = self.families();
        let family = families.entry(metric).or_default();
        let series = family.of(labels, &self.own, most);
        series.buckets.resize(bounds.len() + 1, 0);
        let place = bounds.iter().position(|bound| value <= *bound);
        if let Some(bucket) = series.buckets.get_mut(place.unwrap_or(bounds.len())) {
            *bucket += 1;
        }
        series.sum += value;
        series.count += 1;
    }
}

impl Family {
    fn of(&mut self, labels: Vec<Label>, own: &BTreeSet<Label>, most: usize) -> &mut Series {
        let mut bounded = Vec::with_capacity(labels.len());
        for label in labels {
            let known = self.known.entry(label.0).or_default();
            if own.contains(&label) || known.contains(&label.1) {
                bounded.push(label);
            } else if known.len() < most {
                known.insert(label.1.clone());
                bounded.push(label);
            } else {
                bounded.push((label.0, OTHER.to_owned()));
            }
        }
        self.series.entry(bounded).or_default()
    }
}

/// The text: every metric with its help and type, also one that has counted nothing yet.
pub fn text(families: &Families) -> String {
    let mut text = String::new();
    for metric in Metric::ALL {
        let (name, bounds) = (metric.name(), metric.bounds());
        let kind = if bounds.is_empty() {
            "counter"
        } else {
            "histogram"
        };
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "# HELP {name} {}\n# TYPE {name} {kind}",
            metric.help()
        );
        let all = families.get(&metric).into_iter();
        for (labels, series) in all.flat_map(|family| &family.series) {
            if bounds.is_empty() {
                let _ = writeln!(text, "{name}{} {}", braced(labels, None), series.count);
                continue;
            }
            let mut below = 0_u64;
            let ends = bounds.iter().map(ToString::to_string);
            let ends = ends.chain(std::iter::once("+Inf".to_owned()));
            for (end, count) in ends.zip(&series.buckets) {
                below = below.saturating_add(*count);
                let labels = braced(labels, Some(&end));
                let _ = writeln!(text, "{name}_bucket{labels} {below}");
            }
            let labels = braced(labels, None);
            let _ = writeln!(text, "{name}_sum{labels} {}", series.sum);
            let _ = writeln!(text, "{name}_count{labels} {}", series.count);
        }
    }
    text
}

fn braced(labels: &[Label], end: Option<&str>) -> String {
    let labels = labels.iter().map(|(name, value)| (*name, value.as_str()));
    let labels = labels.chain(end.map(|end| ("le", end)));
    let pairs: Vec<String> = labels
        .map(|(name, value)| format!("{name}=\"{}\"", escaped(value)))
        .collect();
    if pairs.is_empty() {
        return String::new();
    }
    format!("{{{}}}", pairs.join(","))
}

/// A value as it stands between quotes: backslash, quote and line feed are escaped.
fn escaped(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    for c in value.chars() {
        match c {
            '\\' => text.push_str("\\\\"),
            '"' => text.push_str("\\\""),
            '\n' => text.push_str("\\n"),
            // A carriage return ends a line for some readers, and nothing can be escaped but the three.
            c if c.is_control() => text.push('\u{fffd}'),
            c => text.push(c),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_is_that_of_the_format() {
        let metrics = Metrics::default();
        let hostile = "a\\b\"c\nd\re";
        metrics.add(
            Metric::ActionResults,
            vec![
                ("action", hostile.to_owned()),
                ("success", "true".to_owned()),
            ],
            MOST_VALUES,
            2,
        );
        for steps in [1.0, 3.0, 900.0] {
            let labels = vec![("manifest", "m".to_owned())];
            metrics.observe(Metric::SessionSteps, labels, MOST_VALUES, steps);
        }
        let text = text(&metrics.families());
        for line in [
            "# TYPE oap_session_steps histogram",
            "# TYPE oap_action_results_total counter",
            r#"oap_action_results_total{action="a\\b\"c\nd�e",success="true"} 2"#,
            r#"oap_session_steps_bucket{manifest="m",le="0"} 0"#,
            r#"oap_session_steps_bucket{manifest="m",le="1"} 1"#,
            r#"oap_session_steps_bucket{manifest="m",le="5"} 2"#,
            r#"oap_session_steps_bucket{manifest="m",le="500"} 2"#,
            r#"oap_session_steps_bucket{manifest="m",le="+Inf"} 3"#,
            r#"oap_session_steps_sum{manifest="m"} 904"#,
            r#"oap_session_steps_count{manifest="m"} 3"#,
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
        assert!(text.ends_with('\n'));
    }

    #[test]
    fn values_beyond_the_bound_are_one() {
        let of = |name: String| vec![("action", name)];
        let metrics = Metrics::telling(of("own".to_owned()).into_iter().collect());
        for n in 0..10 {
            metrics.add(Metric::ActionResults, of(format!("a{n}")), 3, 1);
        }
        // The operator's own is told apart however late it comes, and is none of the others'.
        metrics.add(Metric::ActionResults, of("own".to_owned()), 3, 1);
        metrics.add(Metric::ActionResults, of("a0".to_owned()), 3, 1);
        let families = metrics.families();
        let series = &families[&Metric::ActionResults].series;
        assert_eq!(series.len(), 5);
        let count = |name: &str| series[&of(name.to_owned())].count;
        assert_eq!((count(OTHER), count("own"), count("a0")), (7, 1, 2));
    }
}
