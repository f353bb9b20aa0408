//! Sessions that are watched, listed and driven in the background, and the console's door.

use futures_util::StreamExt as _;
use reqwest::Response;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::timeout;

use super::super::access::{Auth, Caller, TableEntry};
use super::*;
use crate::store::plain::Plain;
use crate::store::{Postgres, PostgresServer};

/// Longer than anything here should take.
const BOUND: Duration = Duration::from_secs(60);

/// What is told of a session, read as it comes.
struct Told {
    answer: Response,
    text: String,
}

/// One event: its number, name and data.
type Event = (Option<u64>, String, Value);

impl Told {
    async fn of(stand: &Stand, id: &str, last: Option<u64>) -> Self {
        let url = format!("http://{}/sessions/{id}/events", stand.runtime.addr);
        let mut request = stand.client.get(url);
        if let Some(last) = last {
            request = request.header("last-event-id", last.to_string());
        }
        let answer = request.send().await.expect("an answer");
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.headers()["content-type"], "text/event-stream");
        let text = String::new();
        Self { answer, text }
    }

    /// The next event; `None` at the end of the stream.
    async fn next(&mut self) -> Option<Event> {
        // Heartbeats are no events: they give nobody more time.
        timeout(BOUND, self.read()).await.expect("in time")
    }

    async fn read(&mut self) -> Option<Event> {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let (event, rest) = (event.to_owned(), rest.to_owned());
                self.text = rest;
                if event.starts_with(':') {
                    continue;
                }
                let field = |name: &str| {
                    let mut lines = event.lines();
                    lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
                };
                let data = field("data").expect("data");
                assert!(!data.contains(TOKEN) && !data.contains(MODEL_KEY), "leaks");
                return Some((
                    field("id").map(|id| id.parse().expect("a number")),
                    field("event").expect("a name").to_owned(),
                    serde_json::from_str(data).expect("JSON"),
                ));
            }
            let chunk = self.answer.chunk().await.expect("a chunk")?;
            self.text
                .push_str(std::str::from_utf8(&chunk).expect("UTF-8"));
        }
    }

    async fn all(mut self) -> Vec<Event> {
        let mut events = Vec::new();
        while let Some(event) = self.next().await {
            events.push(event);
        }
        events
    }
}

fn names(events: &[Event]) -> Vec<&str> {
    events.iter().map(|(_, name, _)| name.as_str()).collect()
}

async fn get(stand: &Stand, path: &str) -> (u16, Value) {
    stand.send("GET", path, None, None).await
}

async fn post(stand: &Stand, path: &str) -> (u16, Value) {
    stand.send("POST", path, None, None).await
}

