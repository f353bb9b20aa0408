//! The runtime over HTTP: requests that are HTTP with any path and body, and bytes that may be anything.
//!
//! It runs in this process behind its own port, so that a panic in it ends the fuzzing.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use oap_conform::model::{ModelConfig, Wire};
use oap_conform::requirement::Profile;
use oap_conform::runtime::{
    Clock, Config, KEEP_TRANSCRIPTS, Limits, Network, PluginFolder, Reference, Rotation, Running,
    SandboxSettings, Storage, TelemetrySettings, start,
};
use oap_conform::{manifest, schema};
use serde_json::{Value, json};

/// Longest time until an answer: nothing that is called here rests.
const PATIENCE: Duration = Duration::from_secs(4);

/// After so many inputs a new runtime begins, so that what is kept by design does not look like a leak.
const INPUTS_PER_RUNTIME: u32 = 2_000;

/// What stands for the id of an open session in a path.
const SESSION: &str = "{session}";

static STAND: Mutex<Option<Stand>> = Mutex::new(None);

/// A runtime, with an open session.
struct Stand {
    tokio: tokio::runtime::Runtime,
    running: Running,
    session: String,
    inputs: u32,
}

/// A request: the first line is method and path, what follows is a JSON body.
pub fn http(bytes: &[u8]) {
    let at = bytes
        .iter()
        .position(|byte| *byte == b'\n')
        .unwrap_or(bytes.len());
    let (line, body) = bytes.split_at(at);
    let body = body.get(1..).unwrap_or_default();
    let Some((method, path)) = std::str::from_utf8(line)
        .ok()
        .and_then(|line| line.split_once(' '))
    else {
        return;
    };
    let is_path = path.starts_with('/')
        && path
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@%/?{}".contains(&byte));
    if method.is_empty() || !method.bytes().all(|byte| byte.is_ascii_uppercase()) || !is_path {
        return;
    }
    with_runtime(|addr, session| {
        let path = path.replace(SESSION, session).replace(['{', '}'], "");
        let answer = asked(addr, &request(method, &path, body), false);
        if method != "HEAD" {
            judged(&answer, &format!("{method} {path}"));
        }
    });
}

/// Bytes on a connection.
pub fn wire(bytes: &[u8]) {
    with_runtime(|addr, _| {
        let answer = asked(addr, bytes, true);
        assert!(
            answer.is_empty() || answer.starts_with(b"HTTP/1."),
            "an answer that is no HTTP: {:?}",
            String::from_utf8_lossy(answer.get(..80).unwrap_or(&answer))
        );
        let again = asked(addr, &request("GET", "/healthz", b""), false);
        assert!(
            again.starts_with(b"HTTP/1.1 200 "),
            "the runtime is not well any more"
        );
    });
}

fn with_runtime(work: impl FnOnce(SocketAddr, &str)) {
    let mut place = STAND.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(stand) = place.take_if(|stand| stand.inputs >= INPUTS_PER_RUNTIME) {
        stand.tokio.block_on(stand.running.shutdown());
        stand.tokio.shutdown_timeout(PATIENCE);
    }
    let stand = place.get_or_insert_with(Stand::new);
    stand.inputs += 1;
    work(stand.running.addr, &stand.session);
}

impl Stand {
    fn new() -> Self {
        let tokio = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        let config = config(&model());
        let running = tokio
            .block_on(start(config, Arc::new(Reference)))
            .expect("starts");
        let body = json!({"goal": {"description": "look"}, "manifest": "look@1.0.0",
            "observation": {"timestamp": "2026-03-28T14:00:00Z", "user_context": {"user_id": "u", "preferences": {}}, "environment": {}}});
        let answer = asked(
            running.addr,
            &request("POST", "/sessions", body.to_string().as_bytes()),
            false,
        );
        let opened =
            body_of(&answer).and_then(|body| body.get("session_id")?.as_str().map(str::to_owned));
        let session =
            opened.unwrap_or_else(|| panic!("no session: {}", String::from_utf8_lossy(&answer)));
        Self {
            tokio,
            running,
            session,
            inputs: 0,
        }
    }
}

