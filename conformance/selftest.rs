//! The proof that the suite's checks can fail: every case against targets that implement nothing, and against targets that
//! break one rule each.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use mock_services::{MockServices, Service};
use sha2::{Digest, Sha256};

use crate::model::{ModelConfig, Wire};
use crate::mutants::{self, Mutant};
use crate::null_targets;
use crate::requirement::{Extension, Level, Profile, Registry};
use crate::runtime::access::{Auth, Key, Material, Network, TableEntry};
use crate::runtime::files::{S3, S3Keys, Storage};
use crate::runtime::{
    self, Clock, Config, LogSink, Reference, offered_extensions, offered_profiles,
};
use crate::suite::applicability::{Applicability, Capabilities, applicability};
use crate::suite::case::Case;
use crate::suite::files::{Files, Temporary};
use crate::suite::identity::{
    AUDIENCE, ED25519_KID, HS256_KID, Keys, STATIC_SUBJECT, ed25519_public_key,
};
use crate::suite::matrix::{MutantRun, SelftestReport, matrix};
use crate::suite::measure::Process;
use crate::suite::null::NullResult;
use crate::suite::options::{BOUND_HOST, granted_secrets, test_secrets};
use crate::suite::prepare::OBJECT_ROOT;
use crate::suite::report::Report;
use crate::suite::signals::Signals;
use crate::suite::signals::book::LogBook;
use crate::suite::target::HttpTarget;
use crate::suite::{self, Options, Times};

/// Longest wait for an answer of a mutant; silence never kills, so waiting longer proves nothing.
pub(crate) const MUTANT_PATIENCE: Duration = Duration::from_secs(4);

/// Longest wait for an answer of a null target.
const NULL_PATIENCE: Duration = Duration::from_millis(150);

/// The limit of a file in a run.
pub const FILE_BYTES: usize = 64 * 1024;

/// How long the reference waits for a store in a run.
const STORE_PATIENCE: Duration = Duration::from_secs(1);

/// Cases that run at the same time against one mutant.
const JOBS: usize = 4;

/// Cases that run at the same time against one null target; nearly all of them wait.
const NULL_JOBS: usize = 32;

/// Sections whose mutants must show a wrong deed, not only a rewritten answer.
const ABOUT_EFFECTS: [&str; 5] = ["actions", "idempotency", "plans", "schemas", "secrets"];

/// How a self-test is made.
pub struct Plan {
    /// Mutants that are judged at the same time, at least 1.
    pub lanes: usize,
    /// Chooses the fortieth of further cases that each mutant meets.
    pub seed: u64,
    /// Every case against every mutant, in place of those of its requirement and a fortieth of the others.
    pub full: bool,
    /// Only mutants whose name or requirement holds this text, or that one of the cases speaks for.
    pub filter: String,
}

/// What a self-test came to.
pub struct Outcome {
    /// The report, as `selftest --format json` prints it.
    pub report: SelftestReport,
    /// Everything that is wrong; empty when the proof holds.
    pub problems: Vec<String>,
    /// Runs of a case against a mutant.
    pub runs: usize,
}

/// How the reference is set up for a run: the test environment of `spec/harness.md`.
pub fn reference(mocks: &MockServices) -> Config {
    let secrets: BTreeMap<String, String> = test_secrets().into_iter().collect();
    let api_key = secrets.get("OPENAI_API_KEY").cloned().unwrap_or_default();
    Config {
        listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
        manifests: Vec::new(),
        secrets: granted_secrets().into_iter().collect(),
        variables: BTreeMap::from([
            ("OAP_TEST_REGION".to_owned(), "eu".to_owned()),
            (
                "OAP_TEST_PLUGIN_ORIGIN".to_owned(),
                mocks.service_url(Service::Calendar),
            ),
        ]),
        model: ModelConfig {
            wire: Wire::OpenAi,
            stream: false,
            base_url: mocks.model_url(),
            api_key,
            model: "scripted-model".to_owned(),
            timeout: Duration::from_secs(1),
        },
        plugins: runtime::PluginFolder::Embedded,
        limits: runtime::Limits::default(),
        sandbox: runtime::SandboxSettings::default(),
        storage: runtime::Storage::default(),
        profiles: offered_profiles(),
        extensions: offered_extensions(),
        rotation: runtime::Rotation::default(),
        ledger: None,
        keep_transcripts: runtime::KEEP_TRANSCRIPTS,
        telemetry: runtime::TelemetrySettings::default(),
        autorun: false,
        remember_preferences: false,
        console: false,
        auth: offered_profiles().contains(&Profile::Access).then(callers),
        anonymous_scopes: BTreeSet::new(),
        bound_secrets: BTreeMap::from([("OAP_TEST_BOUND".to_owned(), vec![BOUND_HOST.to_owned()])]),
        allowed_networks: vec![Network::new(Ipv4Addr::LOCALHOST.into(), 8)],
        clock: Clock::default(),
        test_clock: Some(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))),
    }
}

