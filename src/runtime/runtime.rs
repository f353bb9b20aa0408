//! The state that all calls share.

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use jiff::{SignedDuration, Timestamp};
use reqwest::{Client, Url};
use serde_json::Value;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::StartError;
use super::access::dial::Guard;
use super::access::refusal;
use super::access::{Auth, Caller, Network, Rates};
use super::answer::Answer;
use super::clock::Clock;
use super::config::{Config, Limits, offered_extensions, offered_profiles};
use super::console::Console;
use super::credentials::Credentials;
use super::driver::Drives;
use super::error::ErrorObject;
use super::files::Files;
use super::idempotency::Idempotency;
use super::invoke;
use super::parts::Parts;
use super::plugins::Plugins;
use super::readiness::Readiness;
use super::reads::Reads;
use super::redact::{Redactor, Site};
use super::registry::{self, Registry};
use super::remembered::Remembered;
use super::sandbox::{Sandboxes, intake};
use super::secrets::Secrets;
use super::streams::Streams;
use super::telemetry::Telemetry;
use super::telemetry::metrics::Label;
use super::workflows::Workflows;
use crate::manifest::Manifest;
use crate::model::ModelConfig;
use crate::requirement::{Extension, Profile};
use crate::store::{Ledger, LedgerError, Memory};

/// How often a failing ledger is told of.
const COMPLAIN_EVERY_SECONDS: i64 = 5;

/// How many lists of sessions are put together at the same time.
const LISTINGS: usize = 2;

/// One running interpreter.
pub(super) struct Runtime {
    parts: Arc<dyn Parts>,
    profiles: Vec<Profile>,
    limits: Limits,
    registry: Mutex<Registry>,
    store: Memory,
    ledger: Option<Arc<dyn Ledger>>,
    loaded: Mutex<HashMap<String, Weak<Manifest>>>,
    manifests_seen: AtomicU64,
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
    secrets: Secrets,
    tasks: TaskTracker,
    draining: AtomicBool,
    everybody: tokio::sync::Mutex<()>,
    tidied: AtomicI64,
    complained: AtomicI64,
    keep_transcripts: Duration,
    telemetry: Option<Arc<Telemetry>>,
    stopping: CancellationToken,
    streams: Streams,
    listings: Semaphore,
    drives: Drives,
    autorun: bool,
    remembered: Option<Remembered>,
    console: Option<Console>,
    readiness: Readiness,
}

