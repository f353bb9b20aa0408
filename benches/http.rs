//! Steps a second of the reference over HTTP beside an axum handler that does nothing but the same two upstream calls, in one run:
//! the same client, the same model and service, the same loopback. The servers are processes of their own and take turns.
//!
//! `cargo bench --no-default-features --features runtime --bench http [-- --rounds 9] [--connections 16]`

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::routing::post;
use oap_conform::manifest;
use oap_conform::model::{ModelConfig, Wire};
use oap_conform::requirement::Profile;
use oap_conform::runtime::{
    Clock, Config, KEEP_TRANSCRIPTS, Limits, Network, PluginFolder, Reference, Rotation,
    SandboxSettings, Storage, TelemetrySettings, start,
};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// Tells a process of this program what it is.
const ROLE: &str = "OAP_BENCH_ROLE";
/// Where the model and the service are.
const UPSTREAM: &str = "OAP_BENCH_UPSTREAM";

const PLAN: &str = r#"{"action":"act","args":{"n":1}}"#;
const OUTPUT: &str = r#"{"id":1}"#;

/// Steps of one connection in one turn.
const STEPS: usize = 250;

type Failure = Box<dyn std::error::Error + Send + Sync>;

fn main() -> Result<(), Failure> {
    let upstream = || std::env::var(UPSTREAM).map_err(|_| "the address of the upstream is missing");
    match std::env::var(ROLE).as_deref() {
        Ok("reference") => threads(2)?.block_on(reference(upstream()?)),
        Ok("empty") => threads(2)?.block_on(empty(upstream()?)),
        Ok("upstream") => threads(1)?.block_on(answers()),
        _ => threads(1)?.block_on(compare()),
    }
}

fn threads(count: usize) -> Result<tokio::runtime::Runtime, std::io::Error> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(count)
        .enable_all()
        .build()
}

/// The reference, with one manifest whose only action calls the service.
async fn reference(upstream: String) -> Result<(), Failure> {
    let document = json!({
        "name": "bench", "version": "1.0.0", "actions": [{
            "type": "invoke_api", "name": "act", "method": "POST", "endpoint": format!("{upstream}/act"),
            "result_path": "/environment/done", "input_schema": {"type": "object"}, "output_schema": {"type": "object"},
        }],
    });
    let config = Config {
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        manifests: vec![manifest::load(&document).map_err(|_| "the manifest does not load")?],
        secrets: BTreeMap::new(),
        rotation: Rotation::default(),
        variables: BTreeMap::new(),
        model: ModelConfig {
            wire: Wire::OpenAi,
            base_url: format!("{upstream}/v1"),
            api_key: "sk-bench-0123456789".to_owned(),
            model: "scripted".to_owned(),
            stream: false,
            timeout: Duration::from_secs(60),
        },
        plugins: PluginFolder::default(),
        limits: Limits::default(),
        sandbox: SandboxSettings::default(),
        storage: Storage::default(),
        auth: None,
        anonymous_scopes: BTreeSet::new(),
        bound_secrets: BTreeMap::new(),
        allowed_networks: Network::loopback(),
        clock: Clock::default(),
        test_clock: None,
        profiles: [Profile::Core, Profile::Session].into(),
        extensions: BTreeSet::new(),
        ledger: None,
        keep_transcripts: KEEP_TRANSCRIPTS,
        telemetry: TelemetrySettings::default(),
        autorun: false,
        remember_preferences: false,
        console: false,
    };
    let running = start(config, Arc::new(Reference)).await?;
    println!("listening on {}", running.addr);
    std::future::pending().await
}

/// What the empty handler needs: a client like that of the reference, and a request to the model as long as the reference's.
struct Empty {
    client: reqwest::Client,
    upstream: String,
    asked: String,
}

/// A handler that asks the model, calls the service and answers; it reads, checks and keeps nothing.
async fn empty(upstream: String) -> Result<(), Failure> {
    // Where features of other rooms bring a second provider, none is chosen by itself; an earlier choice stands.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let messages = json!([
        {"role": "system", "content": "x".repeat(900)},
        {"role": "user", "content": "Goal: act\nObservation:\n".to_owned() + &observation().to_string()},
    ]);
    let asked =
        json!({"model": "scripted", "messages": messages, "temperature": 0.2, "max_tokens": 2048});
    let state = Empty {
        client: reqwest::Client::builder().no_proxy().build()?,
        upstream,
        asked: asked.to_string(),
    };
    let router = Router::new()
        .fallback(post(step))
        .with_state(Arc::new(state));
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("listening on {}", listener.local_addr()?);
    Ok(axum::serve(listener, router).await?)
}

