//! The stateful services.

use mock_services::Service::{Calendar, Crm, Email};
use mock_services::{Auth, Script};
use serde_json::{Value, json};

use crate::caller::{Caller, send, token};

fn slots() -> Value {
    json!([
        {"start": "2026-04-03T10:00:00-07:00", "end": "2026-04-03T10:45:00-07:00"},
        {"start": "2026-04-04T14:00:00-07:00", "end": "2026-04-04T14:45:00-07:00"},
    ])
}

#[tokio::test]
async fn free_slots_fall_out_when_taken_or_too_short() {
    let caller = Caller::with(Value::Null).await;
    let ask = json!({"participants": ["alice@example.com"], "duration_minutes": 45});
    let reply = caller.post(Calendar, "/v1/free_slots", ask.clone()).await;
    assert_eq!(
        (reply.status, reply.json()),
        (200, json!({"slots": slots()}))
    );
    assert_eq!(
        caller
            .get(Calendar, "/v1/free-slots?duration=45")
            .await
            .json(),
        json!({"slots": slots()})
    );
    assert_eq!(
        caller.get(Calendar, "/v1/free-slots").await.json(),
        json!({"slots": slots()})
    );
    assert_eq!(
        caller
            .get(Calendar, "/v1/free-slots?duration=46")
            .await
            .json(),
        json!({"slots": []})
    );
    assert_eq!(
        caller
            .get(Calendar, "/v1/free-slots?duration=soon")
            .await
            .status,
        422
    );
    assert_eq!(
        caller
            .post(Calendar, "/v1/free_slots", json!({"duration_minutes": -1}))
            .await
            .status,
        422
    );
    assert_eq!(
        caller
            .post(Calendar, "/v1/free_slots", json!([]))
            .await
            .status,
        400
    );

    // The same hour in another offset takes the first slot.
    let event = json!({"start": "2026-04-03T17:30:00Z", "end": "2026-04-03T18:00:00Z"});
    assert_eq!(caller.post(Calendar, "/v1/events", event).await.status, 201);
    let reply = caller.post(Calendar, "/v1/free_slots", ask).await.json();
    assert_eq!(reply, json!({"slots": [slots()[1]]}));
    let call = &caller.mocks.calls(&caller.token)[1];
    assert_eq!(
        (call.path.as_str(), &call.query),
        (
            "/v1/free-slots",
            &vec![("duration".to_owned(), "45".to_owned())]
        )
    );
}

#[tokio::test]
async fn events_are_kept_and_may_not_overlap() {
    let caller = Caller::with(Value::Null).await;
    let event = |from: &str, to: &str| json!({"start": format!("2026-05-01T{from}:00Z"), "end": format!("2026-05-01T{to}:00Z"), "title": "Demo"});
    let reply = caller
        .post(Calendar, "/v1/events", event("10:00", "11:00"))
        .await;
    assert_eq!(
        (reply.status, reply.json()),
        (201, json!({"event_id": "ev_0001", "id": "ev_0001"}))
    );
    let reply = caller
        .post(Calendar, "/v1/events", event("10:59", "12:00"))
        .await;
    assert_eq!(
        (reply.status, &reply.json()["error"]),
        (409, &json!("conflict"))
    );
    // Back to back is no overlap.
    assert_eq!(
        caller
            .post(Calendar, "/v1/events", event("11:00", "12:00"))
            .await
            .json()["event_id"],
        "ev_0002"
    );
    assert_eq!(
        caller
            .post(Calendar, "/v1/events", event("13:00", "13:00"))
            .await
            .status,
        422
    );
    assert_eq!(
        caller
            .post(
                Calendar,
                "/v1/events",
                json!({"start": "tomorrow", "end": "later"})
            )
            .await
            .status,
        422
    );

    let first = caller.get(Calendar, "/v1/events/ev_0001").await.json();
    assert_eq!(
        (&first["title"], &first["id"], &first["event_id"]),
        (&json!("Demo"), &json!("ev_0001"), &json!("ev_0001"))
    );
    let reply = send(caller.request(Calendar, "DELETE", "/v1/events/ev_0001"))
        .await
        .unwrap();
    assert_eq!((reply.status, reply.text.as_str()), (204, ""));
    assert_eq!(caller.get(Calendar, "/v1/events/ev_0001").await.status, 404);
    // An identifier is never given twice.
    assert_eq!(
        caller
            .post(Calendar, "/v1/events", event("10:00", "11:00"))
            .await
            .json()["id"],
        "ev_0003"
    );
    let listed = caller.get(Calendar, "/v1/events").await.json();
    assert_eq!(listed["events"].as_array().unwrap().len(), 2);
    assert_eq!(caller.mocks.state(&caller.token, Calendar), listed);
    assert_eq!(caller.last().unmatched, None);
}

