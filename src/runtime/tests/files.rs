//! `read_file` and `write_file` over loopback: sessions, workflows, registration, secrets.

mod objects;

use super::*;
use crate::runtime::StartError;
use crate::runtime::files::Root;

/// A definition that reads or writes below a root.
fn filed(kind: &str, name: &str, root: &str, patch: Value) -> Value {
    let mut action = json!({"type": kind, "name": name, "root": root,
                            "input_schema": {"type": "object"}, "output_schema": {"type": "object"}});
    for (name, value) in patch.as_object().expect("a patch") {
        action[name] = value.clone();
    }
    action
}

fn both(root: &str) -> Vec<Value> {
    vec![
        filed("read_file", "read", root, json!({})),
        filed("write_file", "write", root, json!({})),
    ]
}

fn named(name: &str, actions: &[Value]) -> Value {
    json!({"name": name, "version": "1.0", "actions": actions})
}

/// A stand with these actions in place of its own.
async fn stand(actions: &[Value], change: impl FnOnce(&mut Config)) -> Stand {
    let stand = Stand::configured(World::default(), |config| {
        config.manifests.clear();
        change(config);
    })
    .await;
    let (status, body) = stand.post("/manifests", &named("filed", actions)).await;
    assert_eq!(status, 201, "{body}");
    stand
}

fn root_of(folder: &tempfile::TempDir) -> Root {
    let text = format!("file://{}/", folder.path().display());
    text.parse().expect("a root")
}

fn plan(action: &str, args: Value) -> Value {
    json!({"action": action, "args": args})
}

impl Stand {
    /// Takes one step for each plan, and gives the results and the side effects.
    async fn done(&self, manifest: &str, plans: &[Value]) -> (Vec<Value>, Vec<Value>) {
        self.says(plans);
        let (status, body) = self.post("/sessions", &json!({
            "manifest": manifest, "goal": {"description": "d"}, "max_steps": 100,
            "observation": {"timestamp": "2026-01-01T00:00:00Z", "user_context": {"user_id": "U", "preferences": {}}, "environment": {}},
        })).await;
        assert_eq!(status, 201, "{body}");
        let id = body["session_id"].as_str().expect("an id").to_owned();
        let mut results = Vec::new();
        for _ in plans {
            let (status, body) = self.step(&id).await;
            assert_eq!(status, 200, "{body}");
            results.push(body["result"].clone());
        }
        let (status, body) = self
            .send("POST", &format!("/sessions/{id}/close"), None, None)
            .await;
        assert_eq!(status, 200, "{body}");
        let transcript = &body["transcript"];
        assert_eq!(
            schema::named("transcript")
                .expect("a schema")
                .violations(transcript),
            []
        );
        let effects = transcript["side_effects"].as_array().cloned();
        (results, effects.unwrap_or_default())
    }

    /// One call of an action in a workflow, and its result.
    async fn executed(&self, name: &str, input: Value, patch: Value) -> Value {
        let mut node = json!({"@type": "OpenAction:Action", "name": name, "input": input});
        for (name, value) in patch.as_object().expect("a patch") {
            node[name] = value.clone();
        }
        let body = json!({"user_id": "U", "manifest": "filed", "open_action": node});
        let (status, body) = self.post("/execute", &body).await;
        assert_eq!(status, 200, "{body}");
        body["results"][0].clone()
    }
}

/// What is compared of an effect: all but its time.
fn effect(method: &str, target: &str, status: &str, step: u64) -> Value {
    json!({"step_number": step, "kind": "file", "method": method, "target": target, "status": status})
}

fn timeless(effects: Vec<Value>) -> Vec<Value> {
    let without = |mut effect: Value| {
        effect.as_object_mut().expect("an effect").remove("at");
        effect
    };
    effects.into_iter().map(without).collect()
}

fn code(result: &Value) -> &str {
    result["error"]["errorCode"].as_str().unwrap_or("none")
}

#[tokio::test]
async fn a_session_writes_reads_and_records_both() {
    let stand = stand(&both("memory:scratch"), |_| {}).await;
    let (results, effects) = stand
        .done(
            "filed",
            &[
                plan("read", json!({"path": "a/b.txt"})),
                plan("write", json!({"path": "a/b.txt", "content": "h\u{e9}"})),
                plan(
                    "write",
                    json!({"path": "a/b.txt", "content": "/wA=", "encoding": "base64"}),
                ),
                plan("read", json!({"path": "a/b.txt"})),
                plan("read", json!({"path": "a/b.txt", "encoding": "base64"})),
                plan(
                    "write",
                    json!({"path": "a/b.txt", "content": "/wA", "encoding": "base64"}),
                ),
                plan("read", json!({"path": "../b.txt"})),
                plan("read", json!({"path": 7})),
                plan("read", json!({"path": "a"})),
            ],
        )
        .await;
    let codes: Vec<&str> = results.iter().map(code).collect();
    assert_eq!(
        codes,
        [
            "file_not_found",
            "none",
            "none",
            "invalid_encoding",
            "none",
            "invalid_encoding",
            "path_refused",
            "input_validation_failed",
            "file_not_found"
        ]
    );
    let output = |index: usize| {
        let mut output = results[index]["output"].clone();
        output.as_object_mut().expect("an output").remove("etag");
        output
    };
    assert_eq!(
        output(1),
        json!({"path": "a/b.txt", "size": 3, "created": true})
    );
    assert_eq!(
        output(2),
        json!({"path": "a/b.txt", "size": 2, "created": false})
    );
    assert_eq!(
        output(4),
        json!({"path": "a/b.txt", "content": "/wA=", "encoding": "base64", "size": 2})
    );
    let target = "memory:scratch/a/b.txt";
    assert_eq!(
        timeless(effects),
        [
            effect("read", target, "file_not_found", 1),
            effect("write", target, "ok", 2),
            effect("write", target, "ok", 3),
            effect("read", target, "invalid_encoding", 4),
            effect("read", target, "ok", 5),
            effect("read", "memory:scratch/a", "file_not_found", 9),
        ]
    );
}

