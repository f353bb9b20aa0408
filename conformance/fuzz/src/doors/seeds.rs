//! Inputs to begin with: what the fixtures and the cases hold for each target, and a few lines where they hold nothing.

use std::fs;
use std::path::{Path, PathBuf};

use oap_conform::document::{Document, Format};
use serde_json::{Value, json};

/// Largest seed, in bytes: a larger one would slow every other down.
const LARGEST: u64 = 32 * 1024;

/// The seeds of a target; `root` is the checkout.
pub fn of(target: &str, root: &Path) -> Vec<Vec<u8>> {
    let files = |folder: &str, endings: &[&str]| contents(&root.join(folder), endings);
    let manifests = || files("fixtures/manifests", &["json"]);
    match target {
        "json" => [
            manifests(),
            files("fixtures/plans", &["txt"]),
            files("fixtures/observations", &["json"]),
        ]
        .concat(),
        "yaml" => [
            files("fixtures/lint", &["yaml"]),
            files("fixtures/bundle", &["yaml"]),
            files("conformance/cases/plans", &["yaml"]),
        ]
        .concat(),
        "manifest" => [manifests(), files("fixtures/compat", &["json"])].concat(),
        "lint" => files("fixtures/lint", &["json", "yaml"]),
        "lsp" => [files("fixtures/lint", &["json", "yaml"]), messages()].concat(),
        "expression" => vectors(root, "expression"),
        "template" => vectors(root, "template"),
        "case" => files("conformance/cases", &["yaml"]),
        "transcript" => files("fixtures/transcripts", &["json", "jsonl"]),
        "definition" => files("conformance/targets", &["oap-target.toml"]),
        "baseline" => [
            files("conformance/targets", &["oap-baseline.toml"]),
            vec![BASELINE.into()],
        ]
        .concat(),
        "stdio" => LINES
            .iter()
            .map(|lines| lines.as_bytes().to_vec())
            .collect(),
        "module" => [files("fixtures/plugins", &["wat"]), modules(root)].concat(),
        "reply" => [
            files("fixtures/plans", &["txt"]),
            REPLIES
                .iter()
                .map(|reply| reply.as_bytes().to_vec())
                .collect(),
        ]
        .concat(),
        "stream" => STREAMS
            .iter()
            .map(|stream| stream.as_bytes().to_vec())
            .collect(),
        "http" => requests(&manifests()),
        "wire" => RAW.iter().map(|raw| raw.as_bytes().to_vec()).collect(),
        _ => Vec::new(),
    }
}

/// The files below a folder whose names end so, in order.
fn contents(folder: &Path, endings: &[&str]) -> Vec<Vec<u8>> {
    let mut paths = Vec::new();
    walk(folder, &mut paths);
    paths.sort();
    paths.retain(|path| {
        let name = path.to_string_lossy();
        let is_small = fs::metadata(path).is_ok_and(|about| about.len() <= LARGEST);
        is_small && endings.iter().any(|ending| name.ends_with(ending))
    });
    paths
        .iter()
        .filter_map(|path| fs::read(path).ok())
        .collect()
}

fn walk(folder: &Path, paths: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        // What a package manager left there is not ours.
        let is_foreign = path
            .file_name()
            .is_some_and(|name| name == "node_modules" || name == ".venv");
        if path.is_dir() && !is_foreign {
            walk(&path, paths);
        } else if path.is_file() {
            paths.push(path);
        }
    }
}

/// Each vector of the published ones: the text and, where it has one line, the state that it is evaluated over.
fn vectors(root: &Path, member: &str) -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for file in contents(&root.join("fixtures/expressions"), &["json"]) {
        let Ok(document) = serde_json::from_slice::<Value>(&file) else {
            continue;
        };
        for vector in document
            .get("vectors")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
        {
            let Some(text) = vector.get(member).and_then(Value::as_str) else {
                continue;
            };
            let state = vector
                .get("use")
                .and_then(Value::as_str)
                .and_then(|name| document.get("states")?.get(name));
            let seed = match state {
                Some(state) if !text.contains('\n') => format!("{text}\n{state}"),
                _ => text.to_owned(),
            };
            seeds.push(seed.into_bytes());
        }
    }
    seeds
}

