//! Object stores over loopback: a real server of S3, and some that misbehave.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use hyper_util::rt::TokioIo;
use s3s::auth::SimpleAuth;
use s3s::service::S3ServiceBuilder;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::buckets::Buckets;
use super::failure::Failure;
use super::objects::Object;
use super::settings::{S3, S3Keys, Storage};
use crate::runtime::invoke;

const KEY_ID: &str = "an-id-of-a-key";
const SECRET: &str = "a-secret+access/key==";

/// The server of `s3s-fs` on a folder with one bucket; it checks signatures.
pub(in crate::runtime) struct Server {
    pub(in crate::runtime) folder: TempDir,
    pub(in crate::runtime) endpoint: String,
    task: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    pub(in crate::runtime) async fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::create_dir(folder.path().join("notes-bucket")).expect("a bucket");
        let files = s3s_fs::FileSystem::new(folder.path()).expect("a store");
        let mut builder = S3ServiceBuilder::new(files);
        builder.set_auth(SimpleAuth::from_single(KEY_ID, SECRET));
        let service = builder.build();
        let (listener, endpoint) = listen().await;
        let task = tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let served = hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(socket), service.clone());
                tokio::spawn(served);
            }
        });
        Self {
            folder,
            endpoint,
            task,
        }
    }

    fn stored(&self, key: &str) -> Vec<u8> {
        std::fs::read(self.folder.path().join("notes-bucket").join(key)).expect("an object")
    }
}

async fn listen() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let endpoint = format!("http://{}", listener.local_addr().expect("an address"));
    (listener, endpoint)
}

/// The settings that reach a store.
pub(in crate::runtime) fn storage(endpoint: &str, secret: &str) -> Storage {
    Storage {
        allowed_roots: vec!["s3://notes-bucket/".parse().expect("a root")],
        s3: Some(S3 {
            endpoint: Some(endpoint.to_owned()),
            region: "us-east-1".to_owned(),
            keys: S3Keys {
                id: KEY_ID.to_owned(),
                secret: secret.to_owned(),
                session_token: None,
            },
        }),
        ..Storage::default()
    }
}

fn buckets(endpoint: &str) -> Buckets {
    buckets_with(&storage(endpoint, SECRET))
}

fn buckets_with(storage: &Storage) -> Buckets {
    let client = invoke::client(None).expect("a client");
    Buckets::new(storage, &client).expect("buckets")
}

async fn get(buckets: &Buckets, key: &str) -> Result<Vec<u8>, Failure> {
    let found = buckets.get("notes-bucket", key, 1024 * 1024).await?;
    Ok(found.bytes)
}

async fn put(buckets: &Buckets, key: &str, bytes: &[u8]) -> Result<bool, Failure> {
    let object = Object {
        bytes: bytes.to_vec(),
        content_type: Some("text/markdown".to_owned()),
    };
    let stored = buckets.put("notes-bucket", key, object).await?;
    Ok(stored.created)
}

#[tokio::test]
async fn objects_come_back_as_they_went() {
    let server = Server::start().await;
    let buckets = buckets(&server.endpoint);
    let large = vec![b'x'; 1024 * 1024];
    for (key, bytes) in [
        ("a.txt", b"text".as_slice()),
        ("notes/2026/b.bin", b"\xff\x00\xfe"),
        ("empty", b""),
        ("large", &large),
        ("a b+c&d=e%20.txt", b"odd"),
        ("日本語/ファイル.txt", b"wide"),
        ("NoSuchBucket/501/507", b"imitated"),
    ] {
        assert_eq!(get(&buckets, key).await, Err(Failure::NotFound), "{key}");
        assert_eq!(put(&buckets, key, bytes).await, Ok(true), "{key}");
        assert_eq!(get(&buckets, key).await.as_deref(), Ok(bytes), "{key}");
        assert_eq!(server.stored(key), bytes, "{key}");
        assert_eq!(put(&buckets, key, b"new").await, Ok(false), "{key}");
        assert_eq!(
            get(&buckets, key).await.as_deref(),
            Ok(b"new".as_slice()),
            "{key}"
        );
    }
    let small = buckets.get("notes-bucket", "a.txt", 2).await;
    assert_eq!(small.err(), Some(Failure::TooLarge(2)));
    let found = buckets
        .get("notes-bucket", "a.txt", 9)
        .await
        .expect("found");
    assert!(found.etag.is_some());
}

