//! Mutants of section 2: the context of traces.

use crate::mutants::Mutant;
use crate::runtime::Reference;
use crate::runtime::error::{Code, ErrorObject};
use crate::runtime::telemetry::trace::{self, Caller, SpanId, Trace, TraceId};
use crate::runtime::telemetry::{Peer, What};

/// The mutants.
pub(super) fn mutants() -> Vec<Mutant> {
    vec![
        swap_telemetry!(
            "new-trace-each-time",
            "OBV-008",
            "begins a new trace whoever calls",
            fn continued(&self, headers: &[&[u8]]) -> Option<Caller> {
                let _ = headers;
                None
            },
        ),
        swap_telemetry!(
            "parent-of-the-caller-is-passed-on",
            "OBV-008",
            "sends the parent id that came",
            fn new_span(&self, _what: What, caller: Option<SpanId>) -> SpanId {
                caller.unwrap_or_default()
            },
        ),
        swap_telemetry!(
            "no-trace-to-the-model",
            "OBV-008",
            "leaves the trace out of requests to the model",
            fn headers(
                &self,
                to: Peer,
                trace: &Trace,
                span: SpanId,
            ) -> Vec<(&'static str, String)> {
                if to == Peer::Model {
                    Vec::new()
                } else {
                    Reference.headers(to, trace, span)
                }
            },
        ),
        swap_telemetry!(
            "no-trace-to-services",
            "OBV-008",
            "leaves the trace out of requests to services",
            fn headers(
                &self,
                to: Peer,
                trace: &Trace,
                span: SpanId,
            ) -> Vec<(&'static str, String)> {
                if to == Peer::Service {
                    Vec::new()
                } else {
                    Reference.headers(to, trace, span)
                }
            },
        ),
        swap_telemetry!(
            "later-versions-are-invalid",
            "OBV-008",
            "reads version 00 only",
            fn continued(&self, headers: &[&[u8]]) -> Option<Caller> {
                trace::continued(headers)
                    .filter(|_| headers.iter().all(|header| header.starts_with(b"00-")))
            },
        ),
        swap_telemetry!(
            "invalid-trace-is-refused",
            "OBV-009",
            "refuses a call whose traceparent is not valid",
            fn invalid_context(&self, headers: &[&[u8]]) -> Option<ErrorObject> {
                (!headers.is_empty() && trace::continued(headers).is_none())
                    .then(|| ErrorObject::new(Code::InvalidRequest, "the traceparent is not valid"))
            },
        ),
        swap_telemetry!(
            "reads-upper-case",
            "OBV-009",
            "takes upper-case digits for digits",
            fn continued(&self, headers: &[&[u8]]) -> Option<Caller> {
                let lower: Vec<Vec<u8>> = headers
                    .iter()
                    .map(|header| header.to_ascii_lowercase())
                    .collect();
                let lower: Vec<&[u8]> = lower.iter().map(Vec::as_slice).collect();
                trace::continued(&lower)
            },
        ),
        swap_telemetry!(
            "reads-what-follows",
            "OBV-009",
            "overlooks what follows the flags of version 00",
            fn continued(&self, headers: &[&[u8]]) -> Option<Caller> {
                let cut: Vec<&[u8]> = headers
                    .iter()
                    .map(|header| header.get(..55).unwrap_or(header))
                    .collect();
                trace::continued(&cut)
            },
        ),
        swap_telemetry!(
            "trace-of-zeros",
            "OBV-010",
            "begins traces whose id is all zeros",
            fn new_trace(&self) -> TraceId {
                TraceId([0; 16])
            },
        ),
        swap_telemetry!(
            "version-01",
            "OBV-010",
            "sends a version that it does not know",
            fn headers(
                &self,
                to: Peer,
                trace: &Trace,
                span: SpanId,
            ) -> Vec<(&'static str, String)> {
                let mut headers = Reference.headers(to, trace, span);
                for (name, value) in &mut headers {
                    if *name == "traceparent" {
                        value.replace_range(..2, "01");
                    }
                }
                headers
            },
        ),
        swap_telemetry!(
            "state-is-dropped",
            "OBV-011",
            "does not pass the tracestate on",
            fn state(&self, _headers: &[&[u8]]) -> Option<String> {
                None
            },
        ),
        swap_telemetry!(
            "state-is-sorted",
            "OBV-011",
            "sorts the members of the tracestate",
            fn state(&self, headers: &[&[u8]]) -> Option<String> {
                let state = trace::state(headers)?;
                let mut members: Vec<&str> = state.split(',').collect();
                members.sort_unstable();
                Some(members.join(","))
            },
        ),
        swap_telemetry!(
            "everything-is-sampled",
            "OBV-012",
            "sets the sampled flag of every trace",
            fn sampled(&self, _caller: Option<bool>) -> bool {
                true
            },
        ),
        swap_telemetry!(
            "nothing-is-sampled",
            "OBV-012",
            "clears the sampled flag of every trace",
            fn sampled(&self, _caller: Option<bool>) -> bool {
                false
            },
        ),
    ]
}
