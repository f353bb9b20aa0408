//! `--keep`: all that went over the wire in a failed case, as one JSON file, redacted.

use std::path::Path;

use serde_json::{Value, json};

use super::observed::Observed;
use super::report::CaseReport;
use super::secrets::Secrets;
use super::target::Exchange;

/// Longest body kept as it is, in bytes.
const MOST_BODY: usize = 256 * 1024;

/// Writes `<folder>/<case id>.json`.
///
/// # Errors
/// When the folder or the file cannot be written, with what to do.
pub fn keep(
    folder: &Path,
    case: &CaseReport,
    observed: &Observed,
    secrets: &Secrets,
) -> Result<(), String> {
    std::fs::create_dir_all(folder).map_err(|error| {
        format!(
            "{} cannot be made: {error}; name another folder",
            folder.display()
        )
    })?;
    let path = folder.join(format!("{}.json", case.id));
    let mut text = serde_json::to_string_pretty(&secrets.redact(&record(case, observed)))
        .map_err(|error| format!("{} cannot be written as JSON: {error}", case.id))?;
    text.push('\n');
    std::fs::write(&path, text).map_err(|error| {
        format!(
            "{} cannot be written: {error}; name another folder",
            path.display()
        )
    })
}

fn record(case: &CaseReport, observed: &Observed) -> Value {
    json!({
        "case": case,
        "token": observed.token,
        "manifest": observed.manifest.document,
        "registration": observed.control.exchanges.iter().map(exchange).collect::<Vec<_>>(),
        "steps": observed.steps.iter().map(|step| step.exchanges.iter().map(exchange).collect::<Vec<_>>()).collect::<Vec<_>>(),
        "calls": observed.calls,
        "unused": observed.unused,
        "strays": observed.strays,
        "states": observed.states,
        "files": observed.files,
        "duration_ms": observed.duration.as_secs_f64() * 1000.0,
    })
}

fn exchange(exchange: &Exchange) -> Value {
    let outcome = match &exchange.outcome {
        Ok(answer) => {
            json!({"status": answer.status, "headers": pairs(&answer.headers), "body": body(&answer.body)})
        }
        Err(error) => json!({"error": error.to_string()}),
    };
    json!({
        "request": {
            "method": exchange.request.method,
            "path": exchange.request.path,
            "headers": pairs(&exchange.request.headers),
            "body": body(&exchange.request.body),
        },
        "answer": outcome,
        "duration_ms": exchange.duration.as_secs_f64() * 1000.0,
    })
}

fn pairs(headers: &[(String, String)]) -> Value {
    headers
        .iter()
        .map(|(name, value)| {
            // What a request to the target carries to prove who sends it is nobody's business.
            let hidden = name.eq_ignore_ascii_case("authorization");
            json!([
                name,
                if hidden {
                    super::secrets::REDACTED
                } else {
                    value
                }
            ])
        })
        .collect()
}

fn body(bytes: &[u8]) -> Value {
    if bytes.is_empty() {
        return Value::Null;
    }
    if bytes.len() > MOST_BODY {
        return Value::from(format!("({} bytes)", bytes.len()));
    }
    serde_json::from_slice(bytes)
        .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(bytes).into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::requirement::Profile;
    use crate::suite::observed::StepObserved;
    use crate::suite::target::{Answer, HttpRequest};
    use crate::suite::verdict::Verdict;

    #[test]
    fn what_is_kept_holds_no_secret() {
        let secret = "cal-tok+en/3f9a1c77==";
        let secrets = Secrets::new([("CALENDAR_TOKEN".to_owned(), secret.to_owned())]);
        let mut observed = Observed::broken("oapt0000000000000000", String::new());
        let mut request = HttpRequest::new("POST", "/sessions");
        request
            .headers
            .push(("Authorization".into(), "Bearer mine".into()));
        observed.steps.push(StepObserved {
            exchanges: vec![Exchange {
                request,
                outcome: Ok(Answer {
                    status: 200,
                    headers: Vec::new(),
                    body: format!("{{\"a\":\"{secret}\"}}").into_bytes(),
                }),
                duration: std::time::Duration::ZERO,
                answered: None,
            }],
            ..StepObserved::default()
        });
        let case = CaseReport {
            id: "SEC-001-a".into(),
            title: "t".into(),
            file: String::new(),
            requirements: Vec::new(),
            profile: Profile::Session,
            verdict: Verdict::Fail,
            mismatches: Vec::new(),
            assertions: 0,
            reason: None,
            leaves_open: Vec::new(),
            expected: false,
        };
        let folder = tempfile::tempdir().expect("a folder");
        keep(&folder.path().join("deep"), &case, &observed, &secrets).expect("kept");
        let text =
            std::fs::read_to_string(folder.path().join("deep/SEC-001-a.json")).expect("readable");
        assert!(!text.contains(secret) && !text.contains("Bearer mine"));
        assert!(text.contains("[REDACTED]") && text.contains("\"status\": 200"));
    }
}
