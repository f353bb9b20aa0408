//! One case against one target: load the mocks, register, take the steps, look, tidy up. Nothing is judged here.

mod measured;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use mock_services::{MockServices, Script, Service};
use serde_json::Value;

use super::case::{Case, Stimulus};
use super::clock::{self, Clock};
use super::files::{Files, Place};
use super::identity::{self, Caller, Keys};
use super::lanes::Lanes;
use super::measure::Process;
use super::observed::{Control, ControlProblem, Observed, StepObserved, Stop};
use super::options::Times;
use super::prepare::{self, Origins, Prepared};
use super::signals::{self, Signals};
use super::stimulus::{self, Refusal};
use super::substitute::Bindings;
use super::target::{Exchange, HttpRequest, SendError, Target};
use crate::json;
use measured::Unmeasured;

/// How long to wait before the journal is looked at again.
const LOOK_AGAIN: Duration = Duration::from_millis(1);

/// What a case is run with.
#[derive(Clone)]
pub struct Bench {
    /// The runtime under test.
    pub target: Arc<dyn Target>,
    /// The scripted model and services.
    pub mocks: Arc<MockServices>,
    /// Where the services listen.
    pub origins: Origins,
    /// How long to wait.
    pub times: Times,
    /// Whether no other case runs: then calls without a token are this case's.
    pub alone: bool,
    /// What tokens of callers are made with; `None`: the target asks for none.
    pub keys: Option<Keys>,
    /// The target's clock, where it can be moved.
    pub clock: Option<Arc<Clock>>,
    /// The target's processes, where they can be seen.
    pub process: Option<Process>,
    /// The folder that harness and target share.
    pub files: Option<Files>,
    /// What can be seen of what the target tells its operator.
    pub signals: Signals,
    /// Whether the target was started with the manifest of the case, so that nothing is registered.
    pub delivered: bool,
    /// Starts an instance of the target for each case; `None`: all cases share `target`.
    pub lanes: Option<Arc<Lanes>>,
}

impl Bench {
    /// A bench over these mocks.
    pub fn new(target: Arc<dyn Target>, mocks: Arc<MockServices>, times: Times) -> Self {
        let origins = origins_of(&mocks);
        Self {
            target,
            mocks,
            origins,
            times,
            alone: false,
            keys: None,
            clock: None,
            process: None,
            files: None,
            signals: Signals::default(),
            delivered: false,
            lanes: None,
        }
    }
}

/// Where the services of these mocks are, for manifests.
pub(super) fn origins_of(mocks: &MockServices) -> Origins {
    Origins {
        calendar: mocks.service_url(Service::Calendar),
        email: mocks.service_url(Service::Email),
        crm: mocks.service_url(Service::Crm),
        folder: None,
    }
}

impl Bench {
    /// The target's processes, where they can be seen; one that was started anew has others than before.
    fn process(&self) -> Option<Process> {
        self.target.process().map(Process::Tree).or(self.process)
    }

    /// The target's time, in seconds since 1970.
    fn now(&self) -> i64 {
        clock::seconds(self.clock.as_ref().map_or(0, |clock| clock.moved()))
    }
}

/// Runs a case under a token and returns what was seen.
pub async fn execute(case: &Case, token: &str, bench: &Bench) -> Observed {
    match &bench.lanes {
        Some(lanes) => lanes.execute(case, token, bench).await,
        None => execute_on(case, token, bench).await,
    }
}

