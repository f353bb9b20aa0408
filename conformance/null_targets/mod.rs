//! Targets that implement nothing. Every case is run against each of them and none may pass (`conformance/README.md`).
//!
//! They speak raw TCP on purpose: an HTTP library would refuse to misbehave as they must.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinHandle;

/// Largest request a null target reads before it answers, in bytes.
const MOST_READ: usize = 4 * 1024 * 1024;

/// One target that implements nothing.
#[derive(Debug, Clone, Copy)]
pub struct NullTarget {
    /// Its name in reports.
    pub name: &'static str,
    /// What it does instead of the protocol.
    pub behaviour: &'static str,
    reply: Reply,
}

#[derive(Debug, Clone, Copy)]
enum Reply {
    /// Nothing listens.
    Refuse,
    /// Reads, and never answers.
    Hang,
    /// Closes the connection as soon as it stands.
    Close,
    /// Bytes that are not HTTP.
    Garbage,
    /// Status line, content type, body.
    Fixed(&'static str, &'static str, &'static str),
    /// The request's own body, with this status line.
    Echo(&'static str),
    /// A body that arrives byte by byte and never ends.
    Drip,
    /// A body cut short of its announced length.
    Truncated,
    /// Sends the client to the same place again.
    Redirect,
}

const JSON: &str = "application/json";

/// Everything a caller could wish for at once, whatever was asked.
const PLAUSIBLE: &str = r#"{"session_id":"7b0b54c8-5f0e-4cf5-9d0c-6c3a9f6b1e11","name":"MeetBot","version":"2.0.0","digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","status":"completed","completed":true,"steps_done":1,"result":{"action_name":"search_free_slots","success":true,"output":{},"error":null},"transcript":{"steps":[],"turns":[]},"protocol_version":"2.0","profiles":["core","session","human"],"manifests":[]}"#;

const TRANSCRIPT: &str = r#"{"transcript":{"protocol_version":"2.0","session_id":"7b0b54c8-5f0e-4cf5-9d0c-6c3a9f6b1e11","status":"completed","steps":[],"turns":[],"interventions":[],"side_effects":[]}}"#;

const REFUSAL: &str =
    r#"{"errorCode":"invalid_request","message":"the request is refused","retryable":false}"#;

/// All null targets.
pub const ALL: [NullTarget; 18] = [
    null(
        "connection-refused",
        "nothing listens on its port",
        Reply::Refuse,
    ),
    null("hang", "reads requests and never answers", Reply::Hang),
    null("close", "closes every connection at once", Reply::Close),
    null(
        "garbage-bytes",
        "answers with bytes that are not HTTP",
        Reply::Garbage,
    ),
    null(
        "slow-drip",
        "sends one byte at a time, for ever",
        Reply::Drip,
    ),
    null(
        "truncated",
        "announces more bytes than it sends",
        Reply::Truncated,
    ),
    null(
        "redirect-loop",
        "redirects every request to itself",
        Reply::Redirect,
    ),
    null(
        "empty-200",
        "answers 200 without a body",
        Reply::Fixed("200 OK", JSON, ""),
    ),
    null(
        "empty-object-200",
        "answers 200 and {}",
        Reply::Fixed("200 OK", JSON, "{}"),
    ),
    null(
        "empty-object-201",
        "answers 201 and {}",
        Reply::Fixed("201 Created", JSON, "{}"),
    ),
    null(
        "null-200",
        "answers 200 and null",
        Reply::Fixed("200 OK", JSON, "null"),
    ),
    null(
        "html-200",
        "answers 200 and a web page",
        Reply::Fixed(
            "200 OK",
            "text/html",
            "<!doctype html><title>It works</title>",
        ),
    ),
    null(
        "always-404",
        "answers 404 to everything",
        Reply::Fixed("404 Not Found", JSON, REFUSAL),
    ),
    null(
        "always-422",
        "answers 422 to everything",
        Reply::Fixed("422 Unprocessable Content", JSON, REFUSAL),
    ),
    null(
        "always-500",
        "answers 500 to everything",
        Reply::Fixed("500 Internal Server Error", JSON, REFUSAL),
    ),
    null(
        "constant-transcript",
        "answers the same transcript to everything",
        Reply::Fixed("200 OK", JSON, TRANSCRIPT),
    ),
    null(
        "plausible-constant",
        "answers 200 and every member a caller may look for",
        Reply::Fixed("200 OK", JSON, PLAUSIBLE),
    ),
    null(
        "echo",
        "answers 201 and the request's own body",
        Reply::Echo("201 Created"),
    ),
];

const fn null(name: &'static str, behaviour: &'static str, reply: Reply) -> NullTarget {
    NullTarget {
        name,
        behaviour,
        reply,
    }
}

/// A null target that stands; it ends when this is dropped.
#[derive(Debug)]
pub struct Standing {
    /// Where it listens, or for `connection-refused` where nothing does.
    pub address: SocketAddr,
    standing: Stands,
}

#[derive(Debug)]
enum Stands {
    /// Bound and not listening: connections are refused, and nobody else is given the port meanwhile.
    Reserved {
        _port: TcpSocket,
    },
    Accepting(JoinHandle<()>),
}

impl Standing {
    /// Its base URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Standing {
    fn drop(&mut self) {
        if let Stands::Accepting(accepting) = &self.standing {
            accepting.abort();
        }
    }
}

impl NullTarget {
    /// Starts it on a free loopback port.
    ///
    /// # Errors
    /// When no port can be had.
    pub async fn start(self) -> io::Result<Standing> {
        if matches!(self.reply, Reply::Refuse) {
            // A port that is let go may be the next server's, and then there is somebody after all.
            let port = TcpSocket::new_v4()?;
            port.bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
            return Ok(Standing {
                address: port.local_addr()?,
                standing: Stands::Reserved { _port: port },
            });
        }
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let accepting = tokio::spawn(async move {
            // The connections live in this set, so that ending the acceptor ends them too.
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                while connections.try_join_next().is_some() {}
                // A client that goes away in the middle is what these targets expect.
                connections.spawn(async move {
                    let _ = converse(stream, self.reply).await;
                });
            }
        });
        Ok(Standing {
            address,
            standing: Stands::Accepting(accepting),
        })
    }
}

async fn converse(mut stream: TcpStream, reply: Reply) -> io::Result<()> {
    if matches!(reply, Reply::Close) {
        return Ok(());
    }
    let body = read_request(&mut stream).await?;
    match reply {
        Reply::Refuse | Reply::Close => Ok(()),
        Reply::Hang => std::future::pending().await,
        Reply::Garbage => stream.write_all(b"\x00\xff\x13\x37 oap? \r\n\r\n\x80").await,
        Reply::Fixed(status, kind, text) => {
            answer(&mut stream, status, kind, text.len(), text.as_bytes()).await
        }
        Reply::Echo(status) => answer(&mut stream, status, JSON, body.len(), &body).await,
        Reply::Truncated => answer(&mut stream, "200 OK", JSON, 4096, b"{\"session_id\":\"").await,
        Reply::Redirect => {
            stream
                .write_all(b"HTTP/1.1 307 Temporary Redirect\r\nlocation: /\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
                .await
        }
        Reply::Drip => {
            stream
                .write_all(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 100000\r\n\r\n{")
                .await?;
            loop {
                tokio::time::sleep(Duration::from_millis(20)).await;
                stream.write_all(b" ").await?;
            }
        }
    }
}

async fn answer(
    stream: &mut TcpStream,
    status: &str,
    kind: &str,
    length: usize,
    body: &[u8],
) -> io::Result<()> {
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(body).await?;
    stream.shutdown().await
}

/// Reads one request and returns its body, as far as `content-length` tells.
async fn read_request(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut chunk = [0_u8; 8192];
    let head = loop {
        if let Some(end) = find(&bytes, b"\r\n\r\n") {
            break end + 4;
        }
        let read = stream.read(&mut chunk).await?;
        if read == 0 || bytes.len() > MOST_READ {
            return Ok(Vec::new());
        }
        bytes.extend_from_slice(&chunk[..read]);
    };
    let length = content_length(&bytes[..head]).min(MOST_READ);
    while bytes.len() < head + length {
        let read = stream.read(&mut chunk).await?;
        if read == 0 {
            break;
        }
        bytes.extend_from_slice(&chunk[..read]);
    }
    Ok(bytes.split_off(head))
}

fn content_length(head: &[u8]) -> usize {
    String::from_utf8_lossy(head)
        .lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .and_then(|(_, value)| value.trim().parse().ok())
        .unwrap_or(0)
}

fn find(bytes: &[u8], needle: &[u8]) -> Option<usize> {
    bytes
        .windows(needle.len())
        .position(|window| window == needle)
}
