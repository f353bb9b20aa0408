//! The HTTP client as object stores get it: the runtime's own, with a bound on every answer.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use hyper::body::{Body, Bytes, Frame, SizeHint};
use object_store::ClientOptions;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse,
    HttpResponseBody, HttpService,
};
use reqwest::{Client, Url};

use crate::runtime::telemetry::{self, Peer, What, span};

/// Most bytes that are read of an answer that is no success: room for any error document.
const LONGEST_ERROR: usize = 64 * 1024;

/// Lends out a client that follows no redirect, and heeds no proxy of the environment.
///
/// The object store's client reads the answers of errors whole, however long they are; so no answer is longer than this lets it be.
#[derive(Debug, Clone)]
pub(super) struct Lent {
    client: Client,
    /// Most bytes of a file.
    file_bytes: usize,
}

impl Lent {
    /// Lends `client` for files of at most `file_bytes` bytes.
    pub(super) fn new(client: Client, file_bytes: usize) -> Self {
        Self { client, file_bytes }
    }
}

impl Lent {
    /// Sends a request, as part of the call that is under way.
    async fn sent(&self, mut request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let Some(begun) = telemetry::current().map(|scope| scope.begin(What::Api)) else {
            return HttpService::call(&self.client, request).await;
        };
        begun.stamp(Peer::Objects, request.headers_mut());
        let method = request.method().clone();
        let url = Url::parse(&request.uri().to_string());
        let answered = HttpService::call(&self.client, request).await;
        let status = answered
            .as_ref()
            .ok()
            .map(|answer| answer.status().as_u16());
        if let Ok(url) = url {
            begun.called("service", &url);
            let error = status.is_none().then(|| "storage_unavailable".to_owned());
            begun.end(|span| span::api(span, method.as_str(), &url, status, error));
        }
        answered
    }
}

impl HttpConnector for Lent {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(self.clone()))
    }
}

/// What an answer comes to.
type Answered<'a> = Pin<Box<dyn Future<Output = Result<HttpResponse, HttpError>> + Send + 'a>>;

impl HttpService for Lent {
    fn call<'lent, 'call>(&'lent self, request: HttpRequest) -> Answered<'call>
    where
        'lent: 'call,
        Self: 'call,
    {
        Box::pin(async move {
            let answer = self.sent(request).await?;
            // One byte more than a file may have, so that a longer one is told from one that was broken off.
            let left = match answer.status().is_success() {
                true => self.file_bytes.saturating_add(1),
                false => LONGEST_ERROR,
            };
            let (head, body) = answer.into_parts();
            let body = HttpResponseBody::new(Bounded { body, left });
            Ok(HttpResponse::from_parts(head, body))
        })
    }
}

/// A body that ends with an error where it has more bytes than it may.
struct Bounded {
    body: HttpResponseBody,
    left: usize,
}

impl Body for Bounded {
    type Data = Bytes;
    type Error = HttpError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, HttpError>>> {
        let frame = Pin::new(&mut self.body).poll_frame(context);
        if let Poll::Ready(Some(Ok(frame))) = &frame {
            let more = frame.data_ref().map_or(0, Bytes::len);
            match self.left.checked_sub(more) {
                Some(left) => self.left = left,
                None => {
                    let error = HttpError::new(HttpErrorKind::Decode, TooLong);
                    return Poll::Ready(Some(Err(error)));
                }
            }
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    /// What the store says of the length is believed up to the bound only: room is made for it in advance.
    fn size_hint(&self) -> SizeHint {
        let stated = self.body.size_hint();
        let most = u64::try_from(self.left).unwrap_or(u64::MAX);
        let mut hint = SizeHint::new();
        hint.set_lower(stated.lower().min(most));
        if let Some(upper) = stated.upper() {
            hint.set_upper(upper);
        }
        hint
    }
}

/// More than the bound.
#[derive(Debug)]
struct TooLong;

impl fmt::Display for TooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the answer is longer than it may be")
    }
}

impl std::error::Error for TooLong {}