/// Modules as text that the cases of the sandbox send.
fn modules(root: &Path) -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for file in contents(&root.join("conformance/cases/sandbox"), &["yaml"]) {
        let text = String::from_utf8_lossy(&file).into_owned();
        if let Ok(document) = Document::read(text, Format::Yaml) {
            texts(document.value(), &mut |text| {
                if text.trim_start().starts_with("(module") {
                    seeds.push(text.as_bytes().to_vec());
                }
            });
        }
    }
    seeds
}

fn texts(value: &Value, each: &mut dyn FnMut(&str)) {
    match value {
        Value::String(text) => each(text),
        Value::Array(elements) => elements.iter().for_each(|element| texts(element, each)),
        Value::Object(members) => members.values().for_each(|member| texts(member, each)),
        _ => {}
    }
}

/// Messages of an editor with their headers.
fn messages() -> Vec<Vec<u8>> {
    let text = "{\"name\": \"a\", \"version\": \"1.0.0\", \"actions\": []}";
    let at = json!({"uri": "file:///work/a.json"});
    let messages = [
        json!({"method": "textDocument/didOpen", "params": {"textDocument": {"uri": "file:///work/a.json", "version": 1, "text": text}}}),
        json!({"method": "textDocument/didChange", "params": {"textDocument": at,
            "contentChanges": [{"range": {"start": {"line": 0, "character": 1}, "end": {"line": 0, "character": 5}}, "text": "é😀"}]}}),
        json!({"id": 1, "method": "textDocument/codeAction", "params": {"textDocument": at,
            "range": {"start": {"line": 0, "character": 0}, "end": {"line": 9, "character": 0}}, "context": {"diagnostics": []}}}),
        json!({"id": 2, "method": "textDocument/completion", "params": {"textDocument": at, "position": {"line": 0, "character": 2}}}),
        json!({"id": 3, "method": "shutdown"}),
    ];
    let framed = messages.iter().map(|message| {
        let content = message.to_string();
        format!("Content-Length: {}\r\n\r\n{content}", content.len())
    });
    vec![framed.collect::<String>().into_bytes()]
}

/// Requests of every kind; `{session}` stands for an open session.
fn requests(manifests: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let mut seeds: Vec<Vec<u8>> = manifests
        .iter()
        .map(|manifest| [b"POST /manifests\n", manifest.as_slice()].concat())
        .collect();
    seeds.extend(REQUESTS.iter().map(|request| request.as_bytes().to_vec()));
    seeds
}

const REQUESTS: &[&str] = &[
    "GET /healthz\n",
    "GET /capabilities\n",
    "GET /manifests?limit=2&cursor=x\n",
    "GET /manifests/look@1.0.0\n",
    "GET /sessions?status=active&limit=1\n",
    "GET /sessions/{session}\n",
    "GET /sessions/{session}/transcript?from=0\n",
    "POST /sessions/{session}/step\n{}",
    "POST /sessions/{session}/step\n{\"requestId\": \"a\", \"stepMode\": \"auto\"}",
    "POST /sessions/{session}/run\n{\"max_steps\": 1}",
    "POST /sessions/{session}/interventions/x\n{\"answer\": {\"a\": 1}, \"by\": \"p\"}",
    "POST /sessions/{session}/close\n{}",
    "POST /sessions\n{\"goal\": {\"description\": \"look\"}, \"manifest\": \"look@1.0.0\", \"max_steps\": 2, \"flags\": [\"f\"], \"observation\": {\"timestamp\": \"2026-03-28T14:00:00Z\", \"user_context\": {\"user_id\": \"u\", \"preferences\": {}}, \"environment\": {}}}",
    "POST /execute\n{\"open_action\": [{\"@type\": \"oap:Action\", \"action\": \"look\", \"input\": {\"a\": \"{{ state.x }}\"}}], \"user_id\": \"u\", \"state\": {\"x\": 1}, \"manifest\": \"look\"}",
    "POST /execute\n{\"open_action\": {\"@type\": \"oap:ConditionalAction\", \"condition\": \"state.x > 1\", \"then\": [], \"else\": []}, \"user_id\": \"u\"}",
    "POST /plan\n{\"goal\": \"look\", \"user_id\": \"u\", \"manifest\": \"look\"}",
];

