//! Log lines, traces, spans and metrics over loopback.

use reqwest::Url;

use super::super::access::{Auth, TableEntry};
use super::super::telemetry::{LogSink, TelemetryParts};
use super::*;
use crate::requirement::Profile;

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CALLER: &str = "00f067aa0ba902b7";

/// A collector that keeps what it is sent.
#[derive(Default)]
struct Collector {
    spans: Mutex<Vec<Value>>,
    requests: Mutex<usize>,
    /// What the first requests are answered with, before 200.
    refusals: Mutex<VecDeque<u16>>,
}

async fn collect(State(collector): State<Arc<Collector>>, request: Request) -> Response {
    assert_eq!(request.uri().path(), "/v1/traces");
    assert_eq!(request.headers()["content-type"], "application/json");
    let body = to_bytes(request.into_body(), 1 << 24)
        .await
        .expect("a body");
    *collector.requests.lock().expect("requests") += 1;
    if let Some(status) = collector.refusals.lock().expect("refusals").pop_front() {
        let status = axum::http::StatusCode::from_u16(status).expect("a status");
        return (status, [("retry-after", "0")], "").into_response();
    }
    let body: Value = serde_json::from_slice(&body).expect("JSON");
    let spans = body.pointer("/resourceSpans/0/scopeSpans/0/spans");
    let spans = spans.and_then(Value::as_array).expect("spans");
    collector
        .spans
        .lock()
        .expect("spans")
        .extend(spans.iter().cloned());
    axum_json(&json!({}))
}

/// A stand whose signals are looked at.
struct Watched {
    stand: Stand,
    collector: Arc<Collector>,
    folder: tempfile::TempDir,
}

impl Watched {
    async fn new(change: impl FnOnce(&mut Config)) -> Self {
        Self::with(Arc::new(Reference), Collector::default(), change).await
    }

    async fn with(
        parts: Arc<dyn Parts>,
        collector: Collector,
        change: impl FnOnce(&mut Config),
    ) -> Self {
        let collector = Arc::new(collector);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a port");
        let base = format!("http://{}", listener.local_addr().expect("an address"));
        let router = Router::new()
            .fallback(collect)
            .with_state(Arc::clone(&collector));
        tokio::spawn(async move { axum::serve(listener, router).await });
        let folder = tempfile::tempdir().expect("a folder");
        let stand = Stand::set_up(World::default(), parts, |config| {
            config.telemetry.log = Some(LogSink::File(folder.path().join("log")));
            config.telemetry.otlp = Url::parse(&base).ok();
            change(config);
        })
        .await;
        Self {
            stand,
            collector,
            folder,
        }
    }

    /// Waits until everything so far has left.
    async fn settled(&self) {
        let telemetry = self.stand.runtime.runtime.telemetry();
        telemetry.expect("telemetry").flush().await;
    }

    async fn lines(&self) -> Vec<Value> {
        self.settled().await;
        let text = std::fs::read_to_string(self.folder.path().join("log")).expect("a log");
        assert!(!text.contains(TOKEN) && !text.contains(MODEL_KEY), "{text}");
        let lines = text.lines();
        lines
            .map(|line| serde_json::from_str(line).expect("JSON"))
            .collect()
    }

    async fn spans(&self) -> Vec<Value> {
        self.settled().await;
        self.collector.spans.lock().expect("spans").clone()
    }

    async fn metrics(&self) -> String {
        let url = format!("http://{}/metrics", self.stand.runtime.addr);
        let answer = self.stand.client.get(url).send().await.expect("an answer");
        assert_eq!(answer.status(), 200);
        assert_eq!(
            answer.headers()["content-type"],
            "text/plain; version=0.0.4; charset=utf-8"
        );
        answer.text().await.expect("text")
    }