#[tokio::test]
async fn agendas_mail_and_crm_answer_and_remember() {
    let caller = Caller::with(Value::Null).await;
    let agenda = caller
        .post(Calendar, "/v1/agendas", json!({"purpose": "Demo"}))
        .await;
    assert_eq!(
        (agenda.status, agenda.json()),
        (200, json!({"agenda": "Agenda: Demo"}))
    );
    assert_eq!(
        caller.post(Calendar, "/v1/agendas", json!({})).await.status,
        422
    );

    let mail = json!({"to": "alice@example.com", "subject": "Hi", "body": "Text"});
    assert_eq!(
        caller.post(Email, "/v1/send", mail.clone()).await.json(),
        json!({"id": "msg_0001", "status": "sent"})
    );
    assert_eq!(
        caller
            .post(Email, "/v1/send", json!({"subject": "Hi"}))
            .await
            .status,
        422
    );
    let listed = caller.get(Email, "/v1/messages").await.json();
    assert_eq!(listed["messages"][0]["subject"], "Hi");
    assert_eq!(caller.mocks.state(&caller.token, Email), listed);

    let meeting = json!({"contact_email": "alice@example.com", "event_id": "ev_0001", "title": "Demo", "agenda": "x"});
    assert_eq!(
        caller
            .post(Crm, "/v1/meetings", meeting.clone())
            .await
            .json(),
        json!({"status": "recorded"})
    );
    assert_eq!(
        caller
            .post(Crm, "/v1/meetings", json!({"title": "Demo"}))
            .await
            .status,
        422
    );
    assert_eq!(
        caller.get(Crm, "/v1/meetings").await.json(),
        json!({"meetings": [meeting]})
    );
    assert_eq!(
        caller
            .get(Crm, "/v1/contacts/bob%40example.com")
            .await
            .json(),
        json!({"email": "bob@example.com", "last_contacted": "2026-02-15", "open_deals": 3})
    );
    assert_eq!(
        caller.mocks.state(&caller.token, Crm)["meetings"][0]["title"],
        "Demo"
    );
}

#[tokio::test]
async fn seeds_are_the_state_to_begin_with() {
    let caller = Caller::with(json!({"services": {
        "calendar": {"seed": {"events": [
            {"start": "2026-04-03T10:00:00-07:00", "end": "2026-04-03T11:00:00-07:00", "title": "Taken"},
            {"start": "2026-06-01T10:00:00Z", "end": "2026-06-01T11:00:00Z", "id": "ev_0001"},
        ]}},
        "email": {"seed": {"messages": [{"subject": "Old"}]}},
        "crm": {"seed": {"meetings": [{"title": "Old"}], "contacts": {"alice@example.com": {"open_deals": 7}}}},
    }}))
    .await;
    assert_eq!(
        caller.get(Calendar, "/v1/free-slots").await.json(),
        json!({"slots": [slots()[1]]})
    );
    assert_eq!(
        caller.get(Calendar, "/v1/events/seed_0001").await.json()["title"],
        "Taken"
    );
    let free = json!({"start": "2026-07-01T10:00:00Z", "end": "2026-07-01T11:00:00Z"});
    assert_eq!(
        caller.post(Calendar, "/v1/events", free).await.json()["id"],
        "ev_0002"
    );
    assert_eq!(
        caller.get(Email, "/v1/messages").await.json(),
        json!({"messages": [{"subject": "Old"}]})
    );
    assert_eq!(
        caller
            .get(Crm, "/v1/contacts/alice@example.com")
            .await
            .json()["open_deals"],
        7
    );
    assert_eq!(
        caller
            .get(Crm, "/v1/contacts/alice@example.com")
            .await
            .json()["email"],
        "alice@example.com"
    );

    let own = json!({"services": {"calendar": {"seed": {"slots": [{"start": "2026-08-01T10:00:00Z", "end": "2026-08-01T11:00:00Z"}]}}}});
    caller
        .mocks
        .load(&caller.token, Script::from_value(own).unwrap())
        .unwrap();
    assert_eq!(
        caller.get(Calendar, "/v1/free-slots").await.json()["slots"][0]["start"],
        "2026-08-01T10:00:00Z"
    );
}

#[tokio::test]
async fn the_bearer_is_checked_before_anything_else() {
    let caller =
        Caller::with(json!({"services": {"crm": {"script": [{"reply": {"text": "scripted"}}]}}}))
            .await;
    let url = format!(
        "{}/t/{}/v1/meetings",
        caller.mocks.service_url(Crm),
        caller.token
    );
    let bare = || caller.client.get(&url);
    let wrong = [
        (bare(), Auth::Missing),
        (bare().bearer_auth("cal-tok+en/3f9a1c77=="), Auth::Wrong),
        (
            bare().header("authorization", "crm-tok+en/5c7e9a22=="),
            Auth::Wrong,
        ),
        (
            bare().header("authorization", "Basic Y3JtOg=="),
            Auth::Wrong,
        ),
        (
            bare()
                .bearer_auth("crm-tok+en/5c7e9a22==")
                .header("authorization", "Bearer other"),
            Auth::Wrong,
        ),
    ];
    for (request, auth) in wrong {
        let reply = send(request).await.unwrap();
        assert_eq!(
            (reply.status, &reply.json()["error"]),
            (401, &json!("unauthorized"))
        );
        assert_eq!(reply.header("www-authenticate"), "Bearer");
        let call = caller.last();
        assert_eq!(
            (call.auth, call.status, call.entry, call.unmatched),
            (auth, 401, None, None)
        );
    }
    assert_eq!(caller.get(Crm, "/v1/meetings").await.text, "scripted");
    assert_eq!(caller.last().auth, Auth::Ok);
}

