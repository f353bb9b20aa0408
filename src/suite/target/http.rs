//! A target over HTTP/1.1: pooled connections, no redirects, bounded bodies.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use reqwest::header::{HeaderName, HeaderValue};
use reqwest::{Method, Url};

use super::{Answer, Boxed, Exchange, HttpRequest, SendError, Target};

/// Largest answer that is read, in bytes; transcripts of long sessions are the largest.
pub(in crate::suite) const MOST_BODY: usize = 32 << 20;

/// Most brackets, colons and commas of an answer that is read; an observation of 1 MiB, thrice, has fewer.
pub(in crate::suite) const MOST_MARKS: usize = 2_000_000;

/// How many of them a text has; the memory that it takes as a value grows with them.
pub(in crate::suite) fn marks(body: &[u8]) -> usize {
    let is_mark = |byte: &&u8| matches!(byte, b'{' | b'[' | b':' | b',');
    body.iter().filter(is_mark).count()
}

/// A runtime that listens at a URL.
#[derive(Debug, Clone)]
pub struct HttpTarget {
    base: String,
    client: reqwest::Client,
    headers: Vec<(String, String)>,
}

impl HttpTarget {
    /// A target at `base_url`; `headers` go with every request that does not bring its own.
    ///
    /// # Errors
    /// When the URL is not absolute `http` or `https`, or no client can be made.
    pub fn new(base_url: &str, headers: Vec<(String, String)>) -> Result<Self, String> {
        let url = Url::parse(base_url)
            .map_err(|_| format!("'{base_url}' is no URL; write http://host:port"))?;
        if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
            return Err(format!(
                "'{base_url}' is not http or https; write http://host:port"
            ));
        }
        if !url.username().is_empty() || url.password().is_some() {
            // Not quoted: reports and process lists must not hold it.
            return Err("the URL holds a user or password; take it out".to_owned());
        }
        // An error only says that another part of this process was first.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let builder = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .tcp_nodelay(true)
            .pool_idle_timeout(Duration::from_secs(20));
        // Where no certificate will ever be looked at, those of the machine need not be read: that takes milliseconds.
        let builder = if url.scheme() == "http" {
            builder.tls_certs_only([])
        } else {
            builder
        };
        let client = builder
            .build()
            .map_err(|error| format!("no HTTP client can be made: {error}"))?;
        Ok(Self {
            base: base_url.trim_end_matches('/').to_owned(),
            client,
            headers,
        })
    }

    /// Whether the target listens on this machine's loopback; others need the operator's consent.
    pub fn is_loopback(&self) -> bool {
        let host = Url::parse(&self.base)
            .ok()
            .and_then(|url| url.host_str().map(str::to_owned))
            .unwrap_or_default();
        host == "localhost"
            || host
                .trim_matches(['[', ']'])
                .parse::<IpAddr>()
                .is_ok_and(|address| address.is_loopback())
    }

    async fn exchange(&self, request: &HttpRequest) -> Result<Answer, SendError> {
        let unsendable = |what: &str| SendError::Unsendable(what.to_owned());
        let method = Method::from_bytes(request.method.as_bytes())
            .map_err(|_| unsendable("its method is no token"))?;
        let url = Url::parse(&format!("{}{}", self.base, request.path))
            .map_err(|_| unsendable("its path makes no URL"))?;
        let mut builder = self.client.request(method, url);
        let own = |name: &str| {
            request
                .headers
                .iter()
                .any(|(own, _)| own.eq_ignore_ascii_case(name))
        };
        let defaults = self.headers.iter().filter(|(name, _)| !own(name));
        for (name, value) in request.headers.iter().chain(defaults) {
            let name = HeaderName::from_bytes(name.as_bytes())
                .map_err(|_| unsendable("a header has no valid name"))?;
            let value = HeaderValue::from_bytes(value.as_bytes())
                .map_err(|_| unsendable("a header has no valid value"))?;
            builder = builder.header(name, value);
        }
        if !request.body.is_empty() {
            builder = builder.body(request.body.clone());
        }
        let mut response = builder.send().await.map_err(|error| {
            if error.is_connect() {
                SendError::Unreachable(error.to_string())
            } else if error.is_builder() {
                SendError::Unsendable(error.to_string())
            } else {
                SendError::Broken(error.to_string())
            }
        })?;
        let status = response.status().as_u16();
        let headers = response
            .headers()
            .iter()
            .map(|(name, value)| {
                (
                    name.as_str().to_owned(),
                    String::from_utf8_lossy(value.as_bytes()).into_owned(),
                )
            })
            .collect();
        let mut body = Vec::new();
        while let Some(chunk) = response
            .chunk()
            .await
            .map_err(|error| SendError::Broken(error.to_string()))?
        {
            if body.len() + chunk.len() > MOST_BODY {
                return Err(SendError::TooLarge(MOST_BODY));
            }
            body.extend_from_slice(&chunk);
        }
        if marks(&body) > MOST_MARKS {
            return Err(SendError::TooDense(MOST_MARKS));
        }
        Ok(Answer {
            status,
            headers,
            body,
        })
    }
}