impl Runtime {
    pub(super) fn new(config: Config, parts: Arc<dyn Parts>) -> Result<Self, StartError> {
        check_profiles(&config.profiles)?;
        check_extensions(&config)?;
        if config.auth.is_some() && !config.profiles.contains(&Profile::Access) {
            let reason = "there is auth, which belongs to access";
            return Err(StartError::Profiles(reason.to_owned()));
        }
        if config.telemetry.is_wanted() && !config.profiles.contains(&Profile::Observability) {
            let reason = "there is a log or a collector, which belongs to observability";
            return Err(StartError::Profiles(reason.to_owned()));
        }
        let console = match config.console {
            true => Some(Console::open(config.listen, config.auth.is_some())?),
            false => None,
        };
        let configured: Vec<Profile> = config.profiles.iter().copied().collect();
        let profiles = parts.profiles(&configured);
        let limits = config.limits;
        // What checks tokens or opens a store is granted to no action, wherever the operator may have put it.
        let own_secrets: BTreeSet<String> = config
            .auth
            .iter()
            .flat_map(Auth::secrets)
            .chain(config.storage.secrets())
            .chain(config.telemetry.secrets())
            .chain(config.rotation.secrets())
            .chain(console.as_ref().and_then(Console::token))
            .map(str::to_owned)
            .collect();
        let mut secrets = config.secrets;
        secrets.retain(|_, value| !own_secrets.contains(value));
        let mut variables = config.variables;
        variables.retain(|_, value| !own_secrets.contains(value));
        let credentials =
            Credentials::new(secrets, variables, &config.model.api_key).bind(config.bound_secrets);
        let key = std::iter::once(config.model.api_key.clone());
        let own = own_secrets.into_iter().chain(key);
        let secrets = Secrets::new(Arc::clone(&parts), credentials, own, &config.rotation);
        let allowed_networks: Arc<[Network]> = config.allowed_networks.into();
        let guard = Guard::new(Arc::clone(&parts), Arc::clone(&allowed_networks));
        let client = invoke::client(None)?;
        let telemetry = match profiles.contains(&Profile::Observability) {
            true => Some(Arc::new(Telemetry::start(
                &config.telemetry,
                Arc::clone(&parts),
                secrets.redactor().clone(),
                config.clock.clone(),
                &client,
                own_labels(&config.manifests, &config.model),
            )?)),
            false => None,
        };
        let runtime = Self {
            registry: Mutex::new(
                Registry::new(limits.manifests, limits.manifest_bytes)
                    .allow_roots(config.storage.allowed_roots.clone())
                    .offer(config.extensions.clone()),
            ),
            store: Memory::new(
                limits.sessions,
                limits.session_bytes,
                limits.transcripts,
                limits.transcript_bytes,
            ),
            ledger: config.ledger,
            loaded: Mutex::default(),
            manifests_seen: AtomicU64::new(0),
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
            secrets,
            profiles,
            limits,
            parts,
            tasks: TaskTracker::new(),
            draining: AtomicBool::new(false),
            everybody: tokio::sync::Mutex::default(),
            tidied: AtomicI64::new(0),
            complained: AtomicI64::new(0),
            keep_transcripts: config.keep_transcripts,
            telemetry,
            stopping: CancellationToken::new(),
            streams: Streams::new(limits.streams),
            listings: Semaphore::new(LISTINGS),
            drives: Drives::new(limits.drives),
            autorun: config.autorun,
            remembered: config.remember_preferences.then(Remembered::default),
            console,
            readiness: Readiness::default(),
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

    /// What requests are filled with now; asked for each request, since secrets get new values.
    pub(super) fn credentials(&self) -> Arc<Credentials> {
        self.secrets.credentials()
    }

    /// The secrets, for whoever brings new values.
    pub(super) fn secrets(&self) -> &Secrets {
        &self.secrets
    }

    pub(super) fn redactor(&self) -> &Redactor {
        self.secrets.redactor()
    }

    /// The telemetry, with the profile `observability`.
    pub(super) fn telemetry(&self) -> Option<&Arc<Telemetry>> {
        self.telemetry.as_ref()
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
        let access = self.parts.access();
        let door = self.console.as_ref().filter(|console| console.has_token());
        if self.auth.is_none() && door.is_none() {
            return Ok(self.anonymous.clone());
        }
        let mut given = headers.get_all(AUTHORIZATION).iter();
        let header = match (given.next(), given.next()) {
            (Some(only), None) => only.to_str().ok(),
            // Of two, either could be meant.
            _ => None,
        };
        let token = header.and_then(|header| access.bearer(header));
        let Some(auth) = &self.auth else {
            return match (door, token) {
                (Some(door), Some(token)) if door.is_token(token) => Ok(self.anonymous.clone()),
                _ => Err(refusal::unauthenticated()),
            };
        };
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

    /// What is in memory of sessions and transcripts.
    pub(super) fn store(&self) -> &Memory {
        &self.store
    }

    /// Where sessions outlive the process, if they do.
    pub(super) fn ledger(&self) -> Option<&Arc<dyn Ledger>> {
        self.ledger.as_ref()
    }

    /// Manifests that sessions of the ledger brought back, by digest; held for moments only.
    pub(super) fn loaded(&self) -> MutexGuard<'_, HashMap<String, Weak<Manifest>>> {
        self.loaded.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The ledger's number of changes to manifests that the registry has followed.
    pub(super) fn manifests_seen(&self) -> &AtomicU64 {
        &self.manifests_seen
    }

    /// Tells the operator that the ledger failed, not more often than every few seconds: a ledger that is gone fails all calls.
    pub(super) fn complain(&self, error: &LedgerError) {
        let now = self.parts.now().as_second();
        let before = self.complained.swap(now, Ordering::Relaxed);
        if now.saturating_sub(before) >= COMPLAIN_EVERY_SECONDS {
            eprintln!("oap-conform: {error}");
        } else {
            self.complained.store(before, Ordering::Relaxed);
        }
    }

    /// How long transcripts are kept.
    pub(super) fn keep_transcripts(&self) -> SignedDuration {
        SignedDuration::try_from(self.keep_transcripts).unwrap_or(SignedDuration::MAX)
    }

    /// Held by a step that waits for those of all sessions.
    pub(super) fn everybody(&self) -> &tokio::sync::Mutex<()> {
        &self.everybody
    }

    /// The second at which sessions were last looked through.
    pub(super) fn tidied(&self) -> &AtomicI64 {
        &self.tidied
    }

    pub(super) fn draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    pub(super) fn start_draining(&self) {
        self.draining.store(true, Ordering::Relaxed);
        self.stopping.cancel();
    }

    /// Cancelled when the runtime begins to drain, for whoever waits for something else.
    pub(super) fn stopping(&self) -> &CancellationToken {
        &self.stopping
    }

    /// Places for those who are told of the progress of sessions.
    pub(super) fn streams(&self) -> &Streams {
        &self.streams
    }

    /// Places for those who list sessions: each may read much for it.
    pub(super) fn listings(&self) -> &Semaphore {
        &self.listings
    }

    /// What is driven in the background.
    pub(super) fn drives(&self) -> &Drives {
        &self.drives
    }

    /// Whether every active session is driven in the background.
    pub(super) fn autorun(&self) -> bool {
        self.autorun
    }

    /// Preferences that closed sessions have left, where they are carried on; with a ledger they are there.
    pub(super) fn remembered(&self) -> Option<&Remembered> {
        self.remembered.as_ref()
    }

    /// What the store said last to who asked whether calls can be served.
    pub(super) fn readiness(&self) -> &Readiness {
        &self.readiness
    }

    /// The console, where it is served.
    pub(super) fn console(&self) -> Option<&Console> {
        self.console.as_ref()
    }

    /// An answer as it may leave: redacted, then looked at for the last time.
    pub(super) fn finish(&self, route: &str, answer: Answer) -> Answer {
        let clean = |text: &str| self.parts.redact_text(Site::Answer, self.redactor(), text);
        let headers = answer.headers.into_iter();
        let headers = headers.map(|(name, value)| (name, clean(&value))).collect();
        let body = Arc::unwrap_or_clone(answer.body);
        let body = Arc::new(self.parts.redact_value(Site::Answer, self.redactor(), body));
        self.parts.finish_answer(
            route,
            Answer {
                status: answer.status,
                headers,
                body,
            },
        )
    }
}

/// What metrics always tell apart: the operator's own manifests with their actions, and the model.
fn own_labels(manifests: &[Manifest], model: &ModelConfig) -> BTreeSet<Label> {
    let model = Url::parse(&model.base_url).ok();
    let model = model.and_then(|url| url.host_str().map(|host| ("host", host.to_owned())));
    let named = manifests.iter().flat_map(|manifest| {
        let actions = manifest.actions.iter();
        let actions = actions.map(|action| ("action", action.name.clone()));
        actions.chain([("manifest", manifest.name.clone())])
    });
    named.chain(model).collect()
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
