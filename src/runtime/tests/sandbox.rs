//! `run_code` over loopback, in every language.

use super::*;
use crate::runtime::Ceiling;
use crate::runtime::sandbox::{Done, SandboxParts};
use crate::sandbox::{Failure, FailureCode, Finished, Job, Program, QueueKey, Sandbox};

/// A definition of code.
fn coded(name: &str, runtime: &str, code: &str, patch: Value) -> Value {
    let mut action = json!({"type": "run_code", "name": name, "runtime": runtime, "code": code,
                            "input_schema": {"type": "object"}, "output_schema": {}});
    for (name, value) in patch.as_object().expect("a patch") {
        action[name] = value.clone();
    }
    action
}

fn manifest(actions: &[Value]) -> Value {
    json!({"name": "coded", "version": "1.0", "actions": actions})
}

/// A stand with these actions beside its own.
async fn stand(actions: &[Value], change: impl FnOnce(&mut Config)) -> Stand {
    let stand = Stand::configured(World::default(), |config| {
        config.manifests.clear();
        change(config);
    })
    .await;
    let (status, body) = stand.post("/manifests", &manifest(actions)).await;
    assert_eq!(status, 201, "{body}");
    stand
}

/// One call of an action in a workflow, and its result.
async fn executed(stand: &Stand, name: &str, input: Value, patch: Value) -> Value {
    let mut body = json!({"user_id": "U", "manifest": "coded",
                          "open_action": {"@type": "OpenAction:Action", "name": name, "input": input}});
    for (name, value) in patch.as_object().expect("a patch") {
        body[name] = value.clone();
    }
    let (status, body) = stand.post("/execute", &body).await;
    assert_eq!(status, 200, "{body}");
    body["results"][0].clone()
}

/// `generate` gives back the text that it got.
const ECHO: &str = r#"(module
  (memory (export "memory") 1)
  (global $free (mut i32) (i32.const 1024))
  (func (export "oap_alloc") (param i32) (result i32)
    global.get $free
    global.get $free local.get 0 i32.add global.set $free)
  (func (export "generate") (param i32 i32) (result i64)
    local.get 0 i64.extend_i32_u i64.const 32 i64.shl
    local.get 1 i64.extend_i32_u i64.or))"#;

/// `generate` never ends.
const ENDLESS: &str = r#"(module
  (memory (export "memory") 1)
  (func (export "oap_alloc") (param i32) (result i32) i32.const 1024)
  (func (export "generate") (param i32 i32) (result i64) (loop $l br $l) unreachable))"#;

#[tokio::test]
async fn each_language_gets_its_arguments_and_gives_its_result() {
    let stand = stand(
        &[
            coded(
                "py",
                "python3",
                "def generate(a, b=0):\n    print('seen', a)\n    return {'sum': a + b}\n",
                json!({}),
            ),
            coded(
                "js",
                "javascript",
                "async function generate({a, b}) { console.log('seen', a); return {sum: a + b}; }",
                json!({}),
            ),
            coded("wat", "wasm", ECHO, json!({})),
        ],
        |_| {},
    )
    .await;
    for (name, expected) in [
        ("py", json!({"sum": 5})),
        ("js", json!({"sum": 5})),
        ("wat", json!({"a": 2, "b": 3})),
    ] {
        let result = executed(&stand, name, json!({"a": 2, "b": 3}), json!({})).await;
        assert_eq!(result["output"], expected, "{result}");
        let logs = result.get("logs").and_then(Value::as_str);
        let wrote = (name != "wat").then_some("seen 2\n");
        assert_eq!(logs, wrote, "{result}");
    }
    let (_, said) = stand.send("GET", "/capabilities", None, None).await;
    assert_eq!(
        said["runtimes"],
        json!(["python3.11", "javascript", "wasm"])
    );
    for profile in ["sandbox", "sandbox.python", "sandbox.network"] {
        let profiles = said["profiles"].as_array().expect("profiles");
        assert!(profiles.contains(&json!(profile)), "{said}");
    }
    stand.runtime.shutdown().await;
}

