//! Scripted model and stateful mock services for judging Open-Action Protocol runtimes.
//!
//! Five mocks (model, calendar, email, CRM, object store) listen on a port each. Every call carries a correlation token: the
//! services find it in the path (`/t/<token>/…`, the object store at the head of the key), the model anywhere in the request's text. A token owns a script, the state of
//! its services and a journal of its calls, so hundreds of cases share one process without seeing each other.

#![forbid(unsafe_code)]

mod calendar;
mod clock;
mod collector;
mod control;
mod crm;
mod email;
mod entry;
mod journal;
mod model;
mod objects;
mod reply;
mod router;
mod script;
mod server;
mod token;
mod wire;

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use serde_json::Value;

pub use collector::{Collector, CollectorFault, SLOW as SLOW_COLLECTOR, Span};
pub use journal::{Auth, Call, Service, UnusedEntry};
pub use model::{ModelWire, prompt_messages, prompt_text};
pub use script::{Script, ScriptError};

use router::{Origins, Router};
use server::Servers;

/// The credentials that the mocks expect: all but the object store's after `Bearer `.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    /// Of the calendar, `CALENDAR_TOKEN` in a target's environment.
    pub calendar: String,
    /// Of the email service, `EMAIL_TOKEN`.
    pub email: String,
    /// Of the CRM, `CRM_TOKEN`.
    pub crm: String,
    /// Of the model, `OPENAI_API_KEY`.
    pub model_key: String,
    /// Names the key that signs requests to the object store, `AWS_ACCESS_KEY_ID`.
    pub object_key_id: String,
    /// That key, `AWS_SECRET_ACCESS_KEY`. It is told, not expected: signatures are not checked.
    pub object_key: String,
}

impl Default for Credentials {
    /// The suite's documented test values; `/`, `+` and `=` are there so that their encodings differ.
    fn default() -> Self {
        Credentials {
            calendar: "cal-tok+en/3f9a1c77==".into(),
            email: "eml-tok+en/8b2d4e01==".into(),
            crm: "crm-tok+en/5c7e9a22==".into(),
            model_key: "sk-test-model-key-0001".into(),
            object_key_id: "OAPTESTACCESSKEY0001".into(),
            object_key: "obj-key+en/9d4c6b20==".into(),
        }
    }
}

/// How to start the mocks. The default: five free loopback ports, test credentials, no default token, no control door.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Where the model listens; `None` is a free port on 127.0.0.1.
    pub model_listen: Option<SocketAddr>,
    /// Where the calendar listens.
    pub calendar_listen: Option<SocketAddr>,
    /// Where the email service listens.
    pub email_listen: Option<SocketAddr>,
    /// Where the CRM listens.
    pub crm_listen: Option<SocketAddr>,
    /// Where the object store listens.
    pub objects_listen: Option<SocketAddr>,
    /// Where the collector of traces listens.
    pub collector_listen: Option<SocketAddr>,
    /// What the checks of credentials expect.
    pub credentials: Credentials,
    /// The token under which calls that carry none are served, for standalone use; it is loaded with an empty script.
    pub default_token: Option<String>,
    /// Serve `/__mock/…` on the model's port. Off in judged runs, so that a target cannot reach its judge.
    pub control_door: bool,
    /// Allow listening beyond loopback.
    pub allow_non_loopback: bool,
    /// The host under which callers find the mocks, where it is not the address that they listen on: a name, or an address.
    pub advertise: Option<String>,
}

impl Options {
    /// Where a service is asked to listen.
    fn listen(&self, service: Service) -> Option<SocketAddr> {
        match service {
            Service::Model => self.model_listen,
            Service::Calendar => self.calendar_listen,
            Service::Email => self.email_listen,
            Service::Crm => self.crm_listen,
            Service::Objects => self.objects_listen,
        }
    }
}

