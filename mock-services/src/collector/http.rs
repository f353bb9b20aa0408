//! As much of HTTP/1.1 as exporters use: POST with a length or in chunks, one request after another on a connection.

use std::io::{self, Read as _};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use flate2::read::MultiGzDecoder;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use super::{CollectorFault, SLOW, Store, otlp, wire};

/// Most bytes of a body, compressed or not.
const MOST_BODY: usize = 4 << 20;

/// Most bytes of a line of the head, and most lines of it.
const MOST_LINE: u64 = 16 * 1024;
const MOST_LINES: usize = 100;

/// Most connections at the same time.
const MOST_CONNECTIONS: usize = 256;

/// How long a connection may be silent.
const IDLE: Duration = Duration::from_secs(60);

type Connection = BufReader<TcpStream>;

/// One request.
#[derive(Default)]
struct Request {
    method: String,
    path: String,
    content_type: String,
    encoding: String,
    length: usize,
    chunked: bool,
    waits: bool,
    closes: bool,
}

/// Serves connections until it is dropped.
pub(super) async fn listen(listener: TcpListener, store: Arc<Store>) {
    let places = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else {
            return;
        };
        let Ok((stream, _)) = listener.accept().await else {
            // Out of descriptors, most likely: others end meanwhile.
            tokio::time::sleep(Duration::from_millis(10)).await;
            continue;
        };
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            // What is no HTTP, or breaks off, is the exporter's affair.
            let _ = serve(BufReader::new(stream), &store).await;
            drop(place);
        });
    }
}

async fn serve(mut connection: Connection, store: &Store) -> io::Result<()> {
    loop {
        let head = tokio::time::timeout(IDLE, head(&mut connection)).await;
        let Some(request) = head.map_err(|_| io::ErrorKind::TimedOut)?? else {
            return Ok(());
        };
        if request.waits {
            connection
                .write_all(b"HTTP/1.1 100 Continue\r\n\r\n")
                .await?;
        }
        let body = tokio::time::timeout(IDLE, body(&mut connection, &request)).await;
        let body = body.map_err(|_| io::ErrorKind::TimedOut)??;
        store.requests.fetch_add(1, Ordering::Relaxed);
        let fault = *store.fault.borrow();
        let (status, answer) = match fault {
            CollectorFault::Down => return Ok(()),
            CollectorFault::Error => ("500 Internal Server Error", String::new()),
            CollectorFault::None => answer(&request, body, store),
            CollectorFault::Slow => {
                tokio::time::sleep(SLOW).await;
                answer(&request, body, store)
            }
        };
        // An answer to protobuf is protobuf: the empty message.
        let is_json = !request.content_type.contains("protobuf");
        let (kind, answer) = match (is_json, status) {
            (true, _) if answer.is_empty() => ("application/json", "{}".to_owned()),
            (true, _) => ("application/json", answer),
            (false, _) => ("application/x-protobuf", String::new()),
        };
        let closes = if request.closes {
            "connection: close\r\n"
        } else {
            ""
        };
        let text = format!(
            "HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {}\r\n{closes}\r\n{answer}",
            answer.len()
        );
        connection.write_all(text.as_bytes()).await?;
        if request.closes {
            return Ok(());
        }
    }
}

/// Status and text of the answer; what can be read is kept.
fn answer(request: &Request, body: Vec<u8>, store: &Store) -> (&'static str, String) {
    let refused = |status, why: &str| (status, serde_json::json!({"message": why}).to_string());
    if request.path.split('?').next() != Some("/v1/traces") {
        // Metrics and logs may be sent too; they are not what is looked at here.
        return match request.path.as_str() {
            "/v1/metrics" | "/v1/logs" => ("200 OK", String::new()),
            _ => refused("404 Not Found", "traces are taken at /v1/traces"),
        };
    }
    if request.method != "POST" {
        return refused("405 Method Not Allowed", "send spans with POST");
    }
    let body = match request.encoding.as_str() {
        "" | "identity" => body,
        "gzip" => match unpacked(&body) {
            Some(body) => body,
            None => return refused("400 Bad Request", "the body is no gzip, or too large"),
        },
        _ => {
            return refused(
                "415 Unsupported Media Type",
                "send the body as it is, or as gzip",
            );
        }
    };
    let kind = request.content_type.split(';').next().unwrap_or_default();
    let spans = match kind.trim() {
        "application/json" => otlp::from_json(&body),
        "application/x-protobuf" => wire::from_protobuf(&body),
        _ => {
            return refused(
                "415 Unsupported Media Type",
                "send application/json or application/x-protobuf",
            );
        }
    };
    match spans {
        Ok(spans) => {
            store.keep(spans);
            ("200 OK", String::new())
        }
        Err(why) => refused("400 Bad Request", &why),
    }
}