#[tokio::test]
async fn a_session_has_the_logs_in_its_transcript_and_goes_on_after_failures() {
    let stand = stand(
        &[
            coded("py", "python3", "import time\ndef generate():\n    print('tok:', 'cal-tok+en/3f9a1c77==')\n    return time.time_ns() // 1000000\n", json!({})),
            coded("bad", "python3", "def generate():\n    raise ValueError('boom')\n", json!({})),
            coded("endless", "wasm", ENDLESS, json!({})),
        ],
        |_| {},
    )
    .await;
    stand.says(&["bad", "endless", "py"].map(act));
    let id = stand.open(9).await;
    let (_, failed) = stand.step(&id).await;
    let error = &failed["result"]["error"];
    assert_eq!(error["errorCode"], "sandbox_error");
    assert!(
        error["message"]
            .as_str()
            .is_some_and(|text| text.contains("boom")),
        "{error}"
    );
    let (_, ended) = stand.step(&id).await;
    assert_eq!(ended["result"]["error"]["errorCode"], "sandbox_cpu_limit");
    let (_, good) = stand.step(&id).await;
    assert_eq!(good["result"]["success"], true, "{good}");
    let (_, closed) = stand
        .send("POST", &format!("/sessions/{id}/close"), None, None)
        .await;
    let step = &closed["transcript"]["steps"][2];
    assert_eq!(step["logs"], "tok: [REDACTED]\n");
    let shown: jiff::Timestamp = step["observation"]["timestamp"]
        .as_str()
        .and_then(|time| time.parse().ok())
        .expect("a time");
    assert_eq!(good["result"]["output"], shown.as_millisecond());
    let close = schema::named("close").expect("a schema");
    assert_eq!(close.violations(&closed), []);
    stand.runtime.shutdown().await;
}

#[tokio::test]
async fn equal_calls_give_equal_results_and_seeds_make_a_difference() {
    let code = "import random, time, uuid\ndef generate(n):\n    return [random.random(), time.time(), str(uuid.uuid4())]\n";
    let stand = stand(&[coded("py", "python3", code, json!({}))], |_| {}).await;
    let terms = |seed: u64| json!({"seed": seed, "timestamp": "2026-03-28T14:32:10.5Z"});
    let one = executed(&stand, "py", json!({"n": 1}), terms(1)).await;
    let same = executed(&stand, "py", json!({"n": 1}), terms(1)).await;
    let other = executed(&stand, "py", json!({"n": 1}), terms(2)).await;
    assert_eq!(one["output"], same["output"]);
    assert_eq!(one["output"][1], 1_774_708_330.5);
    assert_eq!(other["output"][1], 1_774_708_330.5);
    assert_ne!(one["output"][0], other["output"][0]);
    assert_ne!(one["output"][2], other["output"][2]);
}