/// Runs a case on the target of this very bench.
pub(super) async fn execute_on(case: &Case, token: &str, bench: &Bench) -> Observed {
    let began = Instant::now();
    let mut observed = match prepared(case, token, &bench.origins) {
        Ok(manifest) => Observed::new(token.to_owned(), manifest),
        Err(message) => return Observed::broken(token, message),
    };
    let script = match Script::from_value(prepare_script(case, token)) {
        Ok(script) => script,
        Err(error) => return Observed::broken(token, error.to_string()),
    };
    if let Err(error) = bench.mocks.load(token, script) {
        return Observed::broken(token, format!("the mocks refuse the script: {error}"));
    }
    let place = match bench.files.as_ref().filter(|_| case.shares_files()) {
        Some(files) => match Place::lay(files, token, &case.files) {
            Ok(place) => Some(place),
            Err(message) => {
                bench.mocks.unload(token);
                return Observed::broken(token, message);
            }
        },
        None => None,
    };
    let strays = bench.mocks.stray_calls().len();
    let before = signals::begin(case, bench).await;
    let mut walk = Walk {
        case,
        bench,
        observed: &mut observed,
        opened: Vec::new(),
        registered: Vec::new(),
    };
    walk.control().await;
    let reached = walk.observed.control.obstacle().is_none();
    if reached {
        walk.steps().await;
    }
    let (opened, registered) = (walk.opened, walk.registered);
    if let Some(before) = &before {
        let sessions: Vec<String> = opened.iter().map(|session| session.id.clone()).collect();
        observed.signals = signals::end(case, bench, before, &observed, &sessions).await;
    }
    observed.calls = bench.mocks.calls(token);
    observed.unused = bench.mocks.unused(token);
    if let Some(place) = &place {
        observed.files = place.look(case.expect.files());
    }
    for service in Service::ALL
        .into_iter()
        .filter(|service| *service != Service::Model)
    {
        let state = bench.mocks.state(token, service);
        observed.states.insert(service.name().to_owned(), state);
    }
    if bench.alone {
        observed.strays = bench.mocks.stray_calls().into_iter().skip(strays).collect();
    }
    observed.duration = began.elapsed();
    if reached {
        tidy(bench, token, opened, registered).await;
    }
    bench.mocks.unload(token);
    observed
}

/// The manifest of a case.
pub(super) fn prepared(case: &Case, token: &str, origins: &Origins) -> Result<Prepared, String> {
    match case.manifest_changes() {
        None => Ok(prepare::ready(&prepare::control(), token, origins)),
        Some(changes) => prepare::fixture(&changes.fixture)
            .and_then(|document| prepare::changed(document, &changes, token, origins))
            .map_err(|error| error.to_string()),
    }
}

fn prepare_script(case: &Case, token: &str) -> Value {
    super::substitute::substitute_token(&case.script(), token)
}

/// What a session or a manifest left behind needs to be removed by.
struct OpenSession {
    id: String,
    closed: bool,
}

struct Walk<'a> {
    case: &'a Case,
    bench: &'a Bench,
    observed: &'a mut Observed,
    opened: Vec<OpenSession>,
    registered: Vec<String>,
}