#[tokio::test]
async fn one_of_many_writers_makes_the_object() {
    let server = Server::start().await;
    let buckets = Arc::new(buckets(&server.endpoint));
    let writers = (0..8_u8).map(|number| {
        let buckets = Arc::clone(&buckets);
        tokio::spawn(async move { put(&buckets, "shared", &[number; 4096]).await })
    });
    for writer in writers.collect::<Vec<_>>() {
        assert!(writer.await.expect("ends").is_ok());
    }
    let content = get(&buckets, "shared").await.expect("found");
    assert_eq!(content, [content[0]; 4096]);
}

#[tokio::test]
async fn a_wrong_key_and_a_missing_bucket_are_the_operators() {
    let server = Server::start().await;
    let wrong = buckets_with(&storage(&server.endpoint, "another+secret/key=="));
    assert_eq!(get(&wrong, "a.txt").await, Err(Failure::KeyRefused));
    assert_eq!(put(&wrong, "a.txt", b"").await, Err(Failure::KeyRefused));
    let mut elsewhere = storage(&server.endpoint, SECRET);
    elsewhere.allowed_roots = vec!["s3://other-bucket/".parse().expect("a root")];
    let elsewhere = buckets_with(&elsewhere);
    // Which buckets there are, the operator says.
    let found = elsewhere.get("notes-bucket", "a.txt", 9).await;
    assert_eq!(found.err(), Some(Failure::NoPlace));
}

/// What a store that misbehaves does, and how often it was asked.
struct Oddity {
    answer: fn(&Request) -> Response,
    asked: AtomicUsize,
}

async fn odd(answer: fn(&Request) -> Response) -> (Buckets, Arc<Oddity>) {
    let oddity = Arc::new(Oddity {
        answer,
        asked: AtomicUsize::new(0),
    });
    let (listener, endpoint) = listen().await;
    let router = Router::new()
        .fallback(
            async |State(oddity): State<Arc<Oddity>>, request: Request| {
                oddity.asked.fetch_add(1, Ordering::Relaxed);
                (oddity.answer)(&request)
            },
        )
        .with_state(Arc::clone(&oddity));
    tokio::spawn(async move { axum::serve(listener, router).await });
    (buckets(&endpoint), oddity)
}

#[tokio::test]
async fn a_store_in_trouble_is_asked_once() {
    for (answer, expected) in [
        (
            (|_: &Request| StatusCode::SERVICE_UNAVAILABLE.into_response()) as fn(&Request) -> _,
            Failure::Broken,
        ),
        (
            |_| StatusCode::INTERNAL_SERVER_ERROR.into_response(),
            Failure::Broken,
        ),
        (
            |_| StatusCode::FORBIDDEN.into_response(),
            Failure::KeyRefused,
        ),
        (
            |_| StatusCode::UNAUTHORIZED.into_response(),
            Failure::KeyRefused,
        ),
        (
            |_| {
                (
                    StatusCode::BAD_REQUEST,
                    "<Error><Code>ExpiredToken</Code></Error>",
                )
                    .into_response()
            },
            Failure::KeyRefused,
        ),
        (
            |_| (StatusCode::FOUND, [("location", "http://127.0.0.1:1/")]).into_response(),
            Failure::Broken,
        ),
        (
            |_| {
                let document = "<Error><Code>NoSuchBucket</Code></Error>";
                (StatusCode::NOT_FOUND, document).into_response()
            },
            Failure::NoPlace,
        ),
        (
            |_| (StatusCode::NOT_FOUND, "no document of a store").into_response(),
            Failure::NotFound,
        ),
    ] {
        let (buckets, oddity) = odd(answer).await;
        assert_eq!(get(&buckets, "a.txt").await, Err(expected));
        assert_eq!(oddity.asked.load(Ordering::Relaxed), 1);
    }
}

/// A store whose every answer has this head, and a body that goes on for as long as somebody reads it. Gives its endpoint, and
/// how many bytes of bodies were taken from it.
async fn endless(head: &'static str) -> (String, Arc<AtomicUsize>) {
    let (listener, endpoint) = listen().await;
    let taken = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&taken);
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let counted = Arc::clone(&counted);
            tokio::spawn(async move {
                let mut request = [0; 4096];
                let _ = socket.read(&mut request).await;
                let _ = socket.write_all(head.as_bytes()).await;
                let piece = [b"4000\r\n".as_slice(), &[b'x'; 0x4000], b"\r\n"].concat();
                while socket.write_all(&piece).await.is_ok() {
                    counted.fetch_add(0x4000, Ordering::Relaxed);
                }
            });
        }
    });
    (endpoint, taken)
}

