//! From a call to its answer: find the token, check the credential, ask the script, then the service's state; journal it all.

use std::collections::HashMap;
use std::net::TcpListener;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Instant;

use serde_json::{Value, json};

use crate::journal::{Auth, Call, Journal, Service, UnusedEntry};
use crate::model::{self, ModelWire};
use crate::objects;
use crate::script::{Script, ScriptError};
use crate::token::{is_token, tokens};
use crate::wire::{Answer, Incoming, MAX_BODY};
use crate::{Credentials, StartError, control};

/// Where each mock listens, as `http://host:port`.
#[derive(Debug)]
pub(crate) struct Origins(HashMap<Service, String>);

impl Origins {
    /// The address that each listens on, or the same port of the host that is advertised.
    pub(crate) fn of(
        listeners: &[(Service, TcpListener)],
        advertise: Option<&str>,
    ) -> Result<Self, StartError> {
        if let Some(host) = advertise
            && !host_is_plain(host)
        {
            return Err(StartError::Invalid(format!(
                "the advertised host '{host}' is no name and no address"
            )));
        }
        let origin = |(service, listener): &(Service, TcpListener)| {
            let address = listener.local_addr().map_err(StartError::System)?;
            let origin = match advertise {
                Some(host) if host.contains(':') && !host.starts_with('[') => {
                    format!("http://[{host}]:{}", address.port())
                }
                Some(host) => format!("http://{host}:{}", address.port()),
                None => format!("http://{address}"),
            };
            Ok((*service, origin))
        };
        listeners
            .iter()
            .map(origin)
            .collect::<Result<_, _>>()
            .map(Origins)
    }
}

/// Whether a text can stand as the host of a URL.
fn host_is_plain(host: &str) -> bool {
    let plain =
        |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '[' | ']');
    !host.is_empty() && host.chars().all(plain)
}

/// Everything that belongs to one token.
#[derive(Debug, Default)]
struct Room {
    /// The script with its use counts, and the services' states, which move on with each call.
    script: Script,
    journal: Journal,
}

/// All tokens. A call locks the table for one look-up and then its own token's room only.
#[derive(Debug)]
pub(crate) struct Router {
    started: Instant,
    credentials: Credentials,
    default_token: Option<String>,
    control_door: bool,
    origins: Origins,
    rooms: RwLock<HashMap<String, Arc<Mutex<Room>>>>,
    strays: Mutex<Journal>,
}

/// Where a call belongs.
struct Address {
    /// The token found in the call, known or not; the default token if the call has none.
    token: Option<String>,
    /// `/t/<token>` when the path had it.
    prefix: String,
    room: Option<Arc<Mutex<Room>>>,
}

/// What a room, or the lack of one, makes of a call.
struct Outcome {
    answer: Answer,
    entry: Option<usize>,
    unmatched: Option<String>,
}

impl Router {
    pub(crate) fn new(
        credentials: Credentials,
        default_token: Option<String>,
        control_door: bool,
        origins: Origins,
    ) -> Result<Self, StartError> {
        let all = [
            &credentials.calendar,
            &credentials.email,
            &credentials.crm,
            &credentials.model_key,
            &credentials.object_key_id,
        ];
        if all.iter().any(|credential| {
            credential.is_empty() || !credential.bytes().all(|byte| byte.is_ascii_graphic())
        }) {
            return Err(StartError::Invalid(
                "a credential must be printable ASCII without spaces, and not empty".to_owned(),
            ));
        }
        let mut rooms = HashMap::new();
        if let Some(token) = &default_token {
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
            let reserved = matches!(token.as_str(), "health" | "strays");
            if token.is_empty() || token.len() > 64 || reserved || !token.bytes().all(plain) {
                let message = format!(
                    "`{}` cannot be the default token: use up to 64 letters, digits, `-` and `_`, and not `health` or `strays`",
                    token.escape_debug()
                );
                return Err(StartError::Invalid(message));
            }
            rooms.insert(token.clone(), Arc::default());
        }
        Ok(Router {
            started: Instant::now(),
            credentials,
            default_token,
            control_door,
            origins,
            rooms: RwLock::new(rooms),
            strays: Mutex::default(),
        })
    }