const RAW: &[&str] = &[
    "GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    "POST /sessions HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    "POST /sessions HTTP/1.1\r\nHost: a\r\nContent-Type: text/plain\r\nContent-Length: 2\r\nIdempotency-Key: k\r\nAuthorization: Bearer x.y.z\r\n\r\n{}",
    "GET /sessions/%2e%2e HTTP/1.0\r\nExpect: 100-continue\r\ntraceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n\r\n",
    "OPTIONS * HTTP/1.1\r\nHost: a\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n",
];

const BASELINE: &str = "# Accepted for now.\n[[expected]]\ncase = \"PLN-001-x\"\ncheck = \"step 1 /status\"\nreason = \"later\"\nissue = \"https://example.com/1\"\nexpires = 2027-01-01\n";

const LINES: &[&str] = &[
    "{\"ready\": true, \"protocol\": \"oap-stdio/1\"}\n{\"id\": \"1\", \"status\": 200, \"headers\": [[\"content-type\", \"application/json\"]], \"body\": \"{}\"}\n",
    "{\"ready\": true, \"protocol\": \"oap-stdio/1\"}\n{\"id\": \"0\", \"status\": 204, \"headers\": [], \"body\": null}\n{\"id\": \"2\", \"status\": 200, \"headers\": [], \"body\": {\"base64\": \"/w==\"}}\n",
];

const REPLIES: &[&str] = &[
    "{\"choices\": [{\"message\": {\"role\": \"assistant\", \"content\": \"{\\\"action\\\": \\\"a\\\", \\\"args\\\": {}}\"}, \"finish_reason\": \"stop\"}], \"usage\": {\"prompt_tokens\": 3, \"completion_tokens\": 2}}",
    "{\"content\": [{\"type\": \"text\", \"text\": \"{\\\"finished\\\": true}\"}], \"stop_reason\": \"end_turn\", \"usage\": {\"input_tokens\": 3, \"output_tokens\": 2.0}}",
    "{\"message\": {\"role\": \"assistant\", \"content\": [{\"type\": \"text\", \"text\": \"{}\"}]}, \"finish_reason\": \"COMPLETE\", \"usage\": {\"tokens\": {\"input_tokens\": 3, \"output_tokens\": 2}}}",
    "Fri, 31 Dec 1999 23:59:59 GMT",
    "120",
];

const STREAMS: &[&str] = &[
    "\u{7}data: {\"choices\":[{\"delta\":{\"content\":\"{\\\"finished\\\"\"}}]}\n\ndata: {\"choices\":[{\"delta\":{\"content\":\": true}\"},\"finish_reason\":\"stop\"}]}\r\n\r\ndata: {\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":2}}\n\ndata: [DONE]\n\n",
    "\u{1}event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"usage\":{\"input_tokens\":3}}}\n\nevent: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"{}\"}}\n\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{\"output_tokens\":2}}\n\ndata: {\"type\":\"message_stop\"}\n\n",
    " \u{feff}: hello\rdata: {\"type\":\"content-delta\",\"delta\":{\"message\":{\"content\":{\"text\":\"{}\"}}}}\r\rdata: {\"type\":\"message-end\",\"delta\":{\"finish_reason\":\"COMPLETE\",\"usage\":{\"tokens\":{\"input_tokens\":3,\"output_tokens\":2}}}}\n\n",
];
