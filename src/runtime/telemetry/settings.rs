//! What the operator says about telemetry.

use std::fmt;
use std::path::PathBuf;

use reqwest::Url;

/// Where log lines go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogSink {
    /// Standard output of the process.
    Stdout,
    /// Standard error of the process.
    Stderr,
    /// This file, which is made where it is not there and never emptied.
    File(PathBuf),
}

/// Where signals go. Metrics, and the context of traces, need no place of their own: they are there with the profile
/// `observability`.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct TelemetrySettings {
    /// Where log lines go; `None`: none are written.
    pub log: Option<LogSink>,
    /// Base URL of the collector, to which `/v1/traces` is added; `None`: no span is made.
    pub otlp: Option<Url>,
    /// Headers of every request to the collector.
    pub otlp_headers: Vec<(String, String)>,
    /// The name of the service in spans; empty: `oap-conform`.
    pub service: String,
}

impl TelemetrySettings {
    /// Whether the operator wants any signal that needs a place.
    pub fn is_wanted(&self) -> bool {
        self.log.is_some() || self.otlp.is_some()
    }

    /// The texts that must never leave: what the headers hold that are for credentials. Others hold names of data sets and the
    /// like, which are words of ordinary texts too.
    pub fn secrets(&self) -> impl Iterator<Item = &str> {
        let is_secret = |name: &str| {
            let name = name.to_ascii_lowercase();
            ["auth", "key", "token", "secret", "cookie"]
                .iter()
                .any(|word| name.contains(word))
        };
        let headers = self.otlp_headers.iter();
        headers
            .filter(move |(name, _)| is_secret(name))
            .flat_map(|(_, value)| {
                let credential = value.split_once(' ').map(|(_, credential)| credential);
                std::iter::once(value.as_str()).chain(credential)
            })
    }
}

impl fmt::Debug for TelemetrySettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.otlp_headers.iter().map(|(n, _)| n.as_str()).collect();
        f.debug_struct("TelemetrySettings")
            .field("log", &self.log)
            .field("otlp", &self.otlp.as_ref().map(Url::as_str))
            .field("otlp_headers", &names)
            .field("service", &self.service)
            .finish()
    }
}
