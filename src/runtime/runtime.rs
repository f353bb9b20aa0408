//! The state that all calls share, and the edge that performs a session's effects.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use jiff::{SignedDuration, Timestamp};
use reqwest::Client;
use serde_json::Value;
use tokio_util::task::TaskTracker;

use super::StartError;
use super::access::dial::Guard;
use super::access::{Auth, Caller, Network, Rates, Uncharged};
use super::answer::Answer;
use super::clock::Clock;
use super::config::{Config, Limits, offered_extensions, offered_profiles};
use super::credentials::Credentials;
use super::error::{Code, ErrorObject};
use super::extensions;
use super::files::Files;
use super::idempotency::Idempotency;
use super::invoke;
use super::opening::{self, Wanted};
use super::parts::Parts;
use super::plugins::Plugins;
use super::reads::Reads;
use super::redact::{Redactor, Site};
use super::registry::{self, Registry};
use super::sandbox::{Sandboxes, intake};
use super::session::{self, Effect, Execution, Flight, Input, Opening, Session};
use super::workflows::Workflows;
use crate::manifest::Manifest;
use crate::model::ModelConfig;
use crate::requirement::{Extension, Profile};
use crate::store::{Closed, Full, Memory, Slot, Store};

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
    rates: Rates,
    workflows: Workflows,
    auth: Option<Auth>,
    anonymous: Caller,
    clock: Clock,
    client: Client,
    services: Client,
    allowed_networks: Arc<[Network]>,
    plugins: Arc<Plugins>,
    sandboxes: Arc<Sandboxes>,
    files: Files,
    reads: Reads,
    extensions: BTreeSet<Extension>,
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
        check_extensions(&config)?;
        if config.auth.is_some() && !config.profiles.contains(&Profile::Access) {
            let reason = "there is auth, which belongs to access";
            return Err(StartError::Profiles(reason.to_owned()));
        }
        let configured: Vec<Profile> = config.profiles.iter().copied().collect();
        let profiles = parts.profiles(&configured);
        let limits = config.limits;
        // What checks tokens or opens a store is granted to no action, wherever the operator may have put it.
        let own_secrets: BTreeSet<String> = config
            .auth
            .iter()
            .flat_map(Auth::secrets)
            .chain(config.storage.secrets())
            .map(str::to_owned)
            .collect();
        let mut secrets = config.secrets;
        secrets.retain(|_, value| !own_secrets.contains(value));
        let mut variables = config.variables;
        variables.retain(|_, value| !own_secrets.contains(value));
        let credentials =
            Credentials::new(secrets, variables, &config.model.api_key).bind(config.bound_secrets);
        let forms: Vec<String> = credentials
            .secret_values()
            .chain(std::iter::once(config.model.api_key.as_str()))
            .chain(own_secrets.iter().map(String::as_str))
            .flat_map(|secret| parts.secret_forms(secret))
            .collect();
        let allowed_networks: Arc<[Network]> = config.allowed_networks.into();
        let guard = Guard::new(Arc::clone(&parts), Arc::clone(&allowed_networks));
        let client = invoke::client(None)?;
        let runtime = Self {
            registry: Mutex::new(
                Registry::new(limits.manifests, limits.manifest_bytes)
                    .allow_roots(config.storage.allowed_roots.clone())
                    .offer(config.extensions.clone()),
            ),
            store: Box::new(Memory::new(
                limits.sessions,
                limits.session_bytes,
                limits.transcripts,
                limits.transcript_bytes,
            )),
            idempotency: Idempotency::new(limits.idempotent_answers, limits.idempotent_bytes),
            rates: Rates::new(limits.rate_windows),
            workflows: Workflows::new(&limits),
            anonymous: parts.access().anonymous(&config.anonymous_scopes),
            auth: config.auth,
            clock: config.clock,
            files: Files::new(config.storage, &client).map_err(StartError::Storage)?,
            client,
            services: invoke::client(Some(guard))?,
            allowed_networks,
            plugins: Arc::new(parts.workflow().install(config.plugins)?),
            sandboxes: Arc::new(Sandboxes::new(&config.sandbox)),
            reads: Reads::default(),
            extensions: config.extensions,
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

    /// Whether the code in a document parses (sandbox.md 1.3), or `capacity_exceeded` when that cannot be said now. What else is wrong with the document is told by who registers it.
    pub(super) async fn check_code(&self, document: &Value) -> Result<(), ErrorObject> {
        if !intake::may_have_code(document) {
            return Ok(());
        }
        match self.parts.read_manifest(document) {
            Ok(manifest) => self.check_code_of(Arc::new(manifest)).await,
            Err(_) => Ok(()),
        }
    }

    /// Whether the code of a manifest parses.
    pub(super) async fn check_code_of(&self, manifest: Arc<Manifest>) -> Result<(), ErrorObject> {
        if !intake::has_code(&manifest) {
            return Ok(());
        }
        let (parts, profiles) = (Arc::clone(&self.parts), self.profiles.clone());
        let sandboxes = Arc::clone(&self.sandboxes);
        let defects = sandboxes
            .look(move |sandbox| intake::code_defects(&*parts, sandbox, &manifest, &profiles));
        match defects.await {
            None => Ok(()),
            Some(Ok(defects)) if defects.is_empty() => Ok(()),
            Some(Ok(defects)) => Err(self.parts.manifest_refusal(&defects)),
            Some(Err(busy)) => Err(busy),
        }
    }

    fn register_at_start(
        &self,
        manifests: Vec<crate::manifest::Manifest>,
    ) -> Result<(), StartError> {
        let single = manifests.len() == 1;
        for manifest in manifests {
            let mut unsupported = self
                .parts
                .sandbox()
                .unsupported_runtimes(&manifest, &self.profiles);
            unsupported.extend(self.parts.unsupported_members(&manifest, &self.profiles));
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
                    message: intake::told(&error),
                })?;
        }
        Ok(())
    }

    pub(super) fn parts(&self) -> &dyn Parts {
        &*self.parts
    }

    /// The decisions, for what outlives the call that asks.
    pub(super) fn shared_parts(&self) -> Arc<dyn Parts> {
        Arc::clone(&self.parts)
    }

    /// The clock, for what outlives the call that asks.
    pub(super) fn clock(&self) -> &Clock {
        &self.clock
    }

    pub(super) fn sandboxes(&self) -> &Arc<Sandboxes> {
        &self.sandboxes
    }

    pub(super) fn files(&self) -> &Files {
        &self.files
    }

    /// What calls have read lately, and the requests that gather calls.
    pub(super) fn reads(&self) -> &Reads {
        &self.reads
    }

    pub(super) fn extensions(&self) -> &BTreeSet<Extension> {
        &self.extensions
    }

    pub(super) fn profiles(&self) -> &[Profile] {
        &self.profiles
    }

    pub(super) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// For calls of the model, whose address is the operator's own.
    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    /// For calls of services: connects to addresses that are checked.
    pub(super) fn services(&self) -> &Client {
        &self.services
    }

    /// The blocks of addresses that the operator allows calls of services to go to.
    pub(super) fn allowed_networks(&self) -> &[Network] {
        &self.allowed_networks
    }

    pub(super) fn plugins(&self) -> &Arc<Plugins> {
        &self.plugins
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

    /// How often who called what.
    pub(super) fn workflows(&self) -> &Workflows {
        &self.workflows
    }

    pub(super) fn rates(&self) -> &Rates {
        &self.rates
    }

    /// Who calls, by the headers of the call.
    ///
    /// # Errors
    /// `unauthenticated` where auth is configured and the token is not valid.
    pub(super) fn caller(&self, headers: &HeaderMap) -> Result<Caller, ErrorObject> {
        let Some(auth) = &self.auth else {
            return Ok(self.anonymous.clone());
        };
        let access = self.parts.access();
        let mut given = headers.get_all(AUTHORIZATION).iter();
        let header = match (given.next(), given.next()) {
            (Some(only), None) => only.to_str().ok(),
            // Of two, either could be meant.
            _ => None,
        };
        let token = header.and_then(|header| access.bearer(header));
        access
            .authenticate(auth, token, self.now())
            .map_err(|defect| access.unauthenticated(token, defect))
    }

    /// The time, as this runtime's clock shows it; everything that depends on time asks here.
    pub(super) fn now(&self) -> Timestamp {
        self.clock.shown(self.parts.now())
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
    pub(super) async fn open(&self, caller: &Caller, body: &Value) -> Result<Answer, ErrorObject> {
        let parts = self.parts();
        let wanted = opening::read(parts, body)?;
        if self.profiles.contains(&Profile::Draft21) {
            let wishes = parts.unoffered_wishes(body, &self.extensions);
            if !wishes.is_empty() {
                return Err(extensions::not_offered(&wishes));
            }
        }
        let manifest = registry::resolve(parts, &self.registry(), wanted.manifest.as_deref())?;
        parts.check_intent(&manifest, &wanted.goal)?;
        let intent = wanted.goal.get("intent").and_then(Value::as_str);
        let intent = intent.and_then(|name| manifest.intent(name));
        parts.in_session().check_opening(
            parts.access(),
            caller,
            intent.and_then(|intent| intent.access_control.as_ref()),
        )?;
        let now = self.now();
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
            caller: caller.clone(),
            plugins: session::Plugins(Arc::<Plugins>::clone(self.plugins())),
            human: self.profiles.contains(&Profile::Human),
            heaviest_record: self.limits.session_record_bytes,
        };
        let session = Session::open(parts, now, opening);
        let answer = parts.created_answer(&session);
        let id = session.id().to_owned();
        self.store
            .insert(Arc::new(Slot::new(session, &caller.subject, now)))
            .map_err(|Full| {
                ErrorObject::new(
                    Code::CapacityExceeded,
                    "no further session can be opened; close some",
                )
            })?;
        if parts.steps_on_open() {
            self.advance(caller, &id, Input::Step(caller.clone()))
                .await?;
        }
        Ok(answer)
    }

    /// `GET /sessions/{id}`.
    pub(super) fn read(&self, caller: &Caller, id: &str) -> Result<Answer, ErrorObject> {
        let slot = self.open_slot(caller, id)?;
        let session = slot.session();
        let mut body = self.parts.session_answer(&session);
        if let (Some(pending), Value::Object(members)) = (session.pending(self.parts()), &mut body)
        {
            members.insert("pending".to_owned(), pending);
        }
        Ok(Answer::ok(body))
    }

    /// `GET /sessions/{id}/transcript`.
    pub(super) fn transcript(&self, caller: &Caller, id: &str) -> Result<Answer, ErrorObject> {
        if let Some(closed) = self.closed(caller, id) {
            return Ok(Answer {
                status: 200,
                headers: Vec::new(),
                body: closed.transcript,
            });
        }
        self.open_slot(caller, id)?;
        Err(ErrorObject::new(
            Code::Conflict,
            "the session is open; close it to get its transcript",
        ))
    }

    /// A step call or a person's answer: one after another within a session.
    pub(super) async fn advance(
        &self,
        caller: &Caller,
        id: &str,
        input: Input,
    ) -> Result<Answer, ErrorObject> {
        let slot = self.open_slot(caller, id)?;
        if !self.parts.serialise_steps() {
            return Ok(self.drive(&slot, input).await);
        }
        let _everybody = match self.parts.sessions_wait_for_each_other() {
            true => Some(self.everybody.lock().await),
            false => None,
        };
        let _turn = slot.turn().lock().await;
        if matches!(input, Input::Step(_)) && self.store.full() {
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
    pub(super) async fn close(&self, caller: &Caller, id: &str) -> Result<Answer, ErrorObject> {
        if let Some(closed) = self.closed(caller, id) {
            let again = self.parts.second_close(id, &closed.transcript);
            return again.map(Answer::ok).ok_or_else(session::not_found);
        }
        let slot = self.open_slot(caller, id)?;
        if !self.parts.close_waits() {
            return Ok(self.drive(&slot, Input::Close).await);
        }
        if self.parts.sandbox().close_ends_runs() {
            self.sandboxes.end(id);
        }
        let _turn = slot.turn().lock().await;
        Ok(self.drive(&slot, Input::Close).await)
    }

    /// What is left of a closed session, if the caller may know of it.
    fn closed(&self, caller: &Caller, id: &str) -> Option<Closed> {
        let seen = |closed: &Closed| self.parts.access().sees_session(caller, &closed.owner);
        self.store.closed(id).filter(seen)
    }

    /// An open session, if the caller may know of it.
    fn open_slot(&self, caller: &Caller, id: &str) -> Result<Arc<Slot>, ErrorObject> {
        let seen = |slot: &Arc<Slot>| self.parts.access().sees_session(caller, slot.owner());
        let slot = self.store.get(id).filter(seen);
        let slot = slot.ok_or_else(session::not_found)?;
        let now = self.now();
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
                    Effect::Archive(transcript) => self.archive(slot, transcript),
                    Effect::Ask(attempt, messages) => {
                        input = Some(match invoke::ask(self, &messages).await {
                            Ok(reply) => Input::Replied(attempt, reply),
                            Err(failure) => Input::NotReplied(attempt, failure),
                        });
                    }
                    Effect::Charge(rate, launch) => {
                        let charged = self.charge(&rate);
                        input = Some(Input::Charged(launch, charged));
                    }
                    Effect::Spare(rate, why) => self.spare(&rate, why),
                    Effect::Execute(flight) => input = Some(self.execute(flight).await),
                }
            }
        }
        let defect = ErrorObject::new(Code::InternalError, "the call ended without an answer");
        Answer::error(self.parts(), &defect)
    }

    /// One input for the machine, which is locked no longer than that.
    fn take(&self, slot: &Slot, input: Input) -> Vec<Effect> {
        let now = self.now();
        slot.touch(now);
        let mut session = slot.session();
        let effects = session.step(self.parts(), now, input);
        slot.weigh(session.held_bytes());
        effects
    }

    /// Counts one more call of an action, or tells how many seconds to wait for that.
    fn charge(&self, rate: &session::running::Rate) -> Result<(), u64> {
        let access = self.parts.access();
        let key = access.rate_key(&rate.caller, &rate.manifest, &rate.version, &rate.action);
        self.rates.charge(access, key, &rate.limits, self.now())
    }

    /// A call that was not executed: it counts for nothing.
    fn spare(&self, rate: &session::running::Rate, why: Uncharged) {
        let access = self.parts.access();
        let key = access.rate_key(&rate.caller, &rate.manifest, &rate.version, &rate.action);
        self.rates.spare(access, key, &rate.limits, why, self.now());
    }

    async fn execute(&self, flight: Flight) -> Input {
        let mut execution = Execution {
            outcome: Ok(Value::Null),
            side_effects: Vec::new(),
            logs: None,
        };
        for call in &flight.calls {
            let Execution {
                outcome,
                side_effects,
                logs,
            } = invoke::invoke(self, call).await;
            execution.outcome = outcome;
            execution.side_effects.extend(side_effects);
            execution.logs = logs;
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
                    self.archive(&slot, transcript);
                }
            }
        }
    }

    fn archive(&self, slot: &Slot, transcript: Arc<Value>) {
        let owner = Arc::clone(slot.owner());
        self.store.archive(slot.id(), Closed { owner, transcript });
    }

    fn idle_since(&self, now: Timestamp) -> Timestamp {
        let idle =
            SignedDuration::try_from(self.limits.session_idle).unwrap_or(SignedDuration::MAX);
        now.checked_sub(idle).unwrap_or(Timestamp::MIN)
    }
}