    /// A step call with these headers.
    async fn step(&self, id: &str, headers: &[(&'static str, &str)]) -> Value {
        let url = format!("http://{}/sessions/{id}/step", self.stand.runtime.addr);
        let mut request = self.stand.client.post(url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = request.send().await.expect("an answer");
        answer.json_body().await
    }

    fn contexts(&self) -> Vec<[String; 3]> {
        std::mem::take(&mut *self.stand.world.contexts.lock().expect("contexts"))
    }
}

trait JsonBody {
    async fn json_body(self) -> Value;
}

impl JsonBody for reqwest::Response {
    async fn json_body(self) -> Value {
        serde_json::from_str(&self.text().await.expect("text")).expect("JSON")
    }
}

fn attribute<'a>(span: &'a Value, name: &str) -> Option<&'a Value> {
    let attributes = span["attributes"].as_array()?;
    let found = attributes.iter().find(|pair| pair["key"] == name)?;
    found["value"].as_object()?.values().next()
}

fn named<'a>(spans: &'a [Value], name: &str) -> Vec<&'a Value> {
    spans.iter().filter(|span| span["name"] == name).collect()
}

#[tokio::test]
async fn a_step_has_a_line_spans_and_one_trace() {
    let watched = Watched::new(|_| ()).await;
    watched.stand.says(&[act("moved"), act("fail")]);
    let id = watched.stand.open(5).await;
    let parent = format!("00-{TRACE}-{CALLER}-01");
    let headers = [
        ("traceparent", parent.as_str()),
        ("tracestate", "a=1,b=2"),
        ("idempotency-key", "key-1"),
    ];
    assert_eq!(watched.step(&id, &headers).await["result"]["success"], true);
    let contexts = watched.contexts();
    let paths: Vec<&str> = contexts.iter().map(|seen| seen[0].as_str()).collect();
    assert_eq!(paths, ["/v1/chat/completions", "/moved", "/echo"]);
    let mut parents = vec![CALLER];
    for [_, context, state] in &contexts {
        assert_eq!(state, "a=1,b=2");
        let span = context
            .strip_prefix(&format!("00-{TRACE}-"))
            .and_then(|rest| rest.strip_suffix("-01"))
            .expect("the same trace");
        assert!(!parents.contains(&span), "another parent each time");
        parents.push(span);
    }
    let failed = watched.step(&id, &[]).await;
    assert_eq!(failed["result"]["success"], false);

    let lines = watched.lines().await;
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert_eq!(lines[0]["event"], "step");
    assert_eq!(lines[0]["session_id"], id.as_str());
    assert_eq!(lines[0]["request_id"], "key-1");
    assert_eq!(lines[0]["trace_id"], TRACE);
    assert_eq!(lines[0]["step_number"], 1);
    assert_eq!(lines[0]["action_name"], "moved");
    assert_eq!(lines[0]["success"], true);
    assert!(lines[0]["duration_ms"].is_u64() && lines[0].get("error_code").is_none());
    assert_eq!(lines[1]["step_number"], 2);
    assert_eq!(lines[1]["success"], false);
    assert_eq!(lines[1]["error_code"], "upstream_status");
    assert_ne!(lines[1]["trace_id"], TRACE);

    let spans = watched.spans().await;
    let of_trace: Vec<Value> = spans
        .iter()
        .filter(|span| span["traceId"] == TRACE)
        .cloned()
        .collect();
    assert_eq!(of_trace.len(), 4, "{spans:?}");
    let step = named(&of_trace, "oap.step")[0];
    assert_eq!(step["parentSpanId"], CALLER);
    assert_eq!(step["traceState"], "a=1,b=2");
    assert_eq!(attribute(step, "oap.session.id"), Some(&json!(id)));
    assert_eq!(attribute(step, "oap.step.number"), Some(&json!("1")));
    assert_eq!(attribute(step, "oap.action.name"), Some(&json!("moved")));
    let chat = named(&of_trace, "chat m")[0];
    assert_eq!(chat["parentSpanId"], step["spanId"]);
    assert_eq!(chat["spanId"], parents[1]);
    for (name, value) in [
        ("gen_ai.operation.name", "chat"),
        ("gen_ai.provider.name", "openai"),
        ("gen_ai.request.model", "m"),
        ("gen_ai.usage.input_tokens", "1"),
        ("gen_ai.usage.output_tokens", "2"),
    ] {
        assert_eq!(attribute(chat, name), Some(&json!(value)), "{name}");
    }
    let calls = named(&of_trace, "GET");
    let statuses: Vec<_> = calls
        .iter()
        .map(|call| attribute(call, "http.response.status_code"))
        .collect();
    assert_eq!(statuses, [Some(&json!("302")), Some(&json!("200"))]);
    assert_eq!(
        attribute(calls[1], "server.address"),
        Some(&json!("127.0.0.1"))
    );
    assert_eq!(calls[1]["spanId"], parents[3]);
    let failed: Vec<&Value> = spans
        .iter()
        .filter(|span| span["status"]["code"] == 2)
        .collect();
    let types: Vec<_> = failed
        .iter()
        .map(|span| attribute(span, "error.type"))
        .collect();
    assert_eq!(
        types,
        [Some(&json!("503")), Some(&json!("upstream_status"))]
    );

    let metrics = watched.metrics().await;
    for line in [
        r#"oap_action_results_total{action="moved",success="true",error_code=""} 1"#,
        r#"oap_action_results_total{action="fail",success="false",error_code="upstream_status"} 1"#,
        r#"oap_upstream_duration_seconds_count{kind="model",host="127.0.0.1"} 2"#,
        r#"oap_upstream_duration_seconds_count{kind="service",host="127.0.0.1"} 3"#,
        r#"oap_signals_dropped_total{signal="span"} 0"#,
    ] {
        assert!(
            metrics.lines().any(|found| found == line),
            "{line}\n{metrics}"
        );
    }
    assert!(!metrics.contains(&id) && !metrics.contains("oap_session_steps_count"));
    watched
        .stand
        .post(&format!("/sessions/{id}/close"), &json!({}))
        .await;
    let metrics = watched.metrics().await;
    assert!(
        metrics.contains(r#"oap_session_steps_sum{manifest="stand"} 2"#),
        "{metrics}"
    );
    assert!(
        metrics.contains(r#"oap_session_steps_count{manifest="stand"} 1"#),
        "{metrics}"
    );
}

#[tokio::test]
async fn a_context_that_is_not_valid_begins_a_new_trace() {
    let watched = Watched::new(|_| ()).await;
    let id = watched.stand.open(50).await;
    let upper = format!("00-{}-{CALLER}-01", TRACE.to_uppercase());
    let future = format!("ff-{TRACE}-{CALLER}-01");
    for given in ["nonsense", &upper, &future] {
        watched.stand.says(&[act("echo")]);
        let headers = [("traceparent", given), ("tracestate", "a=1")];
        assert_eq!(watched.step(&id, &headers).await["result"]["success"], true);
        for [path, context, state] in watched.contexts() {
            assert!(!context.contains(TRACE) && state.is_empty(), "{path}");
            let read = super::super::telemetry::trace::continued(&[context.as_bytes()]);
            assert!(read.expect("valid").sampled);
        }
    }
    watched.stand.says(&[act("echo")]);
    let unrecorded = format!("00-{TRACE}-{CALLER}-00");
    watched.step(&id, &[("traceparent", &unrecorded)]).await;
    for [_, context, _] in watched.contexts() {
        assert!(context.starts_with(&format!("00-{TRACE}-")) && context.ends_with("-00"));
    }
    let spans = watched.spans().await;
    assert!(spans.iter().all(|span| span["traceId"] != TRACE));
    assert_eq!(named(&spans, "oap.step").len(), 3);
}

#[tokio::test]
async fn secrets_are_in_no_signal() {
    let watched = Watched::new(|_| ()).await;
    watched.stand.says(&[json!(TOKEN), act("echo")]);
    let id = watched.stand.open(5).await;
    let parent = format!("00-{TRACE}-{CALLER}-01");
    let state = "a=cal-tok%2Ben%2F3f9a1c77%3D%3D";
    let key = format!("{}{TOKEN}", "k".repeat(220));
    let headers = [
        ("traceparent", parent.as_str()),
        ("tracestate", state),
        ("idempotency-key", key.as_str()),
    ];
    assert_eq!(watched.step(&id, &headers).await["result"]["success"], true);
    for [path, context, state] in watched.contexts() {
        assert!(
            context.contains(TRACE) && state.is_empty(),
            "{path}: {state}"
        );
    }
    let lines = watched.lines().await;
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[0]["event"], "security");
    assert_eq!(lines[0]["error_code"], "invalid_plan");
    let told = lines[1]["request_id"].as_str().expect("a text");
    assert!(
        told.starts_with("kkk") && told.chars().count() == 230 && told.ends_with("k[REDACTED]"),
        "{told}"
    );
    let metrics = watched.metrics().await;
    assert!(
        metrics.contains(r#"oap_plans_refused_total{reason="invalid_plan"} 1"#),
        "{metrics}"
    );
    let spans = Value::from(watched.spans().await).to_string();
    assert!(spans.contains(TRACE) && !spans.contains(TOKEN) && !metrics.contains(TOKEN));
}

#[tokio::test]
async fn nodes_have_lines_and_spans_below_their_workflow() {
    let watched = Watched::new(|_| ()).await;
    let nodes = json!([
        {"@type": "OpenAction:Action", "name": "echo"},
        {"@type": "OpenAction:Action", "name": "fail"},
    ]);
    let (status, body) = watched
        .stand
        .post(
            "/execute",
            &json!({"open_action": nodes, "user_id": "U", "requestId": "r-1"}),
        )
        .await;
    assert_eq!((status, &body["failed_index"]), (200, &json!(1)), "{body}");
    let lines = watched.lines().await;
    assert_eq!(lines.len(), 2, "{lines:?}");
    for (position, line) in lines.iter().enumerate() {
        assert_eq!(line["event"], "node");
        assert_eq!(line["step_number"], position);
        assert_eq!(line["request_id"], "r-1");
        assert_eq!(line["success"], position == 0);
        assert!(line.get("session_id").is_none() && line["duration_ms"].is_u64());
    }
    let spans = watched.spans().await;
    let root = named(&spans, "oap.workflow")[0];
    assert!(root.get("parentSpanId").is_none());
    let steps = named(&spans, "oap.step");
    assert_eq!(steps.len(), 2);
    for (step, call) in steps.iter().zip(named(&spans, "POST")) {
        assert_eq!(step["parentSpanId"], root["spanId"]);
        assert_eq!(call["parentSpanId"], step["spanId"]);
    }
    assert_eq!(
        attribute(steps[1], "error.type"),
        Some(&json!("upstream_status"))
    );
    assert_eq!(attribute(steps[1], "oap.step.number"), Some(&json!("1")));
}

#[tokio::test]
async fn what_is_refused_is_logged_as_security() {
    let code =
        "async function generate(args) { try { await fetch(args.url); } catch (e) {} return {}; }";
    let watched = Watched::new(|config| {
        config.auth = Some(Auth {
            tokens: vec![TableEntry {
                token: "token-of-alice-0001".to_owned(),
                subject: "alice".to_owned(),
                scopes: BTreeSet::new(),
            }],
            ..Auth::default()
        });
        let network = [config.model.base_url.trim_start_matches("http://").trim_end_matches("/v1")];
        let manifest = json!({"name": "refusing", "version": "1.0", "actions": [
            {"type": "read_file", "name": "read", "root": "memory:notes/", "input_schema": {"type": "object"}, "output_schema": {}},
            {"type": "invoke_api", "name": "inside", "endpoint": "http://10.0.0.1/", "method": "GET", "input_schema": {}, "output_schema": {}},
            {"type": "run_code", "name": "endless", "runtime": "javascript", "code": "function generate() { for (;;) {} }",
             "limits": {"cpu_ms": 50}, "input_schema": {"type": "object"}, "output_schema": {}},
            {"type": "run_code", "name": "peek", "runtime": "javascript", "code": code, "network": network,
             "input_schema": {"type": "object"}, "output_schema": {}},
            {"type": "run_code", "name": "alone", "runtime": "javascript", "code": code,
             "input_schema": {"type": "object"}, "output_schema": {}},
        ]});
        config.manifests = vec![crate::manifest::load(&manifest).expect("valid")];
    })
    .await;
    let url = format!("http://{}/execute", watched.stand.runtime.addr);
    let send = async |token: &str, nodes: Value| {
        let body = json!({"open_action": nodes, "user_id": "alice"});
        let request = watched.stand.client.post(&url).bearer_auth(token);
        let request = request.header("content-type", "application/json");
        let answer = request
            .body(body.to_string())
            .send()
            .await
            .expect("an answer");
        answer.json_body().await
    };
    let node = |name: &str, input: Value| json!({"@type": "OpenAction:Action", "name": name, "input": input});
    let wrong = "wrong-token-0001";
    send(wrong, node("read", json!({}))).await;
    for (name, input) in [
        ("read", json!({"path": "../../argument-1"})),
        ("inside", json!({})),
        ("endless", json!({})),
    ] {
        let body = send("token-of-alice-0001", node(name, input)).await;
        assert_eq!(body["status"], "failed", "{body}");
    }
    for url in [
        "http://127.0.0.1:1/argument-1",
        &format!("{}/moved", watched.stand.base),
    ] {
        let body = send("token-of-alice-0001", node("peek", json!({"url": url}))).await;
        assert_eq!(body["status"], "completed", "{body}");
    }
    // Without any grant, and the same call again, whose result could have been kept.
    let alone = node("alone", json!({"url": "http://127.0.0.1:1/argument-1"}));
    for _ in 0..2 {
        let body = send("token-of-alice-0001", alone.clone()).await;
        assert_eq!(body["status"], "completed", "{body}");
    }
    let lines = watched.lines().await;
    let security: Vec<&Value> = lines
        .iter()
        .filter(|line| line["event"] == "security")
        .collect();
    let codes: Vec<&str> = security
        .iter()
        .filter_map(|line| line["error_code"].as_str())
        .collect();
    assert_eq!(
        codes,
        [
            "unauthenticated",
            "path_refused",
            "address_refused",
            "sandbox_cpu_limit",
            "sandbox_network_denied",
            "sandbox_network_denied",
            "sandbox_network_denied"
        ],
        "{lines:?}"
    );
    let text = Value::from(lines.clone()).to_string();
    assert!(!text.contains(wrong) && !text.contains("argument-1"));
    let spans = watched.spans().await;
    let run = named(&spans, "execute_tool endless")[0];
    // What code asks for belongs to its run, redirects too.
    let granted = named(&spans, "execute_tool peek")[1];
    let asked: Vec<&Value> = spans
        .iter()
        .filter(|span| span["parentSpanId"] == granted["spanId"])
        .collect();
    let contexts = watched.contexts();
    assert_eq!((asked.len(), contexts.len()), (2, 2), "{contexts:?}");
    for (span, [_, context, _]) in asked.iter().zip(&contexts) {
        assert!(context.contains(span["spanId"].as_str().expect("an id")));
    }
    assert_eq!(
        attribute(run, "gen_ai.operation.name"),
        Some(&json!("execute_tool"))
    );
    assert_eq!(attribute(run, "gen_ai.tool.name"), Some(&json!("endless")));
    assert_eq!(
        attribute(run, "error.type"),
        Some(&json!("sandbox_cpu_limit"))
    );
}

#[tokio::test]
async fn a_collector_that_refuses_costs_spans_only() {
    let refusals = VecDeque::from([503, 429, 500]);
    let collector = Collector {
        refusals: Mutex::new(refusals),
        ..Collector::default()
    };
    let watched = Watched::with(Arc::new(Reference), collector, |_| ()).await;
    let id = watched.stand.open(5).await;
    watched.stand.says(&[act("echo"), act("echo")]);
    assert_eq!(watched.step(&id, &[]).await["result"]["success"], true);
    // Twice later, then refused for good.
    assert_eq!(watched.spans().await, Vec::<Value>::new());
    assert_eq!(*watched.collector.requests.lock().expect("requests"), 3);
    let metrics = watched.metrics().await;
    assert!(
        metrics.contains(r#"oap_signals_dropped_total{signal="span"} 3"#),
        "{metrics}"
    );
    assert_eq!(watched.step(&id, &[]).await["result"]["success"], true);
    assert_eq!(watched.spans().await.len(), 3);
}

#[tokio::test]
async fn without_the_profile_there_is_none_of_it() {
    let stand = Stand::configured(World::default(), |config| {
        config.profiles.remove(&Profile::Observability);
    })
    .await;
    stand.says(&[act("echo")]);
    let id = stand.open(5).await;
    stand.step(&id).await;
    let contexts = stand.world.contexts.lock().expect("contexts").clone();
    assert_eq!(contexts.len(), 2);
    assert!(contexts.iter().all(|[_, context, _]| context.is_empty()));
    assert_eq!(stand.send("GET", "/metrics", None, None).await.0, 404);
    let mut config = stand.config.clone();
    config.telemetry.log = Some(LogSink::Stderr);
    assert!(start(config, Arc::new(Reference)).await.is_err());
}

#[tokio::test]
async fn a_part_that_is_swapped_is_asked() {
    struct Loud;
    impl TelemetryParts for Loud {
        fn waits_for_collector(&self) -> bool {
            true
        }
        fn after_collector(
            &self,
            delivered: bool,
            answer: crate::runtime::Answer,
        ) -> crate::runtime::Answer {
            match delivered {
                true => answer,
                false => crate::runtime::Answer::new(500, json!({"errorCode": "internal_error"})),
            }
        }
    }
    impl Parts for Loud {
        fn telemetry(&self) -> &dyn TelemetryParts {
            self
        }
    }
    let collector = Collector {
        refusals: Mutex::new(VecDeque::from([500])),
        ..Collector::default()
    };
    let watched = Watched::with(Arc::new(Loud), collector, |_| ()).await;
    let id = watched.stand.open(5).await;
    watched.stand.says(&[act("echo")]);
    assert_eq!(watched.step(&id, &[]).await["errorCode"], "internal_error");
}

#[tokio::test]
async fn names_that_callers_bring_make_no_endless_metrics() {
    let watched = Watched::new(|_| ()).await;
    let url = format!("http://{}", watched.stand.runtime.addr);
    let bring = async |n: usize| {
        let action = |m: usize| {
            json!({"type": "write_file", "name": format!("write_{n}_{m}"), "root": "memory:notes/",
                   "input_schema": {"type": "object"}, "output_schema": {}})
        };
        let actions: Vec<Value> = (0..60).map(action).collect();
        let manifest =
            json!({"name": format!("brought-{n}"), "version": "1.0", "actions": actions});
        let (status, body) = watched.stand.post("/manifests", &manifest).await;
        assert_eq!(status, 201, "{body}");
        let nodes: Vec<Value> = (0..60)
            .map(|m| json!({"@type": "OpenAction:Action", "name": format!("write_{n}_{m}"), "input": {}}))
            .collect();
        for node in nodes {
            let body = json!({"open_action": node, "manifest": format!("brought-{n}@1.0.0"), "user_id": "U"});
            let request = watched.stand.client.post(format!("{url}/execute"));
            let request = request.header("content-type", "application/json");
            let answer = request
                .body(body.to_string())
                .send()
                .await
                .expect("an answer");
            assert_eq!(answer.status(), 200);
        }
    };
    for n in 0..3 {
        bring(n).await;
    }
    // The operator's own come last, and are told apart all the same.
    watched.stand.says(&[act("echo")]);
    let id = watched.stand.open(5).await;
    assert_eq!(watched.step(&id, &[]).await["result"]["success"], true);
    let text = watched.metrics().await;
    let actions: BTreeSet<&str> = text
        .lines()
        .filter(|line| line.starts_with("oap_action_results_total{"))
        .filter_map(|line| line.split("action=\"").nth(1)?.split('"').next())
        .collect();
    assert!(
        actions.contains("other") && actions.contains("echo"),
        "{text}"
    );
    assert_eq!(actions.len(), 102, "{actions:?}");
    let other = text
        .lines()
        .find(|line| line.contains("action=\"other\""))
        .expect("counted");
    assert!(other.ends_with(" 80"), "{other}");
}
