//! One span in each encoding, and what is refused.

use std::io::Write as _;

use super::*;

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";

fn json_body() -> String {
    serde_json::json!({"resourceSpans": [{"resource": {"attributes": []}, "scopeSpans": [{"spans": [{
        "traceId": TRACE, "spanId": "b7ad6b7169203331", "parentSpanId": "00f067aa0ba902b7", "name": "chat m", "kind": 3,
        "startTimeUnixNano": "1000000", "endTimeUnixNano": "3000000",
        "attributes": [{"key": "gen_ai.usage.input_tokens", "value": {"intValue": "7"}}, {"key": "s", "value": {"stringValue": "x"}}],
        "status": {"code": 2, "message": "no"}
    }]}]}]})
    .to_string()
}

fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    let length = u8::try_from(bytes.len()).expect("short");
    assert!(length < 0x80);
    [&[number << 3 | 2, length], bytes].concat()
}

fn protobuf_body() -> Vec<u8> {
    let trace: Vec<u8> = (0..16)
        .map(|at| u8::from_str_radix(&TRACE[2 * at..2 * at + 2], 16).expect("hex"))
        .collect();
    let count = field(9, &[field(1, b"n"), field(2, &[0x18, 7])].concat());
    let span = [
        field(1, &trace),
        field(2, &[1; 8]),
        field(5, b"GET"),
        vec![6 << 3, 3],
        count,
        field(15, &[3 << 3, 2]),
    ]
    .concat();
    field(1, &field(2, &field(2, &span)))
}

fn traces() -> BTreeSet<String> {
    [TRACE.to_owned()].into()
}

async fn sent(collector: &Collector, kind: &str, encoding: Option<&str>, body: Vec<u8>) -> u16 {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut request = reqwest::Client::new()
        .post(format!("{}/v1/traces", collector.url()))
        .header("content-type", kind)
        .body(body);
    if let Some(encoding) = encoding {
        request = request.header("content-encoding", encoding);
    }
    request
        .send()
        .await
        .map_or(0, |answer| answer.status().as_u16())
}

#[tokio::test]
async fn spans_come_in_both_encodings_and_compressed() {
    let collector = Collector::start(None, None).expect("listens");
    assert_eq!(
        sent(&collector, "application/json", None, json_body().into()).await,
        200
    );
    let shown = collector.spans(&traces(), 0).remove(0).value;
    assert_eq!(shown["name"], "chat m");
    assert_eq!(shown["kind"], "client");
    assert_eq!(shown["parent_span_id"], "00f067aa0ba902b7");
    assert_eq!(shown["attributes"]["gen_ai.usage.input_tokens"], 7);
    assert_eq!(shown["status"], "error");
    assert_eq!(shown["duration_ms"], 2);
    let kind = "application/x-protobuf";
    assert_eq!(sent(&collector, kind, None, protobuf_body()).await, 200);
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    packed.write_all(&protobuf_body()).expect("packs");
    let packed = packed.finish().expect("packs");
    assert_eq!(sent(&collector, kind, Some("gzip"), packed).await, 200);
    let spans = collector.spans(&traces(), 0);
    assert_eq!(spans.len(), 3);
    assert_eq!(collector.taken(), 3);
    assert_eq!(collector.spans(&traces(), 2).len(), 1);
    assert_eq!(spans[2].value["name"], "GET");
    assert_eq!(spans[2].value["attributes"]["n"], 7);
    assert_eq!(spans[2].value["status"], "error");
    assert!(collector.spans(&BTreeSet::new(), 0).is_empty());
}

#[tokio::test]
async fn what_is_no_trace_is_refused_and_faults_are_faults() {
    let collector = Collector::start(None, None).expect("listens");
    for (kind, encoding, body) in [
        ("application/json", None, "{"),
        ("application/json", None, r#"{"resourceSpans": 1}"#),
        ("application/json", Some("gzip"), "no gzip"),
        ("application/x-protobuf", None, "\u{b}"),
    ] {
        assert_eq!(
            sent(&collector, kind, encoding, body.into()).await,
            400,
            "{body}"
        );
    }
    assert_eq!(sent(&collector, "text/plain", None, "x".into()).await, 415);
    collector.fail(CollectorFault::Error);
    assert_eq!(
        sent(&collector, "application/json", None, json_body().into()).await,
        500
    );
    collector.fail(CollectorFault::Down);
    assert_eq!(
        sent(&collector, "application/json", None, json_body().into()).await,
        0
    );
    collector.fail(CollectorFault::None);
    assert!(collector.spans(&traces(), 0).is_empty());
    assert_eq!(
        sent(&collector, "application/json", None, json_body().into()).await,
        200
    );
    assert_eq!(collector.requests(), 8);
}
