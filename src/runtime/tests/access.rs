//! Who calls, over HTTP.

use std::time::Duration;

use super::super::access::{Auth, TableEntry};
use super::*;

const ALICE: &str = "token-of-alice-0001";
const BOB: &str = "token-of-bob-0001";

fn auth() -> Auth {
    let entry = |token: &str, subject: &str, scopes: &[&str]| TableEntry {
        token: token.to_owned(),
        subject: subject.to_owned(),
        scopes: scopes.iter().map(|scope| (*scope).to_owned()).collect(),
    };
    Auth {
        tokens: vec![
            entry(ALICE, "alice", &["manifest:write"]),
            entry(BOB, "bob", &[]),
        ],
        ..Auth::default()
    }
}

async fn stand() -> Stand {
    Stand::configured(World::default(), |config| config.auth = Some(auth())).await
}

struct Answered {
    status: u16,
    headers: reqwest::header::HeaderMap,
    body: Value,
}

impl Answered {
    fn code(&self) -> (u16, &str) {
        (self.status, self.body["errorCode"].as_str().unwrap_or(""))
    }
}

async fn call(
    stand: &Stand,
    authorization: Option<&str>,
    method: &str,
    path: &str,
    body: Option<&Value>,
) -> Answered {
    keyed(stand, authorization, None, method, path, body).await
}

async fn keyed(
    stand: &Stand,
    authorization: Option<&str>,
    key: Option<&str>,
    method: &str,
    path: &str,
    body: Option<&Value>,
) -> Answered {
    let url = format!("http://{}{path}", stand.runtime.addr);
    let mut request = stand.client.request(method.parse().expect("a method"), url);
    if let Some(authorization) = authorization {
        request = request.header("authorization", authorization);
    }
    if let Some(key) = key {
        request = request.header("idempotency-key", key);
    }
    if let Some(body) = body {
        request = request
            .header("content-type", "application/json")
            .body(body.to_string());
    }
    let answer = request.send().await.expect("an answer");
    let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
    let text = answer.text().await.expect("a body");
    assert!(!text.contains(ALICE) && !text.contains(BOB), "{path} leaks");
    let body = serde_json::from_str(&text).expect("JSON");
    Answered {
        status,
        headers,
        body,
    }
}

fn bearer(token: &str) -> String {
    format!("Bearer {token}")
}

fn session(user: &str) -> Value {
    json!({"goal": {"description": "d"},
           "observation": {"timestamp": "2026-01-01T00:00:00Z", "user_context": {"user_id": user, "preferences": {}}, "environment": {}}})
}

#[tokio::test]
async fn everything_but_two_paths_needs_a_token() {
    let stand = stand().await;
    for path in ["/healthz", "/capabilities"] {
        assert_eq!(call(&stand, None, "GET", path, None).await.status, 200);
    }
    let wrong = bearer("token-of-nobody-01");
    for authorization in [None, Some(wrong.as_str()), Some(ALICE), Some("Basic YTpi")] {
        for (method, path) in [
            ("GET", "/manifests"),
            ("POST", "/manifests"),
            ("GET", "/manifests/stand@1.0.0"),
            ("DELETE", "/manifests/stand@1.0.0"),
            ("POST", "/sessions"),
            ("GET", "/sessions/x"),
            ("POST", "/sessions/x/step"),
            ("POST", "/sessions/x/close"),
            ("GET", "/sessions/x/transcript"),
            ("POST", "/sessions/x/interventions/y"),
        ] {
            let body = (method == "POST").then(|| json!({}));
            let answer = call(&stand, authorization, method, path, body.as_ref()).await;
            assert_eq!(answer.code(), (401, "unauthenticated"), "{method} {path}");
            assert_eq!(answer.headers["www-authenticate"], "Bearer");
        }
    }
    // The manifest is still there, and a body that is no JSON tells a stranger nothing.
    let all = call(&stand, Some(&bearer(BOB)), "GET", "/manifests", None).await;
    assert_eq!(
        all.body["manifests"].as_array().map(Vec::len),
        Some(1),
        "{}",
        all.body
    );
}

/// WFL 6.2: what a key may look like belongs to the shape of a request, which is looked at before the token.
#[tokio::test]
async fn a_key_that_is_none_is_refused_before_anybody_asks_who_calls() {
    let stand = stand().await;
    let node = json!({"@type": "OpenAction:Action", "name": "probe"});
    let body = json!({"user_id": "alice", "open_action": node, "requestId": "k".repeat(256)});
    let answer = call(&stand, None, "POST", "/execute", Some(&body)).await;
    assert_eq!(answer.code(), (400, "invalid_request"));
}