fn unpacked(body: &[u8]) -> Option<Vec<u8>> {
    let mut unpacked = Vec::new();
    let most = u64::try_from(MOST_BODY).ok()?.saturating_add(1);
    MultiGzDecoder::new(body)
        .take(most)
        .read_to_end(&mut unpacked)
        .ok()?;
    (unpacked.len() <= MOST_BODY).then_some(unpacked)
}

/// The next line, without its end; `None` at the end of the stream.
async fn line(connection: &mut Connection) -> io::Result<Option<String>> {
    let mut bytes = Vec::new();
    (&mut *connection)
        .take(MOST_LINE)
        .read_until(b'\n', &mut bytes)
        .await?;
    if bytes.is_empty() {
        return Ok(None);
    }
    if bytes.pop() != Some(b'\n') {
        return Err(io::ErrorKind::InvalidData.into());
    }
    if bytes.last() == Some(&b'\r') {
        bytes.pop();
    }
    String::from_utf8(bytes)
        .map(Some)
        .map_err(|_| io::ErrorKind::InvalidData.into())
}

async fn head(connection: &mut Connection) -> io::Result<Option<Request>> {
    let Some(first) = line(connection).await? else {
        return Ok(None);
    };
    let mut words = first.split(' ');
    let mut request = Request {
        method: words.next().unwrap_or_default().to_owned(),
        path: words.next().unwrap_or_default().to_owned(),
        ..Request::default()
    };
    for _ in 0..MOST_LINES {
        let Some(line) = line(connection).await? else {
            return Err(io::ErrorKind::UnexpectedEof.into());
        };
        if line.is_empty() {
            return Ok(Some(request));
        }
        let (name, value) = line.split_once(':').ok_or(io::ErrorKind::InvalidData)?;
        let value = value.trim();
        match name.to_ascii_lowercase().as_str() {
            "content-type" => request.content_type = value.to_ascii_lowercase(),
            "content-encoding" => request.encoding = value.to_ascii_lowercase(),
            "content-length" => {
                request.length = value.parse().map_err(|_| io::ErrorKind::InvalidData)?;
            }
            "transfer-encoding" => request.chunked = value.eq_ignore_ascii_case("chunked"),
            "expect" => request.waits = value.eq_ignore_ascii_case("100-continue"),
            "connection" => request.closes = value.eq_ignore_ascii_case("close"),
            _ => {}
        }
    }
    Err(io::ErrorKind::InvalidData.into())
}

async fn body(connection: &mut Connection, request: &Request) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    if !request.chunked {
        take(connection, &mut body, request.length).await?;
        return Ok(body);
    }
    loop {
        let size = line(connection).await?.unwrap_or_default();
        let size = size.split(';').next().unwrap_or_default().trim();
        let size = usize::from_str_radix(size, 16).map_err(|_| io::ErrorKind::InvalidData)?;
        if size == 0 {
            for _ in 0..MOST_LINES {
                if line(connection).await?.is_none_or(|line| line.is_empty()) {
                    return Ok(body);
                }
            }
            return Err(io::ErrorKind::InvalidData.into());
        }
        take(connection, &mut body, size).await?;
        line(connection).await?;
    }
}

/// So many bytes more, as far as a body may be.
async fn take(connection: &mut Connection, body: &mut Vec<u8>, bytes: usize) -> io::Result<()> {
    let start = body.len();
    let end = start.saturating_add(bytes);
    if end > MOST_BODY {
        return Err(io::ErrorKind::InvalidData.into());
    }
    body.resize(end, 0);
    match body.get_mut(start..) {
        Some(place) => connection.read_exact(place).await.map(|_| ()),
        None => Ok(()),
    }
}