/// The same with the roots of `spec/harness.md`, section 9: this folder, and the bucket of the mock object store.
pub fn with_roots(mut config: Config, files: &Files, mocks: &MockServices) -> Config {
    let credentials = mock_services::Credentials::default();
    config.storage = Storage {
        allowed_roots: [files.prefix().as_str(), OBJECT_ROOT]
            .iter()
            .filter_map(|root| root.parse().ok())
            .collect(),
        s3: Some(S3 {
            endpoint: Some(mocks.service_url(Service::Objects)),
            region: "us-east-1".to_owned(),
            keys: S3Keys {
                id: credentials.object_key_id,
                secret: credentials.object_key,
                session_token: None,
            },
        }),
        patience: STORE_PATIENCE,
        file_bytes: FILE_BYTES,
        ..config.storage
    };
    config
}

/// The same with its signals where the suite sees them: spans at the collector, log lines in a file of this folder, and metrics.
pub fn with_signals(mut config: Config, files: &Files, mocks: &MockServices) -> (Config, Signals) {
    let log = Path::new(files.path()).join("target.log");
    config.telemetry.log = Some(LogSink::File(log.clone()));
    config.telemetry.otlp = mocks.collector().url().parse().ok();
    let signals = Signals {
        collector: true,
        logs: Some(LogBook::of_file(log)),
        metrics: Some("/metrics".to_owned()),
    };
    (config, signals)
}

/// Whose tokens the reference takes in a run (`spec/harness.md`, section 6).
fn callers() -> Auth {
    let keys = Keys::default();
    let public = URL_SAFE_NO_PAD.decode(ed25519_public_key());
    let public = public.ok().and_then(|bytes| bytes.try_into().ok());
    let scopes = ["manifest:write", "table:use"].map(str::to_owned);
    Auth {
        keys: vec![
            Key {
                kid: HS256_KID.to_owned(),
                material: Material::Hs256(keys.hs256.into_bytes()),
            },
            Key {
                kid: ED25519_KID.to_owned(),
                material: Material::Ed25519(public.unwrap_or_default()),
            },
        ],
        tokens: vec![TableEntry {
            token: keys.static_token,
            subject: STATIC_SUBJECT.to_owned(),
            scopes: scopes.into(),
        }],
        audience: Some(AUDIENCE.to_owned()),
        issuer: None,
    }
}

/// Told of progress: how many of how many, and what was done last.
pub type Watch<'w> = &'w (dyn Fn(usize, usize, &str) + Sync);