fn config(model: &str) -> Config {
    let profiles = [
        Profile::Core,
        Profile::Session,
        Profile::Human,
        Profile::Workflow,
        Profile::Access,
        Profile::Storage,
    ];
    let manifest = json!({"name": "look", "version": "1.0.0", "actions": [
        {"type": "invoke_api", "name": "look", "description": "Looks.", "endpoint": "http://127.0.0.1:1/look", "method": "GET",
         "input_schema": {"type": "object"}, "output_schema": {}},
        {"type": "human_intervention", "name": "ask", "prompt": "Which?", "input_schema": {"type": "object"}, "output_schema": {"type": "object"}}]});
    Config {
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        manifests: vec![manifest::load(&manifest).expect("a manifest")],
        secrets: BTreeMap::new(),
        rotation: Rotation::default(),
        variables: BTreeMap::new(),
        model: ModelConfig {
            wire: Wire::OpenAi,
            stream: false,
            base_url: model.to_owned(),
            api_key: String::new(),
            model: "m".to_owned(),
            timeout: Duration::from_secs(2),
        },
        plugins: PluginFolder::Embedded,
        limits: Limits {
            body_time: Duration::from_secs(2),
            quiet_time: Duration::from_secs(2),
            ..Limits::default()
        },
        sandbox: SandboxSettings::default(),
        storage: Storage::default(),
        profiles: profiles.into(),
        extensions: BTreeSet::new(),
        ledger: None,
        keep_transcripts: KEEP_TRANSCRIPTS,
        telemetry: TelemetrySettings::default(),
        autorun: false,
        remember_preferences: false,
        console: false,
        auth: None,
        anonymous_scopes: BTreeSet::new(),
        bound_secrets: BTreeMap::new(),
        allowed_networks: Network::loopback(),
        clock: Clock::default(),
        test_clock: None,
    }
}

/// A model that always asks for the same action; its base URL. Its thread ends with the process.
fn model() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let addr = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        let plan = json!({"action": "look", "args": {}}).to_string();
        let body = json!({"choices": [{"message": {"role": "assistant", "content": plan}, "finish_reason": "stop"}]}).to_string();
        let answer = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        );
        for stream in listener.incoming().flatten() {
            let mut stream = stream;
            let _ = stream.set_read_timeout(Some(PATIENCE));
            if whole_request(&mut stream) {
                let _ = stream.write_all(answer.as_bytes());
            }
        }
    });
    format!("http://{addr}/v1")
}

/// Reads a request with its body.
fn whole_request(stream: &mut TcpStream) -> bool {
    let mut seen = Vec::new();
    let mut piece = [0; 4096];
    loop {
        let text = String::from_utf8_lossy(&seen).to_ascii_lowercase();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| {
                line.strip_prefix("content-length:")?
                    .trim()
                    .parse::<usize>()
                    .ok()
            });
            if body.len() >= length.unwrap_or(0) {
                return true;
            }
        }
        match stream.read(&mut piece) {
            Ok(read @ 1..) => seen.extend_from_slice(piece.get(..read).unwrap_or_default()),
            _ => return false,
        }
    }
}

fn request(method: &str, path: &str, body: &[u8]) -> Vec<u8> {
    let mut bytes = format!(
        "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    )
    .into_bytes();
    bytes.extend_from_slice(body);
    bytes
}

/// Writes the bytes and reads until the end; of a stream of events, what comes first. With `ends` nothing follows the bytes, which the
/// runtime may take for a client that went away: then there may be no answer.
fn asked(addr: SocketAddr, bytes: &[u8], ends: bool) -> Vec<u8> {
    let mut stream = TcpStream::connect(addr).expect("the runtime listens");
    stream
        .set_read_timeout(Some(PATIENCE))
        .expect("a time limit");
    // The runtime may have refused already what is still being written.
    let _ = stream.write_all(bytes);
    if ends {
        let _ = stream.shutdown(Shutdown::Write);
    }
    let mut answer = Vec::new();
    let mut piece = [0; 16 * 1024];
    loop {
        match stream.read(&mut piece) {
            Ok(0) => return answer,
            Ok(read) => answer.extend_from_slice(piece.get(..read).unwrap_or_default()),
            Err(error)
                if matches!(
                    error.kind(),
                    std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut
                ) =>
            {
                panic!(
                    "no end of the answer in {PATIENCE:?}: {:?}",
                    String::from_utf8_lossy(&answer)
                )
            }
            Err(_) => return answer,
        }
        if answer
            .windows(17)
            .any(|window| window.eq_ignore_ascii_case(b"text/event-stream"))
        {
            return answer;
        }
    }
}

/// The JSON body of an answer.
fn body_of(answer: &[u8]) -> Option<Value> {
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n")?;
    serde_json::from_slice(answer.get(end + 4..)?).ok()
}

/// An answer is HTTP with JSON; an error is a valid error object, and never that the runtime failed inside.
fn judged(answer: &[u8], asked: &str) {
    let head = String::from_utf8_lossy(answer.get(..200).unwrap_or(answer)).into_owned();
    let status = head
        .strip_prefix("HTTP/1.1 ")
        .and_then(|rest| rest.get(..3)?.parse::<u16>().ok());
    let status = status.unwrap_or_else(|| panic!("{asked}: no answer: {head:?}"));
    if head.contains("text/event-stream") {
        return;
    }
    let body =
        body_of(answer).unwrap_or_else(|| panic!("{asked}: {status} without JSON: {head:?}"));
    if status < 400 {
        return;
    }
    let known = schema::named("error").expect("the schema of errors");
    let violations = known.violations(&body);
    assert!(violations.is_empty(), "{asked}: {violations:?} in {body}");
    assert_ne!(
        body.get("errorCode"),
        Some(&json!("internal_error")),
        "{asked}"
    );
}
