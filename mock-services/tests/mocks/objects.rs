//! The object store.

use mock_services::Auth;
use mock_services::Service::Objects;
use serde_json::{Value, json};

use crate::caller::{Caller, Reply, send};

/// What a client of the store sends in the name of a key.
fn signature(key_id: &str) -> String {
    format!(
        "AWS4-HMAC-SHA256 Credential={key_id}/20260401/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=00ff"
    )
}

impl Caller {
    /// A call on an object under the token, signed by the key of that name, or by nobody.
    async fn object(&self, method: &str, key: &str, key_id: Option<&str>, body: &str) -> Reply {
        let origin = self.mocks.service_url(Objects);
        let url = format!("{origin}/notes-bucket/{}/{key}", self.token);
        let mut request = self.client.request(method.parse().unwrap(), url);
        if let Some(key_id) = key_id {
            request = request.header("authorization", signature(key_id));
        }
        if method == "PUT" {
            request = request.header("content-type", "text/x-note");
        }
        send(request.body(body.to_owned())).await.unwrap()
    }
}

const KEY: Option<&str> = Some("OAPTESTACCESSKEY0001");

#[tokio::test]
async fn objects_are_kept_by_key_and_journalled_without_bucket_and_token() {
    let seed = json!({"objects": {"old.txt": {"text": "old", "content_type": "text/plain"}}});
    let caller = Caller::with(json!({"services": {"objects": {"seed": seed}}})).await;
    assert_eq!(caller.object("GET", "old.txt", KEY, "").await.text, "old");
    let put = caller.object("PUT", "a/b%20c.txt", KEY, "new").await;
    assert_eq!(put.status, 200);
    let got = caller.object("GET", "a/b%20c.txt", KEY, "").await;
    assert_eq!((got.status, got.text.as_str()), (200, "new"));
    assert_eq!(got.header("content-type"), "text/x-note");
    assert_eq!(got.header("etag"), put.header("etag"));
    let head = caller.object("HEAD", "a/b%20c.txt", KEY, "").await;
    assert_eq!((head.status, head.header("content-length")), (200, "3"));
    let last = caller.last();
    assert_eq!((last.path.as_str(), last.auth), ("/a/b%20c.txt", Auth::Ok));
    assert_eq!(
        caller.mocks.state(&caller.token, Objects),
        json!({"objects": {
            "a/b c.txt": {"size": 3, "content_type": "text/x-note", "text": "new"},
            "old.txt": {"size": 3, "content_type": "text/plain", "text": "old"},
        }})
    );
    assert_eq!(
        caller.object("DELETE", "old.txt", KEY, "").await.status,
        204
    );
    let missing = caller.object("GET", "old.txt", KEY, "").await;
    assert_eq!(missing.status, 404);
    assert!(missing.text.contains("<Code>NoSuchKey</Code>"));
}

#[tokio::test]
async fn a_request_needs_the_stores_key() {
    let caller = Caller::with(Value::Null).await;
    for (key_id, code, auth) in [
        (None, "AccessDenied", Auth::Missing),
        (Some("ANOTHER"), "InvalidAccessKeyId", Auth::Wrong),
    ] {
        let reply = caller.object("GET", "a.txt", key_id, "").await;
        assert_eq!(reply.status, 403);
        assert!(reply.text.contains(code), "{}", reply.text);
        assert_eq!(caller.last().auth, auth);
    }
}

#[tokio::test]
async fn scripts_come_before_objects_and_what_is_not_there_is_told() {
    let script = json!([{"on": {"method": "GET", "path": "/a.txt"}, "reply": {"status": 503}}]);
    let caller = Caller::with(json!({"services": {"objects": {"script": script}}})).await;
    assert_eq!(caller.object("GET", "a.txt", KEY, "").await.status, 503);
    assert_eq!(caller.object("GET", "a.txt", KEY, "").await.status, 404);
    assert_eq!(caller.last().unmatched, None);
    assert_eq!(caller.object("POST", "a.txt", KEY, "").await.status, 501);
    assert!(caller.last().unmatched.is_some());
    let url = format!(
        "{}/notes-bucket/?list-type=2",
        caller.mocks.service_url(Objects)
    );
    let request = caller
        .client
        .get(url)
        .header("authorization", signature("OAPTESTACCESSKEY0001"));
    assert_eq!(send(request).await.unwrap().status, 404);
    assert_eq!(caller.mocks.stray_calls().len(), 1);
}
