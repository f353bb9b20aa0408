//! A caller of the mocks, with the right credentials unless told otherwise.

use std::sync::Once;

use mock_services::{Credentials, MockServices, Options, Script, Service};
use reqwest::redirect::Policy;
use reqwest::{Client, Method, RequestBuilder};
use serde_json::{Value, json};

/// A token like those of the suite.
pub fn token(number: u64) -> String {
    format!("oapt{number:016x}")
}

pub struct Reply {
    pub status: u16,
    pub headers: reqwest::header::HeaderMap,
    pub text: String,
}

impl Reply {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers[name].to_str().unwrap()
    }

    /// What the model said.
    pub fn content(&self) -> String {
        self.json()["choices"][0]["message"]["content"]
            .as_str()
            .unwrap()
            .to_owned()
    }
}

/// The mocks, a token with a script, and an HTTP client.
pub struct Caller {
    pub mocks: MockServices,
    pub client: Client,
    pub token: String,
}

pub fn client() -> Client {
    static PROVIDER: Once = Once::new();
    PROVIDER.call_once(|| {
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
    Client::builder()
        .redirect(Policy::none())
        .no_proxy()
        .build()
        .unwrap()
}

pub fn credential(service: Service) -> String {
    let Credentials {
        calendar,
        email,
        crm,
        model_key,
        object_key_id,
        ..
    } = Credentials::default();
    match service {
        Service::Model => model_key,
        Service::Calendar => calendar,
        Service::Email => email,
        Service::Crm => crm,
        Service::Objects => object_key_id,
    }
}

pub async fn send(request: RequestBuilder) -> reqwest::Result<Reply> {
    let response = request.send().await?;
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    Ok(Reply {
        status,
        headers,
        text: response.text().await?,
    })
}

/// A request to the model whose only message is `prompt`.
pub fn completion(client: &Client, url: &str, prompt: &str) -> RequestBuilder {
    let body = json!({"model": "test-model", "messages": [{"role": "user", "content": prompt}]});
    client
        .post(format!("{url}/chat/completions"))
        .bearer_auth(credential(Service::Model))
        .body(body.to_string())
}

impl Caller {
    /// Starts the mocks and loads the script under a token.
    pub async fn with(script: Value) -> Caller {
        Caller::with_options(script, Options::default()).await
    }

    pub async fn with_options(script: Value, options: Options) -> Caller {
        let mocks = mock_services::start(options).await.unwrap();
        let token = token(0xfeed);
        mocks
            .load(&token, Script::from_value(script).unwrap())
            .unwrap();
        Caller {
            mocks,
            client: client(),
            token,
        }
    }

    /// Asks the model; the token is added to the prompt.
    pub async fn ask(&self, prompt: &str) -> Reply {
        self.try_ask(prompt).await.unwrap()
    }

    pub async fn try_ask(&self, prompt: &str) -> reqwest::Result<Reply> {
        send(completion(
            &self.client,
            &self.mocks.model_url(),
            &format!("{prompt} [{}]", self.token),
        ))
        .await
    }

    /// A request to a service under the token, with its credential.
    pub fn request(&self, service: Service, method: &str, path: &str) -> RequestBuilder {
        let url = format!("{}/t/{}{path}", self.mocks.service_url(service), self.token);
        self.client
            .request(Method::from_bytes(method.as_bytes()).unwrap(), url)
            .bearer_auth(credential(service))
    }

    pub async fn get(&self, service: Service, path: &str) -> Reply {
        send(self.request(service, "GET", path)).await.unwrap()
    }

    pub async fn post(&self, service: Service, path: &str, body: Value) -> Reply {
        send(self.request(service, "POST", path).body(body.to_string()))
            .await
            .unwrap()
    }

    /// What happened to the token's last call: (status, entry, unmatched).
    pub fn last(&self) -> mock_services::Call {
        self.mocks.calls(&self.token).pop().unwrap()
    }
}