/// Runs the cases against the good target, the null targets and the mutants.
///
/// `chosen` are the cases that must prove themselves, a part of `all` or all of them. A mutant meets cases out of `all`: whether it
/// can be killed does not depend on which cases were asked about.
///
/// # Errors
/// When a target or the mock services cannot be started, or a run comes to no report.
pub async fn selftest(
    chosen: &[Case],
    all: &[Case],
    plan: &Plan,
    watch: Watch<'_>,
) -> Result<Outcome, String> {
    let mutants: Vec<Mutant> = mutants::all()
        .into_iter()
        .filter(|mutant| selected(mutant, chosen, plan))
        .collect();
    let total = 1 + null_targets::ALL.len() + mutants.len();
    let done = AtomicUsize::new(0);
    let step = |name: &str| watch(done.fetch_add(1, Ordering::Relaxed) + 1, total, name);

    let mocks = mocks().await?;
    let good = good(all, plan, &mocks).await?;
    step("the good target");
    let mut null_results = Vec::new();
    for null in null_targets::ALL {
        null_results.push(against_null(chosen, null, &mocks).await?);
        step(null.name);
    }

    let (solo, shared): (Vec<&Mutant>, Vec<&Mutant>) = mutants
        .iter()
        .partition(|mutant| all.iter().any(|case| measures(case, mutant)));
    let mut runs = Vec::new();
    for (lanes, mutants) in [(plan.lanes.max(1), shared), (1, solo)] {
        let next = AtomicUsize::new(0);
        let lane = || async {
            let mocks = self::mocks().await?;
            let mut runs = Vec::new();
            while let Some(mutant) = mutants.get(next.fetch_add(1, Ordering::Relaxed)) {
                let met = met(mutant, all, plan);
                let report = against_mutant(&met, mutant, plan, &mocks)
                    .await
                    .map_err(|error| format!("mutant {}: {error}", mutant.name))?;
                runs.push(MutantRun {
                    mutant: mutant.summary(),
                    report,
                });
                step(mutant.name);
            }
            Ok::<_, String>(runs)
        };
        for lane in join_all((0..lanes).map(|_| lane())).await {
            runs.extend(lane?);
        }
    }
    runs.sort_by(|a, b| a.mutant.name.cmp(&b.mutant.name));
    let count = runs.iter().map(|run| run.report.cases.len()).sum();
    let report = matrix(chosen, &good, &runs, null_results);
    let mut problems = report.problems(chosen.len());
    problems.extend(rewriters(&mutants));
    Ok(Outcome {
        report,
        problems,
        runs: count,
    })
}

pub(crate) async fn mocks() -> Result<Arc<MockServices>, String> {
    mock_services::start(mock_services::Options::default())
        .await
        .map(Arc::new)
        .map_err(|error| error.to_string())
}

/// All futures at the same time, on this task.
pub(crate) async fn join_all<F: Future>(futures: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut waiting: Vec<_> = futures.map(|future| (Box::pin(future), None)).collect();
    std::future::poll_fn(|context| {
        let mut pending = false;
        for (future, output) in &mut waiting {
            if output.is_none() {
                match future.as_mut().poll(context) {
                    std::task::Poll::Ready(value) => *output = Some(value),
                    std::task::Poll::Pending => pending = true,
                }
            }
        }
        if pending {
            std::task::Poll::Pending
        } else {
            std::task::Poll::Ready(())
        }
    })
    .await;
    waiting
        .into_iter()
        .filter_map(|(_, output)| output)
        .collect()
}

fn selected(mutant: &Mutant, cases: &[Case], plan: &Plan) -> bool {
    cases.iter().any(|case| speaks_for(case, mutant))
        || terms(&plan.filter)
            .any(|term| mutant.name.contains(term) || mutant.requirement.contains(term))
}

/// The texts of a filter, a comma list.
pub fn terms(filter: &str) -> impl Iterator<Item = &str> {
    filter
        .split(',')
        .map(str::trim)
        .filter(|term| !term.is_empty())
}

fn speaks_for(case: &Case, mutant: &Mutant) -> bool {
    case.cited().contains(mutant.requirement) || case.kills.iter().any(|name| name == mutant.name)
}

/// Whether a case measures what a mutant breaks. Nothing else may run then: all targets of a self-test are one process.
fn measures(case: &Case, mutant: &Mutant) -> bool {
    let promises = case.kills.iter().any(|name| name == mutant.name);
    let main = case.requirements.first().map(String::as_str);
    case.measures() && (promises || main == Some(mutant.requirement))
}

/// The cases that a mutant meets: those of its requirement, those that promise to kill it, and a seeded fortieth of the others.
fn met(mutant: &Mutant, cases: &[Case], plan: &Plan) -> Vec<Case> {
    cases
        .iter()
        .filter(|case| {
            if case.measures() {
                return measures(case, mutant);
            }
            plan.full || speaks_for(case, mutant) || drawn(plan.seed, mutant.name, case)
        })
        .cloned()
        .collect()
}

