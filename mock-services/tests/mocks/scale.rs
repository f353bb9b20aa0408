//! Many tokens at once, and more calls than wiremock should keep.

use std::sync::Arc;

use mock_services::Service::{Calendar, Crm, Email};
use mock_services::{Options, Script};
use serde_json::json;
use tokio::task::JoinSet;

use crate::caller::{Caller, client, token};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_tokens_do_not_see_each_other() {
    let mocks = Arc::new(mock_services::start(Options::default()).await.unwrap());
    let client = client();
    let mut tasks = JoinSet::new();
    for number in 0..200 {
        let (mocks, client) = (Arc::clone(&mocks), client.clone());
        tasks.spawn(async move {
            let token = token(number);
            let script = json!({
                "model": [{"on": {"saw": "first"}, "text": format!("one of {number}")}, {"text": format!("two of {number}")}],
                "services": {"crm": {"script": [{"on": {"method": "GET"}, "reply": {"json": {"number": number}}}]}},
            });
            mocks.load(&token, Script::from_value(script).unwrap()).unwrap();
            let model = mocks.model_url();
            let ask = async |prompt: &str| {
                let request = crate::caller::completion(&client, &model, &format!("{prompt} {token}"));
                crate::caller::send(request).await.unwrap().content()
            };
            assert_eq!(ask("first").await, format!("one of {number}"));
            let url = |service| format!("{}/t/{token}", mocks.service_url(service));
            let event = json!({"start": "2026-05-01T10:00:00Z", "end": "2026-05-01T11:00:00Z"}).to_string();
            let post = client.post(format!("{}/v1/events", url(Calendar))).bearer_auth("cal-tok+en/3f9a1c77==");
            assert_eq!(crate::caller::send(post.body(event)).await.unwrap().status, 201);
            let get = client.get(format!("{}/v1/meetings", url(Crm))).bearer_auth("crm-tok+en/5c7e9a22==");
            assert_eq!(crate::caller::send(get).await.unwrap().json(), json!({"number": number}));
            assert_eq!(ask("second").await, format!("two of {number}"));
            let calls = mocks.calls(&token);
            assert_eq!(calls.iter().map(|call| call.seq).collect::<Vec<_>>(), [1, 2, 3, 4]);
            assert!(calls.iter().all(|call| call.token.as_deref() == Some(&token) && call.unmatched.is_none()));
            assert!(mocks.unused(&token).is_empty());
            mocks.unload(&token);
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    assert!(mocks.stray_calls().is_empty());
}

/// wiremock's memory of matched requests is dropped every few hundred calls: no call may find the server without mocks.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn renewing_the_mocks_loses_no_call() {
    let caller = Arc::new(Caller::with(json!(null)).await);
    let mut tasks = JoinSet::new();
    for _ in 0..16 {
        let caller = Arc::clone(&caller);
        tasks.spawn(async move {
            for _ in 0..200 {
                assert_eq!(caller.get(Email, "/v1/messages").await.status, 200);
            }
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    let calls = caller.mocks.calls(&caller.token);
    assert_eq!(calls.len(), 16 * 200);
    assert!(
        calls
            .windows(2)
            .all(|pair| pair[0].seq + 1 == pair[1].seq && pair[0].at <= pair[1].at)
    );
}

/// One entry, many racing calls: exactly one gets it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_entry_is_given_once() {
    let script = json!({"services": {"crm": {"script": [{"reply": {"status": 418}}]}}});
    let caller = Arc::new(Caller::with(script).await);
    let mut tasks = JoinSet::new();
    for _ in 0..50 {
        let caller = Arc::clone(&caller);
        tasks.spawn(async move { caller.get(Crm, "/v1/meetings").await.status });
    }
    let statuses = tasks.join_all().await;
    assert_eq!(statuses.iter().filter(|&&status| status == 418).count(), 1);
    assert_eq!(statuses.iter().filter(|&&status| status == 200).count(), 49);
}