    pub(crate) fn origin(&self, service: Service) -> &str {
        self.origins.0.get(&service).map_or("", String::as_str)
    }

    pub(crate) fn load(&self, token: &str, script: Script) -> Result<(), ScriptError> {
        if !is_token(token.as_bytes()) && self.default_token.as_deref() != Some(token) {
            let message = format!(
                "`{}` is no token: use `oapt` and 16 lower-case hex digits",
                token.escape_debug()
            );
            return Err(ScriptError {
                pointer: String::new(),
                message,
            });
        }
        let room = Room {
            script,
            journal: Journal::default(),
        };
        let mut rooms = self.rooms.write().unwrap_or_else(PoisonError::into_inner);
        rooms.insert(token.to_owned(), Arc::new(Mutex::new(room)));
        Ok(())
    }

    /// Forgets a token; tells whether it was known.
    pub(crate) fn unload(&self, token: &str) -> bool {
        self.rooms
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(token)
            .is_some()
    }

    pub(crate) fn calls(&self, token: &str) -> Option<Vec<Call>> {
        self.room(token).map(|room| lock(&room).journal.calls())
    }

    pub(crate) fn calls_so_far(&self, token: &str) -> Option<usize> {
        self.room(token).map(|room| lock(&room).journal.len())
    }

    pub(crate) fn stray_calls(&self) -> Vec<Call> {
        lock(&self.strays).calls()
    }

    pub(crate) fn unused(&self, token: &str) -> Option<Vec<UnusedEntry>> {
        let room = self.room(token)?;
        let room = lock(&room);
        let Script {
            model,
            calendar,
            email,
            crm,
            objects,
            ..
        } = &room.script;
        let services = [
            (calendar, Service::Calendar),
            (email, Service::Email),
            (crm, Service::Crm),
            (objects, Service::Objects),
        ];
        let services = services
            .into_iter()
            .flat_map(|(script, service)| script.unused(service));
        Some(model.unused(Service::Model).chain(services).collect())
    }

    pub(crate) fn state(&self, token: &str, service: Service) -> Option<Value> {
        let room = self.room(token)?;
        let room = lock(&room);
        Some(match service {
            Service::Model => json!({"calls": room.script.model.answered()}),
            Service::Calendar => room.script.calendar_state.state(),
            Service::Email => room.script.email_state.state(),
            Service::Crm => room.script.crm_state.state(),
            Service::Objects => room.script.objects_state.state(),
        })
    }

    /// Answers one call and journals it.
    pub(crate) fn answer(&self, service: Service, mut incoming: Incoming) -> Answer {
        if self.control_door && service == Service::Model && control::is_for(&incoming.path) {
            return control::answer(self, &incoming);
        }
        let at = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        let address = self.address(service, &mut incoming);
        let auth = self.auth(service, &incoming);
        // Plugins are installed once for all cases, without a credential of a case.
        let open = is_plugin_call(service, &incoming) && incoming.body.len() <= MAX_BODY;
        let size = incoming.body.len();
        let call = Call {
            seq: 0,
            at,
            token: address.token.clone(),
            service,
            method: incoming.method.clone(),
            path: incoming.path.clone(),
            query: incoming.query.clone(),
            headers: incoming.headers.clone(),
            body: incoming.body_value(),
            auth,
            status: 0,
            entry: None,
            unmatched: None,
        };
        let file = |outcome: Outcome, journal: &mut Journal| {
            let Outcome {
                answer,
                entry,
                unmatched,
            } = outcome;
            journal.file(
                Call {
                    status: answer.journal_status(),
                    entry,
                    unmatched,
                    ..call
                },
                size,
            );
            answer
        };
        match &address.room {
            Some(room) => {
                let mut room = lock(room);
                let outcome = match barred(service, &incoming, auth).filter(|_| !open) {
                    Some(outcome) => outcome,
                    None => self.within(&mut room.script, service, &incoming, &address.prefix),
                };
                file(outcome, &mut room.journal)
            }
            None => {
                let outcome = barred(service, &incoming, auth)
                    .unwrap_or_else(|| stray(service, &incoming, address.token.as_deref()));
                file(outcome, &mut lock(&self.strays))
            }
        }
    }

