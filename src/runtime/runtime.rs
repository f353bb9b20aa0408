//! The state that all calls share, and the edge that performs a session's effects.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use jiff::{SignedDuration, Timestamp};
use reqwest::Client;
use serde_json::Value;
use tokio_util::task::TaskTracker;

use super::StartError;
use super::answer::Answer;
use super::config::{Config, Limits, offered_profiles};
use super::credentials::Credentials;
use super::error::{Code, ErrorObject};
use super::idempotency::Idempotency;
use super::invoke;
use super::opening::{self, Wanted};
use super::parts::Parts;
use super::redact::{Redactor, Site};
use super::registry::{self, Registry};
use super::session::{self, Effect, Execution, Flight, Input, Opening, Session};
use crate::model::ModelConfig;
use crate::requirement::Profile;
use crate::store::{Full, Memory, Slot, Store};

/// Looking through all sessions is not worth doing more often.
const TIDY_EVERY_SECONDS: i64 = 60;

/// One running interpreter.
pub(super) struct Runtime {
    parts: Arc<dyn Parts>,
    profiles: Vec<Profile>,
    limits: Limits,
    registry: Mutex<Registry>,
    store: Box<dyn Store>,
    idempotency: Idempotency,
    client: Client,
    model: ModelConfig,
    credentials: Credentials,
    redactor: Redactor,
    tasks: TaskTracker,
    draining: AtomicBool,
    everybody: tokio::sync::Mutex<()>,
    tidied: AtomicI64,
}

impl Runtime {
    pub(super) fn new(config: Config, parts: Arc<dyn Parts>) -> Result<Self, StartError> {
        check_profiles(&config.profiles)?;
        let configured: Vec<Profile> = config.profiles.iter().copied().collect();
        let profiles = parts.profiles(&configured);
        let limits = config.limits;
        let credentials = Credentials::new(config.secrets, config.variables, &config.model.api_key);
        let forms: Vec<String> = credentials
            .secret_values()
            .chain(std::iter::once(config.model.api_key.as_str()))
            .flat_map(|secret| parts.secret_forms(secret))
            .collect();
        let runtime = Self {
            registry: Mutex::new(Registry::new(limits.manifests, limits.manifest_bytes)),
            store: Box::new(Memory::new(
                limits.sessions,
                limits.session_bytes,
                limits.transcripts,
                limits.transcript_bytes,
            )),
            idempotency: Idempotency::new(limits.idempotent_answers, limits.idempotent_bytes),
            client: invoke::client()?,
            model: config.model,
            redactor: Redactor::new(&forms),
            credentials,
            profiles,
            limits,
            parts,
            tasks: TaskTracker::new(),
            draining: AtomicBool::new(false),
            everybody: tokio::sync::Mutex::default(),
            tidied: AtomicI64::new(0),
        };
        runtime.register_at_start(config.manifests)?;
        Ok(runtime)
    }

    fn register_at_start(
        &self,
        manifests: Vec<crate::manifest::Manifest>,
    ) -> Result<(), StartError> {
        let single = manifests.len() == 1;
        for manifest in manifests {
            let unsupported = self.parts.unsupported_members(&manifest, &self.profiles);
            if !unsupported.is_empty() {
                return Err(StartError::Manifest {
                    name: manifest.name.clone(),
                    violations: unsupported,
                });
            }
            let mut registry = self.registry();
            if single {
                registry.set_start(&manifest);
            }
            let name = manifest.name.clone();
            registry
                .register(self.parts(), Arc::new(manifest))
                .map_err(|error| StartError::Registration {
                    name,
                    message: error.message,
                })?;
        }
        Ok(())
    }

    pub(super) fn parts(&self) -> &dyn Parts {
        &*self.parts
    }

    pub(super) fn profiles(&self) -> &[Profile] {
        &self.profiles
    }

    pub(super) fn limits(&self) -> &Limits {
        &self.limits
    }

    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    pub(super) fn model(&self) -> &ModelConfig {
        &self.model
    }

    pub(super) fn credentials(&self) -> &Credentials {
        &self.credentials
    }

    pub(super) fn redactor(&self) -> &Redactor {
        &self.redactor
    }

    pub(super) fn idempotency(&self) -> &Idempotency {
        &self.idempotency
    }

    pub(super) fn tasks(&self) -> &TaskTracker {
        &self.tasks
    }