async fn step(
    State(state): State<Arc<Empty>>,
    body: Bytes,
) -> Result<([(&'static str, &'static str); 1], String), String> {
    drop(body);
    let post = async |path: &str, body: String| {
        let request = state.client.post(format!("{}{path}", state.upstream));
        let request = request.header(CONTENT_TYPE, "application/json").body(body);
        let answer = request.send().await.map_err(|error| error.to_string())?;
        answer.bytes().await.map_err(|error| error.to_string())
    };
    post("/v1/chat/completions", state.asked.clone()).await?;
    post("/act", r#"{"n":1}"#.to_owned()).await?;
    let answer = r#"{"result":{"action_name":"act","success":true,"output":{"id":1},"error":null},"steps_done":1,"status":"active","completed":false}"#;
    Ok(([("content-type", "application/json")], answer.to_owned()))
}

/// The model and the service: a fixed answer to each request.
async fn answers() -> Result<(), Failure> {
    let said = json!({"role": "assistant", "content": PLAN});
    let reply = json!({"choices": [{"message": said, "finish_reason": "stop"}]}).to_string();
    let told = |body: &str| {
        let length = body.len();
        format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
        )
    };
    let (reply, output) = (
        Arc::<str>::from(told(&reply)),
        Arc::<str>::from(told(OUTPUT)),
    );
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("listening on {}", listener.local_addr()?);
    loop {
        let (mut stream, _) = listener.accept().await?;
        let (reply, output) = (Arc::clone(&reply), Arc::clone(&output));
        tokio::spawn(async move {
            let _ = stream.set_nodelay(true);
            let mut kept = Vec::new();
            while let Ok(Some(message)) = message(&mut stream, &mut kept).await {
                let answer = if message.starts_with(b"POST /v1/") {
                    &reply
                } else {
                    &output
                };
                if stream.write_all(answer.as_bytes()).await.is_err() {
                    return;
                }
            }
        });
    }
}

/// The next message of a connection; `None` where it ended. What came of the one after it stays in `kept`.
async fn message(stream: &mut TcpStream, kept: &mut Vec<u8>) -> Result<Option<Vec<u8>>, Failure> {
    loop {
        if let Some(length) = whole(kept) {
            let rest = kept.split_off(length);
            return Ok(Some(std::mem::replace(kept, rest)));
        }
        if stream.read_buf(kept).await? == 0 {
            return Ok(None);
        }
    }
}

/// Length of the first message, if all of it is there.
fn whole(data: &[u8]) -> Option<usize> {
    let end = data.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let head = std::str::from_utf8(data.get(..end)?).ok()?;
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length")
            .then(|| value.trim().parse().ok())?
    });
    let all = end + length.unwrap_or(0);
    (data.len() >= all).then_some(all)
}

fn observation() -> Value {
    json!({
        "timestamp": "2026-03-28T14:00:05Z", "user_context": {"user_id": "U998877", "preferences": {}},
        "environment": {"done": {"id": 0}},
    })
}

/// A process of this program in another role. It ends with this value.
struct Server {
    process: Child,
    addr: SocketAddr,
}