#[tokio::test]
async fn what_cannot_be_run_is_not_registered() {
    let stand = stand(&[coded("wat", "wasm", ECHO, json!({}))], |_| {}).await;
    for (action, code, pointer) in [
        (
            coded("a", "python3.99", "x", json!({})),
            "unsupported_runtime",
            "/actions/0/runtime",
        ),
        (
            coded("a", "python3", "def generate(:\n", json!({})),
            "manifest_invalid",
            "/actions/0/code",
        ),
        (
            coded("a", "javascript", "function (", json!({})),
            "manifest_invalid",
            "/actions/0/code",
        ),
        (
            coded("a", "wasm", "(module (func", json!({})),
            "manifest_invalid",
            "/actions/0/code",
        ),
        (
            coded("a", "wasm", "AGFzbQ", json!({})),
            "manifest_invalid",
            "/actions/0/code",
        ),
        (
            coded(
                "a",
                "wasm",
                "(module (import \"env\" \"f\" (func)))",
                json!({}),
            ),
            "manifest_invalid",
            "/actions/0/code",
        ),
    ] {
        let mut document = manifest(&[action]);
        document["version"] = json!("2.0");
        let (status, body) = stand.post("/manifests", &document).await;
        assert_eq!((status, &body["errorCode"]), (422, &json!(code)), "{body}");
        assert_eq!(
            body["details"]["violations"][0]["pointer"], pointer,
            "{body}"
        );
    }
    let jsonld = json!({"@context": "https://open-action.example/2.0/context.jsonld", "@type": "OpenAction:Manifest",
        "name": "ld", "version": "1.0", "actions": [{"@type": "OpenAction:Action", "name": "a", "actionType": "run_code",
        "runtime": "python3", "OpenAction:code": "def (", "inputSchema": {}, "outputSchema": {}}]});
    let (status, body) = stand.post("/manifests", &jsonld).await;
    assert_eq!(
        (status, &body["details"]["violations"][0]["pointer"]),
        (422, &json!("/actions/0/OpenAction:code")),
        "{body}"
    );
}

#[tokio::test]
async fn closing_a_session_ends_its_run() {
    let stand = stand(
        &[coded(
            "endless",
            "wasm",
            ENDLESS,
            json!({"limits": {"cpu_ms": 10_000}}),
        )],
        |config| config.sandbox.ceiling = Ceiling::of(10_000, 64),
    )
    .await;
    stand.says(&[act("endless")]);
    let id = stand.open(9).await;
    let began = std::time::Instant::now();
    let close = async {
        // The run is under way, or at least waiting, once the session has its place.
        while stand.runtime.runtime.sandboxes().under_way() == 0 {
            tokio::task::yield_now().await;
        }
        stand
            .send("POST", &format!("/sessions/{id}/close"), None, None)
            .await
    };
    let ((_, step), (status, closed)) = tokio::join!(stand.step(&id), close);
    assert_eq!(
        step["result"]["error"]["errorCode"], "sandbox_cancelled",
        "{step}"
    );
    assert_eq!(status, 200);
    assert_eq!(closed["transcript"]["steps"][0]["result"], step["result"]);
    assert!(began.elapsed() < Duration::from_secs(8));
}

#[tokio::test]
async fn more_runs_than_may_wait_are_refused_and_may_be_tried_again() {
    let stand = stand(&[coded("endless", "wasm", ENDLESS, json!({}))], |config| {
        config.sandbox.workers = 1;
        config.sandbox.waiting = 1;
    })
    .await;
    let calls = (0..4).map(|_| executed(&stand, "endless", json!({}), json!({})));
    let results = futures_join(calls).await;
    let mut codes: Vec<String> = results
        .iter()
        .map(|result| {
            result["error"]["errorCode"]
                .as_str()
                .unwrap_or("")
                .to_owned()
        })
        .collect();
    codes.sort_unstable();
    assert!(codes.contains(&"capacity_exceeded".to_owned()), "{codes:?}");
    assert!(codes.contains(&"sandbox_cpu_limit".to_owned()), "{codes:?}");
    let refused = results
        .iter()
        .find(|result| result["error"]["errorCode"] == "capacity_exceeded");
    assert_eq!(refused.expect("one")["error"]["retryable"], true);
}

/// All at once, on this task.
async fn futures_join<F: Future<Output = Value>>(calls: impl Iterator<Item = F>) -> Vec<Value> {
    let mut calls: Vec<_> = calls.map(Box::pin).collect();
    let mut results: Vec<Option<Value>> = calls.iter().map(|_| None).collect();
    std::future::poll_fn(move |context| {
        for (call, result) in calls.iter_mut().zip(&mut results) {
            if result.is_none()
                && let std::task::Poll::Ready(value) = call.as_mut().poll(context)
            {
                *result = Some(value);
            }
        }
        if results.iter().all(Option::is_some) {
            return std::task::Poll::Ready(results.iter_mut().filter_map(Option::take).collect());
        }
        std::task::Poll::Pending
    })
    .await
}