    /// The answer of a token's script, else of its services.
    fn within(
        &self,
        script: &mut Script,
        service: Service,
        incoming: &Incoming,
        prefix: &str,
    ) -> Outcome {
        let entries = match service {
            Service::Model => {
                let model::Decision {
                    answer,
                    entry,
                    unmatched,
                } = model::decide(&mut script.model, incoming);
                return Outcome {
                    answer,
                    entry,
                    unmatched,
                };
            }
            Service::Calendar => &mut script.calendar,
            Service::Email => &mut script.email,
            Service::Crm => &mut script.crm,
            Service::Objects => &mut script.objects,
        };
        if let Some((index, entry)) = entries.take(incoming) {
            // The same origin is left to the caller to resolve, so that a redirect also holds behind a forwarder.
            let locate = |target: Option<Service>, path: &str| match target {
                Some(other) => format!("{}{prefix}{path}", self.origin(other)),
                None => format!("{prefix}{path}"),
            };
            let answer = entry.answer(incoming.bearer().unwrap_or_default(), locate);
            return Outcome {
                answer,
                entry: Some(index),
                unmatched: None,
            };
        }
        let answer = match service {
            _ if is_plugin_call(service, incoming) => {
                let plain = Incoming {
                    path: incoming.path[PLUGIN_PREFIX.len() - 1..].to_owned(),
                    ..incoming.clone()
                };
                script
                    .calendar_state
                    .answer(&plain)
                    .or_else(|| script.email_state.answer(&plain))
                    .or_else(|| script.crm_state.answer(&plain))
            }
            Service::Calendar => script.calendar_state.answer(incoming),
            Service::Email => script.email_state.answer(incoming),
            Service::Crm => script.crm_state.answer(incoming),
            Service::Objects => script.objects_state.answer(incoming),
            Service::Model => None,
        };
        match answer {
            Some(answer) => Outcome {
                answer,
                entry: None,
                unmatched: None,
            },
            None => {
                let nearest = match service {
                    Service::Calendar => script.calendar.nearest(incoming),
                    Service::Email => script.email.nearest(incoming),
                    Service::Objects => script.objects.nearest(incoming),
                    _ => script.crm.nearest(incoming),
                };
                let why = format!(
                    "the {service} mock has no {} {}, and {}",
                    incoming.method, incoming.path, nearest.1
                );
                let answer = match service {
                    Service::Objects => objects::error(501, "NotImplemented", &why),
                    _ => Answer::error(404, "no_such_endpoint", &why),
                };
                Outcome {
                    answer,
                    entry: None,
                    unmatched: Some(why),
                }
            }
        }
    }

    fn room(&self, token: &str) -> Option<Arc<Mutex<Room>>> {
        self.rooms
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(token)
            .cloned()
    }