/// Refuses extensions that this runtime does not have, or without the profile that they belong to.
fn check_extensions(config: &Config) -> Result<(), StartError> {
    if let Some(unknown) = config.extensions.difference(&offered_extensions()).next() {
        let reason = format!("the extension {unknown} is not offered");
        return Err(StartError::Profiles(reason));
    }
    let draft = config.profiles.contains(&Profile::Draft21);
    if !config.extensions.is_empty() && !draft {
        let reason = "extensions belong to draft-2.1";
        return Err(StartError::Profiles(reason.to_owned()));
    }
    if draft && !config.profiles.contains(&Profile::Session) {
        let reason = "draft-2.1 needs session";
        return Err(StartError::Profiles(reason.to_owned()));
    }
    Ok(())
}

/// Refuses to declare what this runtime does not have, or a profile without those it implies.
fn check_profiles(wanted: &BTreeSet<Profile>) -> Result<(), StartError> {
    if let Some(unknown) = wanted.difference(&offered_profiles()).next() {
        return Err(StartError::Profiles(format!("{unknown} is not offered")));
    }
    if !wanted.contains(&Profile::Core) {
        return Err(StartError::Profiles("core is missing".to_owned()));
    }
    let asks = [Profile::Session, Profile::Workflow];
    if wanted.contains(&Profile::Human) && !asks.iter().any(|profile| wanted.contains(profile)) {
        let reason = "human needs session or workflow";
        return Err(StartError::Profiles(reason.to_owned()));
    }
    let languages = [
        Profile::SandboxPython,
        Profile::SandboxJavascript,
        Profile::SandboxWasm,
    ];
    let has_language = languages.iter().any(|profile| wanted.contains(profile));
    if wanted.contains(&Profile::Sandbox) != has_language
        || (wanted.contains(&Profile::SandboxNetwork) && !has_language)
    {
        let reason = "sandbox and at least one of sandbox.python, sandbox.javascript, sandbox.wasm go together";
        return Err(StartError::Profiles(reason.to_owned()));
    }
    Ok(())
}