/// JavaScript that asks for a URL and tells what came.
const FETCH: &str = "async function generate({url, method}) {
  const answer = await fetch(url, {method: method || 'GET'});
  return {status: answer.status, body: await answer.text()};
}";

#[tokio::test]
async fn granted_network_leads_there_and_nowhere_else() {
    let outside = Stand::new(World::default()).await;
    let base = outside.runtime.addr;
    let stand = stand(
        &[
            coded(
                "granted",
                "javascript",
                FETCH,
                json!({"network": [base.to_string()]}),
            ),
            coded("closed", "javascript", FETCH, json!({})),
            coded(
                "elsewhere",
                "javascript",
                FETCH,
                json!({"network": ["api.example.com:443"]}),
            ),
        ],
        |_| {},
    )
    .await;
    let health = json!({"url": format!("http://{base}/healthz")});
    let there = executed(&stand, "granted", health.clone(), json!({})).await;
    assert_eq!(there["output"]["status"], 200, "{there}");
    assert_eq!(there["output"]["body"], "{\"status\":\"ok\"}");
    for (name, input) in [
        ("closed", health.clone()),
        ("elsewhere", health.clone()),
        (
            "granted",
            json!({"url": format!("http://localhost:{}/healthz", base.port())}),
        ),
    ] {
        let refused = executed(&stand, name, input, json!({})).await;
        assert_eq!(
            refused["error"]["errorCode"], "sandbox_network_denied",
            "{name}: {refused}"
        );
    }
    stand.says(&[
        json!({"action": "granted", "args": {"url": format!("http://{base}/healthz?q=1")}}),
    ]);
    let id = stand.open(3).await;
    let (_, step) = stand.step(&id).await;
    assert_eq!(step["result"]["success"], true, "{step}");
    let (_, closed) = stand
        .send("POST", &format!("/sessions/{id}/close"), None, None)
        .await;
    let effects = closed["transcript"]["side_effects"]
        .as_array()
        .expect("effects");
    assert_eq!(effects.len(), 1, "{closed}");
    assert_eq!(effects[0]["target"], format!("http://{base}/healthz"));
    assert_eq!(
        (
            &effects[0]["kind"],
            &effects[0]["status"],
            &effects[0]["step_number"]
        ),
        (&json!("http"), &json!(200), &json!(1))
    );
}

#[tokio::test]
async fn a_private_address_is_refused_even_when_granted() {
    let outside = Stand::new(World::default()).await;
    let base = outside.runtime.addr;
    let network = json!({"network": [base.to_string(), format!("localhost:{}", base.port())]});
    let stand = stand(
        &[coded("granted", "javascript", FETCH, network)],
        |config| {
            config.allowed_networks.clear();
        },
    )
    .await;
    for host in [base.to_string(), format!("localhost:{}", base.port())] {
        let input = json!({"url": format!("http://{host}/healthz")});
        let refused = executed(&stand, "granted", input, json!({})).await;
        assert_eq!(
            refused["error"]["errorCode"], "sandbox_network_denied",
            "{refused}"
        );
    }
}

/// Counts the jobs that are handed over.
#[derive(Default)]
struct Counting(std::sync::atomic::AtomicUsize);

impl SandboxParts for Counting {
    fn submit(&self, sandbox: &Sandbox, key: &QueueKey, job: Job, done: Done) {
        self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        sandbox.submit(key, job, done);
    }
}

impl Parts for Arc<Counting> {
    fn sandbox(&self) -> &dyn SandboxParts {
        &**self
    }
}