    /// Finds a call's token; a service's path loses its `/t/<token>`.
    fn address(&self, service: Service, incoming: &mut Incoming) -> Address {
        let mut prefix = String::new();
        let mut token = None;
        if service == Service::Model {
            for found in tokens(incoming) {
                if let Some(room) = self.room(&found) {
                    return Address {
                        token: Some(found),
                        prefix,
                        room: Some(room),
                    };
                }
                token.get_or_insert(found);
            }
        } else if is_plugin_call(service, incoming) {
            token = tokens(incoming).find(|found| self.room(found).is_some());
        } else if service == Service::Objects {
            if let Some((found, key)) = objects::locate(&incoming.path) {
                prefix = format!("/{}/{found}", objects::BUCKET);
                token = Some(found.to_owned());
                incoming.path = key.to_owned();
            }
        } else if let Some(rest) = incoming.path.strip_prefix("/t/") {
            let (found, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
            let path = if path.is_empty() {
                "/".to_owned()
            } else {
                path.to_owned()
            };
            prefix = format!("/t/{found}");
            token = Some(found.to_owned());
            incoming.path = path;
        }
        let token = token.or_else(|| self.default_token.clone());
        let room = token.as_deref().and_then(|token| self.room(token));
        Address {
            token,
            prefix,
            room,
        }
    }

    fn auth(&self, service: Service, incoming: &Incoming) -> Auth {
        let expected = match service {
            Service::Model => {
                let key = &self.credentials.model_key;
                // Anthropic's wire has a header of its own for the key; its maker's clients send a bearer token as well.
                let own = incoming.headers.get("x-api-key");
                match own.filter(|_| model::wire_of(incoming) == ModelWire::Anthropic) {
                    Some(found) if found != key => return Auth::Wrong,
                    Some(_) if incoming.authorization.is_empty() => return Auth::Ok,
                    _ => key,
                }
            }
            Service::Calendar => &self.credentials.calendar,
            Service::Email => &self.credentials.email,
            Service::Crm => &self.credentials.crm,
            Service::Objects => {
                return objects::auth(incoming, &self.credentials.object_key_id);
            }
        };
        match incoming.bearer() {
            Some(found) if found == expected => Auth::Ok,
            _ if incoming.authorization.is_empty() => Auth::Missing,
            _ => Auth::Wrong,
        }
    }
}

/// Where the calls of plugins begin: these are installed before any token is known, so their calls carry it in the body.
const PLUGIN_PREFIX: &str = "/p/";

fn is_plugin_call(service: Service, incoming: &Incoming) -> bool {
    service != Service::Objects && incoming.path.starts_with(PLUGIN_PREFIX)
}

/// What is refused before any script is asked.
fn barred(service: Service, incoming: &Incoming, auth: Auth) -> Option<Outcome> {
    let wire = model::wire_of(incoming);
    let size = incoming.body.len();
    let (answer, unmatched) = if size > MAX_BODY {
        let why = format!("the body has {size} bytes: at most {MAX_BODY} are read");
        let answer = match service {
            Service::Model => wire.error(413, "too_large", &why),
            Service::Objects => objects::error(400, "EntityTooLarge", &why),
            _ => Answer::error(413, "too_large", &why),
        };
        (answer, Some(why))
    } else if service == Service::Objects && auth != Auth::Ok {
        let answer = match auth {
            Auth::Missing => objects::error(403, "AccessDenied", "sign the request"),
            _ => objects::error(403, "InvalidAccessKeyId", "the key is not this mock's"),
        };
        (answer, None)
    } else if auth != Auth::Ok {
        let why = match auth {
            Auth::Missing if service == Service::Model && wire == ModelWire::Anthropic => {
                "send `x-api-key` with this mock's credential"
            }
            Auth::Missing => "send `Authorization: Bearer` with this mock's credential",
            _ => "the credential is not this mock's",
        };
        let answer = match service {
            Service::Model => wire.error(401, "invalid_api_key", why),
            _ => Answer::error(401, "unauthorized", why),
        };
        (answer.with_header("www-authenticate", "Bearer"), None)
    } else {
        return None;
    };
    Some(Outcome {
        answer,
        entry: None,
        unmatched,
    })
}

/// The answer to a call without a known token.
fn stray(service: Service, incoming: &Incoming, token: Option<&str>) -> Outcome {
    let found = match token {
        Some(token) => format!(
            "token `{}` is not loaded",
            token.chars().take(64).collect::<String>()
        ),
        None if service == Service::Model => "no token is in the request's text".to_owned(),
        None if service == Service::Objects => {
            format!("no `/{}/<token>/` is in the path", objects::BUCKET)
        }
        None => "no `/t/<token>` is in the path".to_owned(),
    };
    let why = format!("this call belongs to no script: {found}");
    let answer = match service {
        Service::Model => model::wire_of(incoming).error(500, "unknown_token", &why),
        Service::Objects => objects::error(404, "NoSuchBucket", &why),
        _ => Answer::error(404, "unknown_token", &why),
    };
    Outcome {
        answer,
        entry: None,
        unmatched: Some(why),
    }
}

/// A lock whose holder may have panicked: the data is plain and stays usable.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