/// A fortieth of the cases; of those in which code uses up its time, 200 ms of processor each, a two-hundred-and-fiftieth.
fn drawn(seed: u64, mutant: &str, case: &Case) -> bool {
    let burns = ["sandbox_cpu_limit", "runaway"];
    let share = if burns.iter().any(|word| case.source.contains(word)) {
        1
    } else {
        6
    };
    Sha256::digest(format!("{seed}/{mutant}/{}", case.id).as_bytes())[0] < share
}

/// What a target declares: its profiles, and the extensions of the draft.
type Declared = (BTreeSet<Profile>, BTreeSet<Extension>);

/// Cases about what a target refuses for want of a profile or an extension, by what the target declares that they are judged by:
/// all but that which the case wants missing.
fn lean_only(cases: &[Case]) -> BTreeMap<Declared, Vec<Case>> {
    let registry = Registry::embedded();
    let applies = |case: &Case, capabilities: &Capabilities| {
        applicability(case, registry, capabilities, false) == Applicability::Applicable
    };
    let full = full_capabilities();
    let mut lean: BTreeMap<_, Vec<Case>> = BTreeMap::new();
    for case in cases.iter().filter(|case| !applies(case, &full)) {
        let mut profiles = offered_profiles();
        let lacks = |profile: Profile| case.lacks.contains(&profile);
        profiles.retain(|profile| !lacks(*profile) && !profile.part_of().is_some_and(lacks));
        if !profiles.contains(&Profile::Session) {
            profiles.remove(&Profile::Draft21);
        }
        let mut extensions = offered_extensions();
        extensions.retain(|extension| {
            profiles.contains(&Profile::Draft21) && !case.without.contains(extension)
        });
        let declared = (profiles, extensions);
        if applies(case, &declaring(&declared)) {
            lean.entry(declared).or_default().push(case.clone());
        }
    }
    lean
}

pub(crate) fn full_capabilities() -> Capabilities {
    Capabilities {
        clock: true,
        files: true,
        extensions: offered_extensions(),
        ..Capabilities::of(offered_profiles())
    }
}

fn declaring((profiles, extensions): &Declared) -> Capabilities {
    Capabilities {
        extensions: extensions.clone(),
        ..Capabilities::of(profiles.clone())
    }
}

/// The reference with these profiles and extensions.
fn lean(mut config: Config, (profiles, extensions): &Declared) -> Config {
    config.profiles = profiles.clone();
    config.extensions = extensions.clone();
    if !profiles.contains(&Profile::Access) {
        config.auth = None;
    }
    config
}

/// Both reports as one: what the leaner target was judged by comes from there.
fn joined(mut full: Report, lean: Report) -> Report {
    full.cases
        .retain(|case| lean.cases.iter().all(|other| other.id != case.id));
    full.cases.extend(lean.cases);
    full.cases.sort_by(|a, b| a.id.cmp(&b.id));
    full
}

async fn good(cases: &[Case], plan: &Plan, mocks: &Arc<MockServices>) -> Result<Report, String> {
    let mut report = good_as(cases, reference(mocks), plan, mocks).await?;
    for (declared, few) in lean_only(cases) {
        let config = lean(reference(mocks), &declared);
        report = joined(report, good_as(&few, config, plan, mocks).await?);
    }
    Ok(report)
}

async fn good_as(
    cases: &[Case],
    config: Config,
    plan: &Plan,
    mocks: &Arc<MockServices>,
) -> Result<Report, String> {
    let folder = Temporary::new()?;
    let config = with_roots(config, folder.files(), mocks);
    let (config, signals) = with_signals(config, folder.files(), mocks);
    let running = runtime::start(config, Arc::new(Reference))
        .await
        .map_err(|error| error.to_string())?;
    let options = Options {
        files: Some(folder.files().clone()),
        signals,
        jobs: JOBS,
        seed: plan.seed,
        clock: running.clock_url(),
        process: Some(Process::Own),
        ..Options::default()
    };
    let report = judge(cases, &format!("http://{}", running.addr), mocks, &options).await;
    running.shutdown().await;
    report
}

