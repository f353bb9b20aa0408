//! How a run is made.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::applicability::Capabilities;
use super::baseline::Baseline;
use super::case::Case;
use super::files::Files;
use super::identity::Keys;
use super::lanes::Lanes;
use super::measure::Process;
use super::revision::Revision;
use super::shard::Shard;
use super::signals::Signals;
use super::target::claims::Claims;
use crate::requirement::{Profile, Registry};

/// The options of a run; the default runs every case once with the target's discovered capabilities.
#[derive(Debug, Clone)]
pub struct Options {
    /// Which cases: a comma list of substrings or globs (`*`, `?`) on case id, requirement id or section. Empty: all.
    pub filter: String,
    /// Only cases whose main requirement is of one of these profiles. Empty: all.
    pub profiles: BTreeSet<Profile>,
    /// Cases that run at the same time, at least 1.
    pub jobs: usize,
    /// Drives the tokens and the order in which cases start.
    pub seed: u64,
    /// How often each case runs; more than once finds flakes. At least 1.
    pub repeat: usize,
    /// Start no further case after the first failure.
    pub fail_fast: bool,
    /// Only the cases that failed last time, by [`Options::state_file`].
    pub last_failed: bool,
    /// Where the ids of failed cases are kept between runs; `None`: nowhere.
    pub state_file: Option<PathBuf>,
    /// A folder for the exchanges of each failure, redacted.
    pub keep: Option<PathBuf>,
    /// Time-outs.
    pub times: Times,
    /// For null targets: no readiness, no discovery, every case is executed.
    pub force: bool,
    /// What the target can do; `None`: ask `GET /capabilities`.
    pub capabilities: Option<Capabilities>,
    /// The command that judges the same target again, without filter and seed; failures are told with it.
    pub command: String,
    /// Secrets that the target was given, as (name, value): searched for in all it sends.
    pub secrets: Vec<(String, String)>,
    /// What the tokens of callers are made with.
    pub keys: Keys,
    /// Base URL of the target's clock, where it can be moved.
    pub clock: Option<String>,
    /// The target's processes, where they can be seen.
    pub process: Option<Process>,
    /// The folder that harness and target share; `None`: the cases that need one do not apply.
    pub files: Option<Files>,
    /// Whether the target was told where the object store is.
    pub objects: bool,
    /// What can be seen of what the target tells its operator.
    pub signals: Signals,
    /// What the target's maker says of it.
    pub claims: Claims,
    /// Whether a target that falls silent is waited for shorter, and given up in the end.
    pub gives_up: bool,
    /// Starts an instance for each case, where manifests are delivered by file.
    pub lanes: Option<Arc<Lanes>>,
    /// Only the cases of this part.
    pub shard: Option<Shard>,
    /// Judge by a frozen revision: its requirements and its cases, and nothing else.
    pub revision: Option<Arc<Revision>>,
    /// Failures that are expected.
    pub baseline: Option<Arc<Baseline>>,
    /// Whether failures that may be chance are verified again, each alone, when all cases have run once.
    pub verify_alone: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            filter: String::new(),
            profiles: BTreeSet::new(),
            jobs: 2,
            seed: 1,
            repeat: 1,
            fail_fast: false,
            last_failed: false,
            state_file: None,
            keep: None,
            times: Times::default(),
            force: false,
            capabilities: None,
            command: "oap-conform run".to_owned(),
            secrets: test_secrets(),
            keys: Keys::default(),
            clock: None,
            process: None,
            files: None,
            objects: true,
            signals: Signals::default(),
            claims: Claims::default(),
            gives_up: false,
            lanes: None,
            shard: None,
            revision: None,
            baseline: None,
            verify_alone: false,
        }
    }
}

/// How long the suite waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Times {
    /// For one answer.
    pub request: Duration,
    /// For the target to be ready.
    pub ready: Duration,
    /// For one answer while tidying up after a case; what fails then is not judged.
    pub tidy: Duration,
}

impl Default for Times {
    fn default() -> Self {
        Self {
            request: Duration::from_secs(10),
            ready: Duration::from_secs(10),
            tidy: Duration::from_secs(2),
        }
    }
}

impl Times {
    /// The same times scaled, for null targets that are known not to answer.
    #[must_use]
    pub fn scaled(self, factor: f64) -> Self {
        let factor = if factor.is_finite() {
            factor.clamp(0.0, 1000.0)
        } else {
            1.0
        };
        Self {
            request: self.request.mul_f64(factor),
            ready: self.ready.mul_f64(factor),
            tidy: self.tidy.mul_f64(factor),
        }
    }
}