/// Why the mocks could not start.
#[derive(Debug)]
pub enum StartError {
    /// The address is in use.
    Busy {
        /// Which mock wanted it.
        service: Service,
        /// The address.
        address: SocketAddr,
    },
    /// The address cannot be listened on for another reason.
    Listen {
        /// Which mock wanted it.
        service: Service,
        /// The address.
        address: SocketAddr,
        /// The system's reason.
        source: std::io::Error,
    },
    /// The address is not loopback and that was not allowed.
    NotLoopback {
        /// Which mock wanted it.
        service: Service,
        /// The address.
        address: SocketAddr,
    },
    /// The default token or a credential cannot be used.
    Invalid(String),
    /// No thread or runtime could be started.
    System(std::io::Error),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StartError::Busy { service, address } => {
                write!(
                    f,
                    "the {service} mock cannot listen on {address}: the port is in use, choose another or 0 for a free one"
                )
            }
            StartError::Listen {
                service,
                address,
                source,
            } => {
                write!(f, "the {service} mock cannot listen on {address}: {source}")
            }
            StartError::NotLoopback { service, address } => {
                write!(
                    f,
                    "the {service} mock may not listen on {address}: use a loopback address or allow others explicitly"
                )
            }
            StartError::Invalid(reason) => f.write_str(reason),
            StartError::System(source) => write!(f, "the mocks cannot start: {source}"),
        }
    }
}

impl std::error::Error for StartError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            StartError::Listen { source, .. } | StartError::System(source) => Some(source),
            _ => None,
        }
    }
}

/// Starts the mocks; they answer when this returns.
///
/// # Errors
/// A busy or forbidden address, an unusable default token or credential; see [`StartError`].
pub async fn start(options: Options) -> Result<MockServices, StartError> {
    let listeners = server::bind(
        |service| options.listen(service),
        options.allow_non_loopback,
    )?;
    let origins = Origins::of(&listeners, options.advertise.as_deref())?;
    let router = Arc::new(Router::new(
        options.credentials,
        options.default_token,
        options.control_door,
        origins,
    )?);
    let servers = Servers::start(listeners, &router).await?;
    let collector = Collector::start(options.collector_listen, options.advertise.as_deref())
        .map_err(StartError::System)?;
    Ok(MockServices {
        router,
        servers,
        collector,
    })
}

/// The running mocks. Dropping them stops all five; answers that are held back are cut off.
#[derive(Debug)]
pub struct MockServices {
    router: Arc<Router>,
    servers: Servers,
    collector: Collector,
}

impl MockServices {
    /// Base URL for an OpenAI client, as in `http://127.0.0.1:4010/v1`.
    pub fn model_url(&self) -> String {
        format!("{}/v1", self.router.origin(Service::Model))
    }

    /// Base URL for a client of this wire: for OpenAI as [`MockServices::model_url`], for the others the origin.
    pub fn model_url_of(&self, wire: ModelWire) -> String {
        match wire {
            ModelWire::OpenAi => self.model_url(),
            ModelWire::Anthropic | ModelWire::Cohere => {
                self.router.origin(Service::Model).to_owned()
            }
        }
    }

    /// The collector of traces.
    pub fn collector(&self) -> &Collector {
        &self.collector
    }

    /// Origin of a service without a trailing slash, as in `http://127.0.0.1:4011`.
    pub fn service_url(&self, service: Service) -> String {
        self.router.origin(service).to_owned()
    }

    /// Gives a token its script, fresh state and an empty journal; a token that is loaded already starts anew.
    ///
    /// # Errors
    /// The token is neither `oapt` followed by 16 lower-case hex digits nor the default token.
    pub fn load(&self, token: &str, script: Script) -> Result<(), ScriptError> {
        self.router.load(token, script)
    }

    /// All calls of a token so far, in order; empty for an unknown token.
    pub fn calls(&self, token: &str) -> Vec<Call> {
        self.router.calls(token).unwrap_or_default()
    }

    /// How many calls of a token there are so far; 0 for an unknown token.
    pub fn calls_so_far(&self, token: &str) -> usize {
        self.router.calls_so_far(token).unwrap_or_default()
    }

    /// Calls that carried no known token (late calls of an unloaded one are here too).
    pub fn stray_calls(&self) -> Vec<Call> {
        self.router.stray_calls()
    }

    /// The token's script entries that were used less often than they should have been.
    pub fn unused(&self, token: &str) -> Vec<UnusedEntry> {
        self.router.unused(token).unwrap_or_default()
    }

    /// The state of a service under a token: `{events}`, `{messages}`, `{meetings, contacts}`, `{objects}`, or `{calls}` for
    /// the model; null for an unknown token.
    pub fn state(&self, token: &str, service: Service) -> Value {
        self.router.state(token, service).unwrap_or_default()
    }

    /// Frees everything the token holds; its later calls are strays. Unknown tokens are ignored.
    pub fn unload(&self, token: &str) {
        self.router.unload(token);
    }

    /// Stops listening and cuts off held answers; returns when no mock accepts connections any more.
    pub fn shutdown(self) {
        self.servers.stop();
    }
}