impl Server {
    fn start(role: &str, upstream: &str) -> Result<Self, Failure> {
        let mut process = Command::new(std::env::current_exe()?)
            .env(ROLE, role)
            .env(UPSTREAM, upstream)
            .stdout(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        let told = process.stdout.take().ok_or("no output")?;
        BufReader::new(told).read_line(&mut line)?;
        let addr = line.trim().strip_prefix("listening on ");
        match addr.and_then(|addr| addr.parse().ok()) {
            Some(addr) => Ok(Self { process, addr }),
            None => {
                process.kill()?;
                Err(format!("{role} did not start: {line}").into())
            }
        }
    }

    /// Processor time of all its threads.
    fn processor(&self) -> Result<Duration, Failure> {
        let mut spent = 0;
        for task in std::fs::read_dir(format!("/proc/{}/task", self.process.id()))? {
            let figures = std::fs::read_to_string(task?.path().join("schedstat"))?;
            let on = figures.split_whitespace().next().unwrap_or("0");
            spent += on.parse::<u64>()?;
        }
        Ok(Duration::from_nanos(spent))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// One request over a connection that stays; the answer's body.
async fn ask(
    stream: &mut TcpStream,
    kept: &mut Vec<u8>,
    path: &str,
    body: &str,
) -> Result<Vec<u8>, Failure> {
    let length = body.len();
    let request = format!(
        "POST {path} HTTP/1.1\r\nhost: bench\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).await?;
    let answer = message(stream, kept).await?.ok_or("the connection ended")?;
    if !(answer.starts_with(b"HTTP/1.1 20")) {
        return Err(String::from_utf8_lossy(&answer).into_owned().into());
    }
    let head = answer
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .ok_or("no head")?;
    Ok(answer.get(head + 4..).unwrap_or_default().to_vec())
}

/// What a turn came to.
struct Turn {
    per_second: f64,
    processor: Duration,
}

/// So many connections take their steps, each in a session of its own where the server has sessions.
async fn turn(server: &Server, connections: usize, has_sessions: bool) -> Result<Turn, Failure> {
    let opening =
        json!({"goal": {"description": "act"}, "observation": observation(), "max_steps": STEPS})
            .to_string();
    let mut open = Vec::new();
    for _ in 0..connections {
        let mut stream = TcpStream::connect(server.addr).await?;
        stream.set_nodelay(true)?;
        let mut kept = Vec::new();
        let mut id = "none".to_owned();
        if has_sessions {
            let answer: Value =
                serde_json::from_slice(&ask(&mut stream, &mut kept, "/sessions", &opening).await?)?;
            id = answer["session_id"]
                .as_str()
                .ok_or("no session_id")?
                .to_owned();
        }
        open.push((stream, kept, id));
    }
    let (before, begun) = (server.processor()?, Instant::now());
    let tasks: Vec<_> = open
        .into_iter()
        .map(|(mut stream, mut kept, id)| {
            tokio::spawn(async move {
                let path = format!("/sessions/{id}/step");
                for _ in 0..STEPS {
                    let answer = ask(&mut stream, &mut kept, &path, "{}").await?;
                    let answer: Value = serde_json::from_slice(&answer)?;
                    if answer["result"]["success"] != true {
                        return Err(Failure::from(answer.to_string()));
                    }
                }
                Ok((stream, kept, id))
            })
        })
        .collect();
    let mut over = Vec::new();
    for task in tasks {
        over.push(task.await??);
    }
    let took = begun.elapsed();
    let steps = u32::try_from(connections * STEPS)?;
    let processor = (server.processor()? - before) / steps;
    if has_sessions {
        for (mut stream, mut kept, id) in over {
            ask(
                &mut stream,
                &mut kept,
                &format!("/sessions/{id}/close"),
                "{}",
            )
            .await?;
        }
    }
    Ok(Turn {
        per_second: f64::from(steps) / took.as_secs_f64(),
        processor,
    })
}

async fn compare() -> Result<(), Failure> {
    let option = |name: &str, usual: usize| -> Result<usize, Failure> {
        let mut arguments = std::env::args()
            .skip_while(|argument| argument != name)
            .skip(1);
        Ok(arguments.next().map_or(Ok(usual), |value| value.parse())?)
    };
    let (rounds, connections) = (option("--rounds", 9)?, option("--connections", 16)?);
    let upstream = Server::start("upstream", "")?;
    let base = format!("http://{}", upstream.addr);
    let reference = Server::start("reference", &base)?;
    let empty = Server::start("empty", &base)?;
    let (mut rates, mut ours, mut theirs) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..=rounds {
        let (own, other) = match round % 2 {
            0 => {
                let own = turn(&reference, connections, true).await?;
                (own, turn(&empty, connections, false).await?)
            }
            _ => {
                let other = turn(&empty, connections, false).await?;
                (turn(&reference, connections, true).await?, other)
            }
        };
        // The first round warms up.
        if round > 0 {
            rates.push(own.per_second / other.per_second);
            ours.push(own);
            theirs.push(other);
        }
    }
    rates.sort_by(f64::total_cmp);
    let middle = |turns: &[Turn], of: fn(&Turn) -> f64| {
        let mut figures: Vec<f64> = turns.iter().map(of).collect();
        figures.sort_by(f64::total_cmp);
        figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
    };
    println!(
        "{rounds} rounds of {connections} connections with {STEPS} steps each; the middle round of each.\n"
    );
    println!("| server | steps/s | processor µs a step |\n|---|---|---|");
    for (name, turns) in [("empty axum handler", &theirs), ("reference", &ours)] {
        let rate = middle(turns, |turn| turn.per_second);
        let processor = middle(turns, |turn| turn.processor.as_secs_f64() * 1e6);
        println!("| {name} | {rate:.0} | {processor:.0} |");
    }
    let share = |index: usize| 100.0 * rates.get(index).copied().unwrap_or(f64::NAN);
    println!(
        "\nThe reference has {:.0}% of the throughput of the empty handler ({:.0}% to {:.0}% in the rounds).",
        share(rates.len() / 2),
        share(0),
        share(rates.len().saturating_sub(1)),
    );
    Ok(())
}