impl Walk<'_> {
    async fn send(&self, request: HttpRequest) -> Exchange {
        self.bench
            .target
            .send(request, self.bench.times.request)
            .await
    }

    async fn control(&mut self) {
        let manifest = self.observed.manifest.clone();
        if self.bench.delivered {
            // It was started with the manifest, which may not show anywhere; that it is well is the least it has to say.
            let exchange = self.send(HttpRequest::new("GET", "/healthz")).await;
            self.note_manifest();
            self.observed.control = Control {
                problem: health_problem(&exchange),
                exchanges: vec![exchange],
            };
            return;
        }
        let mut request = HttpRequest::new("POST", "/manifests").json(&manifest.document);
        // Registering is not what a case is about: the harness may, whoever its callers are.
        let registrar = identity::registrar(&self.observed.token);
        if let Some(authorization) = self.token_of(&registrar) {
            request.default_header("authorization", &authorization);
        }
        let exchange = self.send(request).await;
        self.note_manifest();
        self.observed.control = Control {
            problem: control_problem(&exchange, &manifest),
            exchanges: vec![exchange],
        };
        if self.observed.control.obstacle().is_none() {
            self.registered.push(manifest.reference());
        }
    }

    async fn steps(&mut self) {
        let mut bindings = self.first_bindings();
        for (index, step) in self.case.steps.iter().enumerate() {
            if let Stimulus::Advance(advance) = &step.stimulus {
                if let Err(message) = self.advance(advance.seconds).await {
                    self.observed.harness = Some(format!("step {}: {message}", index + 1));
                    return;
                }
                self.observed.steps.push(StepObserved {
                    bindings: bindings.clone(),
                    ..StepObserved::default()
                });
                continue;
            }
            if let Stimulus::Calibrate(_) | Stimulus::Processor(_) = step.stimulus {
                let name = step.callers.first().cloned().flatten();
                let taken = measured::take(self, &step.stimulus, name.as_deref(), &bindings).await;
                match taken {
                    Ok(seen) => self.observed.steps.push(seen),
                    Err(Unmeasured::Stop(stop)) => {
                        self.observed.stop = Some(stop);
                        return;
                    }
                    Err(Unmeasured::Broken(message)) => {
                        self.observed.harness = Some(format!("step {}: {message}", index + 1));
                        return;
                    }
                }
                continue;
            }
            let stimuli: &[Stimulus] = match &step.stimulus {
                Stimulus::Together(inner) => inner,
                single => std::slice::from_ref(single),
            };
            let made: Result<Vec<HttpRequest>, Refusal> = stimuli
                .iter()
                .zip(&step.callers)
                .map(|(stimulus, name)| {
                    let caller = self.caller(name.as_deref()).map_err(Refusal::Broken)?;
                    stimulus::request(
                        stimulus,
                        self.case,
                        &self.observed.token,
                        &self.bench.origins,
                        &bindings,
                        &caller,
                    )
                })
                .collect();
            let requests = match made {
                Ok(requests) => requests,
                Err(Refusal::Unbound(name)) => {
                    self.observed.stop = Some(Stop::Unbound { step: index, name });
                    return;
                }
                Err(Refusal::Broken(message)) => {
                    self.observed.harness = Some(format!("step {}: {message}", index + 1));
                    return;
                }
            };
            let exchanges = if let [_] = requests.as_slice() {
                let mut exchanges = Vec::new();
                for request in requests {
                    exchanges.push(self.send(request).await);
                }
                exchanges
            } else {
                self.send_together(requests, step.head_start).await
            };
            for (stimulus, exchange) in stimuli.iter().zip(&exchanges) {
                self.take_in(stimulus, exchange, &mut bindings);
            }
            let missing = save(&step.save, &exchanges, &mut bindings);
            let answered = exchanges.iter().all(|exchange| exchange.outcome.is_ok());
            self.observed.steps.push(StepObserved {
                exchanges,
                bindings: bindings.clone(),
                missing,
                measured: None,
                calls: Some(self.calls_so_far()),
            });
            if !answered {
                self.observed.stop = Some(Stop::NoAnswer);
                return;
            }
        }
    }

    async fn advance(&self, seconds: u32) -> Result<(), String> {
        match &self.bench.clock {
            Some(clock) => clock.advance(seconds, self.bench.times.request).await,
            // A null target has no clock; whatever comes next is judged all the same.
            None => Ok(()),
        }
    }

    /// Who sends a request; without access control nobody needs a token.
    fn caller(&self, name: Option<&str>) -> Result<Caller, String> {
        let keys = self.bench.keys.clone().unwrap_or_default();
        let token = &self.observed.token;
        let mut caller = identity::caller(self.case, name, token, &keys, self.bench.now())?;
        if self.bench.keys.is_none() {
            caller.authorization = None;
        }
        Ok(caller)
    }

    /// The header of somebody whom the case does not know.
    fn token_of(&self, identity: &super::case::Identity) -> Option<String> {
        let keys = self.bench.keys.as_ref()?;
        let token = &self.observed.token;
        Some(identity::bearer(identity, token, keys, self.bench.now()))
    }

    fn first_bindings(&self) -> Bindings {
        let manifest = &self.observed.manifest;
        let (token, origins) = (&self.observed.token, &self.bench.origins);
        let (trace, caller_span) = signals::context(token);
        [
            ("trace", trace),
            ("caller_span", caller_span),
            ("token", self.observed.token.clone()),
            ("manifest", manifest.reference()),
            ("manifest_name", manifest.name.clone()),
            ("digest", manifest.digest.clone()),
            ("user", format!("U-{}", self.observed.token)),
            (
                "language",
                self.case.language.unwrap_or_default().to_owned(),
            ),
            (
                "calendar",
                prepare::led_to(&self.bench.origins.calendar, &self.observed.token),
            ),
            (
                "calendar_address",
                prepare::address(&self.bench.origins.calendar).to_owned(),
            ),
            ("file_root", prepare::file_root(token, origins)),
            ("object_root", prepare::object_root(token)),
            (
                "folder",
                origins
                    .folder
                    .clone()
                    .unwrap_or_else(|| "/srv/notes".to_owned()),
            ),
        ]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), Value::from(value)))
        .collect()
    }

    fn calls_so_far(&self) -> usize {
        self.bench.mocks.calls_so_far(&self.observed.token)
    }

    /// Sends all at the same time; with a head start the others follow the first when it has reached the model or a service,
    /// or was answered.
    async fn send_together(&self, requests: Vec<HttpRequest>, head_start: bool) -> Vec<Exchange> {
        let mut exchanges: Vec<Option<Exchange>> = vec![None; requests.len()];
        let calls_before = self.calls_so_far();
        let mut tasks = tokio::task::JoinSet::new();
        let answers = Arc::new(AtomicUsize::new(0));
        for (index, request) in requests.into_iter().enumerate() {
            let target = Arc::clone(&self.bench.target);
            let time = self.bench.times.request;
            let answers = Arc::clone(&answers);
            tasks.spawn(async move {
                let mut exchange = target.send(request, time).await;
                exchange.answered = Some(answers.fetch_add(1, Ordering::Relaxed));
                (index, exchange)
            });
            if head_start && index == 0 {
                // What it waits for shows in the journal only, so the journal is looked at again and again.
                while self.calls_so_far() == calls_before {
                    if let Some(joined) = tasks.try_join_next() {
                        if let Ok((index, exchange)) = joined {
                            exchanges[index] = Some(exchange);
                        }
                        break;
                    }
                    tokio::time::sleep(LOOK_AGAIN).await;
                }
            }
        }
        while let Some(joined) = tasks.join_next().await {
            if let Ok((index, exchange)) = joined {
                exchanges[index] = Some(exchange);
            }
        }
        exchanges
            .into_iter()
            .map(|exchange| {
                exchange.unwrap_or_else(|| Exchange {
                    request: HttpRequest::default(),
                    outcome: Err(SendError::Unsendable(
                        "the sending task ended early".to_owned(),
                    )),
                    duration: Duration::ZERO,
                    answered: None,
                })
            })
            .collect()
    }

    /// Binds what an answer brings, and remembers what will have to be tidied up.
    fn take_in(&mut self, stimulus: &Stimulus, exchange: &Exchange, bindings: &mut Bindings) {
        let path = exchange.request.path.split('?').next().unwrap_or_default();
        let is_post = exchange.request.method == "POST";
        if is_post && path == "/manifests" {
            if let Ok(document) = serde_json::from_slice(&exchange.request.body) {
                self.note_document(&document);
            }
            if let Some(reference) = exchange.answer().and_then(registered_reference) {
                self.registered.push(reference);
            }
        }
        let Some(body) = exchange.answer().and_then(super::target::Answer::json) else {
            return;
        };
        let good = exchange
            .answer()
            .is_some_and(|answer| (200..300).contains(&answer.status));
        if is_post
            && path == "/sessions"
            && good
            && let Some(id) = body.get("session_id").and_then(Value::as_str)
        {
            self.opened.push(OpenSession {
                id: id.to_owned(),
                closed: false,
            });
            if matches!(stimulus, Stimulus::Open(_)) {
                bindings.insert("session".to_owned(), Value::from(id));
            }
        }
        if let Some(id) = body.pointer("/pending/id").filter(|id| id.is_string()) {
            bindings.insert("intervention".to_owned(), id.clone());
        }
        if path == "/execute" && exchange.answer().is_some_and(|answer| answer.status == 202) {
            for (name, pointer) in [
                ("approval", "/approval/id"),
                ("resume", "/resume"),
                ("resumed_state", "/state"),
            ] {
                if let Some(value) = body.pointer(pointer) {
                    bindings.insert(name.to_owned(), value.clone());
                }
            }
        }
        if is_post && path.ends_with("/close") && good {
            for session in &mut self.opened {
                session.closed |= path.contains(&stimulus::segment(&session.id));
            }
            if matches!(stimulus, Stimulus::Close(_))
                && let Some(transcript) = body.get("transcript")
            {
                self.observed.transcript = Some(transcript.clone());
            }
        }
    }

    /// Notes the case's own manifest, whose digest is known.
    fn note_manifest(&mut self) {
        let manifest = &self.observed.manifest;
        let form = prepare::snake_case(&manifest.document);
        self.observed
            .documents
            .insert(manifest.digest.clone(), form);
    }

    fn note_document(&mut self, document: &Value) {
        let form = prepare::snake_case(document);
        self.observed.documents.insert(json::digest(&form), form);
    }
}