#[tokio::test]
async fn unknown_endpoints_and_tokens_are_404() {
    let caller = Caller::with(Value::Null).await;
    for (service, method, path) in [
        (Calendar, "PATCH", "/v1/events"),
        (Calendar, "PUT", "/v1/events/ev_0001"),
        (Calendar, "POST", "/v1/events/ev_0001"),
        (Email, "GET", "/"),
        (Email, "GET", ""),
        (Crm, "POST", "/v1/contacts/a"),
        (Crm, "GET", "/v1/contacts/a/b"),
    ] {
        let reply = send(caller.request(service, method, path)).await.unwrap();

        assert_eq!(
            (reply.status, &reply.json()["error"]),
            (404, &json!("no_such_endpoint")),
            "{method} {path}"
        );
        assert!(caller.last().unmatched.is_some(), "{method} {path}");
    }
    assert!(caller.mocks.stray_calls().is_empty());

    let origin = caller.mocks.service_url(Email);
    for (path, found) in [
        ("/v1/messages", None),
        ("/t/oapt00/v1/messages", Some("oapt00")),
        ("/t//v1/messages", Some("")),
    ] {
        let request = caller
            .client
            .get(format!("{origin}{path}"))
            .bearer_auth("eml-tok+en/8b2d4e01==");
        let reply = send(request).await.unwrap();
        assert_eq!(
            (reply.status, &reply.json()["error"]),
            (404, &json!("unknown_token")),
            "{path}"
        );
        let stray = caller.mocks.stray_calls().pop().unwrap();
        assert_eq!(
            (stray.token.as_deref(), stray.path.as_str()),
            (found, "/v1/messages")
        );
    }
    assert!(caller.mocks.calls(&token(1)).is_empty());
}

#[tokio::test]
async fn odd_bodies_are_refused_and_journalled() {
    let caller = Caller::with(Value::Null).await;
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let odd: [&[u8]; 4] = [b"", b"\xff\xfe", b"{\"to\": NaN}", deep.as_bytes()];
    for body in odd {
        let reply = send(
            caller
                .request(Email, "POST", "/v1/send")
                .body(body.to_vec()),
        )
        .await
        .unwrap();
        assert_eq!(
            (reply.status, &reply.json()["error"]),
            (400, &json!("invalid_body"))
        );
        let expected = if body.is_empty() {
            Value::Null
        } else {
            json!(String::from_utf8_lossy(body))
        };
        assert_eq!(caller.last().body, expected);
    }
    let huge = vec![b'a'; (8 << 20) + 1];
    let reply = send(caller.request(Email, "POST", "/v1/send").body(huge.clone()))
        .await
        .unwrap();
    assert_eq!(
        (reply.status, &reply.json()["error"]),
        (413, &json!("too_large"))
    );
    assert_eq!(
        (caller.last().status, caller.last().body),
        (413, Value::Null)
    );
    let model = caller
        .client
        .post(format!("{}/chat/completions", caller.mocks.model_url()));
    let model = model.bearer_auth("sk-test-model-key-0001").body(huge);
    assert_eq!(send(model).await.unwrap().status, 413);
    assert_eq!(caller.get(Email, "/v1/messages").await.status, 200);
}

#[tokio::test]
async fn plugins_are_served_without_a_credential_and_told_apart_by_their_body() {
    let caller = Caller::with(json!({"services": {"calendar": {"script": [
        {"on": {"method": "POST", "path": "/p/v1/send", "saw": "scripted"}, "reply": {"status": 503, "json": {}}}
    ]}}}))
    .await;
    let url = caller.mocks.service_url(Calendar);
    let post = |path: &str, body: Value| {
        let request = caller
            .client
            .post(format!("{url}{path}"))
            .body(body.to_string());
        async move { request.send().await.unwrap().status().as_u16() }
    };
    let note = |to: &str| json!({"to": to, "subject": "s", "body": "b", "ref": caller.token});
    assert_eq!(post("/p/v1/send", note("alice@example.com")).await, 200);
    assert_eq!(post("/p/v1/send", note("scripted@example.com")).await, 503);
    let slots = json!({"ref": caller.token});
    assert_eq!(post("/p/v1/free_slots", slots).await, 200);
    assert_eq!(
        post("/p/v1/send", json!({"to": "a@b.c"})).await,
        401,
        "no token"
    );
    assert_eq!(post("/v1/send", note("alice@example.com")).await, 401);
    let calls = caller.mocks.calls(&caller.token);
    let paths: Vec<&str> = calls.iter().map(|call| call.path.as_str()).collect();
    assert_eq!(paths, ["/p/v1/send", "/p/v1/send", "/p/v1/free_slots"]);
}
