//! Options of `serve` about what its operator is told.

use std::collections::BTreeMap;

use clap::Args;
use percent_encoding::percent_decode_str;
use reqwest::Url;

use crate::cli::failure::Failure;
use crate::runtime::{LogSink, TelemetrySettings};

/// Headers for the collector, as tools of OpenTelemetry read them.
const HEADERS: &str = "OTEL_EXPORTER_OTLP_HEADERS";

/// How the collector is to be spoken to, as tools of OpenTelemetry read it.
const PROTOCOL: &str = "OTEL_EXPORTER_OTLP_PROTOCOL";

/// The name of the service in spans, as tools of OpenTelemetry read it.
const SERVICE: &str = "OTEL_SERVICE_NAME";

/// Where signals go.
#[derive(Debug, Args)]
pub(super) struct TelemetryOptions {
    /// Where log lines go, one JSON object each: stdout, stderr, or a file
    #[arg(long, value_name = "PLACE", env = "OAP_LOG", value_parser = sink)]
    log: Option<LogSink>,
    /// Collector that spans are sent to, OTLP over HTTP; such as http://localhost:4318
    #[arg(long, value_name = "URL", env = "OTEL_EXPORTER_OTLP_ENDPOINT", value_parser = collector)]
    otlp: Option<Url>,
    /// Offers GET /metrics, and carries the context of traces on, also without --log and --otlp
    #[arg(long)]
    metrics: bool,
}

fn sink(text: &str) -> Result<LogSink, String> {
    match text {
        "" => Err("write stdout, stderr or the path of a file".to_owned()),
        "stdout" => Ok(LogSink::Stdout),
        "stderr" => Ok(LogSink::Stderr),
        path => Ok(LogSink::File(path.into())),
    }
}

fn collector(text: &str) -> Result<Url, String> {
    Url::parse(text)
        .ok()
        .filter(|url| matches!(url.scheme(), "http" | "https"))
        .ok_or_else(|| "write it as http://host:4318".to_owned())
}

impl TelemetryOptions {
    /// Whether the profile `observability` is offered.
    pub(super) fn is_wanted(&self) -> bool {
        self.metrics || self.log.is_some() || self.otlp.is_some()
    }

    /// Whether standard output is left to log lines.
    pub(super) fn takes_stdout(&self) -> bool {
        self.log == Some(LogSink::Stdout)
    }

    /// What was said, with the headers and the name of the environment.
    ///
    /// # Errors
    /// When the environment wants a protocol that is not spoken, or has headers that cannot be read.
    pub(super) fn settings(
        &self,
        environment: &BTreeMap<String, String>,
    ) -> Result<TelemetrySettings, Failure> {
        let said = |name: &str| environment.get(name).map_or("", String::as_str);
        if self.otlp.is_some() && said(PROTOCOL) == "grpc" {
            return Err(Failure::usage(format!(
                "{PROTOCOL} is grpc, and spans are sent over HTTP; set http/json and the collector's port for HTTP, commonly 4318"
            )));
        }
        Ok(TelemetrySettings {
            log: self.log.clone(),
            otlp: self.otlp.clone(),
            otlp_headers: match self.otlp {
                Some(_) => headers(said(HEADERS))?,
                None => Vec::new(),
            },
            service: said(SERVICE).to_owned(),
        })
    }
}

/// `name=value` with commas between, the values percent-encoded.
fn headers(text: &str) -> Result<Vec<(String, String)>, Failure> {
    let pairs = text
        .split(',')
        .map(str::trim)
        .filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| {
            let (name, value) = pair.split_once('=')?;
            let value = percent_decode_str(value.trim()).decode_utf8().ok()?;
            Some((name.trim().to_owned(), value.into_owned()))
        })
        .collect::<Option<Vec<_>>>()
        .ok_or_else(|| {
            Failure::usage(format!(
                "{HEADERS} cannot be read; write it as name=value,name=value"
            ))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_and_collectors_are_read() {
        assert_eq!(sink("stdout"), Ok(LogSink::Stdout));
        assert_eq!(sink("a.log"), Ok(LogSink::File("a.log".into())));
        assert!(sink("").is_err());
        assert!(collector("http://localhost:4318").is_ok());
        assert!(collector("localhost:4318").is_err() && collector("").is_err());
    }

    #[test]
    fn headers_of_the_environment_are_decoded() {
        let read = headers("authorization=Bearer%20a, x = b,").expect("read");
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(read, [pair("authorization", "Bearer a"), pair("x", "b")]);
        assert!(headers("authorization").is_err());
        assert_eq!(headers("").expect("none"), []);
    }

    #[test]
    fn a_protocol_that_is_not_spoken_is_refused() {
        let options = TelemetryOptions {
            log: None,
            otlp: collector("http://localhost:4317").ok(),
            metrics: false,
        };
        let grpc = BTreeMap::from([(PROTOCOL.to_owned(), "grpc".to_owned())]);
        assert!(options.settings(&grpc).is_err());
        assert!(options.settings(&BTreeMap::new()).is_ok());
        assert!(options.is_wanted() && !options.takes_stdout());
    }
}