#[tokio::test]
async fn a_session_belongs_to_its_subject() {
    let stand = stand().await;
    let (alice, bob) = (bearer(ALICE), bearer(BOB));
    let other = call(
        &stand,
        Some(&alice),
        "POST",
        "/sessions",
        Some(&session("bob")),
    )
    .await;
    assert_eq!(other.code(), (403, "user_mismatch"));
    let opened = call(
        &stand,
        Some(&alice),
        "POST",
        "/sessions",
        Some(&session("alice")),
    )
    .await;
    assert_eq!(opened.status, 201, "{}", opened.body);
    let id = opened.body["session_id"]
        .as_str()
        .expect("an id")
        .to_owned();
    let below = |rest: &str| format!("/sessions/{id}{rest}");
    let foreign = async |stage: &str| {
        for (method, rest, body) in [
            ("GET", "", None),
            ("POST", "/step", None),
            ("POST", "/close", None),
            ("GET", "/transcript", None),
            ("POST", "/interventions/i", Some(json!({"output": 1}))),
        ] {
            let answer = call(&stand, Some(&bob), method, &below(rest), body.as_ref()).await;
            assert_eq!(answer.code(), (404, "session_not_found"), "{stage} {rest}");
            let unknown = call(
                &stand,
                Some(&bob),
                method,
                &format!("/sessions/unknown{rest}"),
                body.as_ref(),
            )
            .await;
            assert_eq!(answer.body, unknown.body, "{stage} {rest}");
        }
    };
    foreign("open").await;
    stand.says(&[act("echo")]);
    assert_eq!(
        call(&stand, Some(&alice), "POST", &below("/step"), None)
            .await
            .status,
        200
    );
    assert_eq!(
        call(&stand, Some(&alice), "POST", &below("/close"), None)
            .await
            .status,
        200
    );
    foreign("closed").await;
    assert_eq!(
        call(&stand, Some(&alice), "GET", &below("/transcript"), None)
            .await
            .status,
        200
    );
}

#[tokio::test]
async fn keys_of_different_subjects_do_not_meet() {
    let stand = stand().await;
    let open = async |token: &str, user: &str| {
        let answer = keyed(
            &stand,
            Some(&bearer(token)),
            Some("k"),
            "POST",
            "/sessions",
            Some(&session(user)),
        )
        .await;
        assert_eq!(answer.status, 201, "{}", answer.body);
        answer.body["session_id"].clone()
    };
    let (first, other, again) = (
        open(ALICE, "alice").await,
        open(BOB, "bob").await,
        open(ALICE, "alice").await,
    );
    assert_eq!(first, again);
    assert_ne!(first, other);
    let mismatch = keyed(
        &stand,
        Some(&bearer(BOB)),
        Some("k"),
        "POST",
        "/sessions",
        Some(&session("alice")),
    )
    .await;
    assert_eq!(
        mismatch.code(),
        (403, "user_mismatch"),
        "looked up after the identity"
    );
}

#[tokio::test]
async fn manifests_are_written_by_who_may() {
    let stand = stand().await;
    let manifest = json!({"name": "second", "version": "1.0.0", "actions": [
        {"type": "invoke_api", "name": "a", "endpoint": "https://service.example.com/", "method": "GET", "input_schema": {}, "output_schema": {}}]});
    let (alice, bob) = (bearer(ALICE), bearer(BOB));
    let register =
        async |who: &str| call(&stand, Some(who), "POST", "/manifests", Some(&manifest)).await;
    let delete =
        async |who: &str| call(&stand, Some(who), "DELETE", "/manifests/second@1.0.0", None).await;
    let refused = register(&bob).await;
    assert_eq!(refused.code(), (403, "insufficient_scope"));
    assert_eq!(
        refused.body["details"],
        json!({"missing": ["manifest:write"]})
    );
    assert_eq!(register(&alice).await.status, 201);
    assert_eq!(delete(&bob).await.code(), (403, "insufficient_scope"));
    assert_eq!(
        call(&stand, Some(&bob), "GET", "/manifests/second@1.0.0", None)
            .await
            .status,
        200
    );
    assert_eq!(delete(&alice).await.status, 200);
}

#[tokio::test]
async fn without_auth_everybody_may_write_and_be_anybody() {
    let stand = Stand::new(World::default()).await;
    let answer = call(
        &stand,
        Some(&bearer("whatever")),
        "POST",
        "/sessions",
        Some(&session("u")),
    )
    .await;
    assert_eq!(answer.status, 201);
    let gone = call(&stand, None, "DELETE", "/manifests/stand@1.0.0", None).await;
    assert_eq!(gone.status, 200);
}

