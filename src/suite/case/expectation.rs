//! What a case expects: of its answers, and of what services, model and transcript have seen.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::Value;

use super::{is_requirement_id, present};

/// What is expected of a step.
#[derive(Debug, Clone, Default)]
pub enum Expect {
    /// Nothing.
    #[default]
    Nothing,
    /// Of its one answer.
    One(AnswerExpect),
    /// Of the answers to simultaneous requests.
    Many(ManyExpect),
}

/// What one answer must look like; the members are matchers.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AnswerExpect {
    /// HTTP status.
    #[serde(default, deserialize_with = "present")]
    pub status: Option<Value>,
    /// Headers by lower-case name.
    #[serde(default)]
    pub headers: BTreeMap<String, Value>,
    /// The body as JSON, or as a string when it is none.
    #[serde(default, deserialize_with = "present")]
    pub body: Option<Value>,
}

/// What simultaneous answers must look like.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ManyExpect {
    /// Every one of them.
    #[serde(default)]
    pub each: Option<AnswerExpect>,
    /// Counts over them.
    #[serde(default)]
    pub tally: Vec<Tally>,
}

/// How many answers look like something.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tally {
    /// Which are counted.
    pub of: AnswerExpect,
    /// How many there must be, a matcher.
    pub is: Value,
    /// Only answers that were there before that to the request at this place count; places begin at 0.
    #[serde(default)]
    pub before: Option<usize>,
}

/// What must have been seen when all steps are done.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct After {
    /// What the services saw.
    #[serde(default)]
    services: Option<Value>,
    /// What the model saw.
    #[serde(default)]
    model: Option<Value>,
    /// The transcript that close returned.
    #[serde(default, deserialize_with = "present")]
    transcript: Option<Value>,
    /// What is in the folder that harness and target share.
    #[serde(default)]
    files: BTreeMap<String, Value>,
    /// The log lines of the case.
    #[serde(default)]
    logs: Option<Value>,
    /// The spans of its traces.
    #[serde(default)]
    spans: Option<Value>,
    /// What was added to the metrics.
    #[serde(default)]
    metrics: Option<Value>,
    /// What the collector met, and what answers waited for it.
    #[serde(default)]
    collector: Option<Value>,
    /// The texts of all these signals.
    #[serde(default)]
    texts: Option<Value>,
    /// Requirements these expectations speak for; empty means those of the case.
    #[serde(default)]
    cites: Vec<String>,
}

/// One expectation on what was seen, with the requirements it speaks for.
#[derive(Debug, Clone, PartialEq)]
pub struct Sight<'a> {
    /// What is looked at.
    pub place: Place<'a>,
    /// The matcher.
    pub matcher: &'a Value,
    /// Its own citations; empty means those of the case.
    pub cites: Vec<String>,
}

/// What an expectation after the steps looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place<'a> {
    /// How many calls a service got.
    ServiceCalls(&'a str),
    /// The calls a service got.
    ServiceRequests(&'a str),
    /// A service's state.
    ServiceState(&'a str),
    /// How many requests the model got.
    ModelCalls,
    /// The requests the model got.
    ModelRequests,
    /// The transcript.
    Transcript,
    /// A file in the shared folder.
    File(&'a str),
    /// The log lines.
    Logs,
    /// The spans.
    Spans,
    /// The metrics.
    Metrics,
    /// The collector.
    Collector,
    /// The texts of all signals.
    Texts,
}

impl Place<'_> {
    /// Whether it is something that the target tells its operator.
    pub const fn is_signal(self) -> bool {
        matches!(
            self,
            Self::Logs | Self::Spans | Self::Metrics | Self::Collector | Self::Texts
        )
    }
}

impl After {
    /// The single expectations, in a fixed order.
    pub fn sights(&self) -> Vec<Sight<'_>> {
        let mut sights = Vec::new();
        if let Some(block) = &self.services {
            let (services, cites) = self.unwrap_block(block);
            for (name, service) in services.as_object().into_iter().flatten() {
                let cites = own_cites(service).unwrap_or_else(|| cites.clone());
                for (member, place) in [
                    ("calls", Place::ServiceCalls(name)),
                    ("requests", Place::ServiceRequests(name)),
                    ("state", Place::ServiceState(name)),
                ] {
                    sights.extend(service.get(member).map(|matcher| Sight {
                        place,
                        matcher,
                        cites: cites.clone(),
                    }));
                }
            }
        }
        if let Some(block) = &self.model {
            let (model, cites) = self.unwrap_block(block);
            let cites = own_cites(model).unwrap_or(cites);
            for (member, place) in [
                ("calls", Place::ModelCalls),
                ("requests", Place::ModelRequests),
            ] {
                sights.extend(model.get(member).map(|matcher| Sight {
                    place,
                    matcher,
                    cites: cites.clone(),
                }));
            }
        }
        if let Some(block) = &self.transcript {
            let (matcher, cites) = self.unwrap_block(block);
            sights.push(Sight {
                place: Place::Transcript,
                matcher,
                cites,
            });
        }
        for (block, place) in [
            (&self.logs, Place::Logs),
            (&self.spans, Place::Spans),
            (&self.metrics, Place::Metrics),
            (&self.collector, Place::Collector),
            (&self.texts, Place::Texts),
        ] {
            if let Some(block) = block {
                let (matcher, cites) = self.unwrap_block(block);
                sights.push(Sight {
                    place,
                    matcher,
                    cites,
                });
            }
        }
        sights.extend(self.files.iter().map(|(name, matcher)| Sight {
            place: Place::File(name),
            matcher,
            cites: self.cites.clone(),
        }));
        sights
    }

    /// The names of the files that are looked at.
    pub fn files(&self) -> impl Iterator<Item = &str> {
        self.files.keys().map(String::as_str)
    }

    /// A block is the expectation itself, or `{match, cites}`.
    fn unwrap_block<'a>(&self, block: &'a Value) -> (&'a Value, Vec<String>) {
        match (block.get("match"), own_cites(block)) {
            (Some(inner), Some(cites)) => (inner, cites),
            _ => (block, self.cites.clone()),
        }
    }
}

fn own_cites(block: &Value) -> Option<Vec<String>> {
    let cites = block.get("cites")?.as_array()?;
    Some(
        cites
            .iter()
            .filter_map(|cite| cite.as_str().map(str::to_owned))
            .collect(),
    )
}

impl After {
    /// Every requirement that one of these expectations names itself.
    pub fn cited(&self) -> BTreeSet<&str> {
        let mut cited: BTreeSet<&str> = self.cites.iter().map(String::as_str).collect();
        let signals = [
            &self.logs,
            &self.spans,
            &self.metrics,
            &self.collector,
            &self.texts,
        ];
        for block in [&self.services, &self.model, &self.transcript]
            .into_iter()
            .chain(signals)
            .flatten()
        {
            collect_cites(block, &mut cited);
        }
        cited
    }
}

/// Citations of a block and of its direct members; deeper `cites` are data of a matcher.
fn collect_cites<'a>(block: &'a Value, cited: &mut BTreeSet<&'a str>) {
    let inner = block.get("match");
    let services = inner.unwrap_or(block).as_object();
    for holder in std::iter::once(block)
        .chain(inner)
        .chain(services.into_iter().flat_map(|members| members.values()))
    {
        for cite in holder
            .get("cites")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
        {
            cited.extend(cite.as_str().filter(|text| is_requirement_id(text)));
        }
    }
}