#[tokio::test]
async fn results_are_kept_if_the_operator_asks() {
    for (asks, expected) in [(true, 5), (false, 7)] {
        let counting = Arc::new(Counting::default());
        let stand = Stand::set_up(
            World::default(),
            Arc::new(Arc::clone(&counting)),
            |config| {
                config.manifests.clear();
                config.sandbox.cache_results = asks;
            },
        )
        .await;
        let code = "function generate({n}) { console.log(n); if (n < 0) throw n; return n + 1; }";
        let document = manifest(&[coded("js", "javascript", code, json!({}))]);
        assert_eq!(stand.post("/manifests", &document).await.0, 201);
        let terms = json!({"timestamp": "2026-03-28T14:32:10Z"});
        let later = json!({"timestamp": "2026-03-28T14:32:11Z"});
        let first = executed(&stand, "js", json!({"n": 1}), terms.clone()).await;
        let again = executed(&stand, "js", json!({"n": 1}), terms.clone()).await;
        assert_eq!(
            (&first["output"], &first["logs"]),
            (&json!(2), &json!("1\n"))
        );
        assert_eq!(first, again);
        // Another time, other arguments and failures are runs of their own; only the fourth call was there before.
        executed(&stand, "js", json!({"n": 1}), later).await;
        executed(&stand, "js", json!({"n": 1}), terms.clone()).await;
        executed(&stand, "js", json!({"n": 2}), terms.clone()).await;
        for _ in 0..2 {
            executed(&stand, "js", json!({"n": -1}), terms.clone()).await;
        }
        let runs = counting.0.load(std::sync::atomic::Ordering::Relaxed);
        assert_eq!(runs, expected);
    }
}

/// MeetBot with its agenda in the sandbox and its notes in storage, its services here.
fn meetbot(base: &str) -> Value {
    let text = crate::embedded::text("fixtures/manifests/valid/meetbot-complete.json");
    let mut text = text.expect("the fixture").into_owned();
    for service in ["calendar", "email", "crm"] {
        let origin = format!("https://api.{service}.example.com");
        text = text.replace(&origin, &format!("{base}/{service}"));
    }
    for token in ["CALENDAR_TOKEN", "EMAIL_TOKEN", "CRM_TOKEN"] {
        text = text.replace(token, "TOKEN");
    }
    serde_json::from_str(&text).expect("JSON")
}

#[tokio::test]
async fn meetbot_goes_from_the_search_to_the_notes() {
    let stand = Stand::new(World::default()).await;
    let (status, body) = stand.post("/manifests", &meetbot(&stand.base)).await;
    assert_eq!(status, 201, "{body}");
    let agenda = "09:00 Welcome\n09:05 Kick-off\n09:55 Next steps";
    let guest = "alice@example.com";
    let notes = format!("# Kick-off\n\n{agenda}\n");
    let when = json!({"start": "2026-04-02T09:00:00Z", "end": "2026-04-02T10:00:00Z"});
    stand.says(&[
        json!({"action": "search_free_slots", "args": {"participants": [guest], "duration_minutes": 60}}),
        json!({"action": "generate_agenda", "args": {"purpose": "Kick-off", "duration_minutes": 60, "start": when["start"]}}),
        json!({"action": "create_event", "args": {"start": when["start"], "end": when["end"], "participants": [guest], "agenda": agenda, "title": "Kick-off"}}),
        json!({"action": "send_invitation", "args": {"to": guest, "subject": "Kick-off", "body": agenda}}),
        json!({"action": "write_notes", "args": {"path": "kick-off.md", "content": notes}}),
        json!({"action": "read_notes", "args": {"path": "kick-off.md"}}),
        json!({"action": "log_meeting_crm", "args": {"contact_email": guest, "event_id": "e1", "title": "Kick-off", "agenda": agenda}}),
    ]);
    let (status, opened) = stand.post("/sessions", &json!({
        "goal": {"description": "schedule a kick-off", "intent": "schedule_meeting"}, "manifest": "MeetBot",
        "observation": {"timestamp": "2026-04-01T00:00:00Z", "user_context": {"user_id": "U", "preferences": {}}, "environment": {}},
    })).await;
    assert_eq!(status, 201, "{opened}");
    let id = opened["session_id"].as_str().expect("an id");
    for number in 1..=7 {
        let (_, step) = stand.step(id).await;
        assert_eq!(step["result"]["success"], true, "{step}");
        assert_eq!(step["completed"], number == 7);
    }
    let (_, closed) = stand
        .send("POST", &format!("/sessions/{id}/close"), None, None)
        .await;
    let transcript = &closed["transcript"];
    let environment = &transcript["final_observation"]["environment"];
    assert_eq!(environment["agenda"], agenda);
    assert_eq!(
        environment["notes"],
        json!({"path": "kick-off.md", "size": notes.len(), "content": notes})
    );
    let kinds: Vec<(&str, u64)> = transcript["side_effects"]
        .as_array()
        .expect("effects")
        .iter()
        .map(|effect| {
            (
                effect["kind"].as_str().unwrap_or(""),
                effect["step_number"].as_u64().unwrap_or(0),
            )
        })
        .collect();
    assert_eq!(
        kinds,
        [
            ("http", 1),
            ("http", 3),
            ("http", 4),
            ("file", 5),
            ("file", 6),
            ("http", 7)
        ]
    );
    assert_eq!(stand.seen("/email/v1/send"), 1);
    let close = schema::named("close").expect("a schema");
    assert_eq!(close.violations(&closed), []);
}