#[tokio::test]
async fn a_token_is_looked_at_in_every_call() {
    // The clock moves on by a day between two calls, which ends the token.
    let clock = Clock::default();
    let moved = clock.clone();
    let secret = "a-shared-key-of-32-bytes-or-more";
    let stand = Stand::configured(World::default(), |config| {
        config.clock = clock;
        config.auth = Some(Auth {
            keys: vec![super::super::access::Key {
                kid: "k".to_owned(),
                material: super::super::access::Material::Hs256(secret.as_bytes().to_vec()),
            }],
            ..Auth::default()
        });
    })
    .await;
    let exp = jiff::Timestamp::now().as_second() + 3600;
    let authorization = bearer(&signed(secret, &json!({"sub": "alice", "exp": exp})));
    let opened = call(
        &stand,
        Some(&authorization),
        "POST",
        "/sessions",
        Some(&session("alice")),
    )
    .await;
    let path = format!(
        "/sessions/{}",
        opened.body["session_id"].as_str().expect("an id")
    );
    assert_eq!(
        call(&stand, Some(&authorization), "GET", &path, None)
            .await
            .status,
        200
    );
    moved.advance(Duration::from_secs(3700));
    let late = call(&stand, Some(&authorization), "GET", &path, None).await;
    assert_eq!(late.code(), (401, "unauthenticated"));
}

fn signed(secret: &str, claims: &Value) -> String {
    use base64::Engine as _;
    let encode = |bytes: &[u8]| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes);
    let header = json!({"alg": "HS256", "kid": "k"}).to_string();
    let text = format!(
        "{}.{}",
        encode(header.as_bytes()),
        encode(claims.to_string().as_bytes())
    );
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, secret.as_bytes());
    format!(
        "{text}.{}",
        encode(ring::hmac::sign(&key, text.as_bytes()).as_ref())
    )
}

#[tokio::test]
async fn calls_go_only_where_the_operator_lets_them() {
    let closed = Stand::configured(World::default(), |config| {
        config.allowed_networks = Vec::new()
    })
    .await;
    let id = closed.open(5).await;
    closed.says(&[act("echo")]);
    let (status, body) = closed.step(&id).await;
    assert_eq!(
        (status, &body["result"]["error"]["errorCode"]),
        (200, &json!("address_refused")),
        "{body}"
    );
    assert_eq!(closed.seen("/echo"), 0);
    let (_, ended) = closed
        .send("POST", &format!("/sessions/{id}/close"), None, None)
        .await;
    assert_eq!(ended["transcript"]["side_effects"], json!([]));

    let bound = |host: &str| BTreeMap::from([("TOKEN".to_owned(), vec![host.to_owned()])]);
    for (host, reached) in [("elsewhere.example.com", 0), ("127.0.0.1", 1)] {
        let stand = Stand::configured(World::default(), |config| {
            config.bound_secrets = bound(host)
        })
        .await;
        let id = stand.open(5).await;
        stand.says(&[act("echo")]);
        let (_, body) = stand.step(&id).await;
        assert_eq!(stand.seen("/echo"), reached, "{body}");
        if reached == 0 {
            assert_eq!(body["result"]["error"]["errorCode"], "missing_credential");
        }
    }
}

/// ACC-013: without auth there is one subject, who holds what the operator gave to everybody and nothing else.
#[tokio::test]
async fn without_auth_everybody_is_the_same_subject() {
    for granted in [&[][..], &["a:b"], &["a:b", "c"]] {
        let stand = Stand::configured(World::default(), |config| {
            config.anonymous_scopes = granted.iter().map(|scope| (*scope).to_owned()).collect();
        })
        .await;
        for needed in ["a:b", "c", "A:B", "a", "*", "manifest:write"] {
            let body = json!({"user_id": "whoever", "accessControl": {"requiredScopes": [needed]},
                "open_action": {"@type": "OpenAction:Action", "name": "echo"}});
            let before = stand.seen("/echo");
            let answer = call(&stand, None, "POST", "/execute", Some(&body)).await;
            let expected = if granted.contains(&needed) { 200 } else { 403 };
            assert_eq!(answer.status, expected, "{needed} of {granted:?}");
            let executed = stand.seen("/echo") - before;
            assert_eq!(executed, usize::from(expected == 200));
        }
        // A token changes nothing, and neither does the user that a body names.
        let opened = call(&stand, None, "POST", "/sessions", Some(&session("alice"))).await;
        assert_eq!(opened.status, 201, "{}", opened.body);
        let path = format!(
            "/sessions/{}",
            opened.body["session_id"].as_str().expect("an id")
        );
        for authorization in [None, Some(bearer(BOB)), Some("Basic YTpi".to_owned())] {
            let seen = call(&stand, authorization.as_deref(), "GET", &path, None).await;
            assert_eq!(seen.status, 200, "{authorization:?}");
        }
        for (user, who) in [("alice", None), ("bob", Some(bearer(BOB)))] {
            let key = Some("k-1");
            let body = session("alice");
            let again = keyed(
                &stand,
                who.as_deref(),
                key,
                "POST",
                "/sessions",
                Some(&body),
            )
            .await;
            let first = keyed(&stand, None, key, "POST", "/sessions", Some(&body)).await;
            assert_eq!(again.body["session_id"], first.body["session_id"], "{user}");
        }
    }
}