    /// The registry; held for moments only.
    pub(super) fn registry(&self) -> MutexGuard<'_, Registry> {
        registry::lock(&self.registry)
    }

    /// The registry, for a registration to lock it itself.
    pub(super) fn shared_registry(&self) -> &Mutex<Registry> {
        &self.registry
    }

    pub(super) fn draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    pub(super) fn start_draining(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// An answer as it may leave: redacted, then looked at for the last time.
    pub(super) fn finish(&self, route: &str, answer: Answer) -> Answer {
        let clean = |text: &str| self.parts.redact_text(Site::Answer, &self.redactor, text);
        let headers = answer.headers.into_iter();
        let headers = headers.map(|(name, value)| (name, clean(&value))).collect();
        let body = Arc::unwrap_or_clone(answer.body);
        let body = Arc::new(self.parts.redact_value(Site::Answer, &self.redactor, body));
        self.parts.finish_answer(
            route,
            Answer {
                status: answer.status,
                headers,
                body,
            },
        )
    }

    /// `POST /sessions`.
    pub(super) async fn open(&self, body: &Value) -> Result<Answer, ErrorObject> {
        let parts = self.parts();
        let wanted = opening::read(parts, body)?;
        let manifest = registry::resolve(parts, &self.registry(), wanted.manifest.as_deref())?;
        parts.check_intent(&manifest, &wanted.goal)?;
        let now = parts.now();
        self.tidy(now);
        let Wanted {
            goal,
            observation,
            max_steps,
            flags,
            seed,
            ..
        } = wanted;
        let opening = Opening {
            id: parts.session_id(),
            manifest,
            goal,
            observation,
            max_steps,
            flags,
            seed,
            redactor: self.redactor.clone(),
            human: self.profiles.contains(&Profile::Human),
            heaviest_record: self.limits.session_record_bytes,
        };
        let session = Session::open(parts, now, opening);
        let answer = parts.created_answer(&session);
        let id = session.id().to_owned();
        self.store
            .insert(Arc::new(Slot::new(session, now)))
            .map_err(|Full| {
                ErrorObject::new(
                    Code::CapacityExceeded,
                    "no further session can be opened; close some",
                )
            })?;
        if parts.steps_on_open() {
            self.advance(&id, Input::Step).await?;
        }
        Ok(answer)
    }

    /// `GET /sessions/{id}`.
    pub(super) fn read(&self, id: &str) -> Result<Answer, ErrorObject> {
        let slot = self.open_slot(id)?;
        let session = slot.session();
        let mut body = self.parts.session_answer(&session);
        if let (Some(pending), Value::Object(members)) = (session.pending(self.parts()), &mut body)
        {
            members.insert("pending".to_owned(), pending);
        }
        Ok(Answer::ok(body))
    }

    /// `GET /sessions/{id}/transcript`.
    pub(super) fn transcript(&self, id: &str) -> Result<Answer, ErrorObject> {
        if let Some(transcript) = self.store.transcript(id) {
            return Ok(Answer {
                status: 200,
                headers: Vec::new(),
                body: transcript,
            });
        }
        self.open_slot(id)?;
        Err(ErrorObject::new(
            Code::Conflict,
            "the session is open; close it to get its transcript",
        ))
    }

    /// A step call or a person's answer: one after another within a session.
    pub(super) async fn advance(&self, id: &str, input: Input) -> Result<Answer, ErrorObject> {
        let slot = self.open_slot(id)?;
        if !self.parts.serialise_steps() {
            return Ok(self.drive(&slot, input).await);
        }
        let _everybody = match self.parts.sessions_wait_for_each_other() {
            true => Some(self.everybody.lock().await),
            false => None,
        };
        let _turn = slot.turn().lock().await;
        if matches!(input, Input::Step) && self.store.full() {
            return Err(ErrorObject::new(
                Code::CapacityExceeded,
                "the open sessions hold as much as this runtime allows; close some",
            ));
        }
        self.bring_manifest(&slot)?;
        Ok(self.drive(&slot, input).await)
    }

    /// Sees to it that the session goes on with its manifest.
    fn bring_manifest(&self, slot: &Slot) -> Result<(), ErrorObject> {
        let own = Arc::clone(slot.session().manifest());
        let manifest = self
            .parts
            .session_manifest(&own, &self.registry())
            .ok_or_else(|| {
                ErrorObject::new(Code::ManifestNotFound, "the session's manifest is gone")
            })?;
        if !Arc::ptr_eq(&own, &manifest) {
            slot.session().follow(manifest);
        }
        Ok(())
    }

    /// `POST /sessions/{id}/close`; waits for whoever has the turn.
    pub(super) async fn close(&self, id: &str) -> Result<Answer, ErrorObject> {
        if let Some(transcript) = self.store.transcript(id) {
            let again = self.parts.second_close(id, &transcript);
            return again.map(Answer::ok).ok_or_else(session::not_found);
        }
        let slot = self.open_slot(id)?;
        if !self.parts.close_waits() {
            return Ok(self.drive(&slot, Input::Close).await);
        }
        let _turn = slot.turn().lock().await;
        Ok(self.drive(&slot, Input::Close).await)
    }

    fn open_slot(&self, id: &str) -> Result<Arc<Slot>, ErrorObject> {
        let slot = self.store.get(id).ok_or_else(session::not_found)?;
        let now = self.parts.now();
        if slot.touch(now) < self.idle_since(now) {
            slot.session().step(self.parts(), now, Input::LeftAlone);
        }
        Ok(slot)
    }

    /// Performs effects until there is an answer.
    async fn drive(&self, slot: &Slot, first: Input) -> Answer {
        let mut input = Some(first);
        while let Some(taken) = input.take() {
            let effects = self.take(slot, taken);
            for effect in effects {
                match effect {
                    Effect::Reply(answer) => return answer,
                    Effect::Archive(_) if !self.parts.close_removes() => {}
                    Effect::Archive(transcript) => self.store.archive(slot.id(), transcript),
                    Effect::Ask(attempt, messages) => {
                        input = Some(match invoke::ask(self, &messages).await {
                            Ok(reply) => Input::Replied(attempt, reply),
                            Err(failure) => Input::NotReplied(attempt, failure),
                        });
                    }
                    Effect::Execute(flight) => input = Some(self.execute(flight).await),
                }
            }
        }
        let defect = ErrorObject::new(Code::InternalError, "the call ended without an answer");
        Answer::error(self.parts(), &defect)
    }

    /// One input for the machine, which is locked no longer than that.
    fn take(&self, slot: &Slot, input: Input) -> Vec<Effect> {
        let now = self.parts.now();
        slot.touch(now);
        let mut session = slot.session();
        let effects = session.step(self.parts(), now, input);
        slot.weigh(session.held_bytes());
        effects
    }

    async fn execute(&self, flight: Flight) -> Input {
        let mut execution = Execution {
            outcome: Ok(Value::Null),
            side_effects: Vec::new(),
        };
        for call in &flight.calls {
            let Execution {
                outcome,
                side_effects,
            } = invoke::invoke(self, call).await;
            execution.outcome = outcome;
            execution.side_effects.extend(side_effects);
        }
        Input::Executed(flight, execution)
    }

    /// Makes room: sessions that expired, and were left alone as long again, are closed on their client's behalf.
    fn tidy(&self, now: Timestamp) {
        let second = now.as_second();
        if second - self.tidied.load(Ordering::Relaxed) < TIDY_EVERY_SECONDS {
            return;
        }
        self.tidied.store(second, Ordering::Relaxed);
        let long_ago = self.idle_since(self.idle_since(now));
        for slot in self.store.untouched_since(long_ago) {
            let effects = {
                let mut session = slot.session();
                session.step(self.parts(), now, Input::LeftAlone);
                session.step(self.parts(), now, Input::Close)
            };
            for effect in effects {
                if let Effect::Archive(transcript) = effect {
                    self.store.archive(slot.id(), transcript);
                }
            }
        }
    }

    fn idle_since(&self, now: Timestamp) -> Timestamp {
        let idle =
            SignedDuration::try_from(self.limits.session_idle).unwrap_or(SignedDuration::MAX);
        now.checked_sub(idle).unwrap_or(Timestamp::MIN)
    }
}

/// Refuses to declare what this runtime does not have, or a profile without those it implies.
fn check_profiles(wanted: &BTreeSet<Profile>) -> Result<(), StartError> {
    if let Some(unknown) = wanted.difference(&offered_profiles()).next() {
        return Err(StartError::Profiles(format!("{unknown} is not offered")));
    }
    if !wanted.contains(&Profile::Core) {
        return Err(StartError::Profiles("core is missing".to_owned()));
    }
    if wanted.contains(&Profile::Human) && !wanted.contains(&Profile::Session) {
        return Err(StartError::Profiles("human needs session".to_owned()));
    }
    Ok(())
}
