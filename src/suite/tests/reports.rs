//! What becomes of a run in its reports: no secret in any form of them, and shards joined that are one run.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use super::fake::{self, Defect};
use super::{CALL, REFUSAL, WISH, case, registry, wire};
use crate::requirement::Profile;
use crate::suite::case::Case;
use crate::suite::options::{Options, Times, test_secrets};
use crate::suite::report::merge::merge;
use crate::suite::report::{Format, Report, Style, render, render_annotations};
use crate::suite::runner::run_on;
use crate::suite::secrets::Secrets;
use crate::suite::shard::Shard;
use crate::suite::target::{Answer, Boxed, Exchange, HttpRequest, HttpTarget, Target};

/// A target that repeats its operator's secrets wherever it can, in every encoding that comes to mind.
struct Echoing {
    inner: HttpTarget,
    secrets: Vec<String>,
}

impl Echoing {
    fn echo(&self, answer: &mut Answer) {
        let mut texts = Vec::new();
        for secret in &self.secrets {
            texts.extend([
                secret.clone(),
                format!("x{secret}y"),
                STANDARD.encode(secret),
                URL_SAFE.encode(format!("user:{secret}")),
                STANDARD.encode(format!("u:{secret}:z")),
                utf8_percent_encode(secret, NON_ALPHANUMERIC).to_string(),
                Value::from(secret.as_str()).to_string(),
            ]);
        }
        for (index, text) in texts.iter().enumerate() {
            answer
                .headers
                .push((format!("x-echo-{index}"), text.clone()));
        }
        let body = String::from_utf8_lossy(&answer.body).into_owned();
        answer.body = match serde_json::from_str::<Value>(&body) {
            Ok(Value::Object(mut members)) => {
                for text in &texts {
                    members.insert(text.clone(), Value::from(text.as_str()));
                }
                members.insert("echo".into(), texts.clone().into());
                if let Some(Value::Object(own)) = members.get_mut("implementation") {
                    own.insert("build".into(), texts.clone().into());
                }
                Value::Object(members).to_string().into_bytes()
            }
            _ => format!("{body}{}", texts.join("\n")).into_bytes(),
        };
    }
}

impl Target for Echoing {
    fn base_url(&self) -> &str {
        self.inner.base_url()
    }

    fn send(&self, request: HttpRequest, timeout: Duration) -> Boxed<'_, Exchange> {
        Box::pin(async move {
            let mut exchange = self.inner.send(request, timeout).await;
            if let Ok(answer) = &mut exchange.outcome {
                self.echo(answer);
            }
            exchange
        })
    }
}

fn options() -> Options {
    Options {
        times: Times {
            request: Duration::from_secs(5),
            ready: Duration::from_secs(5),
            tidy: Duration::from_secs(1),
        },
        ..Options::default()
    }
}

async fn mocks() -> Arc<mock_services::MockServices> {
    let mocks = mock_services::start(mock_services::Options::default()).await;
    Arc::new(mocks.expect("starts"))
}

/// What a reader of a page or of XML sees: entities resolved.
fn unescaped(text: &str) -> String {
    let mut out = text.to_owned();
    for (entity, plain) in [
        ("&#x2f;", "/"),
        ("&#x27;", "'"),
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&apos;", "'"),
    ] {
        out = out.replace(entity, plain);
    }
    for code in 33..127_u8 {
        out = out.replace(&format!("&#{code};"), &char::from(code).to_string());
    }
    out.replace("&amp;", "&")
}

