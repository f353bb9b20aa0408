//! Spans as OTLP writes them in JSON: ids in hexadecimal, 64-bit numbers as texts.

use serde_json::{Value, json};

use super::span::{Attribute, Kind, Span};

/// Flag of a span whose trace is recorded.
const SAMPLED: u32 = 1;

/// The body of a request with these spans.
pub fn body(service: &str, spans: &[Span]) -> Value {
    let resource = [
        ("service.name", Attribute::from(service)),
        (
            "service.version",
            Attribute::from(env!("CARGO_PKG_VERSION")),
        ),
    ];
    json!({"resourceSpans": [{
        "resource": {"attributes": attributes(&resource)},
        "scopeSpans": [{
            "scope": {"name": "oap-conform", "version": env!("CARGO_PKG_VERSION")},
            "spans": spans.iter().map(span_value).collect::<Vec<_>>(),
        }],
    }]})
}

fn span_value(span: &Span) -> Value {
    let mut value = json!({
        "traceId": span.trace.to_string(),
        "spanId": span.id.to_string(),
        "name": span.name,
        "kind": match span.kind {
            Kind::Internal => 1,
            Kind::Server => 2,
            Kind::Client => 3,
        },
        "startTimeUnixNano": span.start.to_string(),
        "endTimeUnixNano": span.end.to_string(),
        "attributes": attributes(&span.attributes),
        "flags": if span.sampled { SAMPLED } else { 0 },
        // 0 is unset, 2 is error.
        "status": if span.error.is_some() { json!({"code": 2}) } else { json!({}) },
    });
    if let Value::Object(members) = &mut value {
        if let Some(parent) = span.parent {
            members.insert("parentSpanId".to_owned(), parent.to_string().into());
        }
        if let Some(state) = &span.state {
            members.insert("traceState".to_owned(), state.as_str().into());
        }
    }
    value
}

fn attributes(attributes: &[(&'static str, Attribute)]) -> Vec<Value> {
    let value = |value: &Attribute| match value {
        Attribute::Text(text) => json!({"stringValue": text}),
        Attribute::Number(number) => json!({"intValue": number.to_string()}),
    };
    let pairs = attributes.iter();
    pairs
        .map(|(name, attribute)| json!({"key": name, "value": value(attribute)}))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::span::{Moment, What};
    use super::super::trace::{SpanId, Trace, TraceId};
    use super::*;

    #[test]
    fn a_span_is_written_as_the_protocol_says() {
        let trace = Trace {
            id: TraceId([0xab; 16]),
            parent: None,
            sampled: true,
            state: Some("a=1".to_owned()),
        };
        let span = Span::ended(
            What::Api,
            &trace,
            SpanId([1; 8]),
            Some(SpanId([2; 8])),
            Moment::now(),
        )
        .named("GET")
        .with("server.port", 8080_u64)
        .failed(Some("500".to_owned()));
        let body = body("svc", &[span]);
        let span = &body["resourceSpans"][0]["scopeSpans"][0]["spans"][0];
        assert_eq!(span["traceId"], "ab".repeat(16));
        assert_eq!(span["spanId"], "01".repeat(8));
        assert_eq!(span["parentSpanId"], "02".repeat(8));
        assert_eq!(span["traceState"], "a=1");
        assert_eq!(span["kind"], 3);
        assert_eq!(span["status"]["code"], 2);
        let start: u128 = span["startTimeUnixNano"]
            .as_str()
            .expect("text")
            .parse()
            .expect("n");
        let end: u128 = span["endTimeUnixNano"]
            .as_str()
            .expect("text")
            .parse()
            .expect("n");
        assert!(start > 0 && end >= start);
        assert_eq!(
            span["attributes"],
            json!([{"key": "server.port", "value": {"intValue": "8080"}},
                   {"key": "error.type", "value": {"stringValue": "500"}}])
        );
        let service = &body["resourceSpans"][0]["resource"]["attributes"][0];
        assert_eq!(service["value"]["stringValue"], "svc");
    }
}