/// The secret of the test environment that must not get into a header; its base64 and base64url differ (`spec/harness.md`, 1).
pub const MULTILINE_SECRET: &str = "first-line\r\nX-Injected: yes>>>???";

/// The secret of the test environment that is bound to a host which nobody reaches (`spec/harness.md`, 1).
pub const BOUND_SECRET: &str = "bound-secret-7d1f/+a==";

/// The host that [`BOUND_SECRET`] is bound to.
pub const BOUND_HOST: &str = "bound.example.com";

/// The secrets of the documented test environment that the operator grants to actions (`spec/harness.md`).
pub fn granted_secrets() -> Vec<(String, String)> {
    test_secrets()
        .into_iter()
        .filter(|(name, _)| !NOT_GRANTED.contains(&name.as_str()))
        .chain([("OAP_TEST_SHORT".to_owned(), "ab12".to_owned())])
        .collect()
}

/// What the target knows and grants to no action.
const NOT_GRANTED: [&str; 4] = [
    "OPENAI_API_KEY",
    "OAP_TEST_JWT_HS256",
    "OAP_TEST_STATIC_TOKEN",
    OBJECT_KEY,
];

/// The variable of the key that signs requests to the object store.
pub const OBJECT_KEY: &str = "AWS_SECRET_ACCESS_KEY";

/// All secrets of the documented test environment (`spec/harness.md`).
pub fn test_secrets() -> Vec<(String, String)> {
    let credentials = mock_services::Credentials::default();
    [
        ("CALENDAR_TOKEN", credentials.calendar),
        ("EMAIL_TOKEN", credentials.email),
        ("CRM_TOKEN", credentials.crm),
        ("OPENAI_API_KEY", credentials.model_key),
        (OBJECT_KEY, credentials.object_key),
        ("OAP_TEST_MULTILINE", MULTILINE_SECRET.to_owned()),
        ("OAP_TEST_BOUND", BOUND_SECRET.to_owned()),
        ("OAP_TEST_JWT_HS256", Keys::default().hs256),
        ("OAP_TEST_STATIC_TOKEN", Keys::default().static_token),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .to_vec()
}

/// What was selected, for the report: a verdict over a part says so.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Selection {
    /// Whether something was left out.
    pub partial: bool,
    /// The filter as given.
    pub filter: String,
    /// The profiles as given.
    pub profiles: Vec<Profile>,
    /// Whether only last failures were run.
    pub last_failed: bool,
    /// Cases that exist.
    pub of: usize,
    /// Cases that were selected.
    pub selected: usize,
    /// The part of the cases that this run was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shard: Option<Shard>,
    /// The frozen revision that alone was judged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
}

/// The cases that revision, filter, profiles, last failures and shard leave, in order of their ids.
pub fn select<'c>(
    cases: &'c [Case],
    registry: &Registry,
    options: &Options,
    last_failed: Option<&BTreeSet<String>>,
) -> (Vec<&'c Case>, Selection) {
    let frozen: Option<BTreeSet<&str>> = options
        .revision
        .as_ref()
        .map(|revision| revision.cases.iter().map(String::as_str).collect());
    let of = frozen.as_ref().map_or(cases.len(), BTreeSet::len);
    let ids: BTreeSet<&str> = cases.iter().map(|case| case.id.as_str()).collect();
    let mut selected: Vec<&Case> = cases
        .iter()
        .filter(|case| {
            frozen
                .as_ref()
                .is_none_or(|frozen| frozen.contains(case.id.as_str()))
        })
        .filter(|case| matches_filter(case, registry, &options.filter, &ids))
        .filter(|case| {
            options.profiles.is_empty() || options.profiles.contains(&case.profile(registry))
        })
        .filter(|case| last_failed.is_none_or(|ids| ids.contains(&case.id)))
        .filter(|case| options.shard.is_none_or(|shard| shard.holds(&case.id)))
        .collect();
    selected.sort_by(|a, b| a.id.cmp(&b.id));
    let selection = Selection {
        partial: selected.len() < of,
        filter: options.filter.clone(),
        profiles: options.profiles.iter().copied().collect(),
        last_failed: last_failed.is_some(),
        of,
        selected: selected.len(),
        shard: options.shard,
        revision: options
            .revision
            .as_ref()
            .map(|revision| revision.revision.clone()),
    };
    (selected, selection)
}