#[tokio::test]
async fn secrets_of_a_target_are_in_no_form_of_its_report() {
    let mocks = mocks().await;
    let fake = fake::start(Defect::CallsAnyway, mocks.model_url()).await;
    let own = [
        ("OWN_PASSWORD".to_owned(), "p<a>&\"ss'/w#rd+==".to_owned()),
        ("OWN_DIGITS".to_owned(), "8675309123".to_owned()),
        ("OWN_WORDS".to_owned(), "Grüße an\nalle ☂".to_owned()),
    ];
    let all: Vec<(String, String)> = test_secrets().into_iter().chain(own).collect();
    let target = Echoing {
        inner: HttpTarget::new(&fake.url, Vec::new()).expect("a target"),
        secrets: all.iter().map(|(_, value)| value.clone()).collect(),
    };
    let folder = tempfile::tempdir().expect("a folder");
    let options = Options {
        secrets: all.clone(),
        keep: Some(folder.path().to_owned()),
        ..options()
    };
    let cases = [REFUSAL, CALL, WISH].map(case);
    let report = run_on(
        &registry(),
        &wire(),
        &cases,
        Arc::new(target),
        mocks,
        &options,
        &(),
    )
    .await
    .expect("runs");
    assert!(!report.run.exchanges.is_empty());
    assert!(report.run.target.implementation.is_some());
    let mut texts: Vec<(String, String)> = Format::ALL
        .into_iter()
        .map(|format| {
            let text = render(&report, &registry(), format, Style::default());
            (format.name().to_owned(), text.expect("renders"))
        })
        .collect();
    texts.push((
        "annotations".into(),
        render_annotations(&report, &registry()),
    ));
    for entry in std::fs::read_dir(folder.path()).expect("kept") {
        let path = entry.expect("an entry").path();
        let text = std::fs::read_to_string(&path).expect("readable");
        texts.push((path.display().to_string(), text));
    }
    assert!(texts.len() > 10);
    let secrets = Secrets::new(all.clone());
    for (name, text) in &texts {
        // Those that show answers show that something was taken out.
        let shows = name == "html" || name.ends_with("json");
        assert!(text.contains("[REDACTED]") || !shows, "{name}");
        for text in [text.clone(), unescaped(text)] {
            assert_eq!(secrets.in_text(&text), [], "{name}");
            for (secret, value) in &all {
                for line in value.lines().filter(|line| line.len() > 7) {
                    assert!(!text.contains(line), "{secret} is in {name}");
                }
            }
        }
        if let Ok(value) = serde_json::from_str::<Value>(text) {
            assert_eq!(secrets.in_value(&value), [], "{name}");
        }
    }
}

/// Reports of shards, each with its file's name.
type Named = Vec<(String, Report)>;

/// Cases enough that each of two shards has one.
fn cases() -> Vec<Case> {
    let mut cases: Vec<Case> = ["", "-two", "-three", "-four"]
        .iter()
        .flat_map(|end| {
            [
                REFUSAL.replace("undeclared-action", &format!("undeclared-action{end}")),
                CALL.replace("one-call", &format!("one-call{end}")),
                WISH.replace("created", &format!("created{end}")),
            ]
        })
        .map(|text| case(&text))
        .collect();
    cases.sort_by(|a, b| a.id.cmp(&b.id));
    cases
}

async fn run(shard: Option<Shard>) -> Report {
    let mocks = mocks().await;
    let fake = fake::start(Defect::CallsAnyway, mocks.model_url()).await;
    let target = Arc::new(HttpTarget::new(&fake.url, Vec::new()).expect("a target"));
    let options = Options { shard, ..options() };
    run_on(&registry(), &wire(), &cases(), target, mocks, &options, &())
        .await
        .expect("runs")
}

#[tokio::test]
async fn shards_that_saw_less_than_they_show_are_a_whole_that_did() {
    let mut shards = Vec::new();
    for index in 1..=2 {
        let shard = Shard::new(index, 2).expect("a shard");
        shards.push((format!("{index}.json"), run(Some(shard)).await));
    }
    let joined = merge(shards.clone(), &cases(), &registry()).expect("joins");
    assert!(!joined.run.unseen);
    shards[1].1.run.unseen = true;
    let joined = merge(shards, &cases(), &registry()).expect("joins");
    assert!(joined.run.unseen);
}