#[tokio::test]
async fn a_plugin_may_be_a_module() {
    let stand = stand(&[coded("wat", "wasm", ECHO, json!({}))], |_| {}).await;
    let run = async |name: &str, patch: Value| {
        let mut node = json!({"@type": "OpenAction:Action", "pluginReference": name, "input": {"a": [1, "é"]}});
        for (member, value) in patch.as_object().expect("a patch") {
            node[member] = value.clone();
        }
        let body = json!({"user_id": "U", "manifest": "coded", "open_action": [node]});
        stand.post("/execute", &body).await.1["results"][0].clone()
    };
    let echoed = run("oap_test.echo", json!({})).await;
    assert_eq!(echoed["output"], json!({"a": [1, "é"]}), "{echoed}");
    let endless = run("oap_test.endless", json!({})).await;
    assert_eq!(
        endless["error"]["errorCode"], "sandbox_cpu_limit",
        "{endless}"
    );
    let aborting = run("oap_test.aborting", json!({})).await;
    assert_eq!(aborting["error"]["errorCode"], "plugin_error", "{aborting}");
    let saved = run("oap_test.endless", json!({"fallbackAction": "wat"})).await;
    assert_eq!(saved["action_name"], "wat", "{saved}");
    assert_eq!(saved["output"], json!({"a": [1, "é"]}));
}

#[test]
fn the_interpreters_can_be_made_ready_ahead() {
    let told = Mutex::new(Vec::new());
    let watch = |line: &str| told.lock().expect("a lock").push(line.to_owned());
    crate::runtime::prepare_sandbox(&watch).expect("ready");
    crate::runtime::prepare_sandbox(&watch).expect("ready still");
    let told = told.into_inner().expect("a lock");
    // Another test of this process may have had them made before.
    let guests = ["javascript", "python3.11"];
    let names_one = |line: &String| guests.iter().any(|guest| line.contains(guest));
    assert!(told.iter().all(names_one), "{told:?}");
}

/// Python that does the same with its standard library.
const URLOPEN: &str = "import urllib.request
def generate(url, method='GET', body=None):
    data = body.encode() if body else None
    request = urllib.request.Request(url, data=data, method=method, headers={'Content-Type': 'application/json', 'Host': 'elsewhere.example'})
    with urllib.request.urlopen(request) as answer:
        return {'status': answer.status, 'body': answer.read().decode()}
";

