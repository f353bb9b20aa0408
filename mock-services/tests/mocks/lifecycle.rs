//! Starting, loading, unloading, stopping.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use mock_services::Service::{Calendar, Email};
use mock_services::{Credentials, Options, Script, Service, StartError};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::caller::{Caller, client, completion, send, token};

#[tokio::test]
async fn a_busy_port_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let error = mock_services::start(Options {
        crm_listen: Some(address),
        ..Options::default()
    })
    .await
    .err()
    .unwrap();
    assert!(
        matches!(
            error,
            StartError::Busy {
                service: Service::Crm,
                ..
            }
        ),
        "{error:?}"
    );
    assert_eq!(
        error.to_string(),
        format!(
            "the crm mock cannot listen on {address}: the port is in use, choose another or 0 for a free one"
        )
    );
}

#[tokio::test]
async fn other_than_loopback_must_be_allowed() {
    let wide: SocketAddr = "0.0.0.0:0".parse().unwrap();
    let options = Options {
        model_listen: Some(wide),
        ..Options::default()
    };
    let error = mock_services::start(options.clone()).await.err().unwrap();
    assert!(
        matches!(
            error,
            StartError::NotLoopback {
                service: Service::Model,
                ..
            }
        ),
        "{error:?}"
    );
    let mocks = mock_services::start(Options {
        allow_non_loopback: true,
        ..options
    })
    .await
    .unwrap();
    mocks.shutdown();
}

#[tokio::test]
async fn unusable_options_are_refused() {
    for token in ["", "a/b", "health", "strays", &"x".repeat(65)] {
        let options = Options {
            default_token: Some(token.to_owned()),
            ..Options::default()
        };
        let error = mock_services::start(options).await.err().unwrap();
        assert!(
            error.to_string().contains("cannot be the default token"),
            "{error}"
        );
    }
    for email in ["", "a b", "ä"] {
        let credentials = Credentials {
            email: email.to_owned(),
            ..Credentials::default()
        };
        let error = mock_services::start(Options {
            credentials,
            ..Options::default()
        })
        .await
        .err()
        .unwrap();
        assert!(matches!(error, StartError::Invalid(_)), "{error:?}");
    }
}

#[tokio::test]
async fn a_fixed_address_is_used_and_freed() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    let mocks = mock_services::start(Options {
        email_listen: Some(address),
        ..Options::default()
    })
    .await
    .unwrap();
    assert_eq!(mocks.service_url(Email), format!("http://{address}"));
    mocks.shutdown();
    assert!(TcpStream::connect(address).is_err());
    drop(TcpListener::bind(address).unwrap());
}

#[tokio::test]
async fn loading_starts_anew_and_unloading_makes_strays() {
    let caller = Caller::with(json!({"model": [{"text": "one"}]})).await;
    let event = json!({"start": "2026-05-01T10:00:00Z", "end": "2026-05-01T11:00:00Z"});
    assert_eq!(caller.post(Calendar, "/v1/events", event).await.status, 201);
    caller.mocks.load(&caller.token, Script::default()).unwrap();
    assert!(caller.mocks.calls(&caller.token).is_empty());
    assert!(caller.mocks.unused(&caller.token).is_empty());
    assert_eq!(
        caller.mocks.state(&caller.token, Calendar),
        json!({"events": []})
    );

    caller.mocks.unload(&caller.token);
    caller.mocks.unload(&caller.token);
    assert_eq!(caller.mocks.state(&caller.token, Calendar), Value::Null);
    assert_eq!(caller.get(Calendar, "/v1/events").await.status, 404);
    assert_eq!(caller.ask("late").await.status, 500);
    let strays = caller.mocks.stray_calls();
    assert_eq!(
        strays
            .iter()
            .map(|call| call.token.as_ref())
            .collect::<Vec<_>>(),
        [Some(&caller.token); 2]
    );
    assert_eq!(strays[0].path, "/v1/events");
}