fn save(
    wanted: &std::collections::BTreeMap<String, String>,
    exchanges: &[Exchange],
    bindings: &mut Bindings,
) -> Vec<(String, String)> {
    let body = exchanges
        .first()
        .and_then(Exchange::answer)
        .and_then(super::target::Answer::body_value);
    let mut missing = Vec::new();
    for (name, pointer) in wanted {
        match body.as_ref().and_then(|body| body.pointer(pointer)) {
            Some(value) => {
                bindings.insert(name.clone(), value.clone());
            }
            None => missing.push((name.clone(), pointer.clone())),
        }
    }
    missing
}

/// What is wrong with the answer to the positive control.
fn control_problem(exchange: &Exchange, manifest: &Prepared) -> Option<ControlProblem> {
    let hard = |message: String| {
        Some(ControlProblem {
            soft: false,
            message,
        })
    };
    let answer = match &exchange.outcome {
        Ok(answer) => answer,
        Err(error) => return hard(format!("registering the manifest: {error}")),
    };
    if !matches!(answer.status, 200 | 201) {
        return hard(format!(
            "registering the manifest was answered {}",
            answer.status
        ));
    }
    let body = answer.json().unwrap_or_default();
    let member = |name: &str| body.get(name).and_then(Value::as_str).unwrap_or_default();
    if member("name") != manifest.name {
        return hard("the answer to the registration does not have the manifest's name".to_owned());
    }
    for (name, expected) in [("version", &manifest.version), ("digest", &manifest.digest)] {
        if member(name) != expected {
            return Some(ControlProblem {
                soft: true,
                message: format!("the answer to the registration has the wrong {name}"),
            });
        }
    }
    None
}