impl Target for HttpTarget {
    fn base_url(&self) -> &str {
        &self.base
    }

    fn send(&self, request: HttpRequest, timeout: Duration) -> Boxed<'_, Exchange> {
        Box::pin(async move {
            let started = Instant::now();
            let outcome = match tokio::time::timeout(timeout, self.exchange(&request)).await {
                Ok(outcome) => outcome,
                Err(_) => Err(SendError::TimedOut(timeout)),
            };
            Exchange {
                request,
                outcome,
                duration: started.elapsed(),
                answered: None,
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    async fn server(answer: &'static str) -> (String, tokio::task::JoinHandle<()>) {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
            .await
            .expect("listens");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let task = tokio::spawn(async move {
            while let Ok((mut socket, _)) = listener.accept().await {
                let mut bytes = [0; 1024];
                let _ = socket.read(&mut bytes).await;
                let _ = socket.write_all(answer.as_bytes()).await;
                if answer.is_empty() {
                    // Held open: an answer never comes.
                    let _ = socket.read(&mut bytes).await;
                }
            }
        });
        (url, task)
    }

    async fn outcome(url: &str) -> Result<Answer, SendError> {
        let target = HttpTarget::new(url, vec![("x-own".into(), "1".into())]).expect("a target");
        assert!(target.is_loopback());
        target
            .send(
                HttpRequest::new("GET", "/healthz"),
                Duration::from_millis(300),
            )
            .await
            .outcome
    }

    #[tokio::test]
    async fn answers_are_read_whole() {
        let (url, task) =
            server("HTTP/1.1 200 OK\r\nX-A: 1\r\nX-A: 2\r\nContent-Length: 8\r\n\r\n{\"a\": 1}")
                .await;
        let answer = outcome(&url).await.expect("an answer");
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("X-a").as_deref(), Some("1, 2"));
        assert_eq!(answer.body_value(), Some(serde_json::json!({"a": 1})));
        task.abort();
    }

    #[tokio::test]
    async fn redirects_are_not_followed() {
        let (url, task) = server(
            "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n",
        )
        .await;
        assert_eq!(outcome(&url).await.expect("an answer").status, 302);
        task.abort();
    }

    #[tokio::test]
    async fn silence_breaks_and_refusals_are_told_apart() {
        let (url, task) = server("").await;
        assert!(matches!(outcome(&url).await, Err(SendError::TimedOut(_))));
        task.abort();
        let (url, task) = server("garbage").await;
        assert!(matches!(outcome(&url).await, Err(SendError::Broken(_))));
        task.abort();
        let _ = task.await;
        assert!(matches!(
            outcome(&url).await,
            Err(SendError::Unreachable(_) | SendError::TimedOut(_))
        ));
    }

    #[tokio::test]
    async fn what_cannot_be_sent_is_the_cases_fault() {
        let target = HttpTarget::new("http://127.0.0.1:9", Vec::new()).expect("a target");
        let mut request = HttpRequest::new("GET", "/");
        request.headers.push(("x".into(), "a\nb".into()));
        let exchange = target.send(request, Duration::from_secs(1)).await;
        assert!(matches!(exchange.outcome, Err(SendError::Unsendable(_))));
    }

    #[tokio::test]
    async fn an_answer_of_countless_values_is_not_parsed() {
        let body = "[".to_owned() + &",".repeat(MOST_MARKS) + "]";
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
        let (url, task) = server(Box::leak((head + &body).into_boxed_str())).await;
        let target = HttpTarget::new(&url, Vec::new()).expect("a target");
        let asked = HttpRequest::new("GET", "/healthz");
        let answer = target.send(asked, Duration::from_secs(20)).await.outcome;
        assert_eq!(answer, Err(SendError::TooDense(MOST_MARKS)));
        task.abort();
    }

    #[test]
    fn a_base_url_is_absolute_http() {
        for url in ["", "127.0.0.1:80", "ftp://x", "http://"] {
            assert!(HttpTarget::new(url, Vec::new()).is_err(), "{url}");
        }
        let target = HttpTarget::new("http://192.0.2.1/", Vec::new()).expect("a target");
        assert!(!target.is_loopback());
        assert_eq!(target.base_url(), "http://192.0.2.1");
    }
}