#[tokio::test]
async fn tokens_have_their_form() {
    let caller = Caller::with(Value::Null).await;
    for bad in [
        "",
        "oapt",
        "oapt000000000000000",
        "oapt00000000000000000",
        "oaptABCDEF0000000000",
        "demo",
    ] {
        let error = caller.mocks.load(bad, Script::default()).unwrap_err();
        assert!(
            error.message.contains("16 lower-case hex digits"),
            "{error}"
        );
    }
    caller
        .mocks
        .load(&token(u64::MAX), Script::default())
        .unwrap();
}

#[tokio::test]
async fn a_default_token_serves_calls_without_one() {
    let options = Options {
        default_token: Some("demo".to_owned()),
        ..Options::default()
    };
    let mocks = mock_services::start(options).await.unwrap();
    let client = client();
    let credential = Credentials::default().calendar;
    let url = mocks.service_url(Calendar);
    // Loaded with an empty script from the start.
    for path in ["/v1/events", "/t/demo/v1/events"] {
        let reply = send(client.get(format!("{url}{path}")).bearer_auth(&credential))
            .await
            .unwrap();
        assert_eq!((reply.status, reply.json()), (200, json!({"events": []})));
    }
    let script = json!({
        "model": [{"text": "hi"}],
        "services": {"calendar": {"script": [{"redirect": {"to": "/v1/other"}}, {"redirect": {"to": "crm:/v1/x"}}]}},
    });
    mocks
        .load("demo", Script::from_value(script).unwrap())
        .unwrap();
    let reply = send(completion(&client, &mocks.model_url(), "no token"))
        .await
        .unwrap();
    assert_eq!(reply.content(), "hi");
    for location in [
        "/v1/other".to_owned(),
        format!("{}/v1/x", mocks.service_url(Service::Crm)),
    ] {
        let reply = send(
            client
                .get(format!("{url}/v1/events"))
                .bearer_auth(&credential),
        )
        .await
        .unwrap();
        assert_eq!(reply.header("location"), location);
    }
    let calls = mocks.calls("demo");
    assert_eq!(calls.len(), 3);
    assert_eq!(calls[0].token.as_deref(), Some("demo"));
    // A token that is there but unknown is not the default's.
    let reply = send(completion(&client, &mocks.model_url(), &token(9)))
        .await
        .unwrap();
    assert_eq!((reply.status, mocks.stray_calls().len()), (500, 1));
}

/// A task that has used up what tokio lets it do at a stretch gets no lock of tokio's until it yields; wiremock waits for
/// one in its drop. Nothing of this may depend on how much is left.
#[test]
fn a_task_without_budget_ends_them_too() {
    const MOST: usize = 130;
    let (sender, receiver) = std::sync::mpsc::channel();
    // In a thread of its own: should it hang, only a look from outside can tell.
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        for spent in (0..MOST).filter(|spent| *spent < 2 || *spent > 116) {
            runtime.block_on(async {
                let mocks = mock_services::start(Options::default()).await.unwrap();
                tokio::task::yield_now().await;
                for _ in 0..spent {
                    tokio::task::consume_budget().await;
                }
                drop(mocks);
            });
            sender.send(spent).unwrap();
        }
    });
    let mut last = None;
    while last != Some(MOST - 1) {
        last = receiver
            .recv_timeout(Duration::from_secs(30))
            .map(Some)
            .unwrap_or_else(|_| panic!("it hangs after {last:?}"));
    }
}

/// Callers that break off or talk nonsense harm nobody else.
#[tokio::test]
async fn rude_callers_are_survived() {
    let caller = Caller::with(Value::Null).await;
    let address = caller.mocks.service_url(Email).replace("http://", "");
    let rude = [
        "POST /v1/send HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{\"to\"",
        "GET http://[ HTTP/1.1\r\nhost: x\r\n\r\n",
        "OPTIONS * HTTP/1.1\r\nhost: x\r\n\r\n",
        "\0\0\0\0\r\n\r\n",
        "",
    ];
    for text in rude {
        let mut stream = tokio::net::TcpStream::connect(&address).await.unwrap();
        stream.write_all(text.as_bytes()).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest).await;
        assert_eq!(
            caller.get(Email, "/v1/messages").await.status,
            200,
            "{text:?}"
        );
    }
}
