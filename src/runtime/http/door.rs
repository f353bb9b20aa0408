//! Listening: connections in bounded number, and none kept open for a client that says nothing or takes nothing
//! (`spec/errors.md` 2.9, 4.3).

use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Sleep, sleep};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How long to wait when the system has no further file for a connection.
const NO_FILE_PAUSE: Duration = Duration::from_millis(100);

/// How many connections are refused at the same time.
const MOST_REFUSED: usize = 64;

/// How long a connection that is refused may take.
const REFUSAL: Duration = Duration::from_secs(2);

/// What becomes of connections that come after `stop`.
pub(in crate::runtime) struct Late {
    /// What they are answered.
    pub(in crate::runtime) refusal: Router,
    /// From when on nobody is answered any more.
    pub(in crate::runtime) end: CancellationToken,
}

/// Serves until `stop`, then until the calls in flight have their answers. Connections that come meanwhile are refused by `late`,
/// so that whoever balances load sees a clear answer; without it nobody listens any more.
///
/// Whoever comes when `most` connections are open waits in the system's queue. `patience` bounds how long a connection
/// may be idle, its headers may take to arrive, and a client may leave a piece of an answer untaken.
pub(in crate::runtime) async fn serve(
    listener: TcpListener,
    router: Router,
    most: usize,
    patience: Duration,
    stop: CancellationToken,
    late: Option<Late>,
) {
    let places = Arc::new(Semaphore::new(most));
    let open = TaskTracker::new();
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = accept(&listener, &places) => accepted,
        };
        let Ok((stream, place)) = accepted else {
            // The client gave up, or the system has no file left; others still get theirs.
            sleep(NO_FILE_PAUSE).await;
            continue;
        };
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(patience)
            .serve_connection(
                TokioIo::new(Patient::new(stream, patience)),
                TowerToHyperService::new(router.clone()),
            );
        let stopped = stop.clone().cancelled_owned();
        open.spawn(async move {
            let _place = place;
            let mut connection = pin!(connection);
            // How a connection ended is its client's business.
            tokio::select! {
                _ = connection.as_mut() => return,
                () = stopped => connection.as_mut().graceful_shutdown(),
            }
            let _ = connection.await;
        });
    }
    if let Some(late) = late {
        refuse(&listener, &late, &open).await;
    }
    drop(listener);
    open.close();
    open.wait().await;
}

/// Refuses all connections until nobody is to be answered any more.
async fn refuse(listener: &TcpListener, late: &Late, open: &TaskTracker) {
    let places = Arc::new(Semaphore::new(MOST_REFUSED));
    loop {
        let accepted = tokio::select! {
            () = late.end.cancelled() => return,
            accepted = accept(listener, &places) => accepted,
        };
        let Ok((stream, place)) = accepted else {
            sleep(NO_FILE_PAUSE).await;
            continue;
        };
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(REFUSAL)
            .keep_alive(false)
            .serve_connection(
                TokioIo::new(Patient::new(stream, REFUSAL)),
                TowerToHyperService::new(late.refusal.clone()),
            );
        open.spawn(async move {
            let _place = place;
            let _ = connection.await;
        });
    }
}

async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> io::Result<(TcpStream, OwnedSemaphorePermit)> {
    let place = Arc::clone(places);
    let place = place.acquire_owned().await.map_err(io::Error::other)?;
    let (stream, _) = listener.accept().await?;
    Ok((stream, place))
}

/// A stream that breaks when the other side takes nothing for too long.
struct Patient {
    stream: TcpStream,
    patience: Duration,
    stalled: Option<Pin<Box<Sleep>>>,
}

impl Patient {
    fn new(stream: TcpStream, patience: Duration) -> Self {
        Self {
            stream,
            patience,
            stalled: None,
        }
    }

    /// What a write came to, unless it waits for too long.
    fn watch<T>(
        &mut self,
        context: &mut Context<'_>,
        written: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.stalled = None;
            return written;
        }
        let patience = self.patience;
        let stalled = self
            .stalled
            .get_or_insert_with(|| Box::pin(sleep(patience)));
        ready!(stalled.as_mut().poll(context));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for Patient {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, into)
    }
}

impl AsyncWrite for Patient {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.watch(context, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.watch(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(context);
        self.watch(context, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use axum::routing::get;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::task::JoinHandle;
    use tokio::time::timeout;

    use super::*;

    const PATIENCE: Duration = Duration::from_millis(200);
    const LONG: Duration = Duration::from_secs(20);

    async fn door(most: usize) -> (SocketAddr, CancellationToken, JoinHandle<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("listens");
        let address = listener.local_addr().expect("an address");
        let router = Router::new()
            .route("/", get(async || "here"))
            .route("/large", get(async || "x".repeat(64 << 20)));
        let stop = CancellationToken::new();
        let server = tokio::spawn(serve(listener, router, most, PATIENCE, stop.clone(), None));
        (address, stop, server)
    }

    async fn say(address: SocketAddr, text: &str) -> TcpStream {
        let mut stream = TcpStream::connect(address).await.expect("connects");
        stream.write_all(text.as_bytes()).await.expect("written");
        stream
    }

    #[tokio::test]
    async fn who_says_nothing_loses_the_place_to_others() {
        let (address, stop, server) = door(2).await;
        let mut quiet = say(address, "").await;
        let mut slow = say(address, "GET / HTTP/1.1\r\nHost: a\r\nX-").await;
        let mut served = say(address, "GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
        let mut answer = [0; 12];
        let read = timeout(LONG, served.read_exact(&mut answer)).await;
        assert!(matches!(read, Ok(Ok(_))) && &answer == b"HTTP/1.1 200");
        for closed in [&mut quiet, &mut slow] {
            let mut rest = Vec::new();
            let read = timeout(LONG, closed.read_to_end(&mut rest)).await;
            assert!(read.is_ok() && !rest.starts_with(b"HTTP/1.1 2"));
        }
        stop.cancel();
        assert!(timeout(LONG, server).await.is_ok());
    }

    #[tokio::test]
    async fn who_takes_nothing_of_an_answer_loses_the_connection() {
        let (address, stop, server) = door(1).await;
        let greedy = say(address, "GET /large HTTP/1.1\r\nHost: a\r\n\r\n").await;
        let mut next = say(address, "GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
        let mut answer = [0; 12];
        let read = timeout(LONG, next.read_exact(&mut answer)).await;
        assert!(matches!(read, Ok(Ok(_))), "the only place is free again");
        drop(greedy);
        stop.cancel();
        assert!(timeout(LONG, server).await.is_ok());
    }
}