#[tokio::test]
async fn no_answer_is_read_without_end() {
    for (head, expected) in [
        (
            "HTTP/1.1 500 Trouble\r\ntransfer-encoding: chunked\r\n\r\n",
            Failure::Unreachable,
        ),
        (
            "HTTP/1.1 404 Not Found\r\ntransfer-encoding: chunked\r\n\r\n",
            Failure::Unreachable,
        ),
        // As long as nothing can be: no room is made for it.
        (
            "HTTP/1.1 400 Bad\r\ncontent-length: 9223372036854775807\r\n\r\n",
            Failure::Unreachable,
        ),
        // A file without a length is no answer of this protocol.
        (
            "HTTP/1.1 200 OK\r\netag: \"1\"\r\ntransfer-encoding: chunked\r\n\r\n",
            Failure::Broken,
        ),
        (
            "HTTP/1.1 200 OK\r\netag: \"1\"\r\nlast-modified: Mon, 01 Jan 2024 00:00:00 GMT\r\ncontent-length: 1048577\r\n\r\n",
            Failure::TooLarge(1024 * 1024),
        ),
    ] {
        let (endpoint, taken) = endless(head).await;
        let buckets = buckets(&endpoint);
        let asked = timeout(Duration::from_secs(60), get(&buckets, "a.txt"));
        assert_eq!(asked.await.expect("ends"), Err(expected), "{head}");
        // The bound, and what the system keeps on the way.
        let taken = taken.load(Ordering::Relaxed);
        assert!(taken < 32 * 1024 * 1024, "{head} {taken}");
    }
}

#[tokio::test]
async fn a_store_that_cannot_be_reached_says_so() {
    let (listener, endpoint) = listen().await;
    drop(listener);
    let buckets = buckets(&endpoint);
    assert_eq!(get(&buckets, "a.txt").await, Err(Failure::Unreachable));
    assert_eq!(put(&buckets, "a.txt", b"").await, Err(Failure::Unreachable));
}

#[tokio::test]
async fn a_store_that_knows_no_conditions_is_written_to_all_the_same() {
    let (buckets, oddity) = odd(|request| {
        let conditional = request.headers().contains_key("if-none-match");
        match request.method().as_str() {
            "HEAD" => StatusCode::NOT_FOUND.into_response(),
            "PUT" if conditional => StatusCode::NOT_IMPLEMENTED.into_response(),
            _ => [("etag", "\"1\"")].into_response(),
        }
    })
    .await;
    assert_eq!(put(&buckets, "a.txt", b"x").await, Ok(true));
    assert_eq!(oddity.asked.load(Ordering::Relaxed), 3);
}

#[tokio::test]
async fn a_write_to_a_bucket_that_is_not_there_says_so() {
    let (buckets, _) = odd(|_| StatusCode::NOT_FOUND.into_response()).await;
    assert_eq!(put(&buckets, "a.txt", b"x").await, Err(Failure::NoPlace));
}

#[tokio::test]
async fn whoever_was_faster_made_the_object() {
    let (buckets, oddity) = odd(|request| {
        let conditional = request.headers().contains_key("if-none-match");
        let typed = request.headers().get("content-type");
        assert!(
            request.method() != "PUT" || typed.is_some_and(|typed| typed == "text/markdown"),
            "{typed:?}"
        );
        match request.method().as_str() {
            "HEAD" => StatusCode::NOT_FOUND.into_response(),
            "PUT" if conditional => StatusCode::PRECONDITION_FAILED.into_response(),
            _ => [("etag", "\"1\"")].into_response(),
        }
    })
    .await;
    assert_eq!(put(&buckets, "a.txt", b"x").await, Ok(false));
    assert_eq!(oddity.asked.load(Ordering::Relaxed), 3);
}

#[test]
fn roots_without_keys_are_refused_at_the_start() {
    let mut storage = storage("http://127.0.0.1:1", SECRET);
    let client = invoke::client(None).expect("a client");
    assert!(Buckets::new(&storage, &client).is_ok());
    storage.s3 = None;
    let error = Buckets::new(&storage, &client).err().expect("refused");
    assert!(error.contains("AWS_ACCESS_KEY_ID"), "{error}");
    storage.allowed_roots.clear();
    assert!(Buckets::new(&storage, &client).is_ok());
}