#[tokio::test]
async fn shards_joined_are_one_run() {
    let mut shards = Vec::new();
    for index in 1..=2 {
        let shard = Shard::new(index, 2).expect("a shard");
        shards.push((format!("{index}.json"), run(Some(shard)).await));
    }
    let whole = run(None).await;
    let registry = registry();
    let mut merged = merge(shards.clone(), &cases(), &registry).expect("joins");
    assert_eq!(merged.run.selection, whole.run.selection);
    assert_eq!(merged.run.case_ms.len(), 12);
    assert_eq!(merged.run.requests, {
        let requests = shards.iter().map(|(_, report)| report.run.requests);
        requests.sum::<usize>()
    });
    assert_eq!(
        merged.run.exchanges.keys().collect::<Vec<_>>(),
        whole.run.exchanges.keys().collect::<Vec<_>>()
    );
    merged.run = whole.run.clone();
    assert_eq!(merged, whole);

    let refused = |change: &dyn Fn(&mut Named)| {
        let mut changed = shards.clone();
        change(&mut changed);
        merge(changed, &cases(), &registry).expect_err("is refused")
    };
    for (part, error) in [
        ("nothing to join", refused(&|shards| shards.clear())),
        (
            "shard 2/2 is missing",
            refused(&|shards| shards.truncate(1)),
        ),
        (
            "1.json and copy.json are both shard 1/2",
            refused(&|shards| {
                let (_, first) = shards[0].clone();
                shards.push(("copy.json".into(), first));
            }),
        ),
        (
            "is no shard",
            refused(&|shards| shards[1].1.run.selection.shard = None),
        ),
        (
            "others are of 2",
            refused(&|shards| shards[1].1.run.selection.shard = Shard::new(3, 3).ok()),
        ),
        (
            "no shard 0/0",
            refused(&|shards| {
                shards[1].1.run.selection.shard = Some(Shard { index: 0, of: 0 });
            }),
        ),
        (
            "was written by oap-conform 9",
            refused(&|shards| shards[1].1.run.suite = "oap-conform 9".into()),
        ),
        (
            // Also where all agree on it.
            "was written by oap-conform 9",
            refused(&|shards| {
                for (_, report) in shards {
                    report.run.suite = "oap-conform 9".into();
                }
            }),
        ),
        (
            "differ in what was selected",
            refused(&|shards| shards[1].1.run.selection.filter = "x".into()),
        ),
        (
            "differ in what was selected",
            refused(&|shards| shards[1].1.run.selection.revision = Some("2.0".into())),
        ),
        (
            "does not declare",
            refused(&|shards| shards[1].1.run.target.profiles.clear()),
        ),
        (
            "does not declare",
            refused(&|shards| {
                for (_, report) in shards {
                    report.run.target.profiles.clear();
                }
            }),
        ),
        (
            "differ in the target's profiles",
            refused(&|shards| {
                shards[1].1.run.target.profiles.insert(Profile::Human);
            }),
        ),
        (
            "differ in the baseline",
            refused(&|shards| shards[1].1.baseline = Some(Default::default())),
        ),
        (
            "run that shard again",
            refused(&|shards| shards[1].1.cases.truncate(1)),
        ),
        (
            "belongs to another shard",
            refused(&|shards| {
                let stranger = shards[0].1.cases[0].clone();
                shards[1].1.cases[0] = stranger;
            }),
        ),
    ] {
        assert!(error.contains(part), "{part}: {error}");
    }
    let fewer = &cases()[1..];
    let error = merge(shards.clone(), fewer, &registry).expect_err("is refused");
    assert!(error.contains("not among the cases here"), "{error}");
    let mut more = cases();
    let mut another = more[0].clone();
    another.id.push_str("-more");
    more.push(another);
    let error = merge(shards, &more, &registry).expect_err("is refused");
    assert!(error.contains("no shard has"), "{error}");
}