/// What is wrong with a target that was started with its manifest.
fn health_problem(exchange: &Exchange) -> Option<ControlProblem> {
    let message = match &exchange.outcome {
        Ok(answer) => {
            let well = answer.json().is_some_and(|body| body["status"] == "ok");
            if answer.status == 200 && well {
                return None;
            }
            "the target does not say that it is well".to_owned()
        }
        Err(error) => format!("asking whether the target is well: {error}"),
    };
    Some(ControlProblem {
        soft: false,
        message,
    })
}

fn registered_reference(answer: &super::target::Answer) -> Option<String> {
    let body = answer
        .json()
        .filter(|_| (200..300).contains(&answer.status))?;
    let member = |name: &str| body.get(name)?.as_str().map(str::to_owned);
    Some(format!("{}@{}", member("name")?, member("version")?))
}

/// Closes what is open and deletes what is registered, so that a target that lives on is not filled up. Best effort, not judged.
async fn tidy(bench: &Bench, token: &str, opened: Vec<OpenSession>, mut registered: Vec<String>) {
    let registrar = identity::registrar(token);
    let authorization = bench
        .keys
        .as_ref()
        .map(|keys| identity::bearer(&registrar, token, keys, bench.now()));
    registered.sort_unstable();
    registered.dedup();
    let closes = opened
        .into_iter()
        .filter(|session| !session.closed)
        .map(|session| {
            HttpRequest::new(
                "POST",
                format!("/sessions/{}/close", stimulus::segment(&session.id)),
            )
        });
    let deletes = registered.into_iter().map(|reference| {
        HttpRequest::new(
            "DELETE",
            format!("/manifests/{}", stimulus::segment(&reference)),
        )
    });
    for mut request in closes.chain(deletes) {
        if let Some(authorization) = &authorization {
            request.default_header("authorization", authorization);
        }
        if bench
            .target
            .send(request, bench.times.tidy)
            .await
            .outcome
            .is_err()
        {
            return;
        }
    }
}