/// The outside world with code that may call it, and a session of this plan.
async fn outward(plans: impl FnOnce(&str) -> Vec<Value>) -> (Stand, String) {
    let stand = Stand::new(World::default()).await;
    let address = stand
        .base
        .strip_prefix("http://")
        .expect("a URL")
        .to_owned();
    let network = json!({"network": [address]});
    let actions = [
        coded("js", "javascript", FETCH, network.clone()),
        coded("py", "python3", URLOPEN, network),
    ];
    let (status, body) = stand.post("/manifests", &manifest(&actions)).await;
    assert_eq!(status, 201, "{body}");
    stand.says(&plans(&stand.base));
    let (_, opened) = stand.post("/sessions", &json!({
        "goal": {"description": "d"}, "manifest": "coded",
        "observation": {"timestamp": "2026-04-01T00:00:00Z", "user_context": {"user_id": "U", "preferences": {}}, "environment": {}},
    })).await;
    let id = opened["session_id"].as_str().expect("an id").to_owned();
    (stand, id)
}

#[tokio::test]
async fn redirects_are_followed_within_the_grant_and_all_is_recorded() {
    let (stand, id) = outward(|base| {
        let get = |action: &str, path: &str| json!({"action": action, "args": {"url": format!("{base}{path}")}});
        vec![
            get("js", "/moved"),
            get("js", "/away"),
            json!({"action": "py", "args": {"url": format!("{base}/mirror"), "method": "POST", "body": "{\"a\": 1}"}}),
            get("py", "/fail"),
        ]
    })
    .await;
    let (_, moved) = stand.step(&id).await;
    assert_eq!(moved["result"]["output"]["status"], 200, "{moved}");
    let (_, away) = stand.step(&id).await;
    assert_eq!(
        away["result"]["error"]["errorCode"], "sandbox_network_denied",
        "{away}"
    );
    let (_, posted) = stand.step(&id).await;
    assert_eq!(posted["result"]["output"]["body"], "{\"a\":1}", "{posted}");
    let (_, failed) = stand.step(&id).await;
    assert_eq!(
        failed["result"]["error"]["errorCode"], "sandbox_error",
        "{failed}"
    );
    let (_, closed) = stand
        .send("POST", &format!("/sessions/{id}/close"), None, None)
        .await;
    let effects = closed["transcript"]["side_effects"]
        .as_array()
        .expect("effects");
    let told: Vec<_> = effects
        .iter()
        .map(|effect| {
            let target = effect["target"]
                .as_str()
                .and_then(|target| target.strip_prefix(&stand.base));
            (
                effect["method"].as_str().unwrap_or(""),
                target.unwrap_or(""),
                effect["status"].as_u64(),
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            ("GET", "/moved", Some(302)),
            ("GET", "/echo", Some(200)),
            ("GET", "/away", Some(302)),
            ("POST", "/mirror", Some(200)),
            ("GET", "/fail", Some(503)),
        ]
    );
    assert!(
        stand
            .world
            .seen
            .lock()
            .expect("seen")
            .iter()
            .all(|(path, _)| path != "/elsewhere")
    );
}

#[tokio::test]
async fn closing_a_session_ends_the_wait_for_a_slow_host() {
    let (stand, id) =
        outward(|base| vec![json!({"action": "js", "args": {"url": format!("{base}/slow")}})])
            .await;
    let began = std::time::Instant::now();
    let close = async {
        while stand.seen("/slow") == 0 {
            tokio::task::yield_now().await;
        }
        stand
            .send("POST", &format!("/sessions/{id}/close"), None, None)
            .await
    };
    let ((_, step), (_, closed)) = tokio::join!(stand.step(&id), close);
    assert_eq!(
        step["result"]["error"]["errorCode"], "sandbox_cancelled",
        "{step}"
    );
    let effects = &closed["transcript"]["side_effects"];
    assert_eq!(
        (&effects[0]["target"], &effects[0]["status"]),
        (&json!(format!("{}/slow", stand.base)), &Value::Null)
    );
    assert!(began.elapsed() < Duration::from_secs(8));
}

/// Finds no room for the first look and the first run.
#[derive(Default)]
struct BusyAtFirst {
    looked: std::sync::atomic::AtomicBool,
    ran: std::sync::atomic::AtomicBool,
}

impl SandboxParts for BusyAtFirst {
    fn check_code(
        &self,
        sandbox: &Sandbox,
        program: &Program,
        networked: bool,
    ) -> Result<(), Failure> {
        if self.looked.swap(true, std::sync::atomic::Ordering::Relaxed) {
            return sandbox.check(program, networked);
        }
        Err(Failure::new(FailureCode::Busy, "too many modules"))
    }

    fn submit(&self, sandbox: &Sandbox, key: &QueueKey, job: Job, done: Done) {
        if self.ran.swap(true, std::sync::atomic::Ordering::Relaxed) {
            return sandbox.submit(key, job, done);
        }
        done(Finished {
            outcome: Err(Failure::new(FailureCode::Busy, "too many modules")),
            logs: String::new(),
            cpu: Duration::ZERO,
            memory: 0,
            denied: false,
        });
    }
}

impl Parts for BusyAtFirst {
    fn sandbox(&self) -> &dyn SandboxParts {
        self
    }
}

#[tokio::test]
async fn want_of_room_says_nothing_about_the_code_and_may_be_tried_again() {
    let parts = Arc::new(BusyAtFirst::default());
    let stand = Stand::set_up(World::default(), parts, |config| config.manifests.clear()).await;
    let document = manifest(&[coded("wat", "wasm", ECHO, json!({}))]).to_string();
    let keyed = || stand.send("POST", "/manifests", Some("key-1"), Some(&document));
    let (status, body) = keyed().await;
    assert_eq!(
        (status, &body["errorCode"]),
        (503, &json!("capacity_exceeded")),
        "{body}"
    );
    assert_eq!(body["retryable"], true);
    let (status, body) = keyed().await;
    assert_eq!(status, 201, "the answer was not kept: {body}");
    let refused = executed(&stand, "wat", json!({}), json!({})).await;
    let error = &refused["error"];
    assert_eq!(
        (&error["errorCode"], &error["retryable"]),
        (&json!("capacity_exceeded"), &json!(true)),
        "{refused}"
    );
    let good = executed(&stand, "wat", json!({"a": 1}), json!({})).await;
    assert_eq!(good["output"], json!({"a": 1}));
}

/// Sees the keys that runs wait under.
#[derive(Default)]
struct Keys(std::sync::Mutex<Vec<QueueKey>>);

impl SandboxParts for Keys {
    fn submit(&self, sandbox: &Sandbox, key: &QueueKey, job: Job, done: Done) {
        self.0.lock().expect("lock").push(key.clone());
        sandbox.submit(key, job, done);
    }
}

impl Parts for Arc<Keys> {
    fn sandbox(&self) -> &dyn SandboxParts {
        &**self
    }
}

#[tokio::test]
async fn calls_take_turns_within_their_action_and_actions_within_their_manifest() {
    let keys = Arc::new(Keys::default());
    let parts = Arc::new(Arc::clone(&keys));
    let stand = Stand::set_up(World::default(), parts, |config| config.manifests.clear()).await;
    let actions = ["one", "other"].map(|name| coded(name, "wasm", ECHO, json!({})));
    assert_eq!(stand.post("/manifests", &manifest(&actions)).await.0, 201);
    for name in ["one", "one", "other"] {
        executed(&stand, name, json!({}), json!({})).await;
    }
    let keys = keys.0.lock().expect("lock");
    let names: Vec<&[String]> = keys.iter().map(QueueKey::names).collect();
    let [first, second, third] = names.as_slice() else {
        panic!("three runs: {names:?}");
    };
    assert!(first[0] == second[0] && first[0] == third[0]);
    assert_eq!(
        (&*first[1], &*second[1], &*third[1]),
        ("one", "one", "other")
    );
    assert_ne!(first[2], second[2]);
}