#[tokio::test]
async fn memory_belongs_to_one_name_of_a_manifest() {
    let stand = stand(&both("memory:shared/"), |_| {}).await;
    let (status, _) = stand
        .post("/manifests", &named("other", &both("memory:shared/")))
        .await;
    assert_eq!(status, 201);
    let newer = json!({"name": "filed", "version": "1.1", "actions": both("memory:")});
    assert_eq!(stand.post("/manifests", &newer).await.0, 201);
    let write = plan("write", json!({"path": "a.txt", "content": "mine"}));
    let read = plan("read", json!({"path": "a.txt"}));
    let (results, _) = stand.done("filed@1.0", &[write, read.clone()]).await;
    assert_eq!(results[1]["output"]["content"], "mine");
    let (results, _) = stand.done("other", &[read]).await;
    assert_eq!(code(&results[0]), "file_not_found");
    let below = plan("read", json!({"path": "shared/a.txt"}));
    let (results, _) = stand.done("filed@1.1", &[below]).await;
    assert_eq!(results[0]["output"]["content"], "mine");
}

#[tokio::test]
async fn folders_are_used_below_what_the_operator_allows() {
    let folder = tempfile::tempdir().expect("a folder");
    let allowed = root_of(&folder);
    let root = format!("{allowed}token/root/");
    std::fs::create_dir_all(folder.path().join("token/root")).expect("made");
    std::fs::write(folder.path().join("token/canary.txt"), "canary").expect("written");
    let out = folder.path().join("token/root/out");
    std::os::unix::fs::symlink("../canary.txt", out).expect("linked");
    let stand = stand(&both(&root), |config| {
        config.storage.allowed_roots = vec![allowed.clone()];
    })
    .await;
    let host = folder.path().display().to_string();
    let (results, effects) = stand
        .done(
            "filed",
            &[
                plan("write", json!({"path": "new/a.txt", "content": "x"})),
                plan("read", json!({"path": "new/a.txt"})),
                plan("read", json!({"path": "out"})),
                plan("write", json!({"path": "out", "content": "x"})),
                plan("read", json!({"path": "new"})),
                plan("read", json!({"path": "../canary.txt"})),
            ],
        )
        .await;
    let codes: Vec<&str> = results.iter().map(code).collect();
    assert_eq!(
        codes,
        [
            "none",
            "none",
            "path_refused",
            "path_refused",
            "file_not_found",
            "path_refused"
        ]
    );
    assert_eq!(
        results[0]["output"],
        json!({"path": "new/a.txt", "size": 1, "created": true})
    );
    for result in &results {
        assert!(!result.to_string().contains(&host), "{result}");
    }
    let target = format!("{root}new/a.txt");
    assert_eq!(
        timeless(effects),
        [
            effect("write", &target, "ok", 1),
            effect("read", &target, "ok", 2),
            effect("read", &format!("{root}new"), "file_not_found", 5),
        ]
    );
    let canary = std::fs::read_to_string(folder.path().join("token/canary.txt"));
    assert_eq!(canary.expect("a text"), "canary");
}