/// Waits until a session has this status.
pub(super) async fn becomes(stand: &Stand, id: &str, status: &str) -> Value {
    let seen = async {
        loop {
            let (_, body) = get(stand, &format!("/sessions/{id}")).await;
            if body["status"] == status && body["running"] == false {
                return body;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(BOUND, seen).await.expect("in time")
}

fn asks(config: &mut Config) {
    let mut document = config.manifests[0].document.clone();
    let question = json!({
        "type": "human_intervention", "name": "ask", "prompt": "which?", "input_schema": {},
        "output_schema": {"type": "string"}, "result_path": "/environment/choice",
    });
    document["actions"]
        .as_array_mut()
        .expect("actions")
        .push(question);
    config.manifests = vec![crate::manifest::load(&document).expect("valid")];
}

pub(super) fn finish() -> Value {
    json!({"finished": true})
}

#[tokio::test]
async fn a_session_is_told_as_it_happens_and_from_any_number() {
    let stand = Stand::configured(World::default(), asks).await;
    let id = stand.open(9).await;
    let mut live = Told::of(&stand, &id, None).await;
    stand.says(&[json!("no plan"), act("echo"), act("ask"), finish()]);
    stand.step(&id).await;
    let mut seen = Vec::new();
    while !matches!(seen.last(), Some((_, name, _)) if *name == "step") {
        seen.push(live.next().await.expect("more"));
    }
    let asked = stand.step(&id).await.1;
    let question = asked["pending"]["id"].as_str().expect("a question");
    while !matches!(seen.last(), Some((_, name, _)) if *name == "intervention") {
        seen.push(live.next().await.expect("more"));
    }
    let (_, _, waits) = seen.last().expect("the question");
    assert_eq!(
        (&waits["id"], &waits["prompt"]),
        (&json!(question), &json!("which?"))
    );
    assert!(waits["answered_at"].is_null() && waits.get("outcome").is_none());
    let path = format!("/sessions/{id}/interventions/{question}");
    assert_eq!(stand.post(&path, &json!({"output": "this"})).await.0, 200);
    assert_eq!(stand.step(&id).await.1["status"], "completed");
    let mut numbered = seen;
    numbered.extend(live.all().await);
    let (number, name, end) = numbered.pop().expect("the end");
    assert_eq!((number, name.as_str()), (None, "end"));
    assert_eq!(
        end,
        json!({"session_id": id, "status": "completed", "steps_done": 2})
    );
    let numbers: Vec<u64> = numbered.iter().filter_map(|(number, ..)| *number).collect();
    assert_eq!(numbers.len(), numbered.len());
    assert!(numbers.is_sorted_by(|one, next| one < next), "{numbers:?}");

    // The history is the same, without what was changed again; and it goes on after any number.
    let history = Told::of(&stand, &id, None).await.all().await;
    assert_eq!(
        names(&history),
        [
            "turn",
            "side_effect",
            "turn",
            "step",
            "side_effect",
            "turn",
            "intervention",
            "step",
            "turn",
            "end"
        ]
    );
    for (number, _, _) in &history {
        let Some(number) = *number else { continue };
        let rest = Told::of(&stand, &id, Some(number)).await.all().await;
        let after: Vec<Event> = history
            .iter()
            .filter(|(other, ..)| other.is_none_or(|other| other > number))
            .cloned()
            .collect();
        assert_eq!(rest, after, "after {number}");
    }

    // What was told is what the transcript has.
    let transcript = post(&stand, &format!("/sessions/{id}/close")).await.1["transcript"].clone();
    let told = |name: &str| -> Vec<Value> {
        let events = history.iter().filter(|(_, other, _)| other == name);
        let mut told: Vec<Value> = events.map(|(_, _, data)| data.clone()).collect();
        for effect in &mut told {
            effect.as_object_mut().expect("an object").remove("number");
        }
        told.sort_by_key(|data| {
            let number = data.get("turn_number").or(data.get("step_number"));
            number.and_then(Value::as_u64)
        });
        told
    };
    assert_eq!(json!(told("turn")), transcript["turns"]);
    assert_eq!(json!(told("step")), transcript["steps"]);
    assert_eq!(json!(told("intervention")), transcript["interventions"]);
    assert_eq!(json!(told("side_effect")), transcript["side_effects"]);
    assert_eq!(transcript["interventions"][0]["answered_by"], "anonymous");
    let (status, body) = get(&stand, &format!("/sessions/{id}/events")).await;
    assert_eq!(
        (status, &body["errorCode"]),
        (404, &json!("session_not_found"))
    );
}

#[tokio::test]
async fn who_watches_hears_of_the_close_and_of_nothing_that_is_not_kept() {
    let ledger = Plain::default();
    let shared = Arc::new(ledger.clone());
    let stand = Stand::configured(World::default(), |config| {
        asks(config);
        config.ledger = Some(shared);
    })
    .await;
    let id = stand.open(9).await;
    let mut live = Told::of(&stand, &id, None).await;
    stand.says(&[act("echo"), act("ask")]);
    // The intent is kept, and then the effect happens, of which nothing can be kept.
    ledger.fail_after(Some(1));
    assert_eq!(stand.step(&id).await.0, 503);
    let (number, name, turn) = live.next().await.expect("the turn");
    assert_eq!((number, name.as_str()), (Some(1), "turn"));
    assert!(turn.get("step_number").is_none());
    ledger.fail_after(None);
    // The next call ends what was under way, and is a step of its own.
    assert_eq!(stand.step(&id).await.1["status"], "awaiting_human");
    assert_eq!(post(&stand, &format!("/sessions/{id}/close")).await.0, 200);
    let rest = live.all().await;
    let (_, name, end) = rest.last().expect("an end");
    assert_eq!((name.as_str(), &end["status"]), ("end", &json!("closed")));
    let effects = rest.iter().filter(|(_, name, _)| name == "side_effect");
    let statuses: Vec<_> = effects.map(|(_, _, data)| data["status"].clone()).collect();
    assert_eq!(statuses, [json!("interrupted"), json!(200)]);
    let last = rest
        .iter()
        .rev()
        .find(|(_, name, _)| name == "intervention");
    assert_eq!(last.expect("a question").2["outcome"], "cancelled");
}

#[tokio::test]
async fn only_so_many_are_told_at_a_time() {
    let stand = Stand::configured(World::default(), |config| config.limits.streams = 1).await;
    let id = stand.open(9).await;
    let first = Told::of(&stand, &id, None).await;
    let (status, body) = get(&stand, &format!("/sessions/{id}/events")).await;
    assert_eq!(
        (status, &body["errorCode"]),
        (503, &json!("capacity_exceeded"))
    );
    drop(first);
    let url = format!("http://{}/sessions/{id}/events", stand.runtime.addr);
    let free = async {
        while stand
            .client
            .get(&url)
            .send()
            .await
            .expect("an answer")
            .status()
            != 200
        {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(BOUND, free).await.expect("the place is free again");
}

#[tokio::test]
async fn a_drained_runtime_tells_nobody_and_refuses_whoever_comes() {
    let world = World {
        gate: Some(Semaphore::new(0)),
        ..World::default()
    };
    let stand = Stand::new(world).await;
    let id = stand.open(9).await;
    let live = Told::of(&stand, &id, None).await;
    stand.says(&[act("echo")]);
    let url = format!("http://{}/sessions/{id}", stand.runtime.addr);
    let step = tokio::spawn(stand.client.post(format!("{url}/step")).send());
    while stand.seen("/echo") == 0 {
        tokio::task::yield_now().await;
    }
    let down = tokio::spawn(stand.runtime.shutdown());
    let events = live.all().await;
    assert_eq!(
        names(&events),
        ["turn"],
        "and no end, since it goes on elsewhere"
    );
    let late = Client::builder()
        .pool_max_idle_per_host(0)
        .build()
        .expect("a client");
    for request in [
        late.get(&url),
        late.post(format!("{url}/step")).body("x".repeat(100_000)),
    ] {
        let refused = request.send().await.expect("an answer");
        assert_eq!(refused.status(), 503);
        assert_eq!(refused.headers()["retry-after"], "1");
        assert_eq!(refused.headers()["connection"], "close");
        let text = refused.text().await.expect("a body");
        assert!(text.contains("capacity_exceeded"), "{text}");
    }
    assert!(!step.is_finished() && !down.is_finished());
    stand.world.gate.as_ref().expect("a gate").add_permits(9);
    let step = timeout(BOUND, step).await.expect("ends").expect("joined");
    assert_eq!(step.expect("an answer").status(), 200);
    timeout(BOUND, down).await.expect("ends").expect("joined");
    assert!(
        late.get(&url).send().await.is_err(),
        "nobody listens any more"
    );
}

#[tokio::test]
async fn sessions_are_listed_by_their_owner_in_pages() {
    let entry = |token: &str, subject: &str| TableEntry {
        token: token.to_owned(),
        subject: subject.to_owned(),
        scopes: BTreeSet::new(),
    };
    let ledger = Plain::default();
    for kept in [false, true] {
        let shared = Arc::new(ledger.clone());
        let mut stand = Stand::configured(World::default(), |config| {
            asks(config);
            config.ledger = kept.then_some(shared as _);
            config.auth = Some(Auth {
                tokens: vec![
                    entry("token-of-alice-1", "alice"),
                    entry("token-of-bob-01", "bob"),
                ],
                ..Auth::default()
            });
        })
        .await;
        let call = async |stand: &Stand, token: &str, method: &str, path: &str, body: Value| {
            let url = format!("http://{}{path}", stand.runtime.addr);
            let request = stand.client.request(method.parse().expect("a method"), url);
            let request = request.bearer_auth(token);
            let request = match body {
                Value::Null => request,
                body => request
                    .header("content-type", "application/json")
                    .body(body.to_string()),
            };
            let answer = request.send().await.expect("an answer");
            let status = answer.status().as_u16();
            let text = answer.text().await.expect("a body");
            (status, serde_json::from_str::<Value>(&text).expect("JSON"))
        };
        let (alice, bob) = ("token-of-alice-1", "token-of-bob-01");
        let mut opened = Vec::new();
        for (token, user) in [
            (alice, "alice"),
            (bob, "bob"),
            (alice, "alice"),
            (alice, "alice"),
        ] {
            let body = json!({
                "goal": {"description": "é".repeat(600)},
                "observation": {"timestamp": "2026-01-01T00:00:00Z", "user_context": {"user_id": user, "preferences": {}}, "environment": {}},
            });
            let (status, body) = call(&stand, token, "POST", "/sessions", body).await;
            assert_eq!(status, 201, "{body}");
            opened.push(body["session_id"].clone());
            // Those of one microsecond stand in the order of their ids.
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        stand.says(&[act("ask")]);
        let step = format!("/sessions/{}/step", opened[3].as_str().expect("an id"));
        assert_eq!(call(&stand, alice, "POST", &step, Value::Null).await.0, 200);
        let close = format!("/sessions/{}/close", opened[2].as_str().expect("an id"));
        let list = async |stand: &Stand, token: &str, query: &str| {
            let path = format!("/sessions{query}");
            call(stand, token, "GET", &path, Value::Null).await
        };
        let ids = |body: &Value| -> Vec<Value> {
            let sessions = body["sessions"].as_array().expect("sessions");
            sessions
                .iter()
                .map(|session| session["session_id"].clone())
                .collect()
        };
        let (status, body) = list(&stand, alice, "").await;
        assert_eq!(status, 200, "{body}");
        assert_eq!(
            ids(&body),
            [&opened[3], &opened[2], &opened[0]].map(Value::clone)
        );
        assert!(body.get("next").is_none());
        let newest = &body["sessions"][0];
        assert_eq!(newest["status"], "awaiting_human");
        assert_eq!(newest["pending"]["kind"], "human_intervention");
        assert_eq!(newest["pending"]["action_name"], "ask");
        assert_eq!(newest["manifest"]["name"], "stand");
        assert_eq!(
            (&newest["steps"], &newest["running"]),
            (&json!(0), &json!(false))
        );
        let description = newest["goal"]["description"].as_str().expect("a text");
        assert_eq!(description.chars().count(), 501);
        assert!(body["sessions"][1].get("pending").is_none());
        assert_eq!(ids(&list(&stand, bob, "").await.1), [opened[1].clone()]);
        if kept {
            stand.config.ledger = Some(Arc::new(ledger.successor()));
            stand.again().await;
            assert_eq!(list(&stand, alice, "").await.1, body, "over a restart");
        }
        let mut paged = Vec::new();
        let mut query = "?limit=1".to_owned();
        loop {
            let (status, page) = list(&stand, alice, &query).await;
            assert_eq!(status, 200, "{page}");
            assert_eq!(ids(&page).len(), 1);
            paged.extend(ids(&page));
            match page["next"].as_str() {
                Some(next) => query = format!("?limit=1&after={next}"),
                None => break,
            }
        }
        assert_eq!(paged, ids(&body));
        assert_eq!(
            call(&stand, alice, "POST", &close, Value::Null).await.0,
            200
        );
        let (_, body) = list(&stand, alice, "?limit=100").await;
        assert_eq!(ids(&body), [&opened[3], &opened[0]].map(Value::clone));
        for bad in ["?limit=0", "?limit=101", "?after=x"] {
            let (status, body) = list(&stand, alice, bad).await;
            assert_eq!(
                (status, &body["errorCode"]),
                (400, &json!("invalid_request")),
                "{bad}"
            );
        }
    }
}

#[tokio::test]
async fn a_session_runs_in_the_background_until_a_person_is_asked_or_it_ends() {
    let stand = Stand::configured(World::default(), asks).await;
    let id = stand.open(9).await;
    stand.says(&[act("echo"), act("fail"), act("ask")]);
    let run = format!("/sessions/{id}/run");
    let (status, body) = post(&stand, &run).await;
    assert_eq!(
        (status, &body["running"], &body["session_id"]),
        (202, &json!(true), &json!(id))
    );
    let waiting = becomes(&stand, &id, "awaiting_human").await;
    assert_eq!(waiting["steps_done"], 2);
    let (status, body) = post(&stand, &run).await;
    assert_eq!(
        (status, &body["errorCode"]),
        (409, &json!("awaiting_human"))
    );
    let question = waiting["pending"]["id"].as_str().expect("a question");
    let path = format!("/sessions/{id}/interventions/{question}");
    assert_eq!(stand.post(&path, &json!({"output": "this"})).await.0, 200);
    assert_eq!(
        stand.seen("/v1/chat/completions"),
        3,
        "nobody asked for more"
    );
    stand.says(&[act("echo"), finish()]);
    assert_eq!(post(&stand, &run).await.0, 202);
    assert_eq!(becomes(&stand, &id, "completed").await["steps_done"], 4);
    let (status, body) = post(&stand, &run).await;
    assert_eq!(
        (status, &body["errorCode"]),
        (400, &json!("session_finished"))
    );
    let (status, body) = post(&stand, "/sessions/c1b3f9e2-0d4e-4a53-9f0e-3a1f1f4ac0b1/run").await;
    assert_eq!(
        (status, &body["errorCode"]),
        (404, &json!("session_not_found"))
    );
}

#[tokio::test]
async fn asked_twice_a_session_is_driven_once_and_closing_ends_it() {
    let world = World {
        gate: Some(Semaphore::new(0)),
        ..World::default()
    };
    let stand = Stand::new(world).await;
    let id = stand.open(9).await;
    stand.says(&[act("echo"), act("echo"), act("echo")]);
    let run = format!("/sessions/{id}/run");
    for _ in 0..3 {
        assert_eq!(post(&stand, &run).await.0, 202);
    }
    while stand.seen("/echo") == 0 {
        tokio::task::yield_now().await;
    }
    // The close waits for the step in flight, and is next then.
    let url = format!("http://{}/sessions/{id}/close", stand.runtime.addr);
    let close = tokio::spawn(stand.client.post(url).send());
    let gate = stand.world.gate.as_ref().expect("a gate");
    gate.add_permits(3);
    let closed = timeout(BOUND, close).await.expect("ends").expect("joined");
    assert_eq!(closed.expect("an answer").status(), 200);
    let over = async {
        while stand.runtime.runtime.drives().has(&id) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(BOUND, over).await.expect("the drive ends");
    assert_eq!(get(&stand, &format!("/sessions/{id}")).await.0, 404);
}

#[tokio::test]
async fn a_drive_waits_out_a_store_that_cannot_be_used() {
    let ledger = Plain::default();
    let shared = Arc::new(ledger.clone());
    let stand = Stand::configured(World::default(), |config| config.ledger = Some(shared)).await;
    let id = stand.open(9).await;
    stand.says(&[act("echo"), act("echo"), finish()]);
    ledger.fail_after(Some(2));
    assert_eq!(post(&stand, &format!("/sessions/{id}/run")).await.0, 202);
    while stand.seen("/v1/chat/completions") < 2 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    ledger.fail_after(None);
    let body = becomes(&stand, &id, "completed").await;
    // The second plan was never kept, so the third reply was the next.
    assert_eq!(body["steps_done"], 1, "{body}");
    assert_eq!(stand.seen("/echo"), 1);
}

#[tokio::test]
async fn with_autorun_sessions_go_on_by_themselves_and_over_a_restart() {
    let ledger = Plain::default();
    let shared = Arc::new(ledger.clone());
    let mut stand = Stand::configured(World::default(), |config| {
        asks(config);
        config.ledger = Some(shared);
    })
    .await;
    let kept = stand.open(9).await;
    stand.says(&[act("echo"), finish()]);
    stand.config.ledger = Some(Arc::new(ledger.successor()));
    stand.config.autorun = true;
    stand.again().await;
    assert_eq!(becomes(&stand, &kept, "completed").await["steps_done"], 1);
    stand.says(&[act("ask"), act("echo"), finish()]);
    let id = stand.open(9).await;
    let waiting = becomes(&stand, &id, "awaiting_human").await;
    let question = waiting["pending"]["id"].as_str().expect("a question");
    let path = format!("/sessions/{id}/interventions/{question}");
    assert_eq!(stand.post(&path, &json!({"output": "this"})).await.0, 200);
    assert_eq!(becomes(&stand, &id, "completed").await["steps_done"], 2);
}

#[tokio::test]
async fn the_console_needs_its_token_and_no_other_page_writes() {
    let stand = Stand::configured(World::default(), |config| config.console = true).await;
    let token = stand.runtime.console_token().expect("a token").to_owned();
    let base = format!("http://{}", stand.runtime.addr);
    let status = async |request: reqwest::RequestBuilder| {
        let answer = request.send().await.expect("an answer");
        let status = answer.status().as_u16();
        let body = answer.text().await.expect("a body");
        assert!(!body.contains(&token));
        (status, body)
    };
    let sessions = || stand.client.get(format!("{base}/sessions"));
    assert_eq!(status(sessions()).await.0, 401);
    assert_eq!(status(sessions().bearer_auth("x")).await.0, 401);
    let in_query = stand.client.get(format!("{base}/sessions?token={token}"));
    assert_eq!(status(in_query).await.0, 401);
    assert_eq!(status(sessions().bearer_auth(&token)).await.0, 200);
    assert_eq!(
        status(stand.client.get(format!("{base}/healthz"))).await.0,
        200
    );
    let opening = json!({"goal": {"description": "d"},
        "observation": {"timestamp": "2026-01-01T00:00:00Z", "user_context": {"user_id": "U", "preferences": {}}, "environment": {}}});
    let open = || {
        let open = stand
            .client
            .post(format!("{base}/sessions"))
            .bearer_auth(&token);
        open.header("content-type", "application/json")
            .body(opening.to_string())
    };
    assert_eq!(status(open()).await.0, 201);
    assert_eq!(status(open().header("origin", &base)).await.0, 201);
    for (name, value) in [
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
        ("origin", "http://evil.example"),
        ("origin", "null"),
    ] {
        let (status, body) = status(open().header(name, value)).await;
        assert_eq!(status, 403, "{name}: {value}");
        assert!(body.contains("insufficient_scope"), "{body}");
    }
    assert_eq!(
        status(stand.client.get(format!("{base}/console/absent.js")))
            .await
            .0,
        404
    );
    let without = Stand::new(World::default()).await;
    assert_eq!(get(&without, "/console").await.0, 404);
    let refused = start(
        Config {
            listen: "0.0.0.0:0".parse().expect("an address"),
            ..stand.config.clone()
        },
        Arc::new(Reference),
    );
    assert!(matches!(
        refused.await,
        Err(crate::runtime::StartError::Console(_))
    ));
}

#[tokio::test]
async fn what_another_replica_does_is_told_and_listed_too() {
    let Some(server) = PostgresServer::start().await else {
        return;
    };
    let ledger = async || {
        let lease = Duration::from_secs(1);
        let ledger = Postgres::connect(&server.url(), lease).await;
        Arc::new(ledger.expect("opens"))
    };
    let first = ledger().await;
    let mut stand = Stand::configured(World::default(), |config| {
        asks(config);
        config.ledger = Some(first);
    })
    .await;
    let mut config = stand.config.clone();
    config.ledger = Some(ledger().await);
    let mut other = start(config, Arc::new(Reference)).await.expect("starts");
    let id = stand.open(9).await;
    std::mem::swap(&mut stand.runtime, &mut other);
    let mut watched = Told::of(&stand, &id, None).await;
    let (_, listed) = get(&stand, "/sessions").await;
    assert_eq!(listed["sessions"][0]["session_id"], json!(id));
    std::mem::swap(&mut stand.runtime, &mut other);
    stand.says(&[act("echo"), act("ask")]);
    stand.step(&id).await;
    let mut seen = Vec::new();
    while !matches!(seen.last(), Some((_, name, _)) if *name == "step") {
        seen.push(watched.next().await.expect("more"));
    }
    let here = Told::of(&stand, &id, None).await;
    stand.step(&id).await;
    assert_eq!(post(&stand, &format!("/sessions/{id}/close")).await.0, 200);
    seen.extend(watched.all().await);
    let (_, name, end) = seen.last().expect("the end");
    assert_eq!((name.as_str(), &end["status"]), ("end", &json!("closed")));
    assert_eq!(end["steps_done"], 1);
    let last = |events: &[Event], wanted: &str| {
        let mut events = events.iter().rev();
        events.find(|(_, name, _)| name == wanted).cloned()
    };
    let here = here.all().await;
    for kind in ["turn", "step", "intervention"] {
        let (one, two) = (last(&seen, kind), last(&here, kind));
        assert_eq!(one.map(|event| event.2), two.map(|event| event.2), "{kind}");
    }
    assert_eq!(
        last(&seen, "intervention").expect("asked").2["outcome"],
        "cancelled"
    );
}

/// A plan that takes so many bytes in the record.
fn large(bytes: usize) -> Value {
    json!({"action": "echo", "args": {"text": "x".repeat(bytes)}})
}

#[tokio::test]
async fn whoever_reads_nothing_holds_nobody_up_and_is_let_go() {
    let stand = Stand::configured(World::default(), |config| {
        config.limits.streams = 2;
        config.limits.quiet_time = Duration::from_secs(5);
    })
    .await;
    let id = stand.open(50).await;
    let path = format!("/sessions/{id}/events");
    let mut deaf = Vec::new();
    for _ in 0..2 {
        let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
        // What it does not take is left to the runtime early.
        socket.set_recv_buffer_size(4096).expect("small");
        let mut stream = socket.connect(stand.runtime.addr).await.expect("open");
        let head = format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n");
        stream.write_all(head.as_bytes()).await.expect("sent");
        let mut first = [0; 12];
        stream.read_exact(&mut first).await.expect("an answer");
        assert_eq!(&first, b"HTTP/1.1 200");
        deaf.push(stream);
    }
    let url = format!("http://{}{path}", stand.runtime.addr);
    let another = async || {
        let answer = stand.client.get(&url).send().await.expect("an answer");
        answer.status().as_u16()
    };
    assert_eq!(another().await, 503, "all places are taken");
    // More than the system keeps for them.
    for done in 1..=30 {
        stand.says(&[large(200_000)]);
        let stepped = timeout(BOUND, stand.step(&id)).await;
        let (status, body) = stepped.expect("nobody waits for readers");
        assert_eq!((status, &body["steps_done"]), (200, &json!(done)));
    }
    let let_go = async {
        while another().await != 200 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(BOUND, let_go)
        .await
        .expect("their places are free again");
    drop(deaf);
}

#[tokio::test]
async fn what_a_slow_reader_has_not_taken_is_made_when_it_takes_it() {
    let stand = Stand::new(World::default()).await;
    let id = stand.open(50).await;
    let caller = Caller::anonymous(Default::default());
    let told = stand.runtime.runtime.events(&caller, &id, 0).await;
    let mut pieces = told.expect("told").into_data_stream();
    for _ in 0..20 {
        stand.says(&[large(200_000)]);
        assert_eq!(stand.step(&id).await.0, 200);
    }
    assert_eq!(post(&stand, &format!("/sessions/{id}/close")).await.0, 200);
    let (mut text, mut largest) = (String::new(), 0);
    while let Some(piece) = pieces.next().await {
        let piece = piece.expect("a piece");
        largest = largest.max(piece.len());
        text.push_str(std::str::from_utf8(&piece).expect("UTF-8"));
    }
    assert_eq!(text.matches("event: step\n").count(), 20);
    assert_eq!(text.matches("event: end\n").count(), 1);
    // A piece, and the entry that goes beyond it.
    assert!(text.len() > 8_000_000 && largest < 1_000_000, "{largest}");
}