/// Whether a case fits a filter. A term is the whole id of a case (one of `ids`) and then means that case only, or a substring,
/// or a glob over the whole text if it holds `*` or `?`.
fn matches_filter(case: &Case, registry: &Registry, filter: &str, ids: &BTreeSet<&str>) -> bool {
    let mut terms = filter
        .split(',')
        .map(str::trim)
        .filter(|term| !term.is_empty())
        .peekable();
    if terms.peek().is_none() {
        return true;
    }
    let texts: Vec<&str> = std::iter::once(case.id.as_str())
        .chain(case.cited())
        .chain(
            case.requirements
                .iter()
                .filter_map(|id| registry.get(id))
                .map(|requirement| requirement.section.as_str()),
        )
        .collect();
    terms.any(|term| {
        if ids.contains(term) {
            return case.id == term;
        }
        let is_glob = term.contains(['*', '?']);
        texts.iter().any(|text| {
            if is_glob {
                glob(term.as_bytes(), text.as_bytes())
            } else {
                text.contains(term)
            }
        })
    })
}

/// `*` is any text, `?` any one byte. Linear in practice: only the last star is ever tried again.
fn glob(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(&byte) if byte == b'?' || byte == text[t] => {
                p += 1;
                t += 1;
            }
            _ => match star {
                Some((at, from)) => {
                    star = Some((at, from + 1));
                    p = at + 1;
                    t = from + 1;
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn case(id: &str) -> Case {
        serde_json::from_value(json!({
            "id": id, "title": "t", "requirements": [&id[..7]], "manifest": "none",
            "steps": [{"step": {}, "expect": {"status": 200}, "cites": ["ERR-001"]}]
        }))
        .expect("a case")
    }

    #[test]
    fn filters_look_at_id_requirement_and_section() {
        let mut registry = Registry::default();
        registry.add_section(
            "steps",
            "[[requirement]]\nid=\"STP-001\"\nlevel=\"MUST\"\nprofile=\"session\"\nquote=\"q\"\njudged=\"live\"",
            "q",
        );
        let fits = |filter: &str| {
            matches_filter(
                &case("STP-001-late-step"),
                &registry,
                filter,
                &BTreeSet::from(["STP-001-late", "STP-001-late-step"]),
            )
        };
        for filter in [
            "",
            " , ",
            "late",
            "STP-001-late-step",
            "STP-001",
            "steps",
            "ERR-001",
            "x,late",
            "STP-*-step",
            "STP-00?-*",
        ] {
            assert!(fits(filter), "{filter}");
        }
        for filter in [
            "early",
            "STP-001-late",
            "STP-002",
            "STP-*-stop",
            "step??",
            "ERR-002",
        ] {
            assert!(!fits(filter), "{filter}");
        }
    }

    #[test]
    fn selection_says_when_it_is_partial() {
        let cases = [case("STP-002-b"), case("STP-001-a")];
        let registry = Registry::default();
        let (all, selection) = select(&cases, &registry, &Options::default(), None);
        assert_eq!(
            all.iter().map(|case| case.id.as_str()).collect::<Vec<_>>(),
            ["STP-001-a", "STP-002-b"]
        );
        assert!(!selection.partial);
        let options = Options {
            filter: "-a".into(),
            ..Options::default()
        };
        let (some, selection) = select(&cases, &registry, &options, None);
        assert_eq!((some.len(), selection.partial, selection.of), (1, true, 2));
        let failed = BTreeSet::from(["STP-002-b".to_owned()]);
        let (some, selection) = select(&cases, &registry, &Options::default(), Some(&failed));
        assert_eq!(
            (some[0].id.as_str(), selection.last_failed),
            ("STP-002-b", true)
        );
    }

    #[test]
    fn globs_are_not_exponential() {
        let pattern = "*a".repeat(200);
        assert!(!glob(pattern.as_bytes(), "a".repeat(150).as_bytes()));
        assert!(glob(b"**", b""));
        assert!(!glob(b"?", b""));
    }

    #[test]
    fn times_scale() {
        let times = Times::default().scaled(0.05);
        assert_eq!(times.request, Duration::from_millis(500));
        assert_eq!(Times::default().scaled(f64::NAN), Times::default());
    }
}