#[tokio::test]
async fn roots_that_are_not_allowed_are_refused_with_their_place() {
    let folder = tempfile::tempdir().expect("a folder");
    let allowed = root_of(&folder);
    let stand = Stand::configured(World::default(), |config| {
        config.manifests.clear();
        config.storage.allowed_roots = vec![allowed.clone()];
    })
    .await;
    let (_, said) = stand.send("GET", "/capabilities", None, None).await;
    assert_eq!(said["schemes"], json!(["file", "memory"]));
    assert!(
        said["profiles"]
            .as_array()
            .expect("profiles")
            .contains(&json!("storage"))
    );
    let beside = format!("{}-beside/", allowed.to_string().trim_end_matches('/'));
    for root in [
        "file:///",
        "file:///etc/",
        beside.as_str(),
        "file://localhost/",
        "s3://notes-bucket/",
        "memory:a/../b/",
        "memory:a%2fb/",
        "https://example.com/",
    ] {
        let actions = [
            filed("read_file", "good", "memory:a/", json!({})),
            filed("write_file", "bad", root, json!({})),
        ];
        let (status, body) = stand.post("/manifests", &named("refused", &actions)).await;
        assert_eq!(
            (status, body["errorCode"].as_str()),
            (422, Some("manifest_invalid")),
            "{root}"
        );
        let violations = body["details"]["violations"]
            .as_array()
            .expect("violations");
        assert_eq!(violations.len(), 1, "{body}");
        assert_eq!(violations[0]["pointer"], "/actions/1/root");
        let host = folder.path().display().to_string();
        assert!(!body.to_string().contains(&host), "{body}");
    }
    // In the other spelling the place is that of the document as given.
    let linked = json!({"@type": "OpenAction:Manifest", "name": "linked", "version": "1.0", "actions": [
        {"@type": "OpenAction:Action", "actionType": "read_file", "name": "bad", "root": "file:///etc/",
         "inputSchema": {}, "outputSchema": {}}]});
    let (status, body) = stand.post("/manifests", &linked).await;
    assert_eq!(status, 422, "{body}");
    assert_eq!(
        body["details"]["violations"][0]["pointer"],
        "/actions/0/root"
    );
    let below = format!("{allowed}any/where");
    let (status, body) = stand
        .post("/manifests", &named("taken", &both(&below)))
        .await;
    assert_eq!(status, 201, "{body}");
}

#[tokio::test]
async fn a_start_manifest_with_a_root_out_of_bounds_stops_the_start() {
    let mut config = None;
    let _stand = Stand::configured(World::default(), |given| config = Some(given.clone())).await;
    let mut config = config.expect("a config");
    let document = named("early", &both("file:///etc/"));
    config.manifests = vec![crate::manifest::load(&document).expect("valid")];
    let started = start(config.clone(), Arc::new(Reference)).await;
    let Err(StartError::Registration { name, message }) = started else {
        panic!("started");
    };
    assert_eq!(name, "early");
    assert!(message.contains("/actions/0/root"), "{message}");
    config.storage.allowed_roots = vec!["s3://notes-bucket/".parse().expect("a root")];
    let started = start(config, Arc::new(Reference)).await;
    assert!(matches!(started, Err(StartError::Storage(_))));
}

#[tokio::test]
async fn the_limit_of_a_file_is_told_before_anything_is_kept() {
    let stand = stand(&both("memory:"), |config| config.storage.file_bytes = 8).await;
    let write = |content: &str| plan("write", json!({"path": "a", "content": content}));
    let (results, effects) = stand
        .done(
            "filed",
            &[
                write("12345678"),
                write("123456789"),
                // Eight bytes in twelve characters.
                plan(
                    "write",
                    json!({"path": "a", "content": "MTIzNDU2Nzg=", "encoding": "base64"}),
                ),
                plan("read", json!({"path": "a"})),
            ],
        )
        .await;
    let codes: Vec<&str> = results.iter().map(code).collect();
    assert_eq!(codes, ["none", "file_too_large", "none", "none"]);
    assert_eq!(results[3]["output"]["content"], "12345678");
    assert_eq!(effects.len(), 3);
}

#[tokio::test]
async fn a_secret_in_a_file_stays_in_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let allowed = root_of(&folder);
    let encoded = {
        use base64::Engine as _;
        base64::engine::general_purpose::STANDARD.encode(format!("key: {TOKEN}\n"))
    };
    std::fs::write(folder.path().join("a.txt"), format!("key: {TOKEN}\n")).expect("written");
    let stand = stand(&both(&allowed.to_string()), |config| {
        config.storage.allowed_roots = vec![allowed.clone()];
    })
    .await;
    let (results, _) = stand
        .done(
            "filed",
            &[
                plan("read", json!({"path": "a.txt"})),
                plan("read", json!({"path": "a.txt", "encoding": "base64"})),
                // What the model recites is redacted before it is a plan.
                plan("write", json!({"path": "b.txt", "content": TOKEN})),
            ],
        )
        .await;
    assert_eq!(results[0]["output"]["content"], "key: [REDACTED]\n");
    let content = results[1]["output"]["content"].as_str().expect("a text");
    assert!(
        content.contains("[REDACTED]") && content != encoded,
        "{content}"
    );
    let written = std::fs::read_to_string(folder.path().join("b.txt"));
    assert_eq!(written.expect("a text"), "[REDACTED]");
}

#[tokio::test]
async fn a_folder_that_is_not_there_is_the_operators() {
    let folder = tempfile::tempdir().expect("a folder");
    let absent: Root = format!("file://{}/absent/", folder.path().display())
        .parse()
        .expect("a root");
    let stand = stand(&both(&absent.to_string()), |config| {
        config.storage.allowed_roots = vec![absent.clone()];
    })
    .await;
    let result = stand
        .executed("read", json!({"path": "a"}), json!({}))
        .await;
    assert_eq!(code(&result), "storage_unavailable");
    assert!(
        !result
            .to_string()
            .contains(&folder.path().display().to_string())
    );
}