async fn against_null(
    cases: &[Case],
    null: null_targets::NullTarget,
    mocks: &Arc<MockServices>,
) -> Result<NullResult, String> {
    let standing = null
        .start()
        .await
        .map_err(|error| format!("null target {}: {error}", null.name))?;
    let options = Options {
        jobs: NULL_JOBS,
        force: true,
        times: Times {
            request: NULL_PATIENCE,
            ready: NULL_PATIENCE,
            tidy: NULL_PATIENCE,
        },
        ..Options::default()
    };
    let report = judge(cases, &standing.url(), mocks, &options).await?;
    Ok(NullResult::of(null.name, &report))
}

async fn against_mutant(
    cases: &[Case],
    mutant: &Mutant,
    plan: &Plan,
    mocks: &Arc<MockServices>,
) -> Result<Report, String> {
    if cases.is_empty() {
        return Err("no case speaks for its requirement".to_owned());
    }
    let few = lean_only(cases);
    let is_lean = |case: &Case| few.values().flatten().any(|other| other.id == case.id);
    let most: Vec<Case> = cases
        .iter()
        .filter(|case| !is_lean(case))
        .cloned()
        .collect();
    let mut report = None;
    if !most.is_empty() {
        let config = reference(mocks);
        report = Some(mutant_as(&most, mutant, config, full_capabilities(), plan, mocks).await?);
    }
    for (declared, few) in &few {
        let config = lean(reference(mocks), declared);
        let capabilities = declaring(declared);
        let lean = mutant_as(few, mutant, config, capabilities, plan, mocks).await?;
        report = Some(match report {
            Some(full) => joined(full, lean),
            None => lean,
        });
    }
    report.ok_or_else(|| "no case applies".to_owned())
}

async fn mutant_as(
    cases: &[Case],
    mutant: &Mutant,
    config: Config,
    capabilities: Capabilities,
    plan: &Plan,
    mocks: &Arc<MockServices>,
) -> Result<Report, String> {
    let folder = Temporary::new()?;
    let config = with_roots(config, folder.files(), mocks);
    let (config, signals) = with_signals(config, folder.files(), mocks);
    let standing = mutant.start(config).await?;
    let options = Options {
        files: Some(folder.files().clone()),
        signals,
        jobs: JOBS,
        seed: plan.seed,
        clock: standing.clock_url(),
        process: Some(Process::Own),
        // A mutant may lie about what it can do; what it is judged on does not depend on that.
        capabilities: Some(capabilities),
        times: Times {
            request: MUTANT_PATIENCE,
            ..Times::default()
        },
        ..Options::default()
    };
    let report = judge(cases, &standing.url, mocks, &options).await;
    standing.shutdown().await;
    report
}

async fn judge(
    cases: &[Case],
    url: &str,
    mocks: &Arc<MockServices>,
    options: &Options,
) -> Result<Report, String> {
    let target = Arc::new(HttpTarget::new(url, Vec::new())?);
    suite::run(cases, target, Arc::clone(mocks), options, &())
        .await
        .map_err(|error| error.to_string())
}

/// Mutants that only rewrite an answer are cheap proof: at most a quarter, and never the only one of a MUST about effects.
fn rewriters(mutants: &[Mutant]) -> Vec<String> {
    let mut problems = Vec::new();
    let rewriting = mutants
        .iter()
        .filter(|mutant| mutant.rewrites_answer)
        .count();
    if rewriting * 4 > mutants.len() {
        problems.push(format!(
            "{rewriting} of {} mutants only rewrite an answer; at most a quarter may",
            mutants.len()
        ));
    }
    let mut deeds: BTreeMap<&str, bool> = BTreeMap::new();
    for mutant in mutants {
        *deeds.entry(mutant.requirement).or_default() |= !mutant.rewrites_answer;
    }
    let registry = Registry::embedded();
    let alone: BTreeSet<&str> = deeds
        .iter()
        .filter(|(_, deed)| !**deed)
        .map(|(id, _)| *id)
        .filter(|id| {
            registry.get(id).is_some_and(|requirement| {
                requirement.level == Level::Must
                    && ABOUT_EFFECTS.contains(&requirement.section.as_str())
            })
        })
        .collect();
    problems.extend(alone.iter().map(|id| {
        format!("{id}: only a rewritten answer breaks it; add a mutant that does something wrong")
    }));
    problems
}
