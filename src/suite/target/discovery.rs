//! Is the target up, and what does it declare?

use std::time::{Duration, Instant};

use serde_json::Value;

use super::{HttpRequest, SendError, Target, bounded};
use crate::requirement::{Extension, Profile};
use crate::suite::applicability::Capabilities;
use crate::suite::verdict::RunError;

/// Time between two looks at a target that is not ready yet.
const PAUSE: Duration = Duration::from_millis(20);

/// Waits until `GET /healthz` answers anything below 500, at most `patience`.
///
/// # Errors
/// [`RunError::Unreachable`] when nobody listens, [`RunError::NotReady`] when somebody does but does not answer.
pub async fn wait_ready(target: &dyn Target, patience: Duration) -> Result<(), RunError> {
    let deadline = Instant::now() + patience;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let time = left.max(PAUSE);
        let exchange = bounded(target, HttpRequest::new("GET", "/healthz"), time).await;
        match &exchange.outcome {
            Ok(answer) if answer.status < 500 => return Ok(()),
            _ if Instant::now() + PAUSE < deadline => tokio::time::sleep(PAUSE).await,
            outcome => return Err(gave_up(target.base_url(), outcome.as_ref().err())),
        }
    }
}

fn gave_up(url: &str, error: Option<&SendError>) -> RunError {
    match error {
        Some(SendError::Unreachable(_)) => RunError::Unreachable(format!(
            "nobody listens at {url}; start the runtime or mend the address"
        )),
        Some(error) => RunError::NotReady(format!(
            "{url} is not ready: {error}; see why it does not answer GET /healthz"
        )),
        None => RunError::NotReady(format!(
            "{url} is not ready: GET /healthz answers 5xx; wait until it is up or see its log"
        )),
    }
}

/// Asks `GET /capabilities`. What is not understood declares nothing but `core`; judging the answer is a case's job.
pub async fn discover(target: &dyn Target, timeout: Duration) -> Capabilities {
    let exchange = bounded(target, HttpRequest::new("GET", "/capabilities"), timeout).await;
    let body = exchange
        .answer()
        .filter(|answer| answer.status == 200)
        .and_then(super::Answer::json)
        .unwrap_or_default();
    read(&body)
}

fn read(body: &Value) -> Capabilities {
    let texts = |member: &str| -> Vec<String> {
        body.get(member)
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(|element| element.as_str().map(str::to_owned))
            .collect()
    };
    let mut capabilities = Capabilities::of(
        texts("profiles")
            .iter()
            .filter_map(|name| name.parse::<Profile>().ok()),
    );
    capabilities.runtimes = texts("runtimes");
    let extensions = texts("extensions");
    capabilities.extensions = extensions
        .iter()
        .filter_map(|name| name.parse::<Extension>().ok())
        .collect();
    capabilities.schemes = body.get("schemes").map(|_| texts("schemes"));
    capabilities.implementation = body.get("implementation").cloned();
    capabilities
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::suite::target::HttpTarget;
    use serde_json::json;

    #[test]
    fn a_declaration_is_read_with_a_tolerant_eye() {
        let found = read(
            &json!({"profiles": ["core", "session", "x-own", 5], "runtimes": ["wasm"], "extensions": ["caching", "x-own", 1], "implementation": {"name": "x"}}),
        );
        assert_eq!(found.profiles.len(), 2);
        assert!(found.profiles.contains(&Profile::Session));
        assert_eq!(found.runtimes, ["wasm"]);
        assert_eq!(found.extensions, [Extension::Caching].into());
        for nothing in [json!(null), json!([]), json!({"profiles": "core"})] {
            assert_eq!(read(&nothing).profiles.len(), 1);
        }
    }

    #[tokio::test]
    async fn a_dead_address_is_unreachable() {
        // Bound and not listening: nobody else is given the port.
        let dead = tokio::net::TcpSocket::new_v4().expect("a socket");
        dead.bind(([127, 0, 0, 1], 0).into()).expect("bound");
        let url = format!("http://{}", dead.local_addr().expect("an address"));
        let target = HttpTarget::new(&url, Vec::new()).expect("a target");
        let error = wait_ready(&target, Duration::from_millis(60))
            .await
            .expect_err("nobody");
        assert!(matches!(error, RunError::Unreachable(_)), "{error:?}");
    }
}
